//! Outputs of a run: validated, set aside, captured, recognised in place, and restored.
//!
//! Capture and restore stand together because their round trip is one law: what was captured,
//! restored elsewhere, is the same tree of names, kinds, executable bits, bytes and link texts.
//! This module knows the store and the stat cache, and nothing of keys, runs or events.
//!
//! Invariants: nothing outside the declared outputs, `.ibid/` and staging names beside the
//! outputs is written or removed; bytes of the user that are not in the store are renamed to
//! `.ibid/replaced/`, never deleted; an output is put in place whole or not at all.

mod aside;
mod capture;
mod content;
mod fill;
mod glance;
mod inspect;
mod keep;
mod pattern;
mod rehearse;
mod restore;
mod stage;
mod strays;
mod target;
mod validate;
mod walk;
mod workspace;

pub use aside::{Aside, AsideError, Kept, MadeLinks, Reading, leave_in_place, set_aside};
pub use capture::{Capture, CaptureError, Captured, Found, OutputProblem, find, made_links};
pub use content::Digests;
pub use inspect::{
    Difference, DifferenceKind, InPlace, NotStored, inspect, stand_as_known, trees_stand_as_known,
};
pub use keep::Ground;
pub use pattern::PatternError;
pub use rehearse::rehearse;
pub use restore::{RestoreError, Restored, Restorer};
pub use stage::LinkRefusal;
pub use strays::{Swept, name as staging_name};
pub use validate::{OutputError, Reserved, Role, against_sweeping, validate};
pub use workspace::{KEPT_DAYS, RunStamp, expire_replaced, workspace_dir};

#[cfg(test)]
mod tests;
