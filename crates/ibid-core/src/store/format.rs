//! The stored forms of results and keys' files: pure data and its encoding.
//!
//! Everything is canonical CBOR, in arrays of fixed length; golden bytes in the tests hold the
//! format. A decoder accepts only what encodes to the same bytes, so a record cannot be read in
//! two ways, and it checks lengths before it allocates (hazard G5).
//!
//! ```text
//! key's file  ["result", 1, digest] | ["tombstone", 1, when, why] | [kind, format, …] (unknown)
//! result      [1, key, [exit code, [[name, matched path | null, content, stored as?], …]],
//!                 [record, [log, size] | null, started, duration, host, user | null, version, label]]
//! stored as   "digest" | "keep", only where the content is not in the store
//! content     ["file", executable, size, digest] | ["tree", digest] | ["link", text]
//! ```

use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{BlobId, Key, TreeId};
use crate::tree::RelPath;

/// The version of both forms.
const FORMAT: u64 = 1;

type Decoded<T> = Result<T, DecodeError>;

/// What an action gave, and the run that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The key whose result it is.
    pub key: Key,
    /// What counts: two runs of one key should agree on it.
    pub outcome: Outcome,
    /// How it came about; never compared.
    pub run: RunInfo,
}

/// The part of a result that is compared when two runs of one key meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code of the command.
    pub exit_code: u8,
    /// The outputs, in the order in which the caller gives them.
    pub outputs: Vec<StoredOutput>,
}

/// One output of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutput {
    /// The name under which the declared output is keyed: its place or its pattern.
    pub name: Vec<u8>,
    /// For a pattern: the path that matched, relative to the root.
    pub at: Option<RelPath>,
    /// What stood there.
    pub content: OutputContent,
    /// What of it the store was given.
    pub stored_as: StoredAs,
}

/// What of an output the store was given: intention, as opposed to what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredAs {
    /// Its content: it can be restored.
    #[default]
    Content,
    /// Its digest only, because the step asks for no more.
    Digest,
    /// Its digest only, because the command updates what stands there.
    Keep,
}

impl StoredAs {
    /// Returns the word of the format; none where the content is stored.
    const fn word(self) -> Option<&'static str> {
        match self {
            Self::Content => None,
            Self::Digest => Some("digest"),
            Self::Keep => Some("keep"),
        }
    }
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputContent {
    /// A regular file.
    File {
        /// Whether anybody may execute it.
        executable: bool,
        /// Its length in bytes.
        size: u64,
        /// Its bytes.
        blob: BlobId,
    },
    /// A directory, whose listing is a blob too.
    Tree(TreeId),
    /// A symbolic link with this text.
    Link(Vec<u8>),
}

/// How a result came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// The blob that holds the encoded key record.
    pub record: BlobId,
    /// The stream log, unless the command printed nothing.
    pub log: Option<StreamLogRef>,
    /// When the command started, in nanoseconds since 1970.
    pub started: u64,
    /// How long it ran, in nanoseconds.
    pub duration: u64,
    /// The host it ran on.
    pub host: String,
    /// The user it ran as, where that is recorded.
    pub user: Option<String>,
    /// The version of ibid.
    pub version: String,
    /// What history calls the step.
    pub label: String,
}

/// The blob that holds what a command printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLogRef {
    /// The blob.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size: u64,
}

/// A key's file that says: what was stored under this key does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// When the key was invalidated, in nanoseconds since 1970.
    pub when: u64,
    /// Why, in the words of whoever did it.
    pub why: String,
}

/// The content of a key's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFile {
    /// The blob that holds the result.
    Result(BlobId),
    /// The key is invalidated.
    Tombstone(Tombstone),
    /// A form of a later version, such as an acceptance: its format and kind, for a message.
    Unknown(String),
}

impl KeyFile {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        match self {
            Self::Result(blob) => encoder
                .array(3)
                .text("result")
                .uint(FORMAT)
                .bytes(blob.digest().as_bytes()),
            Self::Tombstone(Tombstone { when, why }) => encoder
                .array(4)
                .text("tombstone")
                .uint(FORMAT)
                .uint(*when)
                .text(why),
            Self::Unknown(_) => unreachable!("only decoding makes an unknown form"),
        };
        encoder.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut decoder = Decoder::new(bytes);
        let len = decoder.array()?;
        let kind = decoder.text()?;
        let format = decoder.uint()?;
        let file = match (kind, format, len) {
            ("result", FORMAT, 3) => Self::Result(BlobId::new(decoder.digest()?)),
            ("tombstone", FORMAT, 4) => Self::Tombstone(Tombstone {
                when: decoder.uint()?,
                why: decoder.text()?.to_owned(),
            }),
            _ => {
                for _ in 2..len {
                    decoder.value()?;
                }
                Self::Unknown(format!("`{}` of format {format}", kind.escape_default()))
            }
        };
        decoder.finish()?;
        Ok(file)
    }
}

impl StoredResult {
    /// Returns the canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder
            .array(4)
            .uint(FORMAT)
            .bytes(self.key.digest().as_bytes());
        self.outcome.encode(&mut encoder);
        self.run.encode(&mut encoder);
        encoder.finish()
    }

    /// Decodes a result. One of a later format is an error like any other: its bytes are those
    /// that its digest promises, so it is not damaged, but it cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array_of(4)?;
        if decoder.uint()? != FORMAT {
            return decoder.fail("result of an unknown format");
        }
        let result = Self {
            key: Key::new(decoder.digest()?),
            outcome: Outcome::decode(&mut decoder)?,
            run: RunInfo::decode(&mut decoder)?,
        };
        decoder.finish()?;
        Ok(result)
    }

    /// Iterates over the blobs that the result names itself, with their sizes where they are
    /// known: the record, the log, files and listings; not what listings name.
    pub fn blobs(&self) -> impl Iterator<Item = (BlobId, Option<u64>)> {
        let outputs = self.outcome.outputs.iter();
        let stored = outputs.filter(|output| output.stored_as == StoredAs::Content);
        let contents = stored.filter_map(|output| match &output.content {
            OutputContent::File { blob, size, .. } => Some((*blob, Some(*size))),
            OutputContent::Tree(tree) => Some((tree.listing(), None)),
            OutputContent::Link(_) => None,
        });
        let log = self.run.log.map(|log| (log.blob, Some(log.size)));
        std::iter::once((self.run.record, None))
            .chain(log)
            .chain(contents)
    }

    /// Iterates over the same blobs but the record, and says of each whether it is a listing.
    pub(super) fn needs(&self) -> impl Iterator<Item = (BlobId, bool)> {
        let outputs = self.outcome.outputs.iter();
        let stored = outputs.filter(|output| output.stored_as == StoredAs::Content);
        let contents = stored.filter_map(|output| match &output.content {
            OutputContent::File { blob, .. } => Some((*blob, false)),
            OutputContent::Tree(tree) => Some((tree.listing(), true)),
            OutputContent::Link(_) => None,
        });
        let log = self.run.log.map(|log| (log.blob, false));
        log.into_iter().chain(contents)
    }
}

impl Outcome {
    /// Says whether two runs came to the same, whatever of it the store was given.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let agree = |(a, b): (&StoredOutput, &StoredOutput)| a.agrees_with(b);
        self.exit_code == other.exit_code
            && self.outputs.len() == other.outputs.len()
            && self.outputs.iter().zip(&other.outputs).all(agree)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.array(2).uint(u64::from(self.exit_code));
        encoder.array(self.outputs.len());
        for output in &self.outputs {
            output.encode(encoder);
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Decoded<Self> {
        decoder.array_of(2)?;
        let Ok(exit_code) = u8::try_from(decoder.uint()?) else {
            return decoder.fail("exit code above 255");
        };
        let outputs = (0..decoder.array()?)
            .map(|_| StoredOutput::decode(decoder))
            .collect::<Result<_, _>>()?;
        Ok(Self { exit_code, outputs })
    }
}

impl StoredOutput {
    /// Says whether both are the same output with the same content.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (&self.name, &self.at, &self.content) == (&other.name, &other.at, &other.content)
    }

    fn encode(&self, encoder: &mut Encoder) {
        let word = self.stored_as.word();
        encoder
            .array(3 + usize::from(word.is_some()))
            .bytes(&self.name);
        match &self.at {
            Some(path) => encoder.bytes(path.as_bytes()),
            None => encoder.null(),
        };
        match &self.content {
            OutputContent::File {
                executable,
                size,
                blob,
            } => encoder
                .array(4)
                .text("file")
                .bool(*executable)
                .uint(*size)
                .bytes(blob.digest().as_bytes()),
            OutputContent::Tree(tree) => encoder
                .array(2)
                .text("tree")
                .bytes(tree.digest().as_bytes()),
            OutputContent::Link(text) => encoder.array(2).text("link").bytes(text),
        };
        if let Some(word) = word {
            encoder.text(word);
        }
    }

    fn decode(decoder: &mut Decoder<'_>) -> Decoded<Self> {
        let parts = decoder.array()?;
        if parts != 3 && parts != 4 {
            return decoder.fail("array of another length");
        }
        let name = decoder.bytes()?.to_vec();
        let at = if decoder.null() {
            None
        } else {
            match RelPath::new(decoder.bytes()?) {
                Ok(path) => Some(path),
                Err(_) => return decoder.fail("path that is not below a directory"),
            }
        };
        let len = decoder.array()?;
        let content = match (decoder.text()?, len) {
            ("file", 4) => OutputContent::File {
                executable: decoder.bool()?,
                size: decoder.uint()?,
                blob: BlobId::new(decoder.digest()?),
            },
            ("tree", 2) => OutputContent::Tree(TreeId::new(decoder.digest()?)),
            ("link", 2) => {
                let text = decoder.bytes()?;
                if text.is_empty() || text.contains(&0) {
                    return decoder.fail("link without a valid target");
                }
                OutputContent::Link(text.to_vec())
            }
            _ => return decoder.fail("unknown kind of output"),
        };
        let stored_as = match (parts == 4).then(|| decoder.text()).transpose()? {
            None => StoredAs::Content,
            Some("digest") => StoredAs::Digest,
            Some("keep") => StoredAs::Keep,
            Some(_) => return decoder.fail("unknown word for what is stored"),
        };
        Ok(Self {
            name,
            at,
            content,
            stored_as,
        })
    }
}

impl RunInfo {
    fn encode(&self, encoder: &mut Encoder) {
        let Self {
            record,
            log,
            started,
            duration,
            host,
            user,
            version,
            label,
        } = self;
        encoder.array(8).bytes(record.digest().as_bytes());
        match log {
            Some(log) => encoder
                .array(2)
                .bytes(log.blob.digest().as_bytes())
                .uint(log.size),
            None => encoder.null(),
        };
        encoder.uint(*started).uint(*duration).text(host);
        match user {
            Some(user) => encoder.text(user),
            None => encoder.null(),
        };
        encoder.text(version).text(label);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Decoded<Self> {
        decoder.array_of(8)?;
        Ok(Self {
            record: BlobId::new(decoder.digest()?),
            log: optional(decoder, |decoder| {
                decoder.array_of(2)?;
                Ok(StreamLogRef {
                    blob: BlobId::new(decoder.digest()?),
                    size: decoder.uint()?,
                })
            })?,
            started: decoder.uint()?,
            duration: decoder.uint()?,
            host: decoder.text()?.to_owned(),
            user: optional(decoder, |decoder| Ok(decoder.text()?.to_owned()))?,
            version: decoder.text()?.to_owned(),
            label: decoder.text()?.to_owned(),
        })
    }
}

/// Reads `null` or what `decode` reads.
pub(super) fn optional<'a, T>(
    decoder: &mut Decoder<'a>,
    decode: impl FnOnce(&mut Decoder<'a>) -> Decoded<T>,
) -> Decoded<Option<T>> {
    if decoder.null() {
        return Ok(None);
    }
    decode(decoder).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use std::fmt::Write as _;

    fn digest_of(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn hex(bytes: &[u8]) -> String {
        let text = bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        // Digests of one byte repeated are shortened, so that the structure can be read.
        (0..=9_u8).fold(text, |text, byte| {
            text.replace(&format!("{byte:02x}").repeat(32), &format!("<{byte}>"))
        })
    }

    fn result() -> StoredResult {
        let name = b"out".to_vec();
        let file = OutputContent::File {
            executable: true,
            size: 300,
            blob: BlobId::new(digest_of(2)),
        };
        let at = Some(RelPath::new("out/a").unwrap());
        let tree = OutputContent::Tree(TreeId::new(digest_of(3)));
        let output = |at, content| StoredOutput {
            name: name.clone(),
            at,
            content,
            stored_as: StoredAs::Content,
        };
        StoredResult {
            key: Key::new(digest_of(1)),
            outcome: Outcome {
                exit_code: 3,
                outputs: vec![
                    output(at, file),
                    output(None, tree),
                    output(None, OutputContent::Link(b"x".to_vec())),
                ],
            },
            run: RunInfo {
                record: BlobId::new(digest_of(4)),
                log: Some(StreamLogRef {
                    blob: BlobId::new(digest_of(5)),
                    size: 7,
                }),
                started: 1_700_000_000_000_000_000,
                duration: 9,
                host: "h".to_owned(),
                user: None,
                version: "0.1.0".to_owned(),
                label: "p/s".to_owned(),
            },
        }
    }

    #[test]
    fn the_bytes_of_a_keys_file_do_not_change() {
        let file = KeyFile::Result(BlobId::new(digest_of(1))).encode();
        assert_eq!(hex(&file), "8366726573756c74015820<1>");
        let file = KeyFile::Tombstone(Tombstone {
            when: 256,
            why: "old".to_owned(),
        });
        assert_eq!(
            hex(&file.encode()),
            "8469746f6d6273746f6e6501190100636f6c64"
        );
        assert_eq!(KeyFile::decode(&file.encode()), Ok(file));
    }

    #[test]
    fn the_bytes_of_a_result_do_not_change() {
        let bytes = result().encode();
        assert_eq!(
            hex(&bytes),
            "84015820<1>82038383436f7574456f75742f61846466696c65f519012c5820<2>\
             83436f7574f68264747265655820<3>83436f7574f682646c696e6b4178\
             885820<4>825820<5>071b17979cfe362a0000096168f665302e312e3063702f73"
        );
        assert_eq!(StoredResult::decode(&bytes), Ok(result()));
    }

    #[test]
    fn an_output_that_is_not_in_the_store_says_so_and_names_no_blob() {
        let mut marked = result();
        marked.outcome.outputs[0].stored_as = StoredAs::Digest;
        marked.outcome.outputs[1].stored_as = StoredAs::Keep;
        let bytes = marked.encode();
        let text = hex(&bytes);
        let outputs = "84436f7574456f75742f61846466696c65f519012c5820<2>66646967657374\
                       84436f7574f68264747265655820<3>646b656570\
                       83436f7574f682646c696e6b4178";
        assert!(text.contains(outputs), "{text}");
        assert_eq!(StoredResult::decode(&bytes), Ok(marked.clone()));
        let blobs: Vec<_> = marked.blobs().map(|(blob, _)| *blob.digest()).collect();
        assert_eq!(blobs, [4, 5].map(digest_of));
        assert!(marked.outcome.agrees_with(&result().outcome));
    }

    #[test]
    fn a_later_kind_of_keys_file_is_known_as_unknown() {
        let mut encoder = Encoder::new();
        encoder.array(3).text("acceptance").uint(1).array(1).null();
        assert_eq!(
            KeyFile::decode(&encoder.finish()),
            Ok(KeyFile::Unknown("`acceptance` of format 1".to_owned()))
        );
    }

    #[test]
    fn whatever_is_decoded_encodes_to_the_same_bytes() {
        let bytes = result().encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(decoded) = StoredResult::decode(&flipped) {
                    assert_eq!(decoded.encode(), flipped);
                }
            }
            assert!(StoredResult::decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn the_blobs_of_a_result_are_all_listed() {
        let blobs: Vec<_> = result().blobs().map(|(blob, _)| *blob.digest()).collect();
        assert_eq!(blobs, [4, 5, 2, 3].map(digest_of));
    }
}
