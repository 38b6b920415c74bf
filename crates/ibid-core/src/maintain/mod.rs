//! Looking after a store: what it holds, what of it may go, what of it is wrong.
//!
//! ```text
//! store ──▶ Inventory ──▶ Plan ──▶ Done          gc, prune, the trigger at the end of a run
//!             │  reads only   pure     apply: trash, then delete
//!             ├─▶ Usage                           what takes how much
//! store ──▶ Finding… ──▶ Repair                   verify, fsck
//! ```
//!
//! Planning is pure: it takes an [`Inventory`], a [`Policy`] and the time, and touches nothing, so
//! that `--dry-run` tells the truth. Applying is safe beside everything else that uses the store,
//! another collection included: nothing is believed to be the same as when it was listed, blobs
//! first go to the trash, from where whoever still needs them takes them back, and no lock is
//! needed. What is not understood (a later version's entry, a shard that cannot be read) stops the
//! collection of whatever it might name.
//!
//! This module knows nothing of steps, workspaces or commands.

mod apply;
mod check;
mod inventory;
mod named;
mod plan;
mod policy;
mod reach;
mod repair;
mod standing;
mod trigger;
mod usage;
mod worth;

pub use apply::{Done, apply, apply_while};
pub use check::{Checked, Flaw, FlawClass, FlawKind, Leftovers, check, verify, verify_result};
pub use inventory::{Blob, Entry, Inventory, Leftover, LeftoverKind, take, take_settled};
pub use named::AlsoNamed;
pub use plan::{Plan, plan};
pub use policy::Policy;
pub use repair::{Repaired, repair};
pub use trigger::{
    CollectError, Collected, Load, collect, collect_beside, draws_collection, is_due, is_overdue,
};
pub use usage::{AgeBand, LabelUsage, Usage, usage};
