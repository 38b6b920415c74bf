//! Every state that a disk can be in after a power cut, on five file systems.
//!
//! ```text
//! mkfs, an earlier boot's work  ->  base image
//! base image, a workload        ->  log of writes, flushes and how far the workload was
//! base image, log, a cut        ->  image  ->  mounted in another boot, used, compared
//! ```
//!
//! The workspace, the store and the stat cache lie on the disk. What has to come out is known
//! from the inputs as they are found after the cut, whatever those are. A result is exact or its
//! command runs again; the run after that is a hit. In a synced store nothing that was
//! acknowledged before the cut runs again.

mod fuse;
mod image;
mod machine;
mod recording;
mod scene;
mod workload;

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use self::image::{Replay, cuts};
use self::recording::{Bases, Recording};
use self::scene::{Found, Scene};
use self::workload::{WORKLOADS, Workload};
use super::random::Random;
use super::{Plan, Report};

/// As many images come from one recording, where the plan allows a choice.
const IMAGES_EACH: usize = 40;
/// Numbers of points: that of the disk and its workload, then that of the cut.
const STRIDE: u64 = 1_000_000;
/// Images of violations that are kept.
const MOST_KEPT: usize = 3;

/// A file system, how it is made and how it is mounted.
#[derive(Clone, Copy, Debug)]
struct FileSystem {
    name: &'static str,
    mebibytes: u64,
    make: &'static [&'static str],
    mount: &'static str,
}

const EXT4: &[&str] = &[
    "mkfs.ext4",
    "-q",
    "-F",
    "-E",
    "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
];

const FILE_SYSTEMS: [FileSystem; 5] = [
    FileSystem {
        name: "ext4",
        mebibytes: 48,
        make: EXT4,
        mount: "-t ext4 -o loop",
    },
    FileSystem {
        name: "ext4, data=writeback",
        mebibytes: 48,
        make: EXT4,
        mount: "-t ext4 -o loop,data=writeback",
    },
    FileSystem {
        name: "xfs",
        mebibytes: 320,
        make: &["mkfs.xfs", "-q", "-f", "-K"],
        mount: "-t xfs -o loop",
    },
    FileSystem {
        name: "btrfs",
        mebibytes: 128,
        make: &["mkfs.btrfs", "-q", "-f", "-K"],
        mount: "-t btrfs -o loop",
    },
    FileSystem {
        name: "ext2",
        mebibytes: 48,
        make: &["mkfs.ext2", "-q", "-F", "-E", "nodiscard"],
        mount: "-t ext2 -o loop",
    },
];

/// What a result survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Verified,
    Synced,
}

impl Durability {
    fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Synced => "synced",
        }
    }
}

/// A disk and what is done on it.
#[derive(Clone, Copy)]
struct Setting {
    file_system: FileSystem,
    workload: &'static Workload,
    durability: Durability,
    /// Its place among all, which its points' numbers begin with.
    number: u64,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (disk, durability) = (self.file_system.name, self.durability.word());
        write!(f, "{} on {disk}, {durability}", self.workload.name)
    }
}

/// What the images of one kind of disk came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    images: u64,
    unmountable: u64,
    /// Commands that ran again.
    lost: u64,
    /// Commands that were spared although the power was cut.
    kept: u64,
}

/// Says what this campaign lacks on this machine, if anything.
pub fn powercut_lacks(plan: &Plan) -> Option<String> {
    let scene = Scene::new(&plan.binary, Durability::Verified);
    if let Err(error) = scene {
        return Some(format!("no disk can be mounted here: {error}"));
    }
    let programs = FILE_SYSTEMS.iter().map(|disk| disk.make[0]);
    let missing = programs.chain(["e2fsck"]).find(|name| !installed(name));
    missing.map(|name| format!("`{name}` is not installed"))
}

fn installed(program: &str) -> bool {
    let found = std::process::Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output();
    found.is_ok_and(|found| found.status.success())
}

/// Cuts the power `plan.times` times.
pub fn powercut(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    if let Some(lack) = powercut_lacks(plan) {
        report.say(format!("skipped: {lack}"));
        return report;
    }
    let mut sums = BTreeMap::new();
    let mut settings = settings(plan, &mut report);
    if let Some(only) = plan.only {
        settings.retain(|setting| setting.number == only / STRIDE);
    } else {
        Random::new(plan.seed).shuffle(&mut settings);
        settings.truncate((plan.times / IMAGES_EACH).max(1));
    }
    let share = plan.times.div_ceil(settings.len().max(1));
    for (name, sum) in play_all(&settings, share, plan, &mut report) {
        let all: &mut Sum = sums.entry(name).or_default();
        all.images += sum.images;
        all.unmountable += sum.unmountable;
        all.lost += sum.lost;
        all.kept += sum.kept;
    }
    for (name, sum) in sums {
        let Sum {
            images,
            unmountable,
            lost,
            kept,
        } = sum;
        report.count("crash images", images - unmountable);
        report.count("crash images that do not mount", unmountable);
        report.say(format!(
            "{name}: {images} images, {unmountable} of which the file system itself does not \
             mend and mount; {lost} commands ran again, {kept} were spared"
        ));
    }
    report
}

/// Plays so many images of each setting, on one machine for each processor.
fn play_all(
    settings: &[Setting],
    share: usize,
    plan: &Plan,
    report: &mut Report,
) -> Vec<(&'static str, Sum)> {
    let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let (whole, sums) = (Mutex::new(report), Mutex::new(Vec::new()));
    let work = || {
        let mut bases = Bases::default();
        while let Some(setting) = settings.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut own = whole.lock().expect("no worker panics in here").begin_part();
            if own.is_over(plan) {
                return;
            }
            match (Campaign { plan, setting }).play(&mut bases, share, &mut own) {
                Ok(sum) => {
                    let mut sums = sums.lock().expect("no worker panics in here");
                    sums.push((setting.file_system.name, sum));
                }
                Err(error) => own.violation(format!("{setting}: the campaign failed: {error}")),
            }
            whole.lock().expect("no worker panics in here").take(own);
        }
    };
    thread::scope(|scope| {
        for _ in 0..processors.min(settings.len()) {
            scope.spawn(work);
        }
    });
    sums.into_inner().expect("no worker panics in here")
}

/// Lists what can be played, and names what cannot.
fn settings(plan: &Plan, report: &mut Report) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut number = 0;
    for workload in WORKLOADS {
        let missing = workload.needs.filter(|verb| !has_verb(plan, verb));
        if let Some(verb) = missing {
            report.say(format!("skipped: the binary has no `{verb}`"));
        }
        for file_system in FILE_SYSTEMS {
            for durability in [Durability::Verified, Durability::Synced] {
                if missing.is_none() {
                    settings.push(Setting {
                        file_system,
                        workload,
                        durability,
                        number,
                    });
                }
                number += 1;
            }
        }
    }
    settings
}

/// Says whether the binary knows a command, by doing it on a store of its own.
fn has_verb(plan: &Plan, verb: &str) -> bool {
    let env = crate::TestEnv::new(&plan.binary);
    env.run(["exec", "--", "true"]);
    env.run([verb]).code == Some(0)
}

/// One setting, played.
struct Campaign<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
}

impl Campaign<'_> {
    fn play(&self, bases: &mut Bases, share: usize, report: &mut Report) -> io::Result<Sum> {
        let Self { plan, setting } = *self;
        let mut random = Random::new(plan.seed ^ setting.number.wrapping_mul(0x9e37_79b9));
        let mut scene = Scene::new(&plan.binary, setting.durability)?;
        scene.may_check = has_verb(plan, "fsck");
        let recording = Recording::make(setting, bases, &mut scene, &mut random)?;
        let log = &recording.log;
        let all = cuts(log, &mut random);
        let mut numbers: Vec<usize> = (0..all.len()).collect();
        if let Some(only) = plan.only {
            numbers.retain(|number| *number as u64 == only % STRIDE);
        } else {
            random.shuffle(&mut numbers);
            numbers.truncate(share);
            numbers.sort_unstable();
        }
        let mut replay = Replay::new(&recording.base, log);
        let mut sum = Sum::default();
        for number in numbers {
            if report.is_over(plan) {
                break;
            }
            let cut = &all[number];
            let image = replay.image(cut);
            let acknowledged = &recording.acknowledged[cut.reached(log)];
            let found = scene.check(setting, image.clone(), number as u64, acknowledged)?;
            sum.images += 1;
            match found {
                Found::Unmountable => sum.unmountable += 1,
                Found::Used { lost, kept, wrong } => {
                    sum.lost += lost;
                    sum.kept += kept;
                    let point = setting.number * STRIDE + number as u64;
                    for wrong in wrong {
                        let kept = keep(&image, plan.seed, point, report);
                        report.violation(format!(
                            "{setting}, {cut}: {wrong} (seed {}, number {point}{kept})",
                            plan.seed
                        ));
                    }
                }
            }
        }
        Ok(sum)
    }
}

/// Keeps the image of a violation: what a disk does in which order is not drawn from the seed.
fn keep(image: &image::Image, seed: u64, point: u64, report: &Report) -> String {
    if report.violations().len() >= MOST_KEPT {
        return String::new();
    }
    let path = std::env::temp_dir().join(format!("ibid-powercut-{seed}-{point}.img"));
    match image.save(&path) {
        Ok(()) => format!(", kept as `{}`", path.display()),
        Err(error) => format!(", `{}` could not be kept: {error}", path.display()),
    }
}
