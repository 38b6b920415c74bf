//! Settings files: read whole, and only worth as much as their owner.

use std::path::Path;

use rustix::io::Errno;

use super::{
    IfPresent as _, IoContext as _, PathError, Signature, open_file, read_limited, witness,
};

/// A larger settings file is a mistake, or somebody's attempt to fill the memory. A file of 100,000
/// written-out steps has some 14 MiB.
const LIMIT: u64 = 64 << 20;

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
/// Fails if it is anything but a regular file of at most 64 MiB, or may not be read. A folder that
/// may not be searched counts as one without the file.
pub fn read_config_file(path: &Path) -> Result<Option<ConfigFile>, PathError> {
    let file = match open_file(path).unless_absent() {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(error)
            if error.is_denied() && matches!(rustix::fs::lstat(path), Err(Errno::ACCESS)) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if witness::is_on() {
        // Whose the link is counts here, too.
        Signature::of_link(path)?;
    }
    let stat = rustix::fs::fstat(&file).context("look at", path)?;
    let link = rustix::fs::lstat(path).context("look at", path)?;
    let bytes = read_limited((&file, path), 0, LIMIT)?;
    Ok(Some(ConfigFile {
        bytes,
        owners: [stat.st_uid, link.st_uid],
    }))
}
