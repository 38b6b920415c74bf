//! What `cargo xtask bench` was asked for.

use std::path::PathBuf;

use super::workloads;
use crate::shell::Outcome;

/// The options, with the defaults that BENCHMARKS.md uses.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) names: Vec<String>,
    /// Rounds that count.
    pub(super) rounds: usize,
    /// Rounds before them that do not.
    pub(super) warm_ups: usize,
    /// How often a short command runs in one round; the mean counts.
    pub(super) repeats: usize,
    /// Files of the tree that is hashed.
    pub(super) files: usize,
    /// Size of the big file, in MiB.
    pub(super) big: usize,
    /// Steps of the graph.
    pub(super) steps: usize,
    /// Results of the largest store.
    pub(super) results: usize,
    pub(super) dir: Option<PathBuf>,
    pub(super) ibid: Option<PathBuf>,
    pub(super) help: bool,
}

pub(super) fn usage() -> String {
    let mut text = "\
usage: cargo xtask bench [NAME...] [OPTIONS]

  --rounds N     rounds that count (7)
  --warm-ups N   rounds before them (1)
  --repeats N    runs of a short command in one round (5)
  --files N      files of the tree that is hashed (100000)
  --big MIB      size of the big file (2048)
  --steps N      steps of the graph (1000)
  --results N    results of the largest store (100000)
  --dir DIR      where to work (target/bench)
  --ibid PATH    the binary under test (built by `cargo xtask dist`)

workloads:
"
    .to_owned();
    for workload in workloads::ALL {
        let line = format!("  {:14} {}\n", workload.name, workload.about);
        text.push_str(&line);
    }
    text
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self {
            names: Vec::new(),
            rounds: 7,
            warm_ups: 1,
            repeats: 5,
            files: 100_000,
            big: 2048,
            steps: 1000,
            results: 100_000,
            dir: None,
            ibid: None,
            help: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("`{word}` needs a value"))
            };
            let number = |text: &String| {
                let number = text.parse::<usize>().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("`{text}` is no number above 0"))
            };
            match word.as_str() {
                "--rounds" => options.rounds = number(value()?)?,
                "--warm-ups" => options.warm_ups = number(value()?)?,
                "--repeats" => options.repeats = number(value()?)?,
                "--files" => options.files = number(value()?)?,
                "--big" => options.big = number(value()?)?,
                "--steps" => options.steps = number(value()?)?,
                "--results" => options.results = number(value()?)?,
                "--dir" => options.dir = Some(absolute(value()?)?),
                "--ibid" => options.ibid = Some(value()?.into()),
                "-h" | "--help" => options.help = true,
                name if workloads::ALL.iter().any(|workload| workload.name == name) => {
                    options.names.push(name.to_owned());
                }
                other => return Err(format!("what is `{other}`?\n\n{}", usage())),
            }
        }
        Ok(options)
    }
}

fn absolute(path: &str) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|error| format!("{path}: {error}"))
}
