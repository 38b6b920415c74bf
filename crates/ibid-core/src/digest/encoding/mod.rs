//! One encoding for everything that is hashed or stored: a closed subset of deterministic CBOR.
//!
//! Source: RFC 8949, section 4.2.1 (definite lengths, shortest integers, map keys sorted by their
//! encoded bytes), narrowed: map keys are text, floats are always 64 bits and finite, tags are
//! those of bignums (2 and 3) and only for integers that need more than 64 bits.
//!
//! Invariant: a value has exactly one encoding, and [`Decoder`] accepts nothing else, so that
//! decoding and encoding again gives the same bytes. `docs/reference/key-format.md` is the
//! specification; golden vectors hold this module to it.

mod decode;
mod encode;
mod integer;
mod value;

pub use decode::{DecodeError, Decoder, MAX_DEPTH};
pub use encode::Encoder;
pub use integer::{Integer, MAX_INTEGER_BYTES, ParseIntegerError};
pub use value::{Finite, Value};
