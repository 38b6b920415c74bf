//! Many steps in one process: a measurement, run by hand.

use std::path::Path;
use std::time::{Instant, SystemTime};

use ibid_core::action::{CommandLine, OutputKind, OutputSpec, Policy, Step};
use ibid_core::engine::{Access, Clock, Context, Event, Memo, Provenance, Sink, step};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::{Interrupt, Orphans};
use ibid_core::scan::StatCache;
use ibid_core::store::{LocalStore, StoreOptions};
use ibid_core::tree::{Place, RelPath};
use ibid_testkit::TempDir;

struct Silent;

impl Sink for Silent {
    fn event(&self, _event: &Event<'_>) {}
}

fn touch(number: usize) -> Step {
    let output = format!("out/{number}");
    let argv = ["/usr/bin/touch", &output];
    let argv = argv.map(|word| word.as_bytes().to_vec());
    let place = Place::Inside(RelPath::new(output.clone()).unwrap());
    Step {
        outputs: vec![OutputSpec {
            kind: OutputKind::Path(place),
            optional: false,
            keep: false,
        }],
        policy: Policy {
            label: format!("p/{number}"),
            ..Policy::default()
        },
        ..Step::new(CommandLine::Argv(argv.into()))
    }
}

/// Prints how long each 250 steps take, once when all run and once when all are up to date: the
/// last must not take longer than the first.
#[test]
#[expect(clippy::print_stdout, reason = "somebody reads it")]
#[ignore = "a measurement: cargo test -p ibid-core --test it scale -- --ignored --nocapture"]
fn many_first_runs_take_the_same_time_each() {
    let dir = TempDir::new();
    let root = dir.join("work");
    std::fs::create_dir(&root).unwrap();
    let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
    let env: EnvSnapshot = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let (stats, interrupt) = (StatCache::off(), Interrupt::new());
    let provenance = Provenance::default();
    let memo = Memo::default();
    let spool: &Path = dir.path();
    let cx = Context {
        root: &root,
        env: &env,
        store: Some(&store),
        cache_dir: store.dir(),
        stats: &stats,
        spool_dir: spool,
        provenance: &provenance,
        clock: Clock::starting(SystemTime::now()),
        interrupt: &interrupt,
        sink: &Silent,
        access: Access {
            orphans: Orphans::Adopt,
            ..Access::default()
        },
        memo: Some(&memo),
    };
    for _ in 0..2 {
        for part in 0..8 {
            let started = Instant::now();
            for number in part * 250..(part + 1) * 250 {
                step(&touch(number), &cx).unwrap();
            }
            println!("{:?}", started.elapsed() / 250);
        }
    }
}
