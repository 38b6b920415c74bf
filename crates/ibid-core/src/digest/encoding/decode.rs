//! Reads the canonical encoding, and only that.
//!
//! Every length is checked against the bytes that are left before anything is allocated, and
//! nesting is limited, so that hostile bytes cost no more than their own size (hazard G5).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::encode::{key_order, major, simple};
use super::{Finite, Integer, Value};
use crate::digest::Digest;

/// How deep arrays and maps may nest.
pub const MAX_DEPTH: usize = 64;

/// Bytes that are not one canonical value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub problem: &'static str,
    /// Where, counted from the start of the buffer.
    pub offset: usize,
}

/// Takes canonical items off a buffer, one after another.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    offset: usize,
}

type Decoded<T> = Result<T, DecodeError>;

impl<'a> Decoder<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Says whether all bytes are read.
    pub fn is_empty(&self) -> bool {
        self.offset == self.bytes.len()
    }

    /// Returns how many bytes are read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Fails unless all bytes are read.
    pub fn finish(self) -> Decoded<()> {
        if self.is_empty() {
            Ok(())
        } else {
            self.fail("trailing bytes")
        }
    }

    /// Makes an error at the present place: for callers that refuse a well-formed value.
    pub fn fail<T>(&self, problem: &'static str) -> Decoded<T> {
        Err(DecodeError {
            problem,
            offset: self.offset,
        })
    }

    /// Opens an array and returns its length, which is at most the number of bytes left.
    pub fn array(&mut self) -> Decoded<usize> {
        self.length(major::ARRAY, "expected an array")
    }

    /// Opens an array that must have `len` items.
    pub fn array_of(&mut self, len: usize) -> Decoded<()> {
        let at = self.clone();
        if self.array()? == len {
            Ok(())
        } else {
            at.fail("array of another length")
        }
    }

    /// Opens a map and returns the number of its entries; keys must come in canonical order,
    /// which [`Decoder::key_after`] checks.
    pub fn map(&mut self) -> Decoded<usize> {
        self.length(major::MAP, "expected a map")
    }

    /// Reads a map's next key, which must follow `previous` in canonical order.
    pub fn key_after(&mut self, previous: Option<&str>) -> Decoded<&'a str> {
        let at = self.clone();
        let key = self.text()?;
        if previous.is_some_and(|previous| key_order(previous, key) != Ordering::Less) {
            return at.fail("map keys out of order");
        }
        Ok(key)
    }

    /// Reads a map's next key, which must be `expected`: for records with fixed fields.
    pub fn key(&mut self, expected: &'static str) -> Decoded<()> {
        let at = self.clone();
        if self.text()? == expected {
            Ok(())
        } else {
            at.fail("unexpected field")
        }
    }

    /// Reads `null` if it is next.
    pub fn null(&mut self) -> bool {
        let found = self.bytes.get(self.offset) == Some(&simple::NULL);
        self.offset += usize::from(found);
        found
    }

    /// Reads a truth value.
    pub fn bool(&mut self) -> Decoded<bool> {
        match self.bytes.get(self.offset) {
            Some(&simple::FALSE) => {
                self.offset += 1;
                Ok(false)
            }
            Some(&simple::TRUE) => {
                self.offset += 1;
                Ok(true)
            }
            _ => self.fail("expected a truth value"),
        }
    }

    /// Reads an integer that is not negative and fits 64 bits.
    pub fn uint(&mut self) -> Decoded<u64> {
        self.expect(major::UNSIGNED, "expected an unsigned integer")
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let len = self.length(major::BYTES, "expected a byte string")?;
        self.take(len)
    }

    /// Reads a byte string that is a digest.
    pub fn digest(&mut self) -> Decoded<Digest> {
        let bytes = self.bytes()?;
        Digest::try_from(bytes).or_else(|_| self.fail("digest that is not 32 bytes"))
    }

    /// Reads a text string.
    pub fn text(&mut self) -> Decoded<&'a str> {
        let len = self.length(major::TEXT, "expected a text")?;
        let at = self.clone();
        std::str::from_utf8(self.take(len)?).or_else(|_| at.fail("text that is not UTF-8"))
    }

    /// Reads any value.
    pub fn value(&mut self) -> Decoded<Value> {
        self.nested(MAX_DEPTH)
    }

    fn nested(&mut self, depth: usize) -> Decoded<Value> {
        let Some(&initial) = self.bytes.get(self.offset) else {
            return self.fail("unexpected end");
        };
        if depth == 0 && matches!(initial >> 5, major::ARRAY | major::MAP) {
            return self.fail("nested too deeply");
        }
        Ok(match initial >> 5 {
            major::UNSIGNED | major::NEGATIVE => {
                let negative = initial >> 5 == major::NEGATIVE;
                let n = self.expect(initial >> 5, "expected an integer")?;
                Value::Integer(Integer::from_magnitude(negative, n))
            }
            major::BYTES => Value::Bytes(self.bytes()?.to_vec()),
            major::TEXT => Value::Text(self.text()?.to_owned()),
            major::ARRAY => {
                let len = self.array()?;
                Value::Array(
                    (0..len)
                        .map(|_| self.nested(depth - 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            major::MAP => self.nested_map(depth)?,
            major::TAG => Value::Integer(self.bignum()?),
            _ => match initial {
                simple::NULL => {
                    self.offset += 1;
                    Value::Null
                }
                simple::FLOAT64 => Value::Float(self.float()?),
                _ => Value::Bool(self.bool()?),
            },
        })
    }

    fn nested_map(&mut self, depth: usize) -> Decoded<Value> {
        let mut map = BTreeMap::new();
        let mut previous = None;
        for _ in 0..self.map()? {
            let key = self.key_after(previous)?;
            previous = Some(key);
            map.insert(key.to_owned(), self.nested(depth - 1)?);
        }
        Ok(Value::Map(map))
    }

    fn bignum(&mut self) -> Decoded<Integer> {
        let at = self.clone();
        let tag = self.expect(major::TAG, "expected a tag")?;
        if !matches!(tag, 2 | 3) {
            return at.fail("tag that is not a bignum's");
        }
        let magnitude = self.bytes()?;
        if magnitude.len() <= 8 || magnitude[0] == 0 {
            return at.fail("bignum that is not in its shortest form");
        }
        Integer::from_parts(tag == 3, magnitude)
            .map_or_else(|| at.fail("bignum that is too long"), Ok)
    }

    fn float(&mut self) -> Decoded<Finite> {
        let at = self.clone();
        self.offset += 1;
        let bits = self.take(8)?.try_into().expect("eight bytes were taken");
        Finite::new(f64::from_bits(u64::from_be_bytes(bits)))
            .map_or_else(|| at.fail("float that is not finite"), Ok)
    }

    /// Reads a head of type `major` whose number counts items or bytes to come.
    fn length(&mut self, major: u8, problem: &'static str) -> Decoded<usize> {
        let at = self.clone();
        let len = self.expect(major, problem)?;
        match usize::try_from(len) {
            Ok(len) if len <= self.bytes.len() - self.offset => Ok(len),
            _ => at.fail("length beyond the end"),
        }
    }

    fn expect(&mut self, major: u8, problem: &'static str) -> Decoded<u64> {
        let at = self.clone();
        let Some(&initial) = self.bytes.get(self.offset) else {
            return self.fail("unexpected end");
        };
        if initial >> 5 != major {
            return self.fail(problem);
        }
        self.offset += 1;
        let width = match initial & 0x1f {
            small @ 0..=23 => return Ok(u64::from(small)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return at.fail("indefinite or reserved length"),
        };
        let n = self
            .take(width)?
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte));
        let least = [24, 0x100, 0x1_0000, 0x1_0000_0000][width.ilog2() as usize];
        if n < least {
            at.fail("integer that is not in its shortest form")
        } else {
            Ok(n)
        }
    }

    fn take(&mut self, len: usize) -> Decoded<&'a [u8]> {
        match self.bytes[self.offset..].get(..len) {
            Some(taken) => {
                self.offset += len;
                Ok(taken)
            }
            None => self.fail("unexpected end"),
        }
    }
}

impl Value {
    /// Decodes the one value that `bytes` are the encoding of.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let value = decoder.value()?;
        decoder.finish()?;
        Ok(value)
    }
}
