//! A process that stays and uses one store through the library, as it is told line by line.
//!
//! The campaign of histories starts many of these, stops and kills them. Here, because campaigns
//! know nothing of the library. One line is one request; its answer is one line of JSON. What is
//! right is not judged here.

use std::collections::HashMap;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use ibid_core::action::{CommandLine, InputRequest, OutputKind, OutputSpec, Step};
use ibid_core::digest::Key;
use ibid_core::engine::{self, Access, Clock, Context, Event, Provenance, Sink};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::{Interrupt, Status, Stream};
use ibid_core::fs::{Host, Meter};
use ibid_core::maintain::{self, Policy};
use ibid_core::scan::StatCache;
use ibid_core::store::{LocalStore, Pin, ProcessMemory, StoreOptions};
use ibid_core::tree::{Place, RelPath};
use ibid_testkit::campaign::RESIDENT;
use serde_json::{Value, json};

use crate::shell::Outcome;

/// The store, the workspace, and what is known by now.
struct Resident {
    store: LocalStore,
    root: PathBuf,
    notes: String,
    keys: HashMap<String, Key>,
}

/// What was heard of one step.
#[derive(Default)]
struct Heard {
    stdout: Mutex<Vec<u8>>,
    warnings: Mutex<Vec<String>>,
}

impl Sink for Heard {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Output {
                stream: Stream::Stdout,
                bytes,
            } => self.stdout.lock().expect("no holder panics").extend(*bytes),
            Event::Warning(warning) => {
                let mut warnings = self.warnings.lock().expect("no holder panics");
                warnings.push(warning.to_string());
            }
            _ => {}
        }
    }
}

/// Answers requests until there are no more. `words`: the store, the workspace, the folder for
/// notes, and whether leases are taken.
pub(crate) fn run(words: &[String]) -> Outcome {
    let [store, root, notes, leases] = words else {
        return Err("a resident is started by a campaign".to_owned());
    };
    let options = StoreOptions {
        host: Host::this(),
        verified: Arc::new(ProcessMemory::default()),
        leases: leases == "true",
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&PathBuf::from(store), options);
    let mut resident = Resident {
        store: store.map_err(|error| error.to_string())?,
        root: root.into(),
        notes: notes.clone(),
        keys: HashMap::new(),
    };
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = resident
            .answer(&words)
            .unwrap_or_else(|problem| json!({ "problem": problem }));
        println!("{answer}");
        io::stdout().flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl Resident {
    fn answer(&mut self, words: &[&str]) -> Outcome<Value> {
        match words {
            ["exec", key, number, mode] => self.exec(key, number, *mode == "force"),
            ["collect", "all"] => self.collect(None),
            ["collect", size] => {
                let size = size.parse().map_err(|_| format!("no size: {size}"))?;
                self.collect(Some(size))
            }
            ["fsck"] => Ok(self.check()),
            [verb, key] => self.about(verb, key),
            _ => Err(format!("what is {words:?}?")),
        }
    }

    fn exec(&mut self, key: &str, number: &str, force: bool) -> Outcome<Value> {
        let path = std::env::var("PATH").unwrap_or_default();
        let env: EnvSnapshot = [
            ("PATH", path.as_str()),
            ("NUMBER", number),
            ("NOTES", &self.notes),
        ]
        .into_iter()
        .collect();
        let heard = Heard::default();
        let (stats, interrupt) = (StatCache::off(), Interrupt::new());
        let provenance = Provenance::default();
        let cx = Context {
            root: &self.root,
            env: &env,
            store: Some(&self.store),
            cache_dir: self.store.dir(),
            stats: &stats,
            spool_dir: &self.root,
            provenance: &provenance,
            clock: Clock::starting(SystemTime::now()),
            interrupt: &interrupt,
            sink: &heard,
            access: Access {
                force,
                ..Access::default()
            },
            caller: None,
            memo: None,
        };
        let outcome = engine::step(&step(key), &cx).map_err(|error| engine::chain(&error))?;
        self.keys.insert(key.to_owned(), outcome.key);
        let stdout = heard.stdout.into_inner().expect("no holder panics");
        Ok(json!({
            "ok": outcome.status == Status::Exited(0),
            "stdout": String::from_utf8_lossy(&stdout),
            "warnings": heard.warnings.into_inner().expect("no holder panics"),
        }))
    }

    /// Collects with no grace at all.
    fn collect(&self, max_size: Option<u64>) -> Outcome<Value> {
        let policy = Policy {
            max_size,
            ..Policy::unreachable_only(std::time::Duration::ZERO)
        };
        let collected = maintain::collect_beside(&self.store, &policy, now(), &|| true);
        let collected = collected.map_err(|error| engine::chain(&error))?;
        Ok(json!({ "ok": true, "warnings": collected.done.problems }))
    }

    fn check(&self) -> Value {
        let checked = maintain::check(&self.store, &Meter::new());
        let flaws: Vec<_> = checked
            .flaws
            .iter()
            .map(|flaw| format!("{flaw:?}"))
            .collect();
        json!({ "ok": flaws.is_empty(), "flaws": flaws })
    }

    /// Does something about a key, as soon as it was asked for once.
    fn about(&self, verb: &str, word: &str) -> Outcome<Value> {
        let Some(key) = self.keys.get(word) else {
            return Ok(json!({ "unknown": true }));
        };
        let done = match verb {
            "invalidate" => self.store.invalidate(key, now(), "by a campaign"),
            "pin" => {
                let pin = Pin {
                    key: *key,
                    result: None,
                    label: word.to_owned(),
                    when: now(),
                    why: String::new(),
                };
                self.store.pin(&pin).map(drop)
            }
            "unpin" => self.store.unpin(key).map(drop),
            _ => return Err(format!("what is {verb}?")),
        };
        done.map_err(|error| engine::chain(&error))?;
        Ok(json!({ "ok": true }))
    }
}

/// Returns the step of a key: its command runs in one process.
fn step(key: &str) -> Step {
    let words = ["sh", "-euc", RESIDENT.script, "sh", key];
    let words = words.map(|word| word.as_bytes().to_vec());
    let mut step = Step::new(CommandLine::Argv(words.to_vec()));
    step.policy.label = format!("resident/{key}");
    step.policy.pass_env = ["NUMBER", "NOTES"].map(str::to_owned).to_vec();
    let inside = |path: &str| Place::Inside(RelPath::new(path).expect("it is clean"));
    step.inputs = vec![InputRequest::Path {
        place: inside("in.txt"),
        dir_only: false,
        way: None,
    }];
    let output = |path: &&str| OutputSpec {
        kind: OutputKind::Path(inside(path)),
        optional: false,
        keep: false,
    };
    step.outputs = RESIDENT.outputs.iter().map(output).collect();
    step
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
