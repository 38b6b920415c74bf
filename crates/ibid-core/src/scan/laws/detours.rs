//! What is noticed of links and folders that led elsewhere for a while.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use super::*;
use crate::fs::Moves;

/// Returns what is noticed of a way that led elsewhere for a moment.
fn detour(bench: &Bench, declared: &str, change: impl FnOnce()) -> Vec<String> {
    let found = heard(bench, (declared, Moves::begin()), change);
    assert!(found.values().all(|kind| *kind == DriftKind::Touched));
    found.into_keys().collect()
}

/// Returns the same with its kind, for what is heard of moves.
fn heard(
    bench: &Bench,
    (declared, moves): (&str, Option<Moves>),
    change: impl FnOnce(),
) -> BTreeMap<String, DriftKind> {
    let filter = Filter::inputs(&[]).unwrap();
    bench.with(|scanner| {
        let scanned = scanner
            .content(&bench.root().join(declared), &filter)
            .unwrap();
        let watch = Watch::hearing(&scanned.seen, moves);
        assert_eq!(watch.drifts(), []);
        change();
        assert!(
            scanner
                .recheck(&scanned.seen)
                .iter()
                .all(|it| it.kind == DriftKind::Touched)
        );
        let found = watch
            .drifts()
            .into_iter()
            .chain(scanner.recheck(&scanned.seen));
        let name = |drift: Drift| {
            let below = drift.path.strip_prefix(bench.root()).unwrap();
            (below.display().to_string(), drift.kind)
        };
        found.map(name).collect()
    })
}

#[test]
fn a_link_or_a_folder_that_was_put_back_is_named() {
    let bench = Bench::new();
    let at = |name: &str| bench.root().join(name);
    bench.put("v1/in/f", "1");
    bench.put("v2/in/f", "2");
    symlink("v1", at("now")).unwrap();
    symlink("in", at("v1/link")).unwrap();
    let relink = |name: &'static str, texts: [&'static str; 2]| {
        let at = &at;
        move || {
            for text in texts {
                std::fs::remove_file(at(name)).unwrap();
                symlink(text, at(name)).unwrap();
            }
        }
    };
    let swap = |one: &'static str, other: &'static str| {
        let at = &at;
        move || {
            for _ in 0..2 {
                std::fs::rename(at(one), at("aside")).unwrap();
                std::fs::rename(at(other), at(one)).unwrap();
                std::fs::rename(at("aside"), at(other)).unwrap();
            }
        }
    };
    assert_eq!(
        detour(&bench, "now/in/f", relink("now", ["v2", "v1"])),
        ["now"]
    );
    assert_eq!(
        detour(&bench, "v1/link/f", relink("v1/link", ["../v2/in", "in"])),
        ["v1/link"]
    );
    assert_eq!(detour(&bench, "now", relink("now", ["v2", "v1"])), ["now"]);
    assert_eq!(
        detour(&bench, "v1", relink("v1/link", ["../v2/in", "in"])),
        ["v1/link"]
    );
    assert_eq!(detour(&bench, "v1/in/f", swap("v1", "v2")), ["v1"]);
    assert_eq!(detour(&bench, "now/in/f", swap("v1", "v2")), ["v1"]);
    assert_eq!(detour(&bench, "v1", swap("v1/in", "v2/in")), ["v1/in"]);
    // What comes and goes in a folder does not move it.
    let beside = || {
        bench.put("v1/in/new", "");
        std::fs::remove_file(at("v1/in/new")).unwrap();
    };
    assert_eq!(detour(&bench, "v1/in/f", beside), [""; 0]);
}

/// Has another folder in the place of one for a while, and makes something in folders after that.
fn swap_and_make(bench: &Bench, swapped: (&str, &str), made_in: &[&str]) {
    let at = |name: &str| bench.root().join(name);
    let (one, other) = swapped;
    let aside = format!("{other}-aside");
    std::fs::rename(at(one), at(&aside)).unwrap();
    std::fs::rename(at(other), at(one)).unwrap();
    std::fs::rename(at(one), at(other)).unwrap();
    std::fs::rename(at(&aside), at(one)).unwrap();
    make_in(bench, made_in);
}

/// Moves both stamps of folders.
fn make_in(bench: &Bench, folders: &[&str]) {
    for folder in folders {
        let made = bench.put(&format!("{folder}/made"), "");
        std::fs::remove_file(made).unwrap();
    }
}

/// A bench with two folders of the same shape, and stamps that the next change moves.
fn two_folders() -> Bench {
    let bench = Bench::new();
    for name in ["a/in/f", "a/in/sub/g", "b/in/f", "b/in/sub/g"] {
        bench.put(name, name);
    }
    until_settled();
    bench
}

#[test]
fn a_folder_that_was_put_back_is_named_whatever_is_made_in_it() {
    let bench = two_folders();
    let found = |declared, swapped, made: &str| {
        detour(&bench, declared, || swap_and_make(&bench, swapped, &[made]))
    };
    assert_eq!(found("a/in/f", ("a/in", "b/in"), "a/in"), ["a/in"]);
    assert_eq!(found("a/in/f", ("a", "b"), "a"), ["a"]);
    assert_eq!(found("a/in", ("a/in", "b/in"), "a/in"), ["a/in"]);
    let swapped = ("a/in/sub", "b/in/sub");
    assert_eq!(found("a", swapped, "a/in/sub"), ["a/in/sub"]);
}

#[test]
fn what_is_made_in_all_folders_on_the_way_is_nothing_to_name() {
    let bench = two_folders();
    for declared in ["a/in/f", "a/in", "a"] {
        let made = || make_in(&bench, &[".", "a", "a/in", "a/in/sub"]);
        assert_eq!(detour(&bench, declared, made), [""; 0]);
    }
}

#[test]
fn a_move_is_told_to_each_who_watched_and_to_none_who_watches_later() {
    let bench = two_folders();
    let nested = detour(&bench, "a/in/f", || {
        let swap = || swap_and_make(&bench, ("a/in", "b/in"), &["a/in"]);
        assert_eq!(detour(&bench, "a/in/f", swap), ["a/in"]);
        assert_eq!(detour(&bench, "a/in/f", || ()), [""; 0]);
    });
    assert_eq!(nested, ["a/in"]);
}

#[test]
fn without_word_of_moves_the_stamps_of_the_folder_around_tell() {
    use DriftKind::{Touched, Untold};
    let bench = two_folders();
    let found = |change: &dyn Fn()| {
        until_settled();
        heard(&bench, ("a/in/f", None), change)
    };
    let told = |names: &[(&str, DriftKind)]| {
        let owned = names.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
        owned.collect::<BTreeMap<_, _>>()
    };
    let swap = |made: &'static [&'static str]| {
        let bench = &bench;
        move || swap_and_make(bench, ("a/in", "b/in"), made)
    };
    assert_eq!(found(&swap(&[])), told(&[("a/in", Touched)]));
    assert_eq!(found(&|| make_in(&bench, &["a/in"])), told(&[]));
    // Where both changed, an everyday run looks like a folder that was put back.
    assert_eq!(found(&swap(&["a/in"])), told(&[("a/in", Untold)]));
    let both = || make_in(&bench, &["a", "a/in"]);
    assert_eq!(found(&both), told(&[("a/in", Untold)]));
}
