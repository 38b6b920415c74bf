//! `ibid run` that remembers: after whatever change, it decides as a run that remembers nothing.
//!
//! A run that trusts its snapshot leaves the file alone; one that has nothing to do and does not
//! trust it writes a new one. So the file tells which of the two a run was. A run with `--explain`
//! is never remembered, and says what there would have been to do.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ibid_testkit::{Ran, TestEnv, component, skipped, until_settled};

use crate::cost::changes;
use crate::test_env;

const STEPS: &str = r#"
[pipeline]
include = ["more.toml"]

[steps.copy]
run = "cp in/a.txt out/a.txt"
inputs = ["in/a.txt"]
outputs = ["out/a.txt"]

[steps.chain]
run = "cat {inputs} > {outputs}"
inputs = ["out/a.txt"]
outputs = ["out/chain.txt"]

[steps.tree]
run = "find tree | sort > {outputs}"
inputs = ["tree"]
outputs = ["out/tree.txt"]

[steps.folder]
run = "mkdir -p out/folder && cp in/a.txt out/folder/a"
inputs = ["in/a.txt"]
outputs = ["out/folder/"]

[steps.every]
run = "cat {inputs} > {outputs}"
inputs = ["in/*.csv"]
outputs = ["out/every.txt"]

[steps.tool]
run = "words > {outputs}"
outputs = ["out/tool.txt"]

[steps.told]
run = "echo \"$WORD\" > {outputs}"
env = ["WORD"]
outputs = ["out/told.txt"]
"#;

/// As often is tried until every signature is believed.
const LOOKS: usize = 40;

struct World {
    env: TestEnv,
    word: String,
    /// More variables.
    more: Vec<(&'static str, PathBuf)>,
}

impl World {
    fn new() -> Self {
        let env = test_env();
        env.write("ibid.toml", STEPS);
        env.write("more.toml", "# Nothing yet.\n");
        env.write("in/a.txt", "one");
        env.write("in/b.csv", "two");
        env.write("tree/x", "x");
        env.write("tree/deep/y", "y");
        let world = Self {
            env,
            word: "hello".to_owned(),
            more: Vec::new(),
        };
        world.program("bin", "echo first");
        fs::create_dir(world.env.work("earlier")).expect("it is new");
        world
    }

    /// Puts a program into a folder of the search path.
    fn program(&self, folder: &str, script: &str) {
        let path = self
            .env
            .write(format!("{folder}/words"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn command(&self) -> Command {
        let [earlier, bin] = ["earlier", "bin"].map(|it| self.env.work(it).display().to_string());
        let mut command = self.env.command();
        command
            .env("PATH", format!("{earlier}:{bin}:/usr/bin:/bin"))
            .env("WORD", &self.word)
            .envs(self.more.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        let ran = self.env.finish(self.command().args(words));
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        ran
    }

    /// Returns the snapshot, and the inode that tells one from the next.
    fn snapshot(&self) -> Option<(PathBuf, u64)> {
        let local = self.more.iter().find(|(name, _)| *name == "IBID_LOCAL_DIR");
        let local = local.map_or_else(|| self.env.cache().join("local"), |(_, dir)| dir.clone());
        let listed = fs::read_dir(local).ok()?;
        let mut found = listed.filter_map(|entry| {
            let entry = entry.expect("it is listed");
            let name = entry.file_name().into_string().ok()?;
            let inode = entry.metadata().ok()?.ino();
            name.starts_with("run-").then(|| (entry.path(), inode))
        });
        found.next()
    }

    /// Runs, and says whether the snapshot answered.
    fn is_remembered(&self) -> (bool, Ran) {
        let before = self.snapshot();
        let ran = self.run(&["run"]);
        let remembered = before.is_some() && before == self.snapshot() && is_idle(&ran);
        (remembered, ran)
    }

    /// Runs until a snapshot answers; says whether one ever does.
    fn settle(&self) -> bool {
        // One that stands and does not hold would look like one that does.
        if let Some((old, _)) = self.snapshot() {
            fs::remove_file(old).expect("it is ours");
        }
        // What there is to do makes files, too.
        self.run(&["run"]);
        until_settled();
        for _ in 0..LOOKS {
            // What the disk has is no page that somebody could still store to.
            let folder = File::open(self.env.work("")).expect("it is there");
            rustix::fs::syncfs(&folder).expect("the disk takes it");
            if self.is_remembered().0 {
                return true;
            }
        }
        false
    }
}

fn is_idle(ran: &Ran) -> bool {
    ran.stderr.contains(": all up to date")
}

/// Makes a world whose runs are remembered, unless its disk is of a kind whose status is not
/// believed.
fn settled() -> Option<World> {
    let world = World::new();
    if world.settle() {
        return Some(world);
    }
    let kind = ibid_core::fs::FileSystemKind::of(&world.env.work("")).expect("it is there");
    let believed = kind.keeps_stamps() && kind.tells_dirty_pages();
    assert!(!believed, "no run was remembered on {kind:?}");
    skipped("status is not believed on this file system");
    None
}

/// Nothing that ibid puts beside the files of a project hides them.
#[test]
fn folders_of_ibid_may_lie_above_the_project() {
    let Some(mut world) = settled() else { return };
    let work = world.env.work("in");
    let above = work
        .ancestors()
        .nth(2)
        .expect("the project is in a folder")
        .to_owned();
    for variable in ["IBID_TMP_DIR", "IBID_LOCAL_DIR"] {
        world.more = vec![(variable, above.clone())];
        assert!(world.settle(), "{variable}: it is never remembered");
        let changes: [fn(&World); 4] = [
            |world| drop(world.env.write("in/a.txt", "changed")),
            |world| drop(world.env.write("tree/deep/new", "")),
            |world| drop(world.env.write("in/more.csv", "more")),
            |world| fs::remove_file(world.env.work("out/chain.txt")).expect("it is there"),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            change(&world);
            let ran = world.run(&["run"]);
            assert!(!is_idle(&ran), "{variable}, {at}: {}", ran.story());
            assert!(world.settle(), "{variable}, {at}");
        }
        for path in ["in/a.txt", "tree/deep/new", "in/more.csv"] {
            fs::remove_file(world.env.work(path)).expect("it is there");
        }
        world.env.write("in/a.txt", "one");
    }
}

type Change = (&'static str, bool, fn(&mut World));

/// What may happen between two runs; whether there is something to do then.
#[expect(
    clippy::unwrap_used,
    reason = "each is part of a test, only named and in a list"
)]
const CHANGES: [Change; 21] = [
    ("nothing", false, |_| {}),
    ("an input is edited", true, |world| {
        world.env.write("in/a.txt", "other");
    }),
    ("an input is edited and dated back", true, |world| {
        let before = fs::metadata(world.env.work("in/a.txt")).unwrap();
        let path = world.env.write("in/a.txt", "rehto");
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(before.modified()?))
            .unwrap();
    }),
    ("an input is touched", false, |world| {
        File::options()
            .write(true)
            .open(world.env.work("in/a.txt"))
            .and_then(|file| file.set_modified(SystemTime::now() - Duration::from_secs(9)))
            .unwrap();
    }),
    ("an input becomes executable", true, |world| {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(world.env.work("in/a.txt"), mode).unwrap();
    }),
    ("a file comes into a tree", true, |world| {
        world.env.write("tree/deep/new", "");
    }),
    ("a file goes from a tree", true, |world| {
        fs::remove_file(world.env.work("tree/deep/new")).unwrap();
    }),
    ("an empty folder comes into a tree", true, |world| {
        fs::create_dir(world.env.work("tree/empty")).unwrap();
    }),
    ("a pattern matches one more", true, |world| {
        world.env.write("in/c.csv", "three");
    }),
    ("two inputs change places", true, |world| {
        let [b, c, aside] = ["in/b.csv", "in/c.csv", "in/aside"].map(|it| world.env.work(it));
        fs::rename(&b, &aside).unwrap();
        fs::rename(&c, &b).unwrap();
        fs::rename(&aside, &c).unwrap();
    }),
    ("an output is edited", true, |world| {
        world.env.write("out/chain.txt", "by hand");
    }),
    ("an output is deleted", true, |world| {
        fs::remove_file(world.env.work("out/chain.txt")).unwrap();
    }),
    ("a stray lies in an output", true, |world| {
        world.env.write("out/folder/stray", "");
    }),
    ("the folder of outputs is behind a link", false, |world| {
        let [out, aside] = ["out", "aside"].map(|it| world.env.work(it));
        fs::rename(&out, &aside).unwrap();
        symlink("aside", &out).unwrap();
    }),
    ("a program comes first on the search path", true, |world| {
        world.program("earlier", "echo second");
    }),
    ("a program is edited", true, |world| {
        world.program("earlier", "echo third");
    }),
    ("a variable changes", true, |world| {
        "bye".clone_into(&mut world.word);
    }),
    ("settings appear", false, |world| {
        let config = world.env.work("../config/ibid");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("config.toml"), "link = \"copy\"\n").unwrap();
    }),
    ("a file that is included changes", true, |world| {
        let steps = "[steps.more]\nrun = \"echo more > {outputs}\"\noutputs = [\"out/more\"]\n";
        world.env.write("more.toml", steps);
    }),
    ("the steps change", true, |world| {
        let steps = STEPS.replace("cp in/a.txt out/a.txt", "cat in/a.txt > out/a.txt");
        world.env.write("ibid.toml", steps);
    }),
    ("a result is invalidated", true, |world| {
        world.run(&["invalidate", "copy"]);
    }),
];

#[test]
fn a_run_that_remembers_decides_as_one_that_does_not() {
    let Some(mut world) = settled() else { return };
    for (what, matters, change) in CHANGES {
        change(&mut world);
        let ran = world.run(&["run"]);
        assert_eq!(is_idle(&ran), !matters, "{what}: {}", ran.story());
        let again = world.run(&["run", "--explain"]);
        assert!(is_idle(&again), "{what}: {}", again.story());
        assert!(world.settle(), "{what}: it is never remembered again");
    }
}

#[test]
fn a_store_that_loses_its_keys_leaves_nothing_to_do_either_way() {
    let Some(world) = settled() else { return };
    for folder in fs::read_dir(world.env.cache().join("v1/keys")).unwrap() {
        fs::remove_dir_all(folder.unwrap().path()).unwrap();
    }
    for words in [&["run"][..], &["run", "--explain"]] {
        let ran = world.run(words);
        assert!(is_idle(&ran), "{}", ran.story());
    }
}

#[test]
fn a_damaged_snapshot_holds_nothing() {
    let Some(world) = settled() else { return };
    let (path, _) = world.snapshot().expect("it was just written");
    let whole = fs::read(&path).unwrap();
    for cut in [0, 1, 31, 32, 40, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let ran = world.run(&["run"]);
        assert!(is_idle(&ran), "{}", ran.story());
    }
    world.env.write("in/a.txt", "other");
    let at = whole.len() / 3;
    let mut flipped = whole;
    flipped[at] ^= 1;
    fs::write(&path, &flipped).unwrap();
    assert!(!is_idle(&world.run(&["run"])));
}

#[test]
fn what_others_may_write_is_not_believed() {
    let Some(world) = settled() else { return };
    let (path, inode) = world.snapshot().expect("it was just written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    world.run(&["run"]);
    assert_ne!(world.snapshot().expect("there is a new one").1, inode);
}

#[test]
fn many_steps_take_as_many_calls_as_files_and_a_few_more() {
    const STEPS: usize = 1_000;
    const FEW: usize = 90;
    let Some(strace) = component("strace") else {
        return;
    };
    let mut world = World::new();
    let mut steps = String::new();
    for step in 0..STEPS {
        let _ = write!(
            steps,
            "[steps.s{step}]\nrun = \": > {{outputs}}\"\ninputs = [\"in/a.txt\"]\n\
             outputs = [\"out/{step}\"]\n"
        );
    }
    world.word.clear();
    world.env.write("ibid.toml", steps);
    if !world.settle() {
        return skipped("status is not believed on this file system");
    }
    let plain = world.command();
    let trace = world.env.work("../trace");
    let mut command = Command::new(strace);
    command
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .arg(plain.get_program())
        .arg("run")
        .current_dir(world.env.work(""));
    let ran = world.env.finish(&mut command);
    assert!(is_idle(&ran), "{}", ran.story());
    let text = fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter_map(|line| line.split_once(' '));
    let calls: Vec<&str> = calls.map(|(_, call)| call.trim_start()).collect();
    let ours = calls.iter().skip_while(|call| !call.starts_with("getcwd"));
    let resumed = |call: &&&str| !call.starts_with("<...");
    let looks = ours.filter(resumed).count();
    assert!(looks < STEPS + FEW, "{looks} calls");
    let threads =
        |call: &&&str| changes(call) && !call.starts_with("clone") && !call.starts_with("<...");
    let written: Vec<_> = calls.iter().filter(threads).collect();
    assert!(written.is_empty(), "{written:?}");
}
