//! `MountPoint`: on what a path lies, as the kernel names it: kind, source, place, read-only.
//!
//! Read from `/proc/self/mountinfo`, which answers also for a file system that does not. Where
//! there is no such file, nothing is known, and that is no error.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::read_start;

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Its kind by name, such as `ext4`, `tmpfs` or `fuse.sshfs`.
    pub kind: String,
    /// What is mounted: a device, or a server's path.
    pub source: String,
    /// Where it is mounted.
    pub at: PathBuf,
    /// Whether nobody may write to it, by the mount or by the file system.
    pub read_only: bool,
}

impl MountPoint {
    /// Returns the mount that an absolute path without links lies on, or would lie on once made.
    pub fn of(path: &Path) -> Option<Self> {
        let table = read_start(Path::new("/proc/self/mountinfo"), 1 << 24).ok()?;
        let mounts = table.split(|byte| *byte == b'\n').filter_map(Self::parse);
        // Of two mounts on one folder the later one covers the other.
        mounts
            .filter(|mount| path.starts_with(&mount.at))
            .max_by_key(|mount| mount.at.components().count())
    }

    /// Reads `36 35 98:0 /root /at rw,noatime master:1 - ext4 /dev/sda1 rw,data=ordered`.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let at = unescape(fields.nth(4)?);
        let by_mount = fields.next()?;
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
        let (kind, source) = (text(fields.next()?), text(fields.next()?));
        let by_system = fields.next().unwrap_or_default();
        let is_ro = |options: &[u8]| options.split(|byte| *byte == b',').any(|it| it == b"ro");
        Some(Self {
            kind,
            source,
            at: OsString::from_vec(at).into(),
            read_only: is_ro(by_mount) || is_ro(by_system),
        })
    }
}

/// Spaces and the like stand as `\040` there.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(|_| byte == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_tells_kind_source_place_and_mode() {
        let line =
            br"36 35 0:52 / /home/a\040b ro,nosuid shared:1 - fuse.sshfs me@host:/x rw,user_id=0";
        let mount = MountPoint::parse(line).unwrap();
        let expected = MountPoint {
            kind: "fuse.sshfs".into(),
            source: "me@host:/x".into(),
            at: "/home/a b".into(),
            read_only: true,
        };
        assert_eq!(mount, expected);
        assert_eq!(MountPoint::parse(b"36 35 0:52"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_path_lies_on_a_mount() {
        let proc = MountPoint::of(Path::new("/proc/self")).unwrap();
        assert_eq!((proc.kind.as_str(), proc.at), ("proc", "/proc".into()));
        assert!(MountPoint::of(Path::new("/")).is_some());
    }
}
