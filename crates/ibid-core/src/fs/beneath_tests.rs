//! Handles of directories: nothing that somebody puts below one leads out of it.
#![expect(
    clippy::disallowed_methods,
    reason = "tests build trees by plain calls"
)]

use super::*;
use ibid_testkit::TempDir;
use std::fs;
use std::os::unix::fs::symlink;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

#[test]
fn no_call_below_a_handle_passes_a_link() {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("outside/x")).unwrap();
    fs::write(temp.join("outside/x/file"), "theirs").unwrap();
    fs::create_dir(temp.join("in")).unwrap();
    let dir = Dir::open(&temp.join("in")).unwrap();
    symlink(temp.join("outside"), temp.join("in/absolute")).unwrap();
    symlink("../outside", temp.join("in/relative")).unwrap();
    fs::write(temp.join("in/mine"), "mine").unwrap();
    for link in ["absolute", "relative"] {
        let below = |name: &str| path(&format!("{link}/x/{name}"));
        assert!(dir.dir(&path(link)).is_err());
        assert!(dir.dir(&path(&format!("{link}/x"))).is_err());
        assert!(dir.create_dirs(&below("new")).is_err());
        assert!(dir.create_private_dir(&below("new")).is_err());
        assert!(dir.create_file(&below("new")).is_err());
        assert!(dir.open_file(&below("file")).is_err());
        assert!(dir.status(&below("file")).is_err());
        assert!(dir.create_link(&below("new"), b"text").is_err());
        assert!(dir.rename(&path("mine"), &dir, &below("new")).is_err());
        assert!(dir.rename(&below("file"), &dir, &path("stolen")).is_err());
        assert!(dir.remove_file(&below("file")).is_err());
        assert!(dir.remove_all(&below("file")).is_err());
        for flags in [OFlags::RDONLY, DIRECTORY] {
            assert!(dir.walk(&below("file"), flags).is_err());
            assert!(dir.walk(&path(link), flags).is_err());
        }
        dir.remove_all(&path(link)).unwrap();
    }
    assert_eq!(fs::read_dir(temp.join("outside/x")).unwrap().count(), 1);
    assert_eq!(fs::read(temp.join("outside/x/file")).unwrap(), b"theirs");
}

#[test]
fn removing_a_tree_removes_links_and_not_their_targets() {
    let temp = TempDir::new();
    fs::create_dir_all(temp.join("in/a/b/c")).unwrap();
    fs::write(temp.join("in/a/b/file"), "x").unwrap();
    fs::write(temp.join("kept"), "kept").unwrap();
    symlink(temp.path(), temp.join("in/a/b/c/up")).unwrap();
    let dir = Dir::open(&temp.join("in")).unwrap();
    dir.remove_all(&path("a")).unwrap();
    dir.remove_all(&path("a")).unwrap();
    assert_eq!(dir.list().unwrap(), []);
    assert!(temp.join("kept").exists());
}

#[test]
fn paths_longer_than_the_kernel_takes_are_walked() {
    let temp = TempDir::new();
    let name = "n".repeat(200);
    let deep = path(&vec![name.as_str(); 40].join("/"));
    let dir = Dir::open(temp.path()).unwrap();
    dir.create_dirs(&deep).unwrap();
    dir.create_file(&deep.join(&path("file"))).unwrap();
    assert!(dir.open_file(&deep.join(&path("file"))).is_ok());
    dir.remove_all(&path(&name)).unwrap();
    assert_eq!(dir.list().unwrap(), []);
}

#[test]
fn only_regular_files_are_opened_and_a_fifo_is_not_waited_for() {
    let temp = TempDir::new();
    let dir = Dir::open(temp.path()).unwrap();
    rustix::fs::mkfifoat(CWD, temp.join("fifo"), Mode::RWXU).unwrap();
    fs::create_dir(temp.join("dir")).unwrap();
    symlink("/dev/zero", temp.join("link")).unwrap();
    for name in ["fifo", "dir", "link"] {
        assert!(dir.open_file(&path(name)).is_err(), "{name}");
    }
}

#[test]
fn a_rename_to_a_new_name_never_replaces() {
    let temp = TempDir::new();
    let dir = Dir::open(temp.path()).unwrap();
    fs::write(temp.join("a"), "a").unwrap();
    fs::write(temp.join("b"), "b").unwrap();
    assert!(dir.rename_new(&path("a"), &dir, &path("b")).is_err());
    dir.rename_new(&path("a"), &dir, &path("c")).unwrap();
    assert_eq!(fs::read(temp.join("b")).unwrap(), b"b");
    assert_eq!(fs::read(temp.join("c")).unwrap(), b"a");
}

#[test]
fn linking_a_file_never_replaces_and_a_directory_cannot_be_linked() {
    let temp = TempDir::new();
    let dir = Dir::open(temp.path()).unwrap();
    fs::write(temp.join("a"), "a").unwrap();
    fs::write(temp.join("b"), "b").unwrap();
    fs::create_dir(temp.join("d")).unwrap();
    let taken = dir.link_new(&path("a"), &dir, &path("b")).unwrap_err();
    assert_eq!(taken.source.kind(), io::ErrorKind::AlreadyExists);
    dir.link_new(&path("a"), &dir, &path("c")).unwrap();
    assert_eq!(fs::read(temp.join("c")).unwrap(), b"a");
    assert!(dir.link_new(&path("d"), &dir, &path("e")).is_err());
}

#[test]
fn missing_directories_are_made_through_the_users_links() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("scratch")).unwrap();
    symlink(temp.join("scratch"), temp.join("results")).unwrap();
    Dir::open_or_create(&temp.join("results/a/b")).unwrap();
    assert!(temp.join("scratch/a/b").is_dir());
}

#[test]
#[cfg(target_os = "linux")]
fn reading_what_was_opened_leaves_no_stamp() {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    let temp = TempDir::new();
    let dir = Dir::open(temp.path()).unwrap();
    fs::write(temp.join("file"), "text").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7);
    let times = fs::FileTimes::new().set_accessed(long_ago);
    let file = File::options().write(true).open(temp.join("file")).unwrap();
    file.set_times(times).unwrap();
    let (mut opened, _) = dir.open_file(&path("file")).unwrap();
    let mut text = String::new();
    opened.read_to_string(&mut text).unwrap();
    let accessed = fs::metadata(temp.join("file")).unwrap().atime();
    assert_eq!((text.as_str(), accessed), ("text", 7));
    // Whoever may not leave out the stamps of others' files reads them all the same.
    let theirs = Dir::open(Path::new("/etc")).unwrap();
    assert!(theirs.open_file(&path("passwd")).is_ok());
}
