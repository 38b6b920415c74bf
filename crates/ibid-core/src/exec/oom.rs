//! Whether the kernel killed something for want of memory: an exit code of 0 does not tell, since
//! a command may survive its own children (hazard A9).
//!
//! The counter is of the control group that this process and so its children are in. It says
//! nothing about which process it was; a doubt is enough. What cannot be read makes no statement.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::fs::{read_once, read_start};

const LIMIT: u64 = 1 << 20;

/// The groups of this process when its counter was last looked for, and where that was. The groups are
/// asked each time, because a process can be moved; mounts are looked at again when the counter is gone.
static FOUND: Mutex<Option<(String, PathBuf)>> = Mutex::new(None);

/// Returns how many processes of the own control group were killed so far.
pub(super) fn kills() -> Option<u64> {
    let text = |path: &Path| String::from_utf8(read_start(path, LIMIT).ok()?).ok();
    let groups = short_text(Path::new("/proc/self/cgroup"))?;
    // What is kept there is whole at any moment.
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, file)) = &*found
        && *of == groups
        && let Some(counters) = short_text(file)
    {
        return count(&counters);
    }
    *found = None;
    let mounts = text(Path::new("/proc/self/mountinfo"))?;
    let file = counter_file(&groups, &mounts)?;
    let counters = text(&file)?;
    *found = Some((groups, file));
    count(&counters)
}

/// Reads a text of the kernel, which gives it in one call if there is room for it.
fn short_text(path: &Path) -> Option<String> {
    const ROOM: usize = 1024;
    let mut start = [0; ROOM];
    let bytes = match read_once(path, &mut start).ok()? {
        all if all.len() < ROOM => all.to_vec(),
        _ => read_start(path, LIMIT).ok()?,
    };
    String::from_utf8(bytes).ok()
}

/// Finds the file with the counter: that of version 1 if the memory controller is there, as it is
/// in hybrid systems, else that of version 2.
fn counter_file(groups: &str, mounts: &str) -> Option<PathBuf> {
    let group_of = |wanted: &dyn Fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            wanted(controllers).then_some(path)
        })
    };
    let is_memory = |list: &str| list.split(',').any(|item| item == "memory");
    if let Some(group) = group_of(&is_memory) {
        let dir = below_mount(mounts, group, &|kind, options| {
            kind == "cgroup" && is_memory(options)
        })?;
        return Some(dir.join("memory.oom_control"));
    }
    let group = group_of(&str::is_empty)?;
    let dir = below_mount(mounts, group, &|kind, _| kind == "cgroup2")?;
    Some(dir.join("memory.events"))
}

/// Returns where a control group is seen: its path below the mount's own root.
fn below_mount(mounts: &str, group: &str, wanted: &dyn Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut system = system.split(' ');
        if !wanted(system.next()?, system.nth(1)?) {
            return None;
        }
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

fn count(counters: &str) -> Option<u64> {
    counters
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const LEGACY: &str = "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
         31 23 0:28 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn the_counter_is_found_in_both_versions() {
        let path = |groups, mounts| counter_file(groups, mounts);
        assert_eq!(
            path("0::/user.slice/a.scope\n", UNIFIED),
            Some("/sys/fs/cgroup/user.slice/a.scope/memory.events".into())
        );
        assert_eq!(
            path("4:memory:/docker/ab/x\n2:cpu,cpuacct:/\n0::/\n", LEGACY),
            Some("/sys/fs/cgroup/memory/x/memory.oom_control".into())
        );
    }

    #[test]
    fn a_group_outside_the_mount_makes_no_statement() {
        assert_eq!(counter_file("4:memory:/elsewhere\n", LEGACY), None);
        assert_eq!(counter_file("0::/a\n", LEGACY), None);
        assert_eq!(counter_file("", UNIFIED), None);
        assert_eq!(counter_file("garbage", "garbage - x"), None);
    }

    #[test]
    fn kills_are_counted_and_nothing_else() {
        assert_eq!(
            count("low 0\noom 9\noom_kill 3\noom_group_kill 5\n"),
            Some(3)
        );
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"),
            Some(0)
        );
        assert_eq!(count("oom 9\n"), None);
    }
}
