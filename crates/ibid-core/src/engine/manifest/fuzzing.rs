//! The manifest's decoder, as fuzzing calls it.

use super::form::{decode, encode};

/// The page that describes the form holds one.
const PAGE: &str = include_str!("../../../../../docs/reference/manifest.md");

/// A manifest that is accepted says the same when it is written again and read.
pub(crate) fn manifest(bytes: &[u8]) {
    if let Some(manifest) = decode(bytes) {
        assert_eq!(decode(&encode(&manifest)), Some(manifest));
    }
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let blocks = PAGE.split("```json\n").skip(1);
    let texts = blocks.filter_map(|rest| rest.split("```").next());
    texts.map(|text| text.as_bytes().to_vec()).collect()
}
