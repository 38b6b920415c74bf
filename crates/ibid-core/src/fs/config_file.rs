//! Settings files: small, read whole, and only worth as much as their owner.

use std::io::Read as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;

use super::{IoContext as _, PathError};

/// A larger settings file is a mistake, or somebody's attempt to fill the memory.
const LIMIT: u64 = 4 << 20;

/// A settings file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The user ids that own the file and, where the path is a link, the link.
    pub owners: [u32; 2],
}

/// Reads the settings file at `path`; `None` if nothing is there.
///
/// Fails if it is anything but a regular file of at most 4 MiB, or may not be read. A folder that
/// may not be searched counts as one without the file.
pub fn read_config_file(path: &Path) -> Result<Option<ConfigFile>, PathError> {
    // A FIFO at this path must not block.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::ACCESS) if matches!(rustix::fs::lstat(path), Err(Errno::ACCESS)) => {
            return Ok(None);
        }
        Err(error) => return Err(error).context("open", path),
    };
    let stat = rustix::fs::fstat(&file).context("look at", path)?;
    if FileType::from_raw_mode(stat.st_mode as RawMode) != FileType::RegularFile {
        return Err(std::io::Error::other("not a regular file")).context("read", path);
    }
    let link = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).context("look at", path)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .context("read", path)?;
    if bytes.len() as u64 > LIMIT {
        return Err(std::io::Error::other("larger than 4 MiB")).context("read", path);
    }
    Ok(Some(ConfigFile {
        bytes,
        owners: [stat.st_uid, link.st_uid],
    }))
}
