//! W6: what a store costs that holds a million results.

use std::path::PathBuf;

use super::{hits, ibid, project, scaled};
use crate::bench::contestant::Contestant;
use crate::bench::{Bench, Contest, growth, make_dir};
use crate::shell::Outcome;

const FEW: &str = "ibid exec, restored, 1,000 results";
const MANY: &str = "ibid exec, restored, 1,000,000 results";
const LISTING: &str = "ibid gc --dry-run";
const WALK: &str = "floor: readdir and statx";

/// A store with so many results that nobody asks for; it stays for later runs.
fn store(bench: &Bench, count: usize) -> Outcome<PathBuf> {
    let home = bench.inputs.join(format!("store-{count}"));
    bench.made_once(&home, |home| {
        make_dir(home)?;
        growth::fill(&home.join("cache"), count)
    })?;
    Ok(home)
}

pub(super) fn look_up(bench: &Bench) -> Outcome<Contest> {
    let mut contestants = Vec::new();
    for (name, count) in [(FEW, 1_000), (MANY, scaled(bench, 1_000_000))] {
        let home = store(bench, count)?;
        let (dir, _) = project(bench, &format!("look-up-{count}"))?;
        let mut ours = hits::restored(bench, &dir, &home, name)?;
        ours.once()?;
        contestants.push(ours);
    }
    Ok(Contest::short(contestants).goal(MANY, 1.3, FEW))
}

pub(super) fn gc_list(bench: &Bench) -> Outcome<Contest> {
    let home = store(bench, scaled(bench, 1_000_000))?;
    let (dir, _) = project(bench, "gc-list")?;
    let floor = bench.floor.to_string_lossy();
    let cache = home.join("cache").to_string_lossy().into_owned();
    Ok(Contest::heavy(vec![
        Contestant::new(WALK, &dir, &[&floor, "walk", &cache]),
        ibid(bench, LISTING, &dir, &home, &["gc", "--dry-run"]).env("IBID_MAX_SIZE", "none"),
    ])
    .goal(LISTING, 1.3, WALK))
}
