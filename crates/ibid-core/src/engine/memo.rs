//! `Memo`: what the steps of one schedule would find out again and again, each for itself: which
//! file a program's word leads to, which packages an interpreter sees, what a command says of its
//! version.
//!
//! Nothing in it may be older than the last thing that this process changed. While a command runs
//! or outputs are restored it neither answers nor learns, and it forgets everything when such work
//! begins: so a step that makes or installs a program is seen by the next. What lies below the root
//! is never remembered, because the user works there meanwhile. Contents of programs are not here:
//! those are looked at each time, by the stat cache.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Error;
use crate::action::Packages;
use crate::digest::encoding::Value;
use crate::output::Swept;
use crate::scan::Seen;
use crate::scan::programs::{Program, Surroundings};

/// What is known for the time of one schedule. A front door that runs many steps hands it in.
#[derive(Debug, Default)]
pub struct Memo {
    state: Mutex<State>,
    swept: Swept,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// How much is under way that may change what was found.
    busy: usize,
    /// Changes whenever such work begins.
    turn: u64,
    pub(super) programs: HashMap<ProgramAsk, Resolution>,
    pub(super) packages: HashMap<PackagesAsk, (Option<Value>, Vec<Seen>)>,
    pub(super) versions: HashMap<VersionsAsk, Told>,
}

/// A word in command position, the PATH, and the folder.
pub(super) type ProgramAsk = (Vec<u8>, OsString, PathBuf);

/// The program of a word, and the one that it starts in its stead.
pub(super) type Resolution = (Program, Option<Program>);

/// An interpreter, for which packages it is asked, and where it runs.
pub(super) type PackagesAsk = (PathBuf, Packages, Around);

/// A command, and where it runs.
pub(super) type VersionsAsk = (Vec<Vec<u8>>, Around);

/// What a command printed, and the program that it was.
pub(super) type Told = (Vec<u8>, PathBuf);

/// An environment and a folder.
pub(super) type Around = (Vec<(OsString, OsString)>, PathBuf);

/// Copies what a command runs in.
pub(super) fn around(surroundings: &Surroundings<'_>) -> Around {
    let env = surroundings.env.iter();
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (env.collect(), surroundings.dir.to_owned())
}

impl Memo {
    /// Returns the folders that were looked through for what killed processes left.
    pub(super) fn swept(&self) -> &Swept {
        &self.swept
    }

    /// Forgets everything, and learns nothing while the guard lives.
    pub(super) fn busy(&self) -> Busy<'_> {
        let mut state = self.lock();
        let (busy, turn) = (state.busy + 1, state.turn + 1);
        *state = State {
            busy,
            turn,
            ..State::default()
        };
        Busy(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known<K: Hash + Eq, V: Clone>(
        &self,
        of: fn(&mut State) -> &mut HashMap<K, V>,
        ask: &K,
    ) -> Known<V> {
        let mut state = self.lock();
        if state.busy > 0 {
            return Known::Nothing(None);
        }
        match of(&mut state).get(ask) {
            Some(value) => Known::This(value.clone()),
            None => Known::Nothing(Some(state.turn)),
        }
    }

    fn learn<K: Hash + Eq, V>(
        &self,
        of: fn(&mut State) -> &mut HashMap<K, V>,
        (ask, value): (K, V),
        turn: u64,
    ) {
        let mut state = self.lock();
        if state.busy == 0 && state.turn == turn {
            of(&mut state).insert(ask, value);
        }
    }
}

enum Known<V> {
    This(V),
    /// Nothing; what is found may be learnt if it is still this turn.
    Nothing(Option<u64>),
}

/// Work that may change what was found.
pub(super) struct Busy<'a>(&'a Memo);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
    }
}

/// Returns what is known, else what `find` finds, which is learnt if `may_learn` agrees.
pub(super) fn remembered<K: Hash + Eq, V: Clone>(
    memo: Option<&Memo>,
    of: fn(&mut State) -> &mut HashMap<K, V>,
    ask: impl FnOnce() -> K,
    may_learn: impl FnOnce(&V) -> bool,
    find: impl FnOnce() -> Result<V, Error>,
) -> Result<V, Error> {
    let Some(memo) = memo else { return find() };
    let ask = ask();
    let turn = match memo.known(of, &ask) {
        Known::This(value) => return Ok(value),
        Known::Nothing(turn) => turn,
    };
    let found = find()?;
    if let Some(turn) = turn.filter(|_| may_learn(&found)) {
        memo.learn(of, (ask, found.clone()), turn);
    }
    Ok(found)
}

/// Says whether a program may be remembered: it lies outside the root with all that runs it, and
/// chooses nothing by where it is called.
pub(super) fn is_lasting(program: &Program, root: &Path) -> bool {
    let is_outside = |path: &Path| !path.starts_with(root);
    let in_shims = program
        .path
        .parent()
        .is_some_and(|dir| dir.ends_with("shims"));
    is_outside(&program.path)
        && !in_shims
        && program
            .interpreters
            .iter()
            .all(|interpreter| is_outside(&interpreter.path))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn nothing_is_older_than_the_last_work_that_may_have_changed_it() {
        let memo = Memo::default();
        let found = Cell::new(0);
        let ask = || {
            let ask = || (vec![b"cc".to_vec()], (Vec::new(), PathBuf::new()));
            let find = || {
                found.set(found.get() + 1);
                Ok((vec![found.get()], PathBuf::new()))
            };
            let told = remembered(
                Some(&memo),
                |state| &mut state.versions,
                ask,
                |_| true,
                find,
            );
            told.unwrap().0[0]
        };
        assert_eq!([ask(), ask()], [1, 1]);
        let first = memo.busy();
        assert_eq!([ask(), ask()], [2, 3], "it answers while something runs");
        let second = memo.busy();
        drop(first);
        assert_eq!(ask(), 4, "it answers while something still runs");
        drop(second);
        assert_eq!([ask(), ask()], [5, 5]);
    }

    #[test]
    fn what_was_found_while_something_began_and_ended_is_not_learnt() {
        let memo = Memo::default();
        let ask = || (vec![b"cc".to_vec()], (Vec::new(), PathBuf::new()));
        let find = || {
            drop(memo.busy());
            Ok((Vec::new(), PathBuf::new()))
        };
        remembered(
            Some(&memo),
            |state| &mut state.versions,
            ask,
            |_| true,
            find,
        )
        .unwrap();
        assert!(memo.lock().versions.is_empty());
    }
}
