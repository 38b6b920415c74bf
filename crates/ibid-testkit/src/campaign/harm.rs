//! Ways to damage one file of a store.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::random::Random;
use super::snapshot::remove;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    FlipFirst,
    FlipMiddle,
    FlipLast,
    FlipAnywhere,
    /// One byte changes and mtime does not.
    FlipUnseen,
    CutAll,
    CutHalf,
    CutLast,
    Zero,
    ExtendByZero,
    ExtendByItself,
    Remove,
    /// The file and its neighbour swap names.
    Swap,
    /// The neighbour's bytes stand under the file's name.
    Neighbour,
    /// A link to the neighbour.
    Link,
    /// A folder that holds a file.
    Folder,
    /// A FIFO: whoever opens it carelessly waits for ever.
    Fifo,
}

impl Harm {
    pub(super) const ALL: [Self; 17] = [
        Self::FlipFirst,
        Self::FlipMiddle,
        Self::FlipLast,
        Self::FlipAnywhere,
        Self::FlipUnseen,
        Self::CutAll,
        Self::CutHalf,
        Self::CutLast,
        Self::Zero,
        Self::ExtendByZero,
        Self::ExtendByItself,
        Self::Remove,
        Self::Swap,
        Self::Neighbour,
        Self::Link,
        Self::Folder,
        Self::Fifo,
    ];

    /// Does it to `file`; returns whether anything is different now.
    pub(super) fn inflict(self, file: &Path, neighbour: &Path, random: &mut Random) -> bool {
        let good = fs::read(file).expect("the file is there");
        let other = fs::read(neighbour).expect("the neighbour is there");
        let length = good.len();
        let flipped = |at: usize| {
            let mut bad = good.clone();
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 1;
            }
            bad
        };
        let bad = match self {
            Self::FlipFirst => flipped(0),
            Self::FlipMiddle | Self::FlipUnseen => flipped(length / 2),
            Self::FlipLast => flipped(length.saturating_sub(1)),
            Self::FlipAnywhere => flipped(random.below(length.max(1))),
            Self::CutAll => Vec::new(),
            Self::CutHalf => good[..length / 2].to_vec(),
            Self::CutLast => good[..length.saturating_sub(1)].to_vec(),
            Self::Zero => vec![0; length],
            Self::ExtendByZero => [good.as_slice(), b"\0"].concat(),
            Self::ExtendByItself => good.repeat(2),
            Self::Neighbour => other.clone(),
            Self::Swap => {
                swap(file, neighbour);
                return good != other;
            }
            Self::Remove | Self::Link | Self::Folder | Self::Fifo => {
                let replaced = self.replace(file, neighbour);
                replaced.expect("the store is ours");
                return true;
            }
        };
        rewrite(file, &bad, self == Self::FlipUnseen).expect("the store is ours");
        bad != good
    }

    /// Puts something else in the place of a file.
    fn replace(self, file: &Path, neighbour: &Path) -> io::Result<()> {
        remove(file);
        match self {
            Self::Link => symlink(neighbour, file),
            Self::Folder => {
                fs::create_dir(file)?;
                fs::write(file.join("inside"), "x")
            }
            Self::Fifo => {
                let (kind, mode) = (rustix::fs::FileType::Fifo, 0o644.into());
                Ok(rustix::fs::mknodat(rustix::fs::CWD, file, kind, mode, 0)?)
            }
            _ => Ok(()),
        }
    }
}

fn rewrite(file: &Path, content: &[u8], unseen: bool) -> io::Result<()> {
    let metadata = fs::metadata(file)?;
    let (mode, mtime): (_, SystemTime) = (metadata.permissions(), metadata.modified()?);
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
    fs::write(file, content)?;
    if unseen {
        fs::File::options()
            .write(true)
            .open(file)?
            .set_modified(mtime)?;
    }
    fs::set_permissions(file, mode)
}

fn swap(one: &Path, two: &Path) {
    let mut aside = one.as_os_str().to_owned();
    aside.push(".aside");
    let aside = PathBuf::from(aside);
    for (from, to) in [(one, aside.as_path()), (two, one), (&aside, two)] {
        fs::rename(from, to).expect("the store is ours");
    }
}
