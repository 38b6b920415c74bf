//! On what cache, root, temporary and host-local files lie, and how much room is left there.

use std::path::{Path, PathBuf};

use ibid_core::fs::{FileSystemKind, MountPoint, Space};

use super::finding::Finding;
use super::standing;
use crate::context::Session;
use crate::report::people;

/// Less than this is used up by a few results.
const LITTLE: u64 = 256 << 20;

/// Fewer inodes than this are used up by a few trees.
const FEW_INODES: u64 = 2_000;

/// Tells of each place; of the room on a mount once.
pub(super) fn all(session: &Session) -> Vec<Finding> {
    let mut places: Vec<(&'static str, PathBuf)> = vec![
        ("cache", session.dirs.cache().path.clone()),
        ("root", session.root.clone()),
        ("tmp", session.dirs.tmp().path.clone()),
    ];
    places.extend(session.local_dir().map(|dir| ("local", dir.path)));
    let mut told: Vec<PathBuf> = Vec::new();
    let mut findings = Vec::new();
    for (name, path) in places {
        let (real, above) = standing(&path);
        let mount = MountPoint::of(&real);
        // What may not be looked at says nothing by the folders above its mount.
        let on_it = |above: &PathBuf| mount.as_ref().is_none_or(|it| above.starts_with(&it.at));
        let above = above.filter(on_it);
        findings.push(kind(name, &real, above.as_deref(), mount.as_ref()));
        // How much room there is where nothing can be written does not matter.
        let is_writable = mount.as_ref().is_none_or(|mount| !mount.read_only);
        let at = mount.map_or_else(|| above.clone().unwrap_or_default(), |mount| mount.at);
        if !told.contains(&at) {
            let space = above.as_deref().filter(|_| is_writable);
            findings.extend(space.map(|above| space_on(name, above)));
            told.push(at);
        }
    }
    findings
}

fn kind(
    name: &'static str,
    path: &Path,
    above: Option<&Path>,
    mount: Option<&MountPoint>,
) -> Finding {
    let found = match mount {
        Some(mount) => {
            let (at, kind) = (people::path(&mount.at), &mount.kind);
            let read_only = if mount.read_only { ", read-only" } else { "" };
            format!("{kind}, mounted at {at}{read_only}")
        }
        None => "not known".to_owned(),
    };
    let finding = kind_finding(name, found, path, above);
    finding.of(name)
}

/// Says what a place on a file system of this kind means.
fn kind_finding(name: &str, found: String, path: &Path, above: Option<&Path>) -> Finding {
    const NAME: &str = "file system";
    let Some(above) = above else {
        let path = people::path(path);
        return Finding::warning(NAME, found)
            .meaning(format!("this user may not look at `{path}`"));
    };
    match FileSystemKind::of(above).ok() {
        Some(FileSystemKind::Memory) if name == "cache" => Finding::note(NAME, found)
            .meaning("kept in memory: what is stored is gone after a reboot"),
        Some(FileSystemKind::Network) => Finding::note(NAME, found)
            .meaning("on a network or served by a process: stamps there may be old"),
        Some(FileSystemKind::Unknown) | None => Finding::note(NAME, found)
            .meaning("a file system that ibid does not know: its stamps are not believed"),
        Some(_) => Finding::ok(NAME, found),
    }
}

fn space_on(name: &'static str, above: &Path) -> Finding {
    let space = match Space::of(above) {
        Ok(space) => space,
        Err(error) => return Finding::note("space", ibid_core::engine::chain(&error)).of(name),
    };
    let Space {
        total,
        available,
        inodes_total,
        inodes_available,
    } = space;
    if total == 0 {
        return Finding::note("space", "the file system does not say").of(name);
    }
    let (free, of) = (people::size(available), people::size(total));
    let found = if inodes_total == 0 {
        format!("{free} of {of} free")
    } else {
        let percent = u128::from(inodes_available) * 100 / u128::from(inodes_total);
        let files = match percent {
            0..=9 => format!("{inodes_available} of {inodes_total}"),
            _ => format!("{percent} %"),
        };
        format!("{free} of {of} free, and {files} of the inodes")
    };
    let few_inodes = inodes_total > 0 && inodes_available < FEW_INODES.min(inodes_total / 20 + 1);
    let little = available < LITTLE.min(total / 20 + 1);
    if !little && !few_inodes {
        return Finding::ok("space", found).of(name);
    }
    let what = if little { "space" } else { "inodes" };
    let finding = Finding::warning("space", found).of(name);
    match name {
        "cache" => finding
            .meaning(format!(
                "with no {what} left, results are made and not stored"
            ))
            .set("`ibid prune --max-size SIZE` makes room; `cache_dir` may lie elsewhere"),
        "tmp" => finding
            .meaning("output of commands is kept there while they run")
            .set("`IBID_TMP_DIR` or `tmp_dir` names a folder with room"),
        _ => finding.meaning(format!(
            "with no {what} left, outputs cannot be made or restored"
        )),
    }
}
