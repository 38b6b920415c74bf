//! Real processes: what a run sees, and what it leaves.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use ibid_testkit::TempDir;
use rustix::process::{Pid, Signal};

use super::family::Process;
use super::*;

/// Longer than any of these runs takes, short enough for a broken one to fail rather than hang.
const LONG: Duration = Duration::from_secs(20);

/// What came of a run, and what its sink was given.
struct Ran {
    ended: Ended,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Reads the process ids that a script printed.
    fn pids(&self) -> Vec<i32> {
        let text = self.text();
        text.split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    }

    fn survivors(&self) -> Vec<(i32, &[u8])> {
        let survivors = self.ended.survivors.iter();
        survivors
            .map(|survivor| (survivor.pid.cast_signed(), survivor.name.as_slice()))
            .collect()
    }
}

fn launch(program: &str, arguments: &[&str], dir: &TempDir) -> Launch {
    let argv = [&[program], arguments].concat();
    let argv = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
    let dir = dir.path().to_owned();
    let mut launch = Launch::new(PathBuf::from(program), argv, dir.clone(), dir);
    launch.env = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
    launch
}

fn sh(script: &str, dir: &TempDir) -> Launch {
    launch("/bin/sh", &["-c", script], dir)
}

/// Runs, and calls `heard` with the interrupt and all of standard output so far.
fn run_hearing(launch: Launch, mut heard: impl FnMut(&Interrupt, &[u8])) -> Ran {
    let interrupt = Interrupt::new();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut sink = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => {
            stdout.extend_from_slice(bytes);
            heard(&interrupt, &stdout);
        }
        Stream::Stderr => stderr.extend_from_slice(bytes),
    };
    let ended = run(launch, &mut sink, &interrupt).unwrap();
    Ran {
        ended,
        stdout,
        stderr,
    }
}

fn run_plainly(launch: Launch) -> Ran {
    run_hearing(launch, |_, _| {})
}

fn failure(launch: Launch) -> ExecError {
    run(launch, &mut |_, _| {}, &Interrupt::new()).unwrap_err()
}

fn is_alive(pid: i32) -> bool {
    Process::look(pid).is_some_and(|process| !process.dead)
}

fn kill(pid: i32) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn every_exit_code_comes_through() {
    let dir = TempDir::new();
    for code in 0..=255 {
        let ran = run_plainly(sh(&format!("exit {code}"), &dir));
        assert_eq!(ran.ended.status, Status::Exited(code));
        assert_eq!(ran.ended.status.code(), code);
        assert!(ran.ended.is_whole());
    }
}

#[test]
fn a_death_by_signal_is_told_apart_from_an_exit() {
    let dir = TempDir::new();
    for signal in [1, 2, 3, 6, 9, 10, 11, 13, 14, 15] {
        let ran = run_plainly(sh(&format!("ulimit -c 0; kill -{signal} $$"), &dir));
        assert_eq!(ran.ended.status, Status::Signalled { signal });
        assert_eq!(i32::from(ran.ended.status.code()), 128 + signal);
        assert!(!ran.ended.is_whole());
    }
}

#[test]
fn both_streams_are_exact() {
    let dir = TempDir::new();
    let ran = run_plainly(sh(
        r"printf 'a\000\377\n\nb'; printf '\376\033]0;x\007' >&2",
        &dir,
    ));
    assert_eq!(ran.stdout, b"a\0\xff\n\nb");
    assert_eq!(ran.stderr, b"\xfe\x1b]0;x\x07");
}

#[test]
fn what_is_logged_is_what_was_shown() {
    let dir = TempDir::new();
    let mut shown = Vec::new();
    let mut sink = |stream, bytes: &[u8]| shown.extend(bytes.iter().map(|byte| (stream, *byte)));
    let script = "for i in 1 2 3 4 5 6; do printf out; printf err >&2; done";
    let ended = run(sh(script, &dir), &mut sink, &Interrupt::new()).unwrap();
    let mut logged = Vec::new();
    let log = ended.log.unwrap();
    replay(log.open(), |stream, bytes| {
        logged.extend(bytes.iter().map(|byte| (stream, *byte)));
    })
    .unwrap();
    assert_eq!(logged, shown);
    assert_eq!(logged.len(), 36);
}

#[test]
fn a_command_that_writes_nothing_has_an_empty_log() {
    let dir = TempDir::new();
    assert!(run_plainly(sh(":", &dir)).ended.log.unwrap().is_empty());
}

#[test]
fn megabytes_on_both_streams_do_not_block() {
    let dir = TempDir::new();
    let script = "head -c 5000000 /dev/zero & head -c 5000000 /dev/zero | tr '\\0' x >&2; wait";
    let ran = run_plainly(sh(script, &dir));
    assert_eq!(ran.ended.status, Status::Exited(0));
    assert_eq!(ran.stdout, vec![0; 5_000_000]);
    assert_eq!(ran.stderr, vec![b'x'; 5_000_000]);
    let (mut stdout, mut stderr) = (0, 0);
    replay(
        ran.ended.log.unwrap().open(),
        |stream, bytes| match stream {
            Stream::Stdout => stdout += bytes.len(),
            Stream::Stderr => stderr += bytes.len(),
        },
    )
    .unwrap();
    assert_eq!((stdout, stderr), (5_000_000, 5_000_000));
}

#[test]
fn a_log_that_cannot_be_kept_costs_neither_bytes_nor_status() {
    let dir = TempDir::new();
    let mut launch = sh("head -c 1000000 /dev/zero; exit 4", &dir);
    launch.spool_dir = dir.join("absent");
    let ran = run_plainly(launch);
    assert_eq!(ran.ended.status, Status::Exited(4));
    assert_eq!(ran.stdout.len(), 1_000_000);
    assert!(
        ran.ended
            .log
            .unwrap_err()
            .path
            .starts_with(dir.join("absent"))
    );
}

#[test]
fn a_background_process_that_holds_the_streams_neither_blocks_nor_hides() {
    let dir = TempDir::new();
    let ran = run_plainly(sh("sleep 1000 & echo $!", &dir));
    let pid = ran.pids()[0];
    let survivors = ran.survivors();
    kill(pid);
    assert_eq!(ran.ended.status, Status::Exited(0));
    assert_eq!(survivors, [(pid, &b"sleep"[..])]);
    assert!(ran.ended.streams_open);
    assert!(!ran.ended.is_whole());
}

#[test]
fn a_background_process_without_streams_is_named_and_left_alone() {
    let dir = TempDir::new();
    let ran = run_plainly(sh("sleep 1000 >/dev/null 2>&1 & echo $!", &dir));
    let pid = ran.pids()[0];
    assert!(is_alive(pid));
    kill(pid);
    assert_eq!(ran.survivors(), [(pid, &b"sleep"[..])]);
    assert!(!ran.ended.streams_open);
}

#[test]
fn a_daemon_that_holds_a_stream_is_named_even_if_nobody_adopts_it() {
    let dir = TempDir::new();
    let ran = run_plainly(sh("setsid sleep 1000 >/dev/null & echo $!", &dir));
    let pid = ran.pids()[0];
    kill(pid);
    assert_eq!(ran.survivors(), [(pid, &b"sleep"[..])]);
}

#[test]
fn what_a_process_writes_just_after_the_first_one_ended_is_captured() {
    let dir = TempDir::new();
    let script = "(until grep -q ') Z' /proc/$$/stat; do :; done; echo late) & echo early";
    let ran = run_plainly(sh(script, &dir));
    assert_eq!(ran.text(), "early\nlate\n");
    assert!(ran.ended.is_whole());
}

#[test]
fn a_time_out_ends_the_whole_group() {
    let dir = TempDir::new();
    let mut launch = sh("sh -c 'sleep 1000 & echo $!; wait' & echo $!; wait", &dir);
    launch.timeout = Some(Duration::from_millis(300));
    launch.grace = LONG;
    let ran = run_plainly(launch);
    assert!(ran.ended.timed_out);
    assert_eq!(ran.ended.status, Status::Signalled { signal: 15 });
    assert_eq!(ran.pids().len(), 2);
    assert!(!ran.pids().into_iter().any(is_alive));
    assert!(ran.ended.survivors.is_empty());
}

#[test]
fn what_ignores_its_time_out_is_killed_after_the_grace() {
    let dir = TempDir::new();
    let mut launch = sh("trap '' TERM; sleep 1000 & echo $!; sleep 1000", &dir);
    launch.timeout = Some(Duration::from_millis(200));
    launch.grace = Duration::from_millis(50);
    let ran = run_plainly(launch);
    assert!(ran.ended.timed_out);
    assert_eq!(ran.ended.status, Status::Signalled { signal: 9 });
    assert!(!is_alive(ran.pids()[0]));
}

#[test]
fn a_process_that_outlives_its_told_leader_is_killed_after_the_grace() {
    let dir = TempDir::new();
    let script = "(trap '' TERM; sleep 1000) & echo $!; exec sleep 1000";
    let mut launch = sh(script, &dir);
    launch.timeout = Some(Duration::from_millis(200));
    launch.grace = Duration::from_millis(50);
    let ran = run_plainly(launch);
    assert_eq!(ran.ended.status, Status::Signalled { signal: 15 });
    assert!(!is_alive(ran.pids()[0]));
    assert!(ran.ended.survivors.is_empty());
}

#[test]
fn a_stopped_command_hears_that_its_time_is_up() {
    let dir = TempDir::new();
    let mut launch = sh("kill -STOP $$", &dir);
    launch.timeout = Some(Duration::from_millis(100));
    launch.grace = LONG;
    let ran = run_plainly(launch);
    assert_eq!(ran.ended.status, Status::Signalled { signal: 15 });
}

#[test]
fn a_command_that_ends_in_time_is_not_timed_out() {
    let dir = TempDir::new();
    let mut launch = sh("exit 3", &dir);
    launch.timeout = Some(Duration::MAX);
    let ran = run_plainly(launch);
    assert_eq!(ran.ended.status, Status::Exited(3));
    assert!(!ran.ended.timed_out);
}

#[test]
fn an_interrupt_is_forwarded_to_the_group_and_the_command_ends_its_own_way() {
    let dir = TempDir::new();
    let script = "trap 'echo got; exit 3' INT; sleep 1000 & echo $!; wait";
    let mut launch = sh(script, &dir);
    launch.grace = LONG;
    let mut raised = false;
    let ran = run_hearing(launch, |interrupt, _| {
        if !raised {
            interrupt.raise(2);
        }
        raised = true;
    });
    assert_eq!(ran.ended.status, Status::Exited(3));
    assert_eq!(ran.ended.interrupted, Some(2));
    assert!(ran.text().ends_with("got\n"));
    assert!(
        !is_alive(ran.pids()[0]),
        "a shell's background process ignores SIGINT"
    );
    assert!(!ran.ended.is_whole());
}

#[test]
fn a_second_interrupt_kills_at_once() {
    let dir = TempDir::new();
    let script = "trap 'echo again' INT; sleep 1000 & echo ready; while :; do wait; done";
    let mut launch = sh(script, &dir);
    launch.grace = LONG;
    let mut heard = 0;
    let ran = run_hearing(launch, |interrupt, stdout| {
        let lines = stdout.split(|byte| *byte == b'\n').count() - 1;
        for _ in heard..lines.min(2) {
            interrupt.raise(2);
        }
        heard = lines;
    });
    assert_eq!(ran.text(), "ready\nagain\n");
    assert_eq!(ran.ended.status, Status::Signalled { signal: 9 });
    assert_eq!(ran.ended.interrupted, Some(2));
}

#[test]
fn what_ignores_an_interrupt_is_killed_after_the_grace() {
    let dir = TempDir::new();
    let mut launch = sh("trap '' INT TERM; echo ready; sleep 1000", &dir);
    launch.grace = Duration::from_millis(50);
    let ran = run_hearing(launch, |interrupt, _| interrupt.raise(15));
    assert_eq!(ran.ended.status, Status::Signalled { signal: 9 });
    assert_eq!(ran.ended.interrupted, Some(15));
    assert!(!ran.ended.timed_out);
}

#[test]
fn one_interrupt_reaches_all_that_runs() {
    let dir = TempDir::new();
    let interrupt = Interrupt::new();
    let runs: Vec<Ended> = std::thread::scope(|scope| {
        let start = || {
            let launch = sh("echo ready; exec sleep 1000", &dir);
            let (interrupt, (told, heard)) = (interrupt.clone(), std::sync::mpsc::channel());
            let thread = scope.spawn(move || {
                run(launch, &mut |_, _| told.send(()).unwrap(), &interrupt).unwrap()
            });
            (thread, heard)
        };
        let threads = [start(), start(), start()];
        for (_, heard) in &threads {
            heard.recv().unwrap();
        }
        interrupt.raise(2);
        threads.map(|(thread, _)| thread.join().unwrap()).into()
    });
    for ended in runs {
        assert_eq!(ended.status, Status::Signalled { signal: 2 });
        assert_eq!(ended.interrupted, Some(2));
    }
}

#[test]
fn nothing_starts_after_an_interrupt() {
    let dir = TempDir::new();
    let interrupt = Interrupt::new();
    interrupt.raise(15);
    let error = run(sh("touch ran", &dir), &mut |_, _| {}, &interrupt).unwrap_err();
    assert!(matches!(error, ExecError::Interrupted { signal: 15 }));
    assert!(!dir.join("ran").exists());
}

#[test]
fn a_sink_that_panics_leaves_nothing_running() {
    let dir = TempDir::new();
    let pid = std::sync::Mutex::new(String::new());
    let outcome = std::panic::catch_unwind(|| {
        let mut sink = |_, bytes: &[u8]| {
            *pid.lock().unwrap() = String::from_utf8_lossy(bytes).trim().to_owned();
            std::panic::resume_unwind(Box::new(()));
        };
        run(
            sh("echo $$; exec sleep 1000", &dir),
            &mut sink,
            &Interrupt::new(),
        )
    });
    assert!(outcome.is_err());
    let pid = pid
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(!is_alive(pid.parse().unwrap()));
}

#[test]
fn standard_input_is_the_given_file_or_empty() {
    let dir = TempDir::new();
    assert_eq!(run_plainly(sh("cat; echo end", &dir)).text(), "end\n");
    let mut file: File = crate::fs::unnamed_file(dir.path()).unwrap();
    file.write_all(b"given").unwrap();
    file.rewind().unwrap();
    let mut launch = sh("cat", &dir);
    launch.stdin = Stdin::File(file);
    assert_eq!(run_plainly(launch).text(), "given");
}

#[test]
fn the_environment_is_exactly_the_given_one() {
    use std::os::unix::ffi::OsStringExt as _;
    let dir = TempDir::new();
    let mut launch = launch("/usr/bin/env", &["-0"], &dir);
    let bytes = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
    launch.env = vec![
        ("B".into(), "two words".into()),
        ("A".into(), String::new().into()),
        ("RAW".into(), bytes(b"\xff\n=")),
    ];
    assert_eq!(
        run_plainly(launch).stdout,
        b"B=two words\0A=\0RAW=\xff\n=\0"
    );
}

#[test]
fn arguments_folder_and_name_are_the_given_ones() {
    let dir = TempDir::new();
    let mut launch = sh("pwd; echo \"$0|$1|$2\"", &dir);
    launch
        .argv
        .extend([b"name".to_vec(), Vec::new(), b"\xfe".to_vec()]);
    let ran = run_plainly(launch);
    let expected = [dir.path().to_str().unwrap().as_bytes(), b"\nname||\xfe\n"].concat();
    assert_eq!(ran.stdout, expected);
}

#[test]
fn the_command_leads_a_session_without_a_terminal() {
    let dir = TempDir::new();
    let ran = run_plainly(sh(
        "echo $$; cut -d' ' -f 5-7 /proc/$$/stat; : </dev/tty",
        &dir,
    ));
    let pid = ran.pids()[0];
    assert_eq!(ran.text(), format!("{pid}\n{pid} {pid} 0\n"));
    assert_ne!(ran.ended.status, Status::Exited(0));
}

/// Makes files in another process: one that is open for writing in this one cannot be executed
/// while another test's child, between fork and exec, still has it open too.
fn made(script: &str) -> TempDir {
    let dir = TempDir::new();
    assert_eq!(
        run_plainly(sh(script, &dir)).ended.status,
        Status::Exited(0)
    );
    dir
}

#[test]
fn a_relative_program_is_taken_from_the_working_folder() {
    let dir = made("printf '#!/bin/sh\\necho here\\n' >tool; chmod 755 tool");
    assert_eq!(run_plainly(launch("tool", &[], &dir)).text(), "here\n");
    assert_eq!(run_plainly(launch("./tool", &[], &dir)).text(), "here\n");
}

#[test]
fn a_missing_program_is_127_and_named() {
    let dir = TempDir::new();
    for program in ["/absent/pro\ngram", "absent", "/etc/passwd/absent"] {
        let error = failure(launch(program, &[], &dir));
        assert!(matches!(&error, ExecError::NotFound { program: named }
            if named.as_os_str() == program));
        assert_eq!(error.exit_code(), 127);
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn a_missing_interpreter_is_127_and_named() {
    let dir = made("printf '#! /absent/python -u\\n' >tool; chmod 755 tool");
    let error = failure(launch("./tool", &[], &dir));
    assert_eq!(error.exit_code(), 127);
    assert_eq!(
        error.to_string(),
        "program `./tool` needs the interpreter `/absent/python`, which is not there"
    );
}

#[test]
fn what_may_not_be_executed_is_126() {
    let dir = made("echo >plain; chmod 644 plain; mkdir folder");
    for program in ["./plain", "./folder"] {
        let error = failure(launch(program, &[], &dir));
        assert!(
            matches!(error, ExecError::NotExecutable { .. }),
            "{error:?}"
        );
        assert_eq!(error.exit_code(), 126);
    }
}

#[test]
fn a_script_without_an_interpreter_line_is_not_handed_to_a_shell() {
    let dir = made("echo 'touch ran' >tool; chmod 755 tool");
    let error = failure(launch("./tool", &[], &dir));
    assert!(
        matches!(error, ExecError::UnknownFormat { .. }),
        "{error:?}"
    );
    assert_eq!(error.exit_code(), 126);
    assert!(!dir.join("ran").exists());
}

#[test]
fn a_folder_that_cannot_be_entered_is_not_blamed_on_the_program() {
    let dir = made("echo >file");
    for below in ["absent", "file"] {
        let mut launch = sh(":", &dir);
        launch.dir = dir.join(below);
        let error = failure(launch);
        assert!(matches!(&error, ExecError::WorkingDir(error) if error.path.ends_with(below)));
        assert_eq!(error.exit_code(), 125);
    }
}

#[test]
fn what_no_process_can_be_given_is_refused() {
    let dir = TempDir::new();
    let mut nul = sh(":", &dir);
    nul.argv.push(b"a\0b".to_vec());
    let mut name = sh(":", &dir);
    name.env.push(("A=B".into(), "x".into()));
    let mut empty = sh(":", &dir);
    empty.argv.clear();
    for launch in [nul, name, empty] {
        let error = failure(launch);
        assert!(matches!(error, ExecError::Unusable { .. }), "{error:?}");
    }
    let mut long = sh(":", &dir);
    long.argv.push(vec![b'x'; 8_000_000]);
    let error = failure(long);
    assert!(
        matches!(error, ExecError::TooLong { bytes, .. } if bytes > 8_000_000),
        "{error:?}"
    );
}
