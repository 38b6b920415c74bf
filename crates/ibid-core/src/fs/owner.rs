//! Whose something is: which process made it, and whether that one is gone.
//!
//! A process is known by its number and the moment at which it started, and only among processes
//! that see each other: one machine, one boot, one process namespace. Of others nothing is said.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Host, boot_id, machine_id, read_link, read_once};
use crate::digest::Digest;

/// When a process started, in clock ticks since the boot; `None` if there is no such process.
pub fn start_time(pid: u32) -> Option<u64> {
    status_field(pid, 19)
}

/// The parent of a process, its parent and so on.
pub fn ancestors(pid: u32) -> Vec<u32> {
    let parent = |pid: &u32| {
        let parent = u32::try_from(status_field(*pid, 1)?).ok()?;
        (parent != 0).then_some(parent)
    };
    std::iter::successors(parent(&pid), parent).collect()
}

/// Reads one of the numbers behind a process's name in what the kernel tells of it.
fn status_field(pid: u32, index: usize) -> Option<u64> {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    // A name and fifty numbers; those that are asked for come early.
    let mut buffer = [0; 2048];
    let stat = read_once(&path, &mut buffer).ok()?;
    // The name in parentheses may hold anything; the fields after the last one are numbers.
    let after = stat.rsplitn(2, |byte| *byte == b')').next()?;
    let field = after
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
        .nth(index)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Says whether a process that had this number and start is gone. One that is only hidden from
/// this user is not.
pub fn is_gone(pid: u32, start: u64) -> bool {
    match start_time(pid) {
        Some(now) => now != start,
        None => is_no_process(pid),
    }
}

fn is_no_process(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// What is true of this process once and for all.
#[derive(Debug)]
struct Own {
    pid: u32,
    /// Its process namespace; empty where it is not known.
    namespace: String,
    start: Option<u64>,
    /// A short text for the place where processes see it.
    here: String,
}

impl Own {
    fn ask(pid: u32) -> Self {
        let namespace = read_link(Path::new("/proc/self/ns/pid")).unwrap_or_default();
        let namespace = String::from_utf8_lossy(&namespace).into_owned();
        let here = match place(machine_id(), boot_id(), &namespace) {
            known if known.is_empty() => UNKNOWN.to_owned(),
            known => Digest::of(known.as_bytes()).hex()[..16].to_owned(),
        };
        Self {
            pid,
            namespace,
            start: start_time(pid),
            here,
        }
    }
}

/// Hands out what is known of this process: asked once, and again in a child that was forked. No
/// lock is taken before a fork, as a child would find it taken for ever.
fn with_own<T>(tell: impl FnOnce(&Own) -> T) -> T {
    static FIRST: OnceLock<Own> = OnceLock::new();
    static FORKED: Mutex<Option<Own>> = Mutex::new(None);
    let pid = std::process::id();
    let first = FIRST.get_or_init(|| Own::ask(pid));
    if first.pid == pid {
        return tell(first);
    }
    // It is whole at any moment, so a panic elsewhere does not spoil it.
    let mut forked = FORKED.lock().unwrap_or_else(PoisonError::into_inner);
    match forked.as_ref().filter(|own| own.pid == pid) {
        Some(own) => tell(own),
        None => tell(forked.insert(Own::ask(pid))),
    }
}

/// When this process started, in clock ticks since the boot, if that is known.
pub fn own_start() -> Option<u64> {
    with_own(|own| own.start)
}

/// What two processes must share to see each other: the machine, its boot, and the process
/// namespace, because ids of two containers on one machine do not name the same processes. Empty
/// where it is not known.
pub fn boot_and_namespace(host: &Host) -> String {
    with_own(|own| place(&host.machine_id, &host.boot_id, &own.namespace))
}

fn place(machine_id: &str, boot_id: &str, namespace: &str) -> String {
    if boot_id.is_empty() || namespace.is_empty() {
        return String::new();
    }
    format!("{machine_id} {boot_id} {namespace}")
}

/// Returns a short text for file names that tells later whether this process is gone, such as
/// `0123456789abcdef-4711-98765`.
pub fn owner_tag() -> String {
    with_own(|own| format!("{}-{}-{}", own.here, own.pid, own.start.unwrap_or(0)))
}

/// Says whether the process that wrote an [`owner_tag`] is known to be gone.
pub fn is_tag_of_the_gone(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let (place, pid, start) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u64>().ok());
    let (Some(pid), Some(start), None) = (number(pid), number(start), parts.next()) else {
        return false;
    };
    let pid = u32::try_from(pid).ok().filter(|_| start > 0);
    let is_here = place.is_some_and(|place| place != UNKNOWN && with_own(|own| own.here == place));
    is_here && pid.is_some_and(|pid| is_gone(pid, start))
}

/// The tag of a place that cannot be told from others.
const UNKNOWN: &str = "0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_place_that_is_gone_is_gone() {
        let own = owner_tag();
        assert!(!is_tag_of_the_gone(&own));
        let (place, _) = own.split_once('-').unwrap();
        let start = start_time(std::process::id()).unwrap();
        let gone = format!("{place}-{}-{start}", i32::MAX);
        assert!(is_tag_of_the_gone(&gone));
        let reused = format!("{place}-{}-{}", std::process::id(), start + 1);
        assert!(is_tag_of_the_gone(&reused));
        for unknown in [
            gone.replace(place, "elsewhere"),
            format!("{place}-{}-0", i32::MAX),
            format!("{gone}-1"),
            place.to_owned(),
            String::new(),
        ] {
            assert!(!is_tag_of_the_gone(&unknown), "{unknown}");
        }
    }
}
