//! What a store holds, field by field, with each field an encoded item that may be any other.

use super::cbor::{Item, array, boolean, bytes, null, text, uint};

/// A digest.
pub(super) type Digest = [u8; 32];

/// A result.
#[derive(Clone)]
pub(super) struct ResultForm {
    pub(super) format: Item,
    pub(super) key: Item,
    pub(super) exit_code: Item,
    pub(super) outputs: Vec<Item>,
    pub(super) run: RunForm,
}

/// How a result came about.
#[derive(Clone)]
pub(super) struct RunForm {
    pub(super) record: Item,
    pub(super) log: Item,
    pub(super) started: Item,
    pub(super) duration: Item,
    pub(super) host: Item,
    pub(super) user: Item,
    pub(super) version: Item,
    pub(super) label: Item,
}

impl ResultForm {
    pub(super) fn encode(&self) -> Item {
        let run = &self.run;
        let run = [
            &run.record,
            &run.log,
            &run.started,
            &run.duration,
            &run.host,
            &run.user,
            &run.version,
            &run.label,
        ];
        let outcome = array(&[self.exit_code.clone(), array(&self.outputs)]);
        let run = array(&run.map(Clone::clone));
        array(&[self.format.clone(), self.key.clone(), outcome, run])
    }
}

/// An output under its declared name; `at` only where that is a pattern.
pub(super) fn output(name: impl AsRef<[u8]>, at: Option<&[u8]>, content: Item) -> Item {
    array(&[bytes(name), at.map_or_else(null, bytes), content])
}

/// A file as an output, or as the entry of a listing.
pub(super) fn file(size: u64, blob: &Digest) -> Item {
    array(&[text("file"), boolean(false), uint(size), bytes(blob)])
}

/// A link as an output, or as the entry of a listing.
pub(super) fn link(to: impl AsRef<[u8]>) -> Item {
    array(&[text("link"), bytes(to)])
}

/// A folder as an output.
pub(super) fn tree(listing: &Digest) -> Item {
    array(&[text("tree"), bytes(listing)])
}

/// A folder as the entry of a listing.
pub(super) fn dir() -> Item {
    array(&[text("dir")])
}

/// One pair of a listing.
pub(super) fn at(path: impl AsRef<[u8]>, entry: Item) -> Item {
    array(&[bytes(path), entry])
}

/// The content of a key's file that names a result.
pub(super) fn key_file(result: &Digest) -> Item {
    array(&[text("result"), uint(1), bytes(result)])
}

/// Pieces of a stream log: the number of a stream, and what came on it.
pub(super) fn log(pieces: &[(u64, &[u8])]) -> Item {
    let piece = |(stream, content): &(u64, &[u8])| array(&[uint(*stream), bytes(content)]);
    pieces.iter().map(piece).collect::<Vec<_>>().concat()
}

/// An entry of history, whose fields stand in their order.
pub(super) struct EntryForm(pub(super) [Item; 17]);

impl EntryForm {
    /// A run of `key` under `label` that went well.
    pub(super) fn new(label: &str, (key, record, result): (&Digest, &Digest, &Digest)) -> Self {
        Self([
            uint(1),
            uint(1_800_000_000_000_000_000),
            text(label),
            bytes(key),
            bytes(record),
            bytes(result),
            text("ran"),
            array(&[]),
            text("why"),
            array(&[]),
            null(),
            uint(0),
            null(),
            uint(1),
            uint(0),
            text("root"),
            text("host"),
        ])
    }

    /// Replaces one field.
    pub(super) fn with(mut self, field: usize, item: Item) -> Self {
        self.0[field] = item;
        self
    }

    pub(super) fn encode(&self) -> Item {
        array(&self.0)
    }
}
