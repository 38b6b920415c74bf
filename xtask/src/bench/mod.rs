//! `cargo xtask bench`: ibid beside other tools and beside floors, on one machine, in turn.
//!
//! Only ratios within one round are worth anything: commands alternate round after round, so a
//! machine that slows down for a while slows all of them. All workloads of a batch are prepared
//! before the first is timed, and then wait once until their files are at rest. Old results are
//! renamed away and not deleted before the batch is over: ext4 makes the creation of files after a
//! deletion many times slower, which would be measured instead.

mod contestant;
mod goals;
mod growth;
mod measure;
mod options;
mod peers;
mod room;
mod steps;
mod table;
mod tree;
mod workloads;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::shell::{Outcome, command, root, run as run_command, target};
use goals::Verdict;
use measure::Contest;
use options::Options;
use workloads::Workload;

/// Where workloads live and what they compare.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The binary under test, a copy that nobody builds anew meanwhile.
    ibid: PathBuf,
    /// The program of the floors.
    floor: PathBuf,
    /// A folder of this run alone.
    own: PathBuf,
    /// What workloads make, in that folder.
    dir: PathBuf,
    /// A folder of inputs that later runs use again.
    inputs: PathBuf,
    options: Options,
    /// Whether anything was made in this run that is young.
    made: Cell<bool>,
}

/// For how long a file has to lie still before ibid believes its status without asking further.
const AT_REST: Duration = Duration::from_secs(125);

/// Runs the named workloads, or all.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    if options.help {
        print!("{}", options::usage());
        return Ok(());
    }
    let wanted: Vec<&Workload> = workloads::ALL
        .iter()
        .filter(|one| options.wants(one))
        .collect();
    let home = options
        .dir
        .clone()
        .unwrap_or_else(|| target().join("bench"));
    room::check(&home, &wanted, &options)?;
    if options.install {
        let programs: Vec<&str> = wanted
            .iter()
            .flat_map(|one| one.programs)
            .copied()
            .collect();
        let programs = programs
            .into_iter()
            .filter(|name| options.wants_peer(name) || !peers::NAMES.contains(name));
        peers::install(&programs.collect::<Vec<_>>());
    }
    let (bench, origin) = Bench::new(&home, options)?;
    let (report, verdicts) = bench.measure(&wanted, &origin);
    let goals = table::goals(&verdicts);
    print!("{goals}");
    // What was reached comes first for whoever reads the page.
    let report = format!("{goals}\n{report}");
    if bench.options.record {
        table::record(&root().join("BENCHMARKS.md"), &report)?;
    }
    bench.leave()
}

impl Bench {
    /// Builds what is needed and makes the folders; also says where the binary comes from.
    fn new(home: &Path, options: Options) -> Outcome<(Self, String)> {
        let (built, origin) = match &options.ibid {
            Some(path) => (path.clone(), path.display().to_string()),
            None => (crate::dist::build()?, "`cargo xtask dist`".to_owned()),
        };
        let floor = crate::dist::floor()?;
        let own = home.join(format!("run-{}", std::process::id()));
        let bench = Self {
            ibid: own.join("bin/ibid"),
            floor: own.join("bin/ibid-floor"),
            dir: own.join("work"),
            own,
            inputs: home.join("inputs"),
            options,
            made: Cell::new(false),
        };
        for dir in [&bench.own.join("bin"), &bench.dir, &bench.inputs] {
            make_dir(dir)?;
        }
        for (from, to) in [(&built, &bench.ibid), (&floor, &bench.floor)] {
            let copied = std::fs::copy(from, to);
            copied.map_err(|error| format!("{}: {error}", from.display()))?;
        }
        Ok((bench, origin))
    }

    /// Prepares and times batch after batch, and returns the tables with what they are judged to say.
    fn measure(&self, wanted: &[&Workload], origin: &str) -> (String, Vec<Verdict>) {
        let (mut report, mut verdicts) = (String::new(), Vec::new());
        for batch in wanted.chunk_by(|one, next| room::of(one).batch == room::of(next).batch) {
            if !report.is_empty() {
                self.clear();
            }
            let prepared: Vec<_> = batch.iter().map(|one| self.prepare(one)).collect();
            self.wait_for_rest();
            if report.is_empty() {
                report = table::header(self, origin);
                print!("{report}");
            }
            for (workload, prepared) in batch.iter().zip(prepared) {
                let (text, judged) = self.measured(workload, prepared);
                print!("{text}");
                report.push_str(&text);
                verdicts.extend(judged);
            }
        }
        (report, verdicts)
    }

    fn prepare(&self, workload: &Workload) -> Outcome<Contest> {
        eprintln!("preparing {}", workload.name);
        (workload.set_up)(self)
    }

    /// Writes everything to the disk and waits until what was made is at rest.
    fn wait_for_rest(&self) {
        // What is still to be written would be written while somebody is timed.
        let _ = run_command(&mut command("sync", &[]));
        if !self.made.get() || !self.options.wait {
            return;
        }
        self.made.set(false);
        let end = Instant::now() + AT_REST;
        eprintln!(
            "waiting for {} s: a file that is younger may be read again at each look (--no-wait)",
            AT_REST.as_secs()
        );
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
    }

    /// Times one workload and judges it.
    fn measured(&self, workload: &Workload, contest: Outcome<Contest>) -> (String, Vec<Verdict>) {
        eprintln!("measuring {}", workload.name);
        let mut contest = match contest {
            Ok(contest) => contest,
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                let skipped = Verdict::unknown(workload.name, "all of it".to_owned(), why);
                let text = format!("\n### {}\n\n{}\n", workload.name, skipped.reached);
                return (text, vec![skipped]);
            }
        };
        let before = table::load();
        let rows = contest.run(&self.options);
        let goals = contest
            .goals
            .iter()
            .map(|goal| goal.judge(workload.name, &rows));
        let mut verdicts: Vec<Verdict> = goals.collect();
        let figures = contest.figures.iter_mut();
        verdicts.extend(figures.map(|figure| figure.judge(workload.name)));
        let load = format!("load {before} before, {} after", table::load());
        contest.end();
        (table::workload(workload, &rows, &verdicts, &load), verdicts)
    }

    /// Makes `place` under another name first, so that an interrupted run leaves no half of it.
    fn made_once(&self, place: &Path, make: impl FnOnce(&Path) -> Outcome) -> Outcome {
        if place.exists() {
            return Ok(());
        }
        eprintln!("making {}", place.display());
        let mut draft = place.as_os_str().to_owned();
        draft.push(format!(".draft-{}", std::process::id()));
        make(Path::new(&draft))?;
        self.made.set(true);
        std::fs::rename(&draft, place).map_err(|error| error.to_string())
    }

    /// Deletes what the workloads of a batch made, so that the next one has its room. What cannot be
    /// deleted costs no figures.
    fn clear(&self) {
        if self.options.keep {
            return;
        }
        let cleared = std::fs::remove_dir_all(&self.dir).map_err(|error| error.to_string());
        if let Err(message) = cleared.and_then(|()| make_dir(&self.dir)) {
            eprintln!("{}: {message}", self.dir.display());
        }
    }

    /// Deletes what this run made, which is as bad for a run that follows at once as it is for disks
    /// to keep it.
    fn leave(&self) -> Outcome {
        if self.options.keep {
            eprintln!("left in place: {}", self.own.display());
            return Ok(());
        }
        eprintln!("deleting what was made; give ext4 five minutes before the next run");
        std::fs::remove_dir_all(&self.own).map_err(|error| error.to_string())
    }
}

/// Says whether this process is root's.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn make_dir(dir: &Path) -> Outcome {
    std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
