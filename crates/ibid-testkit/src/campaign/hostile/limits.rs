//! A process under limits: of time, of processor time and of memory.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit,
};

use crate::TestEnv;

/// More processor time than this is a loop. A loaded machine does not count here.
const PROCESSOR_SECONDS: u64 = 5;

/// Whoever is not done by then waits for something that does not come.
const DEADLINE: Duration = Duration::from_secs(15);

/// Heap, stacks and private mappings that may be written.
const MEMORY: u64 = 256 << 20;

/// How a process ended.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// Why this is no decent end: a panic, a signal, a limit.
    pub(super) fault: Option<String>,
}

/// Runs a command to its end or to its limits.
pub(super) fn run(env: &TestEnv, command: &mut Command) -> Ended {
    let [out, err] = ["said.out", "said.err"].map(|name| env.home(name));
    let stream = |path| File::create(path).expect("the folder is ours");
    command.stdout(stream(&out)).stderr(stream(&err));
    command.stdin(Stdio::null()).process_group(0);
    let mut child = command.spawn().expect("the binary under test starts");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("it is a process id"));
    let pid = pid.expect("a child has a process id");
    for (what, most) in [
        (Resource::Cpu, PROCESSOR_SECONDS),
        (Resource::Data, MEMORY),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        prlimit(Some(pid), what, limit).expect("a child that was not waited for has limits");
    }
    let is_late = !ends_in_time(pid);
    if is_late {
        // With what it runs under, or what runs under it.
        kill_process_group(pid, Signal::KILL).expect("the child is ours");
    }
    let status = child.wait().expect("the child is ours");
    let read = |path| fs::read(path).expect("the file was just made");
    let (stdout, stderr) = (read(&out), read(&err));
    let code = status.code();
    let panicked = stderr.windows(8).any(|window| window == b"panicked");
    let fault = if is_late {
        Some(format!("waits: killed after {} s", DEADLINE.as_secs()))
    } else if code.is_none() || code == Some(101) || panicked {
        Some(format!("{status}: {}", String::from_utf8_lossy(&stderr)))
    } else {
        None
    };
    Ended {
        code,
        stdout,
        stderr,
        fault,
    }
}

fn ends_in_time(pid: Pid) -> bool {
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("the child was not waited for");
    let began = Instant::now();
    loop {
        let Some(left) = DEADLINE.checked_sub(began.elapsed()) else {
            return false;
        };
        let left = left.try_into().expect("seconds fit");
        let mut ends = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut ends, Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return true,
            // A signal is no end.
            Err(_) => {}
        }
    }
}
