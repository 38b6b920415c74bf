//! The workloads: what runs beside what, how each run is prepared, and what ibid has to reach.
//!
//! `ALL` is the table; each group has a file. A workload makes what it needs and runs once what has
//! to be known before, all before the first of them is timed. Nothing that a run made is deleted
//! before another creates files: it is renamed away.

mod captures;
mod growth;
mod hashing;
mod hits;
mod memory;
mod restores;
mod runs;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::contestant::Contestant;
use super::{Bench, Contest, make_dir, write};
use crate::shell::{Outcome, command};

/// A named comparison.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) about: &'static str,
    /// Programs that are installed for it.
    pub(super) programs: &'static [&'static str],
    pub(super) set_up: fn(&Bench) -> Outcome<Contest>,
}

const fn workload(
    group: &'static str,
    name: &'static str,
    programs: &'static [&'static str],
    about: &'static str,
    set_up: fn(&Bench) -> Outcome<Contest>,
) -> Workload {
    Workload {
        name,
        group,
        about,
        programs,
        set_up,
    }
}

const RUNNERS: &[&str] = &["ninja", "samu"];

/// All of them, in the order in which they run: those that write most come last, and among them
/// those that delete it again first.
#[rustfmt::skip]
pub(super) const ALL: &[Workload] = &[
    workload("W1", "no-op-100", RUNNERS, "a graph of 100 steps, with nothing to do", runs::no_op_100),
    workload("W1", "no-op-1000", RUNNERS, "the same with 1,000 steps", runs::no_op_1000),
    workload("W1", "no-op-10000", RUNNERS, "the same with 10,000 steps", runs::no_op_10000),
    workload("W1", "no-op-100000", RUNNERS, "the same with 100,000 steps", runs::no_op_100000),
    workload("W2", "up-to-date", &["bkt", "strace"], "one command, one input, one output that is in place", hits::up_to_date),
    workload("W2", "hit", &["bkt", "ccache", "gcc"], "one command, one input, one output that is restored, and what it printed", hits::hit),
    workload("W3", "hash-big", &["b3sum"], "4 GiB in 4 files, hashed for the first time", hashing::big),
    workload("W3", "hash-small", &["b3sum"], "100,000 files, hashed for the first time", hashing::small),
    workload("W3", "recheck", &["git"], "the same files once they are known", hashing::recheck),
    workload("W1", "step", RUNNERS, "a graph of 1,000 steps, none of which was ever run, 2 at a time", runs::step),
    workload("W4", "restore-in-place", &[], "a folder of 10,000 files that stands as it was stored", restores::in_place),
    workload("W4", "restore-copy", &[], "the same folder, renamed away and restored", restores::copy),
    workload("W4", "restore-link", &[], "the same as hard links, by an ordinary user", restores::link),
    workload("W4", "restore-reflink", &["mkfs.xfs"], "the same on XFS", restores::reflink),
    workload("W5", "capture-small", &[], "a folder of 10,000 files that a command renamed into its place, stored", captures::small),
    workload("M", "memory", &[], "peaks of memory", memory::all),
    workload("W5", "capture-big", &[], "two files of 1 GiB, stored", captures::big),
    workload("W4", "restore-big", &[], "four files of 1 GiB, restored", restores::big),
    workload("W4", "restore-big-reflink", &["mkfs.xfs"], "the same on XFS", restores::big_reflink),
    workload("W6", "look-up", &[], "a hit in a store of 1,000,000 results, and of 1,000", growth::look_up),
    workload("W6", "gc-list", &[], "`gc --dry-run` over 1,000,000 results", growth::gc_list),
];

/// A different path at each call.
#[derive(Clone)]
struct Fresh {
    dir: PathBuf,
    count: Rc<Cell<usize>>,
}

impl Fresh {
    /// Takes a folder that it makes.
    fn new(dir: PathBuf) -> Outcome<Self> {
        make_dir(&dir)?;
        let count = Rc::default();
        Ok(Self { dir, count })
    }

    fn next(&self) -> PathBuf {
        let number = self.count.get();
        self.count.set(number + 1);
        self.dir.join(number.to_string())
    }

    /// Renames what stands at `path`, if anything does.
    fn take(&self, path: &Path) -> Outcome {
        match std::fs::rename(path, self.next()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Deletes what it took. Only for a few big files: many that were deleted make ext4 slow.
    fn empty(&self) -> Outcome {
        std::fs::remove_dir_all(&self.dir).map_err(|error| error.to_string())?;
        make_dir(&self.dir)
    }
}

/// `ibid` in `dir`, with its cache in `home`.
fn ibid(bench: &Bench, name: &str, dir: &Path, home: &Path, words: &[&str]) -> Contestant {
    let program = bench.ibid.to_string_lossy();
    let argv = [&[program.as_ref()], words].concat();
    Contestant::new(name, dir, &argv)
        .env("IBID_CACHE_DIR", home.join("cache"))
        .env("IBID_LOCAL_DIR", home.join("local"))
        .env("HOME", home)
}

/// A cache that is a link to a new folder whenever it is renewed: `renew` needs no deletion.
#[derive(Clone)]
struct NewCache {
    link: PathBuf,
    fresh: Fresh,
}

impl NewCache {
    fn new(home: &Path) -> Outcome<Self> {
        let fresh = Fresh::new(home.join("caches"))?;
        let link = home.join("link");
        Ok(Self { link, fresh })
    }

    fn renew(&self) -> Outcome {
        let target = self.fresh.next();
        make_dir(&target)?;
        let draft = target.with_extension("link");
        std::os::unix::fs::symlink(&target, &draft).map_err(|error| error.to_string())?;
        std::fs::rename(&draft, &self.link).map_err(|error| error.to_string())
    }

    fn of(&self, contestant: Contestant) -> Contestant {
        contestant
            .env("IBID_CACHE_DIR", self.link.join("cache"))
            .env("IBID_LOCAL_DIR", self.link.join("local"))
    }
}

/// A folder of this run, and one for the cache beside it.
fn project(bench: &Bench, name: &str) -> Outcome<(PathBuf, PathBuf)> {
    let (dir, home) = (bench.dir.join(name), bench.dir.join(format!("{name}-home")));
    make_dir(&dir)?;
    make_dir(&home)?;
    write(&dir.join("in.txt"), &[b'x'; 8192])?;
    Ok((dir, home))
}

/// Writes dirty pages back, so that the next run does not pay for those of the last.
fn flush(dir: &Path) -> Outcome {
    let done = command("sync", &["-f"]).arg(dir).status();
    done.map(drop).map_err(|error| format!("sync: {error}"))
}

/// A step that copies `source` to `out`, without depending on it: only the outputs count.
fn making_copy(source: &str) -> Vec<&str> {
    let step = ["exec", "-i", "in.txt", "-o", "out/", "--ignore-arg", source];
    [step.as_slice(), &["--", "cp", "-r", source, "out"]].concat()
}

/// The second statx floor and the first, over the paths of a list.
fn looking(bench: &Bench, dir: &Path, list: &Path) -> Vec<Contestant> {
    let (floor, list) = (bench.floor.to_string_lossy(), list.to_string_lossy());
    let of = |name, threads| Contestant::new(name, dir, &[&floor, "stat", threads, &list]);
    vec![of(STATX_2, "2"), of(STATX_1, "1")]
}

const STATX_1: &str = "floor: statx, 1 thread";
const STATX_2: &str = "floor: statx, 2 threads";

/// Divides as the options say.
fn scaled(bench: &Bench, size: usize) -> usize {
    (size / bench.options.divisor).max(1)
}
