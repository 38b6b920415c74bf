//! W2: one command, which need not run.

use std::path::Path;

use super::{Fresh, ibid, project, write};
use crate::bench::contestant::Contestant;
use crate::bench::goals::Figure;
use crate::bench::{Bench, Contest};
use crate::shell::Outcome;

const UP_TO_DATE: &str = "ibid exec, up to date";
const RESTORED: &str = "ibid exec, restored and replayed";
const BKT: &str = "bkt, hit";
const CCACHE: &str = "ccache gcc -c, hit";

const COPY: &[&str] = &[
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
];

/// As above, and it prints a line.
pub(super) const TELLING_COPY: &[&str] = &[
    "exec",
    "-i",
    "in.txt",
    "-o",
    "out.txt",
    "--",
    "sh",
    "-c",
    "cp in.txt out.txt; echo copied",
];

/// What a process costs, and a cache of what a command printed.
fn peers(bench: &Bench, dir: &Path) -> Outcome<Vec<Contestant>> {
    let cache = bench.dir.join("bkt").to_string_lossy().into_owned();
    let words = [
        "bkt",
        "--cache-dir",
        &cache,
        "--ttl",
        "1d",
        "--",
        "cat",
        "in.txt",
    ];
    let mut bkt = Contestant::peer(BKT, "bkt", dir, &words);
    bkt.once()?;
    Ok(vec![Contestant::new("true", dir, &["true"]), bkt])
}

pub(super) fn up_to_date(bench: &Bench) -> Outcome<Contest> {
    let (dir, home) = project(bench, "up-to-date")?;
    let mut contestants = peers(bench, &dir)?;
    let ours = || ibid(bench, UP_TO_DATE, &dir, &home, COPY).saying("up to date");
    ours().once()?;
    contestants.push(ours());
    Ok(Contest::short(contestants)
        .goal(UP_TO_DATE, 1.4, "true")
        .goal(UP_TO_DATE, 1.0, BKT)
        .figure(Figure::calls(ours(), 60.0)))
}

pub(super) fn hit(bench: &Bench) -> Outcome<Contest> {
    let (dir, home) = project(bench, "hit")?;
    let mut contestants = peers(bench, &dir)?;
    contestants.push(compiled(bench, &dir)?);
    let mut ours = restored(bench, &dir, &home, RESTORED)?;
    ours.once()?;
    contestants.push(ours);
    Ok(Contest::short(contestants)
        .goal(RESTORED, 1.8, "true")
        .goal(RESTORED, 0.5, CCACHE))
}

/// A hit of `ibid` whose output was renamed away.
pub(super) fn restored(bench: &Bench, dir: &Path, home: &Path, name: &str) -> Outcome<Contestant> {
    let away = Fresh::new(home.join("restored"))?;
    let output = dir.join("out.txt");
    let ours = ibid(bench, name, dir, home, TELLING_COPY);
    let ours = ours.saying("restored").env("IBID_MAX_SIZE", "none");
    Ok(ours.prepared_by(move || away.take(&output)))
}

/// An object file that `ccache` brings back.
fn compiled(bench: &Bench, dir: &Path) -> Outcome<Contestant> {
    let text = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";
    write(&dir.join("hello.c"), text.as_bytes())?;
    let away = Fresh::new(bench.dir.join("compiled"))?;
    let object = dir.join("hello.o");
    let words = ["ccache", "gcc", "-c", "hello.c", "-o", "hello.o"];
    let mut ccache = Contestant::peer(CCACHE, "ccache", dir, &words)
        .env("CCACHE_DIR", bench.dir.join("ccache"))
        .prepared_by(move || away.take(&object));
    ccache.once()?;
    Ok(ccache)
}
