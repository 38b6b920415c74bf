//! What `cargo xtask bench` was asked for.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{peers, workloads};
use crate::shell::Outcome;

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line, and no two hang together"
)]
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
    /// By what all sizes are divided.
    pub(super) divisor: usize,
    /// Peers that take part; all without a list.
    peers: Option<Vec<String>>,
    pub(super) install: bool,
    pub(super) wait: bool,
    pub(super) keep: bool,
    pub(super) record: bool,
    pub(super) dir: Option<PathBuf>,
    pub(super) ibid: Option<PathBuf>,
    pub(super) help: bool,
}

pub(super) fn usage() -> String {
    let mut text = "\
usage: cargo xtask bench [NAME or W1 to W6...] [OPTIONS]

  --rounds N     rounds that count (7; heavy workloads take 3 at most)
  --warm-ups N   rounds before them (2)
  --repeats N    runs of a short command in one round (10)
  --peers LIST   peers that take part, as `ninja,bkt`, or `none` (all; what is missing is installed)
  --no-install   install nothing
  --no-wait      do not wait until new files are two minutes old
  --divide N     all sizes divided by N
  --quick        --divide 10 --rounds 3 --no-wait: a look, no figures for anybody
  --record       write the results into BENCHMARKS.md
  --keep         leave what a run made in its place
  --dir DIR      where to work (target/bench)
  --ibid PATH    the binary under test (built by `cargo xtask dist`)

workloads:
"
    .to_owned();
    for workload in workloads::ALL {
        let (name, group, about) = (workload.name, workload.group, workload.about);
        let _ = writeln!(text, "  {group:2} {name:20} {about}");
    }
    text
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            rounds: 7,
            warm_ups: 2,
            repeats: 10,
            divisor: 1,
            peers: None,
            install: true,
            wait: true,
            keep: false,
            record: false,
            dir: None,
            ibid: None,
            help: false,
        }
    }
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("`{word}` needs a value"))
            };
            match word.as_str() {
                "--rounds" => options.rounds = number(value()?)?,
                "--warm-ups" => options.warm_ups = number(value()?)?,
                "--repeats" => options.repeats = number(value()?)?,
                "--divide" => options.divisor = number(value()?)?,
                "--quick" => {
                    options.divisor = 10;
                    options.rounds = 3;
                    options.wait = false;
                }
                "--peers" => options.peers = Some(some_peers(value()?)?),
                "--no-install" => options.install = false,
                "--no-wait" => options.wait = false,
                "--keep" => options.keep = true,
                "--record" => options.record = true,
                "--dir" => options.dir = Some(absolute(value()?)?),
                "--ibid" => options.ibid = Some(absolute(value()?)?),
                "-h" | "--help" => options.help = true,
                name => options.names.push(workload(name)?),
            }
        }
        Ok(options)
    }

    pub(super) fn wants(&self, workload: &workloads::Workload) -> bool {
        let is_named = |name: &String| name == workload.name || name == workload.group;
        self.names.is_empty() || self.names.iter().any(is_named)
    }

    pub(super) fn wants_peer(&self, program: &str) -> bool {
        let peers = self.peers.as_ref();
        peers.is_none_or(|peers| peers.iter().any(|peer| peer == program))
    }
}

/// Takes the name of a workload or of a group of them.
fn workload(name: &str) -> Outcome<String> {
    let upper = name.to_uppercase();
    if workloads::ALL
        .iter()
        .any(|workload| workload.group == upper)
    {
        return Ok(upper);
    }
    let names = workloads::ALL.iter().map(|workload| workload.name);
    if names.clone().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    if name.starts_with('-') {
        return Err(format!("there is no option `{name}`\n\n{}", usage()));
    }
    Err(unknown("workload", name, names, "W1 to W6 name groups"))
}

fn some_peers(list: &str) -> Outcome<Vec<String>> {
    if list == "none" {
        return Ok(Vec::new());
    }
    let one = |name: &str| {
        if peers::NAMES.contains(&name) {
            return Ok(name.to_owned());
        }
        let names = peers::NAMES.iter().copied();
        Err(unknown("peer", name, names, "`none` leaves all out"))
    };
    list.split(',').map(one).collect()
}

/// Says what was meant, as far as the first letters tell.
fn unknown<'a>(
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    also: &str,
) -> String {
    let start: String = name.chars().take(3).collect();
    let close: Vec<&str> = names
        .clone()
        .filter(|known| known.starts_with(&start))
        .collect();
    let hint = if start.is_empty() || close.is_empty() {
        format!("there are {}; {also}", names.collect::<Vec<_>>().join(", "))
    } else {
        format!("did you mean {}?", close.join(" or "))
    };
    format!("there is no {what} `{name}`\nhint: {hint}")
}

fn number(text: &str) -> Outcome<usize> {
    let number = text.parse::<usize>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no number above 0"))
}

fn absolute(path: &str) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Outcome<Options> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Options::parse(&words)
    }

    #[test]
    fn a_group_stands_for_its_workloads() {
        let options = parsed(&["w3"]).unwrap();
        let wanted = workloads::ALL
            .iter()
            .filter(|workload| options.wants(workload));
        let wanted: Vec<_> = wanted.map(|workload| workload.name).collect();
        assert_eq!(wanted, ["hash-big", "hash-small", "recheck"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_what_was_meant() {
        let told = parsed(&["restore"]).unwrap_err();
        assert!(told.contains("did you mean restore-in-place or "), "{told}");
        let told = parsed(&["--peers", "ninja,nonesuch"]).unwrap_err();
        assert!(told.contains("there is no peer `nonesuch`"), "{told}");
    }
}
