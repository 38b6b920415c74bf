//! `ibid fsck` and `ibid verify`: what is planted is what is told, and what is put right stays so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use ibid_testkit::{Ran, TestEnv, component};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::Value;

use crate::{by_shell, cost, json, ok, test_env};

/// As many steps give a folder, and as many a file.
const POINTS: usize = 60;

/// A pipeline of two matrices: folders with links, empty files and text on both streams, and files.
pub(super) fn pipeline(points: usize) -> TestEnv {
    let env = test_env();
    let names: Vec<_> = (0..points).map(|i| format!("\"p{i}\"")).collect();
    let names = names.join(", ");
    env.write(
        "ibid.toml",
        format!(
            r#"
[steps.folder]
matrix = {{ p = [{names}] }}
run = "mkdir -p {{outputs}}/sub; echo folder {{matrix.p}} > {{outputs}}/a; : > {{outputs}}/empty; ln -s a {{outputs}}/link; echo said {{matrix.p}}"
outputs = ["build/folder-{{matrix.p}}"]

[steps.file]
matrix = {{ p = [{names}] }}
run = "cat {{inputs}} > {{outputs}}; echo file {{matrix.p}} >> {{outputs}}"
inputs = ["in.txt"]
outputs = ["build/file-{{matrix.p}}.txt"]
"#
        ),
    );
    env.write("in.txt", "input\n");
    ok(&env, &["run"]);
    env
}

/// Everything below a folder: files by content, links by text, folders.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("it is listed").path();
        let kind = fs::symlink_metadata(&path)
            .expect("it is there")
            .file_type();
        if kind.is_dir() {
            found.extend(tree(&path));
            found.insert(path, b"folder".to_vec());
        } else if kind.is_symlink() {
            let text = fs::read_link(&path).expect("it is a link");
            found.insert(path, text.into_os_string().into_encoded_bytes());
        } else if kind.is_file() {
            // Some are planted so that nobody but the superuser may read them.
            let content = fs::read(&path).unwrap_or_else(|error| error.to_string().into_bytes());
            found.insert(path, content);
        }
    }
    found
}

/// Puts items into an order that a seed repeats.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let to = usize::try_from(state >> 33).expect("31 bits") % (last + 1);
        items.swap(last, to);
    }
}

/// One stored result, and where its files lie below the version's folder.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    key: String,
    pub(super) key_file: PathBuf,
    pub(super) result: PathBuf,
    pub(super) run: PathBuf,
    /// A blob that no other result needs: a file of its output.
    pub(super) output: PathBuf,
}

fn sharded(v1: &Path, kind: &str, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("blake3:").expect("it is a digest");
    v1.join(kind).join(&hex[..2]).join(hex)
}

/// Finds the files of each result by what they hold.
pub(super) fn stored(env: &TestEnv) -> Vec<Stored> {
    let v1 = env.cache().join("v1");
    let blobs: BTreeMap<Vec<u8>, PathBuf> = tree(&v1.join("blobs"))
        .into_iter()
        .map(|(path, content)| (content, path))
        .collect();
    let runs = tree(&v1.join("runs"));
    let log = json(env, &["log"]);
    let entries = log["runs"].as_array().expect("runs are listed");
    let mut stored: Vec<Stored> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().expect("it is a text").to_owned();
            let (label, key) = (text("label"), text("key"));
            let (step, point) = label
                .rsplit('/')
                .next()
                .and_then(|name| name.split_once('@'))
                .expect("a label ends with step and point");
            let content = match step {
                "folder" => format!("folder {point}\n"),
                _ => format!("input\nfile {point}\n"),
            };
            let named = |content: &Vec<u8>| {
                let label = label.as_bytes();
                content.windows(label.len()).any(|part| part == label)
                    && !content
                        .windows(label.len() + 1)
                        .any(|part| part.starts_with(label) && part[label.len()].is_ascii_digit())
            };
            let run = runs.iter().find(|(_, content)| named(content));
            Stored {
                key_file: sharded(&v1, "keys", &key),
                result: sharded(&v1, "blobs", &text("result")),
                run: run.expect("history has it").0.clone(),
                output: blobs[content.as_bytes()].clone(),
                key,
            }
        })
        .collect();
    stored.sort_by(|a, b| a.key.cmp(&b.key));
    stored
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
}

/// Changes the bytes of a file that may be read-only.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let before = fs::metadata(path).expect("it is there").permissions();
    let mut bytes = fs::read(path).expect("it can be read");
    change(&mut bytes);
    mode(path, 0o644);
    fs::write(path, bytes).expect("it can be written");
    fs::set_permissions(path, before).expect("the file is ours");
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a FIFO can be made");
}

/// How many kinds of files there are that are none.
const SPECIAL: usize = 6;

/// Puts something in the place of a file that is none.
fn special(path: &Path, which: usize) {
    if path.is_dir() {
        let name = path.file_name().expect("it has a name").to_string_lossy();
        let aside = path.with_file_name(format!("{name}.aside"));
        fs::rename(path, aside).expect("it is moved");
    } else {
        let _ = fs::remove_file(path);
    }
    match which % SPECIAL {
        0 => fifo(path),
        1 => fs::create_dir_all(path.join("deep")).expect("a folder can be made"),
        2 => symlink("/dev/zero", path).expect("a link can be made"),
        3 => {
            let itself = path.file_name().expect("it has a name");
            symlink(itself, path).expect("a link can be made");
        }
        // Only the superuser makes devices.
        4 if rustix::process::geteuid().is_root() => {
            let (kind, mode) = (FileType::CharacterDevice, Mode::from_raw_mode(0o666));
            mknodat(CWD, path, kind, mode, makedev(1, 5)).expect("a device can be made");
        }
        // The name of a socket is short, so it is made elsewhere.
        _ => {
            let short = std::env::temp_dir().join(format!("ibid-{}", std::process::id()));
            let _ = fs::remove_file(&short);
            drop(UnixListener::bind(&short).expect("a socket can be made"));
            fs::rename(&short, path).unwrap_or_else(|_| fifo(path));
            let _ = fs::remove_file(&short);
        }
    }
}

/// The damages planted: kind and path, and the key that each spoils where that is for certain.
#[derive(Debug, Default)]
struct Planted(BTreeMap<(String, PathBuf), Option<String>>);

impl Planted {
    fn add(&mut self, kind: &str, path: &Path, spoils: Option<&str>) {
        let entry = (kind.to_owned(), path.to_owned());
        let before = self.0.insert(entry, spoils.map(ToOwned::to_owned));
        assert!(
            before.is_none(),
            "{kind} {} is planted once",
            path.display()
        );
    }
}

/// Plants a hundred damages of ten kinds, ten of each, each in another result.
fn plant(env: &TestEnv, mut stored: Vec<Stored>, seed: u64) -> Planted {
    shuffle(&mut stored, seed);
    let mut planted = Planted::default();
    let mut next = stored.into_iter();
    let mut ten = || next.by_ref().take(10).collect::<Vec<_>>();
    for it in ten() {
        edit(&it.output, |bytes| bytes[3] ^= 0x10);
        planted.add("blob-content", &it.output, Some(&it.key));
    }
    for (i, it) in ten().iter().enumerate() {
        edit(&it.result, |bytes| match i % 3 {
            0 => bytes.clear(),
            1 => bytes.push(0),
            _ => bytes.fill(0),
        });
        planted.add("blob-content", &it.result, Some(&it.key));
    }
    for it in ten() {
        fs::remove_file(&it.output).expect("it is there");
        planted.add("blob-missing", &it.output, Some(&it.key));
    }
    for it in ten() {
        fs::remove_file(&it.result).expect("it is there");
        planted.add("result-missing", &it.key_file, Some(&it.key));
    }
    for (i, it) in ten().iter().enumerate() {
        edit(&it.key_file, |bytes| match i % 2 {
            0 => bytes.truncate(bytes.len() / 2),
            _ => bytes.resize(70_000, 0),
        });
        planted.add("key-file", &it.key_file, Some(&it.key));
    }
    for pair in ten().chunks(2) {
        let [one, other] = pair else { unreachable!() };
        let bytes = fs::read(&one.key_file).expect("it can be read");
        fs::copy(&other.key_file, &one.key_file).expect("it is copied");
        fs::write(&other.key_file, bytes).expect("it can be written");
        for it in pair {
            planted.add("foreign-key", &it.key_file, Some(&it.key));
        }
    }
    plant_others(&mut ten, &env.cache(), &mut planted);
    planted
}

/// The four kinds that are not about what bytes say: special files, small ones, modes.
fn plant_others(ten: &mut dyn FnMut() -> Vec<Stored>, cache: &Path, planted: &mut Planted) {
    for (i, it) in ten().iter().enumerate() {
        let path = [&it.output, &it.key_file, &it.run][i % 3];
        special(path, i);
        planted.add("not-a-file", path, (i % 3 < 2).then_some(&it.key));
    }
    for (i, it) in ten().iter().enumerate() {
        let path = match i {
            0 => &cache.join("CACHEDIR.TAG"),
            1 => &cache.join("store.json"),
            _ => &it.run,
        };
        edit(path, |bytes| match i {
            0 => bytes.reverse(),
            _ => bytes.truncate(bytes.len() / 2),
        });
        planted.add("small-file", path, None);
    }
    for (i, it) in ten().iter().enumerate() {
        let path = [&it.output, &it.key_file, &it.run, &it.result][i % 4];
        mode(path, 0o666);
        planted.add("untrusted", path, None);
    }
    for (i, it) in ten().iter().enumerate() {
        let path = [&it.output, &it.result][i % 2];
        mode(path, 0o044);
        planted.add("unreadable", path, None);
    }
}

pub(super) fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.story()))
}

/// The flaws of a report by kind and path, in its order.
pub(super) fn told(env: &TestEnv, report: &Value) -> Vec<(String, PathBuf)> {
    let flaws = report["flaws"].as_array().expect("flaws are listed");
    let one = |flaw: &Value| {
        let kind = flaw["kind"].as_str().expect("it has a kind").to_owned();
        let path = flaw["path"].as_str().expect("it has a path");
        (kind, env.cache().join(path))
    };
    flaws.iter().map(one).collect()
}

#[test]
fn the_report_is_what_was_planted_and_repair_puts_all_of_it_right() {
    let env = pipeline(POINTS);
    let expected = tree(&env.work("build"));
    let sound = json(&env, &["fsck"]);
    assert_eq!(sound["flaws"], Value::Array(Vec::new()));
    assert_eq!(sound["keys"], 2 * POINTS);

    let planted = plant(&env, stored(&env), 4);
    assert_eq!(planted.0.len(), 100);
    let before = tree(&env.cache().join("v1"));
    let ran = env.run(["fsck", "--json"]);
    assert_eq!(ran.code, Some(8 + 16 + 32), "{}", ran.story());
    let listed = report(&ran);
    let told_flaws = told(&env, &listed);
    let as_set: BTreeSet<_> = told_flaws.iter().cloned().collect();
    assert_eq!(as_set.len(), told_flaws.len(), "each flaw is told once");
    let expected_flaws: BTreeSet<_> = planted.0.keys().cloned().collect();
    let missed: Vec<_> = expected_flaws.difference(&as_set).collect();
    let invented: Vec<_> = as_set.difference(&expected_flaws).collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "{missed:#?} {invented:#?}"
    );
    assert!(
        told_flaws.is_sorted_by_key(|(_, path)| path),
        "in the order of paths"
    );
    for (flaw, told) in listed["flaws"].as_array().unwrap().iter().zip(&told_flaws) {
        if let Some(key) = &planted.0[told] {
            assert_eq!(flaw["spoils"][0]["key"], key.as_str(), "{flaw}");
            assert_eq!(flaw["spoils"].as_array().map(Vec::len), Some(1), "{flaw}");
        }
    }
    assert_eq!(
        tree(&env.cache().join("v1")),
        before,
        "checking changes nothing"
    );

    let repaired = ok(&env, &["fsck", "--repair", "--json"]);
    let repaired = report(&repaired);
    assert_eq!(told(&env, &repaired), told_flaws);
    let again = json(&env, &["fsck"]);
    assert_eq!(again["flaws"], Value::Array(Vec::new()), "{again:#}");

    fs::remove_dir_all(env.work("build")).expect("the outputs are there");
    ok(&env, &["run"]);
    assert_eq!(tree(&env.work("build")), expected);
    let ran = ok(&env, &["run"]);
    assert!(ran.stderr.contains("all up to date"), "{}", ran.story());
    let healed = json(&env, &["fsck"]);
    assert_eq!(healed["flaws"], Value::Array(Vec::new()), "{healed:#}");
    assert_eq!(healed["keys"], 2 * POINTS);
}

#[test]
fn nothing_is_deleted_by_repair() {
    let env = pipeline(8);
    let all = stored(&env);
    edit(&all[0].output, |bytes| bytes[0] ^= 1);
    fs::remove_file(&all[1].output).expect("it is there");
    edit(&all[2].key_file, |bytes| bytes.truncate(3));
    edit(&all[3].run, |bytes| bytes.truncate(3));
    edit(&env.cache().join("store.json"), |bytes| bytes.truncate(9));
    let contents = |below: &Path| -> BTreeSet<Vec<u8>> { tree(below).into_values().collect() };
    let before = contents(&env.cache());
    ok(&env, &["fsck", "--repair"]);
    let after = contents(&env.cache());
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn what_no_store_has_is_told_and_stays_and_leftovers_are_counted() {
    let env = pipeline(1);
    let v1 = env.cache().join("v1");
    let shard = stored(&env)[0]
        .output
        .parent()
        .expect("it lies in a shard")
        .to_owned();
    let strangers = [
        env.cache().join("notes.txt"),
        shard.join("README"),
        v1.join("blobs/xyz"),
        v1.join("keys/ZZ"),
        v1.join("runs/what"),
        v1.join("v9"),
    ];
    for stranger in &strangers {
        fs::write(stranger, "mine").expect("it can be written");
    }
    fs::write(v1.join("tmp/left"), "left").expect("it can be written");
    fs::create_dir_all(v1.join("trash")).expect("it can be made");
    fs::write(v1.join("trash/old"), "old").expect("it can be written");
    for words in [&["fsck", "--json"][..], &["fsck", "--repair", "--json"]] {
        let listed = report(&ok(&env, words));
        let told: BTreeSet<_> = told(&env, &listed).into_iter().collect();
        let expected = strangers
            .iter()
            .map(|path| ("stranger".to_owned(), path.clone()));
        assert_eq!(told, expected.collect());
        assert_eq!(listed["leftovers"]["staged"]["files"], 1);
        assert_eq!(listed["leftovers"]["trash"]["files"], 1);
    }
    for stranger in &strangers {
        assert_eq!(fs::read(stranger).expect("it stays"), b"mine");
    }
    let ran = ok(&env, &["fsck"]);
    assert!(ran.stderr.contains("1 unfinished file"), "{}", ran.story());
}

#[test]
fn a_store_that_may_only_be_read_is_checked_without_one_changing_call() {
    let Some(strace) = component("strace") else {
        return;
    };
    let env = pipeline(4);
    let all = stored(&env);
    edit(&all[0].output, |bytes| bytes[0] ^= 1);
    edit(&all[1].key_file, |bytes| bytes.truncate(3));
    fs::remove_file(&all[2].output).expect("it is there");
    let script = format!("'{}' -f -qq -o trace \"$@\"", strace.display());
    for words in [&["fsck"][..], &["fsck", "--json"], &["verify", "folder"]] {
        let ran = by_shell(&env, &script, words);
        assert_eq!(ran.code, Some(8), "{}", ran.story());
        let trace = String::from_utf8_lossy(&env.read("trace")).into_owned();
        let calls = trace.lines().map(|line| {
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit());
            call.trim_start()
        });
        // A thread is made by a call whose name means more.
        let harmless = ["write(1, ", "clone", "<... "];
        let changing: Vec<_> = calls
            .filter(|call| !harmless.iter().any(|start| call.starts_with(start)))
            .filter(|call| cost::changes(call))
            .collect();
        assert!(trace.contains("store.json"), "it was traced");
        assert!(changing.is_empty(), "{}", changing.join("\n"));
    }
}

#[test]
fn a_special_file_at_any_name_is_told_and_never_waited_for() {
    let names = [
        "CACHEDIR.TAG",
        "store.json",
        "v1",
        "v1/blobs",
        "v1/keys",
        "v1/runs",
        "v1/generation",
        "v1/pins",
        "v1/leases",
        "v1/tmp",
        "v1/trash",
        "shard",
        "key",
        "blob",
        "run",
    ];
    for (which, name) in (0..SPECIAL).flat_map(|which| names.map(|name| (which, name))) {
        if which == 1 && name.starts_with("v1") && name != "v1/generation" {
            continue;
        }
        let env = pipeline(1);
        let first = stored(&env)[0].clone();
        let path = match name {
            "shard" => first
                .output
                .parent()
                .expect("it lies in a shard")
                .to_owned(),
            "key" => first.key_file,
            "blob" => first.output,
            "run" => first.run,
            name => env.cache().join(name),
        };
        if which == 1 && name == "shard" {
            continue;
        }
        special(&path, which);
        let ran = by_shell(&env, "exec timeout 60 \"$@\"", &["fsck", "--json"]);
        assert_eq!(ran.code, Some(8), "{name} {which}: {}", ran.story());
        let told = told(&env, &report(&ran));
        let wanted = ("not-a-file".to_owned(), path.clone());
        assert!(told.contains(&wanted), "{name} {which}: {told:?}");
        let ran = by_shell(
            &env,
            "exec timeout 60 \"$@\"",
            &["fsck", "--repair", "--json"],
        );
        let left = if name == "v1" { 8 } else { 0 };
        assert_eq!(ran.code, Some(left), "{name} {which}: {}", ran.story());
        let ran = by_shell(&env, "exec timeout 60 \"$@\"", &["run"]);
        assert_eq!(ran.code, Some(0), "{name} {which}: {}", ran.story());
    }
}

#[test]
fn verify_says_of_each_point_what_is_wrong_with_it_and_how_much_was_read() {
    let env = pipeline(2);
    let all = stored(&env);
    let verified = json(&env, &["verify", "folder"]);
    let results = verified["results"].as_array().expect("results are listed");
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|it| it["ok"] == true), "{verified:#}");
    assert!(verified["bytes"].as_u64() > Some(100), "{verified:#}");

    edit(&all[0].output, |bytes| bytes[0] ^= 1);
    let ran = env.run(["verify", &all[0].key]);
    assert_eq!(ran.code, Some(8), "{}", ran.story());
    assert!(ran.stdout.starts_with("flawed"), "{}", ran.story());
    assert!(ran.stdout.contains("\n  blob-content "), "{}", ran.story());
    ok(&env, &["verify", &all[1].key]);

    ok(&env, &["run", "--force", "folder@p0"]);
    let ran = ok(&env, &["verify", "folder@p0@-1"]);
    assert!(ran.stdout.starts_with("ok"), "{}", ran.story());
    ok(&env, &["invalidate", "folder@p1"]);
    let ran = env.run(["verify", "folder@p1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert!(ran.stdout.contains("is invalidated"), "{}", ran.story());
    assert_eq!(env.run(["verify", "nobody"]).code, Some(1));
}

#[test]
fn invalidated_results_stay_so_whatever_is_repaired() {
    let env = pipeline(1);
    ok(&env, &["invalidate", "file@p0"]);
    let victim = stored(&env).into_iter().next().expect("there is one");
    edit(&victim.run, |bytes| bytes.truncate(3));
    let generation = env.cache().join("v1/generation");
    edit(&generation, Vec::clear);
    let before = fs::read(&generation).expect("it is there");
    ok(&env, &["fsck", "--repair"]);
    let after = fs::read(&generation).expect("it is there");
    assert!(after.len() == 32 && after != before, "{after:?}");
    let plan = ok(&env, &["plan"]);
    assert!(plan.stdout.contains("invalidated"), "{}", plan.story());
}
