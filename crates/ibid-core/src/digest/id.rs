//! `Digest` and the typed ids that wrap it.
//!
//! Invariant: 256 bits everywhere; only messages shorten them. The text form is
//! `blake3:<64 lowercase hex digits>`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::near;

const PREFIX: &str = "blake3:";

/// All bits of a byte, which no digit has.
const NO_DIGIT: u8 = 0xff;

/// What a character is worth as a hexadecimal digit.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [NO_DIGIT; 256];
    let digits = b"0123456789abcdef";
    let mut at = 0;
    while at < 16 {
        nibbles[digits[at as usize] as usize] = at;
        at += 1;
    }
    nibbles
};

/// A 256-bit BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Ord for Digest {
    fn cmp(&self, other: &Self) -> Ordering {
        // Nearly always the first bytes tell, as one number: sorting many compares often.
        let leading = near::leading(&self.0).cmp(&near::leading(&other.0));
        leading.then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected 64 hexadecimal digits, with or without `blake3:`")]
pub struct ParseDigestError(String);

impl Digest {
    /// Wraps 32 bytes that are a BLAKE3 hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 lowercase hexadecimal digits, without the algorithm's prefix.
    pub fn hex(&self) -> String {
        String::from_utf8(self.digits().to_vec()).expect("the digits are ASCII")
    }

    /// Returns the same digits without a place of their own in memory.
    pub fn digits(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// Returns the first twelve hexadecimal digits: for messages, never for names.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let hex = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
        let nibble = |digit: u8| NIBBLES[usize::from(digit)];
        let (mut bytes, mut all) = ([0; 32], 0);
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]), nibble(pair[1]));
            *byte = high << 4 | low & 15;
            all |= high | low;
        }
        if hex.len() != 64 || all == NO_DIGIT {
            return Err(ParseDigestError(text.to_owned()));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digest);

        impl $name {
            /// Names the thing whose digest this is.
            pub const fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the digest.
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the 64 hexadecimal digits.
            pub fn hex(&self) -> String {
                self.0.hex()
            }

            /// Returns the first twelve digits: for messages only.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, ParseDigestError> {
                text.parse().map(Self)
            }
        }
    };
}

id_type! {
    /// The content of a file: the BLAKE3 hash of its bytes, as `b3sum` prints it.
    BlobId
}
id_type! {
    /// A directory: the BLAKE3 hash of the canonical encoding of its [`crate::tree::Tree`].
    TreeId
}
id_type! {
    /// An action: the derived hash of its encoded key record, and of nothing else.
    Key
}

impl TreeId {
    /// Returns the id of the blob that holds the encoded listing: a tree is stored as a blob.
    pub const fn listing(&self) -> BlobId {
        BlobId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_with_and_without_prefix() {
        let digest = Digest::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap() * 7));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.hex().parse(), Ok(digest));
    }

    #[test]
    fn uppercase_short_and_long_texts_are_refused() {
        let hex = Digest::from_bytes([0xab; 32]).hex();
        for bad in [
            hex.to_uppercase(),
            hex[1..].to_owned(),
            format!("{hex}0"),
            String::new(),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
