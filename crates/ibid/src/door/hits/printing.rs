//! What a run had printed, as it is told again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ibid_core::engine::{Event, Sink};
use ibid_core::exec::Stream;

/// What was printed is kept up to so many bytes.
const PRINTED: usize = 64 * 1024;

/// What a run printed, piece by piece.
pub(in crate::door) type Printed = Vec<(Stream, Vec<u8>)>;

/// Hands everything on, and keeps what is printed if that is wanted and not much.
pub(in crate::door) struct Printing<'a> {
    sink: &'a dyn Sink,
    /// All that was printed, and how many bytes may follow.
    kept: Mutex<Option<(Printed, usize)>>,
}

impl<'a> Printing<'a> {
    pub(in crate::door) fn heard_by(sink: &'a dyn Sink, is_kept: bool) -> Self {
        Self {
            sink,
            kept: Mutex::new(is_kept.then(|| (Vec::new(), PRINTED))),
        }
    }

    /// Returns all that was printed; `None` if it was not kept.
    pub(in crate::door) fn all(&self) -> Option<Printed> {
        let (printed, _) = self.lock().take()?;
        Some(printed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Printed, usize)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Printing<'_> {
    fn event(&self, event: &Event<'_>) {
        if let Event::Output { stream, bytes } = event {
            let mut kept = self.lock();
            *kept = kept.take().and_then(|(mut printed, left)| {
                let left = left.checked_sub(bytes.len())?;
                printed.push((*stream, bytes.to_vec()));
                Some((printed, left))
            });
        }
        self.sink.event(event);
    }
}
