//! In which ways a disturbed run is set up: the settings that take it through other code.

use std::time::Duration;

use super::super::Plan;
use super::{ALL, Act, Workload};

/// Settings of a disturbed run; what comes before and after it has none.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

/// Their order is part of the numbers of points.
const WAYS: [Way; 5] = [
    Way {
        name: "",
        settings: &[],
    },
    Way {
        name: ", synced",
        settings: &[("IBID_DURABILITY", "synced")],
    },
    Way {
        name: ", without leases",
        settings: &[("IBID_LEASES", "false")],
    },
    // So small a budget is collected after each run that stores something, and holds it all.
    Way {
        name: ", collecting",
        settings: &[("IBID_MAX_SIZE", "1M")],
    },
    Way {
        name: ", without memory",
        settings: &[("IBID_STAT_CACHE", "off")],
    },
];

/// A plan of fewer points plays the first way only: counting the calls takes a run for each.
const FEW: usize = 1_000;

/// A shorter plan plays the first way and one that the seed draws.
const SHORT: Duration = Duration::from_mins(5);

/// Numbers of the workloads in one way.
const STRIDE: u64 = 100;

/// Says whether a plan has room for a way.
fn plays(plan: &Plan, turn: u64) -> bool {
    let drawn = 1 + plan.seed % (WAYS.len() as u64 - 1);
    if plan.only.is_some() || turn == 0 {
        true
    } else if plan.times < FEW {
        false
    } else {
        plan.limit >= SHORT || turn == drawn
    }
}

impl Workload {
    /// Lists each workload in each way, with its place in the numbers of points; only the one of
    /// the point that is to be played where `at` says which that is.
    pub(in crate::campaign) fn all(plan: &Plan, at: impl Fn(u64) -> u64) -> Vec<(u64, Self)> {
        let mut all = Vec::new();
        for (turn, way) in (0..).zip(WAYS).filter(|(turn, _)| plays(plan, *turn)) {
            for (index, workload) in (0..).zip(ALL) {
                let place = turn * STRIDE + index;
                let is_meant = plan.only.is_none_or(|only| at(only) == place);
                if is_meant && workload.goes(&way) {
                    let settings = way.settings;
                    all.push((
                        place,
                        Self {
                            way: way.name,
                            settings,
                            ..workload
                        },
                    ));
                }
            }
        }
        all
    }

    /// Says whether a way makes a difference to it, and leaves it possible.
    fn goes(&self, way: &Way) -> bool {
        match way.name {
            ", collecting" => matches!(self.act, Act::Ask(..)) && self.name != "commit-large",
            ", without leases" => self.name != "invalidate",
            _ => true,
        }
    }
}
