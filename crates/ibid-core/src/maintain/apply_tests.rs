//! Applying, on a real store.
