//! `Graph`: which step waits for which. Pure.

use std::collections::BTreeSet;

/// The place of a step in its pipeline's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(usize);

impl StepId {
    /// Names the step at this index.
    pub fn new(index: usize) -> Self {
        Self(index)
    }

    /// Returns the index.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Who waits for whom; free of cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    upstream: Vec<Vec<StepId>>,
    downstream: Vec<Vec<StepId>>,
    order: Vec<StepId>,
}

impl Graph {
    /// Makes the graph of `upstream`: for each step, in order, the steps that it waits for. A
    /// cycle is an error that lists its members in order, the first one once.
    pub fn new(upstream: Vec<BTreeSet<StepId>>) -> Result<Self, Vec<StepId>> {
        let upstream: Vec<Vec<StepId>> = upstream
            .into_iter()
            .map(|steps| steps.into_iter().collect())
            .collect();
        let mut downstream = vec![Vec::new(); upstream.len()];
        for (step, above) in upstream.iter().enumerate() {
            for from in above {
                downstream[from.0].push(StepId(step));
            }
        }
        let order = order(&upstream, &downstream)?;
        Ok(Self {
            upstream,
            downstream,
            order,
        })
    }

    /// Returns the steps that `step` waits for, in order of declaration.
    pub fn upstream(&self, step: StepId) -> &[StepId] {
        &self.upstream[step.0]
    }

    /// Returns the steps that wait for `step`, in order of declaration.
    pub fn downstream(&self, step: StepId) -> &[StepId] {
        &self.downstream[step.0]
    }

    /// Returns all steps so that each comes after those that it waits for; what may come in any
    /// order comes in that of declaration.
    pub fn order(&self) -> &[StepId] {
        &self.order
    }

    /// Returns `steps` and all that they wait for, however far.
    pub fn with_upstream(&self, steps: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        closure(steps, &self.upstream)
    }

    /// Returns `steps` and all that wait for them, however far.
    pub fn with_downstream(&self, steps: &BTreeSet<StepId>) -> BTreeSet<StepId> {
        closure(steps, &self.downstream)
    }
}

fn closure(steps: &BTreeSet<StepId>, edges: &[Vec<StepId>]) -> BTreeSet<StepId> {
    let mut found = steps.clone();
    let mut open: Vec<StepId> = steps.iter().copied().collect();
    while let Some(step) = open.pop() {
        open.extend(edges[step.0].iter().filter(|next| found.insert(**next)));
    }
    found
}

/// Sorts by dependence, or finds a cycle.
fn order(upstream: &[Vec<StepId>], downstream: &[Vec<StepId>]) -> Result<Vec<StepId>, Vec<StepId>> {
    let mut waiting: Vec<usize> = upstream.iter().map(Vec::len).collect();
    let free = |(step, count): (usize, &usize)| (*count == 0).then_some(StepId(step));
    let mut ready: BTreeSet<StepId> = waiting.iter().enumerate().filter_map(free).collect();
    let mut order = Vec::with_capacity(upstream.len());
    while let Some(step) = ready.pop_first() {
        order.push(step);
        for next in &downstream[step.0] {
            waiting[next.0] -= 1;
            if waiting[next.0] == 0 {
                ready.insert(*next);
            }
        }
    }
    if order.len() == upstream.len() {
        return Ok(order);
    }
    Err(cycle(upstream, &waiting))
}

/// Walks up from a step that is never free; every such step waits for another one.
fn cycle(upstream: &[Vec<StepId>], waiting: &[usize]) -> Vec<StepId> {
    let stuck = |step: &&StepId| waiting[step.0] > 0;
    let start = waiting.iter().position(|count| *count > 0);
    let mut path = vec![StepId(start.expect("some step is stuck"))];
    loop {
        let last = path[path.len() - 1];
        let next = upstream[last.0].iter().find(stuck);
        let next = *next.expect("a stuck step waits for a stuck one");
        if let Some(at) = path.iter().position(|step| *step == next) {
            let mut cycle = path.split_off(at);
            // From what is made to what needs it, as data flows.
            cycle.reverse();
            return cycle;
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(upstream: &[&[usize]]) -> Result<Graph, Vec<StepId>> {
        let sets = upstream.iter().map(|steps| ids(steps));
        Graph::new(sets.collect())
    }

    fn ids(steps: &[usize]) -> BTreeSet<StepId> {
        steps.iter().copied().map(StepId).collect()
    }

    #[test]
    fn each_step_comes_after_its_upstream_and_otherwise_as_declared() {
        let graph = graph(&[&[2], &[], &[1], &[]]).unwrap();
        let order: Vec<_> = graph.order().iter().map(|step| step.0).collect();
        assert_eq!(order, [1, 2, 0, 3]);
        assert_eq!(graph.downstream(StepId(1)), [StepId(2)]);
    }

    #[test]
    fn a_cycle_is_told_in_the_direction_of_the_data() {
        assert_eq!(
            graph(&[&[], &[0, 3], &[1], &[2]]).unwrap_err(),
            [StepId(2), StepId(3), StepId(1)]
        );
        assert_eq!(graph(&[&[0]]).unwrap_err(), [StepId(0)]);
    }

    #[test]
    fn closures_reach_as_far_as_there_are_edges() {
        let graph = graph(&[&[], &[0], &[1], &[]]).unwrap();
        assert_eq!(graph.with_upstream(&ids(&[2])), ids(&[0, 1, 2]));
        assert_eq!(graph.with_downstream(&ids(&[1])), ids(&[1, 2]));
        assert_eq!(graph.with_downstream(&ids(&[3])), ids(&[3]));
    }
}
