//! Hits are kept in memory, and nothing that a hit looked at can change unseen.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ibid_core::engine::{Caller, Made};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::Stream;
use ibid_core::fs::{FileSystemKind, Meter};
use ibid_testkit::{TempDir, skipped};
use serde_json::Value;

use super::super::{Call, Door, Listener, Place, Segment, Tool, Weight, Word};
use crate::args::{ExecutionArgs, ModeArg};

/// What is made young settles within so many tries.
const TRIES: usize = 10_000;

/// One account is written at a time in a process, and these tests ask for it.
static ALONE: Mutex<()> = Mutex::new(());

/// A project, a cache, and a function or a tool that counts how often it was called.
struct Bench {
    dir: TempDir,
    calls: AtomicUsize,
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<u8>>);

impl Listener for Heard {
    fn event(&self, _: &Value) {}
    fn wants_events(&self) -> bool {
        false
    }
    fn output(&self, _: Stream, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
    fn told(&self, _: Weight, _: &str) {}
    fn work(&self, _: &'static str, _: &Arc<Meter>) {}
}

#[derive(Debug)]
struct Making<'a>(&'a AtomicUsize);

impl Caller for Making<'_> {
    fn call(&self, root: &Path, print: &mut dyn FnMut(Stream, &[u8])) -> Made {
        self.0.fetch_add(1, Ordering::Relaxed);
        print(Stream::Stdout, b"printed\n");
        let folder = root.join("outputs");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("value"), "made").unwrap();
        Made::Whole
    }
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new();
        for folder in ["work", "home", "cache"] {
            fs::create_dir(dir.join(folder)).unwrap();
        }
        fs::write(dir.join("input"), "input").unwrap();
        Self {
            dir,
            calls: AtomicUsize::new(0),
        }
    }

    fn place(&self) -> Place {
        let env: [(&str, OsString); 3] = [
            ("HOME", self.dir.join("home").into()),
            ("PATH", "/usr/bin:/bin".into()),
            ("IBID_CACHE_DIR", self.dir.join("cache").into()),
        ];
        Place {
            dir: self.dir.join("work"),
            env: env.into_iter().collect(),
            cache_dir: None,
            tmp_dir: None,
            config: None,
        }
    }

    fn call() -> Call {
        Call {
            name: "study.count".to_owned(),
            label: "python/study.count".to_owned(),
            code: [("count".to_owned(), b"code".to_vec())].into(),
            spec: "{}".to_owned(),
            versions: [].into(),
            output: "outputs".to_owned(),
            ttl: None,
            execution: ExecutionArgs::default(),
        }
    }

    fn tool(input: &Path) -> Tool {
        Tool {
            label: "study/count".to_owned(),
            words: vec![
                Word::Plain(b"count".to_vec()),
                Word::Segments(vec![Segment::Input(0)]),
            ],
            inputs: vec![input.to_owned()],
            environ: EnvSnapshot::default(),
            path: None,
            env: Vec::new(),
            params: "{}".to_owned(),
            specs: "[]".to_owned(),
            versions: [].into(),
            programs: Vec::new(),
            image: Some("sha256:0".to_owned()),
            output: "outputs".to_owned(),
            execution: ExecutionArgs::default(),
        }
    }

    /// Lets the disk take what was written, since a page that it has not could still be stored to.
    fn sync(&self) {
        let folder = File::open(self.dir.path()).unwrap();
        rustix::fs::syncfs(&folder).unwrap();
    }

    /// Makes one where stamps of the disk are believed, with nobody else writing an account; where
    /// they are not, the test is named as skipped.
    fn alone() -> Option<(Self, MutexGuard<'static, ()>)> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let bench = Self::new();
        let kind = FileSystemKind::of(bench.dir.path()).unwrap();
        if kind.keeps_stamps() && kind.tells_dirty_pages() {
            return Some((bench, alone));
        }
        skipped("status is not believed on this file system");
        None
    }

    /// Calls the function until its hit is kept.
    fn settle_call(&self, place: &Place, call: &Call) {
        for _ in 0..TRIES {
            self.sync();
            let door = Door::new(place.clone(), Arc::new(Heard::default()));
            if door.recall(call).is_none() {
                drop(door.call(call, &Making(&self.calls)).unwrap());
            }
            if Self::recalls(place, call) {
                return;
            }
        }
        panic!("no hit is kept");
    }

    /// Says whether an equal call is answered from memory alone.
    fn recalls(place: &Place, call: &Call) -> bool {
        let door = Door::new(place.clone(), Arc::new(Heard::default()));
        door.recall_again(call).is_some()
    }

    /// A folder of views, as that of a process, and in it the next place of a tool.
    fn views(&self) -> (ibid_core::store::View, impl FnMut() -> PathBuf) {
        let door = Door::new(self.place(), Arc::new(Heard::default()));
        let views = door.make_views().unwrap();
        let (root, mut number) = (views.root().to_owned(), 0);
        let next = move || {
            number += 1;
            root.join(format!("{number}-count"))
        };
        (views, next)
    }
}

#[test]
fn a_hit_of_a_function_is_not_that_of_a_cache_that_others_may_write() {
    let Some((bench, _alone)) = Bench::alone() else {
        return;
    };
    let (place, call) = (bench.place(), Bench::call());
    bench.settle_call(&place, &call);
    let cache = bench.dir.join("cache");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!Bench::recalls(&place, &call));
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Bench::recalls(&place, &call));
    fs::write(cache.join("v1/generation"), "a result counts no longer").unwrap();
    assert!(!Bench::recalls(&place, &call));
}

#[test]
fn a_hit_of_a_function_is_that_of_an_equal_request_only() {
    let Some((bench, _alone)) = Bench::alone() else {
        return;
    };
    let (place, call) = (bench.place(), Bench::call());
    bench.settle_call(&place, &call);
    let call_with = |change: fn(&mut Call)| {
        let mut other = call.clone();
        change(&mut other);
        other
    };
    for other in [
        call_with(|call| call.spec = "1".to_owned()),
        call_with(|call| call.code.clear()),
        call_with(|call| call.ttl = Some("1h".to_owned())),
        call_with(|call| call.execution.mode = Some(ModeArg::WriteOnly)),
    ] {
        assert!(!Bench::recalls(&place, &other), "{other:?}");
    }
    let place_with = |change: fn(&mut Place)| {
        let mut other = place.clone();
        change(&mut other);
        other
    };
    for other in [
        place_with(|place| place.dir.push("..")),
        place_with(|place| place.config = Some("settings.toml".into())),
        place_with(|place| place.env = EnvSnapshot::default()),
    ] {
        assert!(!Bench::recalls(&other, &call), "{other:?}");
    }
    assert!(Bench::recalls(&place, &call));
}

#[test]
fn a_hit_of_a_tool_leads_to_what_is_whole() {
    let Some((bench, _alone)) = Bench::alone() else {
        return;
    };
    let (place, tool) = (bench.place(), Bench::tool(&bench.dir.join("input")));
    let (_held, mut next) = bench.views();
    let mut again = || {
        let (view, heard) = (next(), Arc::new(Heard::default()));
        let door = Door::new(place.clone(), Arc::<Heard>::clone(&heard));
        let is_again = door.recall_tool_again(&tool, &view).is_some();
        // Where it is not, nothing stands there.
        assert_eq!(is_again, view.join("outputs/value").exists());
        assert_eq!(is_again, fs::symlink_metadata(&view).is_ok());
        let printed = heard.0.lock().unwrap().clone();
        assert_eq!(printed, if is_again { &b"printed\n"[..] } else { b"" });
        is_again.then(|| view.canonicalize().unwrap())
    };
    let (_held, mut next) = bench.views();
    let mut ask = || {
        bench.sync();
        let (view, door) = (next(), Door::new(place.clone(), Arc::new(Heard::default())));
        if door.recall_tool(&tool, &view).is_none() {
            door.run_tool(&tool, &view, &Making(&bench.calls)).unwrap();
        }
    };
    let copy = (0..TRIES).find_map(|_| {
        ask();
        again()
    });
    let more = copy.expect("a hit is kept").join("outputs/more");
    fs::write(&more, "").unwrap();
    assert_eq!(again(), None);
    assert_eq!(bench.calls.load(Ordering::Relaxed), 1);
}
