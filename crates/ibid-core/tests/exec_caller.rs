//! What a command must not inherit from its caller, and the adoption of its orphans: both change
//! this whole process, so they have a test binary, and within it one test, of their own.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test looks at what is there")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get fails it"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ibid_core::exec::{Ended, Interrupt, Launch, Orphans, Status, Stream, run};
use ibid_testkit::TempDir;
use rustix::process::{Pid, Signal};

struct Ran {
    ended: Ended,
    text: String,
}

impl Ran {
    fn pid(&self) -> i32 {
        self.text
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

fn sh(script: &str, dir: &TempDir) -> Launch {
    let argv = ["sh", "-c", script].map(|word| word.as_bytes().to_vec());
    let program = PathBuf::from("/bin/sh");
    let mut launch = Launch::new(program, argv.into(), dir.path().into(), dir.path().into());
    launch.env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    launch.orphans = Orphans::Adopt;
    launch
}

fn ran(launch: Launch) -> Ran {
    let mut text = Vec::new();
    let mut sink = |stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            text.extend_from_slice(bytes);
        }
    };
    let ended = run(launch, &mut sink, &Interrupt::new()).unwrap();
    let text = String::from_utf8(text).unwrap();
    Ran { ended, text }
}

/// Whether a process is there and no zombie.
fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill_and_reap(pid: i32) {
    let pid = Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
}

/// A process that has left the session and has no stream open.
const DAEMON: &str = "setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &";

fn a_daemon_is_found_and_left_alone_on_a_normal_end(dir: &TempDir) {
    let run = ran(sh(
        &format!("{DAEMON} until grep -q sleep /proc/$!/comm; do :; done"),
        dir,
    ));
    assert_eq!(run.ended.status, Status::Exited(0));
    let survivors = &run.ended.survivors;
    assert!(is_alive(run.pid()));
    kill_and_reap(run.pid());
    assert_eq!(survivors.len(), 1, "{survivors:?}");
    assert_eq!(survivors[0].pid, run.pid().unsigned_abs());
    assert_eq!(survivors[0].name, b"sleep");
    assert!(!run.ended.streams_open);
}

fn a_daemon_does_not_survive_a_time_out(dir: &TempDir) {
    for ignoring in ["", "trap '' TERM; "] {
        let mut launch = sh(&format!("{ignoring}{DAEMON} sleep 1000"), dir);
        launch.timeout = Some(Duration::from_millis(300));
        launch.grace = Duration::from_millis(200);
        let run = ran(launch);
        assert!(run.ended.timed_out);
        assert!(run.ended.survivors.is_empty(), "{:?}", run.ended.survivors);
        assert!(!is_alive(run.pid()));
    }
}

fn an_adopted_process_that_ends_vanishes_while_the_command_runs(dir: &TempDir) {
    let script = "(sh -c 'echo $$ >pid.new; mv pid.new pid' &)
        until [ -e pid ]; do :; done
        while kill -0 $(cat pid) 2>/dev/null; do :; done; echo gone";
    let mut launch = sh(script, dir);
    launch.timeout = Some(Duration::from_secs(20));
    let run = ran(launch);
    assert_eq!(run.text, "gone\n");
    assert!(run.ended.is_whole());
}

fn adoption_ends_with_the_run(dir: &TempDir) {
    assert_eq!(rustix::process::child_subreaper().unwrap(), None);
    let mut failing = sh(":", dir);
    failing.program = "/absent".into();
    let interrupt = Interrupt::new();
    run(failing, &mut |_, _| {}, &interrupt).unwrap_err();
    assert_eq!(rustix::process::child_subreaper().unwrap(), None);
    let mut during = None;
    let mut sink = |_, _: &[u8]| during = rustix::process::child_subreaper().unwrap();
    run(sh("echo", dir), &mut sink, &interrupt).unwrap();
    assert!(during.is_some());
    assert_eq!(rustix::process::child_subreaper().unwrap(), None);
}

fn runs_side_by_side_do_not_take_each_others_status(dir: &TempDir) {
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for round in 0..25 {
                    let code = thread * 25 + round;
                    let run = ran(sh(&format!("(true &) ; exit {code}"), dir));
                    assert_eq!(run.ended.status, Status::Exited(code));
                }
            });
        }
    });
}

fn nothing_is_inherited(dir: &TempDir) {
    use std::os::fd::AsRawFd as _;
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    ignore_hangup();
    let null = std::fs::File::open(Path::new("/dev/null")).unwrap();
    let leaked = rustix::io::fcntl_dupfd_cloexec(&null, 50).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let script = "umask; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | grep 5";
    let run = ran(sh(script, dir));
    // Beyond the first 31 signals lie those that the C library keeps for itself.
    let low_bits = |line: &str| {
        let (_, bits) = line.split_once('\t').unwrap();
        u64::from_str_radix(bits, 16).unwrap() & 0x7fff_ffff
    };
    let lines: Vec<&str> = run.text.lines().collect();
    assert_eq!(lines[0], "0022");
    assert_eq!([low_bits(lines[1]), low_bits(lines[2])], [0, 0]);
    assert_eq!(
        lines[3..],
        [""; 0],
        "descriptor {} leaks",
        leaked.as_raw_fd()
    );
}

/// Pipes, background processes that end by themselves and orphans, of many commands at once: each
/// is whole, and nothing of any is left.
fn many_commands_at_once_are_all_whole(dir: &TempDir) {
    const SCRIPTS: [&str; 4] = [
        "echo a | cat; echo b >&2",
        "(echo c) & (echo d | cat) & wait; echo e",
        "(sh -c ': | cat' &) ; (true &) ; echo f",
        "head -c 100000 /dev/zero | tr '\\0' x | tail -c 1 & echo g",
    ];
    std::thread::scope(|scope| {
        for thread in 0..16 {
            scope.spawn(move || {
                for round in 0..20 {
                    let mut launch = sh(SCRIPTS[(thread + round) % SCRIPTS.len()], dir);
                    launch.timeout = Some(Duration::from_secs(100));
                    let run = ran(launch);
                    assert!(run.ended.is_whole(), "{:?}", run.ended);
                    assert!(run.ended.duration < Duration::from_secs(100));
                }
            });
        }
    });
    let own = std::process::id();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    assert_eq!(children.unwrap(), "", "zombies are left");
}

/// Ends a command that was running already when another one left a daemon and ended.
fn a_daemon_of_one_command_is_not_killed_for_another(dir: &TempDir) {
    let interrupt = Interrupt::new();
    let daemon = std::thread::scope(|scope| {
        let (told, heard) = std::sync::mpsc::channel();
        let (own, long) = (interrupt.clone(), sh("echo ready; exec sleep 1000", dir));
        let long = scope.spawn(move || run(long, &mut |_, _| told.send(()).unwrap(), &own));
        heard.recv().unwrap();
        let script = format!("{DAEMON} until grep -q sleep /proc/$!/comm; do :; done");
        let daemon = ran(sh(&script, dir)).pid();
        interrupt.raise(15);
        assert_eq!(long.join().unwrap().unwrap().interrupted, Some(15));
        daemon
    });
    assert!(is_alive(daemon));
    kill_and_reap(daemon);
}

/// As `nohup` does.
#[expect(unsafe_code, reason = "no safe function sets a disposition")]
fn ignore_hangup() {
    unsafe extern "C" {
        fn signal(signal: i32, handler: usize) -> usize;
    }
    // SAFETY: 1 is SIG_IGN, which names no code.
    unsafe { signal(1, 1) };
}

#[test]
fn a_command_is_independent_of_its_caller_and_its_orphans_are_found() {
    let dir = TempDir::new();
    adoption_ends_with_the_run(&dir);
    a_daemon_is_found_and_left_alone_on_a_normal_end(&dir);
    a_daemon_does_not_survive_a_time_out(&dir);
    an_adopted_process_that_ends_vanishes_while_the_command_runs(&dir);
    runs_side_by_side_do_not_take_each_others_status(&dir);
    many_commands_at_once_are_all_whole(&dir);
    a_daemon_of_one_command_is_not_killed_for_another(&dir);
    nothing_is_inherited(&dir);
}
