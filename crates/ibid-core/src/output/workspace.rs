//! `.ibid/` in the root, and the folders in it that keep what was replaced.
//!
//! Everything there is disposable but the manifests, and nothing there is an input. A folder of
//! replaced files is named by the time at which it was made, and is removed when a later one is
//! made and it is older than [`KEPT_DAYS`]; names of another form are never touched.

use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use super::strays;
use crate::action::{date_of, day_of};
use crate::fs::{Dir, IoContext as _, PathError, Timestamp};
use crate::tree::RelPath;

/// How long replaced files are kept, in days.
pub const KEPT_DAYS: i64 = 30;

/// What git is told about the folder.
const GITIGNORE: &str = "\
# Everything here can be deleted at any time; git ignores it.
*
# The records of the last runs may be committed: they are small and readable.
# To leave them out as well, delete the next three lines.
!.gitignore
!manifests/
!manifests/*.json
";

/// The moment and the name of a run, for the folder that keeps what the run replaces.
#[derive(Clone, Copy, Debug)]
pub struct RunStamp<'a> {
    /// When the run starts.
    pub now: Timestamp,
    /// What tells it from other runs of the same second: letters, digits, `-`.
    pub id: &'a str,
}

impl RunStamp<'_> {
    /// Returns the name of the run's folder, such as `20260131T235959Z-4f1c`.
    pub fn folder_name(&self) -> String {
        format!("{}-{}", utc(self.now.seconds), self.id)
    }
}

/// Opens `.ibid/` below the root; makes it, with a `.gitignore`, if it is missing. Names that a
/// killed process staged there go, when this process comes there first.
pub fn workspace_dir(root: &Path) -> Result<Dir, PathError> {
    static SWEPT: LazyLock<strays::Swept> = LazyLock::new(strays::Swept::default);
    let dir = Dir::open_or_create(&root.join(".ibid"))?;
    SWEPT.sweep(&dir);
    let name = one(".gitignore");
    if dir.status_if_any(&name)?.is_none() {
        let staged = one(&strays::name());
        let mut file = dir.create_file(&staged)?;
        let written = file
            .write_all(GITIGNORE.as_bytes())
            .context("write", &dir.path_of(&staged))
            .and_then(|()| crate::fs::set_mode(&file, 0o644, &dir.path_of(&staged)))
            .and_then(|()| dir.rename(&staged, &dir, &name));
        // It is a courtesy: on a full disk the step counts, not what git is told.
        if written.is_err() {
            let _ = dir.remove_file(&staged);
        }
    }
    Ok(dir)
}

/// Makes the folder that keeps what the run replaces, and removes those that are too old.
pub(super) fn replaced_dir(root: &Path, stamp: &RunStamp<'_>) -> Result<Dir, PathError> {
    let replaced = workspace_dir(root)?.create_dirs(&one("replaced"))?;
    expire(&replaced, stamp.now);
    replaced.create_dirs(&one(&stamp.folder_name()))
}

/// Removes kept folders of a root that are too old. They also go when something is replaced there
/// again, which in a workspace that changes no more never happens.
pub fn expire_replaced(root: &Path, now: Timestamp) {
    // A link in the folder's own place leads to what is somebody else's.
    let replaced = Dir::open(&root.join(".ibid")).and_then(|dir| dir.dir(&one("replaced")));
    if let Ok(replaced) = replaced {
        expire(&replaced, now);
    }
}

/// Removes folders that are too old. What cannot be removed stays until the next time.
fn expire(replaced: &Dir, now: Timestamp) {
    for listed in replaced.list().unwrap_or_default() {
        let name = RelPath::new(listed.name).expect("a listed name is one component");
        let made = std::str::from_utf8(name.as_bytes()).ok().and_then(seconds);
        if made.is_some_and(|made| now.seconds - made > KEPT_DAYS * 86_400) {
            let _ = replaced.remove_all(&name);
        }
    }
}

/// A fixed name of one component.
fn one(name: &str) -> RelPath {
    RelPath::new(name).expect("the name is one component")
}

/// Writes a time as `YYYYMMDDTHHMMSSZ`.
fn utc(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = date_of(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{date:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads the time at the start of a folder's name.
fn seconds(name: &str) -> Option<i64> {
    let (stamp, _) = name.split_once('-')?;
    let number = |range: std::ops::Range<usize>| -> Option<i64> { stamp.get(range)?.parse().ok() };
    let (year, month, date) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let seconds = day_of(year, month, date) * 86_400 + hour * 3_600 + minute * 60 + second;
    // Whatever does not read back is not one of ours.
    (utc(seconds) == stamp).then_some(seconds)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests look at the tree by plain calls"
)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    fn at(seconds: i64) -> RunStamp<'static> {
        let now = Timestamp { seconds, nanos: 0 };
        RunStamp { now, id: "ab12" }
    }

    #[test]
    fn folder_names_are_utc_times_and_read_back() {
        assert_eq!(at(0).folder_name(), "19700101T000000Z-ab12");
        assert_eq!(at(1_709_251_199).folder_name(), "20240229T235959Z-ab12");
        assert_eq!(at(1_709_251_200).folder_name(), "20240301T000000Z-ab12");
        for day in 0..80_000 {
            let moment = day * 86_400 + day % 86_400;
            assert_eq!(seconds(&at(moment).folder_name()), Some(moment));
        }
        for foreign in [
            "notes",
            "2024-01-01",
            "20241301T000000Z-x",
            "20240101T000000Z",
        ] {
            assert_eq!(seconds(foreign), None);
        }
    }

    #[test]
    fn old_folders_go_by_age_alone_and_never_through_a_link() {
        let temp = TempDir::new();
        let day = 86_400;
        let now = |seconds| Timestamp { seconds, nanos: 0 };
        expire_replaced(temp.path(), now(0));
        assert!(!temp.join(".ibid").exists(), "nothing is made to expire");
        let dir = replaced_dir(temp.path(), &at(0)).unwrap();
        expire_replaced(temp.path(), now(29 * day));
        assert!(dir.path().exists());
        expire_replaced(temp.path(), now(31 * day));
        assert!(!dir.path().exists());

        let name = at(0).folder_name();
        std::fs::create_dir_all(temp.join("mine").join(&name)).unwrap();
        std::fs::remove_dir_all(temp.join(".ibid/replaced")).unwrap();
        std::os::unix::fs::symlink(temp.join("mine"), temp.join(".ibid/replaced")).unwrap();
        expire_replaced(temp.path(), now(31 * day));
        assert!(temp.join("mine").join(&name).exists());
    }

    #[test]
    fn what_a_killed_process_staged_goes_with_the_first_look_of_another() {
        let temp = TempDir::new();
        std::fs::create_dir(temp.join(".ibid")).unwrap();
        let own = strays::name();
        let pid = std::process::id();
        let gone = own.replacen(&format!("-{pid}-"), &format!("-{}-", i32::MAX), 1);
        for name in [&own, &gone] {
            std::fs::write(temp.join(".ibid").join(name), "half").unwrap();
        }
        workspace_dir(temp.path()).unwrap();
        assert!(temp.join(".ibid").join(&own).exists());
        assert!(!temp.join(".ibid").join(&gone).exists());
    }

    #[test]
    fn old_folders_go_when_a_new_one_is_made_and_foreign_names_stay() {
        let temp = TempDir::new();
        let day = 86_400;
        for made in [0, day, 40 * day] {
            let dir = replaced_dir(temp.path(), &at(made)).unwrap();
            std::fs::write(dir.path().join("x"), "x").unwrap();
        }
        std::fs::create_dir(temp.join(".ibid/replaced/mine")).unwrap();
        replaced_dir(temp.path(), &at(40 * day + 1)).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(temp.join(".ibid/replaced"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let expected = [
            &at(40 * day).folder_name(),
            &at(40 * day + 1).folder_name(),
            "mine",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_gitignore_is_written_once_and_the_users_own_is_kept() {
        let temp = TempDir::new();
        workspace_dir(temp.path()).unwrap();
        let path = temp.join(".ibid/.gitignore");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), GITIGNORE);
        std::fs::write(&path, "*\n").unwrap();
        workspace_dir(temp.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "*\n");
    }
}
