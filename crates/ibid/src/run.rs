//! `Run`: everything that the engine needs from this process, gathered for one request.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ibid_core::action::{AccessMode, StdinRequest, Step};
use ibid_core::config::{LinkPreference, StatCachePolicy};
use ibid_core::digest::Key;
use ibid_core::engine::snapshot::{Sealing, Seen};
use ibid_core::engine::{self, Clock, Decision, Provenance, Sink};
use ibid_core::exec::Orphans;
use ibid_core::fs::{self, FileKind, Signature, Timestamp};
use ibid_core::scan::StatCache;
use ibid_core::store::{
    Access, BootMemory, LinkMode, LocalStore, OpenError, Sharing, View, Views, make_folder_beside,
    make_root,
};

use crate::collection;
use crate::context::{
    Context, Process, Session, may_be_written, now, refusal_hint, store_failure, system_time,
};
use crate::error::Failure;
use crate::exit;
use crate::report::people;

/// What a request is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The outcome of a step; with `force` by running it.
    Execute { force: bool },
    /// Its key only: the store is not looked at, and nothing is written.
    MakeKey,
    /// What a run would do: the store is looked at and nothing is written, not even what is known
    /// of files by their signatures.
    Foresee,
}

/// Owns what [`engine::Context`] borrows.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    context: &'a Context,
    root: PathBuf,
    store: Option<LocalStore>,
    cache_dir: PathBuf,
    stats: Arc<StatCache>,
    spool_dir: PathBuf,
    provenance: Provenance,
    clock: Clock,
    access: engine::Access,
    /// Why the result of a run will not be stored, if that is known before.
    pub(crate) caveat: Option<String>,
    /// Keeps spooled standard input until the run is over.
    stdin: Option<File>,
}

impl<'a> Run<'a> {
    /// Opens what the settings name. A store that cannot be opened is a warning, unless the user
    /// wants a failure; one of a newer format is always refused.
    pub(crate) fn new(
        context: &'a Context,
        session: &Session,
        root: &Path,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        let clock = Clock::starting(system_time());
        let mut stats = Arc::new(match purpose {
            Purpose::Execute { .. } | Purpose::MakeKey => session.stat_cache(false),
            Purpose::Foresee => session.unwritten_stat_cache(),
        });
        let (mode, force) = match purpose {
            Purpose::Execute { force } => (session.config.mode.value, force),
            Purpose::MakeKey => (AccessMode::Off, false),
            Purpose::Foresee => (session.config.mode.value, false),
        };
        let (store, caveat) = match purpose {
            Purpose::Foresee => (look_into_store(session, &stats, mode)?, None),
            Purpose::Execute { .. } | Purpose::MakeKey => open_store(session, &stats, mode)?,
        };
        let spool_dir = if purpose == Purpose::Foresee {
            spool_dir(context, session, AccessMode::Off)
        } else if store.is_some() || mode == AccessMode::Off {
            spool_dir(context, session, mode)
        } else {
            // What is not a store may be somebody's own folder: nothing is written there.
            stats = Arc::new(StatCache::off());
            spool_dir(context, session, AccessMode::Off)
        };
        Ok(Self {
            context,
            root: root.to_owned(),
            store,
            cache_dir: session.dirs.cache().path.clone(),
            stats,
            spool_dir,
            provenance: Provenance {
                host: session.host.name.clone(),
                user: user_name(context),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            clock,
            access: engine::Access {
                mode,
                force,
                always: false,
                link: match session.config.link.value {
                    LinkPreference::Auto => LinkMode::Reflink,
                    LinkPreference::Copy => LinkMode::Copy,
                    LinkPreference::Hardlink => LinkMode::Hard,
                },
                budget: session.config.max_size.value,
                orphans: match context.process {
                    // Every child of it is started by the library.
                    Process::Own => Orphans::Adopt,
                    Process::Lent => Orphans::Leave,
                },
                in_view: false,
            },
            caveat,
            stdin: None,
        })
    }

    /// Reads what is to be standard input to its end into a file without a name, which the step
    /// then reads.
    pub(crate) fn spool_stdin(
        &mut self,
        step: &mut Step,
        source: &mut dyn Read,
    ) -> Result<(), Failure> {
        let failed = |failure: Failure| {
            failure.hint("`IBID_TMP_DIR` names a folder for temporary files: one with room")
        };
        let mut file = fs::unnamed_file(&self.spool_dir)
            .map_err(|error| failed(Failure::of(exit::IBID_FAILED, &error)))?;
        std::io::copy(source, &mut file).map_err(|error| {
            let kept = Failure::new(exit::IBID_FAILED, "cannot keep standard input");
            failed(kept.because_of(Some(&error)))
        })?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        step.stdin = StdinRequest::File(path.into());
        self.stdin = Some(file);
        Ok(())
    }

    /// Makes a view the root. Whoever has its path may edit what stands there, so it gets copies,
    /// whatever the settings say of links.
    pub(crate) fn enter(&mut self, root: &Path) {
        root.clone_into(&mut self.root);
        self.access.in_view = true;
        if self.access.link == LinkMode::Hard {
            self.access.link = LinkMode::Reflink;
        }
    }

    /// Returns the view of a key that counts, if one stands. Whoever keeps what was seen asks again.
    pub(crate) fn standing_view(&self, session: &Session, key: &Key) -> Option<View> {
        match self.place_of_views(session) {
            PlaceOfViews::Store(store) => fs::look_aside(|| store.views().standing(key)),
            PlaceOfViews::Elsewhere(dir) => {
                // Temporary files may lie where anybody could have made it first.
                fs::make_private_dir(&dir, self.context.user).ok()?;
                Views::new(dir).standing(key)
            }
            PlaceOfViews::Nowhere => None,
        }
    }

    /// Makes an empty view of a key. Where it cannot stand where it should, it goes when it was read.
    pub(crate) fn make_view(&self, session: &Session, key: &Key) -> Result<View, Failure> {
        let made = match self.place_of_views(session) {
            PlaceOfViews::Store(store) => store.make_view(key).ok(),
            PlaceOfViews::Elsewhere(dir) => {
                let made = fs::make_private_dir(&dir, self.context.user);
                made.ok().and_then(|()| self.views_in(dir).make(key).ok())
            }
            PlaceOfViews::Nowhere => None,
        };
        let passing = || View::passing(&self.spool_dir);
        made.map_or_else(passing, Ok)
            .map_err(|error| Failure::of(exit::IBID_FAILED, &error))
    }

    /// Counts what stands in a new view: it takes as much of the budget as what it is a copy of.
    pub(crate) fn count_view(&self, decision: &Decision) {
        let Some(store) = &self.store else { return };
        match decision {
            Decision::Restored { bytes, .. } => store.count_copy(*bytes),
            // Nothing else was added through this handle.
            Decision::Ran { .. } => store.count_copy(store.added().0),
            Decision::UpToDate { .. } => {}
        }
    }

    /// Makes a folder for the views of one process, which stays when that ends, for as long as views
    /// do. Without a store there is none: nobody would take it away.
    pub(crate) fn make_views(&self, session: &Session) -> Result<View, Failure> {
        if matches!(self.place_of_views(session), PlaceOfViews::Nowhere) {
            return Err(Failure::new(
                exit::IBID_FAILED,
                "there is no cache to hold views",
            ));
        }
        let mut view = self.make_view(session, &Key::derive(fs::random_name().as_bytes()))?;
        view.show()
            .map_err(|error| Failure::of(exit::IBID_FAILED, &error))?;
        Ok(view)
    }

    /// Returns views outside of a store, without those that nobody has used for long: no collection
    /// finds them.
    fn views_in(&self, dir: PathBuf) -> Views {
        let views = Views::new(dir);
        let now = self.clock.now().as_secs();
        views.expire(Timestamp {
            seconds: i64::try_from(now.saturating_sub(ELSEWHERE)).unwrap_or(0),
            nanos: 0,
        });
        views
    }

    /// Returns the views in the store, where they are there.
    pub(crate) fn own_views(&self, session: &Session) -> Option<Views> {
        match self.place_of_views(session) {
            PlaceOfViews::Store(store) => Some(store.views()),
            PlaceOfViews::Elsewhere(_) | PlaceOfViews::Nowhere => None,
        }
    }

    /// Keeps what was looked at from a root, since the host's time `began` and with this generation of
    /// the store, so that nothing else need be looked at again. `None` where a setting or a fault
    /// makes more than that count.
    pub(crate) fn seen(
        &self,
        account: fs::Account,
        (root, session): (&Path, &Session),
        (began, generation): (Timestamp, Option<&[u8]>),
    ) -> Option<Seen> {
        let config = &session.config;
        let is_plain = config.mode.value == AccessMode::ReadWrite
            && config.stat_cache.value == StatCachePolicy::Auto
            && session.sharing() == Sharing::Private
            && !self.context.console.has_warned()
            && self.caveat.is_none();
        let local = session.local_dir().filter(|it| !it.in_shared_parent)?;
        if !is_plain {
            return None;
        }
        let sealing = Sealing {
            root,
            cache_dir: &self.cache_dir,
            tmp_dir: &session.dirs.tmp().path,
            local_dir: &local.path,
            generation,
            stats: &self.stats,
            began,
            now: now(),
        };
        Seen::seal(account, &sealing)
    }

    fn place_of_views(&self, session: &Session) -> PlaceOfViews<'_> {
        match &self.store {
            Some(store) if session.sharing() == Sharing::Private && store.is_writable() => {
                PlaceOfViews::Store(store)
            }
            Some(_) => PlaceOfViews::Elsewhere(views_elsewhere(self.context, session)),
            // What is not stored is in nobody's way afterwards.
            None => PlaceOfViews::Nowhere,
        }
    }

    /// Returns the present time as file systems stamp it.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanos: now.subsec_nanos(),
        }
    }

    /// Returns the generation of the store, if it has one; nothing where it cannot be read.
    #[expect(
        clippy::option_option,
        reason = "a store without a generation is none that cannot be read"
    )]
    pub(crate) fn generation(&self) -> Option<Option<Vec<u8>>> {
        self.store.as_ref()?.generation().ok()
    }

    /// Collects, if this run is the one that does. To be called when everything is told.
    pub(crate) fn collect(&self, session: &Session) {
        if self.is_to_collect(session) {
            self.collect_now(session);
        }
    }

    /// Says whether this run is the one that collects.
    pub(crate) fn is_to_collect(&self, session: &Session) -> bool {
        let store = self.store.as_ref();
        store.is_some_and(|store| collection::is_due(store, session, self.context))
    }

    /// Collects.
    pub(crate) fn collect_now(&self, session: &Session) {
        if let Some(store) = &self.store {
            collection::after_run(store, session, self.context);
        }
    }

    /// Writes what was remembered. Where the end of the process follows, all else is left to it:
    /// the kernel closes and frees everything at once.
    pub(crate) fn leave(self) {
        self.stats.flush();
        if let Some(store) = &self.store {
            store.leave();
        }
        if self.context.process == Process::Own {
            std::mem::forget(self);
        }
    }

    /// Lends everything to the engine.
    pub(crate) fn engine<'b>(&'b self, sink: &'b dyn Sink) -> engine::Context<'b> {
        engine::Context {
            root: &self.root,
            env: &self.context.place.env,
            store: self.store.as_ref(),
            cache_dir: &self.cache_dir,
            stats: &self.stats,
            spool_dir: &self.spool_dir,
            provenance: &self.provenance,
            clock: self.clock,
            interrupt: &self.context.interrupt,
            sink,
            access: self.access,
            caller: None,
            memo: None,
        }
    }
}

/// Where views are made.
enum PlaceOfViews<'a> {
    Store(&'a LocalStore),
    Elsewhere(PathBuf),
    Nowhere,
}

/// For how many seconds a view outside of a store stays that nobody uses.
const ELSEWHERE: u64 = 24 * 3600;

/// Returns the views that a run would use. Nothing is made.
pub(crate) fn future_views(context: &Context, session: &Session) -> Views {
    let cache = &session.dirs.cache().path;
    let writes = matches!(
        session.config.mode.value,
        AccessMode::ReadWrite | AccessMode::WriteOnly
    );
    if writes && session.sharing() == Sharing::Private && may_be_written(cache) {
        Views::of_store(cache)
    } else {
        Views::new(views_elsewhere(context, session))
    }
}

/// Returns the folder of this user's views of a store that others write, or that is not written: a
/// view is nobody else's to change before it is read. Nothing below such a store is touched.
fn views_elsewhere(context: &Context, session: &Session) -> PathBuf {
    let chosen = &session.dirs.tmp().path;
    let dir = if chosen.starts_with(&session.dirs.cache().path) {
        system_dir(context)
    } else {
        chosen.clone()
    };
    dir.join(format!("ibid-views-{}", context.user))
}

/// Opens the store, and says why nothing can be stored in it where that is so.
fn open_store(
    session: &Session,
    stats: &Arc<StatCache>,
    mode: AccessMode,
) -> Result<(Option<LocalStore>, Option<String>), Failure> {
    let dir = &session.dirs.cache().path;
    let writes = matches!(mode, AccessMode::ReadWrite | AccessMode::WriteOnly);
    let caveat = match mode {
        AccessMode::Off => return Ok((None, None)),
        _ if writes => unwritable(dir, session.sharing()),
        _ => None,
    };
    let access = match &caveat {
        None if writes => Access::ReadWrite,
        _ => Access::ReadOnly,
    };
    let verified = BootMemory::new(Arc::clone(stats), dir.clone());
    let opened = session.open_store(access, Arc::new(verified));
    let strict = session.config.strict.value;
    match opened {
        // Why nobody should use it says more than that this user cannot.
        Err(error @ OpenError::Refused { .. }) if strict => Err(store_failure(&error)),
        _ if strict && caveat.is_some() => {
            let caveat = caveat.unwrap_or_default();
            Err(Failure::new(exit::IBID_FAILED, caveat).hint(
                "`--cache-dir DIR` uses another cache; without `--strict` the command runs \
                 uncached",
            ))
        }
        Ok(store) => Ok((Some(store), caveat)),
        Err(OpenError::Refused { path, refusal }) => {
            let hint = refusal_hint(&path, refusal);
            let error = OpenError::Refused { path, refusal };
            Ok((None, Some(format!("{error} ({hint})"))))
        }
        Err(error @ (OpenError::Io(_) | OpenError::Foreign { .. })) if !strict => {
            Ok((None, caveat.or_else(|| Some(engine::chain(&error)))))
        }
        Err(error) => Err(store_failure(&error)),
    }
}

/// Opens the store to look at it only. One that a run would go without is gone without here, too;
/// the mode stays that of the run, so that both decide alike.
fn look_into_store(
    session: &Session,
    stats: &Arc<StatCache>,
    mode: AccessMode,
) -> Result<Option<LocalStore>, Failure> {
    if mode == AccessMode::Off {
        return Ok(None);
    }
    let verified = BootMemory::new(Arc::clone(stats), session.dirs.cache().path.clone());
    match session.open_store(Access::ReadOnly, Arc::new(verified)) {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::Io(_) | OpenError::Foreign { .. } | OpenError::Refused { .. })
            if !session.config.strict.value =>
        {
            Ok(None)
        }
        Err(error) => Err(store_failure(&error)),
    }
}

/// Says why nothing can be stored in `dir`, which is made if it is missing. Hits come from a store
/// that cannot be written all the same.
fn unwritable(dir: &Path, sharing: Sharing) -> Option<String> {
    // A folder that may be written is there: on most ways this is the only call.
    if fs::may_write_in(dir) {
        return None;
    }
    if Signature::of(dir).is_err()
        && let Err(error) = make_root(dir, sharing)
    {
        return Some(engine::chain(&error));
    }
    let shown = people::path(dir);
    (!fs::may_write_in(dir)).then(|| format!("the cache `{shown}` cannot be written"))
}

/// Returns a folder that exists: the one of the settings, made where the store may be written,
/// else the system's own.
fn spool_dir(context: &Context, session: &Session, mode: AccessMode) -> PathBuf {
    let chosen = &session.dirs.tmp().path;
    let may_make = matches!(mode, AccessMode::ReadWrite | AccessMode::WriteOnly);
    // In a cache of a group somebody else may have made it for themselves.
    let usable = |path: &Path| match session.sharing() {
        Sharing::Private => is_dir(path),
        Sharing::Group => is_dir(path) && fs::may_write_in(path),
    };
    if usable(chosen)
        || (may_make && make_folder_beside(chosen, session.sharing()).is_ok() && usable(chosen))
    {
        return chosen.clone();
    }
    system_dir(context)
}

/// Returns the system's folder for temporary files.
fn system_dir(context: &Context) -> PathBuf {
    let named = context.place.env.non_empty("TMPDIR").map(PathBuf::from);
    named
        .filter(|dir| dir.is_absolute() && is_dir(dir))
        .unwrap_or_else(|| "/tmp".into())
}

fn is_dir(path: &Path) -> bool {
    Signature::of(path).is_ok_and(|it| it.kind() == FileKind::Dir)
}

/// The standard input of this process, which costs nothing until it is read.
pub(crate) struct OwnStdin;

impl Read for OwnStdin {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::io::stdin().lock().read(buffer)
    }
}

fn user_name(context: &Context) -> Option<String> {
    let name = context.place.env.non_empty("USER")?;
    Some(name.to_string_lossy().into_owned())
}
