//! Whose something is: which process made it, and whether that one is gone.
//!
//! A process is known by its number and the moment at which it started, and only among processes
//! that see each other: one machine, one boot, one process namespace. Of others nothing is said.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Host, read_link, read_small};
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
    let stat = read_small(&path, 1 << 16).ok()?;
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

/// What two processes must share to see each other: the machine, its boot, and the process
/// namespace, because ids of two containers on one machine do not name the same processes. Empty
/// where it is not known.
pub fn boot_and_namespace(host: &Host) -> String {
    let namespace = read_link(Path::new("/proc/self/ns/pid")).unwrap_or_default();
    if host.boot_id.is_empty() || namespace.is_empty() {
        return String::new();
    }
    let namespace = String::from_utf8_lossy(&namespace);
    format!("{} {} {namespace}", host.machine_id, host.boot_id)
}

/// Returns a short text for file names that tells later whether this process is gone, such as
/// `0123456789abcdef-4711-98765`.
pub fn owner_tag() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(|| {
        let pid = std::process::id();
        format!("{}-{pid}-{}", here(), start_time(pid).unwrap_or(0))
    })
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
    place == Some(here()) && place != Some(UNKNOWN) && pid.is_some_and(|pid| is_gone(pid, start))
}

/// The tag of a place that cannot be told from others.
const UNKNOWN: &str = "0";

fn here() -> &'static str {
    static HERE: OnceLock<String> = OnceLock::new();
    HERE.get_or_init(|| match boot_and_namespace(&Host::this()) {
        known if known.is_empty() => UNKNOWN.to_owned(),
        known => Digest::of(known.as_bytes()).hex()[..16].to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_place_that_is_gone_is_gone() {
        let own = owner_tag();
        assert!(!is_tag_of_the_gone(own));
        let (place, start) = (here(), start_time(std::process::id()).unwrap());
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
