//! `Machine`: a shell in a mount namespace of its own, with a boot id of its own.
//!
//! Whatever it mounts is seen by nobody else and goes with it, however it or the campaign ends:
//! the shell ends when its standard input does, and the kernel unmounts the rest. Its boot id is
//! a file bound over the kernel's, so a boot is a change of that file, and nothing in the binary
//! under test knows of it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};

use super::fuse::Disks;

/// Where the kernel tells which boot it is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How a command in the machine ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Ended {
    /// Returns what it said, for a message.
    pub(super) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        format!("exit {}: {}", self.code, text.trim())
    }
}

/// The shell, and the disks that it sees.
pub(super) struct Machine {
    shell: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    dir: PathBuf,
    pub(super) disks: Disks,
}

impl Machine {
    /// Starts it; `dir` is a folder for what lies between the campaign and the shell. `env` is
    /// all that the shell's commands find in their environment.
    pub(super) fn start(dir: &Path, env: &[(&str, String)]) -> io::Result<Self> {
        for folder in ["disks", "mnt"] {
            fs::create_dir(dir.join(folder))?;
        }
        let mut shell = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh"])
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let mut machine = Self {
            input: shell.stdin.take(),
            output: BufReader::new(shell.stdout.take().expect("it is piped")),
            shell,
            dir: dir.to_owned(),
            disks: Disks::default(),
        };
        machine.boot(0)?;
        machine.must(&format!("mount --bind boot {BOOT_ID}"))?;
        machine.mount_disks(&device)?;
        machine.disks.serve(device);
        Ok(machine)
    }

    /// The shell must not hold the device: if the campaign dies, the disks have to die with it,
    /// or the shell would wait for them for ever. So another process mounts it where the shell is.
    fn mount_disks(&self, device: &File) -> io::Result<()> {
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        fcntl_setfd(device, FdFlags::empty())?;
        let mounted = Command::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", self.shell.id()))
            .args(["mount", "-i", "-t", "fuse", "-o", &options, "ibid-disks"])
            .arg(self.dir.join("disks"))
            .status();
        fcntl_setfd(device, FdFlags::CLOEXEC)?;
        if !mounted?.success() {
            return Err(io::Error::other("the disks cannot be mounted"));
        }
        Ok(())
    }

    /// From here on it is another boot.
    pub(super) fn boot(&mut self, number: u64) -> io::Result<()> {
        fs::write(
            self.dir.join("boot"),
            format!("00000000-0000-4000-8000-{number:012x}\n"),
        )
    }

    /// Runs a line in the shell.
    pub(super) fn run(&mut self, line: &str) -> io::Result<Ended> {
        let input = self.input.as_mut().expect("it is open until the end");
        writeln!(input, "{{ {line}\n}} </dev/null >out 2>err; echo $?")?;
        input.flush()?;
        let mut code = String::new();
        self.output.read_line(&mut code)?;
        let code = code.trim().parse().map_err(io::Error::other)?;
        Ok(Ended {
            code,
            stdout: fs::read(self.dir.join("out"))?,
            stderr: fs::read(self.dir.join("err"))?,
        })
    }

    /// Runs a line that has to succeed.
    pub(super) fn must(&mut self, line: &str) -> io::Result<Ended> {
        let ended = self.run(line)?;
        if ended.code != 0 {
            let said = ended.said();
            return Err(io::Error::other(format!("`{line}`: {said}")));
        }
        Ok(ended)
    }

    /// Unmounts what is tried out. For a moment a child that another machine's thread starts may
    /// hold a descriptor on it: until it executes its program it has all of this process.
    pub(super) fn unmount(&mut self) -> io::Result<()> {
        self.must(
            "for try in $(seq 100); do umount mnt 2>/dev/null && break; sleep 0.01; done; \
             ! mountpoint -q mnt",
        )
        .map(drop)
    }

    /// Returns where the campaign finds what the shell sees at a path below its folder.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        let inside = self.dir.join(below);
        let inside = inside.strip_prefix("/").unwrap_or(&inside);
        Path::new(&format!("/proc/{}/root", self.shell.id())).join(inside)
    }
}

/// Quotes words for the shell.
pub(super) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for word in words {
        let word = word.replace('\'', "'\\''");
        write!(line, " '{word}'").expect("a string takes text");
    }
    line
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing that a check left running may hold the disks.
        let _ = self.run("cd /; umount -l mnt disks");
        self.input = None;
        let _ = self.shell.wait();
        self.disks.join();
    }
}
