//! Laws of declared paths.

use std::path::{Path, PathBuf};

use ibid_core::tree::{Place, RelPath};
use proptest::prelude::*;

use crate::samples;

const ROOT: &str = "/home/me/proj";

fn resolve(declared: &[u8], dir: &RelPath) -> Place {
    Place::resolve(declared, dir, Path::new(ROOT))
}

/// Paths of few names, many dots, and sometimes the root's own.
fn declared() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just(".."),
        Just("."),
        Just(""),
        Just("a"),
        Just("b"),
        Just("home"),
        Just("me"),
        Just("proj"),
    ];
    let start = prop_oneof![3 => Just(""), 1 => Just("/"), 1 => Just("/home/me/proj/")];
    (start, prop::collection::vec(name, 0..9))
        .prop_map(|(start, names)| format!("{start}{}", names.join("/")))
}

/// Follows a path name by name, as a file system without links does.
fn walk(declared: &str, dir: &RelPath) -> PathBuf {
    let mut at = dir.below(Path::new(ROOT));
    if declared.starts_with('/') {
        at = PathBuf::from("/");
    }
    for name in declared.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(at.pop()),
            name => at.push(name),
        }
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_place_is_where_walking_leads(declared in declared(), in_dir: bool) {
        let dir = RelPath::new(if in_dir { "a/b" } else { "" }).unwrap();
        let place = resolve(declared.as_bytes(), &dir);
        let walked = walk(&declared, &dir);
        let on_disk = place.on_disk(Path::new(ROOT));
        prop_assert_eq!(walk(on_disk.to_str().unwrap(), &RelPath::ROOT), walked.clone());
        prop_assert_eq!(place.inside().is_some(), walked.starts_with(ROOT));
    }

    #[test]
    fn cleaning_twice_changes_nothing(declared in declared(), in_dir: bool) {
        let dir = RelPath::new(if in_dir { "a/b" } else { "" }).unwrap();
        let place = resolve(declared.as_bytes(), &dir);
        prop_assert_eq!(resolve(place.key_name(), &RelPath::ROOT), place);
    }

    #[test]
    fn spelling_does_not_count(declared in declared().prop_filter("names a child", |d| !d.is_empty())) {
        let place = resolve(declared.as_bytes(), &RelPath::ROOT);
        let spellings = [
            declared.replace('/', "//"),
            declared.replace('/', "/./"),
            declared.replace('/', "/x/../"),
            format!("{declared}/"),
            format!("{declared}/x/.."),
        ];
        for spelling in spellings {
            prop_assert_eq!(resolve(spelling.as_bytes(), &RelPath::ROOT), place.clone());
        }
    }

    #[test]
    fn the_folder_is_a_prefix(declared in declared().prop_filter("relative", |d| !d.starts_with('/'))) {
        let dir = RelPath::new("a/b").unwrap();
        let spelled = format!("a/b/{declared}");
        prop_assert_eq!(
            resolve(declared.as_bytes(), &dir),
            resolve(spelled.as_bytes(), &RelPath::ROOT)
        );
    }

    #[test]
    fn containment_on_names_is_containment_on_disk(a in declared(), b in declared()) {
        let (a_place, b_place) = (
            resolve(a.as_bytes(), &RelPath::ROOT),
            resolve(b.as_bytes(), &RelPath::ROOT),
        );
        if a_place.is_within(&b_place) {
            let (a, b) = (walk(&a, &RelPath::ROOT), walk(&b, &RelPath::ROOT));
            prop_assert!(a.starts_with(&b), "{a:?} in {b:?}");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(declared: Vec<u8>, root: bool) {
        let root = Path::new(if root { "/" } else { ROOT });
        let place = Place::resolve(&declared, &RelPath::ROOT, root);
        let _ = (place.to_string(), place.on_disk(root), place.is_within(&place));
    }

    #[test]
    fn paths_come_apart_and_together(a in samples::rel_path(), b in samples::rel_path()) {
        let joined = a.join(&b);
        prop_assert_eq!(joined.strip_prefix(&a), Some(b.clone()));
        prop_assert_eq!(joined.components().count(), a.components().count() + b.components().count());
        let name = joined.name().unwrap().to_vec();
        prop_assert_eq!(joined.parent().unwrap().child(&name), Ok(joined.clone()));
        prop_assert_eq!(RelPath::new(joined.as_bytes()), Ok(joined));
    }

    #[test]
    fn a_path_below_a_directory_cannot_leave_it(bytes: Vec<u8>) {
        if let Ok(path) = RelPath::new(bytes) {
            let mut names = path.components();
            prop_assert!(names.all(|name| name != b".." && name != b"." && !name.contains(&0)));
            prop_assert!(!path.as_path().is_absolute());
        }
    }
}
