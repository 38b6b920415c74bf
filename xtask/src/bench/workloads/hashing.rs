//! W3: contents that nothing is known of, and the same once they are known.

use std::path::Path;

use super::{NewCache, STATX_2, ibid, looking, make_dir, scaled};
use crate::bench::contestant::Contestant;
use crate::bench::{Bench, Contest, peers, tree};
use crate::shell::{Outcome, command, run};

const FIRST: &str = "ibid hash, first time";
const KNOWN: &str = "ibid hash, known";
const GIT: &str = "git status -s -uall";

/// `ibid hash` that knows nothing.
fn first(bench: &Bench, dir: &Path, name: &str, words: &[&str]) -> Outcome<Contestant> {
    let home = bench.dir.join(name);
    let cache = NewCache::new(&home)?;
    let ours = cache.of(ibid(bench, FIRST, dir, &home, words));
    Ok(ours.prepared_by(move || cache.renew()))
}

pub(super) fn big(bench: &Bench) -> Outcome<Contest> {
    let dir = tree::big_files(bench, 4, scaled(bench, 1024))?;
    let files = ["0.bin", "1.bin", "2.bin", "3.bin"];
    let b3sum = [&["b3sum"], files.as_slice()].concat();
    let ours = [&["hash"], files.as_slice()].concat();
    Ok(Contest::long(vec![
        Contestant::peer("b3sum", "b3sum", &dir, &b3sum),
        first(bench, &dir, "first-big", &ours)?,
    ])
    .goal(FIRST, 1.05, "b3sum"))
}

pub(super) fn small(bench: &Bench) -> Outcome<Contest> {
    let tree = tree::small_files(bench, scaled(bench, 100_000))?;
    let (dir, floor) = (&bench.inputs, bench.floor.to_string_lossy());
    let list = tree.list.to_string_lossy();
    let peer = "xargs -P2 b3sum";
    let b3sum = peers::find("b3sum").unwrap_or_else(|| "b3sum".into());
    let b3sum = b3sum.to_string_lossy();
    let words = ["xargs", "-a", &list, "-P2", "-n1000", &b3sum];
    Ok(Contest::long(vec![
        Contestant::peer(peer, "b3sum", dir, &words),
        Contestant::new(
            "floor: read and hash, 2 threads",
            dir,
            &[&floor, "hash", "2", &list],
        ),
        first(bench, dir, "first-small", &["hash", "--tree", &tree.name])?,
    ])
    .goal(FIRST, 0.85, peer))
}

pub(super) fn recheck(bench: &Bench) -> Outcome<Contest> {
    let tree = tree::small_files(bench, scaled(bench, 100_000))?;
    let (dir, home) = (&bench.inputs, bench.dir.join("recheck-home"));
    make_dir(&home)?;
    let mut contestants = looking(bench, dir, &tree.list);
    contestants.push(status(bench, &tree.name)?);
    let printing = ["find", &tree.name, "-printf", "%T@ %s\n"];
    contestants.push(Contestant::new("find -printf", dir, &printing));
    let mut ours = ibid(bench, KNOWN, dir, &home, &["hash", "--tree", &tree.name]);
    ours.once()?;
    contestants.push(ours);
    Ok(Contest::long(contestants)
        .goal(KNOWN, 1.25, STATX_2)
        .goal(KNOWN, 0.6, GIT))
}

/// `git status` of a tree that is committed, in a repository that lies elsewhere.
fn status(bench: &Bench, name: &str) -> Outcome<Contestant> {
    let tree = bench.inputs.join(name);
    let (work, repository) = (tree.display(), bench.inputs.join(format!("{name}.git")));
    let words = [
        format!("--git-dir={}", repository.display()),
        format!("--work-tree={work}"),
        "-c".to_owned(),
        "core.compression=0".to_owned(),
        "-c".to_owned(),
        "user.name=bench".to_owned(),
        "-c".to_owned(),
        "user.email=bench@example.org".to_owned(),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let git = |more: &[&str]| run(command("git", &[&words, more].concat()).current_dir(&tree));
    if bench.options.wants_peer("git") && crate::shell::which("git").is_some() {
        bench.made_once(&repository, |draft| {
            let init = ["init", "-q", "--bare"];
            run(command("git", &init).arg(draft))
        })?;
        git(&["add", "-A"])?;
        git(&["commit", "-q", "--allow-empty", "-m", "all"])?;
    }
    let argv = [&["git"], words.as_slice(), &["status", "-s", "-uall"]].concat();
    Ok(Contestant::peer(GIT, "git", &tree, &argv))
}
