//! Where things lie below a store, and how the directories come to be.
//!
//! Owns the names, `store.json` and the check that a directory is a store. Getters create
//! nothing. Creation may race with 32 other processes: each name is made by a call that is
//! harmless when somebody else was first.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use super::error::{OpenError, StoreError};
use super::ownership::Sharing;
use crate::digest::{BlobId, Key};
use crate::fs::{
    self, DirPolicy, Facts, FileKind, IfPresent as _, IoContext as _, PathError, Published,
    Signature, Staged,
};
use crate::tree::Escaped;

/// The format that this version reads and writes.
pub(super) const FORMAT: u64 = 1;

pub(super) const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# This directory is a store of ibid: everything in it can be computed again.\n";

/// What may lie beside each other in the directory of a store that is just being made.
const OWN: [&[u8]; 5] = [b"CACHEDIR.TAG", b"store.json", b"v1", b"local", b"tmp"];

/// Folders beside them that `ibid.dirs` hands out for files of the caller's.
pub(super) const HANDED_OUT: [&[u8]; 2] = [b"tdi", b"transforms"];

/// Blobs are read-only for everybody: they are shared, and linked out on request.
pub(super) const BLOB_MODE: u32 = 0o444;

/// Everything else is replaced by its owner or by rename, never edited by others.
pub(super) const FILE_MODE: u32 = 0o644;

/// What nobody but the owner gets in a private store.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// What the group gets in a shared one: all rights, and its own name on whatever comes to be.
const SHARED_DIR_MODE: u32 = 0o2770;

/// Makes the directory of a store, and those above it that are missing; one that is there is left
/// as it is.
pub fn make_root(dir: &Path, sharing: Sharing) -> Result<(), PathError> {
    make_folder(dir, sharing, dir.parent())
}

/// The same for another folder in a cache. It is not prepared beside its place: the directory of
/// the store may have no foreign names while another process looks whether it is one.
pub fn make_folder_beside(dir: &Path, sharing: Sharing) -> Result<(), PathError> {
    make_folder(dir, sharing, None)
}

fn make_folder(dir: &Path, sharing: Sharing, stage_in: Option<&Path>) -> Result<(), PathError> {
    let private = 0o777 & !fs::umask() & !WRITTEN_BY_OTHERS;
    if sharing == Sharing::Private {
        return fs::create_dirs(dir, Some(private));
    }
    let named = |above: &&Path| *above != Path::new("");
    let above = dir.parent().filter(named);
    if let Some(above) = above
        && !fs::exists(above)?
    {
        fs::create_dirs(above, Some(private))?;
    }
    // Below a directory that hands its group down, all belongs to that.
    let policy = DirPolicy {
        mode: SHARED_DIR_MODE,
        group: None,
    };
    fs::create_shared_dir(dir, policy, stage_in.filter(named))
}

/// What `store.json` says of the directory that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Described {
    /// A store of this format.
    As(u64),
    /// Nothing: there is none, or a power cut took what was in it.
    Not,
    /// Something else: it is damaged, or no store's.
    Otherwise,
}

/// The paths of one store.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    v1: PathBuf,
    sharing: Sharing,
    /// The status of the root, which says what everything below may be.
    facts: RwLock<Option<Facts>>,
    /// The description was read when the store was opened, and nothing was written since.
    described: AtomicBool,
}

impl Layout {
    pub(super) fn new(root: &Path, sharing: Sharing) -> Self {
        Self {
            root: root.to_owned(),
            v1: root.join("v1"),
            sharing,
            facts: RwLock::default(),
            described: AtomicBool::new(false),
        }
    }

    /// Remembers the status of the root.
    pub(super) fn know_root(&self, facts: Facts) {
        *self.facts.write().expect("no holder panics") = Some(facts);
    }

    /// Takes from a file's mode what others may not have: what they cannot reach in the root,
    /// they shall not reach by a second name of a blob either.
    pub(super) fn file_mode(&self, mode: u32) -> u32 {
        let root = *self.facts.read().expect("no holder panics");
        let open = root.is_none_or(|root| root.signature.mode & 0o005 == 0o005);
        if open { mode } else { mode & !0o007 }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn blob(&self, id: &BlobId) -> PathBuf {
        sharded(&self.v1, "blobs", &id.hex())
    }

    pub(super) fn key(&self, key: &Key) -> PathBuf {
        sharded(&self.v1, "keys", &key.hex())
    }

    /// Returns where it is remembered that a key was invalidated.
    pub(super) fn tombstone(&self, key: &Key) -> PathBuf {
        sharded(&self.v1, "tombstones", &key.hex())
    }

    /// Returns where a blob lies when nothing named it any more.
    pub(super) fn trashed_blob(&self, id: &BlobId) -> PathBuf {
        sharded(&self.v1, "trash/blobs", &id.hex())
    }

    /// Returns where a key's file lies once it is evicted.
    pub(super) fn trashed_key(&self, key: &Key) -> PathBuf {
        sharded(&self.v1, "trash/keys", &key.hex())
    }

    /// Returns the directory of the version.
    pub(super) fn version(&self) -> &Path {
        &self.v1
    }

    pub(super) fn dir(&self, name: &str) -> PathBuf {
        self.v1.join(name)
    }

    pub(super) fn generation(&self) -> PathBuf {
        self.v1.join("generation")
    }

    /// Refuses a store of a newer format. A store that is not there yet is fine.
    pub(super) fn check_format(&self) -> Result<(), OpenError> {
        let newer = |found| OpenError::NewerFormat {
            path: self.root.clone(),
            found,
            supported: FORMAT,
        };
        match self.read_description() {
            Ok(Described::As(format)) if format > FORMAT => return Err(newer(format)),
            Ok(Described::As(_)) => self.described.store(true, Ordering::Relaxed),
            Ok(described) => self.check_foreign(described)?,
            Err(error) => return Err(OpenError::Io(error)),
        }
        match fs::exists(&self.root.join("v2")) {
            Ok(true) => Err(newer(FORMAT + 1)),
            Ok(false) => Ok(()),
            Err(error) => Err(OpenError::Io(error)),
        }
    }

    /// Reads `store.json`.
    fn read_description(&self) -> Result<Described, PathError> {
        let path = self.root.join("store.json");
        let mut buffer = [0; 1 << 10];
        let read = match fs::read_once(&path, &mut buffer) {
            Ok(bytes) if bytes.len() == 1 << 10 => fs::read_small(&path, 1 << 16).map(Cow::Owned),
            read => read.map(Cow::Borrowed),
        };
        let bytes = match read {
            Err(error) if error.is_absent() => return Ok(Described::Not),
            // A folder, a FIFO or a file of holes has taken its place.
            Err(error) if is_no_description(&error, &path) => return Ok(Described::Otherwise),
            bytes => bytes?,
        };
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Described::Not);
        }
        let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        let format = json.and_then(|json| json.get("format")?.as_u64());
        Ok(format.map_or(Described::Otherwise, Described::As))
    }

    /// Makes the store's tag and its description in its root, unless they are there: in this order,
    /// and before all else but the folder for temporary files, so that what stands without them is
    /// known to have lost them. Refuses a directory that holds other things (hazard D7).
    pub(super) fn create(&self, created: &str) -> Result<(), StoreError> {
        // Of a store that is gone meanwhile no file can be staged, and then it is looked for again.
        if self.described.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let described = self.read_description().map_err(StoreError::Io)?;
        if !matches!(described, Described::As(_)) {
            self.refuse_foreign(described)?;
            self.publish(&self.root.join("CACHEDIR.TAG"), TAG)?;
            self.publish(&self.root.join("store.json"), &description(created))?;
        }
        Ok(())
    }

    /// Writes a small file whole. One that is there is replaced only if it is not ours to keep:
    /// a description that cannot be read is damaged.
    fn publish(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let mut staged = self.stage().map_err(StoreError::Io)?;
        let write = |staged: &mut Staged| {
            staged.write_all(content)?;
            staged.set_mode(self.file_mode(FILE_MODE))?;
            if staged.publish_new(path)? == Published::AlreadyThere
                && path.ends_with("store.json")
                && !matches!(self.read_description()?, Described::As(_))
            {
                self.publish_over(staged, path)?;
            }
            Ok(())
        };
        write(&mut staged).map_err(StoreError::Io)
    }

    fn refuse_foreign(&self, described: Described) -> Result<(), StoreError> {
        match self.foreign_name(described).map_err(StoreError::Io)? {
            Some(found) => Err(StoreError::Foreign {
                path: self.root.clone(),
                found,
            }),
            None => Ok(()),
        }
    }

    /// Refuses a directory that holds other things. One that is not there yet is fine.
    fn check_foreign(&self, described: Described) -> Result<(), OpenError> {
        match self.foreign_name(described) {
            Ok(Some(found)) => Err(OpenError::Foreign {
                path: self.root.clone(),
                found,
            }),
            Ok(None) => Ok(()),
            Err(error) if error.is_absent() => Ok(()),
            Err(error) => Err(OpenError::Io(error)),
        }
    }

    /// Returns a name in the root that no store has. A `store.json` that says something else is one
    /// until there is a version's directory: then it is a description that was damaged, and what
    /// lies beside it was let be when the store was made.
    fn foreign_name(&self, described: Described) -> Result<Option<String>, PathError> {
        let names = fs::list_dir(&self.root)?;
        let otherwise = described == Described::Otherwise;
        if otherwise && names.iter().any(|(name, _)| name == b"v1") {
            return Ok(None);
        }
        let is_known = |name: &[u8]| OWN.contains(&name) || HANDED_OUT.contains(&name);
        let is_foreign = |name: &[u8]| !is_known(name) || otherwise && name == b"store.json";
        let foreign = names.iter().find(|(name, _)| is_foreign(name));
        Ok(foreign.map(|(name, _)| Escaped(name).to_string()))
    }

    /// Creates a file in the one directory for temporary ones, which has to be there; with this
    /// mode, if it is to have one and may have it at once. In a store of a group it may not: the
    /// rules that its folders hand down would take something from it.
    pub(super) fn stage_in_place(&self, mode: Option<u32>) -> Result<Staged, PathError> {
        let mode = mode.filter(|_| self.sharing == Sharing::Private);
        Staged::create_as(&self.dir("tmp"), mode)
    }

    /// Creates a file in the one directory for temporary ones.
    pub(super) fn stage(&self) -> Result<Staged, PathError> {
        let tmp = self.dir("tmp");
        match Staged::create(&tmp) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                self.make_dir(&tmp)?;
                Staged::create(&tmp)
            }
            Err(error) if is_of_wrong_kind(&error) && self.clear(&tmp.join("_")) => {
                self.make_dir(&tmp)?;
                Staged::create(&tmp)
            }
            Err(error) if error.is_denied() && self.sharing == Sharing::Group => {
                self.stage_once_open(&tmp).ok_or(error)
            }
            staged => staged,
        }
    }

    /// Creates a file in a directory that another user is making in this moment: between its name
    /// and its mode it is closed to the group.
    fn stage_once_open(&self, tmp: &Path) -> Option<Staged> {
        const LOOKS: u32 = 25;
        const PAUSE: Duration = Duration::from_millis(2);
        let is_young =
            |dir: &Path| Facts::of_link(dir).is_ok_and(|it| it.signature.mode & 0o070 == 0);
        for _ in 0..LOOKS {
            // Looked at before the try: it may be opened in between.
            let may_open = is_young(&self.v1) || is_young(tmp);
            match Staged::create(tmp) {
                Ok(staged) => return Some(staged),
                Err(error) if error.is_absent() => self.make_dir(tmp).ok()?,
                Err(_) if !may_open => return None,
                Err(_) => {}
            }
            std::thread::sleep(PAUSE);
        }
        None
    }

    /// Publishes over `target`, making its directory if that is missing. A directory that has
    /// the name is no file of a store, and is put aside.
    pub(super) fn publish_over(&self, staged: &mut Staged, target: &Path) -> Result<(), PathError> {
        match self.with_dir_of(target, || staged.publish_over(target)) {
            Err(error) if error.source.kind() == ErrorKind::IsADirectory => {
                self.discard(target)?;
                staged.publish_over(target)
            }
            published => published,
        }
    }

    /// Publishes without replacing, making the directory of `target` if that is missing.
    pub(super) fn publish_new(
        &self,
        staged: &mut Staged,
        target: &Path,
    ) -> Result<Published, PathError> {
        self.with_dir_of(target, || staged.publish_new(target))
    }

    /// Moves a file of the store into the trash, under a name of its own.
    pub(super) fn discard(&self, path: &Path) -> Result<PathBuf, PathError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self
            .dir("trash")
            .join(format!("{name}-{}", fs::random_name()));
        // A missing source must not look like a missing trash.
        Signature::of_link(path)?;
        refuse_link(path.parent().expect("names lie below the root"))?;
        self.with_dir_of(&aside, || fs::rename(path, &aside))?;
        Ok(aside)
    }

    /// Opens the trash, and makes it where it is missing. It may be asked for before anything else
    /// was written, so what is above it is looked at too.
    pub(super) fn trash_dir(&self) -> Result<fs::Dir, PathError> {
        let trash = self.dir("trash");
        refuse_link(&self.v1)?;
        self.with_dir_of(&trash.join("_"), || fs::Dir::open(&trash))
    }

    fn with_dir_of<T>(
        &self,
        target: &Path,
        mut publish: impl FnMut() -> Result<T, PathError>,
    ) -> Result<T, PathError> {
        refuse_link(target.parent().expect("names lie below the root"))?;
        match publish() {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                self.make_dir(target.parent().expect("names lie below the root"))?;
                publish()
            }
            Err(error) if is_of_wrong_kind(&error) && self.clear(target) => {
                self.make_dir(target.parent().expect("names lie below the root"))?;
                publish()
            }
            published => published,
        }
    }

    /// Moves into the trash what stands at or above the name of a file of the store and cannot
    /// belong there: a directory at the name, anything else above it. Says whether it did.
    fn clear(&self, target: &Path) -> bool {
        let is_dir = |path: &Path| {
            let found = Signature::of(path).or_else(|_| Signature::of_link(path));
            found.ok().map(|found| found.kind() == FileKind::Dir)
        };
        let in_the_way = target
            .ancestors()
            .take_while(|path| *path != self.v1)
            .find(|path| is_dir(path) == Some(*path == target));
        // What stands in the way of the trash itself cannot be moved there.
        let movable = in_the_way.filter(|_| !target.starts_with(self.dir("trash")));
        movable.is_some_and(|path| self.discard(path).is_ok())
    }

    /// Makes the directory in which a file of the store lies.
    pub(super) fn make_dir_of(&self, path: &Path) -> Result<(), PathError> {
        self.make_dir(path.parent().expect("names lie below the root"))
    }

    /// Makes a directory below the root with the root's own mode, so that a directory shared by
    /// a group stays shared, and a private one private (hazard U1).
    fn make_dir(&self, dir: &Path) -> Result<(), PathError> {
        let root = match Facts::of(&self.root) {
            Err(error) if error.is_absent() => {
                make_root(&self.root, self.sharing)?;
                Facts::of(&self.root)?
            }
            root => root?,
        };
        let policy = self.dir_policy(&root);
        if self.sharing == Sharing::Private {
            return fs::create_dirs(dir, Some(policy.mode));
        }
        let tmp = self.dir("tmp");
        let is_below = |dir: &&Path| dir.starts_with(&self.v1);
        let above: Vec<_> = dir.ancestors().take_while(is_below).collect();
        for dir in above.into_iter().rev() {
            // What all others are prepared in cannot be prepared there.
            let stage_in = Some(&*tmp).filter(|tmp| !tmp.starts_with(dir));
            fs::create_shared_dir(dir, policy, stage_in)?;
        }
        Ok(())
    }

    /// Returns the mode and the group of the directories in a store with this root.
    pub(super) fn dir_policy(&self, root: &Facts) -> DirPolicy {
        let mode = root.signature.mode & 0o7777;
        match self.sharing {
            Sharing::Private => DirPolicy {
                mode: mode & !WRITTEN_BY_OTHERS,
                group: None,
            },
            Sharing::Group => DirPolicy {
                mode: mode & !0o2772 | SHARED_DIR_MODE,
                group: Some(root.group),
            },
        }
    }

    /// Sees to it that nothing is written through a link: one that leads to a folder is somebody's
    /// own and refused, any other is no part of a store and goes to the trash.
    pub(super) fn settle_links(&self) -> Result<(), PathError> {
        const FOLDERS: [&str; 6] = ["tmp", "blobs", "keys", "tombstones", "runs", "pins"];
        refuse_link(&self.v1)?;
        // A listing tells of all at once. It is ibid's own, and says nothing of any result.
        let listed = fs::look_aside(|| fs::list_dir(&self.v1));
        let has_link = match &listed {
            Ok(listed) => listed.iter().any(|(_, kind)| *kind == FileKind::Link),
            Err(error) => !error.is_absent(),
        };
        if !has_link {
            return Ok(());
        }
        let trash = self.dir("trash");
        if leads_nowhere(&trash) {
            // It cannot go into itself; what lies in the other folder is nobody's either.
            let between = self.dir("tmp").join(fs::random_name());
            self.with_dir_of(&between, || fs::rename(&trash, &between))?;
        }
        refuse_link(&trash)?;
        for dir in FOLDERS.map(|name| self.dir(name)) {
            if leads_nowhere(&dir) {
                self.discard(&dir)?;
            }
            refuse_link(&dir)?;
        }
        Ok(())
    }

    /// Returns the names of the files of all shards below `blobs` or `keys` that are digests.
    pub(super) fn sharded_names(&self, name: &str) -> Result<Vec<String>, PathError> {
        let dir = self.dir(name);
        let mut names = Vec::new();
        for (shard, kind) in list_or_empty(&dir)? {
            if kind != FileKind::Dir || shard.len() != 2 {
                continue;
            }
            let shard = String::from_utf8_lossy(&shard).into_owned();
            for (file, kind) in list_or_empty(&dir.join(&shard))? {
                if let Ok(file) = String::from_utf8(file)
                    && kind == FileKind::File
                    && file.starts_with(&shard)
                {
                    names.push(file);
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Fails where a folder of the store is a link: what is written or moved there would be somebody
/// else's (hazard G2). The store's own directory may be one, and what is below it was never.
fn refuse_link(dir: &Path) -> Result<(), PathError> {
    if is_link(dir) {
        return Err(Errno::LOOP).context("store through the link", dir);
    }
    Ok(())
}

/// Says whether a link stands there that leads to no folder.
fn leads_nowhere(path: &Path) -> bool {
    is_link(path) && !Signature::of(path).is_ok_and(|it| it.kind() == FileKind::Dir)
}

/// Says whether a link stands there, whatever it leads to.
pub(super) fn is_link(path: &Path) -> bool {
    Signature::of_link(path).is_ok_and(|found| found.kind() == FileKind::Link)
}

/// Says whether a name of the store could not be used for what stands there or above it.
fn is_of_wrong_kind(error: &PathError) -> bool {
    use ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
    matches!(
        error.source.kind(),
        AlreadyExists | IsADirectory | NotADirectory
    )
}

/// Lists a directory; one that is not there is empty.
pub(super) fn list_or_empty(dir: &Path) -> Result<Vec<(Vec<u8>, FileKind)>, PathError> {
    fs::list_dir(dir)
        .if_present()
        .map(Option::unwrap_or_default)
}

fn sharded(v1: &Path, name: &str, hex: &str) -> PathBuf {
    let mut path = PathBuf::with_capacity(v1.as_os_str().len() + name.len() + hex.len() + 5);
    path.push(v1);
    path.push(name);
    path.push(&hex[..2]);
    path.push(hex);
    path
}

/// Says whether what stands at the place of a description can be none, by why it was not read.
fn is_no_description(error: &PathError, path: &Path) -> bool {
    error.source.kind() == ErrorKind::FileTooLarge
        || Errno::from_io_error(&error.source) == Some(Errno::LOOP)
        || Signature::of(path).is_ok_and(|it| it.kind() != FileKind::File)
}

pub(super) fn description(created: &str) -> Vec<u8> {
    let mut random = fs::random_bytes::<16>();
    // RFC 9562: version 4, the variant of that specification.
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(random));
    let uuid = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-");
    let json = serde_json::json!({ "format": FORMAT, "uuid": uuid, "created": created });
    format!("{json:#}\n").into_bytes()
}
