//! `cargo xtask gate`: every campaign within a budget, and a record of what was done.
//!
//! What a campaign does lives in `ibid_testkit::campaign`; here stands how much of each a budget
//! allows, on which binary. A quick gate is part of CI and writes nothing; a full one writes
//! GATE.md, and only for the campaigns that it played.

mod list;
mod record;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ibid_testkit::campaign::{Plan, Report};

use crate::shell::{Outcome, cargo, release, run as run_command, target};
use list::{ALL, Campaign};

const USAGE: &str = "\
usage: cargo xtask gate [NAME...] [OPTIONS]

  --budget quick   all campaigns in a few minutes, on the binary of the tests (default)
  --budget full    as much as a release asks for, on the release; writes GATE.md
  --seed N         repeats the choices of an earlier gate
  --seconds N      no point of a campaign begins after this time
  --times N        points of each campaign
  --only N         plays one point, to look into a violation
  --record         writes GATE.md whatever the budget
  --ibid PATH      the binary under test

Without a name: all campaigns.
";

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    Quick,
    Full,
}

/// What was asked for.
struct Request {
    campaigns: Vec<&'static Campaign>,
    budget: Budget,
    seed: u64,
    seconds: Option<u64>,
    times: Option<usize>,
    only: Option<u64>,
    record: bool,
    ibid: Option<PathBuf>,
}

/// What one campaign came to.
struct Played {
    name: &'static str,
    report: Report,
    seconds: f64,
}

/// Plays campaigns; fails if one finds a violation.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let Some(request) = parse(arguments)? else {
        println!("{USAGE}");
        for campaign in ALL {
            println!("  {:<12} {}", campaign.name, campaign.about);
        }
        return Ok(());
    };
    let binary = binary(&request)?;
    let resident = resident(&request)?;
    let mut all = Vec::new();
    for campaign in &request.campaigns {
        if let Some(why) = campaign.obstacle() {
            println!("### {}: left out, {why}\n", campaign.name);
            continue;
        }
        let programs = (binary.clone(), resident.as_deref());
        let plan = plan(campaign, &request, programs);
        println!("### {}", campaign.name);
        let began = Instant::now();
        let report = (campaign.play)(&plan);
        let seconds = began.elapsed().as_secs_f64();
        println!("{report}\n");
        let name = campaign.name;
        all.push(Played {
            name,
            report,
            seconds,
        });
    }
    println!("{}", record::table(&all));
    if request.record || (request.budget == Budget::Full && request.only.is_none()) {
        let label = if request.budget == Budget::Full {
            "full"
        } else {
            "quick"
        };
        record::write(&all, label, request.seed)?;
    }
    let bad = all.iter().filter(|it| !it.report.violations().is_empty());
    let bad: Vec<_> = bad.map(|it| it.name).collect();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "violations in: {} (seed {})",
            bad.join(", "),
            request.seed
        ))
    }
}

/// Reads the arguments; `None` where help is asked for.
fn parse(arguments: &[String]) -> Outcome<Option<Request>> {
    let mut request = Request {
        campaigns: Vec::new(),
        budget: Budget::Quick,
        seed: new_seed(),
        seconds: None,
        times: None,
        only: None,
        record: false,
        ibid: None,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--budget" => {
                request.budget = match value()?.as_str() {
                    "quick" => Budget::Quick,
                    "full" => Budget::Full,
                    other => return Err(format!("what budget is `{other}`?\n\n{USAGE}")),
                }
            }
            "--seed" => request.seed = number(value()?)?,
            "--seconds" => request.seconds = Some(number(value()?)?),
            "--times" => {
                let times = number(value()?)?;
                request.times = Some(usize::try_from(times).unwrap_or(usize::MAX));
            }
            "--only" => request.only = Some(number(value()?)?),
            "--record" => request.record = true,
            "--ibid" => request.ibid = Some(PathBuf::from(value()?)),
            "-h" | "--help" => return Ok(None),
            name => {
                let known = ALL.iter().find(|known| known.name == name);
                let known = known.ok_or_else(|| format!("what is `{name}`?\n\n{USAGE}"))?;
                request.campaigns.push(known);
            }
        }
    }
    if request.campaigns.is_empty() {
        request.campaigns = ALL.iter().collect();
    }
    Ok(Some(request))
}

/// Returns the binary under test: a quick gate takes the one that the tests have built.
fn binary(request: &Request) -> Outcome<PathBuf> {
    match (&request.ibid, request.budget) {
        (Some(path), _) => std::path::absolute(path).map_err(|error| error.to_string()),
        (None, Budget::Full) => release(),
        (None, Budget::Quick) => {
            run_command(&mut cargo(&["build", "--locked", "-p", "ibid"]))?;
            Ok(target().join("debug/ibid"))
        }
    }
}

/// Returns the program that asks through the library: this one, as quick as what it stands beside.
fn resident(request: &Request) -> Outcome<Option<PathBuf>> {
    let is_asked = request.campaigns.iter().any(|one| one.name == "histories");
    if request.budget == Budget::Full && is_asked {
        let words = ["build", "--locked", "--profile", "profiling", "-p", "xtask"];
        run_command(&mut cargo(&words))?;
        return Ok(Some(target().join("profiling/xtask")));
    }
    Ok(std::env::current_exe().ok())
}

fn plan(
    campaign: &Campaign,
    request: &Request,
    (binary, resident): (PathBuf, Option<&Path>),
) -> Plan {
    let size = match request.budget {
        Budget::Quick => campaign.quick,
        Budget::Full => campaign.full,
    };
    Plan {
        binary,
        seed: request.seed,
        times: request.times.unwrap_or(size.times),
        workers: size.workers,
        limit: Duration::from_secs(request.seconds.unwrap_or(size.seconds)),
        only: request.only,
        resident: resident.map(Path::to_owned),
    }
}

fn number(text: &str) -> Outcome<u64> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// A seed of its own for each run; it is printed.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
