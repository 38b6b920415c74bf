//! Each kind of flaw, planted in a store of a few results, and what repairing makes of it.

#![expect(
    clippy::disallowed_methods,
    reason = "tests damage files behind the back of the library"
)]

mod holes;
mod making;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ibid_testkit::TempDir;

use super::*;
use crate::action::{Component, ComponentKind, ComponentName, KeyRecord, Trigger};
use crate::digest::encoding::{Encoder, Value};
use crate::digest::{Digest, TreeId};
use crate::maintain::repair;
use crate::store::{
    Lookup, Outcome, OutputContent, OwnerCheck, Replace, RunEntry, RunInfo, RunOutcome, Sharing,
    StoreOptions, StoredAs, StoredOutput, StoredResult, StreamLogRef,
};
use crate::tree::{Entry, RelPath, Tree};

/// A store of two results: one of a file, one of a folder with two files.
struct Scene {
    dir: TempDir,
    store: LocalStore,
    file: Key,
    folder: Key,
}

fn record_of(name: &str) -> KeyRecord {
    KeyRecord::new(vec![Component {
        kind: ComponentKind::Param,
        name: ComponentName::Text("name".to_owned()),
        value: Value::from(name),
    }])
}

fn listing() -> Tree {
    let file = |content: &[u8]| Entry::File {
        executable: false,
        size: content.len() as u64,
        blob: BlobId::of(content),
    };
    let path = |path: &str| RelPath::new(path).unwrap();
    Tree::from_entries([
        (path("a"), file(b"in the folder")),
        (path("sub/empty"), file(b"")),
        (path("link"), Entry::Link(b"a".to_vec())),
    ])
    .unwrap()
}

fn output(content: OutputContent) -> StoredOutput {
    StoredOutput {
        name: b"out".to_vec(),
        at: None,
        content,
        stored_as: StoredAs::Content,
    }
}

fn file_output(content: &[u8], size: u64) -> StoredOutput {
    output(OutputContent::File {
        executable: false,
        size,
        blob: BlobId::of(content),
    })
}

/// A stream log of one piece.
fn log(text: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.array(2).uint(1).bytes(text);
    encoder.finish()
}

impl Scene {
    fn new() -> Self {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        for content in [&b"content"[..], b"in the folder", b""] {
            store.put_bytes(content).unwrap();
        }
        store.put_bytes(&listing().encode()).unwrap();
        store.put_bytes(&log(b"said")).unwrap();
        let scene = Self {
            file: record_of("file").key(),
            folder: record_of("folder").key(),
            dir,
            store,
        };
        let file = scene.result("file", file_output(b"content", 7));
        scene.commit(&file, 1);
        let tree = output(OutputContent::Tree(listing().id()));
        scene.commit(&scene.result("folder", tree), 2);
        assert_eq!(scene.check().flaws, []);
        scene
    }

    fn result(&self, name: &str, output: StoredOutput) -> StoredResult {
        let record = self
            .store
            .put_bytes(&record_of(name).encode())
            .unwrap()
            .blob;
        let bytes = log(b"said");
        StoredResult {
            key: record_of(name).key(),
            outcome: Outcome {
                exit_code: 0,
                outputs: vec![output],
            },
            run: RunInfo {
                record,
                log: Some(StreamLogRef {
                    blob: BlobId::of(&bytes),
                    size: bytes.len() as u64,
                }),
                started: 1,
                duration: 2,
                host: "h".to_owned(),
                user: None,
                version: "0".to_owned(),
                label: format!("p/{name}"),
            },
        }
    }

    /// Records a result, and that it ran.
    fn commit(&self, result: &StoredResult, time: u64) {
        self.store.record(result, &[], Replace::Yes).unwrap();
        let entry = RunEntry {
            time,
            label: result.run.label.clone(),
            key: result.key,
            record: result.run.record,
            result: Some(BlobId::of(&result.encode())),
            outcome: RunOutcome::Ran,
            triggers: vec![Trigger::New],
            reason: String::new(),
            changed: Vec::new(),
            compared_to: None,
            exit_code: Some(0),
            signal: None,
            duration: 0,
            saved: 0,
            root: "r".to_owned(),
            host: "h".to_owned(),
        };
        self.store.append(&entry).unwrap();
    }

    /// Makes a key's file name any blob.
    fn name(&self, key: &Key, blob: &BlobId) {
        let mut encoder = Encoder::new();
        encoder.array(3).text("result").uint(1);
        encoder.bytes(blob.digest().as_bytes());
        fs::write(self.store.key_path(key), encoder.finish()).unwrap();
    }

    fn check(&self) -> Checked {
        check(&self.store, &Meter::new())
    }

    fn blob(&self, content: &[u8]) -> PathBuf {
        self.store.blob_path(&BlobId::of(content))
    }

    fn runs(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.dir.join("store/v1/runs")).unwrap();
        let mut runs: Vec<_> = runs.map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// Expects exactly these flaws, in any order; then that repairing leaves none of them.
    fn expect(&self, expected: &[(FlawKind, &Path, &[Key])]) {
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(kind, path, spoils)| {
                let mut spoils = spoils.to_vec();
                spoils.sort();
                (path.to_path_buf(), *kind, spoils)
            })
            .collect();
        expected.sort();
        let checked = self.check();
        let found = checked.flaws.iter();
        let found: Vec<_> = found
            .map(|flaw| (flaw.path.clone(), flaw.kind, flaw.spoils.clone()))
            .collect();
        assert_eq!(found, expected, "{:#?}", checked.flaws);
        let repaired = repair(&self.store, &checked);
        assert_eq!(repaired.left, []);
        assert_eq!(repaired.done.len(), expected.len());
        assert_eq!(self.check().flaws, [], "after {:#?}", repaired.done);
    }

    fn is_absent(&self, key: &Key) -> bool {
        matches!(self.store.look_up(key), Lookup::Absent(_))
    }
}

fn rewrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_blob_of_two_results_is_one_flaw_that_spoils_both() {
    let scene = Scene::new();
    let blob = scene.blob(&log(b"said"));
    rewrite(&blob, b"other");
    let spoils = [scene.file, scene.folder];
    scene.expect(&[(FlawKind::BlobContent, &blob, &spoils)]);
    assert!(scene.is_absent(&scene.file) && scene.is_absent(&scene.folder));
}

#[test]
fn what_was_verified_before_is_read_again() {
    let scene = Scene::new();
    // The bytes change and nothing that a signature holds would have to.
    scene
        .store
        .contains_verified(&BlobId::of(b"content"), 7)
        .unwrap();
    let blob = scene.blob(b"content");
    rewrite(&blob, b"Content");
    scene.expect(&[(FlawKind::BlobContent, &blob, &[scene.file])]);
}

#[test]
fn a_missing_blob_is_told_once_and_one_in_the_trash_is_not_missing() {
    let scene = Scene::new();
    let blob = scene.blob(b"in the folder");
    let trashed = scene.store.trashed_blob_path(&BlobId::of(b"in the folder"));
    fs::create_dir_all(trashed.parent().unwrap()).unwrap();
    fs::rename(&blob, &trashed).unwrap();
    assert_eq!(scene.check().flaws, []);
    rewrite(&trashed, b"In the folder");
    scene.expect(&[(FlawKind::BlobMissing, &blob, &[scene.folder])]);
    assert!(scene.is_absent(&scene.folder) && !scene.is_absent(&scene.file));
}

#[test]
fn keys_files_that_name_nothing_usable_are_told_by_what_they_name() {
    let scene = Scene::new();
    let [file, folder] = [scene.file, scene.folder].map(|key| scene.store.key_path(&key));
    scene.name(&scene.file, &BlobId::of(b"nowhere"));
    scene.name(&scene.folder, &BlobId::of(b"content"));
    scene.expect(&[
        (FlawKind::ResultMissing, &file, &[scene.file]),
        (FlawKind::Result, &folder, &[scene.folder]),
    ]);
    // What was named and is no result stays: others may need it.
    assert!(scene.blob(b"content").exists());
}

#[test]
fn a_swapped_and_a_cut_keys_file_are_put_aside() {
    let scene = Scene::new();
    let [file, folder] = [scene.file, scene.folder].map(|key| scene.store.key_path(&key));
    fs::copy(&folder, &file).unwrap();
    fs::write(&folder, b"\x83").unwrap();
    scene.expect(&[
        (FlawKind::ForeignKey, &file, &[scene.file]),
        (FlawKind::KeyFile, &folder, &[scene.folder]),
    ]);
    assert!(!file.exists() && !folder.exists());
}

#[test]
fn a_result_that_says_what_cannot_be_is_told_where_it_lies() {
    for wrong in ["size", "record", "log"] {
        let scene = Scene::new();
        let mut result = scene.result("file", file_output(b"content", 7));
        result.run.started = 9;
        match wrong {
            "size" => result.outcome.outputs = vec![file_output(b"content", 8)],
            "record" => result.run.record = BlobId::of(&record_of("folder").encode()),
            _ => {
                let (blob, size) = (BlobId::of(b"content"), 7);
                result.run.log = Some(StreamLogRef { blob, size });
            }
        }
        scene.store.record(&result, &[], Replace::Yes).unwrap();
        let blob = scene.blob(&result.encode());
        scene.expect(&[(FlawKind::Result, &blob, &[scene.file])]);
        assert!(scene.is_absent(&scene.file), "{wrong}");
    }
}

#[test]
fn a_listing_that_is_none_spoils_what_names_it() {
    let scene = Scene::new();
    let tree = TreeId::new(*BlobId::of(b"content").digest());
    let result = scene.result("folder", output(OutputContent::Tree(tree)));
    scene.commit(&result, 3);
    let blob = scene.blob(b"content");
    scene.expect(&[(FlawKind::Listing, &blob, &[scene.folder])]);
    assert!(blob.exists() && !scene.is_absent(&scene.file));
}

#[test]
fn a_result_that_only_history_names_promises_nothing_and_tells_when_asked() {
    let scene = Scene::new();
    scene.store.put_bytes(b"newer").unwrap();
    let newer = scene.result("file", file_output(b"newer", 5));
    scene.commit(&newer, 3);
    let blob = scene.blob(b"content");
    let older = scene.result("file", file_output(b"content", 7));
    let id = BlobId::of(&older.encode());
    let verified = || verify_result(&scene.store, &scene.file, &id, &Meter::new()).flaws;
    fs::remove_file(&blob).unwrap();
    // A collection that was killed leaves this, and no look-up leads there.
    scene.expect(&[]);
    assert_eq!(verified()[0].kind, FlawKind::BlobMissing);
    let now = scene.store.look_up(&scene.file);
    assert_eq!(now, Lookup::Found(Box::new(newer)), "what stands is whole");
    // An evicted result is no loss that anybody has to hear of.
    fs::remove_file(scene.blob(&older.encode())).unwrap();
    assert_eq!(verified(), []);
}

#[test]
fn small_files_are_checked_by_their_names_too() {
    let scene = Scene::new();
    let runs = scene.runs();
    fs::copy(&runs[0], &runs[1]).unwrap();
    let pins = scene.dir.join("store/v1/pins");
    fs::create_dir(&pins).unwrap();
    let pin = pins.join(scene.file.hex());
    fs::write(&pin, b"pin").unwrap();
    scene
        .store
        .invalidate(&record_of("other").key(), 1, "why")
        .unwrap();
    let generation = scene.dir.join("store/v1/generation");
    fs::write(&generation, b"").unwrap();
    let tag = scene.dir.join("store/CACHEDIR.TAG");
    fs::remove_file(&tag).unwrap();
    scene.expect(&[
        (FlawKind::SmallFile, &runs[1], &[]),
        (FlawKind::SmallFile, &pin, &[]),
        (FlawKind::SmallFile, &generation, &[]),
        (FlawKind::SmallFile, &tag, &[]),
    ]);
    assert_eq!(fs::read(&generation).unwrap().len(), 32);
    let tombstone = scene.store.look_up(&record_of("other").key());
    assert!(matches!(tombstone, Lookup::Tombstone(_)), "it is kept");
}

#[test]
fn modes_that_let_others_write_are_set_right_when_the_bytes_are() {
    let scene = Scene::new();
    let (blob, wrong) = (scene.blob(b"content"), scene.blob(b"in the folder"));
    let key = scene.store.key_path(&scene.file);
    let shard = key.parent().unwrap();
    for (path, bits) in [(&*blob, 0o644), (shard, 0o777), (&key, 0o606)] {
        mode(path, bits);
    }
    rewrite(&wrong, b"In the folder");
    mode(&wrong, 0o664);
    scene.expect(&[
        (FlawKind::Untrusted, &blob, &[]),
        (FlawKind::Untrusted, shard, &[]),
        (FlawKind::Untrusted, &key, &[scene.file]),
        (FlawKind::BlobContent, &wrong, &[scene.folder]),
        (FlawKind::Untrusted, &wrong, &[]),
    ]);
    let bits = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((bits(&blob), bits(&key)), (0o444, 0o644));
    assert_eq!(bits(shard) & 0o022, 0);
    assert!(
        !scene.is_absent(&scene.file),
        "a right mode is all it lacked"
    );
}

#[test]
fn a_blob_that_its_owner_may_not_read_gets_its_mode_back() {
    let scene = Scene::new();
    let blob = scene.blob(b"content");
    mode(&blob, 0);
    let checked = scene.check();
    let kinds: Vec<_> = checked.flaws.iter().map(|flaw| flaw.kind).collect();
    assert_eq!(kinds, [FlawKind::Unreadable]);
    assert_eq!(repair(&scene.store, &checked).left, []);
    assert_eq!(scene.check().flaws, []);
    assert!(!scene.is_absent(&scene.file));
}

#[test]
fn what_a_later_version_wrote_is_counted_and_left_alone() {
    let scene = Scene::new();
    let key = record_of("later").key();
    let path = scene.store.key_path(&key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = Encoder::new();
    encoder.array(3).text("acceptance").uint(7).uint(1);
    fs::write(&path, encoder.finish()).unwrap();
    let mut encoder = Encoder::new();
    encoder.array(17).uint(2);
    for _ in 0..16 {
        encoder.null();
    }
    let run = scene
        .dir
        .join("store/v1/runs")
        .join(format!("{:020}-{:08x}-{:016x}", 5, 6, 7));
    fs::write(run, encoder.finish()).unwrap();
    let mut encoder = Encoder::new();
    encoder.array(4).uint(2).null().null().null();
    let result = scene.store.put_bytes(&encoder.finish()).unwrap();
    scene.name(&scene.file, &result.blob);
    let checked = scene.check();
    assert_eq!((checked.flaws, checked.later), (Vec::new(), 3));
}

#[test]
fn a_store_that_is_not_there_and_one_without_results_have_no_flaw() {
    let dir = TempDir::new();
    let open = |name: &str| LocalStore::open(&dir.join(name), StoreOptions::default()).unwrap();
    assert_eq!(check(&open("none"), &Meter::new()), Checked::default());
    fs::create_dir(dir.join("empty")).unwrap();
    let checked = check(&open("empty"), &Meter::new());
    assert!(checked.exists && checked.flaws.is_empty(), "{checked:?}");
}

#[test]
fn a_read_only_store_is_told_as_it_is_and_keeps_all() {
    let scene = Scene::new();
    let blob = scene.blob(b"content");
    rewrite(&blob, b"other");
    let options = StoreOptions {
        access: crate::store::Access::ReadOnly,
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&scene.dir.join("store"), options).unwrap();
    let checked = check(&store, &Meter::new());
    let repaired = repair(&store, &checked);
    assert_eq!((repaired.done, repaired.left.len()), (Vec::new(), 1));
    assert_eq!(Digest::of(&fs::read(&blob).unwrap()), Digest::of(b"other"));
}

#[test]
fn folders_of_the_callers_of_dirs_are_no_strangers() {
    let scene = Scene::new();
    for name in ["tdi", "transforms"] {
        let folder = scene.dir.join("store").join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), b"theirs").unwrap();
    }
    scene.expect(&[]);
}

#[test]
fn a_link_to_a_folder_stands_for_it_and_a_dangling_one_does_not() {
    let scene = Scene::new();
    let keys = scene.dir.join("store/v1/keys");
    fs::rename(&keys, scene.dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(scene.dir.join("elsewhere"), &keys).unwrap();
    let checked = scene.check();
    assert_eq!((checked.flaws, checked.keys), (Vec::new(), 2));
    assert_eq!(checked.links, std::slice::from_ref(&keys));
    fs::remove_dir_all(scene.dir.join("elsewhere")).unwrap();
    scene.expect(&[(FlawKind::NotAFile, &keys, &[])]);
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn folders_that_others_may_write_are_closed_before_anything_is_repaired() {
    let scene = Scene::new();
    let root = scene.dir.join("store");
    let blob = scene.store.blob_path(&BlobId::of(b"content"));
    set(&blob, 0o644);
    fs::write(&blob, "damaged").unwrap();
    set(&blob, 0o444);
    let open = [root.clone(), root.join("v1/keys"), root.join("v1")];
    for path in &open {
        set(path, 0o777);
    }
    let options = StoreOptions {
        owner_check: OwnerCheck::BeforeWriting,
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&root, options).unwrap();
    let checked = check(&store, &Meter::new());
    let untrusted = checked.flaws.iter();
    let untrusted = untrusted.filter(|flaw| flaw.kind == FlawKind::Untrusted);
    assert_eq!(untrusted.count(), 3);
    let repaired = repair(&store, &checked);
    assert_eq!((repaired.done.len(), repaired.left.len()), (4, 0));
    assert!(open.iter().all(|path| mode_of(path) == 0o755));
    assert!(!blob.exists());
    assert_eq!(scene.check().flaws, []);
}

#[test]
fn what_was_moved_under_a_keys_name_in_a_store_of_a_group_is_put_aside_and_not_set_right() {
    let scene = Scene::new();
    let options = StoreOptions {
        sharing: Sharing::Group,
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&scene.dir.join("store"), options).unwrap();
    let file = store.key_path(&scene.file);
    for mode in [0o444, 0o600, 0o044] {
        assert_eq!(check(&store, &Meter::new()).flaws, []);
        let bytes = fs::read(&file).unwrap();
        set(&file, mode);
        let checked = check(&store, &Meter::new());
        let kinds: Vec<_> = checked.flaws.iter().map(|flaw| flaw.kind).collect();
        assert_eq!(kinds, [FlawKind::Untrusted], "{mode:o}");
        assert_eq!(checked.flaws[0].spoils, [scene.file]);
        assert_eq!(repair(&store, &checked).left, []);
        assert!(!file.exists(), "{mode:o}");
        fs::write(&file, bytes).unwrap();
        set(&file, 0o644);
    }
}

#[test]
fn modes_are_set_as_the_settings_share_the_store_whatever_its_bits_say() {
    let scene = Scene::new();
    let root = scene.dir.join("store");
    let options = |sharing| StoreOptions {
        sharing,
        owner_check: OwnerCheck::BeforeWriting,
        ..StoreOptions::default()
    };
    let shard = scene.store.key_path(&scene.file);
    let shard = shard.parent().unwrap();
    for (sharing, repaired) in [(Sharing::Group, 0o2770), (Sharing::Private, 0o2750)] {
        set(&root, 0o2770);
        set(shard, 0o2772);
        let store = LocalStore::open(&root, options(sharing)).unwrap();
        let checked = check(&store, &Meter::new());
        assert_eq!(checked.flaws.len(), 1);
        assert_eq!(repair(&store, &checked).left, []);
        assert_eq!(mode_of(shard), repaired, "{sharing:?}");
    }
    // What others cannot reach in the root, they get no right to.
    let blob = scene.store.blob_path(&BlobId::of(b"content"));
    set(&blob, 0o666);
    let store = LocalStore::open(&root, options(Sharing::Group)).unwrap();
    repair(&store, &check(&store, &Meter::new()));
    assert_eq!(mode_of(&blob), 0o440);
}

#[test]
fn files_of_strangers_are_told_where_their_owner_matters() {
    const STRANGER: u32 = 4666;
    if !ibid_testkit::needs_root("only root gives files away") {
        return;
    }
    let scene = Scene::new();
    let pin = crate::store::Pin {
        key: scene.file,
        result: None,
        label: String::new(),
        when: 0,
        why: String::new(),
    };
    scene.store.pin(&pin).unwrap();
    let v1 = scene.dir.join("store/v1");
    let pin = v1.join("pins").join(scene.file.hex());
    let key = scene.store.key_path(&scene.file);
    let blob = scene.store.blob_path(&BlobId::of(b"content"));
    let run = fs::read_dir(v1.join("runs")).unwrap().next().unwrap();
    for path in [&pin, &key, &blob, &run.unwrap().path()] {
        std::os::unix::fs::chown(path, Some(STRANGER), None).unwrap();
    }
    let checked = scene.check();
    let told: Vec<_> = checked.flaws.iter().map(|it| (it.kind, &it.path)).collect();
    let untrusted = FlawKind::Untrusted;
    assert_eq!(told, [(untrusted, &key), (untrusted, &pin)]);
    let repaired = repair(&scene.store, &checked);
    assert_eq!(
        repaired.left.len(),
        2,
        "whose they are is for a person to judge"
    );
    assert_eq!(scene.store.pins().unwrap(), (Vec::new(), Vec::new()));
}

#[test]
fn a_pinned_result_is_asked_for_all_that_it_needs_though_history_names_it() {
    let scene = Scene::new();
    scene.store.put_bytes(b"newer").unwrap();
    scene.commit(&scene.result("file", file_output(b"newer", 5)), 3);
    let older = scene.result("file", file_output(b"content", 7));
    let pin = crate::store::Pin {
        key: scene.file,
        result: Some(BlobId::of(&older.encode())),
        label: String::new(),
        when: 0,
        why: String::new(),
    };
    scene.store.pin(&pin).unwrap();
    let blob = scene.blob(b"content");
    fs::remove_file(&blob).unwrap();
    scene.expect(&[(FlawKind::BlobMissing, &blob, &[scene.file])]);
    assert!(!scene.is_absent(&scene.file), "what stands is whole");
}
