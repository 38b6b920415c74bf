//! The workloads: what runs beside what, and how each run is prepared.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Bench, Contest, Contestant, growth, make_dir, steps, tree, write};
use crate::shell::Outcome;

/// A named comparison.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) set_up: fn(&Bench) -> Outcome<Contest>,
}

/// All of them, in the order in which they run.
pub(super) const ALL: &[Workload] = &[
    Workload {
        name: "up-to-date",
        about: "one command, one input, one output that is in place",
        set_up: up_to_date,
    },
    Workload {
        name: "restore",
        about: "one command, one input, one output that is restored",
        set_up: restore,
    },
    Workload {
        name: "capture-many",
        about: "a folder of up to 10,000 files, made by `cp -r` and stored for the first time",
        set_up: capture_many,
    },
    Workload {
        name: "restore-many",
        about: "the same folder, restored",
        set_up: restore_many,
    },
    Workload {
        name: "hash-small",
        about: "a tree of small files, hashed for the first time",
        set_up: hash_small,
    },
    Workload {
        name: "recheck-small",
        about: "the same tree once it is known",
        set_up: recheck_small,
    },
    Workload {
        name: "hash-big",
        about: "one big file, hashed for the first time",
        set_up: hash_big,
    },
    Workload {
        name: "recheck-big",
        about: "the same file once it is known",
        set_up: recheck_big,
    },
    Workload {
        name: "steps-first",
        about: "a graph of small steps, none of which was ever run",
        set_up: steps_first,
    },
    Workload {
        name: "steps-no-op",
        about: "the same graph, with nothing to do",
        set_up: steps_no_op,
    },
    Workload {
        name: "growth-look-up",
        about: "one command, up to date and restored, in a store of more and more results",
        set_up: growth_look_up,
    },
    Workload {
        name: "growth-list",
        about: "what `gc` and `usage` find in a store of many results",
        set_up: growth_list,
    },
];

/// A different path at each call.
#[derive(Clone)]
struct Fresh {
    dir: PathBuf,
    count: Rc<Cell<usize>>,
}

impl Fresh {
    fn new(bench: &Bench, name: &str) -> Outcome<Self> {
        let dir = bench.dir.join(name);
        make_dir(&dir)?;
        let count = Rc::default();
        Ok(Self { dir, count })
    }

    fn next(&self) -> PathBuf {
        let number = self.count.get();
        self.count.set(number + 1);
        self.dir.join(number.to_string())
    }
}

const EXEC: &[&str] = &[
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
];

/// `ibid` with its own cache, which lies in `dir`.
fn ibid(bench: &Bench, name: &str, dir: &Path, arguments: &[&str]) -> Contestant {
    let program = bench.ibid.to_string_lossy();
    let argv = [&[program.as_ref()], arguments].concat();
    Contestant::new(name, dir, &argv)
        .env("IBID_CACHE_DIR", bench.dir.join("cache"))
        .env("HOME", bench.dir.join("home"))
}

/// A folder with one input.
fn small_project(bench: &Bench, name: &str) -> Outcome<PathBuf> {
    let dir = bench.dir.join(name);
    make_dir(&dir)?;
    make_dir(&bench.dir.join("home"))?;
    write(&dir.join("in.txt"), &[b'x'; 8192])?;
    Ok(dir)
}

/// The peers that answer a single command: the cost of a process, and a cache of output alone.
fn small_peers(bench: &Bench, dir: &Path) -> Vec<Contestant> {
    let cache = bench.dir.join("bkt");
    let cache = cache.to_string_lossy();
    let bkt = [
        "bkt",
        "--cache-dir",
        &cache,
        "--ttl",
        "1d",
        "--",
        "cat",
        "in.txt",
    ];
    vec![
        Contestant::new("true", dir, &["true"]),
        Contestant::new("bkt, hit", dir, &bkt),
    ]
}

fn up_to_date(bench: &Bench) -> Outcome<Contest> {
    let dir = small_project(bench, "up-to-date")?;
    let mut contestants = small_peers(bench, &dir);
    contestants.push(ibid(bench, "ibid exec, up to date", &dir, EXEC));
    Ok(Contest::short(contestants))
}

fn restore(bench: &Bench) -> Outcome<Contest> {
    let dir = small_project(bench, "restore")?;
    let mut contestants = small_peers(bench, &dir);
    let away = Fresh::new(bench, "restored")?;
    let output = dir.join("out.txt");
    let hit = ibid(bench, "ibid exec, output restored", &dir, EXEC);
    contestants.push(hit.prepared_by(move || rename_away(&output, &away)));
    let copy = ["cp", "in.txt", "copy.txt"];
    let (away, output) = (Fresh::new(bench, "copied")?, dir.join("copy.txt"));
    let copy = Contestant::new("cp", &dir, &copy);
    contestants.push(copy.prepared_by(move || rename_away(&output, &away)));
    Ok(Contest::short(contestants))
}

fn rename_away(path: &Path, away: &Fresh) -> Outcome {
    match std::fs::rename(path, away.next()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Makes `link` lead to a new folder: a cache that knows nothing.
fn renew(link: &Path, fresh: &Fresh) -> Outcome {
    let target = fresh.next();
    make_dir(&target)?;
    let draft = target.with_extension("link");
    std::os::unix::fs::symlink(&target, &draft).map_err(|error| error.to_string())?;
    std::fs::rename(&draft, link).map_err(|error| error.to_string())
}

/// A command whose cache is a link to a new folder at each run.
fn knowing_nothing(contestant: Contestant, link: &Path) -> Contestant {
    contestant
        .env("IBID_CACHE_DIR", link)
        .env("IBID_LOCAL_DIR", link.join("local"))
}

/// `ibid hash` that knows nothing.
fn first_hash(bench: &Bench, dir: &Path, what: &str) -> Outcome<Contestant> {
    let fresh = Fresh::new(bench, &format!("first-{what}"))?;
    let link = bench.dir.join(format!("cache-of-{what}"));
    let words = ["hash", "--tree", what];
    let contestant = ibid(bench, "ibid hash, first time", dir, &words);
    let contestant = knowing_nothing(contestant, &link);
    Ok(contestant.prepared_by(move || renew(&link, &fresh)))
}

/// An empty folder, and the folder of files that is copied to it.
fn many(bench: &Bench, name: &str) -> Outcome<(PathBuf, String)> {
    let source = tree::small_files(&bench.inputs, bench.options.files.min(10_000))?;
    let dir = bench.dir.join(name);
    make_dir(&dir)?;
    make_dir(&bench.dir.join("home"))?;
    Ok((dir, source.to_string_lossy().into_owned()))
}

/// `cp -r` to a place where nothing stands.
fn plain_copy(bench: &Bench, dir: &Path, source: &str) -> Outcome<Contestant> {
    let away = Fresh::new(bench, &format!("plain-{}", split(dir).1))?;
    let copy = dir.join("plain");
    let contestant = Contestant::new("cp -r", dir, &["cp", "-r", source, "plain"]);
    Ok(contestant.prepared_by(move || rename_away(&copy, &away)))
}

/// `cp -r` through `ibid`.
fn cached_copy(bench: &Bench, name: &str, dir: &Path, source: &str) -> Contestant {
    let words = ["exec", "-i", source, "-o", "copy/", "--"];
    ibid(
        bench,
        name,
        dir,
        &[&words, ["cp", "-r", source, "copy"].as_slice()].concat(),
    )
}

fn capture_many(bench: &Bench) -> Outcome<Contest> {
    let (dir, source) = many(bench, "capture-many")?;
    let (away, copy) = (Fresh::new(bench, "captured")?, dir.join("copy"));
    let fresh = Fresh::new(bench, "stores")?;
    let link = bench.dir.join("cache-of-many");
    let run = cached_copy(bench, "ibid exec, cp -r and store", &dir, &source);
    let run = knowing_nothing(run, &link).prepared_by(move || {
        renew(&link, &fresh)?;
        rename_away(&copy, &away)
    });
    Ok(Contest::long(vec![plain_copy(bench, &dir, &source)?, run]))
}

fn restore_many(bench: &Bench) -> Outcome<Contest> {
    let (dir, source) = many(bench, "restore-many")?;
    let (away, copy) = (Fresh::new(bench, "put-back")?, dir.join("copy"));
    let hit = cached_copy(bench, "ibid exec, restored", &dir, &source);
    let hit = hit.prepared_by(move || rename_away(&copy, &away));
    Ok(Contest::long(vec![plain_copy(bench, &dir, &source)?, hit]))
}

/// Splits a path into its folder and its name.
fn split(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (path.parent().unwrap_or(path).to_owned(), name.into_owned())
}

fn hash_small(bench: &Bench) -> Outcome<Contest> {
    let (dir, name) = split(&tree::small_files(&bench.inputs, bench.options.files)?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = |program: &str| {
        format!("find {name} -type f -print0 | xargs -0 -P{cores} -n 1000 {program} > /dev/null")
    };
    let peer = |program: &str, label: &str| {
        Contestant::new(label, &dir, &["sh", "-c", &all(program)]).needing(program)
    };
    Ok(Contest::long(vec![
        peer("b3sum", "xargs b3sum, a process per core"),
        peer("sha256sum", "xargs sha256sum, a process per core"),
        first_hash(bench, &dir, &name)?,
    ]))
}

fn recheck_small(bench: &Bench) -> Outcome<Contest> {
    let (dir, name) = split(&tree::small_files(&bench.inputs, bench.options.files)?);
    Ok(Contest::long(vec![
        Contestant::new(
            "find -printf, one stat a file",
            &dir,
            &["find", &name, "-printf", "%T@ %s"],
        ),
        Contestant::new("du -s", &dir, &["du", "-s", &name]),
        ibid(bench, "ibid hash, known", &dir, &["hash", "--tree", &name]),
    ]))
}

fn hash_big(bench: &Bench) -> Outcome<Contest> {
    let (dir, name) = split(&tree::big_file(&bench.inputs, bench.options.big)?);
    Ok(Contest::long(vec![
        Contestant::new("b3sum", &dir, &["b3sum", &name]),
        Contestant::new("sha256sum", &dir, &["sha256sum", &name]),
        first_hash(bench, &dir, &name)?,
    ]))
}

fn recheck_big(bench: &Bench) -> Outcome<Contest> {
    let (dir, name) = split(&tree::big_file(&bench.inputs, bench.options.big)?);
    Ok(Contest::short(vec![
        Contestant::new("true", &dir, &["true"]),
        ibid(bench, "ibid hash, known", &dir, &["hash", &name]),
    ]))
}

/// The tools that run a graph, each in a folder of its own.
fn runners(bench: &Bench, name: &str) -> Outcome<Vec<(Contestant, PathBuf)>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parallel = format!("-j{cores}");
    let folder = |tool: &str| {
        let dir = bench.dir.join(format!("{name}-{tool}"));
        steps::project(&dir, bench.options.steps).map(|()| dir)
    };
    make_dir(&bench.dir.join("home"))?;
    let mut runners = Vec::new();
    for (tool, words) in [
        ("ninja", ["ninja", &parallel, "--quiet"].as_slice()),
        ("make", &["make", &parallel, "-s"]),
    ] {
        let dir = folder(tool)?;
        let contestant = Contestant::new(tool, &dir, words).needing(tool);
        runners.push((contestant, dir));
    }
    let dir = folder("ibid")?;
    let ours = ibid(bench, "ibid run", &dir, &["run", "--quiet", &parallel]);
    runners.push((ours, dir));
    Ok(runners)
}

fn steps_first(bench: &Bench) -> Outcome<Contest> {
    let fresh = Fresh::new(bench, "step-stores")?;
    let link = bench.dir.join("cache-of-steps");
    let first = |(contestant, dir): (Contestant, PathBuf)| {
        let away = Fresh::new(bench, &format!("first-{}", split(&dir).1))?;
        let (fresh, link) = (fresh.clone(), link.clone());
        let contestant = knowing_nothing(contestant, &link);
        Ok(contestant.prepared_by(move || {
            renew(&link, &fresh)?;
            for left in ["out", ".ninja_log", ".ninja_deps", ".ibid"] {
                rename_away(&dir.join(left), &away)?;
            }
            make_dir(&dir.join("out"))
        }))
    };
    let runners = runners(bench, "steps-first")?;
    Ok(Contest::long(
        runners.into_iter().map(first).collect::<Outcome<_>>()?,
    ))
}

fn steps_no_op(bench: &Bench) -> Outcome<Contest> {
    let runners = runners(bench, "steps-no-op")?;
    Ok(Contest::long(
        runners
            .into_iter()
            .map(|(contestant, _)| contestant)
            .collect(),
    ))
}

fn growth_look_up(bench: &Bench) -> Outcome<Contest> {
    let most = bench.options.results;
    let sizes = [1_000, 100_000, 1_000_000].map(|results: usize| results.min(most));
    let mut contestants = Vec::new();
    for (at, results) in sizes.into_iter().enumerate() {
        if sizes[..at].contains(&results) {
            continue;
        }
        let store = growth::store(&bench.inputs, results)?;
        let hit = |what: &str| -> Outcome<(PathBuf, Contestant)> {
            let dir = small_project(bench, &format!("growth-{what}-{results}"))?;
            // Each its own input: what one run stores is not what another finds.
            write(&dir.join("in.txt"), what.as_bytes())?;
            let contestant = ibid(bench, &format!("{what}, {results} results"), &dir, EXEC);
            Ok((dir, contestant.env("IBID_CACHE_DIR", &store)))
        };
        contestants.push(hit("up to date")?.1);
        let (dir, restored) = hit("restored")?;
        let away = Fresh::new(bench, &format!("growth-away-{results}"))?;
        contestants.push(restored.prepared_by(move || rename_away(&dir.join("out.txt"), &away)));
    }
    Ok(Contest::short(contestants))
}

fn growth_list(bench: &Bench) -> Outcome<Contest> {
    let store = growth::store(&bench.inputs, bench.options.results)?;
    make_dir(&bench.dir.join("home"))?;
    let floor = ["find", "v1", "-printf", "%T@ %s"];
    let mut contestants = vec![Contestant::new(
        "find -printf, one stat a file",
        &store,
        &floor,
    )];
    for words in [["gc", "--dry-run"].as_slice(), &["usage"]] {
        let contestant = ibid(
            bench,
            &format!("ibid {}", words.join(" ")),
            &bench.dir,
            words,
        );
        contestants.push(contestant.env("IBID_CACHE_DIR", &store));
    }
    Ok(Contest::long(contestants))
}
