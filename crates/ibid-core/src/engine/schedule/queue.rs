//! `Queue`: the steps that could start, and which of them is next. Pure.
//!
//! The next is the one with the longest way to the end of the order, since the run cannot be over
//! before that way is walked; of equal ones, the first in the order of the graph. A step for which
//! there is not enough keeps what it needs from those behind it, so it is not starved.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Order;
use super::supply::{Demand, Kept, Supply};
use crate::pipeline::StepId;

/// The steps that could start.
#[derive(Debug)]
pub(super) struct Queue {
    /// Steps with equal demands wait together: if the first of them does not fit, none does.
    groups: Vec<Group>,
    /// The first of each group that has any: its place in the sequence, and the group.
    heads: BTreeSet<(usize, usize)>,
    /// All steps of the order, the first to start first.
    sequence: Vec<StepId>,
    /// Of each step of the pipeline its place in the sequence, and its group.
    places: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Group {
    demand: Demand,
    waiting: BTreeSet<usize>,
}

impl Queue {
    /// Makes an empty queue for the steps of an order.
    pub(super) fn new(order: &Order<'_>, supply: &Supply<'_>) -> Self {
        let sequence = sequence(order);
        let mut known: BTreeMap<Demand, usize> = BTreeMap::new();
        let mut places = vec![(0, 0); order.pipeline.steps.len()];
        for (place, step) in sequence.iter().enumerate() {
            let demand = supply.demand(&order.pipeline.step(*step).resources);
            let next = known.len();
            let group = *known.entry(demand).or_insert(next);
            places[step.index()] = (place, group);
        }
        let mut groups: Vec<_> = known.into_iter().collect();
        groups.sort_unstable_by_key(|(_, group)| *group);
        let empty = |(demand, _)| Group {
            demand,
            waiting: BTreeSet::new(),
        };
        Self {
            groups: groups.into_iter().map(empty).collect(),
            heads: BTreeSet::new(),
            sequence,
            places,
        }
    }

    /// Adds a step that waits for nobody any more.
    pub(super) fn add(&mut self, step: StepId) {
        let (place, at) = self.places[step.index()];
        self.change(at, |waiting| {
            waiting.insert(place);
        });
    }

    /// Takes the next step for which there is enough, together with what it needs.
    pub(super) fn take(&mut self, supply: &mut Supply<'_>) -> Option<StepId> {
        if supply.is_spent() {
            return None;
        }
        let (place, at) = self.next(supply)?;
        supply.take(&self.groups[at].demand);
        self.change(at, |waiting| {
            waiting.remove(&place);
        });
        Some(self.sequence[place])
    }

    /// Finds the first head for which there is enough, and that overtakes nobody unduly.
    fn next(&self, supply: &Supply<'_>) -> Option<(usize, usize)> {
        let mut kept = Kept::default();
        for (place, at) in &self.heads {
            let demand = &self.groups[*at].demand;
            if supply.has(demand) && !kept.touches(demand) {
                return Some((*place, *at));
            }
            kept.keep(demand, supply);
            if kept.is_everything() {
                break;
            }
        }
        None
    }

    /// Frees what a step that was taken had.
    pub(super) fn give_back(&self, step: StepId, supply: &mut Supply<'_>) {
        let (_, at) = self.places[step.index()];
        supply.give_back(&self.groups[at].demand);
    }

    /// Changes who waits in a group, and its head with it.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut BTreeSet<usize>)) {
        let waiting = &mut self.groups[at].waiting;
        let before = waiting.first().copied();
        change(waiting);
        let after = waiting.first().copied();
        if before != after {
            before.map(|place| self.heads.remove(&(place, at)));
            after.map(|place| self.heads.insert((place, at)));
        }
    }
}

/// Returns the steps of an order, those with the longest way to the end first.
fn sequence(order: &Order<'_>) -> Vec<StepId> {
    let graph = &order.pipeline.graph;
    let is_ordered = |step: &&StepId| order.steps.contains(step);
    let mut ways = vec![0_usize; order.pipeline.steps.len()];
    let mut steps: Vec<StepId> = graph.order().iter().filter(is_ordered).copied().collect();
    for step in steps.iter().rev() {
        // A step that is not to be done has no way of its own.
        let below = graph.downstream(*step).iter();
        let longest = below.map(|next| ways[next.index()]).max();
        ways[step.index()] = 1 + longest.unwrap_or(0);
    }
    steps.sort_by_key(|step| Reverse(ways[step.index()]));
    steps
}
