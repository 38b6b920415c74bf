//! Notes of what a request looks at, which make a hit that can be kept.
//!
//! Owns how much a hit may rest on, and for how long it stands.

use std::sync::Mutex;
use std::time::Duration;

use ibid_core::engine::StepOutcome;
use ibid_core::fs::{self, Accounting, Timestamp};
use ibid_core::store::View;

use super::hit::Hit;
use super::nanos;
use super::printing::Printed;
use crate::context::{Session, now, stamp_clock};
use crate::run::Run;

/// For so long a hit stands for the next ones. What would not be looked at is not passed over for longer.
const KEPT: Duration = Duration::from_mins(1);

/// A hit that rests on more than this is as soon made anew.
const LOOKS: usize = 900;

/// Writes down what a request looks at, until it is dropped.
#[derive(Debug)]
pub(in crate::door) struct Noting {
    account: Accounting,
    began: Timestamp,
}

/// A hit, and where it came from.
pub(in crate::door) struct Came<'a> {
    pub(in crate::door) run: &'a Run<'a>,
    pub(in crate::door) session: &'a Session,
    /// The store's generation before anything was decided.
    pub(in crate::door) generation: Option<Vec<u8>>,
    pub(in crate::door) view: &'a View,
    pub(in crate::door) outcome: &'a StepOutcome,
}

impl Noting {
    pub(super) fn begin() -> Option<Self> {
        let began = stamp_clock();
        let account = fs::begin_account()?;
        Some(Self { account, began })
    }

    /// Makes a hit that can be kept, with what was `printed`; `None` where that is too much, or not all
    /// that was looked at can be looked at again.
    pub(in crate::door) fn end(&self, came: &Came<'_>, printed: Option<Printed>) -> Option<Hit> {
        let mut account = fs::end_account(self.account)?;
        let most = now().saturating_add(nanos(KEPT));
        account.until = Some(account.until.map_or(most, |until| until.min(most)));
        let views = came.run.own_views(came.session)?;
        if account.looks.len() > LOOKS {
            return None;
        }
        let around = (came.view.root(), came.session);
        let moment = (self.began, came.generation.as_deref());
        Some(Hit {
            seen: came.run.seen(account, around, moment)?,
            views,
            outcome: came.outcome.clone(),
            view: came.view.root().to_owned(),
            printed: printed?,
            last_view: Mutex::new(None),
        })
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        fs::end_account(self.account);
    }
}
