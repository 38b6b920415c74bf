//! Integers of any size, as CBOR sees them: a sign and a magnitude.

use std::fmt;
use std::str::FromStr;

/// How long the magnitude of an integer may be: it bounds what printing and parsing one can cost,
/// since both take the square of its length (hazard G5). About 9,800 decimal digits.
pub const MAX_INTEGER_BYTES: usize = 4096;

/// An integer of up to [`MAX_INTEGER_BYTES`] bytes.
///
/// As in CBOR, a negative number is kept as `-1 - n`, so that every integer has one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Integer {
    negative: bool,
    /// `n`, big-endian, without leading zeros; zero is empty.
    magnitude: Vec<u8>,
}

/// A text that is not an integer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIntegerError {
    /// Something else than an optional minus and digits.
    #[error("`{0}` is not an integer")]
    NotDigits(String),
    /// More than [`MAX_INTEGER_BYTES`] bytes of magnitude.
    #[error("an integer of {0} digits is too long")]
    TooLong(usize),
}

impl Integer {
    /// Makes the integer `n`, or `-1 - n` where `negative`, of big-endian bytes. `None` where `n`
    /// needs more than [`MAX_INTEGER_BYTES`] bytes.
    pub fn from_parts(negative: bool, magnitude: &[u8]) -> Option<Self> {
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        let magnitude = &magnitude[zeros..];
        (magnitude.len() <= MAX_INTEGER_BYTES).then(|| Self {
            negative,
            magnitude: magnitude.to_vec(),
        })
    }

    /// Makes the integer `n`, or `-1 - n` where `negative`.
    pub fn from_magnitude(negative: bool, n: u64) -> Self {
        Self::from_parts(negative, &n.to_be_bytes()).expect("eight bytes are within the limit")
    }

    /// Says whether the integer is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns `n` (the integer is `n`, or `-1 - n`) as big-endian bytes without leading zeros.
    pub fn magnitude(&self) -> &[u8] {
        &self.magnitude
    }

    /// Returns `n` where it fits 64 bits.
    pub fn small_magnitude(&self) -> Option<u64> {
        (self.magnitude.len() <= 8).then(|| {
            self.magnitude
                .iter()
                .fold(0, |n, byte| n << 8 | u64::from(*byte))
        })
    }
}

impl From<u64> for Integer {
    fn from(n: u64) -> Self {
        Self::from_magnitude(false, n)
    }
}

impl From<i64> for Integer {
    fn from(n: i64) -> Self {
        // `!n` is `-1 - n` in two's complement.
        let magnitude = if n < 0 { !n } else { n };
        Self::from_magnitude(n < 0, magnitude.cast_unsigned())
    }
}

impl FromStr for Integer {
    type Err = ParseIntegerError;

    fn from_str(text: &str) -> Result<Self, ParseIntegerError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        Self::from_digits(negative, digits, 10)
    }
}

impl Integer {
    /// Makes an integer of a sign and digits of `radix`, which is at most 16.
    pub(crate) fn from_digits(
        negative: bool,
        digits: &str,
        radix: u32,
    ) -> Result<Self, ParseIntegerError> {
        let value = |digit: char| digit.to_digit(radix);
        if digits.is_empty() || !digits.chars().all(|digit| value(digit).is_some()) {
            return Err(ParseIntegerError::NotDigits(digits.to_owned()));
        }
        let digits = digits.trim_start_matches('0');
        let too_long = || ParseIntegerError::TooLong(digits.len());
        // A byte takes eight digits at most, so no number that fits has more than these.
        if digits.len() > 8 * MAX_INTEGER_BYTES {
            return Err(too_long());
        }
        // Little-endian base 256, multiplied up digit by digit.
        let mut bytes: Vec<u8> = Vec::with_capacity(digits.len() / 2 + 1);
        for digit in digits.chars().filter_map(value) {
            let mut carry = digit;
            for byte in &mut bytes {
                let sum = u32::from(*byte) * radix + carry;
                *byte = (sum & 0xff) as u8;
                carry = sum >> 8;
            }
            if carry > 0 {
                bytes.push(u8::try_from(carry).expect("a carry is below the radix"));
            }
        }
        let negative = negative && !bytes.is_empty();
        if negative {
            decrement(&mut bytes);
        }
        bytes.reverse();
        Self::from_parts(negative, &bytes).ok_or_else(too_long)
    }
}

/// Subtracts one from a little-endian number above zero.
fn decrement(bytes: &mut [u8]) {
    for byte in bytes {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            return;
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Big-endian base 256 into little-endian decimal, one byte at a time.
        let mut digits = vec![0_u8];
        for byte in &self.magnitude {
            carry_into(&mut digits, 256, u32::from(*byte));
        }
        if self.negative {
            carry_into(&mut digits, 1, 1);
            f.write_str("-")?;
        }
        digits
            .iter()
            .rev()
            .try_for_each(|digit| write!(f, "{digit}"))
    }
}

/// Replaces a little-endian decimal number by `number * factor + carry`.
fn carry_into(digits: &mut Vec<u8>, factor: u32, mut carry: u32) {
    for digit in digits.iter_mut() {
        let sum = u32::from(*digit) * factor + carry;
        *digit = (sum % 10) as u8;
        carry = sum / 10;
    }
    while carry > 0 {
        digits.push((carry % 10) as u8);
        carry /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_round_trips() {
        for text in [
            "0",
            "1",
            "-1",
            "-2",
            "255",
            "256",
            "-256",
            "-257",
            "18446744073709551615",
            "18446744073709551616",
            "-18446744073709551616",
            "-18446744073709551617",
            "123456789012345678901234567890123456789012345678901234567890",
        ] {
            assert_eq!(text.parse::<Integer>().unwrap().to_string(), text);
        }
        assert_eq!("-0".parse::<Integer>().unwrap(), Integer::from(0_u64));
        assert_eq!("007".parse::<Integer>().unwrap(), Integer::from(7_i64));
    }

    #[test]
    fn machine_integers_agree_with_their_text() {
        for n in [0, 1, -1, i64::MAX, i64::MIN, -256, 65_536] {
            assert_eq!(Integer::from(n), n.to_string().parse().unwrap());
        }
    }

    #[test]
    fn the_longest_integer_is_the_last_that_is_made() {
        let longest = Integer::from_parts(true, &[0xff; MAX_INTEGER_BYTES]).unwrap();
        assert_eq!(longest.to_string().parse(), Ok(longest.clone()));
        assert_eq!(Integer::from_parts(true, &[1; MAX_INTEGER_BYTES + 1]), None);
        let mut text = longest.to_string();
        text.push('0');
        assert!(matches!(
            text.parse::<Integer>(),
            Err(ParseIntegerError::TooLong(_))
        ));
        assert!("1".repeat(1_000_000).parse::<Integer>().is_err());
        assert!("0".repeat(1_000_000).parse::<Integer>().is_ok());
    }

    #[test]
    fn texts_that_are_no_integers_are_refused() {
        for text in ["", "-", "+1", "1.0", "1e3", " 1", "0x1"] {
            assert!(text.parse::<Integer>().is_err(), "{text}");
        }
    }
}
