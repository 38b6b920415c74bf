//! Things at names of the store and of the workspace that are no files: links, FIFOs, sockets,
//! devices, folders; and folders that lead elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, makedev, mknodat};

use super::super::snapshot::remove;
use super::blobs::{NAMES, path_of};
use super::play::{Case, Expect};
use super::scene::Scene;

/// What stands at a name.
const THINGS: [&str; 9] = [
    "a FIFO",
    "a socket",
    "/dev/zero",
    "/dev/full",
    "a folder",
    "a link to a file",
    "a link to a folder",
    "a link to nothing",
    "a link to itself",
];

/// Folders of the store.
const FOLDERS: [&str; 15] = [
    "v1",
    "v1/blobs",
    "v1/blobs/SHARD",
    "v1/keys",
    "v1/keys/SHARD",
    "v1/runs",
    "v1/pins",
    "v1/leases",
    "v1/tmp",
    "v1/trash",
    "v1/trash/blobs",
    "v1/trash/blobs/SHARD",
    "v1/trash/keys",
    "local",
    "tmp",
];

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for what in NAMES {
        for thing in THINGS {
            let name = format!("{thing} as `{what}`");
            cases.push(Case::possible(
                "special file",
                name,
                Expect::Fresh,
                move |scene| put(scene, &path_of(scene, what), thing),
            ));
        }
    }
    for folder in FOLDERS {
        for thing in [
            "a link to a folder",
            "a link to nothing",
            "a FIFO",
            "a file",
            "swapped",
        ] {
            // What is local to this host lies wherever the user links it to.
            if matches!(folder, "local" | "tmp") && thing == "a link to a folder" {
                continue;
            }
            let name = format!("{thing} as `{folder}`");
            cases.push(Case::possible(
                "folder",
                name,
                Expect::Fresh,
                move |scene| put(scene, &resolved(scene, folder), thing),
            ));
        }
    }
    for place in [
        ".ibid",
        ".ibid/replaced",
        ".ibid/manifests",
        ".ibid/.gitignore",
    ] {
        for thing in [
            "a link to a folder",
            "a link to nothing",
            "a FIFO",
            "a file",
            "a link to a file",
        ] {
            // The user's own link is followed for what is replaced: its folder is the user's.
            if place == ".ibid" && thing == "a link to a folder" {
                continue;
            }
            // The step of a command line has no manifest; a folder that the user filled stands in
            // its way, so that something is replaced.
            let name = format!("{thing} as `{place}`");
            cases.push(Case::possible(
                "workspace",
                name,
                Expect::Refused,
                move |scene| {
                    scene.env.write("folder/old", "old\n");
                    put(scene, &scene.env.work(place), thing)
                },
            ));
        }
    }
    cases
}

fn resolved(scene: &Scene, folder: &str) -> PathBuf {
    let shard = |path: PathBuf| {
        let name = path
            .parent()
            .and_then(Path::file_name)
            .expect("it lies in a shard");
        name.to_string_lossy().into_owned()
    };
    let of = if folder.contains("keys") {
        shard(scene.key_path())
    } else {
        shard(scene.blob_of("output"))
    };
    scene.store(folder.replace("SHARD", &of))
}

/// Puts a thing at a path; returns whether this machine allows that.
fn put(scene: &Scene, path: &Path, thing: &str) -> bool {
    if thing == "swapped" {
        return swap(scene, path);
    }
    let above = path.parent().expect("it lies in a folder");
    fs::create_dir_all(above).expect("the store is ours");
    remove(path);
    let canary = scene.canary();
    let node = |kind, device| mknodat(CWD, path, kind, 0o644.into(), device).is_ok();
    match thing {
        "a FIFO" => node(FileType::Fifo, 0),
        // The path of a socket is short.
        "a socket" => {
            let short = scene.env.home("s");
            remove(&short);
            UnixListener::bind(&short).is_ok() && fs::rename(&short, path).is_ok()
        }
        "/dev/zero" => node(FileType::CharacterDevice, makedev(1, 5)),
        "/dev/full" => node(FileType::CharacterDevice, makedev(1, 7)),
        "a file" => fs::write(path, "a file\n").is_ok(),
        "a folder" => {
            fs::create_dir(path).is_ok() && fs::write(path.join("inside"), "inside\n").is_ok()
        }
        "a link to a file" => symlink(canary.join("secret"), path).is_ok(),
        "a link to a folder" => symlink(canary, path).is_ok(),
        "a link to nothing" => symlink(canary.join("missing"), path).is_ok(),
        _ => symlink(path, path).is_ok(),
    }
}

/// Moves a folder of the store to another place and leaves a link.
fn swap(scene: &Scene, path: &Path) -> bool {
    let aside = scene.env.home("swapped");
    remove(&aside);
    fs::rename(path, &aside).is_ok() && symlink(&aside, path).is_ok()
}
