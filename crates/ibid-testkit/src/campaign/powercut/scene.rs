//! `Scene`: a machine with a disk, units that are run on it, and what they have to come to.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::snapshot::{Item, Snapshot, remove};
use super::image::Image;
use super::machine::{Ended, Machine, quoted};
use super::recording::Acknowledged;
use super::workload::{INPUTS, Unit};
use super::{Durability, Setting};
use crate::TempDir;

/// The bytes of all inputs.
pub(super) type Inputs = Vec<Vec<u8>>;

/// The first inode of an image.
const FIRST: u64 = 10;

/// No command of a check takes longer; one that does is a violation, not the end of the campaign.
const PATIENCE: &str = "timeout -s KILL 60";

/// What a unit gives.
#[derive(Clone, PartialEq, Eq)]
struct Outcome {
    stdout: Vec<u8>,
    outputs: Vec<Snapshot>,
}

/// What an image was good for.
pub(super) enum Found {
    /// The file system itself does not mount.
    Unmountable,
    /// It was used.
    Used {
        /// Commands that ran again.
        lost: u64,
        /// Runs that needed no command.
        kept: u64,
        wrong: Vec<String>,
    },
}

/// The machine and its folders.
pub(super) struct Scene {
    pub(super) machine: Machine,
    pub(super) units: &'static [Unit],
    /// Whether the binary has `fsck`.
    pub(super) may_check: bool,
    binary: PathBuf,
    durability: Durability,
    expected: HashMap<(usize, Inputs), Outcome>,
    images: u64,
    /// Goes last.
    pub(super) dir: TempDir,
}

impl Scene {
    pub(super) fn new(binary: &Path, durability: Durability) -> io::Result<Self> {
        let dir = TempDir::new();
        for folder in ["home", "config", "tmp", "shadow"] {
            fs::create_dir(dir.join(folder))?;
        }
        let at = |below: &str| dir.join(below).to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = [
            ("PATH", path),
            ("HOME", at("home")),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_CACHE_HOME", at("mnt/cache")),
            ("IBID_LOCAL_DIR", at("mnt/local")),
            ("IBID_DURABILITY", durability.word().to_owned()),
            ("TMPDIR", at("tmp")),
            ("TZ", "UTC".to_owned()),
            ("RUNS", at("runs")),
        ];
        Ok(Self {
            machine: Machine::start(dir.path(), &env)?,
            units: &[],
            may_check: false,
            binary: binary.to_owned(),
            durability,
            expected: HashMap::new(),
            images: 0,
            dir,
        })
    }

    /// Returns a path on the mounted disk.
    pub(super) fn disk(&self, below: &str) -> PathBuf {
        self.machine.path("mnt").join(below)
    }

    /// Mounts the disk with this inode.
    pub(super) fn mount(&mut self, setting: &Setting, inode: u64) -> io::Result<Ended> {
        let options = setting.file_system.mount;
        self.machine
            .must(&format!("mount {options} disks/{inode} mnt"))
    }

    /// Runs the binary in the workspace on the disk.
    pub(super) fn ibid(&mut self, words: &[&str]) -> io::Result<Ended> {
        let binary = self.binary.to_string_lossy().into_owned();
        let words = quoted([binary.as_str()].into_iter().chain(words.iter().copied()));
        self.machine
            .run(&format!("(cd mnt/work && exec {PATIENCE}{words})"))
    }

    /// Runs a unit through the binary.
    pub(super) fn run(&mut self, unit: usize, more: &[&str]) -> io::Result<Ended> {
        let Unit {
            options, script, ..
        } = &self.units[unit];
        let Some(options) = options else {
            let words: Vec<&str> = ["run"].into_iter().chain(more.iter().copied()).collect();
            return self.ibid(&words);
        };
        let script = format!("echo {unit} >> \"$RUNS\"; {script}");
        let mut words = vec!["exec", "--pass-env", "RUNS"];
        words.extend(options.iter().chain(more));
        words.extend(["--", "sh", "-c", &script]);
        self.ibid(&words)
    }

    /// Reads all inputs as they are on the disk.
    pub(super) fn inputs(&self) -> io::Result<Inputs> {
        let work = self.disk("work");
        INPUTS
            .iter()
            .map(|input| fs::read(work.join(input)))
            .collect()
    }

    pub(super) fn remove_outputs(&self, unit: usize) {
        for place in self.units[unit].places {
            remove(&self.disk("work").join(place));
        }
    }

    /// Returns how many commands ran so far.
    fn runs(&self) -> u64 {
        let text = fs::read_to_string(self.dir.join("runs")).unwrap_or_default();
        text.lines().count() as u64
    }

    /// Returns what a unit has to give for these inputs: its command is run without the binary
    /// under test, once.
    fn expected(&mut self, unit: usize, inputs: &Inputs) -> io::Result<Outcome> {
        let key = (unit, inputs.clone());
        if let Some(known) = self.expected.get(&key) {
            return Ok(known.clone());
        }
        let shadow = self.dir.join("shadow");
        remove(&shadow);
        fs::create_dir(&shadow)?;
        for (name, bytes) in INPUTS.iter().zip(inputs) {
            fs::write(shadow.join(name), bytes)?;
        }
        let Unit { script, places, .. } = &self.units[unit];
        let words = quoted(["sh", "-eu", "-c", script]);
        let ran = self.machine.must(&format!("(cd shadow && exec{words})"))?;
        let outcome = Outcome {
            stdout: ran.stdout,
            outputs: places
                .iter()
                .map(|at| Snapshot::of(&shadow.join(at)))
                .collect(),
        };
        self.expected.insert(key, outcome.clone());
        Ok(outcome)
    }

    /// Mounts an image in a boot of its own and uses it.
    pub(super) fn check(
        &mut self,
        setting: &Setting,
        image: Image,
        number: u64,
        acknowledged: &Acknowledged,
    ) -> io::Result<Found> {
        self.images += 1;
        let inode = FIRST + self.images;
        self.machine.disks.shelf().images.insert(inode, image);
        self.machine.boot(inode)?;
        // A lease that the cut tore is waited for: bounded, but too long to be done so often.
        self.machine.must("export IBID_LEASES=false")?;
        // What a boot does where there is no journal. From 4 on errors are left: writes to such a
        // disk may fail for ever.
        let is_whole = setting.file_system.name != "ext2"
            || self.machine.run(&format!("e2fsck -fy disks/{inode}"))?.code < 4;
        let found = if !is_whole || self.mount(setting, inode).is_err() {
            Ok(Found::Unmountable)
        } else {
            let found = self.try_out(number, acknowledged);
            self.machine.unmount()?;
            found
        };
        self.machine.disks.shelf().images.remove(&inode);
        found
    }

    fn try_out(&mut self, number: u64, acknowledged: &Acknowledged) -> io::Result<Found> {
        let before = self.runs();
        let mut wrong = Vec::new();
        self.mend_workspace()?;
        // Outputs are met as they are found, and missing.
        for unit in 0..self.units.len() {
            if number.is_multiple_of(2) || self.has_foreign_link(unit)? {
                self.remove_outputs(unit);
            }
        }
        let mut kept = 0;
        for unit in 0..self.units.len() {
            kept += u64::from(!self.ask(unit, acknowledged, &mut wrong)?);
        }
        let lost = self.runs() - before;
        if self.may_check {
            let ran = self.ibid(&["fsck"])?;
            if !(0..57).contains(&ran.code) {
                wrong.push(format!("`fsck`: {}", ran.said()));
            }
        }
        // Where outputs were in place, blobs are read in the first of these for the first time.
        let late = !number.is_multiple_of(2);
        for may_run in [late, false] {
            let before = self.runs();
            for unit in 0..self.units.len() {
                self.remove_outputs(unit);
                if self.ask(unit, acknowledged, &mut wrong)? && !may_run {
                    wrong.push(format!("unit {unit} ran again in the next run"));
                }
            }
            if self.runs() == before {
                break;
            }
        }
        Ok(Found::Used { lost, kept, wrong })
    }

    /// Runs a unit and notes what is wrong with that; says whether a command ran.
    fn ask(
        &mut self,
        unit: usize,
        acknowledged: &Acknowledged,
        wrong: &mut Vec<String>,
    ) -> io::Result<bool> {
        let inputs = self.inputs()?;
        let ran = self.compare(unit, &inputs, wrong)?;
        let promised =
            self.durability == Durability::Synced && acknowledged.get(&unit) == Some(&inputs);
        if ran && promised {
            wrong.push(format!("unit {unit} was acknowledged and ran again"));
        }
        Ok(ran)
    }

    /// Puts inputs back that are no files any more, and takes away what stands in the place of the
    /// folder that the binary under test makes, which it rightly refuses: without a journal a name
    /// can come to lead to another's inode.
    fn mend_workspace(&self) -> io::Result<()> {
        for input in INPUTS {
            let path = self.disk("work").join(input);
            if fs::read(&path).is_err() {
                remove(&path);
                fs::write(&path, input)?;
            }
        }
        let own = self.disk("work/.ibid");
        if !own.is_dir() {
            remove(&own);
        }
        Ok(())
    }

    /// Says whether there is a link among a unit's outputs that no command made: `e2fsck` can give
    /// a name to another's inode. A link of the user's own is the way to where an output lies.
    fn has_foreign_link(&mut self, unit: usize) -> io::Result<bool> {
        let inputs = self.inputs()?;
        let expected = self.expected(unit, &inputs)?;
        let is_foreign = |(place, expected): (&&str, &Snapshot)| {
            let found = Snapshot::of(&self.disk("work").join(place));
            let mut items = found.0.iter();
            items
                .any(|(at, item)| matches!(item, Item::Link(_)) && expected.0.get(at) != Some(item))
        };
        let places = self.units[unit].places.iter();
        Ok(places.zip(&expected.outputs).any(is_foreign))
    }

    /// Runs a unit and notes in what it differs from what it has to be; says whether a command
    /// ran.
    fn compare(
        &mut self,
        unit: usize,
        inputs: &Inputs,
        wrong: &mut Vec<String>,
    ) -> io::Result<bool> {
        let expected = self.expected(unit, inputs)?;
        let before = self.runs();
        let ran = self.run(unit, &[])?;
        let Unit {
            options, places, ..
        } = &self.units[unit];
        if ran.code != 0 {
            wrong.push(format!("unit {unit}: {}", ran.said()));
        } else if options.is_some() && ran.stdout != expected.stdout {
            let said = ran.said();
            wrong.push(format!("unit {unit}: another standard output: {said}"));
        }
        for (place, expected) in places.iter().zip(&expected.outputs) {
            let found = Snapshot::of(&self.disk("work").join(place));
            if let Some(difference) = found.difference(expected) {
                let said = ran.said();
                wrong.push(format!(
                    "unit {unit}, output `{place}`: {difference}: {said}"
                ));
            }
        }
        Ok(self.runs() > before)
    }
}
