//! Odd cases of what is reachable: what is damaged, foreign, of a later version, gone, or too much.

use super::*;
use crate::maintain::LeftoverKind;
use crate::maintain::standing::HELD;

#[test]
fn a_store_that_is_not_there_is_empty() {
    let bench = Bench::new();
    let inventory = bench.take();
    assert!(inventory.blobs.is_empty() && inventory.unknown.is_empty());
    assert_eq!(inventory.small_files, 0);
    assert!(!bench.dir.join("store").exists());
}

#[test]
fn an_entry_says_what_its_result_says_and_when_it_was_used() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let modified = std::fs::metadata(bench.path_of("keys", &key_of(1).hex()));
    let modified = modified.unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    let inventory = bench.take();
    let entry = &inventory.entries[0];
    assert_eq!((entry.key, entry.result), (key_of(1), result));
    assert_eq!(
        (&*entry.label, entry.started, entry.duration),
        ("p/1", 1, 7)
    );
    assert_eq!(u128::from(entry.last_use), modified.as_nanos());
    assert!(entry.stands && !entry.pinned);
    // Result, record, log, file, listing, two files of it, text of code.
    assert_eq!(entry.blobs.len(), 8);
    assert!(entry.blobs.is_sorted());
}

#[test]
fn history_names_results_that_were_replaced_and_records_of_failed_runs() {
    let mut bench = Bench::new();
    let old = bench.run(&Case {
        files: vec![9],
        ..one()
    });
    let new = bench.run(&one());
    let failed = bench.fail(&Case {
        key: 2,
        code: vec![8],
        ..Case::default()
    });
    let inventory = bench.take();
    let entries: Vec<_> = inventory
        .entries
        .iter()
        .map(|it| (it.result, it.stands))
        .collect();
    assert_eq!(entries, [(new, true), (old, false)]);
    assert_eq!(
        (inventory.entries[1].key, inventory.entries[1].last_use),
        (key_of(1), 1)
    );
    let named = |blob: &BlobId| inventory.also_named.get(inventory.number(blob)?);
    assert_eq!((named(&failed), named(&blob(8))), (Some(3), Some(3)));
    let record = bench.record(&[6]);
    assert_eq!((named(&record), named(&blob(6))), (Some(2), Some(2)));
    assert_eq!(named(&blob(9)), None);
    let runs: Vec<_> = inventory.runs.iter().map(|(name, _)| name.time).collect();
    assert_eq!(runs, [1, 2, 3]);
}

#[test]
fn a_pin_protects_what_stands_and_what_stood_when_it_was_made() {
    let mut bench = Bench::new();
    let old = bench.run(&Case {
        files: vec![9],
        ..one()
    });
    bench.run(&one());
    bench.run(&Case { key: 2, ..one() });
    for path in std::fs::read_dir(bench.path("runs")).unwrap() {
        std::fs::remove_file(path.unwrap().path()).unwrap();
    }
    let pin = Pin {
        key: key_of(1),
        result: Some(old),
        label: "p/1".to_owned(),
        when: 40,
        why: String::new(),
    };
    let inventory = bench.take_with_pins(vec![pin]);
    let entries = inventory.entries.iter();
    let mut entries: Vec<_> = entries.map(|it| (it.key, it.stands, it.pinned)).collect();
    entries.sort();
    let mut expected = [
        (key_of(1), true, true),
        (key_of(1), false, true),
        (key_of(2), true, false),
    ];
    expected.sort();
    assert_eq!(entries, expected);
    let pinned = inventory
        .entries
        .iter()
        .find(|it| it.result == old)
        .unwrap();
    assert_eq!(pinned.last_use, 40);
}

#[test]
fn pins_that_cannot_be_read_are_unknown() {
    let bench = Bench::new();
    bench.put(1);
    let unreadable = || Ok((Vec::new(), vec!["a pin".to_owned()]));
    let inventory = take_with(&bench.store, 0, unreadable).unwrap();
    assert_eq!(inventory.unknown, ["a pin"]);
}

#[test]
fn a_keys_file_that_is_not_understood_is_unknown() {
    let mut bench = Bench::new();
    bench.run(&one());
    let path = bench.path_of("keys", &key_of(1).hex());
    // A kind of a later version, and bytes that are nothing.
    for (bytes, damaged) in [(&b"\x82\x65later\x02"[..], false), (&b"\0\0\0"[..], true)] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let inventory = bench.take();
        assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
        let expected = if damaged { vec![key_of(1)] } else { Vec::new() };
        let damaged: Vec<Key> = inventory.damaged.iter().map(|(key, _)| *key).collect();
        assert_eq!(damaged, expected);
    }
    bench.store.look_up(&key_of(1));
    assert!(bench.take().unknown.is_empty(), "a look-up put it aside");
}

#[test]
fn a_shard_that_is_a_link_is_unknown_and_not_followed() {
    let mut bench = Bench::new();
    bench.run(&one());
    let shard = bench.path(&format!("keys/{}", &key_of(1).hex()[..2]));
    let elsewhere = bench.dir.join("elsewhere");
    std::fs::rename(&shard, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &shard).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
    assert!(inventory.entries.iter().all(|entry| !entry.stands));
}

#[test]
fn a_result_that_is_gone_or_damaged_leaves_only_its_keys_file_to_evict() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let path = bench.path_of("blobs", &result.hex());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let hollow = |bench: &Bench| {
        let inventory = bench.take();
        assert!(inventory.unknown.is_empty(), "{:?}", inventory.unknown);
        let entry = &inventory.entries[0];
        assert_eq!((&*entry.label, entry.stands), ("p/1", true));
        entry.blobs.len()
    };
    assert_eq!(hollow(&bench), 0);
    std::fs::write(&path, vec![0; bytes.len()]).unwrap();
    assert_eq!(hollow(&bench), 1);
    assert!(path.exists(), "taking an inventory changes nothing");
}

#[test]
fn a_result_in_the_trash_still_names_what_it_needs_if_a_key_names_it() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let trash = bench.path_of("trash/blobs", &result.hex());
    std::fs::create_dir_all(trash.parent().unwrap()).unwrap();
    std::fs::rename(bench.path_of("blobs", &result.hex()), &trash).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.entries[0].blobs.len(), 7);
    std::fs::remove_file(bench.path_of("keys", &key_of(1).hex())).unwrap();
    assert!(
        bench.take().entries.is_empty(),
        "evicted: only history names it"
    );
}

#[test]
fn right_bytes_that_are_not_understood_are_unknown() {
    let mut bench = Bench::new();
    // A result and a listing of a later version: right digests, other forms.
    let bytes = b"\x81\x02";
    let later = bench.store.put_bytes(bytes).unwrap().blob;
    let mut result = bench.result(&one());
    result.outcome.outputs[0].content =
        OutputContent::Tree(crate::digest::TreeId::new(*later.digest()));
    bench.store.record(&result, &[], Replace::Yes).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
    bench.runs = 1;
    bench.append(&one(), result.run.record, Some(later));
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 2, "{:?}", inventory.unknown);
    assert!(inventory.also_named.has(inventory.number(&later).unwrap()));
}

#[test]
fn an_entry_of_history_is_unknown_if_it_is_whole_and_of_a_later_format() {
    let mut bench = Bench::new();
    bench.run(&one());
    let name = std::fs::read_dir(bench.path("runs")).unwrap().next();
    let path = name.unwrap().unwrap().path();
    for (bytes, unknown) in [(&b"\x82\x02\x61a"[..], 1), (&b"\0\0\0"[..], 0), (b"", 0)] {
        std::fs::write(&path, bytes).unwrap();
        let inventory = bench.take();
        assert_eq!(inventory.unknown.len(), unknown, "{:?}", inventory.unknown);
        assert_eq!(inventory.runs.len(), 1, "it can be forgotten");
    }
}

#[test]
fn tombstones_are_listed_with_their_time() {
    let bench = Bench::new();
    bench.store.invalidate(&key_of(1), u64::MAX, "why").unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.tombstones, [(key_of(1), u64::MAX)]);
    assert!(inventory.entries.is_empty());
}

#[test]
fn all_files_of_a_store_are_counted_once() {
    let mut bench = Bench::new();
    bench.run(&one());
    bench.store.invalidate(&key_of(2), 1, "").unwrap();
    bench.store.invalidate(&key_of(2), 2, "").unwrap();
    let random = "0".repeat(32);
    std::fs::write(bench.path(&format!("tmp/{random}")), b"staged").unwrap();
    for below in ["leases", "views/one/sub", "trash/blobs/aa", "pins"] {
        std::fs::create_dir_all(bench.path(below)).unwrap();
    }
    let hex = "aa".repeat(32);
    for path in [
        format!("leases/{hex}"),
        format!("leases/o-{hex}"),
        format!("trash/blobs/aa/{hex}"),
        format!("trash/gone-{random}"),
        format!("pins/{hex}"),
        "views/one/sub/file".to_owned(),
    ] {
        std::fs::write(bench.path(&path), vec![1; 5000]).unwrap();
    }
    let now = u64::MAX;
    let inventory = take_with(&bench.store, now, || Ok((Vec::new(), Vec::new()))).unwrap();
    let leftovers = inventory.leftovers.iter();
    let paths: Vec<_> = leftovers.map(|it| (it.kind, it.path.clone())).collect();
    let expected = [
        (LeftoverKind::Lease, format!("leases/{hex}")),
        (LeftoverKind::Lease, format!("leases/o-{hex}")),
        (LeftoverKind::Staged, format!("tmp/{random}")),
        (LeftoverKind::Trash, format!("trash/blobs/aa/{hex}")),
        (LeftoverKind::Trash, format!("trash/gone-{random}")),
        (LeftoverKind::View, "views/one".to_owned()),
    ];
    assert_eq!(paths, expected);
    let total = crate::maintain::usage(&inventory).disk;
    // As `du` does; directories of views, of the trash and the like are counted like others.
    assert_eq!(total, du(&bench.dir.join("store")));
}

fn du(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::symlink_metadata(path).unwrap();
    let below = facts.is_dir().then(|| std::fs::read_dir(path).unwrap());
    let below = below.into_iter().flatten();
    facts.blocks() * 512 + below.map(|it| du(&it.unwrap().path())).sum::<u64>()
}

#[test]
fn names_that_no_store_has_are_passed_over() {
    let mut bench = Bench::new();
    bench.run(&one());
    let before = bench.take();
    let hex = "ab".repeat(32);
    std::fs::create_dir_all(bench.path("blobs/ab")).unwrap();
    std::fs::create_dir_all(bench.path("trash")).unwrap();
    for path in [
        "blobs/README".to_owned(),
        "blobs/ab/short".to_owned(),
        format!("blobs/ab/{}", hex.to_uppercase()),
        format!("blobs/ab/{}", "ac".repeat(31)),
        format!("blobs/ab/{}", "cd".repeat(32)),
        "keys/x".to_owned(),
        "runs/today".to_owned(),
        "tmp/mine".to_owned(),
        "trash/mine".to_owned(),
    ] {
        std::fs::write(bench.path(&path), b"x").unwrap();
    }
    // Neither a directory nor a link is a blob.
    std::fs::create_dir(bench.path(&format!("blobs/ab/{hex}"))).unwrap();
    let link = bench.path(&format!("blobs/ab/{}", "ab".repeat(31) + "ff"));
    std::os::unix::fs::symlink("short", link).unwrap();
    let after = bench.take();
    assert_eq!(after.blobs, before.blobs);
    assert_eq!(after.entries, before.entries);
    assert_eq!(
        (after.leftovers, after.unknown),
        (before.leftovers, before.unknown)
    );
}

#[test]
fn a_lease_that_is_written_to_is_no_leftover() {
    let bench = Bench::new();
    bench.put(1);
    let path = bench.path(&format!("leases/{}", "aa".repeat(32)));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"").unwrap();
    let facts = crate::fs::Facts::of_link(&path).unwrap();
    let now = nanos(facts.signature.last_change());
    let leases = |now| {
        let inventory = take_with(&bench.store, now, || Ok((Vec::new(), Vec::new()))).unwrap();
        inventory.leftovers.len()
    };
    assert_eq!((leases(now + HELD - 1), leases(now + HELD)), (0, 1));
}

fn param(number: u32) -> Component {
    Component {
        kind: ComponentKind::Param,
        name: ComponentName::Text("number".to_owned()),
        value: Value::from(number.to_string().as_str()),
    }
}

/// Returns the most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "makes a store of a quarter of a million files; run it alone, in a process of its own"]
fn fifty_thousand_results_fit_into_fifty_megabytes() {
    let mut bench = Bench::new();
    let results: u32 = 50_000;
    let template = bench.result(&one());
    for number in 0..results {
        let bytes = number.to_le_bytes();
        let mut result = template.clone();
        result.key = Key::derive(&bytes);
        let own = bench.store.put_bytes(&bytes).unwrap().blob;
        let record = KeyRecord::new(vec![param(number)]);
        result.run.record = bench.store.put_bytes(&record.encode()).unwrap().blob;
        result.outcome.outputs[0].content = OutputContent::File {
            executable: false,
            size: 4,
            blob: own,
        };
        bench.store.record(&result, &[], Replace::Yes).unwrap();
        let named = BlobId::of(&result.encode());
        bench.runs += 1;
        bench.append(&one(), result.run.record, Some(named));
    }
    let before = peak_memory();
    let inventory = bench.take();
    assert_eq!(inventory.entries.len(), results as usize);
    assert!(inventory.entries.iter().all(|entry| entry.blobs.len() == 7));
    let grown = peak_memory() - before;
    assert!(grown < 50 << 20, "{grown}");
}
