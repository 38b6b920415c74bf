//! Files change in every way that hides it, and are looked at in between: a look never gives the
//! digest of other bytes than those that stand there (hazards B1 to B4).
//!
//! The campaign knows nothing of what looks: that is handed in, since a stat cache belongs to the
//! library and not to its tests. So that a cache which never answers does not pass, a share of
//! looks has to be answered without reading where stamps are believed.

mod change;
mod mapped;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use self::change::{Change, Subject};
use super::random::Random;
use super::{Plan, Report};
use crate::disks::{self, Mount};

/// Files on each disk: so many that some come to rest between two looks.
const FILES: usize = 2000;
/// As many of them lie in the folder whose names stay.
const QUIET: usize = 300;
/// After as many rounds the disk is synced.
const SYNC: u64 = 400;
/// After as many rounds the folder whose names stay is looked through.
const THROUGH: u64 = 100;
/// After as many rounds another process looks.
const PROCESS: u64 = 5000;
/// Numbers of points: that of the disk, then that of the round.
const STRIDE: u64 = 1_000_000_000;
/// Rounds after which the share of answers says something.
const ENOUGH: u64 = 5000;
/// Violations after which a disk is given up.
const MOST: usize = 5;

/// What looks at files, as one process does.
pub trait Eyes {
    /// Looks at a file.
    fn look(&mut self, path: &Path) -> io::Result<Look>;

    /// Looks at all files of a folder at once, as at the folder that they make up.
    fn look_through(&mut self, folder: &Path) -> io::Result<BTreeMap<PathBuf, [u8; 32]>>;

    /// Looks at a file as at the output of a process that has just ended.
    fn capture(&mut self, path: &Path) -> io::Result<Look>;
}

/// What a look gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The BLAKE3 hash of the file's bytes, or what is taken for it.
    pub digest: [u8; 32],
    /// Whether the file was read for it.
    pub read: bool,
}

/// A disk to look at files on.
#[derive(Clone, Copy, Debug)]
struct Disk {
    name: &'static str,
    /// The size of its image.
    mebibytes: u64,
    /// Whether looks have to be answered without reading within the time of a campaign.
    answers: bool,
}

const DISKS: [Disk; 6] = [
    disk("ext4", 64, true),
    disk("xfs", 320, true),
    disk("btrfs", 128, true),
    disk("ext2", 64, true),
    disk("tmpfs", 64, false),
    disk("overlay", 64, false),
];

const fn disk(name: &'static str, mebibytes: u64, answers: bool) -> Disk {
    Disk {
        name,
        mebibytes,
        answers,
    }
}

/// What rounds on one disk came to.
#[derive(Default)]
struct Sum {
    rounds: u64,
    changed: u64,
    answered: u64,
    wrong: Vec<String>,
}

/// Looks `plan.times` times in all, on six file systems. `open` gives the eyes of another process,
/// whose stat cache lies in the folder that it is given.
pub fn freshness(plan: &Plan, open: &(dyn Fn(&Path) -> Box<dyn Eyes> + Sync)) -> Report {
    let mut report = Report::new(plan);
    let name = thread::current().name().unwrap_or("freshness").to_owned();
    let chosen = |index: usize| plan.only.is_none_or(|only| only / STRIDE == index as u64);
    let sums: Vec<_> = thread::scope(|scope| {
        let start = |(index, disk): (usize, &'static Disk)| {
            let campaign = Campaign { plan, open, disk };
            // A thread of its own, because its mounts end with it.
            let thread = thread::Builder::new().name(name.clone());
            let rounds = move || campaign.play(index as u64);
            let started = thread.spawn_scoped(scope, rounds);
            (disk, started.expect("a thread can be started"))
        };
        let disks = DISKS.iter().enumerate().filter(|(index, _)| chosen(*index));
        let started: Vec<_> = disks.map(start).collect();
        let ended = started
            .into_iter()
            .map(|(disk, thread)| (disk, thread.join()));
        ended.collect()
    });
    for (disk, ended) in sums {
        match ended {
            Ok(Ok(Some(sum))) => tell(disk, sum, &mut report),
            Ok(Ok(None)) => report.say(format!("skipped: {} cannot be mounted here", disk.name)),
            Ok(Err(error)) => report.violation(format!("{}: {error}", disk.name)),
            Err(_) => report.violation(format!("{}: a panic", disk.name)),
        }
    }
    report
}

fn tell(disk: &Disk, sum: Sum, report: &mut Report) {
    let Sum {
        rounds,
        changed,
        answered,
        wrong,
    } = sum;
    report.count("freshness rounds", rounds);
    report.say(format!(
        "{}: {rounds} looks, {changed} after a change, {answered} answered without reading",
        disk.name
    ));
    if disk.answers && rounds > ENOUGH && answered * 20 < rounds {
        report.violation(format!(
            "{}: only {answered} of {rounds} looks were answered without reading",
            disk.name
        ));
    }
    report.violations.extend(wrong);
}

/// A mounted disk; what lies over it goes with the thread.
struct Mounted {
    folder: PathBuf,
    _mount: Mount,
}

fn mounted(disk: &Disk) -> io::Result<Option<Mounted>> {
    let mount = match disk.name {
        "tmpfs" => disks::tmpfs(disk.mebibytes << 20, None),
        "overlay" => disks::image("ext4", disk.mebibytes),
        name => disks::image(name, disk.mebibytes),
    };
    let Some(mount) = mount else {
        return Ok(None);
    };
    let mut folder = mount.path().to_owned();
    if disk.name == "overlay" {
        for name in ["lower", "upper", "work", "all"] {
            fs::create_dir(folder.join(name))?;
        }
        let options = ["lowerdir=lower", "upperdir=upper", "workdir=work"].join(",");
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options, "all"])
            .current_dir(&folder)
            .output()?;
        if !mounted.status.success() {
            let said = String::from_utf8_lossy(&mounted.stderr).into_owned();
            return Err(io::Error::other(said));
        }
        folder.push("all");
    }
    Ok(Some(Mounted {
        folder,
        _mount: mount,
    }))
}

/// Rounds on one disk.
struct Campaign<'a> {
    plan: &'a Plan,
    open: &'a (dyn Fn(&Path) -> Box<dyn Eyes> + Sync),
    disk: &'static Disk,
}

impl Campaign<'_> {
    fn play(&self, index: u64) -> io::Result<Option<Sum>> {
        let Some(mounted) = mounted(self.disk)? else {
            return Ok(None);
        };
        let began = Instant::now();
        let mut random = Random::new(self.plan.seed ^ index.wrapping_mul(0x9e37_79b9));
        let (stats, files) = (mounted.folder.join("stats"), mounted.folder.join("files"));
        fs::create_dir(&files)?;
        // What one folder holds keeps its names for seconds at a time, so that its status comes to
        // stand for them.
        let quiet = files.join("quiet");
        fs::create_dir(&quiet)?;
        let subject = |number: usize| {
            let folder = if number < QUIET { &quiet } else { &files };
            Subject::new(folder.join(number.to_string()))
        };
        let mut subjects: Vec<_> = (0..FILES).map(subject).collect::<io::Result<_>>()?;
        let mut eyes = (self.open)(&stats);
        let mut sum = Sum::default();
        // To get to a point again, all before it have to be played.
        let last = self.plan.only.map(|only| only % STRIDE);
        let rounds = last.map_or(self.plan.times as u64 / DISKS.len() as u64, |last| last + 1);
        for round in 0..rounds {
            if began.elapsed() > self.plan.limit || sum.wrong.len() >= MOST {
                break;
            }
            if round % PROCESS == PROCESS - 1 {
                // What the one knew is written before the other starts.
                drop(eyes);
                eyes = (self.open)(&stats);
            }
            if round % SYNC == SYNC - 1 {
                rustix::fs::syncfs(&fs::File::open(&files)?)?;
            }
            if round % THROUGH == THROUGH - 1 {
                let wrong = all_at_once(&quiet, eyes.as_mut(), &mut sum)?;
                sum.wrong.extend(wrong);
            }
            let wrong = one_round(&mut subjects, eyes.as_mut(), &mut random, &mut sum)?;
            if let Some(wrong) = wrong {
                let (disk, seed) = (self.disk.name, self.plan.seed);
                let number = index * STRIDE + round;
                sum.wrong
                    .push(format!("{disk}: {wrong} (seed {seed}, number {number})"));
            }
        }
        Ok(Some(sum))
    }
}

/// Looks at all files of a folder at once; returns what was wrong.
fn all_at_once(folder: &Path, eyes: &mut dyn Eyes, sum: &mut Sum) -> io::Result<Option<String>> {
    let found = eyes.look_through(folder)?;
    sum.rounds += 1;
    let mut standing = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let digest = *blake3::hash(&fs::read(&path)?).as_bytes();
        standing.insert(path, digest);
    }
    let differs = standing
        .iter()
        .find(|(path, digest)| found.get(*path) != Some(*digest));
    let gone = found.keys().find(|path| !standing.contains_key(*path));
    let wrong = differs.map(|(path, _)| path).or(gone);
    Ok(wrong.map(|path| format!("`{}`: otherwise in its folder", path.display())))
}

/// Changes one file, or not, and looks at it; returns what was wrong.
fn one_round(
    subjects: &mut [Subject],
    eyes: &mut dyn Eyes,
    random: &mut Random,
    sum: &mut Sum,
) -> io::Result<Option<String>> {
    // Of two files next to each other either can be changed, and then the other is at hand.
    let at = random.below(subjects.len() - 1);
    let (left, right) = subjects.split_at_mut(at + 1);
    let (subject, other) = (&mut left[at], &mut right[0]);
    let mut change = subject.draw(random);
    // Names of the folder that is quiet change now and then only.
    let in_quiet = at < QUIET;
    if in_quiet && change.moves_names() && random.below(200) > 0 {
        change = Change::Backdated;
    }
    subject.change(change, other, random)?;
    let captures = change == Change::Whole && random.below(2) == 0;
    let look = if captures {
        subject.unmap();
        eyes.capture(&subject.path)?
    } else {
        eyes.look(&subject.path)?
    };
    sum.rounds += 1;
    sum.changed += u64::from(!matches!(change, Change::Nothing | Change::Synced));
    sum.answered += u64::from(!look.read);
    let bytes = fs::read(&subject.path)?;
    let right = *blake3::hash(&bytes).as_bytes() == look.digest;
    let how = if look.read {
        "by reading"
    } else {
        "by its stamps"
    };
    Ok((!right).then(|| {
        let file = subject.path.display();
        format!("{change:?} of `{file}`: other bytes were known {how}")
    }))
}
