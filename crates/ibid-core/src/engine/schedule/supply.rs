//! `Supply`: how much there is of each resource, and how much of it is free. Pure.
//!
//! Processors and, where they are known, memory and whatever the pipeline limits are counted; what
//! has no limit is not. A step that asks for more than there is runs alone: with everything to
//! itself it has a chance, and waiting would never end.

use super::Order;
use crate::engine::event::Note;
use crate::pipeline::Resources;

/// The slot of processors, which every step occupies.
const CPUS: usize = 0;

/// How many files this process has open itself, at most. Measured are 20.
const FILES_OF_IBID: u64 = 32;

/// How many files a step that runs keeps open here, at most: pipes, logs, leases, folders. Measured
/// are five.
const FILES_OF_A_STEP: u64 = 8;

/// What a step takes of the supply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Demand {
    /// How much of which slot, never nothing, in order of the slots; processors come first.
    amounts: Vec<(usize, u64)>,
    /// Whether something of it is more than there is.
    alone: bool,
}

/// What there is, and what of it is free.
#[derive(Clone, Debug)]
pub(super) struct Supply<'a> {
    names: Vec<&'a str>,
    limits: Vec<u64>,
    free: Vec<u64>,
    /// How many steps occupy something.
    holders: u64,
    /// How many may: where files cannot be opened, steps fail that would not alone.
    most: u64,
    /// Whether one of them must be alone.
    alone: bool,
}

impl<'a> Supply<'a> {
    /// Counts what an order may occupy.
    pub(super) fn new(order: &Order<'a>) -> Self {
        let cpus = ("cpus", order.cpus.max(1));
        let memory = order.memory.map(|bytes| ("memory", bytes));
        let others = &order.pipeline.limits;
        let others = others.iter().map(|(name, limit)| (name.as_str(), *limit));
        let (names, limits): (Vec<_>, Vec<_>) =
            [cpus].into_iter().chain(memory).chain(others).unzip();
        let most = |files: u64| files.saturating_sub(FILES_OF_IBID) / FILES_OF_A_STEP;
        Self {
            names,
            free: limits.clone(),
            limits,
            holders: 0,
            most: order.open_files.map_or(u64::MAX, most).max(1),
            alone: false,
        }
    }

    /// Returns what a step with these needs takes.
    pub(super) fn demand(&self, needs: &Resources) -> Demand {
        let wanted = |(slot, amount): (usize, u64)| (amount > 0).then_some((slot, amount));
        let asked = self.asked(needs).into_iter().enumerate();
        let amounts: Vec<_> = asked.filter_map(wanted).collect();
        let alone = amounts
            .iter()
            .any(|(slot, amount)| *amount > self.limits[*slot]);
        Demand { amounts, alone }
    }

    /// Returns what is to be told of a step that asks for more than there is.
    pub(super) fn excess(&self, needs: &Resources) -> Vec<Note> {
        let asked = self.asked(needs).into_iter().zip(&self.limits);
        let excess = asked
            .zip(&self.names)
            .filter(|((asked, limit), _)| asked > *limit);
        excess
            .map(|((asked, limit), name)| Note::RunsAlone {
                resource: (*name).to_owned(),
                asked,
                limit: *limit,
            })
            .collect()
    }

    /// Returns for each slot how much is asked for.
    fn asked(&self, needs: &Resources) -> Vec<u64> {
        let asked = |name: &&str| match *name {
            "cpus" => needs.cpus.max(1),
            "memory" => needs.memory.unwrap_or(0),
            other => needs.others.get(other).copied().unwrap_or(0),
        };
        self.names.iter().map(asked).collect()
    }

    /// Says whether nothing whatever can start.
    pub(super) fn is_spent(&self) -> bool {
        self.alone || self.free[CPUS] == 0 || self.holders >= self.most
    }

    /// Says whether all of it is free.
    pub(super) fn has(&self, demand: &Demand) -> bool {
        if demand.alone {
            return self.holders == 0;
        }
        let is_free = |(slot, amount): &(usize, u64)| self.free[*slot] >= *amount;
        !self.alone && demand.amounts.iter().all(is_free)
    }

    /// Occupies what [`Self::has`] found free.
    pub(super) fn take(&mut self, demand: &Demand) {
        self.holders += 1;
        self.alone = demand.alone;
        for (slot, amount) in &demand.amounts {
            self.free[*slot] = self.free[*slot].saturating_sub(*amount);
        }
    }

    /// Frees what was taken.
    pub(super) fn give_back(&mut self, demand: &Demand) {
        self.holders -= 1;
        if demand.alone {
            // It was the only one.
            self.alone = false;
            self.free.clone_from(&self.limits);
            return;
        }
        for (slot, amount) in &demand.amounts {
            self.free[*slot] += *amount;
        }
    }
}

/// Resources that are kept for steps which are at their turn and must wait.
///
/// Whoever comes later may overtake such a step only without touching what it needs. So that what
/// it needs is freed by those that run, and not taken by others one after the other: the large
/// step gets its turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    slots: Vec<usize>,
    everything: bool,
}

impl Kept {
    /// Keeps what a step needs that does not fit. Processors are kept only if they are what is
    /// missing: every step takes some.
    pub(super) fn keep(&mut self, demand: &Demand, supply: &Supply<'_>) {
        let lacks_cpus = |amount: u64| supply.free[CPUS] < amount;
        self.everything |= demand.alone;
        for (slot, amount) in &demand.amounts {
            if *slot == CPUS {
                self.everything |= lacks_cpus(*amount);
            } else {
                self.slots.push(*slot);
            }
        }
    }

    /// Says whether nobody may overtake.
    pub(super) fn is_everything(&self) -> bool {
        self.everything
    }

    /// Says whether a step would touch what is kept.
    pub(super) fn touches(&self, demand: &Demand) -> bool {
        let is_kept = |(slot, _): &(usize, u64)| self.slots.contains(slot);
        self.everything || demand.amounts.iter().any(is_kept)
    }
}
