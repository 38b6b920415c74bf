//! `Scene`: a store with one result, a workspace, and a canary beside both.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::Plan;
use super::super::case::{Got, Run, Step, runs};
use super::super::snapshot::{Snapshot, remove};
use super::cbor::{Item, array, bytes, null, text, uint};
use super::forms::{
    Digest, EntryForm, ResultForm, RunForm, at, dir, file, key_file, link, log, output, tree,
};
use super::limits::{self, Ended};
use super::watch::make_canary;
use crate::TestEnv;

/// What history calls the step.
pub(super) const LABEL: &str = "work/step";

/// A command with every kind of output, and something to say on both streams.
pub(super) const STEP: Step = Step {
    name: "step",
    options: &[
        "-i",
        "in.txt",
        "-o",
        "folder",
        "-o",
        "link",
        "-o",
        "out.txt",
        "-o",
        "parts/*.p",
        "--label",
        "work/step",
    ],
    script: "mkdir -p folder/sub parts; echo 1 > folder/a; echo 2 > folder/sub/b; \
             ln -s a folder/link; ln -s in.txt link; echo out > out.txt; echo part > parts/1.p; \
             echo hello; echo warned >&2",
    places: &["folder", "link", "out.txt", "parts"],
};

/// Names in the workspace that ibid and the command may do with as they like.
const THEIRS: [&str; 8] = [
    "folder", "link", "out.txt", "parts", ".ibid", "named", "made", "restored",
];

pub(super) struct Scene {
    pub(super) env: TestEnv,
    pub(super) expected: Got,
    cache: Snapshot,
    key: Digest,
    record: Digest,
    result: Digest,
}

impl Scene {
    /// Makes the store by one run; `Err` says why it did not come about.
    pub(super) fn new(plan: &Plan) -> Result<Self, String> {
        let env = TestEnv::new(&plan.binary);
        make_canary(&env.home("../canary"));
        let mut scene = Self {
            expected: STEP.run(&env).got,
            cache: Snapshot::default(),
            key: [0; 32],
            record: [0; 32],
            result: [0; 32],
            env,
        };
        scene.reset();
        let first = STEP.run(&scene.env);
        if !first.executed || first.got.code() != Some(0) {
            return Err(format!("the step did not run: {:?}", first.said));
        }
        scene.expected = first.got;
        scene.cache = Snapshot::of(&scene.env.cache());
        let [(key, named)] = &scene.files_below("v1/keys")[..] else {
            return Err("there is not one key".to_owned());
        };
        scene.key = from_hex(key);
        scene.result = named[named.len() - 32..].try_into().expect("32 bytes");
        let is_record = |(_, content): &&(String, Vec<u8>)| {
            blake3::derive_key("ibid action v1", content) == scene.key
        };
        let blobs = scene.files_below("v1/blobs");
        let record = blobs.iter().find(is_record).ok_or("no record of the key")?;
        scene.record = from_hex(&record.0);
        Ok(scene)
    }

    /// Lists the files of two levels down with their names and contents.
    fn files_below(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let snapshot = Snapshot::of(&self.store(folder));
        let read = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, fs::read(self.store(folder).join(path)).ok()?))
        };
        snapshot.files().filter_map(read).collect()
    }

    /// Puts store and workspace back to what they were, without outputs.
    pub(super) fn reset(&self) {
        let cache = self.env.cache();
        remove(&cache);
        self.cache.put(&cache);
        remove(&self.env.work(""));
        for name in ["in.txt", "precious", "keep/precious"] {
            self.env.write(name, "input\n");
        }
        self.env.write("copy", "out\n");
        let _ = fs::remove_file(self.env.home("runs"));
    }

    /// Says which names in the workspace are not the user's own.
    pub(super) fn theirs() -> &'static [&'static str] {
        &THEIRS
    }

    pub(super) fn canary(&self) -> PathBuf {
        self.env.home("../canary")
    }

    /// Returns a path in the store.
    pub(super) fn store(&self, below: impl AsRef<Path>) -> PathBuf {
        self.env.cache().join(below)
    }

    pub(super) fn key_hex(&self) -> String {
        hex(&self.key)
    }

    /// Returns where the key's file stands.
    pub(super) fn key_path(&self) -> PathBuf {
        let hex = hex(&self.key);
        self.store(format!("v1/keys/{}/{hex}", &hex[..2]))
    }

    /// Returns where a blob stands.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = hex(digest);
        self.store(format!("v1/blobs/{}/{hex}", &hex[..2]))
    }

    /// Returns where the blobs stand that the result needs, by what they are.
    pub(super) fn blob_of(&self, what: &str) -> PathBuf {
        let digest = match what {
            "result" => self.result,
            "record" => self.record,
            "log" => digest_of(&usual_log()),
            "listing" => digest_of(&array(&usual_entries())),
            _ => digest_of(b"out\n"),
        };
        self.blob_path(&digest)
    }

    /// Replaces whatever stands at a path.
    #[expect(clippy::unused_self, reason = "a case says what is done to a scene")]
    pub(super) fn put(&self, path: &Path, content: impl AsRef<[u8]>) {
        let above = path.parent().expect("it lies in the store");
        fs::create_dir_all(above).expect("the store is ours");
        remove(path);
        fs::write(path, content).expect("the store is ours");
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(path, mode).expect("the store is ours");
    }

    /// Plants a blob under its right name.
    pub(super) fn plant(&self, content: impl AsRef<[u8]>) -> Digest {
        let digest = digest_of(content.as_ref());
        self.put(&self.blob_path(&digest), content);
        digest
    }

    /// Makes a result the one of the key.
    pub(super) fn plant_result(&self, result: &ResultForm) {
        self.plant_encoded(&result.encode());
    }

    /// Makes bytes the result of the key.
    pub(super) fn plant_encoded(&self, result: &[u8]) {
        let digest = self.plant(result);
        self.put(&self.key_path(), key_file(&digest));
    }

    /// Makes a listing that of the folder in the result of the key.
    pub(super) fn plant_listing(&self, listing: &[u8]) {
        let listing = self.plant(listing);
        let mut result = self.usual();
        result.outputs[0] = output("folder", None, tree(&listing));
        self.plant_result(&result);
    }

    /// Makes bytes the stream log of the result of the key.
    pub(super) fn plant_log(&self, content: &[u8], size: u64) {
        let log = self.plant(content);
        let mut result = self.usual();
        result.run.log = array(&[bytes(log), uint(size)]);
        self.plant_result(&result);
    }

    /// Plants an entry of history under a name as ibid makes them.
    pub(super) fn plant_entry(&self, entry: &[u8]) {
        let hash = blake3::hash(LABEL.as_bytes()).to_hex();
        let name = format!("01800000000000000000-{}-00000000000000ff", &hash[..8]);
        self.put(&self.store("v1/runs").join(name), entry);
    }

    pub(super) fn entry(&self) -> EntryForm {
        EntryForm::new(LABEL, (&self.key, &self.record, &self.result))
    }

    /// Encodes a pin of the key.
    pub(super) fn pin(&self, label: &str, why: &str) -> Item {
        let key = bytes(self.key);
        array(&[
            uint(1),
            key,
            bytes(self.result),
            text(label),
            uint(3),
            text(why),
        ])
    }

    /// Returns the result that ibid itself would have stored.
    pub(super) fn usual(&self) -> ResultForm {
        let file = |content: &[u8]| file(content.len() as u64, &digest_of(content));
        let listing = digest_of(&array(&usual_entries()));
        let log = usual_log();
        ResultForm {
            format: uint(1),
            key: bytes(self.key),
            exit_code: uint(0),
            outputs: vec![
                output("folder", None, tree(&listing)),
                output("link", None, link("in.txt")),
                output("out.txt", None, file(b"out\n")),
                output("parts/*.p", Some(b"parts/1.p"), file(b"part\n")),
            ],
            run: RunForm {
                record: bytes(self.record),
                log: array(&[bytes(digest_of(&log)), uint(log.len() as u64)]),
                started: uint(1_790_000_000_000_000_000),
                duration: uint(9),
                host: text("host"),
                user: null(),
                version: text("0.1.0"),
                label: text(LABEL),
            },
        }
    }

    /// Runs the step, under limits.
    pub(super) fn run_step(&self, command: &mut Command) -> (Run, Ended) {
        let before = runs(&self.env).len();
        let ended = limits::run(&self.env, command);
        let told = STEP.told(&self.env, ended.code, &ended.stdout, &ended.stderr);
        let executed = runs(&self.env).len() > before;
        (Run { executed, ..told }, ended)
    }
}

/// Returns the entries of the folder that the step makes.
pub(super) fn usual_entries() -> Vec<Item> {
    vec![
        at("a", file(2, &digest_of(b"1\n"))),
        at("link", link("a")),
        at("sub", dir()),
        at("sub/b", file(2, &digest_of(b"2\n"))),
    ]
}

fn usual_log() -> Item {
    log(&[(1, b"hello\n"), (2, b"warned\n")])
}

pub(super) fn digest_of(content: &[u8]) -> Digest {
    *blake3::hash(content).as_bytes()
}

pub(super) fn hex(digest: &Digest) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}

fn from_hex(text: &str) -> Digest {
    *blake3::Hash::from_hex(text)
        .expect("names in the store are digests")
        .as_bytes()
}
