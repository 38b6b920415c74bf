//! Keys of calls that this process has asked for lately, so that a hit need not make its key anew.
//!
//! Owns nothing but copies. The key of a call hangs on what is handed in and on the root alone: no
//! file is read for it, and no variable. So what is known is compared in full, byte for byte, and
//! says nothing of whether there is a result. Invariants: only what leads to a hit is taken from
//! here, never what is run; nobody waits for the lock, which a fork may have copied while it was
//! held.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};

use ibid_core::engine::Prepared;

use super::Call;
use super::hits::{LARGE, Repeatable as _};

/// So many calls are known, the latest first.
const MANY: usize = 64;

static RECENT: Mutex<VecDeque<Known>> = Mutex::new(VecDeque::new());

struct Known {
    call: Call,
    root: PathBuf,
    prepared: Arc<Prepared>,
}

/// Returns what a call was prepared to, if the same one was kept.
pub(super) fn find(call: &Call, root: &Path) -> Option<Arc<Prepared>> {
    let find = |recent: &mut VecDeque<Known>| {
        let known = recent.iter().find(|known| known.is(call, root))?;
        Some(Arc::clone(&known.prepared))
    };
    with(find)?
}

/// Keeps what a call was prepared to.
pub(super) fn keep(call: &Call, root: &Path, prepared: &Arc<Prepared>) {
    if call.bytes() > LARGE {
        return;
    }
    let known = Known {
        call: call.clone(),
        root: root.to_owned(),
        prepared: Arc::clone(prepared),
    };
    let forgotten = with(|recent| {
        recent.push_front(known);
        (recent.len() > MANY).then(|| recent.pop_back())
    });
    drop(forgotten);
}

fn with<T>(act: impl FnOnce(&mut VecDeque<Known>) -> T) -> Option<T> {
    match RECENT.try_lock() {
        Ok(mut recent) => Some(act(&mut recent)),
        // Each change is whole.
        Err(TryLockError::Poisoned(poisoned)) => Some(act(&mut poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Known {
    fn is(&self, call: &Call, root: &Path) -> bool {
        // How a call is gone about is no part of its key.
        let Call {
            name,
            label,
            code,
            spec,
            versions,
            output,
            ttl,
            execution: _,
        } = &self.call;
        *spec == call.spec
            && *name == call.name
            && *label == call.label
            && *output == call.output
            && *ttl == call.ttl
            && *versions == call.versions
            && *code == call.code
            && self.root == root
    }
}
