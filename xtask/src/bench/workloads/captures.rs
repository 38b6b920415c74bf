//! W5: outputs that are stored for the first time.
//!
//! The command only renames what was prepared, so that what is timed is the storing.

use std::path::Path;

use super::{Fresh, NewCache, flush, ibid, project, scaled};
use crate::bench::contestant::Contestant;
use crate::bench::{Bench, Contest, tree};
use crate::shell::{Outcome, command};

const OURS: &str = "ibid exec, stored";

const RENAMING: &[&str] = &[
    "exec",
    "-i",
    "in.txt",
    "-o",
    "out/",
    "--ignore-arg",
    "ready",
    "--",
    "mv",
    "ready",
    "out",
];

pub(super) fn small(bench: &Bench) -> Outcome<Contest> {
    let source = tree::small_files(bench, scaled(bench, 10_000))?.path;
    let contestants = stored(bench, "capture-small", &source, false)?;
    Ok(Contest::long(contestants).goal(OURS, 0.75, "cp -r"))
}

pub(super) fn big(bench: &Bench) -> Outcome<Contest> {
    let each = scaled(bench, 1024);
    let source = tree::big_files(bench, 2, each)?;
    let contestants = stored(bench, "capture-big", &source, true)?;
    Ok(Contest::heavy(contestants)
        .filling(2 * each as u64, &bench.floor)
        .goal(OURS, 1.3, "cp -r"))
}

fn stored(bench: &Bench, name: &str, source: &Path, big: bool) -> Outcome<Vec<Contestant>> {
    let (dir, home) = project(bench, name)?;
    let source = source.to_string_lossy().into_owned();
    let copy = Contestant::new("cp -r", &dir, &["cp", "-r", &source, "plain"]);
    let away = Fresh::new(home.join("plain-away"))?;
    let here = dir.clone();
    let copy = copy.prepared_by(move || {
        away.take(&here.join("plain"))?;
        if big {
            away.empty()?;
        }
        flush(&here)
    });
    let cache = NewCache::new(&home)?;
    let ours = cache.of(ibid(bench, OURS, &dir, &home, RENAMING));
    let ours = ours.env("IBID_MAX_SIZE", "none").saying("ran in");
    let away = Fresh::new(home.join("out-away"))?;
    let ours = ours.prepared_by(move || {
        away.take(&dir.join("out"))?;
        if big {
            away.empty()?;
            cache.fresh.empty()?;
        }
        cache.renew()?;
        make_ready(&source, &dir.join("ready"))?;
        flush(&dir)
    });
    Ok(vec![copy, ours])
}

/// Makes the folder that the command will find.
fn make_ready(source: &str, ready: &Path) -> Outcome {
    if ready.exists() {
        return Ok(());
    }
    let status = command("cp", &["-r", source]).arg(ready).status();
    let status = status.map_err(|error| error.to_string())?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("cp: {status}"))
}
