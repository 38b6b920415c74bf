//! W4: outputs that are brought back, in each way, and outputs that stand.

use std::path::{Path, PathBuf};

use ibid_testkit::disks::{Mount, image, may_mount};

use super::{Fresh, STATX_2, flush, ibid, looking, make_dir, making_copy, project, scaled, write};
use crate::bench::contestant::{Contestant, ORDINARY};
use crate::bench::{Bench, Contest, is_root, peers, tree};
use crate::shell::Outcome;

const OURS: &str = "ibid exec, restored";
const STANDS: &str = "ibid exec, in place";

/// Where a step of many or of big files runs, and what it copies.
struct Place {
    dir: PathBuf,
    home: PathBuf,
    source: String,
    /// Whether what is in the way is deleted, being few files and many bytes.
    big: bool,
}

impl Place {
    fn small(bench: &Bench, name: &str) -> Outcome<Self> {
        let source = tree::small_files(bench, scaled(bench, 10_000))?.path;
        Self::new(bench, name, &source, false)
    }

    fn new(bench: &Bench, name: &str, source: &Path, big: bool) -> Outcome<Self> {
        let (dir, home) = project(bench, name)?;
        let source = source.to_string_lossy().into_owned();
        Ok(Self {
            dir,
            home,
            source,
            big,
        })
    }

    /// A program that makes the folder `made`, which is taken away before each run.
    fn making(&self, contestant: Contestant, made: &str) -> Outcome<Contestant> {
        let away = Fresh::new(self.home.join(format!("{made}-away")))?;
        let (dir, made, big) = (self.dir.clone(), self.dir.join(made), self.big);
        Ok(contestant.prepared_by(move || {
            away.take(&made)?;
            if big {
                away.empty()?;
            }
            flush(&dir)
        }))
    }

    fn copying(&self, name: &str, words: &[&str]) -> Outcome<Contestant> {
        let words = [words, &[&self.source, "plain"]].concat();
        self.making(Contestant::new(name, &self.dir, &words), "plain")
    }

    /// `ibid exec` of a copy, restored in a way that `--link` names.
    fn ours(&self, bench: &Bench, name: &str, link: &str) -> Contestant {
        let mut words = making_copy(&self.source);
        words.splice(1..1, ["--link", link]);
        ibid(bench, name, &self.dir, &self.home, &words).env("IBID_MAX_SIZE", "none")
    }

    fn restored(&self, bench: &Bench, link: &str) -> Outcome<Contestant> {
        let ours = self.ours(bench, OURS, link).saying("restored");
        self.making(ours, "out")
    }
}

pub(super) fn in_place(bench: &Bench) -> Outcome<Contest> {
    let place = Place::small(bench, "in-place")?;
    let mut ours = place.ours(bench, STANDS, "auto").saying("up to date");
    ours.once()?;
    let list = place.home.join("out.list");
    write(&list, tree::listed(&place.dir, "out")?.as_bytes())?;
    let mut contestants = looking(bench, &place.dir, &list);
    contestants.push(ours);
    Ok(Contest::long(contestants).goal(STANDS, 1.5, STATX_2))
}

pub(super) fn copy(bench: &Bench) -> Outcome<Contest> {
    let place = Place::small(bench, "copy")?;
    let mut ours = place.restored(bench, "copy")?;
    ours.once()?;
    Ok(Contest::long(vec![place.copying("cp -r", &["cp", "-r"])?, ours]).goal(OURS, 0.9, "cp -r"))
}

pub(super) fn big(bench: &Bench) -> Outcome<Contest> {
    let each = scaled(bench, 1024);
    let source = tree::big_files(bench, 4, each)?;
    let place = Place::new(bench, "big", &source, true)?;
    let mut ours = place.restored(bench, "copy")?;
    ours.once()?;
    let contestants = vec![place.copying("cp -r", &["cp", "-r"])?, ours];
    Ok(Contest::heavy(contestants)
        .filling(4 * each as u64, &bench.floor)
        .goal(OURS, 1.1, "cp -r"))
}

/// Both sides run without rights: root may write what a link shares, so it is given copies.
pub(super) fn link(bench: &Bench) -> Outcome<Contest> {
    let mut place = Place::small(bench, "link")?;
    let root = is_root();
    let copied = ["cp", "-r", &place.source, "mine"];
    if root {
        for dir in [&place.dir, &place.home] {
            std::os::unix::fs::chown(dir, Some(ORDINARY), Some(ORDINARY))
                .map_err(|error| error.to_string())?;
        }
    }
    let mut copy = Contestant::new("a copy for an ordinary user", &place.dir, &copied);
    copy = copy.ordinary(root);
    copy.once()
        .map_err(|why| format!("{why}; `--dir` says where everybody may work"))?;
    place.source = place.dir.join("mine").to_string_lossy().into_owned();
    let linking = place.copying("cp -al", &["cp", "-al"])?.ordinary(root);
    let mut ours = place.restored(bench, "hardlink")?.ordinary(root);
    ours.once()?;
    Ok(Contest::long(vec![linking, ours]).goal(OURS, 0.85, "cp -al"))
}

pub(super) fn reflink(bench: &Bench) -> Outcome<Contest> {
    let source = tree::small_files(bench, scaled(bench, 10_000))?.path;
    let (mount, place) = on_xfs(bench, &source, 4 << 10)?;
    Ok(Contest::long(cloned(bench, &place)?)
        .goal(OURS, 0.8, CLONING)
        .keeping(mount))
}

pub(super) fn big_reflink(bench: &Bench) -> Outcome<Contest> {
    let source = tree::big_files(bench, 4, scaled(bench, 1024))?;
    let (mount, place) = on_xfs(bench, &source, 20 << 10)?;
    Ok(Contest::long(cloned(bench, &place)?)
        .within(OURS, 10.0)
        .keeping(mount))
}

const CLONING: &str = "cp -r --reflink=always";

fn cloned(bench: &Bench, place: &Place) -> Outcome<Vec<Contestant>> {
    let mut ours = place.restored(bench, "auto")?;
    ours.once()?;
    let cp = place.copying(CLONING, &["cp", "-r", "--reflink=always"])?;
    Ok(vec![cp, ours])
}

/// A step on an XFS of its own, with a copy of what it copies.
fn on_xfs(bench: &Bench, source: &Path, megabytes: u64) -> Outcome<(Mount, Place)> {
    if !is_root() || !may_mount() || peers::find("mkfs.xfs").is_none() {
        return Err("it needs root, `mkfs.xfs` and the right to mount".to_owned());
    }
    let mount = image("xfs", megabytes).ok_or("XFS could not be mounted")?;
    let (dir, home) = (mount.join("work"), mount.join("home"));
    make_dir(&dir)?;
    make_dir(&home)?;
    write(&dir.join("in.txt"), b"input")?;
    let own = mount.join("source");
    let copy = [
        "cp",
        "-r",
        &source.to_string_lossy(),
        &own.to_string_lossy(),
    ];
    Contestant::new("a copy on XFS", &bench.dir, &copy).once()?;
    flush(&dir)?;
    let source = own.to_string_lossy().into_owned();
    Ok((
        mount,
        Place {
            dir,
            home,
            source,
            big: false,
        },
    ))
}
