use ibid_testkit::TempDir;

use super::*;

fn place(dir: &TempDir) -> RecallPlace {
    RecallPlace::new(dir.path(), "machine", Path::new("/store"))
}

fn name(of: u64) -> Name {
    *Digest::of(&of.to_le_bytes()).as_bytes()
}

/// Keeps so many records, of bodies of several lengths.
fn filled(dir: &TempDir, count: u64) -> RecallPlace {
    let place = place(dir);
    let table = Table::open(Some(&place), "table");
    for of in 0..count {
        table.learn(name(of), body(of));
    }
    table.keep();
    place
}

fn body(of: u64) -> Vec<u8> {
    vec![u8::try_from(of % 251).unwrap(); usize::try_from(of % 999).unwrap()]
}

fn file(place: &RecallPlace) -> std::path::PathBuf {
    place.table("table").0
}

#[test]
fn what_was_learnt_is_known_to_the_next_and_what_nobody_asked_for_goes() {
    let dir = TempDir::new();
    let place = filled(&dir, 4000);
    let table = Table::open(Some(&place), "table");
    for of in 0..4000 {
        assert_eq!(table.get(&name(of)), Some(&*body(of)));
    }
    assert_eq!(table.get(&name(4000)), None);
    let table = Table::open(Some(&place), "table");
    for of in 1000..4000 {
        assert!(table.get(&name(of)).is_some());
    }
    table.learn(name(1000), b"another".to_vec());
    table.keep();
    let table = Table::open(Some(&place), "table");
    assert_eq!(table.get(&name(999)), None);
    assert_eq!(table.get(&name(1000)), Some(b"another".as_slice()));
    assert_eq!(table.get(&name(1001)), Some(&*body(1001)));
    assert_eq!(table.records.len(), 3000);
}

#[test]
fn a_flipped_bit_or_a_cut_never_gives_another_body() {
    let dir = TempDir::new();
    let place = filled(&dir, 5000);
    let whole = std::fs::read(file(&place)).unwrap();
    assert!(whole.len() > 2 * PIECE, "several pieces");
    let know = |bytes: &[u8]| {
        std::fs::write(file(&place), bytes).unwrap();
        let table = Table::open(Some(&place), "table");
        let known = (0..5000).filter_map(|of| Some((of, table.get(&name(of))?)));
        known.map(|(of, found)| assert_eq!(found, body(of))).count()
    };
    assert_eq!(know(&whole), 5000);
    for at in (0..whole.len()).step_by(whole.len() / 23) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        assert!(know(&flipped) < 5000, "byte {at}");
        assert!(know(&whole[..at]) < 5000, "cut at {at}");
    }
}

#[test]
fn a_table_of_another_machine_store_or_kind_is_not_known() {
    let dir = TempDir::new();
    let own = filled(&dir, 10);
    let others = [
        RecallPlace::new(dir.path(), "other", Path::new("/store")),
        RecallPlace::new(dir.path(), "machine", Path::new("/other")),
    ];
    let bytes = std::fs::read(file(&own)).unwrap();
    for other in others {
        let there = file(&other);
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        std::fs::write(&there, &bytes).unwrap();
        assert!(Table::open(Some(&other), "table").records.is_empty());
    }
    std::fs::write(own.table("kind").0, &bytes).unwrap();
    assert!(Table::open(Some(&own), "kind").records.is_empty());
}

#[test]
fn without_a_place_or_where_nothing_may_be_written_nothing_is_kept() {
    let table = Table::open(None, "table");
    table.learn(name(1), Vec::new());
    assert!(table.learnt.lock().unwrap().is_empty());
    table.keep();
    let dir = TempDir::new();
    std::fs::write(dir.join("listings"), b"").unwrap();
    let place = filled(&dir, 10);
    assert!(Table::open(Some(&place), "table").records.is_empty());
}

#[test]
fn a_table_that_knows_nearly_all_is_left_as_it_is() {
    let dir = TempDir::new();
    let place = filled(&dir, 1000);
    let before = std::fs::read(file(&place)).unwrap();
    let table = Table::open(Some(&place), "table");
    for of in 0..1000 {
        table.get(&name(of));
    }
    table.learn(name(1000), Vec::new());
    table.keep();
    assert_eq!(std::fs::read(file(&place)).unwrap(), before);
}
