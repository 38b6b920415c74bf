//! Writes the canonical encoding.
//!
//! Callers that know their shape write heads and leaves directly; [`Encoder::value`] writes a
//! whole [`Value`]. A caller that writes a map by hand uses [`Encoder::map`], which orders the keys.

use std::cmp::Ordering;

use super::{Integer, Value};

/// CBOR major types (RFC 8949, section 3.1).
pub(super) mod major {
    pub(in super::super) const UNSIGNED: u8 = 0;
    pub(in super::super) const NEGATIVE: u8 = 1;
    pub(in super::super) const BYTES: u8 = 2;
    pub(in super::super) const TEXT: u8 = 3;
    pub(in super::super) const ARRAY: u8 = 4;
    pub(in super::super) const MAP: u8 = 5;
    pub(in super::super) const TAG: u8 = 6;
}

/// Initial bytes of simple values and floats.
pub(super) mod simple {
    pub(in super::super) const FALSE: u8 = 0xf4;
    pub(in super::super) const TRUE: u8 = 0xf5;
    pub(in super::super) const NULL: u8 = 0xf6;
    pub(in super::super) const FLOAT64: u8 = 0xfb;
}

/// The order of the encoded keys of a map: their heads compare first, so shorter keys lead.
pub(super) fn key_order(a: &str, b: &str) -> Ordering {
    (a.len(), a).cmp(&(b.len(), b))
}

/// Appends canonical items to a buffer.
#[derive(Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// Starts with an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the encoded bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Forgets the bytes written so far, for a caller that has used them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Opens an array of `len` items, which the caller writes next.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.head(major::ARRAY, len as u64)
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.0.push(simple::NULL);
        self
    }

    /// Writes a truth value.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.0
            .push(if value { simple::TRUE } else { simple::FALSE });
        self
    }

    /// Writes an integer of 64 bits.
    pub fn uint(&mut self, n: u64) -> &mut Self {
        self.head(major::UNSIGNED, n)
    }

    /// Writes an integer of any size: a bignum only where 64 bits do not suffice.
    pub fn integer(&mut self, n: &Integer) -> &mut Self {
        let sign = u8::from(n.is_negative());
        match n.small_magnitude() {
            Some(small) => self.head(major::UNSIGNED + sign, small),
            None => self
                .head(major::TAG, u64::from(2 + sign))
                .bytes(n.magnitude()),
        }
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(major::BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Writes a text string.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(major::TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Writes any value.
    pub fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(*value),
            Value::Integer(n) => self.integer(n),
            Value::Float(float) => {
                self.0.push(simple::FLOAT64);
                self.0
                    .extend_from_slice(&float.get().to_bits().to_be_bytes());
                self
            }
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Text(text) => self.text(text),
            Value::Array(items) => {
                self.array(items.len());
                items.iter().fold(self, |encoder, item| encoder.value(item))
            }
            Value::Map(map) => {
                let entries = map.iter().map(|(key, value)| {
                    (key.as_str(), move |encoder: &mut Self| {
                        encoder.value(value);
                    })
                });
                self.map(entries)
            }
        }
    }

    /// Writes a map; each entry's function writes its value. The entries may come in any order
    /// but must have distinct keys.
    pub fn map<'a, F: FnOnce(&mut Self)>(
        &mut self,
        entries: impl IntoIterator<Item = (&'a str, F)>,
    ) -> &mut Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| key_order(a, b));
        debug_assert!(
            entries.windows(2).all(|pair| pair[0].0 != pair[1].0),
            "two entries of one key"
        );
        self.head(major::MAP, entries.len() as u64);
        for (key, write) in entries {
            self.text(key);
            write(self);
        }
        self
    }

    fn head(&mut self, major: u8, n: u64) -> &mut Self {
        let major = major << 5;
        let bytes = n.to_be_bytes();
        match n {
            0..=23 => self.0.push(major | bytes[7]),
            24..=0xff => self.0.extend_from_slice(&[major | 0x18, bytes[7]]),
            0x100..=0xffff => {
                self.0.push(major | 0x19);
                self.0.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(major | 0x1a);
                self.0.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.0.push(major | 0x1b);
                self.0.extend_from_slice(&bytes);
            }
        }
        self
    }
}

impl Value {
    /// Returns the one encoding of this value.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.value(self);
        encoder.finish()
    }
}
