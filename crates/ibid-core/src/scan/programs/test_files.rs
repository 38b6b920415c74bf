//! Files that the tests of this module lay out.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// Writes a file, and the directories above it.
#[expect(clippy::disallowed_methods, reason = "a test lays out files")]
pub(super) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Writes a file that may be executed.
#[expect(clippy::disallowed_methods, reason = "a test lays out files")]
pub(super) fn program(path: &Path, text: &str) {
    write(path, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes a link, and the directories above it.
#[expect(clippy::disallowed_methods, reason = "a test lays out files")]
pub(super) fn link(to: &Path, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}
