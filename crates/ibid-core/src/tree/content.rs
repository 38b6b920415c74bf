//! `Content`: what a declared path turned out to be.

use super::listing::link_text;
use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{BlobId, TreeId};

/// The identity of a file, a directory, or a link to either.
///
/// Encoded as `["file", executable, digest]`, `["tree", false, digest]`, or
/// `["link", [text, …], content]` with the texts of all links on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Whether anybody may execute it.
        executable: bool,
        /// Its bytes.
        blob: BlobId,
    },
    /// A directory with everything below it.
    Tree(TreeId),
    /// A symbolic link: it is followed, and text and target both count.
    Link {
        /// The text of each link on the way, in order of following.
        texts: Vec<Vec<u8>>,
        /// What stands at the end; never a link.
        target: Box<Self>,
    },
}

/// Bytes that are not a content.
pub type DecodeContentError = DecodeError;

impl Content {
    /// Returns the content behind any links.
    pub fn resolved(&self) -> &Self {
        match self {
            Self::Link { target, .. } => target.resolved(),
            Self::File { .. } | Self::Tree(_) => self,
        }
    }

    /// Appends the encoding.
    pub fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::File { executable, blob } => {
                encoder
                    .array(3)
                    .text("file")
                    .bool(*executable)
                    .bytes(blob.digest().as_bytes());
            }
            Self::Tree(tree) => {
                encoder
                    .array(3)
                    .text("tree")
                    .bool(false)
                    .bytes(tree.digest().as_bytes());
            }
            Self::Link { texts, target } => {
                encoder.array(3).text("link").array(texts.len());
                for text in texts {
                    encoder.bytes(text);
                }
                target.encode(encoder);
            }
        }
    }

    /// Reads one content.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeContentError> {
        decoder.array_of(3)?;
        match decoder.text()? {
            "link" => {
                let texts = (0..decoder.array()?)
                    .map(|_| link_text(decoder))
                    .collect::<Result<Vec<_>, _>>()?;
                if texts.is_empty() {
                    return decoder.fail("link without a text");
                }
                decoder.array_of(3)?;
                let kind = decoder.text()?;
                let target = Box::new(Self::decode_resolved(kind, decoder)?);
                Ok(Self::Link { texts, target })
            }
            kind => Self::decode_resolved(kind, decoder),
        }
    }

    /// Reads what follows the `kind` of a content that is not a link: a link's target is none, so
    /// nothing nests (hazard G5).
    fn decode_resolved(kind: &str, decoder: &mut Decoder<'_>) -> Result<Self, DecodeContentError> {
        match kind {
            "file" => Ok(Self::File {
                executable: decoder.bool()?,
                blob: BlobId::new(decoder.digest()?),
            }),
            "tree" => {
                if decoder.bool()? {
                    return decoder.fail("executable directory");
                }
                Ok(Self::Tree(TreeId::new(decoder.digest()?)))
            }
            _ => decoder.fail("unknown kind of content"),
        }
    }
}
