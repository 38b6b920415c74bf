//! What ibid has to reach, and whether it did.
//!
//! A goal is a ratio within one round, a time, or a figure such as a count of calls. The median
//! decides; smallest and largest stand beside it.

use super::contestant::Contestant;
use super::measure::{Row, Sample};
use crate::shell::Outcome;

/// What one command of a contest has to reach.
#[derive(Debug)]
pub(super) struct Goal {
    ours: &'static str,
    /// Whose time is the measure; without one, a millisecond is.
    peer: Option<&'static str>,
    at_most: f64,
}

/// A figure that is no time, with what it may be at most.
pub(super) struct Figure {
    what: &'static str,
    unit: &'static str,
    at_most: f64,
    take: Box<dyn FnMut() -> Outcome<f64>>,
}

/// A goal beside what was reached.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) workload: &'static str,
    pub(super) goal: String,
    pub(super) reached: String,
    /// `None` where it could not be told.
    pub(super) met: Option<bool>,
}

impl Goal {
    pub(super) fn against(ours: &'static str, at_most: f64, peer: &'static str) -> Self {
        let peer = Some(peer);
        Self {
            ours,
            peer,
            at_most,
        }
    }

    pub(super) fn within(ours: &'static str, millis: f64) -> Self {
        let (peer, at_most) = (None, millis);
        Self {
            ours,
            peer,
            at_most,
        }
    }

    /// Holds it against what was measured.
    pub(super) fn judge(&self, workload: &'static str, rows: &[Row]) -> Verdict {
        let measure = self
            .peer
            .map_or("ms".to_owned(), |peer| format!("× {peer}"));
        let goal = format!("{} ≤ {} {measure}", self.ours, self.at_most);
        let values = samples(rows, self.ours).and_then(|ours| match self.peer {
            None => Ok(ours.iter().map(millis).collect()),
            Some(peer) => Ok(ratios(ours, samples(rows, peer)?)),
        });
        match values {
            Ok(values) => {
                let [least, middle, most] = spread(values);
                Verdict {
                    workload,
                    goal,
                    reached: format!("{middle:.2} ({least:.2}-{most:.2})"),
                    met: (!middle.is_nan()).then_some(middle <= self.at_most),
                }
            }
            Err(why) => Verdict::unknown(workload, goal, &why),
        }
    }
}

impl Figure {
    /// A figure in `unit`, of which `at_most` is the most that is wanted.
    pub(super) fn new(
        what: &'static str,
        unit: &'static str,
        at_most: f64,
        take: impl FnMut() -> Outcome<f64> + 'static,
    ) -> Self {
        let take = Box::new(take);
        Self {
            what,
            unit,
            at_most,
            take,
        }
    }

    /// The system calls of a whole process, as `strace` lists them.
    pub(super) fn calls(contestant: Contestant, at_most: f64) -> Self {
        Self::new("system calls of one run", "", at_most, move || {
            let mut traced = contestant.under(&["strace", "-f", "-qq", "-o", "/dev/stderr"]);
            let output = traced
                .output()
                .map_err(|error| format!("strace: {error}"))?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let calls = text.lines().filter(|line| line.contains(") = "));
            u32::try_from(calls.count())
                .map(f64::from)
                .map_err(|error| error.to_string())
        })
    }

    /// The peak of memory of a process, in MiB.
    pub(super) fn memory(
        what: &'static str,
        floor: String,
        mut contestant: Contestant,
        at_most: f64,
    ) -> Self {
        Self::new(what, "MiB", at_most, move || {
            contestant.prepare()?;
            let mut measured = contestant.under(&[&floor, "memory"]);
            let output = measured.output().map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let last = text
                .lines()
                .last()
                .and_then(|line| line.parse::<f64>().ok());
            let kib = last.filter(|_| output.status.success());
            kib.map(|kib| kib / 1024.0)
                .ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
        })
    }

    /// Takes it and holds it against what is wanted.
    pub(super) fn judge(&mut self, workload: &'static str) -> Verdict {
        let goal = format!("{} ≤ {:.0} {}", self.what, self.at_most, self.unit);
        let goal = goal.trim_end().to_owned();
        match (self.take)() {
            Ok(value) => Verdict {
                workload,
                goal,
                reached: format!("{value:.1} {}", self.unit).trim_end().to_owned(),
                met: Some(value <= self.at_most),
            },
            Err(why) => Verdict::unknown(workload, goal, &why),
        }
    }
}

impl Verdict {
    pub(super) fn unknown(workload: &'static str, goal: String, why: &str) -> Self {
        let reached = format!("not measured: {}", why.replace('|', "/").replace('\n', " "));
        Self {
            workload,
            goal,
            reached,
            met: None,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "—",
        }
    }
}

fn samples<'a>(rows: &'a [Row], name: &str) -> Outcome<&'a [Sample]> {
    let row = rows.iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| format!("{name} was left out"))?;
    let outcome = row.outcome.as_ref();
    outcome
        .map(Vec::as_slice)
        .map_err(|why| format!("{name}: {why}"))
}

/// Wall times of one command over those of another, round by round.
pub(super) fn ratios(ours: &[Sample], theirs: &[Sample]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| millis(ours) / millis(theirs).max(1e-6))
        .collect()
}

pub(super) fn millis(sample: &Sample) -> f64 {
    sample.wall.as_secs_f64() * 1e3
}

/// Returns the smallest, the median and the largest value.
pub(super) fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => [f64::NAN; 3],
        values => {
            let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
            let middle = if odd {
                values[half]
            } else {
                f64::midpoint(values[half - 1], values[half])
            };
            [values[0], middle, values[values.len() - 1]]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(name: &str, walls: &[u64]) -> Row {
        let sample = |wall: &u64| Sample {
            wall: Duration::from_millis(*wall),
            cpu: Duration::ZERO,
        };
        let outcome = Ok(walls.iter().map(sample).collect());
        Row {
            name: name.to_owned(),
            outcome,
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let bits = |values: [f64; 3]| values.map(f64::to_bits);
        assert_eq!(bits(spread(vec![4.0, 1.0, 2.0])), bits([1.0, 2.0, 4.0]));
        assert_eq!(spread(vec![4.0, 2.0])[1].to_bits(), 3.0_f64.to_bits());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was three times slower in the second round, for both.
        let rows = [row("peer", &[10, 30]), row("ibid", &[5, 15])];
        let verdict = Goal::against("ibid", 0.5, "peer").judge("w", &rows);
        assert_eq!(verdict.reached, "0.50 (0.50-0.50)");
        assert_eq!(verdict.met, Some(true));
        let verdict = Goal::against("ibid", 0.4, "peer").judge("w", &rows);
        assert_eq!(verdict.met, Some(false));
    }

    #[test]
    fn a_goal_beside_a_peer_that_is_missing_is_neither_met_nor_missed() {
        let missing = Row {
            name: "peer".to_owned(),
            outcome: Err("not installed".to_owned()),
        };
        let rows = [row("ibid", &[5]), missing];
        let verdict = Goal::against("ibid", 0.5, "peer").judge("w", &rows);
        assert_eq!(verdict.met, None);
        assert!(
            verdict.reached.contains("not installed"),
            "{}",
            verdict.reached
        );
    }
}
