//! Views: copies of outputs for callers that want a path.
//!
//! ```text
//! views/<half of the key>/current -> v-<random>     leads to the copy that counts
//!                         v-<random>/…              a copy: made by one process, changed by none
//!                         lock                      held by whoever makes or reads a copy
//!                         for-<other> -> ../<other> a folder of links that lead to copies in here
//! ```
//!
//! Names are so short that a link from one folder of views to a copy in another takes less than
//! the 60 bytes that ext4 keeps in the link's inode: a longer one takes a block of its own.
//! A copy that stands is never changed and never taken from under a reader: what is to differ is a
//! copy of its own, to which `current` then leads. Whoever takes copies away holds the lock alone,
//! for as long as a few renames take, and deletes under names that nobody knows. A copy can be lent
//! to a place in another folder of views: it stays while that folder is held. Nothing here is a
//! result, and nothing that stands here is believed: whoever reads a copy compares it first.
//! Invariants: nobody waits for another process for more than a moment; finding changes nothing but
//! a stamp.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{process, thread};

use super::error::StoreError;
use super::layout::Layout;
use super::local::LocalStore;
use super::ownership::Sharing;
use crate::digest::Key;
use crate::fs::{
    self, Alone, Dir, Hold, IfPresent as _, PathError, Signature, Timestamp, random_bytes,
    random_name, touch_link,
};
use crate::tree::RelPath;

const CURRENT: &str = "current";
const LOCK: &str = "lock";

/// So much of a key, in hexadecimal digits, names the folder of its copies.
const NAME: usize = 32;

/// How the names of copies begin.
const COPY: &[u8] = b"v-";

/// How the names of links to folders begin that copies are lent to.
const FOR: &[u8] = b"for-";

/// How the names of what is being deleted begin.
const GONE: &[u8] = b"gone-";

/// How often a lock is asked for that somebody holds alone, a moment apart.
const TRIES: u32 = 100;
const MOMENT: Duration = Duration::from_millis(1);

/// A view is stamped as used when its last stamp is older, in seconds.
const STAMP_AFTER: i64 = 3600;

/// A folder of views.
#[derive(Clone, Debug)]
pub struct Views {
    dir: PathBuf,
}

/// A copy, which nobody takes away before this is dropped.
#[derive(Debug)]
pub struct View {
    /// The folder of its key; of a copy that nobody else is to see, the copy.
    folder: PathBuf,
    root: PathBuf,
    hold: Option<Hold>,
    /// The process that made it and tidies up; a fork of it has a copy of this.
    maker: Option<u32>,
    is_shown: bool,
}

impl Views {
    /// Knows the views in a folder, which need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Knows the views in the store of a folder, which need not exist.
    pub fn of_store(dir: &Path) -> Self {
        Self::new(Layout::new(dir, Sharing::Private).dir("views"))
    }

    /// Returns where the outputs of a key stand or would stand. It leads to one copy after another.
    pub fn place(&self, key: &Key) -> PathBuf {
        self.folder(key).join(CURRENT)
    }

    /// Two keys that begin alike would take turns: what stands here is compared with the key's
    /// record before it is believed.
    fn folder(&self, key: &Key) -> PathBuf {
        let mut name = key.hex();
        name.truncate(NAME);
        self.dir.join(name)
    }

    /// Returns the copy of a key that counts, if one stands.
    pub fn standing(&self, key: &Key) -> Option<View> {
        let folder = self.folder(key);
        // Held first: what the link says then stays.
        let hold = Hold::shared(&folder.join(LOCK), false).ok()??;
        let name = fs::read_link(&folder.join(CURRENT)).ok()?;
        let name = RelPath::new(name).ok()?;
        let is_copy = name.as_bytes().starts_with(COPY) && name.components().count() == 1;
        is_copy.then(|| View {
            root: name.below(&folder),
            folder,
            hold: Some(hold),
            maker: None,
            is_shown: true,
        })
    }

    /// Makes an empty folder for a new copy, which nobody else sees before it is shown.
    pub fn make(&self, key: &Key) -> Result<View, PathError> {
        let folder = self.folder(key);
        let lock = folder.join(LOCK);
        let mut tries = 0;
        let hold = loop {
            fs::create_dirs(&folder, Some(0o700))?;
            match Hold::shared(&lock, true) {
                Ok(Some(hold)) => break Some(hold),
                Ok(None) if tries < TRIES => thread::sleep(MOMENT),
                // Somebody has just taken the folder away.
                Err(error) if error.is_absent() && tries < TRIES => {}
                Err(error) => return Err(error),
                // Whoever holds it has been stopped, and takes nothing away before it goes on.
                Ok(None) => break None,
            }
            tries += 1;
        };
        let root = folder.join(format!("v-{:016x}", u64::from_be_bytes(random_bytes())));
        fs::create_dir(&root, Some(0o700))?;
        Ok(View {
            folder,
            root,
            hold,
            maker: Some(process::id()),
            is_shown: false,
        })
    }

    /// Takes away everything of a key that nobody uses; says whether it went. Where nobody can say
    /// who uses it, it goes only if it `may_be_unused`.
    pub fn remove(&self, name: &str, may_be_unused: bool) -> Result<bool, PathError> {
        let (Ok(folder), Some(views)) = (RelPath::new(name), Dir::open(&self.dir).if_present()?)
        else {
            return Ok(false);
        };
        let _alone = match Hold::alone(&folder.below(&self.dir).join(LOCK))? {
            Alone::Held(hold) => Some(hold),
            Alone::Unknown if may_be_unused => None,
            Alone::Busy | Alone::Unknown => return Ok(false),
        };
        if let Some(dir) = views.dir(&folder).if_present()?
            && is_lent(&dir, &self.dir)?
        {
            return Ok(false);
        }
        let gone = gone_name();
        views.rename(&folder, &views, &gone)?;
        views.remove_all(&gone)?;
        Ok(true)
    }

    /// Takes away what nobody has used since `then`: for views outside of a store, which nobody
    /// else collects. What cannot be removed stays.
    pub fn expire(&self, then: Timestamp) {
        let Ok(views) = Dir::open(&self.dir) else {
            return;
        };
        for listed in views.list().unwrap_or_default() {
            let (Ok(name), Ok(text)) = (
                RelPath::new(listed.name.as_slice()),
                std::str::from_utf8(&listed.name),
            ) else {
                continue;
            };
            if views.status(&name).is_ok_and(|it| it.last_change() < then) {
                let _ = self.remove(text, true);
            }
        }
    }
}

impl View {
    /// Makes an empty folder that nobody else is to see, and that goes with this.
    pub fn passing(dir: &Path) -> Result<Self, PathError> {
        let root = dir.join(format!("ibid-view-{}", random_name()));
        fs::create_dir(&root, Some(0o700))?;
        Ok(Self {
            folder: root.clone(),
            root,
            hold: None,
            maker: Some(process::id()),
            is_shown: false,
        })
    }

    /// Returns the folder that outputs are named from.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lets everybody else find this copy in place of the one before.
    pub fn show(&mut self) -> Result<(), PathError> {
        if self.is_shown || self.root == self.folder {
            return Ok(());
        }
        let folder = Dir::open(&self.folder)?;
        let (name, new) = (self.name(), component(&random_name()));
        folder.create_link(&new, name.as_bytes())?;
        folder.rename(&new, &folder, &component(CURRENT))?;
        self.is_shown = true;
        Ok(())
    }

    /// Lets this copy stay, shown or not, until somebody collects.
    pub fn leave(mut self) {
        self.maker = None;
    }

    /// Makes a link to this copy at `place`, which lies in a copy of another folder of views. This
    /// copy then stays while that folder is held. Says whether it was done: not where nothing could
    /// promise that. Where `earlier` is such a link, that gets another name: a link more takes an inode,
    /// and to find a free one takes longer than all else.
    pub fn lend_to(&self, place: &Path, earlier: Option<&Path>) -> Result<bool, PathError> {
        let to = place.parent().and_then(Path::parent);
        let (Some(to), Some(_), Some(name)) = (to, &self.hold, self.folder.file_name()) else {
            return Ok(false);
        };
        let (Some(to_name), Some(views)) = (to.file_name(), to.parent()) else {
            return Ok(false);
        };
        // A folder that was taken away and made again is held by nobody.
        let may_be_held = Signature::of_link(&to.join(LOCK)).is_ok();
        if self.folder.parent() != Some(views) || !may_be_held {
            return Ok(false);
        }
        let noted = [FOR, to_name.as_bytes()].concat();
        let noted = self.folder.join(OsStr::from_bytes(&noted));
        // Nobody takes a note away while this is held, and to look costs less than to make one in vain.
        if Signature::of_link(&noted).is_err() {
            match fs::create_link(&noted, &Path::new("..").join(to_name)) {
                Err(error) if error.source.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let copy = self.name().below(&Path::new("../..").join(name));
        // Elsewhere the same text leads elsewhere.
        let is_beside = |earlier: &&Path| earlier.parent() == place.parent();
        if let Some(earlier) = earlier.filter(is_beside)
            && fs::add_name(earlier, place).is_ok()
        {
            // It is its user's, who may have put something else there.
            if fs::read_link(place).is_ok_and(|it| it == copy.as_os_str().as_bytes()) {
                return Ok(true);
            }
            fs::remove_file(place)?;
        }
        fs::create_link(place, &copy)?;
        Ok(true)
    }

    /// Notes that the copy is still of use, if that was last noted long ago.
    pub fn note_use(&self, now: Timestamp) {
        let lock = self.folder.join(LOCK);
        if let Some(hold) = &self.hold
            && now.seconds.saturating_sub(hold.stamped.seconds) > STAMP_AFTER
            // Whatever is not stamped goes earlier, which costs a copy.
            && hold.touch(&lock).is_ok()
        {
            let _ = touch_link(&self.folder);
            // Each process leaves a link here.
            let views = self.folder.parent();
            let _ = views.map(|views| is_lent(&Dir::open(&self.folder)?, views));
        }
    }

    fn name(&self) -> RelPath {
        let below = self.root.strip_prefix(&self.folder);
        let name = below.ok().and_then(Path::to_str);
        component(name.expect("a copy lies in the folder of its key"))
    }

    /// Takes away what this one has made superfluous, if nobody else is using anything of the key.
    fn tidy(&mut self) -> Result<(), PathError> {
        let (Some(above), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Ok(());
        };
        let above = Dir::open(above)?;
        let name = RelPath::new(name.as_bytes()).expect("one component");
        if self.root == self.folder {
            return above.remove_all(&name);
        }
        let folder = above.dir(&name)?;
        if !self.is_shown {
            folder.remove_all(&self.name())?;
        }
        self.hold = None;
        let superseded = match Hold::alone(&self.folder.join(LOCK))? {
            Alone::Held(_alone) if is_lent(&folder, above.path())? => return Ok(()),
            Alone::Held(_alone) => put_out_of_sight(&folder)?,
            Alone::Busy | Alone::Unknown => return Ok(()),
        };
        superseded.iter().try_for_each(|it| folder.remove_all(it))?;
        if !self.is_shown {
            // Somebody else may be there already.
            let _ = above.remove_dir(&name);
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.maker == Some(process::id()) {
            // What stays is found by its age.
            let _ = self.tidy();
        }
    }
}

/// Says whether copies in a folder are lent to another that somebody holds, and forgets those that
/// nobody does: who has let go of one never holds it again.
fn is_lent(folder: &Dir, views: &Path) -> Result<bool, PathError> {
    let mut is_lent = false;
    for listed in folder.list()? {
        let Some(other) = listed.name.strip_prefix(FOR) else {
            continue;
        };
        let lock = views.join(OsStr::from_bytes(other)).join(LOCK);
        if matches!(Hold::alone(&lock)?, Alone::Busy) {
            is_lent = true;
        } else {
            let name =
                RelPath::new(listed.name.as_slice()).expect("a listed name is one component");
            folder.remove_file(&name).unless_absent()?;
        }
    }
    Ok(is_lent)
}

/// Renames all copies but the current one, and returns their names. The lock is held alone.
fn put_out_of_sight(folder: &Dir) -> Result<Vec<RelPath>, PathError> {
    let current = folder.read_link(&component(CURRENT)).unless_absent()?;
    let mut superseded = Vec::new();
    for listed in folder.list()? {
        let name = RelPath::new(listed.name.as_slice()).expect("a listed name is one component");
        if listed.name.starts_with(GONE) {
            superseded.push(name);
        } else if listed.name.starts_with(COPY) && Some(&listed.name) != current.as_ref() {
            let gone = gone_name();
            folder.rename(&name, folder, &gone)?;
            superseded.push(gone);
        }
    }
    if current.is_none() {
        // Nothing came of it. The file that is held goes first, so that nobody holds it again.
        folder.remove_file(&component(LOCK))?;
    }
    Ok(superseded)
}

fn component(name: &str) -> RelPath {
    RelPath::new(name).expect("one component")
}

fn gone_name() -> RelPath {
    component(&format!("gone-{}", random_name()))
}

impl LocalStore {
    /// Returns the folder of views. Nothing in it is a result.
    pub fn views(&self) -> Views {
        Views::new(self.layout.dir("views"))
    }

    /// Makes an empty folder for a new copy of the outputs of a key. Nobody but this user sees into
    /// it.
    pub fn make_view(&self, key: &Key) -> Result<View, StoreError> {
        self.prepare_write()?;
        let made = self.views().make(key);
        made.map_err(|error| self.write_failed(error))
    }

    /// Counts a copy of so many bytes towards what was added through this handle.
    pub fn count_copy(&self, bytes: u64) {
        self.added.count(bytes);
    }

    /// Takes a view away that nobody uses, by its name in the folder of views; says whether it went.
    pub fn delete_view(&self, name: &str, may_be_unused: bool) -> Result<bool, PathError> {
        if !self.is_writable() {
            return Ok(false);
        }
        self.views().remove(name, may_be_unused)
    }
}

#[cfg(test)]
#[path = "views_tests.rs"]
#[expect(clippy::disallowed_methods, reason = "a test puts links in the way")]
mod tests;
