//! `Context`: what a command is told about the process it runs in; `Session`: what holds here.
//!
//! The only place that reads the environment, the current folder, the user and the clock;
//! everything else gets them from here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ibid_core::action::AccessMode;
use ibid_core::config::{self, Config, ConfigError, Loaded, Overrides, ProjectFile};
use ibid_core::dirs::{Dirs, DirsError, LocalDir, Platform, Surroundings};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::Interrupt;
use ibid_core::fs::{FileSystemKind, Host, Timestamp, no_later_than_stamps};
use ibid_core::scan::{StatCache, StatCacheOptions, StatPolicy, StatWrites};
use ibid_core::store::{
    self, Access, LocalStore, OpenError, OwnerCheck, ProcessMemory, RecallPlace, Refusal, Sharing,
    StoreOptions, VerifiedBlobs,
};

use crate::again::Asking;
use crate::args::GlobalArgs;
use crate::error::Failure;
use crate::exit;
use crate::members::Members;
use crate::place::Place;
use crate::report::{Console, Listener, people};

/// Whose process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// The program's: it handles signals, adopts what its commands leave behind, and ends when its
    /// work is done.
    Own,
    /// Somebody else's, who may start children, handle signals and go on for days.
    Lent,
}

/// Environment, current folder and console of this process.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where requests are made.
    pub(crate) place: Place,
    /// The effective user id.
    pub(crate) user: u32,
    /// Where to print.
    pub(crate) console: Console,
    /// The request, if its run may be remembered.
    pub(crate) asking: Option<Asking>,
    /// How the user ends what runs.
    pub(crate) interrupt: Interrupt,
    /// Whose process this is.
    pub(crate) process: Process,
}

/// Settings, root and folders that hold in this folder.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Every setting with its origin.
    pub(crate) config: Config,
    /// The folder that declared paths are named from: the folder to work in or one above it.
    pub(crate) root: PathBuf,
    /// The project's `ibid.toml`, if there is one.
    pub(crate) project: Option<ProjectFile>,
    /// Where cache and temporary files live; nothing of it need exist.
    pub(crate) dirs: Dirs,
    /// This machine and its boot.
    pub(crate) host: Host,
    /// The effective user id.
    pub(crate) user: u32,
}

impl Context {
    /// Goes to the folder that `-C` names, and looks around.
    #[expect(
        clippy::disallowed_methods,
        reason = "a front door reads the environment and the current folder once"
    )]
    pub(crate) fn new(global: &GlobalArgs) -> Result<Self, Failure> {
        if let Some(dir) = &global.directory {
            std::env::set_current_dir(dir).map_err(|error| {
                Failure::usage(format!("cannot work in `{}`", people::path(dir)))
                    .because_of(Some(&error))
                    .hint("`-C` takes a folder that exists")
            })?;
        }
        let dir = std::env::current_dir().map_err(|error| {
            Failure::new(exit::IBID_FAILED, "the current folder is gone")
                .because_of(Some(&error))
                .hint("go to a folder that exists, or use `-C DIR`")
        })?;
        // What `-C` left behind is no place that a command should be told it runs in.
        let moved = |name: &OsStr| name == "PWD" && global.directory.is_some();
        let env: EnvSnapshot = std::env::vars_os()
            .map(|(name, value)| {
                let value = if moved(&name) {
                    dir.clone().into()
                } else {
                    value
                };
                (name, value)
            })
            .collect();
        let console = Console::new(global, &env);
        let place = Place {
            dir,
            env,
            cache_dir: global.cache_dir.clone(),
            tmp_dir: None,
            config: global.config.clone(),
        };
        Ok(Self::at(place, console, Process::Own))
    }

    /// Takes the surroundings that a caller in this process hands in.
    pub(crate) fn lent(place: Place, listener: Arc<dyn Listener>) -> Self {
        Self::at(place, Console::heard_by(listener), Process::Lent)
    }

    fn at(place: Place, console: Console, process: Process) -> Self {
        Self {
            place,
            user: rustix::process::geteuid().as_raw(),
            console,
            asking: None,
            interrupt: Interrupt::new(),
            process,
        }
    }

    /// Takes the request along; what the environment is asked for is noted for it.
    pub(crate) fn asking(self, asking: Option<Asking>) -> Self {
        let mut place = self.place;
        if asking.is_some() {
            place.env = place.env.watched();
        }
        Self {
            place,
            asking,
            ..self
        }
    }

    /// Returns the facts that folders depend on.
    pub(crate) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            platform: Platform::current(),
            env: &self.place.env,
            current_dir: &self.place.dir,
            user: self.user,
        }
    }

    /// Reads the settings for the project that this folder lies in, or for the root that is asked
    /// for; `overrides` are what other flags say.
    pub(crate) fn session(
        &self,
        root: Option<&Path>,
        overrides: Overrides,
    ) -> Result<Session, Failure> {
        let around = self.surroundings();
        let overrides = Overrides {
            cache_dir: self.place.cache_dir.clone().map(Some),
            tmp_dir: self.place.tmp_dir.clone().map(Some),
            quiet: self.console.is_quiet().then_some(true),
            ..overrides
        };
        let loaded = config::load(&config::Request {
            around,
            overrides: &overrides,
            config_file: self.place.config.as_deref(),
            root,
        })
        .map_err(|error| config_failure(&error))?;
        let dirs = loaded.dirs(&around).map_err(|error| dirs_failure(&error))?;
        let Loaded { config, root } = loaded;
        if config.quiet.value {
            self.console.hush();
        }
        Ok(Session {
            config,
            root: root.dir,
            project: root.file,
            dirs,
            host: Host::this(),
            user: self.user,
        })
    }
}

impl Session {
    /// Opens the store, which need not exist; `verified` knows blobs that need not be read again.
    pub(crate) fn open_store(
        &self,
        access: Access,
        verified: Arc<dyn VerifiedBlobs>,
    ) -> Result<LocalStore, OpenError> {
        self.open(access, verified, OwnerCheck::Strict)
    }

    /// Opens the store to tell what is wrong with it: one that others may write is looked at, and
    /// refused by the first write only.
    pub(crate) fn open_doubtful_store(&self, access: Access) -> Result<LocalStore, OpenError> {
        let verified = Arc::new(ProcessMemory::default());
        self.open(access, verified, OwnerCheck::BeforeWriting)
    }

    fn open(
        &self,
        access: Access,
        verified: Arc<dyn VerifiedBlobs>,
        owner_check: OwnerCheck,
    ) -> Result<LocalStore, OpenError> {
        let options = StoreOptions {
            access,
            durability: match self.config.durability.value {
                config::Durability::Verified => store::Durability::Verified,
                config::Durability::Synced => store::Durability::Synced,
            },
            host: self.host.clone(),
            created: jiff::Timestamp::from_nanosecond(i128::from(now()))
                .unwrap_or_default()
                .to_string(),
            verified,
            leases: self.config.leases.value,
            user: self.user,
            sharing: self.sharing(),
            trusted: Arc::new(Members::new(&self.config.trusted_owners.value)),
            owner_check: if self.vouched_for() {
                OwnerCheck::Waived
            } else {
                owner_check
            },
        };
        LocalStore::open(&self.dirs.cache().path, options)
    }

    /// Lets the store keep what its listings read, where stamps are believed at all and the cache
    /// is not one that is only read.
    pub(crate) fn recall_listings(&self, store: &LocalStore) {
        let is_read_only = matches!(
            self.config.mode.value,
            AccessMode::ReadOnly | AccessMode::Off
        );
        if is_read_only || self.stat_policy() == StatPolicy::Off {
            return;
        }
        let local = self.local_dir().and_then(|dir| dir.trusted(self.user));
        if let Some(local) = local {
            store.recall_in(RecallPlace::new(&local, &self.host.machine_id, store.dir()));
        }
    }

    /// Returns who writes in the store.
    pub(crate) fn sharing(&self) -> Sharing {
        match self.config.shared.value {
            config::Sharing::Private => Sharing::Private,
            config::Sharing::Group => Sharing::Group,
        }
    }

    /// Says whether the user's own settings name the store as one to be used whoever owns it.
    fn vouched_for(&self) -> bool {
        self.config.trust.value.names_dir(&self.dirs.cache().path)
    }

    /// Returns where host-local state lies, if there is a place for it. What is believed of files
    /// is nobody else's to write, so it lies in no cache that others write in.
    pub(crate) fn local_dir(&self) -> Option<LocalDir> {
        let shared = self.sharing() == Sharing::Group || self.vouched_for();
        let is_own = |path: &Path| !shared || !path.starts_with(&self.dirs.cache().path);
        self.dirs
            .local(|path| is_own(path) && is_of_this_host(path) && may_be_written(path))
    }

    /// Returns the stat cache of requests that write nothing: what it learns, it forgets with the
    /// process, and it touches no file to learn the time.
    pub(crate) fn unwritten_stat_cache(&self) -> StatCache {
        StatCache::open(StatCacheOptions {
            dir: self.local_dir().and_then(|dir| dir.trusted(self.user)),
            probe_dirs: Vec::new(),
            policy: self.stat_policy(),
            writes: StatWrites::Forbidden,
            host: self.host.clone(),
            clock: stamp_clock,
        })
    }

    /// Returns the stat cache as the settings want it; with `read_all` it believes nothing.
    pub(crate) fn stat_cache(&self, read_all: bool) -> StatCache {
        let policy = self.stat_policy();
        if read_all || policy == StatPolicy::Off {
            return StatCache::off();
        }
        StatCache::open(StatCacheOptions {
            dir: self.local_dir().and_then(|dir| dir.trusted(self.user)),
            // Not the store itself, which takes a folder with foreign files for somebody else's.
            probe_dirs: match self.sharing() {
                Sharing::Private => vec![self.dirs.tmp().path.clone(), self.root.join(".ibid")],
                Sharing::Group => vec![self.root.join(".ibid")],
            },
            policy,
            writes: StatWrites::Allowed,
            host: self.host.clone(),
            clock: stamp_clock,
        })
    }

    fn stat_policy(&self) -> StatPolicy {
        match self.config.stat_cache.value {
            config::StatCachePolicy::Auto => StatPolicy::Safe,
            config::StatCachePolicy::Trust => StatPolicy::Trust,
            config::StatCachePolicy::Off => StatPolicy::Off,
        }
    }
}

/// Says whether files may be made in a folder, or the folder itself where it is missing. Without
/// this a cache that may only be read would be asked again and again.
pub(crate) fn may_be_written(path: &Path) -> bool {
    let mut folders = path.ancestors();
    // One that may be written is there: on most ways this is the only call.
    let decide = |folder: &Path| {
        let writable = ibid_core::fs::may_write_in(folder);
        (writable || folder.exists()).then_some(writable)
    };
    folders.find_map(decide).unwrap_or(false)
}

/// Says whether a path lies, or would lie once made, on a file system of this host alone.
fn is_of_this_host(path: &Path) -> bool {
    let found = path
        .ancestors()
        .find_map(|folder| FileSystemKind::of(folder).ok());
    found.is_some_and(|kind| !matches!(kind, FileSystemKind::Network | FileSystemKind::Unknown))
}

/// Returns nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the time as file systems stamp it.
pub(crate) fn wall_clock() -> Timestamp {
    let since = since_1970();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}

/// Returns the time by which the age of stamps is judged: never ahead of those of this moment, as the
/// exact clock is between two ticks, and by far where what is loaded before this program tells it.
pub(crate) fn stamp_clock() -> Timestamp {
    no_later_than_stamps(wall_clock())
}

/// Reads the clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a front door reads the clock for the library"
)]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

fn since_1970() -> Duration {
    system_time().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A store that may not be used.
pub(crate) fn store_failure(error: &OpenError) -> Failure {
    let failure = Failure::of(exit::IBID_FAILED, error);
    match error {
        OpenError::Refused { path, refusal } => failure.hint(refusal_hint(path, *refusal)),
        _ => failure.hint("`--cache-dir DIR` uses another cache, `--mode off` none"),
    }
}

/// Says what makes a refused store usable.
pub(crate) fn refusal_hint(path: &Path, refusal: Refusal) -> String {
    let shown = people::path(path);
    match refusal {
        Refusal::OthersWrite => {
            format!("who may write there could plant results: `chmod o-w {shown}`")
        }
        Refusal::GroupWrites(_) => format!(
            "for a store of the group: `IBID_SHARED=group`; for one of your own: \
             `chmod g-w {shown}`"
        ),
        Refusal::AsRoot(_) => format!(
            "run as its owner, or use another cache with `--cache-dir DIR`; to use this one as \
             root: `IBID_TRUST={shown}`"
        ),
        _ => format!(
            "its owner could plant results; if you trust them: `IBID_TRUST={shown}`, or for a \
             store of a group that they are in: `IBID_SHARED=group`"
        ),
    }
}

fn config_failure(error: &ConfigError) -> Failure {
    let failure = match error {
        ConfigError::Mistake(mistake) => Failure::mistake(mistake),
        error => Failure::of(exit::USAGE, error),
    };
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Folders that cannot be told.
pub(crate) fn dirs_failure(error: &DirsError) -> Failure {
    Failure::of(exit::USAGE, error).hint(error.hint())
}
