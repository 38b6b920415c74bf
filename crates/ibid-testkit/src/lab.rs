//! Several users and one store: folders and processes of users that need no accounts.
//!
//! Only root can become others, so whoever is not leaves such tests out by name. Users are bare
//! numbers: each has a home, a workspace and a folder for host-local state, and all name the store
//! of the lab, which root made for their group.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::component::needs_root;
use crate::{Ran, TempDir, TestEnv, component};

/// The group whose members share the store.
pub const LAB_GROUP: u32 = 4100;

/// Somebody who was a member once: what they left behind has the group's name.
pub const INTRUDER: u32 = 4666;

/// A store of a group.
#[derive(Debug)]
pub struct Lab {
    dir: TempDir,
    binary: PathBuf,
}

/// One user, with an environment of their own.
#[derive(Debug)]
pub struct LabUser {
    /// The number of the user, and of the group that the account is of.
    pub uid: u32,
    /// Home and workspace.
    pub env: TestEnv,
    settings: Vec<(String, String)>,
}

impl Lab {
    /// Makes the store's folder for the group; `None` if the calling test is to return.
    ///
    /// # Panics
    /// In CI, where the set-up has to allow it.
    pub fn new(binary: impl Into<PathBuf>) -> Option<Self> {
        if !needs_root("only root can act as several users") {
            return None;
        }
        component("setpriv")?;
        let lab = Self {
            dir: TempDir::new(),
            binary: binary.into(),
        };
        lab.make_store();
        Some(lab)
    }

    /// Makes the store's folder as an administrator does, in the place of any that was there.
    ///
    /// # Panics
    /// Where root cannot make it.
    pub fn make_store(&self) {
        let _ = fs::remove_dir_all(self.store());
        fs::create_dir(self.store()).expect("root makes folders");
        give(&self.store(), (0, LAB_GROUP), 0o2770);
    }

    /// Returns where the store lies.
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Returns a path beside the store.
    pub fn join(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.join(below)
    }

    /// Makes a user of the lab who trusts `owners`, by numbers; nobody for all members.
    pub fn user(&self, uid: u32, owners: &[u32]) -> LabUser {
        let owners: Vec<_> = owners.iter().map(ToString::to_string).collect();
        let mut user = self.stranger(uid);
        user.set("IBID_CACHE_DIR", &self.store().to_string_lossy());
        user.set("IBID_SHARED", "group");
        user.set("IBID_TRUSTED_OWNERS", &owners.join(","));
        user
    }

    /// Makes a user with a cache of their own.
    pub fn stranger(&self, uid: u32) -> LabUser {
        let env = TestEnv::new(&self.binary);
        let mut user = LabUser {
            uid,
            env,
            settings: Vec::new(),
        };
        let local = user.env.home("local");
        user.set("IBID_LOCAL_DIR", &local.to_string_lossy());
        user.own_all();
        user
    }
}

impl LabUser {
    /// Sets a variable for all that this user runs.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Makes the user own all of their folders.
    pub fn own_all(&self) {
        own(&self.env.home(".."), (self.uid, self.uid));
    }

    /// Writes a file in the user's workspace.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.env.write(name, content);
        give(&path, (self.uid, self.uid), 0o644);
    }

    /// Prepares a run of the binary by this user under a umask.
    pub fn command<W: AsRef<OsStr>>(
        &self,
        umask: u32,
        words: impl IntoIterator<Item = W>,
    ) -> Command {
        let plain = self.env.command();
        let uid = self.uid.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "--regid", &uid]);
        if self.uid == INTRUDER {
            command.arg("--clear-groups");
        } else {
            command.args(["--groups", &LAB_GROUP.to_string()]);
        }
        let script = "umask \"$0\"; exec \"$@\"";
        command
            .args(["sh", "-c", script, &format!("{umask:03o}")])
            .arg(plain.get_program())
            .args(words)
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.env.work(""))
            .stdin(std::process::Stdio::null());
        command
    }

    /// Runs the binary as this user under a umask.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn run<W: AsRef<OsStr>>(&self, umask: u32, words: impl IntoIterator<Item = W>) -> Ran {
        self.env.finish(&mut self.command(umask, words))
    }
}

/// Gives a file or folder an owner, a group and a mode.
///
/// # Panics
/// Where it is not there.
pub fn give(path: &Path, (user, group): (u32, u32), mode: u32) {
    chown(path, Some(user), Some(group)).expect("root gives files away");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root sets modes");
}

/// Gives a folder and all below it an owner and a group; modes stay.
pub fn own(path: &Path, (user, group): (u32, u32)) {
    let _ = std::os::unix::fs::lchown(path, Some(user), Some(group));
    let kind = fs::symlink_metadata(path).map(|it| it.is_dir());
    if kind.unwrap_or(false) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            own(&entry.path(), (user, group));
        }
    }
}

/// Copies what `from` holds into the store `to`, as the intruder's: with the group's name and the
/// modes of a store. Files that are there are replaced.
///
/// # Panics
/// Where it cannot be copied.
pub fn plant(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("there is something to plant") {
        let entry = entry.expect("it can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            if !target.is_dir() {
                fs::create_dir(&target).expect("root makes folders");
                give(&target, (INTRUDER, LAB_GROUP), 0o2770);
            }
            plant(&entry.path(), &target);
        } else {
            let _ = fs::remove_file(&target);
            fs::copy(entry.path(), &target).expect("root copies");
            let is_blob = entry
                .path()
                .components()
                .any(|it| it.as_os_str() == "blobs");
            let mode = if is_blob { 0o440 } else { 0o640 };
            give(&target, (INTRUDER, LAB_GROUP), mode);
        }
    }
}

/// Returns all files below a folder, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
