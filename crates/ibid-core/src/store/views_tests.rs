//! Copies stand for as long as somebody reads them or is led there, and go when nobody does.

use super::*;
use ibid_testkit::TempDir;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = Dir::open(dir)
        .unwrap()
        .list()
        .unwrap()
        .into_iter()
        .map(|listed| String::from_utf8(listed.name).unwrap())
        .collect();
    names.sort();
    names
}

fn folder_name(views: &Views, key: &Key) -> String {
    let folder = views.folder(key);
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

fn made(views: &Views, key: &Key) -> View {
    let mut view = views.make(key).unwrap();
    view.show().unwrap();
    view
}

#[test]
fn a_copy_stays_while_it_is_read_and_goes_when_another_took_its_place() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let folder = views.place(&key).parent().unwrap().to_owned();
    assert!(views.standing(&key).is_none());
    assert!(!dir.join("views").exists());
    drop(made(&views, &key));
    let reader = views.standing(&key).unwrap();
    let second = made(&views, &key);
    assert!(reader.root().is_dir());
    assert_ne!(reader.root(), second.root());
    assert_eq!(views.standing(&key).unwrap().root(), second.root());
    drop(second);
    assert!(reader.root().is_dir());
    let root = reader.root().to_owned();
    drop(reader);
    drop(made(&views, &key));
    assert!(!root.exists());
    assert_eq!(names(&folder).len(), 3);
}

#[test]
fn a_copy_that_was_never_shown_leaves_nothing() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let view = views.make(&key).unwrap();
    assert!(views.standing(&key).is_none());
    drop(view);
    assert_eq!(names(&dir.join("views")), Vec::<String>::new());
    let passing = View::passing(dir.path()).unwrap();
    assert!(passing.root().is_dir());
    drop(passing);
    assert_eq!(names(dir.path()), ["views"]);
}

#[test]
fn what_a_fork_has_a_copy_of_is_not_its_to_tidy_up() {
    let dir = TempDir::new();
    let mut passing = View::passing(dir.path()).unwrap();
    passing.maker = Some(process::id() + 1);
    let root = passing.root().to_owned();
    drop(passing);
    assert!(root.is_dir());
}

#[test]
fn a_copy_that_is_left_stays_although_nobody_was_shown_it() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let view = views.make(&key).unwrap();
    let root = view.root().to_owned();
    view.leave();
    assert!(root.is_dir());
    assert!(views.remove(&folder_name(&views, &key), false).unwrap());
}

#[test]
fn what_is_used_is_not_removed() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let view = made(&views, &key);
    assert!(!views.remove(&folder_name(&views, &key), true).unwrap());
    assert!(view.root().is_dir());
    drop(view);
    assert!(views.remove(&folder_name(&views, &key), false).unwrap());
    assert_eq!(names(&dir.join("views")), Vec::<String>::new());
}

#[test]
fn a_copy_that_is_lent_stays_while_the_folder_is_held_that_it_is_lent_to() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let borrower = made(&views, &Key::derive(b"process"));
    let lent = made(&views, &key);
    let place = borrower.root().join("0-tool");
    assert!(lent.lend_to(&place, None).unwrap());
    let root = lent.root().to_owned();
    assert_eq!(place.canonicalize().unwrap(), root.canonicalize().unwrap());
    let link = fs::read_link(&place).unwrap();
    assert!(
        link.len() < 60,
        "the link takes a block of its own: {link:?}"
    );
    drop(lent);
    // Neither who makes another one takes it away, nor a collection.
    drop(made(&views, &key));
    assert!(!views.remove(&folder_name(&views, &key), true).unwrap());
    assert!(root.is_dir());
    let again = views.standing(&key).unwrap();
    assert!(
        again
            .lend_to(&borrower.root().join("1-tool"), None)
            .unwrap()
    );
    drop((again, borrower));
    drop(made(&views, &key));
    assert!(!root.exists());
    let names = names(views.place(&key).parent().unwrap());
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(views.remove(&folder_name(&views, &key), false).unwrap());
}

#[test]
fn a_copy_that_is_lent_again_is_led_to_by_the_same_link() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let borrower = made(&views, &Key::derive(b"process"));
    let (lent, other) = (made(&views, &key), made(&views, &Key::derive(b"b")));
    let place = |name: &str| borrower.root().join(name);
    let inode = |name: &str| Signature::of_link(&place(name)).unwrap().inode;
    assert!(lent.lend_to(&place("0"), None).unwrap());
    assert!(lent.lend_to(&place("1"), Some(&place("0"))).unwrap());
    assert_eq!(inode("1"), inode("0"));
    // What leads elsewhere, is somebody's own, or has gone is none.
    assert!(other.lend_to(&place("2"), Some(&place("1"))).unwrap());
    std::fs::write(place("own"), "text").unwrap();
    fs::create_dir(&place("folder"), None).unwrap();
    for (at, earlier) in ["2", "own", "folder", "nothing"].into_iter().enumerate() {
        let new = format!("again-{at}");
        assert!(lent.lend_to(&place(&new), Some(&place(earlier))).unwrap());
        let led = place(&new).canonicalize().unwrap();
        assert_eq!(led, lent.root().canonicalize().unwrap(), "{earlier}");
    }
    assert_eq!(std::fs::read(place("own")).unwrap(), b"text");
    let led = place("2").canonicalize().unwrap();
    assert_eq!(led, other.root().canonicalize().unwrap());
}

#[test]
fn a_folder_that_ended_is_forgotten_when_a_use_is_noted() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let borrower = made(&views, &Key::derive(b"process"));
    let lent = made(&views, &key);
    assert!(lent.lend_to(&borrower.root().join("0-tool"), None).unwrap());
    let folder = views.place(&key).parent().unwrap().to_owned();
    let in_years = Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    lent.note_use(in_years);
    assert_eq!(names(&folder).len(), 4);
    drop(borrower);
    lent.note_use(in_years);
    assert_eq!(names(&folder).len(), 3);
}

#[test]
fn a_copy_is_lent_only_where_it_can_stay() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    let lent = made(&views, &key);
    let elsewhere = dir.join("other/process/v-x/0-tool");
    fs::create_dirs(elsewhere.parent().unwrap(), None).unwrap();
    assert!(!lent.lend_to(&elsewhere, None).unwrap());
    let passing = View::passing(dir.path()).unwrap();
    assert!(!passing.lend_to(&elsewhere, None).unwrap());
    let nobodys = views.place(&Key::derive(b"process")).with_file_name("v-x");
    fs::create_dirs(&nobodys, None).unwrap();
    assert!(!lent.lend_to(&nobodys.join("0-tool"), None).unwrap());
    assert!(!elsewhere.exists());
}

#[test]
fn a_link_to_elsewhere_is_no_copy() {
    let dir = TempDir::new();
    let (views, key) = (Views::new(dir.join("views")), Key::derive(b"a"));
    drop(made(&views, &key));
    let place = views.place(&key);
    for elsewhere in ["..", "../..", "/tmp", "v-x/../..", "lock"] {
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(elsewhere, &place).unwrap();
        assert!(views.standing(&key).is_none(), "{elsewhere}");
    }
}
