//! Room on the disk: what the chosen workloads take at their peak, and whether there is as much.
//!
//! Looked at before anything is made, since a disk that fills up spoils the figures of everything
//! that still comes, and those of others. Figures are rounded up from what full sizes take on ext4,
//! where a small file takes whole blocks. Inputs stay from run to run; what a workload makes beside them
//! is deleted with its batch.

use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::options::Options;
use super::workloads::Workload;
use crate::shell::Outcome;

/// What several workloads read, made once, and of which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Input {
    /// So many small files.
    Small(u64),
    /// A repository that holds them.
    Git(u64),
    /// So many files of a gibibyte.
    Big(u64),
    /// Graphs of so many steps, run by each tool.
    Steps(u64),
    /// A store of so many results.
    Store(u64),
}

use Input::{Big, Git, Small, Steps, Store};

/// What a workload takes on the disk.
#[derive(Debug)]
pub(super) struct Room {
    workload: &'static str,
    /// Workloads of one batch are prepared together, and what they made goes before the next.
    pub(super) batch: u8,
    inputs: &'static [Input],
    /// Megabytes beside the inputs, and as many more in each round.
    once: u64,
    each: u64,
}

const fn room(
    workload: &'static str,
    batch: u8,
    inputs: &'static [Input],
    once: u64,
    each: u64,
) -> Room {
    Room {
        workload,
        batch,
        inputs,
        once,
        each,
    }
}

/// The batches run in this order. What is big is alone in its own; the largest store, which stays,
/// comes when all of that is gone again.
#[rustfmt::skip]
const ROOMS: &[Room] = &[
    room("no-op-100", 0, &[Steps(100)], 0, 0),
    room("no-op-1000", 0, &[Steps(1_000)], 0, 0),
    room("no-op-10000", 0, &[Steps(10_000)], 0, 0),
    room("no-op-100000", 0, &[Steps(100_000), Steps(10_000)], 0, 0),
    room("up-to-date", 0, &[], 1, 1),
    room("hit", 0, &[], 1, 1),
    room("hash-big", 0, &[Big(4)], 1, 1),
    room("hash-small", 0, &[Small(100_000)], 1, 30),
    room("recheck", 0, &[Small(100_000), Git(100_000)], 30, 0),
    room("step", 0, &[], 1, 40),
    room("restore-in-place", 0, &[Small(10_000)], 240, 0),
    room("restore-copy", 0, &[Small(10_000)], 120, 240),
    room("restore-link", 0, &[Small(10_000)], 360, 5),
    room("restore-reflink", 0, &[Small(10_000)], 600, 40),
    room("capture-small", 0, &[Small(10_000)], 120, 360),
    room("memory", 0, &[Small(100_000), Small(10_000), Steps(10_000)], 600, 0),
    // Each in as many copies as lie there while the next one is written.
    room("capture-big", 1, &[Big(2)], 3 * 2 * GIBIBYTE, 0),
    room("restore-big", 2, &[Big(4)], 3 * 4 * GIBIBYTE, 0),
    room("restore-big-reflink", 3, &[Big(4)], 3 * 4 * GIBIBYTE, 0),
    room("look-up", 4, &[Store(1_000), Store(1_000_000)], 1, 1),
    room("gc-list", 4, &[Store(1_000_000)], 600, 0),
];

/// In megabytes.
const GIBIBYTE: u64 = 1_074;

/// Rounds of each command beside those that were asked for: what has to be there first, and a
/// last one that is listened to.
const MORE_ROUNDS: usize = 2;

/// What is left over, in percent of the need: a file system slows down before it is full.
const SPARE_PERCENT: u64 = 10;

impl Input {
    /// What it takes, in kilobytes.
    fn kilobytes(self, divisor: u64) -> u64 {
        match self {
            Small(count) | Git(count) => count * 12 / divisor,
            // The files become smaller and not fewer.
            Big(count) => count * GIBIBYTE * 1_000 / divisor,
            Steps(count) => count * 36 / divisor,
            Store(1_000) => 17_000,
            Store(count) => count * 17 / divisor,
        }
    }

    /// Its name in the folder of inputs; of several, the one that is made last.
    fn name(self, divisor: u64) -> String {
        let part = |count: u64| (count / divisor).max(1);
        match self {
            Small(count) => format!("small-{}", part(count)),
            Git(count) => format!("small-{}.git", part(count)),
            Big(count) => format!("big-{count}x{}", part(1_024)),
            Steps(count) => format!("steps-{}-home", part(count)),
            Store(1_000) => "store-1000".to_owned(),
            Store(count) => format!("store-{}", part(count)),
        }
    }
}

/// Returns what is known of a workload's room.
pub(super) fn of(workload: &Workload) -> &'static Room {
    let room = ROOMS.iter().find(|room| room.workload == workload.name);
    room.expect("each workload has its room, says a test")
}

/// Returns the kilobytes that the workloads take at their peak, beside inputs that stand already.
fn peak(wanted: &[&Workload], options: &Options, stands: impl Fn(&str) -> bool) -> u64 {
    let divisor = options.divisor as u64;
    let rounds = (options.rounds + options.warm_ups + MORE_ROUNDS) as u64;
    let (mut made, mut inputs, mut peak) = (BTreeSet::new(), 0, 0);
    for batch in wanted.chunk_by(|one, next| of(one).batch == of(next).batch) {
        let mut beside = 0;
        for room in batch.iter().map(|one| of(one)) {
            beside += (room.once + room.each * rounds) * 1_000 / divisor;
            let new = room.inputs.iter().filter(|input| made.insert(**input));
            let new = new.filter(|input| !stands(&input.name(divisor)));
            inputs += new.map(|input| input.kilobytes(divisor)).sum::<u64>();
        }
        peak = peak.max(inputs + beside);
    }
    peak * (100 + SPARE_PERCENT) / 100
}

/// Refuses to begin what the folder `home` has no room for.
pub(super) fn check(home: &Path, wanted: &[&Workload], options: &Options) -> Outcome {
    let inputs = home.join("inputs");
    let needed = peak(wanted, options, |name| inputs.join(name).exists());
    let place = home.ancestors().find(|place| place.exists());
    let disk = statvfs(place.unwrap_or(home));
    let disk = disk.map_err(|error| format!("{}: {error}", home.display()))?;
    #[expect(clippy::useless_conversion, reason = "32 bits wide on other systems")]
    let free = u64::from(disk.blocks_available()) * u64::from(disk.fragment_size()) / 1_000;
    if free >= needed {
        return Ok(());
    }
    let tenths = |kilobytes: u64| format!("{}.{}", kilobytes / 1_000_000, kilobytes / 100_000 % 10);
    Err(format!(
        "this needs {} GB in {} for a while, and {} GB are free: name fewer workloads, or another \
         --dir",
        tenths(needed),
        home.display(),
        tenths(free),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::workloads::ALL;
    use super::*;

    fn named(names: &[&str]) -> Vec<&'static Workload> {
        let is_named = |one: &&Workload| names.is_empty() || names.contains(&one.name);
        ALL.iter().filter(is_named).collect()
    }

    fn gigabytes(names: &[&str], stands: impl Fn(&str) -> bool) -> u64 {
        peak(&named(names), &Options::default(), stands) / 1_000_000
    }

    #[test]
    fn each_workload_has_its_room_and_batches_follow_each_other() {
        let names: Vec<_> = ALL.iter().map(|one| one.name).collect();
        let rooms: Vec<_> = ROOMS.iter().map(|room| room.workload).collect();
        assert_eq!(names, rooms);
        assert!(ROOMS.is_sorted_by_key(|room| room.batch));
    }

    #[test]
    fn everything_fits_into_forty_gigabytes() {
        assert!(gigabytes(&[], |_| false) < 40);
    }

    #[test]
    fn an_input_counts_once_and_not_at_all_where_it_stands() {
        let store = gigabytes(&["gc-list"], |_| false);
        assert_eq!(gigabytes(&["look-up", "gc-list"], |_| false), store);
        assert_eq!(gigabytes(&["gc-list"], |name| name == "store-1000000"), 0);
    }

    #[test]
    fn what_is_big_does_not_add_up() {
        let restored = gigabytes(&["restore-big"], |_| false);
        let both = gigabytes(&["restore-big", "restore-big-reflink"], |_| false);
        assert_eq!(restored, both);
    }

    #[test]
    fn a_folder_without_room_is_refused_in_one_line() {
        let many = ["--rounds", "1000000000000"].map(str::to_owned);
        let options = Options::parse(&many).unwrap();
        let told = check(Path::new("/nonesuch/bench"), &named(&["step"]), &options).unwrap_err();
        assert!(told.contains("GB are free"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        check(Path::new("/"), &[], &options).unwrap();
    }
}
