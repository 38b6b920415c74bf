//! The campaigns of the gate, and how much of each a budget allows.
//!
//! The quick sizes come to seven minutes on two processors.

use ibid_testkit::campaign::{self, Plan, Report};

use crate::shell::which;

/// One campaign.
pub(super) struct Campaign {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) play: fn(&Plan) -> Report,
    pub(super) quick: Size,
    pub(super) full: Size,
    /// A program that it cannot do without.
    needs: Option<&'static str>,
}

/// How much is done.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) times: usize,
    pub(super) seconds: u64,
    pub(super) workers: usize,
}

const fn size(times: usize, seconds: u64, workers: usize) -> Size {
    Size {
        times,
        seconds,
        workers,
    }
}

/// As many as there are.
const EACH: usize = usize::MAX;

/// All of them, in the order in which they are played.
pub(super) const ALL: &[Campaign] = &[
    Campaign {
        name: "damage",
        about: "every file of a store damaged in every way: never served, healed by the next run",
        play: campaign::damage,
        quick: size(EACH, 30, 8),
        full: size(EACH, 1200, 8),
        needs: None,
    },
    Campaign {
        name: "kill",
        about: "kill -9 at random moments of a commit, a refresh and a restore of 200 files",
        play: campaign::kill,
        quick: size(60, 30, 8),
        full: size(1000, 1200, 8),
        needs: None,
    },
    Campaign {
        name: "kills",
        about: "kill -9 before and after each file-changing call of 14 workloads in 5 ways",
        play: campaign::kills,
        quick: size(EACH, 60, 8),
        full: size(EACH, 3600, 64),
        needs: None,
    },
    Campaign {
        name: "faults",
        about: "each call on files of 14 workloads in 5 ways fails once, with 12 faults",
        play: campaign::faults,
        quick: size(EACH, 75, 8),
        full: size(EACH, 7200, 64),
        needs: None,
    },
    Campaign {
        name: "meetings",
        about: "two processes on one store, each paused before any of its file-changing calls",
        play: campaign::meetings,
        quick: size(EACH, 30, 8),
        full: size(EACH, 3600, 64),
        needs: None,
    },
    Campaign {
        name: "race",
        about: "32 processes ask for 200 keys at once, with leases and without",
        play: campaign::race,
        quick: size(20, 30, 8),
        full: size(200, 1200, 32),
        needs: None,
    },
    Campaign {
        name: "histories",
        about: "2 to 64 processes in every way at once, stopped and killed, against a model",
        play: campaign::histories,
        quick: size(20_000, 40, 1),
        full: size(1_000_000, 2400, 1),
        needs: None,
    },
    Campaign {
        name: "users",
        about: "four users, eight umasks and an intruder on one store",
        play: campaign::users,
        quick: size(2, 30, 8),
        full: size(40, 1200, 8),
        needs: Some("setpriv"),
    },
    Campaign {
        name: "powercut",
        about: "disks as a power cut may leave them: five file systems, both durabilities",
        play: campaign::powercut,
        quick: size(100, 40, 1),
        full: size(10_000, 3600, 1),
        needs: Some("unshare"),
    },
    Campaign {
        name: "freshness",
        about: "files changed behind the back of their status, on six file systems",
        play: |plan| campaign::freshness(plan, &crate::eyes::open),
        quick: size(120_000, 20, 1),
        full: size(1_200_000, 600, 1),
        needs: None,
    },
    Campaign {
        name: "hostile",
        about: "hostile records, trees, paths and files: nothing beside the outputs is touched",
        play: |plan| campaign::hostile(plan, which("strace").as_deref()),
        quick: size(EACH, 60, 2),
        full: size(EACH, 1200, 4),
        needs: None,
    },
    Campaign {
        name: "promise",
        about: "a pipeline of 60 steps edited at random: each run as planned, each output right",
        play: campaign::promise,
        quick: size(30, 30, 8),
        full: size(200, 1200, 8),
        needs: None,
    },
    Campaign {
        name: "read-only",
        about: "hits on a store that may only be read write nothing (strace)",
        play: read_only,
        quick: size(1, 30, 8),
        full: size(1, 300, 8),
        needs: Some("strace"),
    },
];

impl Campaign {
    /// Says why it cannot be played here.
    pub(super) fn obstacle(&self) -> Option<String> {
        let program = self.needs?;
        which(program)
            .is_none()
            .then(|| format!("`{program}` is not installed"))
    }
}

fn read_only(plan: &Plan) -> Report {
    let strace = which("strace").expect("it was looked for before");
    campaign::read_only(plan, &strace)
}
