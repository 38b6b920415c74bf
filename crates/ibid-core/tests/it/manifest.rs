//! Steps that keep a manifest: what it decides, and when it does not.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use ibid_core::action::{AccessMode, OutputKind, Step, Trigger};
use ibid_core::digest::BlobId;
use ibid_core::engine::manifest::{self, Manifest};
use ibid_core::store::{Access, LocalStore, Lookup, Replace, StoreOptions};

use crate::engine::{Bench, is_restored, is_up_to_date, rerun, shell};

/// A step that keeps the manifest `copy`.
fn copy() -> Step {
    kept(shell("cat in > out; echo done", &["in"], &["out"]))
}

fn kept(mut step: Step) -> Step {
    step.policy.manifest = Some("copy".to_owned());
    step
}

fn done() -> Bench {
    let bench = Bench::new();
    bench.write("in", "a");
    rerun(&bench.step(&copy()));
    bench
}

fn manifest(bench: &Bench) -> Option<Manifest> {
    manifest::read(&bench.root, "copy")
}

fn text(bench: &Bench) -> String {
    bench.read(".ibid/manifests/copy.json")
}

fn wipe(bench: &Bench) {
    fs::remove_dir_all(bench.dir.join("store")).unwrap();
}

fn ran(bench: &Bench) -> BTreeSet<Trigger> {
    rerun(&bench.step(&copy())).0.triggers.clone()
}

#[test]
fn a_run_leaves_a_manifest_that_says_what_it_was() {
    let bench = done();
    let manifest = manifest(&bench).unwrap();
    assert_eq!(manifest.label, "work/step");
    assert_eq!(manifest.outcome.outputs.len(), 1);
    let titles: Vec<_> = manifest.components.iter().map(|it| it.0.as_str()).collect();
    assert!(titles.contains(&"input/in"), "{titles:?}");
    let ignored = bench.read(".ibid/.gitignore");
    assert!(ignored.contains("!manifests/*.json"), "{ignored}");
}

#[test]
fn a_step_without_a_name_for_it_keeps_none() {
    let bench = Bench::new();
    bench.write("in", "a");
    bench.step(&shell("cat in > out", &["in"], &["out"]));
    assert!(!bench.root.join(".ibid/manifests").exists());
}

#[test]
fn with_the_store_wiped_what_stands_is_up_to_date() {
    let bench = done();
    wipe(&bench);
    let before = text(&bench);
    let again = bench.step(&copy());
    assert!(is_up_to_date(&again), "{:?}", again.outcome);
    assert!(again.told.is_empty(), "{:?}", again.told);
    assert_eq!(text(&bench), before);
    // Touched, and rewritten with equal bytes.
    bench.write("out", "a");
    assert!(is_up_to_date(&bench.step(&copy())));
    // Moved elsewhere with all that stands.
    let moved = Bench::new();
    fs::remove_dir(&moved.root).unwrap();
    fs::rename(&bench.root, &moved.root).unwrap();
    assert!(is_up_to_date(&moved.step(&copy())));
}

#[test]
fn with_the_store_wiped_what_does_not_stand_is_made_again() {
    for spoil in ["edited", ""] {
        let bench = done();
        wipe(&bench);
        if spoil.is_empty() {
            fs::remove_file(bench.root.join("out")).unwrap();
        } else {
            bench.write("out", spoil);
        }
        ran(&bench);
        assert_eq!(bench.read("out"), "a");
    }
    let bench = done();
    wipe(&bench);
    bench.write("in", "b");
    ran(&bench);
}

#[test]
fn folders_and_links_count_with_all_that_they_are() {
    let bench = Bench::new();
    let mut step = kept(shell(
        "mkdir -p dir/sub; echo 1 > dir/a; ln -s a dir/link; ln -s dir/a way",
        &[],
        &["dir", "way"],
    ));
    let place = ibid_core::tree::Place::Inside(ibid_core::tree::RelPath::new("dir").unwrap());
    step.outputs[0].kind = OutputKind::Dir(place);
    rerun(&bench.step(&step));
    let check = |spoil: &dyn Fn()| {
        wipe(&bench);
        assert!(is_up_to_date(&bench.step(&step)));
        spoil();
        rerun(&bench.step(&step));
    };
    check(&|| bench.write("dir/stray", ""));
    check(&|| fs::remove_dir(bench.root.join("dir/sub")).unwrap());
    check(&|| fs::remove_file(bench.root.join("dir/link")).unwrap());
    check(&|| fs::write(bench.root.join("dir/a"), "2\n").unwrap());
}

#[test]
fn a_tombstone_counts_more_than_a_manifest() {
    let bench = done();
    let key = manifest(&bench).unwrap().key;
    let store = bench.store();
    store.invalidate(&key, 1, "wrong").unwrap();
    assert_eq!(ran(&bench), BTreeSet::from([Trigger::Forced]));
    // So it does in a store that knows nothing else.
    wipe(&bench);
    store.invalidate(&key, 1, "wrong").unwrap();
    assert_eq!(ran(&bench), BTreeSet::from([Trigger::Forced]));
}

#[test]
fn an_invalidation_counts_more_than_a_manifest_though_what_was_recorded_since_is_evicted() {
    for how in [Replace::No, Replace::Yes] {
        let bench = done();
        let key = manifest(&bench).unwrap().key;
        let store = bench.store();
        let Lookup::Found(result) = store.look_up(&key) else {
            panic!("it ran");
        };
        store.invalidate(&key, 1, "wrong").unwrap();
        // Another workspace runs it again, and asks for it once more.
        store.record(&result, &[], Replace::No).unwrap();
        store.record(&result, &[], how).unwrap();
        let recorded = BlobId::of(&result.encode());
        assert!(store.evict(&key, &recorded).unwrap().went());
        assert!(store.delete_evicted(&key, &recorded).unwrap());
        assert_eq!(ran(&bench), BTreeSet::from([Trigger::Forced]));
    }
}

#[test]
fn a_key_that_cannot_be_read_may_be_a_tombstone() {
    let bench = done();
    let hex = manifest(&bench).unwrap().key.hex();
    let file = bench
        .dir
        .join("store/v1/keys")
        .join(&hex[..2])
        .join(&hex[2..]);
    let file = if file.exists() {
        file
    } else {
        bench.dir.join("store/v1/keys").join(&hex[..2]).join(&hex)
    };
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "damaged").unwrap();
    assert_eq!(ran(&bench), BTreeSet::from([Trigger::Outputs]));
}

#[test]
fn with_the_result_gone_from_the_store_the_manifest_counts() {
    let bench = done();
    fs::remove_dir_all(bench.dir.join("store/v1/blobs")).unwrap();
    assert!(is_up_to_date(&bench.step(&copy())));
    bench.write("out", "edited");
    assert_eq!(ran(&bench), BTreeSet::from([Trigger::Outputs]));
}

#[test]
fn a_run_that_is_asked_for_asks_no_manifest() {
    let mut bench = done();
    bench.access.force = true;
    assert_eq!(ran(&bench), BTreeSet::from([Trigger::Forced]));
    bench.access.force = false;
    for mode in [AccessMode::WriteOnly, AccessMode::Off] {
        bench.access.mode = mode;
        assert_eq!(ran(&bench), BTreeSet::from([Trigger::Forced]));
    }
    bench.access.mode = AccessMode::ReadOnly;
    wipe(&bench);
    assert!(is_up_to_date(&bench.step(&copy())));
}

#[test]
fn a_manifest_past_the_ttl_is_stale() {
    let mut bench = done();
    wipe(&bench);
    let mut step = copy();
    step.policy.ttl = Some(Duration::from_mins(1));
    assert!(is_up_to_date(&bench.step(&step)));
    bench.age = Duration::from_secs(61);
    rerun(&bench.step(&step));
}

#[test]
fn outputs_that_are_brought_back_get_the_manifest_that_fits_them() {
    let bench = done();
    let (first, out) = (text(&bench), bench.read("out"));
    bench.write("in", "b");
    ran(&bench);
    let second = text(&bench);
    assert_ne!(first, second);
    // Restored.
    bench.write("in", "a");
    assert!(is_restored(&bench.step(&copy())));
    assert_eq!(text(&bench), first);
    // Input and output checked out of git, the manifest not.
    bench.write("in", "b");
    assert!(is_restored(&bench.step(&copy())));
    bench.write("in", "a");
    bench.write("out", &out);
    assert_eq!(text(&bench), second);
    assert!(is_up_to_date(&bench.step(&copy())));
    assert_eq!(text(&bench), first);
    // Removed by hand.
    fs::remove_file(bench.root.join(".ibid/manifests/copy.json")).unwrap();
    assert!(is_up_to_date(&bench.step(&copy())));
    assert_eq!(text(&bench), first);
}

#[test]
fn another_result_of_the_key_in_place_gives_way_to_the_one_that_stands() {
    let mut bench = Bench::new();
    let dated = kept(shell("date +%N > out", &[], &["out"]));
    rerun(&bench.step(&dated));
    let (old, old_text) = (bench.read("out"), text(&bench));
    bench.access.force = true;
    rerun(&bench.step(&dated));
    bench.access.force = false;
    let new = bench.read("out");
    // The outputs of the run before come back, with their manifest: the store's result stands.
    bench.write("out", &old);
    bench.write(".ibid/manifests/copy.json", &old_text);
    assert!(is_restored(&bench.step(&dated)));
    assert_eq!(bench.read("out"), new);
    // Without the store either is a whole run of this key.
    wipe(&bench);
    bench.write("out", &old);
    bench.write(".ibid/manifests/copy.json", &old_text);
    assert!(is_up_to_date(&bench.step(&dated)));
}

#[test]
fn a_run_that_is_not_stored_leaves_the_manifest_as_it_was() {
    let bench = done();
    let before = text(&bench);
    bench.write("in", "b");
    for script in ["cat in > out; exit 3", "cat in > out; echo more >> in"] {
        let went = bench.step(&kept(shell(script, &["in"], &["out"])));
        assert!(rerun(&went).1.is_some(), "{:?}", went.outcome);
        assert_eq!(text(&bench), before);
    }
    let mut failing = kept(shell("exit 3", &[], &[]));
    failing.policy.cache_failures = true;
    rerun(&bench.step(&failing));
    assert!(is_up_to_date(&bench.step(&failing)));
    assert_eq!(text(&bench), before);
}

#[test]
fn a_manifest_of_any_damaged_form_is_no_reason_to_fail_or_to_believe() {
    let bench = done();
    let whole = text(&bench);
    let other = whole.replace("\"out\"", "\"../out\"");
    let absolute = whole.replace("\"out\"", "\"/etc/passwd\"");
    let cut = &whole[..whole.len() / 2];
    for bad in [cut, "", "{}", "null", &other, &absolute, "\u{0}"] {
        wipe(&bench);
        bench.write(".ibid/manifests/copy.json", bad);
        ran(&bench);
        assert!(manifest(&bench).is_some());
    }
    wipe(&bench);
    let file = bench.root.join(".ibid/manifests/copy.json");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let went = bench.step(&copy());
    rerun(&went);
    assert!(
        went.told
            .iter()
            .any(|told| told.contains("no manifest was written"))
    );
}

#[test]
fn a_workspace_that_cannot_keep_a_manifest_is_a_warning() {
    let bench = Bench::new();
    bench.write("in", "a");
    std::os::unix::fs::symlink(bench.dir.join("tmp"), bench.root.join(".ibid")).unwrap();
    let went = bench.step(&copy());
    assert!(
        went.told
            .iter()
            .any(|told| told.contains("no manifest was written")),
        "{:?}",
        went.told
    );
    assert_eq!(rerun(&went).1, None);
    assert_eq!(fs::read_dir(bench.dir.join("tmp")).unwrap().count(), 0);
    let store = StoreOptions {
        access: Access::ReadOnly,
        ..StoreOptions::default()
    };
    drop(LocalStore::open(&bench.dir.join("store"), store).unwrap());
}

#[test]
fn values_of_secret_variables_do_not_stand_in_a_manifest() {
    let bench = Bench::new();
    let mut step = kept(shell("echo x > out", &[], &["out"]));
    let keyed = |name: &str, value: &str| ibid_core::action::EnvRequest {
        name: name.to_owned(),
        value: Some(value.into()),
    };
    step.env = vec![keyed("API_TOKEN", "hunter2"), keyed("LANG", "C")];
    rerun(&bench.step(&step));
    let text = text(&bench);
    assert!(text.contains("[\"env/LANG\", \"C\"]"), "{text}");
    assert!(
        text.contains("[\"env/API_TOKEN\", \"set, not shown\"]"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}
