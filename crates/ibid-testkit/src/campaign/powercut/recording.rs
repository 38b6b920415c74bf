//! `Recording`: a workload done once, with what the disk was told meanwhile.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::super::random::Random;
use super::super::snapshot::Snapshot;
use super::fuse::LIVE;
use super::image::{Image, Record};
use super::scene::{Inputs, Scene};
use super::workload::{Act, Edit, INPUTS, PIPELINE};
use super::{FileSystem, Setting};

/// The boot in which an earlier one's work is done, and that of the workload.
const BOOTS: (u64, u64) = (1, 2);

/// Empty disks, by file system.
#[derive(Default)]
pub(super) struct Bases(HashMap<&'static str, Image>);

impl Bases {
    fn get(&mut self, file_system: FileSystem, scene: &Scene) -> io::Result<Image> {
        if let Some(image) = self.0.get(file_system.make[0]) {
            return Ok(image.clone());
        }
        let path = scene.dir.join("empty.img");
        File::create(&path)?.set_len(file_system.mebibytes << 20)?;
        let made = Command::new(file_system.make[0])
            .args(&file_system.make[1..])
            .arg(&path)
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(io::Error::other(said));
        }
        let image = Image::load(&path)?;
        fs::remove_file(&path)?;
        self.0.insert(file_system.make[0], image.clone());
        Ok(image)
    }
}

/// What was acknowledged so far: per unit the inputs that its last stored result had.
pub(super) type Acknowledged = HashMap<usize, Inputs>;

/// A workload that was done.
pub(super) struct Recording {
    /// The disk before it.
    pub(super) base: Image,
    pub(super) log: Vec<Record>,
    /// What was acknowledged at each mark of the log.
    pub(super) acknowledged: Vec<Acknowledged>,
}

impl Recording {
    /// Does the workload.
    pub(super) fn make(
        setting: &Setting,
        bases: &mut Bases,
        scene: &mut Scene,
        random: &mut Random,
    ) -> io::Result<Self> {
        let workload = setting.workload;
        scene.units = workload.units;
        let empty = bases.get(setting.file_system, scene)?;
        scene.machine.disks.shelf().images.insert(LIVE, empty);
        scene.machine.boot(BOOTS.0)?;
        scene.mount(setting, LIVE)?;
        for folder in ["work", "cache", "local"] {
            fs::create_dir(scene.disk(folder))?;
        }
        for input in INPUTS {
            fs::write(scene.disk("work").join(input), content(input, 0))?;
        }
        fs::write(scene.disk("work/ibid.toml"), PIPELINE)?;
        let mut done = Done::default();
        for act in workload.earlier {
            done.act(*act, scene)?;
        }
        scene.machine.unmount()?;
        let base = {
            let mut shelf = scene.machine.disks.shelf();
            shelf.log.clear();
            shelf.images[&LIVE].clone()
        };
        scene.machine.boot(BOOTS.1)?;
        scene.mount(setting, LIVE)?;
        done.mark(scene);
        for act in workload.acts {
            done.act(*act, scene)?;
            done.mark(scene);
            disturb(scene, random)?;
        }
        scene.machine.must("sync -f mnt")?;
        scene.machine.unmount()?;
        let mut shelf = scene.machine.disks.shelf();
        shelf.images.remove(&LIVE);
        Ok(Self {
            base,
            log: std::mem::take(&mut shelf.log),
            acknowledged: done.marks,
        })
    }
}

/// How far a workload is.
#[derive(Default)]
struct Done {
    versions: HashMap<&'static str, usize>,
    acknowledged: Acknowledged,
    marks: Vec<Acknowledged>,
}

impl Done {
    fn mark(&mut self, scene: &Scene) {
        let mark = Record::Mark(self.marks.len());
        scene.machine.disks.shelf().log.push(mark);
        self.marks.push(self.acknowledged.clone());
    }

    fn act(&mut self, act: Act, scene: &mut Scene) -> io::Result<()> {
        match act {
            Act::Run(unit) | Act::Force(unit) => {
                let more: &[&str] = if matches!(act, Act::Force(_)) {
                    &["--force"]
                } else {
                    &[]
                };
                let inputs = scene.inputs()?;
                let ran = scene.run(unit, more)?;
                if ran.code != 0 {
                    return Err(io::Error::other(ran.said()));
                }
                self.acknowledged.insert(unit, inputs);
            }
            Act::Remove(unit) => scene.remove_outputs(unit),
            Act::Edit(input, edit) => {
                let version = self.versions.entry(input).or_default();
                *version += 1;
                change(scene, input, edit, *version)?;
            }
            Act::Forget(words) => {
                self.acknowledged.clear();
                self.mark(scene);
                let ran = scene.ibid(words)?;
                if ran.code != 0 {
                    return Err(io::Error::other(ran.said()));
                }
            }
        }
        Ok(())
    }
}

/// Returns an input's bytes: of one size in every version, on more than one page.
fn content(input: &str, version: usize) -> Vec<u8> {
    format!("{input}, version {version:03}\n")
        .repeat(450)
        .into_bytes()
}

fn change(scene: &Scene, input: &str, edit: Edit, version: usize) -> io::Result<()> {
    let path = scene.disk("work").join(input);
    let bytes = content(input, version);
    match edit {
        Edit::InPlace => File::options()
            .write(true)
            .open(&path)?
            .write_all_at(&bytes, 0),
        Edit::Backdated => {
            let before = rustix::fs::stat(&path)?;
            File::options()
                .write(true)
                .open(&path)?
                .write_all_at(&bytes, 0)?;
            let omitted = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            let times = Timestamps {
                last_access: omitted,
                last_modification: Timespec {
                    tv_sec: before.st_mtime,
                    tv_nsec: i64::try_from(before.st_mtime_nsec).unwrap_or(0),
                },
            };
            Ok(utimensat(rustix::fs::CWD, &path, &times, AtFlags::empty())?)
        }
        Edit::Anew => fs::write(&path, &bytes),
        Edit::Replaced => {
            let other = path.with_extension("new");
            fs::write(&other, &bytes)?;
            fs::rename(&other, &path)
        }
    }
}

/// What others do on the disk meanwhile: a sync of one file brings names and times of all to the
/// disk, and the bytes of one (hazard B8).
fn disturb(scene: &mut Scene, random: &mut Random) -> io::Result<()> {
    match random.below(6) {
        0 | 1 => {
            let path = scene.disk("other");
            let mut other = File::options().create(true).append(true).open(path)?;
            other.write_all(b"another program's file\n")?;
            other.sync_all()
        }
        2 => scene.machine.must("sync -f mnt").map(drop),
        3 | 4 => {
            let cache = scene.disk("cache");
            let files: Vec<_> = Snapshot::of(&cache).files().cloned().collect();
            if files.is_empty() {
                return Ok(());
            }
            let one = cache.join(&files[random.below(files.len())]);
            File::open(one)?.sync_data()
        }
        _ => Ok(()),
    }
}
