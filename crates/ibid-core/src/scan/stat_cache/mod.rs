//! The stat cache: which digest a file had when its status was last looked at closely.
//!
//! Host-local, disposable, safe with many processes at once, and no part of any key. It believes
//! an entry only by the rules of [`rules`]; it is off where timestamps cannot be believed (memory,
//! network and unknown file systems) unless the user says otherwise. No failure of it is an
//! error: the file is hashed. The caller says where it lies and what time it is.

mod clock;
mod folders;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod record;
pub mod rules;
mod shard;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::clock::Clocks;
use self::folders::Where;
pub(super) use self::folders::{Entry, Folders, Kept, Named, Remembered};
use self::record::{Record, flag, name_of};
pub use self::rules::Started;
use self::rules::{By, Circumstances, Writers};
use self::shard::Shards;
use crate::digest::{Digest, TreeId};
use crate::fs::{
    Dir, FileSystem, Host, Signature, Timestamp, create_dirs, look_aside, may_write_in,
    random_bytes,
};

/// How far `stat` is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatPolicy {
    /// Never: every file is hashed at every look.
    Off,
    /// On file systems of this host that are known to stamp every change.
    #[default]
    Safe,
    /// Everywhere, also on network and memory file systems: the user's own risk.
    Trust,
}

/// Whether a stat cache may leave something on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatWrites {
    /// What is learnt is written, and a file is touched to learn what time it is.
    #[default]
    Allowed,
    /// What is learnt lasts as long as the process, and nothing is touched: for looks that are to
    /// change nothing.
    Forbidden,
}

/// What a stat cache needs to know.
#[derive(Clone, Debug)]
pub struct StatCacheOptions {
    /// Where its files lie, on this host; `None` keeps nothing beyond the process.
    pub dir: Option<PathBuf>,
    /// Further directories of ibid's own, in which a file may be touched to learn what time it
    /// is on their file system.
    pub probe_dirs: Vec<PathBuf>,
    /// How far `stat` is believed.
    pub policy: StatPolicy,
    /// Whether anything may be written.
    pub writes: StatWrites,
    /// The machine and its boot.
    pub host: Host,
    /// The host's clock, for file systems where nothing can be touched.
    pub clock: fn() -> Timestamp,
}

/// What the cache says of an inode before that is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recalled(Record);

/// Where a digest that is to be remembered comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file was read.
    Hashed {
        /// When that began; the signature was taken after it, or before and after.
        started: Started,
        /// Whether `cachestat`, asked just before, knew of no dirty page.
        clean: bool,
    },
    /// The file is an output of a process that has ended with all its children, so that nobody
    /// stores to it through a mapping.
    Captured {
        /// When hashing began.
        started: Started,
    },
    /// The file was made by ibid under a name that nobody else knew, and is read-only: a blob of
    /// the store. Known at once, and in this boot only.
    Private,
}

/// Remembers digests of files by their status.
#[derive(Debug)]
pub struct StatCache {
    shards: Option<Shards>,
    /// Where trees are kept, and what their sums are salted with.
    trees: Option<(PathBuf, Digest)>,
    writes: StatWrites,
    policy: StatPolicy,
    clocks: Clocks,
    boot: u64,
    systems: Mutex<BTreeMap<u64, Option<FileSystem>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The map is whole between two statements, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatCache {
    /// Makes a cache. Touches nothing yet, and cannot fail: what does not work is not used.
    pub fn open(options: StatCacheOptions) -> Self {
        let StatCacheOptions {
            dir,
            probe_dirs,
            policy,
            writes,
            host,
            clock,
        } = options;
        let usable = policy != StatPolicy::Off;
        // Where the kernel does not tell, whatever was kept may be of another boot.
        let knows_boot = !host.boot_id.is_empty();
        let may_write = writes == StatWrites::Allowed;
        let shards = dir
            .as_deref()
            .filter(|_| usable)
            .map(|dir| Shards::new(dir, &host.machine_id, writes));
        let trees = dir.clone().filter(|_| usable && knows_boot).map(|dir| {
            // What is litter, and how a listing is encoded, is for each version to say.
            let version = env!("CARGO_PKG_VERSION");
            let salt = format!("ibid {version} stat cache, trees\n{}", host.machine_id);
            (dir, Digest::of(salt.as_bytes()))
        });
        // Where nothing may be touched, the host's own clock has to do.
        let probe_dirs = if may_write { probe_dirs } else { Vec::new() };
        let clocks = Clocks::new(clock, probe_dirs, dir.filter(|_| may_write));
        let digest = Digest::of(host.boot_id.as_bytes());
        let boot = digest.as_bytes().first_chunk().expect("32 bytes");
        let boot = if knows_boot { *boot } else { random_bytes() };
        Self {
            shards,
            trees,
            writes,
            policy,
            clocks,
            boot: u64::from_le_bytes(boot),
            systems: Mutex::default(),
        }
    }

    /// Makes a cache that knows nothing and remembers nothing.
    pub fn off() -> Self {
        Self::open(StatCacheOptions {
            dir: None,
            probe_dirs: Vec::new(),
            policy: StatPolicy::Off,
            writes: StatWrites::Forbidden,
            host: Host::default(),
            clock: Timestamp::default,
        })
    }

    /// Says whether stamps of this file system are believed at all.
    pub fn believes(&self, fs: &FileSystem) -> bool {
        match self.policy {
            StatPolicy::Off => false,
            StatPolicy::Safe => fs.kind.keeps_stamps(),
            StatPolicy::Trust => true,
        }
    }

    /// Returns the facts about the file system that `path` lies on, which are asked for once per
    /// `device`. `path` is a regular file or a directory; `None` where nothing can be learnt.
    pub fn file_system(&self, path: &Path, device: u64) -> Option<FileSystem> {
        if self.policy == StatPolicy::Off {
            return None;
        }
        if let Some(known) = lock(&self.systems).get(&device) {
            return *known;
        }
        let found = FileSystem::of(path).ok()?;
        if found.device != device {
            return None;
        }
        lock(&self.systems).insert(device, Some(found));
        Some(found)
    }

    /// Returns the facts about a file system that were asked for already.
    pub(super) fn known_file_system(&self, device: u64) -> Option<FileSystem> {
        lock(&self.systems).get(&device).copied().flatten()
    }

    /// Returns the digest of the file with this signature, if that can be told without reading.
    pub fn known(&self, signature: &Signature, fs: &FileSystem) -> Option<Digest> {
        self.find(signature, fs).map(|record| record.digest)
    }

    /// Returns what is known of an inode of `fs`, of whatever state of it: it still has to be
    /// [borne out](Self::bears_out) by a look.
    pub(super) fn recall(&self, inode: u64, fs: &FileSystem) -> Option<Recalled> {
        if !self.believes(fs) {
            return None;
        }
        let found = self.shards.as_ref()?.get(&name_of(&fs.id, inode));
        found.map(Recalled)
    }

    /// Returns the digest of the file that was recalled, if that can be told without reading now
    /// that its signature is seen: the same as [`Self::known`], by one look-up less.
    pub(super) fn bears_out(
        &self,
        Recalled(record): &Recalled,
        signature: &Signature,
        fs: &FileSystem,
    ) -> Option<Digest> {
        let is_its_own = fs.device == signature.device
            && record.name == name_of(&fs.id, signature.inode)
            && self.believes(fs);
        let trusted = is_its_own && self.is_trusted(record, signature, fs);
        trusted.then_some(record.digest)
    }

    /// Returns the digest only if it was also read or written since the host was booted
    /// (hazard C1).
    pub fn known_this_boot(&self, signature: &Signature, fs: &FileSystem) -> Option<Digest> {
        self.find(signature, fs)
            .filter(|record| record.boot == self.boot)
            .map(|record| record.digest)
    }

    /// The same by the rules for files that users can reach: that a file was once private does not
    /// count.
    pub fn known_as_output(&self, signature: &Signature, fs: &FileSystem) -> Option<Digest> {
        self.find(signature, fs)
            .filter(|record| record.boot == self.boot && !record.has(flag::PRIVATE))
            .map(|record| record.digest)
    }

    /// Returns the digest only if the content is also known to have no `#!` line, so that the file
    /// need not be opened to learn what runs it.
    pub fn known_no_script(&self, signature: &Signature, fs: &FileSystem) -> Option<Digest> {
        self.find(signature, fs)
            .filter(|record| record.has(flag::NO_SCRIPT))
            .map(|record| record.digest)
    }

    fn find(&self, signature: &Signature, fs: &FileSystem) -> Option<Record> {
        if !self.believes(fs) || fs.device != signature.device {
            return None;
        }
        let record = self
            .shards
            .as_ref()?
            .get(&name_of(&fs.id, signature.inode))?;
        self.is_trusted(&record, signature, fs).then_some(record)
    }

    fn is_trusted(&self, record: &Record, signature: &Signature, fs: &FileSystem) -> bool {
        let hashed = Circumstances {
            started: Started {
                at: record.started,
                by: told_by(record),
            },
            writers: writers(record),
            this_boot: record.boot == self.boot,
        };
        record.matches(signature) && rules::is_trusted(signature, fs.granularity, &hashed)
    }

    /// Returns a time on `fs`, no later than this call, for a hashing of the file with this
    /// signature that begins afterwards.
    pub fn started(&self, signature: &Signature, fs: &FileSystem) -> Started {
        self.clocks.started(signature, fs)
    }

    /// Returns the time on `fs` as it is at this call: for outputs of a process that has just
    /// ended. Where this very kernel stamps, its clock tells; elsewhere a file is touched.
    pub fn started_anew(&self, fs: &FileSystem) -> Started {
        self.clocks.started_anew(fs)
    }

    /// The same without waiting for a tick of that clock: it is moved on, so that whatever changes from
    /// then on gets later stamps than any that were given. Only for files that nobody else can have had
    /// open for writing by then: who was stamped already may be about to write. `dir` lies on `fs` and
    /// may be written in; `None` where the clock cannot be moved.
    pub fn started_nudged(&self, fs: &FileSystem, dir: &Dir) -> Option<Started> {
        self.clocks.nudged(fs, dir)
    }

    /// Remembers the digest of the file with this signature. Written with others, at the latest
    /// when the cache is dropped.
    pub fn remember(&self, signature: &Signature, fs: &FileSystem, digest: Digest, origin: Origin) {
        self.remember_with(0, (signature, fs), digest, origin);
    }

    /// The same for content that has no `#!` line.
    pub(super) fn remember_no_script(
        &self,
        (signature, fs): (&Signature, &FileSystem),
        digest: Digest,
        origin: Origin,
    ) {
        self.remember_with(flag::NO_SCRIPT, (signature, fs), digest, origin);
    }

    fn remember_with(
        &self,
        what: u32,
        (signature, fs): (&Signature, &FileSystem),
        digest: Digest,
        origin: Origin,
    ) {
        let Some(shards) = &self.shards else { return };
        if !self.believes(fs) || fs.device != signature.device {
            return;
        }
        let (started, flags) = match origin {
            Origin::Hashed { started, clean } => {
                let told = clean && fs.kind.tells_dirty_pages();
                (started, if told { flag::CLEAN } else { 0 })
            }
            Origin::Captured { started } => (started, flag::CAPTURED),
            Origin::Private => {
                let at = signature.last_change();
                let by = By::Stamps;
                (Started { at, by }, flag::PRIVATE)
            }
        };
        let clock = match started.by {
            By::Stamps => 0,
            By::Nudge => flag::NUDGED,
            By::WallClock => flag::BY_WALL_CLOCK,
        };
        shards.put(Record {
            name: name_of(&fs.id, signature.inode),
            size: signature.size,
            mtime: signature.mtime,
            ctime: signature.ctime,
            mode: signature.mode,
            flags: what | flags | clock,
            digest,
            started: started.at,
            boot: self.boot,
        });
    }

    /// Writes what was remembered, now.
    pub fn flush(&self) {
        if let Some(shards) = &self.shards {
            shards.flush();
        }
    }

    /// Says whether whatever happens to a file after `started` changes this signature: nobody may
    /// have had it open for writing by then.
    pub(crate) fn settles(&self, signature: &Signature, fs: &FileSystem, started: Started) -> bool {
        let hashed = Circumstances {
            started,
            writers: Writers::Ended,
            this_boot: true,
        };
        self.believes(fs) && rules::is_trusted(signature, fs.granularity, &hashed)
    }

    /// Says whether content hashed so still stands, by signature alone: the rules without the
    /// cache, for what one process saw itself.
    pub(crate) fn still_stands(
        &self,
        signature: &Signature,
        fs: &FileSystem,
        started: Started,
        clean: bool,
    ) -> bool {
        let hashed = Circumstances {
            started,
            writers: if clean && fs.kind.tells_dirty_pages() {
                Writers::NoDirtyPage
            } else {
                Writers::Any
            },
            this_boot: true,
        };
        self.believes(fs) && rules::is_trusted(signature, fs.granularity, &hashed)
    }
}

impl StatCache {
    /// Says whether what a process that began `then`, by the host's clock, found with this
    /// signature is still there as long as the signature is. `read` says whether its bytes were
    /// read, and then whether no page was known to be dirty before.
    pub(crate) fn was_settled(
        &self,
        signature: &Signature,
        fs: &FileSystem,
        then: Timestamp,
        read: Option<bool>,
    ) -> bool {
        // What this very kernel stamps, it stamps by no later a clock than the host's.
        let by = if fs.kind.is_stamped_here() {
            By::Stamps
        } else {
            By::WallClock
        };
        let hashed = Circumstances {
            started: Started { at: then, by },
            writers: match read {
                None => Writers::Ended,
                Some(true) if fs.kind.tells_dirty_pages() => Writers::NoDirtyPage,
                Some(_) => Writers::Any,
            },
            this_boot: true,
        };
        self.believes(fs) && rules::is_trusted(signature, fs.granularity, &hashed)
    }
}

impl StatCache {
    /// Says whether the status of a folder on `fs` may stand for the names in it: where this very
    /// kernel keeps the one with the other. Layers of an overlay may be exchanged below it, and
    /// elsewhere nobody knows.
    fn believes_folders(&self, fs: &FileSystem) -> bool {
        self.trees.is_some() && self.believes(fs) && fs.kind.is_stamped_here()
    }

    /// Says whether a folder that is listed from here on, with a status that was taken before, has
    /// other names only with another status. Nobody stores to a folder by a mapping. The host's
    /// clock is known to the second only, but nothing has to be touched for it.
    pub(super) fn settles_names(&self, signature: &Signature, fs: &FileSystem) -> bool {
        let started = Started {
            at: self.clocks.host(),
            by: By::WallClock,
        };
        self.believes_folders(fs) && self.settles(signature, fs, started)
    }

    /// Returns what is kept of a tree.
    pub(super) fn folders(&self, tree: &Digest) -> Option<Folders> {
        self.kept_at(tree)?.open()
    }

    /// Says whether anything can be kept of a tree: finding out what costs more than asking.
    pub(super) fn keeps_folders(&self) -> bool {
        let may_write =
            |dir: &Path| create_dirs(dir, Some(0o700)).is_ok() && look_aside(|| may_write_in(dir));
        let dir = self.trees.as_ref().map(|(dir, _)| dir);
        self.writes == StatWrites::Allowed && dir.is_some_and(|dir| may_write(dir))
    }

    /// Keeps what is known of a tree.
    pub(super) fn keep_folders(&self, tree: &Digest, folders: &[Kept<'_>], id: Option<TreeId>) {
        if let Some(kept) = self.kept_at(tree) {
            kept.replace(folders, id, self.clocks.host());
        }
    }

    fn kept_at<'a>(&'a self, tree: &'a Digest) -> Option<Where<'a>> {
        let (dir, salt) = self.trees.as_ref()?;
        Some(Where {
            dir,
            salt,
            boot: self.boot,
            tree,
        })
    }
}

/// Returns the clock that tells least, of those that a record names.
fn told_by(record: &Record) -> By {
    if record.has(flag::BY_WALL_CLOCK) {
        By::WallClock
    } else if record.has(flag::NUDGED) {
        By::Nudge
    } else {
        By::Stamps
    }
}

fn writers(record: &Record) -> Writers {
    [
        (flag::PRIVATE, Writers::Never),
        (flag::CAPTURED, Writers::Ended),
        (flag::CLEAN, Writers::NoDirtyPage),
    ]
    .into_iter()
    .find(|(bit, _)| record.has(*bit))
    .map_or(Writers::Any, |(_, writers)| writers)
}

impl Drop for StatCache {
    fn drop(&mut self) {
        self.flush();
    }
}
