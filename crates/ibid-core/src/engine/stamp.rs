//! `Stamp`: the name of one run, for folders that keep what it replaced.

use super::context::Context;
use super::memo::Memo;
use crate::fs::{Timestamp, random_name};
use crate::output::{Ground, RunStamp};

/// When a run started, and what tells it from others of that second.
pub(super) struct Stamp {
    now: Timestamp,
    id: String,
}

impl Stamp {
    pub(super) fn now(cx: &Context<'_>) -> Self {
        Self {
            now: cx.timestamp(),
            id: random_name()[..8].to_owned(),
        }
    }

    /// Returns where the run of this name keeps what it replaces.
    pub(super) fn ground<'a>(&'a self, cx: &Context<'a>) -> Ground<'a> {
        Ground {
            root: cx.root,
            stamp: RunStamp {
                now: self.now,
                id: &self.id,
            },
            swept: cx.memo.map(Memo::swept),
        }
    }
}
