//! `cargo xtask bench`: ibid beside other tools, on one machine, in turn.
//!
//! Only ratios within one round are worth anything: commands alternate round after round, so a
//! machine that slows down for a while slows all of them. Set-up is never timed. Old results are
//! renamed away and not deleted: ext4 makes the creation of files after a deletion many times
//! slower, which would be measured instead.

mod growth;
mod measure;
mod options;
mod steps;
mod table;
mod tree;
mod workloads;

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, target};
use measure::{Contest, Contestant};
use options::Options;

/// Where a workload lives and what it compares.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The binary under test.
    ibid: PathBuf,
    /// A folder of this run alone.
    dir: PathBuf,
    /// A folder of inputs that later runs use again.
    inputs: PathBuf,
    options: Options,
}

/// Runs the named workload, or all.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    if options.help {
        print!("{}", options::usage());
        return Ok(());
    }
    let home = options
        .dir
        .clone()
        .unwrap_or_else(|| target().join("bench"));
    let bench = Bench {
        ibid: match &options.ibid {
            Some(path) => std::path::absolute(path).map_err(|error| error.to_string())?,
            None => crate::dist::build()?,
        },
        dir: home.join(format!("run-{}", std::process::id())),
        inputs: home.join("inputs"),
        options,
    };
    make_dir(&bench.dir)?;
    make_dir(&bench.inputs)?;
    println!("{}", table::machine(&bench.options));
    for workload in workloads::ALL {
        let wanted = &bench.options.names;
        if wanted.is_empty() || wanted.iter().any(|name| name == workload.name) {
            let contest = (workload.set_up)(&bench)?;
            println!("\n### {}: {}\n", workload.name, workload.about);
            let rows = contest.run(&bench.options);
            print!("{}", table::rows(&rows));
        }
    }
    eprintln!(
        "left in place (delete it when no measurement follows): {}",
        bench.dir.display()
    );
    Ok(())
}

fn make_dir(dir: &Path) -> Outcome {
    std::fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
