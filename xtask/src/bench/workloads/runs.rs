//! W1: graphs of small steps, with nothing to do and with everything to do.
//!
//! Graphs with nothing to do are kept from run to run: making 100,000 steps takes minutes.

use std::path::{Path, PathBuf};

use super::{Fresh, NewCache, ibid, looking, make_dir, scaled};
use crate::bench::contestant::Contestant;
use crate::bench::{Bench, Contest, steps};
use crate::shell::Outcome;

const OURS: &str = "ibid run";

pub(super) fn no_op_100(bench: &Bench) -> Outcome<Contest> {
    Ok(no_op(bench, 100)?.goal(OURS, 0.5, "ninja"))
}

pub(super) fn no_op_1000(bench: &Bench) -> Outcome<Contest> {
    Ok(no_op(bench, 1_000)?.goal(OURS, 0.65, "ninja"))
}

pub(super) fn no_op_10000(bench: &Bench) -> Outcome<Contest> {
    Ok(no_op(bench, 10_000)?.goal(OURS, 0.4, "ninja"))
}

/// Ten times the steps may take ten times as long, and a tenth more for caches that are too small.
pub(super) fn no_op_100000(bench: &Bench) -> Outcome<Contest> {
    let smaller = "ibid run, a tenth of the steps";
    let ours = done(bench, scaled(bench, 10_000), smaller)?;
    Ok(graph(bench, 100_000, vec![ours])?.goal(OURS, 11.0, smaller))
}

fn no_op(bench: &Bench, count: usize) -> Outcome<Contest> {
    graph(bench, count, Vec::new())
}

/// All tools on a graph that each of them has run.
fn graph(bench: &Bench, count: usize, more: Vec<Contestant>) -> Outcome<Contest> {
    let count = scaled(bench, count);
    let mut contestants = Vec::new();
    let mut list = None;
    for (name, words) in [
        ("ninja", ["ninja", "--quiet"].as_slice()),
        ("samu", &["samu"]),
    ] {
        let dir = project(bench, count, name)?;
        let mut tool = Contestant::peer(name, name, &dir, words);
        if bench.options.wants_peer(name) {
            tool.once()?;
        }
        contestants.push(tool);
        list.get_or_insert(dir);
    }
    let dir = list.unwrap_or_default();
    contestants.extend(looking(bench, &dir, &dir.join("files.list")));
    contestants.push(done(bench, count, OURS)?);
    contestants.extend(more);
    Ok(if count > 1_000 {
        Contest::long(contestants)
    } else {
        Contest::short(contestants)
    })
}

/// A folder with the graph, which stays for later runs.
fn project(bench: &Bench, count: usize, tool: &str) -> Outcome<PathBuf> {
    let dir = bench.inputs.join(format!("steps-{count}-{tool}"));
    bench.made_once(&dir, |dir| steps::project(dir, count))?;
    Ok(dir)
}

/// `ibid run` where all was run before.
pub(super) fn done(bench: &Bench, count: usize, name: &str) -> Outcome<Contestant> {
    let dir = project(bench, count, "ibid")?;
    let home = bench.inputs.join(format!("steps-{count}-home"));
    make_dir(&home)?;
    let mut ours = ibid(bench, name, &dir, &home, &["run", "--quiet"]);
    ours.once()?;
    Ok(ours)
}

pub(super) fn step(bench: &Bench) -> Outcome<Contest> {
    let count = scaled(bench, 1_000);
    let mut contestants = Vec::new();
    for (name, words) in [
        ("ninja", ["ninja", "--quiet", "-j2"].as_slice()),
        ("samu", &["samu", "-j2"]),
    ] {
        let dir = fresh_project(bench, count, name)?;
        let tool = Contestant::peer(name, name, &dir, words);
        contestants.push(anew(bench, tool, &dir, None)?);
    }
    let dir = fresh_project(bench, count, "ibid")?;
    let home = bench.dir.join("step-home");
    let cache = NewCache::new(&home)?;
    let ours = ibid(bench, OURS, &dir, &home, &["run", "--quiet", "-j2"]);
    contestants.push(anew(bench, cache.of(ours), &dir, Some(cache))?);
    Ok(Contest::long(contestants).goal(OURS, 1.5, "ninja"))
}

fn fresh_project(bench: &Bench, count: usize, tool: &str) -> Outcome<PathBuf> {
    let dir = bench.dir.join(format!("step-{tool}"));
    steps::project(&dir, count).map(|()| dir)
}

/// Takes all that a run leaves away before each run.
fn anew(
    bench: &Bench,
    tool: Contestant,
    dir: &Path,
    cache: Option<NewCache>,
) -> Outcome<Contestant> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let away = Fresh::new(bench.dir.join(format!("{name}-away")))?;
    let dir = dir.to_owned();
    Ok(tool.prepared_by(move || {
        for left in ["out", ".ninja_log", ".ninja_deps", ".ibid"] {
            away.take(&dir.join(left))?;
        }
        make_dir(&dir.join("out"))?;
        cache.as_ref().map_or(Ok(()), NewCache::renew)?;
        super::flush(&dir)
    }))
}
