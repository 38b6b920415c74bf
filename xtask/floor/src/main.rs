//! `ibid-floor`: what a job costs that makes only the system calls it cannot do without.
//!
//! The benchmark runs it beside ibid. It is a program of its own, since a floor has to be small,
//! static and optimised, which a chore is not. It knows nothing of ibid, checks nothing, and fails
//! at the first error.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "it touches files, runs a program and prints: that is all it does"
)]

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::resource::{UsageWho, getrusage};

const USAGE: &str = "\
usage: ibid-floor stat THREADS LIST        the status of each path in the file LIST, a line each
       ibid-floor hash THREADS LIST        their contents, read whole and hashed
       ibid-floor link THREADS LIST DIR    a hard link to each, under its number in DIR
       ibid-floor walk DIR                 the status of all below DIR, with no list of it
       ibid-floor memory COMMAND...        runs it and prints its peak of memory, in KiB
       ibid-floor touch MEBIBYTES          so much free memory is written to and given back
";

/// Paths that a thread takes at a time: few enough to share work evenly, many enough that sharing
/// costs nothing.
const CHUNK: usize = 64;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["stat", threads, list] => each(threads, list, |_, path| path.symlink_metadata().map(drop)),
        ["hash", threads, list] => each(threads, list, |_, path| hash(path)),
        ["link", threads, list, dir] => each(threads, list, |number, path| {
            std::fs::hard_link(path, Path::new(dir).join(number.to_string()))
        }),
        ["walk", dir] => walk(dir),
        ["touch", mebibytes] => touch(mebibytes),
        ["memory", program, arguments @ ..] => return memory(program, arguments),
        _ => Err(io::Error::other(USAGE)),
    };
    told(done)
}

fn told(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does `work` for each line of the file `list`, on so many threads; the first error is returned.
fn each(
    threads: &str,
    list: &str,
    work: impl Fn(usize, &Path) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let threads: usize = threads.parse().map_err(io::Error::other)?;
    let text = std::fs::read_to_string(list)?;
    let paths: Vec<&Path> = text.lines().map(Path::new).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Ok(()));
    let share = || {
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= paths.len() {
                return;
            }
            let end = paths.len().min(start + CHUNK);
            for (number, path) in paths[start..end].iter().enumerate() {
                if let Err(error) = work(start + number, path)
                    && let Ok(mut failed) = failed.lock()
                {
                    *failed = Err(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(share);
        }
        share();
    });
    failed.into_inner().unwrap_or(Ok(()))
}

fn hash(path: &Path) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(32 * 1024);
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    std::hint::black_box(blake3::hash(&bytes));
    Ok(())
}

fn walk(dir: &str) -> io::Result<()> {
    let mut open = vec![PathBuf::from(dir)];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.metadata()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Writes to as much memory as is free anyway, in pages as large as there are: smaller ones would
/// leave it to whoever comes next in pieces, and large pieces would be taken from elsewhere.
#[expect(unsafe_code, reason = "no library sets the size of pages without")]
fn touch(mebibytes: &str) -> io::Result<()> {
    use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};
    const PAGE: usize = 4096;
    let wanted: usize = mebibytes.parse().map_err(io::Error::other)?;
    let length = wanted.min(free_mebibytes()? / 10 * 9) << 20;
    let Some(size) = std::num::NonZeroUsize::new(length) else {
        return Ok(());
    };
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at a place that the kernel chooses touches nothing that is there.
    let start = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_PRIVATE) }?;
    // SAFETY: this advice changes nothing that can be seen, and the whole range was just mapped. Where
    // there are no large pages, small ones have to do.
    let _ = unsafe { madvise(start, length, MmapAdvise::MADV_HUGEPAGE) };
    for offset in (0..length).step_by(PAGE) {
        // SAFETY: the byte lies in the mapping, which may be written, and nobody else knows of it.
        unsafe { start.as_ptr().cast::<u8>().add(offset).write_volatile(1) };
    }
    Ok(())
}

fn free_mebibytes() -> io::Result<usize> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kibibytes
        .map(|kibibytes| kibibytes / 1024)
        .ok_or_else(|| io::Error::other("/proc/meminfo does not say how much is free"))
}

/// The peak is the child's own: this process is smaller than whatever it starts.
fn memory(program: &str, arguments: &[&str]) -> ExitCode {
    let status = match Command::new(program).args(arguments).status() {
        Ok(status) => status,
        Err(error) => return told(Err(error)),
    };
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) if status.success() => {
            println!("{}", usage.max_rss());
            ExitCode::SUCCESS
        }
        Ok(_) => told(Err(io::Error::other(format!("it failed ({status})")))),
        Err(error) => told(Err(error.into())),
    }
}
