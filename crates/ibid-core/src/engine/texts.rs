//! Texts of code, stored beside a result so that a later `why` can show what changed in them.
//!
//! Only code is kept, not inputs: those may hold what nobody wants copied, and are seldom short.
//! No result needs these blobs. What cannot be read or stored, is long, is no text, or is not what
//! the key says any more is passed over in silence.

use super::context::Context;
use super::prepare::Prepared;
use crate::digest::BlobId;
use crate::fs;
use crate::output::Role;
use crate::store::LocalStore;
use crate::tree::Content;

/// Longer texts are not kept: their difference would not be shown either.
const LIMIT: u64 = 256 << 10;

/// Stores the code of a step whose result was stored.
pub(super) fn keep_code(prepared: &Prepared, store: &LocalStore, cx: &Context<'_>) {
    for text in prepared.called.values() {
        if text.len() as u64 <= LIMIT && !store.seems_present(&BlobId::of(text), None) {
            // The result stands without it.
            let _ = store.put_bytes(text);
        }
    }
    let code = prepared
        .reads
        .iter()
        .filter(|(role, _)| *role == Role::Code);
    for (_, place) in code {
        let content = prepared.action.code.get(place.key_name());
        let Some(Content::File { blob, .. }) = content.map(Content::resolved) else {
            continue;
        };
        if store.seems_present(blob, None) {
            continue;
        }
        if let Ok(bytes) = fs::read_small(&place.on_disk(cx.root), LIMIT)
            && BlobId::of(&bytes) == *blob
            && std::str::from_utf8(&bytes).is_ok()
        {
            // The result stands without it.
            let _ = store.put_bytes(&bytes);
        }
    }
}
