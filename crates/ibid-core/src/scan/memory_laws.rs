//! Laws of trees that are looked through along what is remembered of them: nothing that changed is
//! taken for what it was, whatever hides it, and what did not change is not read.
//!
//! Each look is that at an input and that at an output. Files of the stat cache itself are taken away
//! before it, so that only what is remembered of the tree can save reading; what is right is said by
//! a scanner without a stat cache.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own files and read the clock"
)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use ibid_testkit::TempDir;

use super::laws::set_stamp;
use super::*;
use crate::digest::{BlobId, Digest, TreeId};
use crate::fs::{Dir, FileKind, FileSystem, Host, Meter, Signature, Timestamp};
use crate::tree::{Entry, RelPath, Tree};

/// So many files lie in each of two folders.
const FILES: usize = 120;

fn wall() -> Timestamp {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap(),
        nanos: now.subsec_nanos(),
    }
}

/// The clock of somebody who looks when all has been at rest for a while.
fn later() -> Timestamp {
    let now = wall();
    Timestamp {
        seconds: now.seconds + 10,
        ..now
    }
}

fn a_day_ago() -> Timestamp {
    let now = wall();
    Timestamp {
        seconds: now.seconds - 86_400,
        ..now
    }
}

fn host(boot: &str, machine: &str) -> Host {
    Host {
        name: "here".to_owned(),
        boot_id: boot.to_owned(),
        machine_id: machine.to_owned(),
    }
}

/// A tree of two folders, whose files are all known.
struct Grove {
    dir: TempDir,
    filter: Filter,
}

impl Grove {
    /// Makes the tree and remembers it; `None` where folders are not believed.
    fn new() -> Option<Self> {
        let grove = Self::planted()?;
        grove.remember(later);
        assert_eq!(grove.kept().len(), 2, "as an input and as an output");
        Some(grove)
    }

    fn planted() -> Option<Self> {
        let dir = TempDir::new();
        let grove = Self {
            dir,
            filter: Filter::inputs(&[]).unwrap(),
        };
        for folder in ["a", "b"] {
            std::fs::create_dir_all(grove.tree().join(folder)).unwrap();
            for file in 0..FILES {
                let text = format!("{folder}{file:04}");
                std::fs::write(grove.at(&format!("{folder}/{file:04}")), text).unwrap();
            }
        }
        symlink("a/0000", grove.at("link")).unwrap();
        let kind = FileSystem::of(grove.dir.path()).unwrap().kind;
        kind.is_stamped_here().then_some(grove)
    }

    fn tree(&self) -> PathBuf {
        self.dir.join("root/t")
    }

    fn at(&self, below: &str) -> PathBuf {
        self.tree().join(below)
    }

    fn stats(&self, host: Host, clock: fn() -> Timestamp) -> StatCache {
        StatCache::open(StatCacheOptions {
            dir: Some(self.dir.join("stats")),
            probe_dirs: Vec::new(),
            policy: StatPolicy::Safe,
            writes: StatWrites::Allowed,
            host,
            clock,
        })
    }

    /// Returns the files that remember the tree.
    fn kept(&self) -> Vec<PathBuf> {
        let stats = std::fs::read_dir(self.dir.join("stats"));
        let names = stats.into_iter().flatten().map(|it| it.unwrap().path());
        let is_tree = |path: &PathBuf| path.to_string_lossy().contains("/tree-");
        names.filter(is_tree).collect()
    }

    /// Returns when they were written.
    fn written(&self) -> Vec<Timestamp> {
        let signature = |path: &PathBuf| Signature::of(path).unwrap();
        let kept = self.kept();
        kept.iter().map(|path| signature(path).mtime).collect()
    }

    /// Looks at the tree once with all its files known.
    fn remember(&self, clock: fn() -> Timestamp) {
        self.remember_in(&self.stats(host("boot", "machine"), clock));
    }

    fn remember_in(&self, stats: &StatCache) {
        for folder in ["a", "b"] {
            for entry in std::fs::read_dir(self.at(folder)).unwrap() {
                let path = entry.unwrap().path();
                let signature = Signature::of(&path).unwrap();
                let fs = stats.file_system(&path, signature.device).unwrap();
                let digest = Digest::of(&std::fs::read(&path).unwrap());
                stats.remember(&signature, &fs, digest, Origin::Private);
            }
        }
        self.listed(stats, &Meter::new());
        Glance::at(&Dir::open(&self.tree()).unwrap(), stats).unwrap();
    }

    /// Returns the listing with its digest, which need not be made of it.
    fn listed(&self, stats: &StatCache, meter: &Meter) -> (TreeId, Vec<u8>) {
        let root = self.dir.join("root");
        let scanner = Scanner::new(&root, stats, meter);
        let listing = scanner.tree(&self.tree(), &self.filter).unwrap().tree;
        (listing.id(), listing.encode())
    }

    /// Looks at the tree with nothing but what is remembered of it, and returns how many bytes
    /// were read.
    fn look_as(&self, host: Host) -> u64 {
        let (read, unknown) = self.find_as(host);
        assert_eq!(unknown, read, "outputs go by the rules of inputs");
        read
    }

    /// The same with the number of bytes that lie in files which are not known of an output. What
    /// is found must be what stands there.
    fn find_as(&self, host: Host) -> (u64, u64) {
        for shard in 0..16 {
            let _ = std::fs::remove_file(self.dir.join(format!("stats/{shard:x}")));
        }
        let unknown = self.glanced(&self.stats(host.clone(), later));
        let (stats, meter) = (self.stats(host, later), Meter::new());
        let found = self.listed(&stats, &meter);
        assert_eq!(found, self.listed(&StatCache::off(), &Meter::new()));
        (meter.done(), unknown)
    }

    /// Glances at the tree as at an output, and returns how many bytes lie in files that are not
    /// known. What it tells must be what stands there.
    fn glanced(&self, stats: &StatCache) -> u64 {
        let (root, off, meter) = (self.dir.join("root"), StatCache::off(), Meter::new());
        let scanner = Scanner::new(&root, &off, &meter).with_symlinks(SymlinkPolicy::Keep);
        let stands = scanner.tree(&self.tree(), &Filter::everything()).unwrap();
        let stands = Tree::decode(&stands.tree.encode()).unwrap();
        let glance = Glance::at(&Dir::open(&self.tree()).unwrap(), stats).unwrap();
        let (mut told, mut unknown) = (Vec::new(), 0);
        glance.each(|path, glimpse| {
            let entry = match (glimpse.signature.kind(), stands.get(&path)) {
                (FileKind::Link, _) => Entry::Link(glimpse.link.unwrap().to_vec()),
                (FileKind::Dir, _) => Entry::Dir,
                (_, Some(Entry::File { blob, .. })) => {
                    let unread = glimpse.digest.is_none();
                    unknown += glimpse.signature.size * u64::from(unread);
                    Entry::File {
                        executable: glimpse.signature.is_executable(),
                        size: glimpse.signature.size,
                        blob: glimpse.digest.map_or(*blob, BlobId::new),
                    }
                }
                (_, other) => panic!("{path} is {other:?}"),
            };
            told.push((path, entry));
        });
        assert_eq!(Tree::from_entries(told).unwrap(), stands);
        assert!(glance.id().is_none_or(|id| id == stands.id()));
        assert!(unknown == 0 || glance.id().is_none());
        unknown
    }

    /// Finds what stands there both ways, where inputs and outputs differ.
    fn find(&self) {
        self.find_as(host("boot", "machine"));
    }

    fn look(&self) -> u64 {
        self.look_as(host("boot", "machine"))
    }
}

/// The bytes of every file of the tree.
const WHOLE: u64 = 2 * 5 * FILES as u64;

#[test]
fn a_tree_that_did_not_change_is_known_by_its_folders_alone() {
    let Some(grove) = Grove::new() else { return };
    let before = grove.written();
    assert_eq!(grove.look(), 0);
    assert_eq!(grove.look(), 0);
    assert_eq!(grove.written(), before, "where nothing is new");
}

#[test]
fn a_name_that_came_went_or_changed_is_seen() {
    for change in [
        |grove: &Grove| std::fs::write(grove.at("a/new"), "").unwrap(),
        |grove: &Grove| std::fs::remove_file(grove.at("a/0007")).unwrap(),
        |grove: &Grove| std::fs::rename(grove.at("a/0007"), grove.at("a/7")).unwrap(),
        |grove: &Grove| std::fs::rename(grove.at("a/0007"), grove.at("b/0007")).unwrap(),
        |grove: &Grove| std::fs::create_dir(grove.at("a/dir")).unwrap(),
        |grove: &Grove| std::fs::remove_dir_all(grove.at("b")).unwrap(),
        |grove: &Grove| std::fs::rename(grove.at("b"), grove.at("c")).unwrap(),
    ] {
        let Some(grove) = Grove::new() else { return };
        let seconds = |path: PathBuf| Signature::of(&path).unwrap().mtime;
        let times = ["a", "b", ""].map(|name| (grove.at(name), seconds(grove.at(name))));
        change(&grove);
        for (folder, time) in times {
            if folder.exists() {
                set_stamp(&folder, time);
            }
        }
        grove.look();
    }
}

#[test]
fn a_file_of_other_bytes_is_read_alone_whatever_hides_it() {
    let Some(grove) = Grove::new() else { return };
    let path = grove.at("a/0007");
    let time = Signature::of(&path).unwrap().mtime;
    // In place, of the same size, with its time put back: its folder does not change.
    std::fs::write(&path, "other").unwrap();
    set_stamp(&path, time);
    assert_eq!(grove.look(), 5);
    let Some(grove) = Grove::new() else { return };
    let path = grove.at("a/0007");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(grove.look(), 5);
    // Under another name, which leaves the folder as it is.
    let Some(grove) = Grove::new() else { return };
    let other = grove.dir.join("other");
    std::fs::hard_link(grove.at("b/0007"), &other).unwrap();
    std::fs::write(&other, "other").unwrap();
    assert_eq!(grove.look(), 5);
    // Another file takes the name, of the same size and time.
    let Some(grove) = Grove::new() else { return };
    let (path, new) = (grove.at("a/0007"), grove.dir.join("new"));
    std::fs::write(&new, "other").unwrap();
    set_stamp(&new, Signature::of(&path).unwrap().mtime);
    std::fs::rename(&new, &path).unwrap();
    assert!(grove.look() > 0);
}

#[test]
fn folders_and_links_that_change_places_are_seen() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let Some(grove) = Grove::new() else { return };
    let top = Signature::of(&grove.tree()).unwrap().mtime;
    let (a, b) = (grove.at("a"), grove.at("b"));
    renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
    set_stamp(&grove.tree(), top);
    grove.look();
    let Some(grove) = Grove::new() else { return };
    std::fs::remove_file(grove.at("link")).unwrap();
    symlink("b/0000", grove.at("link")).unwrap();
    set_stamp(&grove.tree(), top);
    grove.look();
}

#[test]
fn what_a_link_leads_to_outside_counts_at_each_look() {
    let Some(grove) = Grove::planted() else {
        return;
    };
    let outside = grove.dir.join("outside");
    std::fs::write(&outside, "one").unwrap();
    symlink(&outside, grove.at("out")).unwrap();
    grove.remember(later);
    assert_eq!(grove.kept().len(), 2);
    grove.find();
    std::fs::write(&outside, "two").unwrap();
    grove.find();
    std::fs::remove_file(&outside).unwrap();
    grove.find();
    // The other way round: it led nowhere when the tree was remembered.
    let Some(grove) = Grove::planted() else {
        return;
    };
    let outside = grove.dir.join("outside");
    symlink(&outside, grove.at("out")).unwrap();
    grove.remember(later);
    assert_eq!(grove.look(), 0);
    std::fs::write(&outside, "three").unwrap();
    grove.find();
}

#[test]
fn what_is_mounted_over_a_folder_or_a_file_is_seen() {
    if !ibid_testkit::disks::may_mount() {
        return;
    }
    let run = |program: &str, arguments: &[&Path]| {
        let mut command = std::process::Command::new(program);
        assert!(command.args(arguments).status().unwrap().success());
    };
    let Some(grove) = Grove::new() else { return };
    let away = grove.dir.join("away");
    std::fs::create_dir(&away).unwrap();
    for file in 0..FILES {
        std::fs::write(away.join(format!("{file:04}")), "other").unwrap();
    }
    for (from, over) in [(away.clone(), "a"), (away.join("0003"), "b/0007")] {
        run("mount", &["--bind".as_ref(), &from, &grove.at(over)]);
        // Undone before anything can fail, because the tree is removed at the end.
        let looked = std::panic::catch_unwind(AssertUnwindSafe(|| grove.look()));
        run("umount", &[&grove.at(over)]);
        looked.unwrap();
    }
    grove.look();
}

#[test]
fn a_folder_that_is_too_young_by_the_clock_is_not_kept() {
    for clock in [wall, a_day_ago] {
        let Some(grove) = Grove::planted() else {
            return;
        };
        grove.remember(clock);
        let kept = grove.kept();
        assert!(kept.is_empty(), "a status does not stand for names yet");
    }
}

#[test]
fn another_boot_or_machine_remembers_nothing() {
    for (boot, machine) in [("later", "machine"), ("boot", "copy")] {
        let Some(grove) = Grove::new() else { return };
        assert_eq!(grove.look_as(host(boot, machine)), WHOLE);
    }
    let Some(grove) = Grove::planted() else {
        return;
    };
    grove.remember_in(&grove.stats(host("", "machine"), later));
    assert!(grove.kept().is_empty(), "it may be of another boot");
}

#[test]
fn damaged_bytes_are_none() {
    let Some(grove) = Grove::new() else { return };
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    let (paths, whole): (Vec<_>, Vec<_>) =
        grove.kept().iter().map(|it| (it.clone(), read(it))).unzip();
    let look_at = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
        for (path, whole) in paths.iter().zip(&whole) {
            std::fs::write(path, change(whole)).unwrap();
        }
        grove.look()
    };
    let at = |step: usize| (0..whole[0].len()).step_by(step);
    for cut in at(997) {
        look_at(&|whole| whole[..cut].to_vec());
    }
    for at in at(331) {
        look_at(&|whole| {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 4;
            flipped
        });
    }
    // The last half of another time.
    let Some(other) = Grove::new() else { return };
    let other = read(&other.kept()[0]);
    look_at(&|whole| [&other[..whole.len() / 2], &whole[whole.len() / 2..]].concat());
    assert_eq!(look_at(&<[u8]>::to_vec), 0);
}

#[test]
fn what_was_written_in_another_format_is_not_read() {
    let Some(grove) = Grove::new() else { return };
    for path in grove.kept() {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 4;
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(grove.look(), WHOLE);
}

#[test]
fn another_filter_has_a_memory_of_its_own() {
    let Some(mut grove) = Grove::new() else {
        return;
    };
    grove.filter = Filter::inputs(&["t/a/000*".to_owned()]).unwrap();
    grove.find();
    grove.filter = Filter::everything();
    std::fs::create_dir(grove.at(".git")).unwrap();
    grove.remember(later);
    grove.find();
    grove.filter = Filter::inputs(&[]).unwrap();
    grove.find();
}

#[test]
fn what_comes_into_a_folder_that_only_led_to_an_output_is_seen() {
    let Some(mut grove) = Grove::planted() else {
        return;
    };
    let out = RelPath::new("t/way/out").unwrap();
    let filter = Filter::inputs(&[]).unwrap();
    grove.filter = filter.beside_outputs(vec![out], Vec::new());
    std::fs::create_dir(grove.at("way")).unwrap();
    grove.remember(later);
    grove.find();
    // The folder above has the status that it had.
    std::fs::write(grove.at("way/in"), "").unwrap();
    grove.find();
}

#[test]
fn more_trees_than_have_room_do_not_drive_one_another_out_before_a_day_has_gone() {
    let Some(grove) = Grove::planted() else {
        return;
    };
    let dir = grove.dir.join("stats");
    std::fs::create_dir(&dir).unwrap();
    let other = |number: usize| dir.join(format!("tree-{number:016x}"));
    for number in 0..256 {
        std::fs::write(other(number), "").unwrap();
    }
    grove.remember(later);
    let is_tree = |name: &Path| name.to_string_lossy().contains("tree-");
    let count = || {
        let names = std::fs::read_dir(&dir).unwrap();
        names
            .filter(|it| is_tree(it.as_ref().unwrap().file_name().as_ref()))
            .count()
    };
    assert_eq!(count(), 256, "a young one does not make way");
    set_stamp(
        &other(7),
        Timestamp {
            seconds: 1_000_000,
            nanos: 0,
        },
    );
    grove.remember(later);
    assert!(!other(7).exists(), "an old one does");
    assert!(other(8).exists());
}

#[test]
fn files_of_others_in_the_same_folder_do_not_make_way() {
    let Some(grove) = Grove::planted() else {
        return;
    };
    let dir = grove.dir.join("stats");
    std::fs::create_dir(&dir).unwrap();
    let old = Timestamp {
        seconds: 1_000_000,
        nanos: 0,
    };
    for number in 0..300 {
        let own = dir.join(format!("tree-house-{number}.jpg"));
        std::fs::write(&own, "").unwrap();
        set_stamp(&own, old);
    }
    grove.remember(later);
    let left = std::fs::read_dir(&dir).unwrap();
    let own = left.filter(|it| it.as_ref().unwrap().path().extension().is_some());
    assert_eq!(own.count(), 300);
}

#[test]
fn where_nothing_may_be_written_no_tree_is_kept() {
    let Some(grove) = Grove::planted() else {
        return;
    };
    let stats = StatCache::open(StatCacheOptions {
        dir: Some(grove.dir.join("stats")),
        probe_dirs: Vec::new(),
        policy: StatPolicy::Safe,
        writes: StatWrites::Forbidden,
        host: host("boot", "machine"),
        clock: later,
    });
    grove.remember_in(&stats);
    drop(stats);
    assert!(!grove.dir.join("stats").exists());
}
