//! `Change`: the ways in which a file gets other bytes, and those that hide it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags, Stat, Timespec, Timestamps};
use rustix::fs::{UTIME_OMIT, renameat_with, utimensat};

use super::super::random::Random;
use super::mapped::Mapped;

/// Bytes of every file: on two pages.
pub(super) const SIZE: usize = 5000;

/// A stamp that every clock is behind of, and one that every clock is ahead of.
const FUTURE: i64 = 1 << 33;
const PAST: i64 = 1_000_000_000;

/// What happens to a file between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Some bytes are written over.
    Part,
    /// All bytes are written over.
    Whole,
    /// One byte is stored through a mapping that stays.
    Mapped,
    /// The same through a mapping that goes.
    MappedOnce,
    /// Written over, and its time put back.
    Backdated,
    /// Written over, with a time long ago, ever the same.
    Old,
    /// Written over, with a time to come, ever the same.
    Future,
    /// Another file of its size and time takes its name.
    Replaced,
    /// It is removed and made again, with the inode that is free, of its size and time.
    MadeAgain,
    /// It is cut short and grows again.
    CutAndGrown,
    /// Written over while it may not be, and its mode put back.
    Mode,
    /// Written over under another name of its own.
    Linked,
    /// It and another file exchange their names.
    Exchanged,
    /// What it is goes to the disk.
    Synced,
}

impl Change {
    const ALL: [Self; 15] = [
        Self::Nothing,
        Self::Part,
        Self::Whole,
        Self::Mapped,
        Self::MappedOnce,
        Self::Backdated,
        Self::Old,
        Self::Future,
        Self::Replaced,
        Self::MadeAgain,
        Self::CutAndGrown,
        Self::Mode,
        Self::Linked,
        Self::Exchanged,
        Self::Synced,
    ];

    /// Says whether the names in the folder change for it, if only for a moment.
    pub(super) fn moves_names(self) -> bool {
        matches!(
            self,
            Self::Replaced | Self::MadeAgain | Self::Linked | Self::Exchanged
        )
    }
}

/// A file that changes.
pub(super) struct Subject {
    pub(super) path: PathBuf,
    mapped: Option<Mapped>,
    pub(super) last: Change,
}

impl Subject {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        fs::write(&path, [0; SIZE])?;
        Ok(Self {
            path,
            mapped: None,
            last: Change::Nothing,
        })
    }

    /// Draws what happens next. Half of the time it is nothing, so that there is something to be
    /// remembered; what is mapped is often stored to again, since only that is unseen.
    pub(super) fn draw(&self, random: &mut Random) -> Change {
        match random.below(6) {
            0..3 => Change::Nothing,
            3 | 4 if self.mapped.is_some() => Change::Mapped,
            _ => Change::ALL[random.below(Change::ALL.len())],
        }
    }

    /// Lets go of the file: nobody stores to it through memory any more.
    pub(super) fn unmap(&mut self) {
        self.mapped = None;
    }

    /// Changes it; `other` is another file.
    pub(super) fn change(
        &mut self,
        change: Change,
        other: &mut Self,
        random: &mut Random,
    ) -> io::Result<()> {
        self.last = change;
        let before = rustix::fs::stat(&self.path)?;
        let byte = u8::try_from(random.below(255)).expect("below 256");
        match change {
            Change::Nothing => {}
            Change::Part => {
                let at = random.below(SIZE - 9) as u64;
                writable(&self.path)?.write_all_at(&[byte; 8], at)?;
            }
            Change::Whole => self.rewrite(byte)?,
            Change::Mapped | Change::MappedOnce => self.store(random.below(SIZE), byte)?,
            Change::Backdated => {
                self.rewrite(byte)?;
                back_to(&self.path, &before)?;
            }
            Change::Old | Change::Future => {
                self.rewrite(byte)?;
                let seconds = if change == Change::Old { PAST } else { FUTURE };
                stamp(&self.path, seconds, 0)?;
            }
            Change::Replaced => {
                self.unmap();
                let new = self.path.with_extension("new");
                fs::write(&new, [byte; SIZE])?;
                back_to(&new, &before)?;
                fs::rename(&new, &self.path)?;
            }
            Change::MadeAgain => {
                self.unmap();
                fs::remove_file(&self.path)?;
                fs::write(&self.path, [byte; SIZE])?;
                back_to(&self.path, &before)?;
            }
            Change::CutAndGrown => {
                self.unmap();
                let file = writable(&self.path)?;
                let at = random.below(SIZE);
                file.set_len(at as u64)?;
                file.write_all_at(&vec![byte; SIZE - at], at as u64)?;
            }
            Change::Mode => {
                fs::set_permissions(&self.path, fs::Permissions::from_mode(0o444))?;
                self.rewrite(byte)?;
                fs::set_permissions(&self.path, fs::Permissions::from_mode(0o644))?;
                back_to(&self.path, &before)?;
            }
            Change::Linked => {
                let link = self.path.with_extension("link");
                fs::hard_link(&self.path, &link)?;
                writable(&link)?.write_all_at(&[byte; SIZE], 0)?;
                fs::remove_file(&link)?;
            }
            Change::Exchanged => {
                // What was mapped stays with its inode.
                std::mem::swap(&mut self.mapped, &mut other.mapped);
                renameat_with(CWD, &self.path, CWD, &other.path, RenameFlags::EXCHANGE)?;
            }
            Change::Synced => File::open(&self.path)?.sync_data()?,
        }
        Ok(())
    }

    fn rewrite(&self, byte: u8) -> io::Result<()> {
        writable(&self.path)?.write_all_at(&[byte; SIZE], 0)
    }

    fn store(&mut self, at: usize, byte: u8) -> io::Result<()> {
        let mapped = match self.mapped.take() {
            Some(mapped) => mapped,
            None => Mapped::open(&self.path, SIZE)?,
        };
        mapped.store(at, byte);
        if self.last == Change::Mapped {
            self.mapped = Some(mapped);
        }
        Ok(())
    }
}

fn writable(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

/// Sets the time of a file to what it was.
fn back_to(path: &Path, before: &Stat) -> io::Result<()> {
    let nanos = i64::try_from(before.st_mtime_nsec).unwrap_or(0);
    stamp(path, before.st_mtime, nanos)
}

fn stamp(path: &Path, seconds: i64, nanos: i64) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanos,
        },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::empty())?)
}
