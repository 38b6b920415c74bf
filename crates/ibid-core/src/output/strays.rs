//! Names of staged outputs, and the removal of those that a killed process left behind.
//!
//! A name tells who made it, so that what belongs to a living process, or to one that cannot be
//! seen from here, is never touched.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::fs::{Dir, is_tag_of_the_gone, owner_tag, random_name};
use crate::tree::RelPath;

const START: &str = ".ibid-";
const END: &str = ".tmp";

/// Returns a name that nobody else has, such as `.ibid-<owner>-<random>.tmp`.
pub fn name() -> String {
    format!("{START}{}-{}{END}", owner_tag(), random_name())
}

/// The folders that a run of many steps has looked through: a folder with an output of each of ten
/// thousand steps is listed once and not for each of them. What somebody leaves who is killed
/// meanwhile is found by the next run.
#[derive(Debug, Default)]
pub struct Swept(Mutex<HashSet<PathBuf>>);

impl Swept {
    /// Removes staged outputs in `dir` whose makers are gone, unless it was looked through before.
    pub(super) fn sweep(&self, dir: &Dir) {
        // The set is whole at any moment, so a panic elsewhere does not spoil it.
        let mut swept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.insert(dir.path().to_owned()) {
            drop(swept);
            sweep(dir, &|| ());
        }
    }
}

/// Removes staged outputs in `dir` whose makers are gone, and says so before, as they may be large.
/// What cannot be removed stays.
pub(super) fn sweep(dir: &Dir, begins: &dyn Fn()) {
    for listed in dir.list().unwrap_or_default() {
        if is_stray(&listed.name)
            && let Ok(name) = RelPath::new(listed.name)
        {
            begins();
            let _ = dir.remove_all(&name);
        }
    }
}

fn is_stray(name: &[u8]) -> bool {
    let owner = std::str::from_utf8(name).ok().and_then(|name| {
        name.strip_prefix(START)?
            .strip_suffix(END)?
            .rsplit_once('-')
    });
    owner.is_some_and(|(owner, _)| is_tag_of_the_gone(owner))
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests look at the tree by plain calls"
)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn a_run_looks_through_each_folder_once() {
        let temp = TempDir::new();
        let gone = name().replacen(
            &format!("-{}-", std::process::id()),
            &format!("-{}-", i32::MAX),
            1,
        );
        let dir = |name: &str| Dir::open_or_create(&temp.join(name)).unwrap();
        let plant = |folder: &str| {
            std::fs::create_dir(temp.join(folder).join(&gone)).unwrap();
            temp.join(folder).join(&gone)
        };
        let swept = Swept::default();
        let (one, two) = (dir("one"), dir("two"));
        let first = plant("one");
        swept.sweep(&one);
        assert!(!first.exists());
        let (again, other) = (plant("one"), plant("two"));
        swept.sweep(&one);
        swept.sweep(&two);
        assert!(again.exists() && !other.exists());
    }

    #[test]
    fn only_what_the_gone_have_staged_is_removed() {
        let temp = TempDir::new();
        let own = name();
        let pid = std::process::id();
        let gone = own.replacen(&format!("-{pid}-"), &format!("-{}-", i32::MAX), 1);
        for name in [own.as_str(), &gone, ".ibid-0123.tmp", ".ibid-x", "mine.tmp"] {
            std::fs::create_dir(temp.join(name)).unwrap();
            std::fs::write(temp.join(name).join("file"), "x").unwrap();
        }
        sweep(&Dir::open(temp.path()).unwrap(), &|| ());
        assert!(!temp.join(&gone).exists());
        for name in [own.as_str(), ".ibid-0123.tmp", ".ibid-x", "mine.tmp"] {
            assert!(temp.join(name).join("file").exists(), "{name}");
        }
    }
}
