//! Trees: the same members are the same tree, others another, on one thread or many.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use proptest::prelude::*;

use super::*;
use crate::digest::TreeId;

#[test]
fn entries_come_in_the_order_of_whole_paths() {
    let bench = Bench::new();
    for path in [
        "a/x", "a.c", "a!/y/z", "ab", "a/b/c", "a/b.c", "a/b-/q", "a0/q", "a-",
    ] {
        bench.put(&format!("t/{path}"), path);
    }
    let path = bench.root().join("t");
    // A listing whose paths are out of order cannot be read.
    let tree = bench.with(|scanner| listed(scanner, &path, &Filter::everything()));
    assert_eq!(tree.len(), 15);
}

/// One member of a generated tree.
#[derive(Clone, Debug, PartialEq)]
enum Member {
    File(Vec<u8>, bool),
    Link(Vec<u8>),
    Dir,
}

fn make(root: &Path, members: &BTreeMap<Vec<u8>, Member>, reverse: bool) {
    std::fs::create_dir(root).unwrap();
    let mut order: Vec<_> = members.iter().collect();
    if reverse {
        order.reverse();
    }
    for (name, member) in order {
        let path = root.join(OsStr::from_bytes(name));
        match member {
            Member::File(bytes, executable) => {
                std::fs::write(&path, bytes).unwrap();
                let mode = if *executable { 0o755 } else { 0o640 };
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            Member::Link(text) => symlink(OsStr::from_bytes(text), &path).unwrap(),
            Member::Dir => std::fs::create_dir(&path).unwrap(),
        }
    }
}

fn id_of(dir: &TempDir, members: &BTreeMap<Vec<u8>, Member>, place: &str, reverse: bool) -> TreeId {
    let root = dir.join(place);
    make(&root, members, reverse);
    let (stats, meter) = (StatCache::off(), Meter::new());
    let scanner = Scanner::new(dir.path(), &stats, &meter);
    scanner
        .tree(&root, &Filter::everything())
        .unwrap()
        .tree
        .id()
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    // Every byte that a name can hold, and none that would make it `.` or `..`.
    let byte = any::<u8>().prop_filter("not in a name", |byte| !matches!(byte, 0 | b'/' | b'.'));
    proptest::collection::vec(byte, 1..8)
}

fn members() -> impl Strategy<Value = BTreeMap<Vec<u8>, Member>> {
    let member = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..4), any::<bool>())
            .prop_map(|(bytes, executable)| Member::File(bytes, executable)),
        names().prop_map(Member::Link),
        Just(Member::Dir),
    ];
    proptest::collection::btree_map(names(), member, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_is_its_members_whatever_the_order_and_place(members in members()) {
        let dir = TempDir::new();
        let one = id_of(&dir, &members, "one", false);
        prop_assert_eq!(one, id_of(&dir, &members, "another place", true));
    }

    #[test]
    fn trees_with_other_members_are_other_trees(one in members(), other in members()) {
        let dir = TempDir::new();
        let same = id_of(&dir, &one, "one", false) == id_of(&dir, &other, "two", false);
        prop_assert_eq!(same, one == other);
    }

    #[test]
    fn flipping_any_part_of_a_member_flips_the_tree(
        members in members(),
        pick in any::<prop::sample::Index>(),
        how in 0..5_u8,
    ) {
        let dir = TempDir::new();
        let name = (*pick.get(&members.keys().collect::<Vec<_>>())).clone();
        let mut other = members.clone();
        let member = other.remove(&name).unwrap();
        let (mut renamed, mut flipped) = (name.clone(), member.clone());
        match (how, &member) {
            (0, _) => renamed.push(b'_'),
            (1, Member::Dir) => flipped = Member::File(Vec::new(), false),
            (1, _) => flipped = Member::Dir,
            (2, Member::File(bytes, executable)) => {
                flipped = Member::File(bytes.clone(), !executable);
            }
            (_, Member::File(bytes, executable)) => {
                flipped = Member::File([bytes.as_slice(), b"x"].concat(), *executable);
            }
            (_, Member::Link(text)) => flipped = Member::Link([text.as_slice(), b"x"].concat()),
            (_, Member::Dir) => flipped = Member::Link(b"x".to_vec()),
        }
        other.insert(renamed, flipped);
        prop_assume!(other != members);
        let before = id_of(&dir, &members, "one", false);
        prop_assert_ne!(before, id_of(&dir, &other, "two", false));
    }
}
