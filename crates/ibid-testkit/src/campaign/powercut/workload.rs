//! What is done on a disk until its power is cut, as plain data.

/// A command whose result is known from its inputs.
pub(super) struct Unit {
    /// Options of `ibid exec`; `None` where it is the pipeline.
    pub(super) options: Option<&'static [&'static str]>,
    /// What the command does.
    pub(super) script: &'static str,
    /// Where its outputs stand.
    pub(super) places: &'static [&'static str],
}

/// How an input is changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Its bytes are written over.
    InPlace,
    /// The same, and then its time is put back.
    Backdated,
    /// It is cut to nothing and written.
    Anew,
    /// Another file takes its name.
    Replaced,
}

/// One thing that is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// A unit is run.
    Run(usize),
    /// A unit is run although there is a result.
    Force(usize),
    /// The outputs of a unit are removed.
    Remove(usize),
    /// An input is changed.
    Edit(&'static str, Edit),
    /// Results may be gone once this has begun.
    Forget(&'static [&'static str]),
}

/// A way of using a store.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) units: &'static [Unit],
    /// What is done, and has reached the disk, in an earlier boot.
    pub(super) earlier: &'static [Act],
    /// What is interrupted.
    pub(super) acts: &'static [Act],
    /// The commands that it takes, where a binary may not have them.
    pub(super) needs: Option<&'static str>,
}

/// The inputs of all units, each with a letter that is its content.
pub(super) const INPUTS: [&str; 2] = ["a.txt", "b.txt"];

/// The pipeline of the unit that is one.
pub(super) const PIPELINE: &str = r#"
[steps.one]
run = "echo one >> \"$RUNS\"; { echo one; cat a.txt; } > one.txt"
inputs = ["a.txt"]
outputs = ["one.txt"]
pass_env = ["RUNS"]

[steps.two]
run = "echo two >> \"$RUNS\"; { echo two; cat b.txt; } > two.txt"
inputs = ["b.txt"]
outputs = ["two.txt"]
pass_env = ["RUNS"]

[steps.both]
run = "echo both >> \"$RUNS\"; mkdir both; cp one.txt both/1; cp two.txt both/2; ln -s 1 both/link"
inputs = ["one.txt", "two.txt"]
outputs = ["both"]
pass_env = ["RUNS"]

[steps.count]
run = "echo count >> \"$RUNS\"; wc -c < both/1 > count.txt"
inputs = ["both"]
outputs = ["count.txt"]
pass_env = ["RUNS"]

[steps.last]
run = "echo last >> \"$RUNS\"; cat count.txt two.txt > last.txt; chmod 755 last.txt"
inputs = ["count.txt", "two.txt"]
outputs = ["last.txt"]
pass_env = ["RUNS"]
"#;

const STEPS: Unit = Unit {
    options: None,
    script: "{ echo one; cat a.txt; } > one.txt; { echo two; cat b.txt; } > two.txt; mkdir both; \
             cp one.txt both/1; cp two.txt both/2; ln -s 1 both/link; wc -c < both/1 > count.txt; \
             cat count.txt two.txt > last.txt; chmod 755 last.txt",
    places: &["one.txt", "two.txt", "both", "count.txt", "last.txt"],
};

const COPY: Unit = Unit {
    options: Some(&["-i", "a.txt", "-o", "copy.txt"]),
    script: "cat a.txt > copy.txt; echo copied; echo told >&2",
    places: &["copy.txt"],
};

const JOIN: Unit = Unit {
    options: Some(&["-i", "a.txt", "-i", "b.txt", "-o", "join.txt"]),
    script: "cat a.txt b.txt > join.txt; chmod 755 join.txt",
    places: &["join.txt"],
};

const STREAMS: Unit = Unit {
    options: Some(&["-i", "b.txt"]),
    script: "cat b.txt",
    places: &[],
};

const TREE: Unit = Unit {
    options: Some(&[
        "-i",
        "a.txt",
        "-i",
        "b.txt",
        "-o",
        "tree",
        "-o",
        "parts/*.p",
    ]),
    script: "mkdir -p tree/empty tree/sub parts; cp a.txt tree/sub/a; cp b.txt tree/b; : > tree/none; \
             printf '#!/bin/sh\\n' > tree/run; chmod 755 tree/run; ln -s sub/a tree/link; \
             for i in 1 2 3; do { echo $i; cat a.txt; } > parts/$i.p; done",
    places: &["tree", "parts"],
};

use Act::{Edit as Change, Force, Forget, Remove, Run};

/// All of them.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "commits",
        units: &[COPY, JOIN, STREAMS],
        earlier: &[],
        acts: &[
            Run(0),
            Run(1),
            Run(2),
            Change("a.txt", Edit::InPlace),
            Run(0),
            Run(1),
        ],
        needs: None,
    },
    Workload {
        name: "a tree",
        units: &[TREE, COPY],
        earlier: &[],
        acts: &[Run(0), Run(1), Change("b.txt", Edit::Anew), Run(0), Run(0)],
        needs: None,
    },
    Workload {
        name: "a refresh",
        units: &[TREE, JOIN],
        earlier: &[Run(0), Run(1)],
        acts: &[
            Force(0),
            Change("a.txt", Edit::Backdated),
            Run(1),
            Force(1),
            Run(0),
        ],
        needs: None,
    },
    Workload {
        name: "a restore",
        units: &[TREE, JOIN, COPY],
        earlier: &[Run(0), Run(1), Run(2)],
        acts: &[
            Remove(0),
            Run(0),
            Remove(1),
            Remove(2),
            Run(1),
            Run(2),
            Change("a.txt", Edit::Replaced),
            Run(1),
            Change("a.txt", Edit::InPlace),
            Run(2),
        ],
        needs: None,
    },
    Workload {
        name: "five steps",
        units: &[STEPS],
        earlier: &[],
        acts: &[
            Run(0),
            Change("b.txt", Edit::InPlace),
            Run(0),
            Change("a.txt", Edit::Backdated),
            Remove(0),
            Run(0),
        ],
        needs: None,
    },
    Workload {
        name: "invalidate",
        units: &[COPY, JOIN],
        earlier: &[Run(0), Run(1)],
        acts: &[
            Run(0),
            Forget(&["invalidate", "work/copy.txt", "--because", "a test"]),
            Run(0),
            Run(1),
            Forget(&["invalidate", "work/join.txt", "--because", "a test"]),
        ],
        needs: None,
    },
    Workload {
        name: "gc",
        units: &[COPY, JOIN, TREE],
        earlier: &[Run(0), Run(1), Run(2)],
        acts: &[
            Change("a.txt", Edit::Anew),
            Run(1),
            Forget(&["gc"]),
            Run(0),
            Remove(2),
            Run(2),
        ],
        needs: Some("gc"),
    },
    Workload {
        name: "prune",
        units: &[COPY, JOIN, TREE],
        earlier: &[Run(0), Run(1), Run(2)],
        acts: &[
            Change("b.txt", Edit::InPlace),
            Run(2),
            Forget(&["prune", "--max-size", "8K"]),
            Run(0),
            Run(1),
            Forget(&["prune", "--keep-last", "1"]),
            Run(2),
        ],
        needs: Some("prune"),
    },
];
