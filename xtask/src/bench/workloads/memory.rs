//! Peaks of memory: of a hit, and of work over many files.

use super::{Fresh, NewCache, hits, ibid, make_dir, making_copy, project, runs, scaled};
use crate::bench::contestant::Contestant;
use crate::bench::goals::Figure;
use crate::bench::{Bench, Contest, tree};
use crate::shell::Outcome;

/// What a tree or a run may take at most, in MiB: a fixed part and 200 bytes a file.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of files are far below 2^52"
)]
fn allowed(files: usize) -> f64 {
    64.0 + files as f64 * 200.0 / f64::from(1 << 20)
}

pub(super) fn all(bench: &Bench) -> Outcome<Contest> {
    let (dir, home) = project(bench, "memory-hit")?;
    let mut hit = hits::restored(bench, &dir, &home, "hit")?;
    hit.once()?;
    let files = scaled(bench, 100_000);
    let steps = scaled(bench, 10_000);
    let run = runs::done(bench, steps, "run")?;
    let many = scaled(bench, 10_000);
    let (stored, restored) = copies(bench, many)?;
    let contest = Contest::short(Vec::new());
    let of = |contest: Contest, what, contestant, at_most| {
        let floor = bench.floor.to_string_lossy().into_owned();
        contest.figure(Figure::memory(what, floor, contestant, at_most))
    };
    let contest = of(contest, "a hit, restored", hit, 16.0);
    let contest = of(
        contest,
        "a tree, first hash",
        hash(bench, files)?,
        allowed(files),
    );
    let contest = of(
        contest,
        "the same tree, known",
        hash(bench, files)?,
        allowed(files),
    );
    let contest = of(
        contest,
        "a run with nothing to do",
        run,
        allowed(steps + steps / 10),
    );
    let contest = of(contest, "10,000 outputs, stored", stored, allowed(many));
    Ok(of(
        contest,
        "10,000 outputs, restored",
        restored,
        allowed(many),
    ))
}

fn hash(bench: &Bench, files: usize) -> Outcome<Contestant> {
    let tree = tree::small_files(bench, files)?;
    let home = bench.dir.join("memory-tree-home");
    make_dir(&home)?;
    Ok(ibid(
        bench,
        "hash",
        &bench.inputs,
        &home,
        &["hash", "--tree", &tree.name],
    ))
}

/// A folder that is made and stored, and the same restored.
fn copies(bench: &Bench, count: usize) -> Outcome<(Contestant, Contestant)> {
    let source = tree::small_files(bench, count)?
        .path
        .to_string_lossy()
        .into_owned();
    let (dir, home) = project(bench, "memory-many")?;
    let (away, cache) = (Fresh::new(home.join("away"))?, NewCache::new(&home)?);
    let copy = || cache.of(ibid(bench, "copy", &dir, &home, &making_copy(&source)));
    let (anew, out, gone) = (cache.clone(), dir.join("out"), away.clone());
    let stored = copy().prepared_by(move || anew.renew().and_then(|()| gone.take(&out)));
    let out = dir.join("out");
    let restored = copy().prepared_by(move || away.take(&out));
    Ok((stored, restored))
}
