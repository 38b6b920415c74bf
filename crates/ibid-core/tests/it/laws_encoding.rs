//! Laws of the canonical encoding (hazards A3 and G5).

use ibid_core::digest::encoding::{Decoder, Finite, Integer, MAX_DEPTH, Value};
use ibid_core::digest::{Digest, Hasher, Key};
use proptest::prelude::*;

use crate::samples;

/// Changes of an encoding: a byte replaced, inserted or removed, or the end cut off.
fn mutate(mut bytes: Vec<u8>, changes: &[(usize, u8, u8)]) -> Vec<u8> {
    for (at, kind, byte) in changes {
        let at = at % (bytes.len() + 1);
        match kind % 4 {
            0 if at < bytes.len() => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at.max(1)),
            _ => {}
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(value in samples::value()) {
        prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
    }

    #[test]
    fn different_values_have_different_bytes(a in samples::value(), b in samples::value()) {
        prop_assert_eq!(a == b, a.encode() == b.encode());
    }

    /// A sequence cannot be read as another one: encodings are not prefixes of one another.
    #[test]
    fn no_encoding_is_a_prefix_of_another(a in samples::value(), b in samples::value()) {
        prop_assert!(a == b || !a.encode().starts_with(&b.encode()));
    }

    #[test]
    fn what_is_accepted_encodes_to_the_same_bytes(
        value in samples::value(),
        changes in prop::collection::vec(any::<(usize, u8, u8)>(), 1..4),
    ) {
        let bytes = mutate(value.encode(), &changes);
        if let Ok(value) = Value::decode(&bytes) {
            prop_assert_eq!(value.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_that_are_accepted_encode_to_themselves(bytes: Vec<u8>) {
        if let Ok(value) = Value::decode(&bytes) {
            prop_assert_eq!(value.encode(), bytes);
        }
    }

    #[test]
    fn an_integer_is_its_decimal_text(n in samples::integer()) {
        prop_assert_eq!(n.to_string().parse::<Integer>(), Ok(n));
    }

    #[test]
    fn machine_integers_print_as_usual(n: i64, m: u64) {
        prop_assert_eq!(Integer::from(n).to_string(), n.to_string());
        prop_assert_eq!(Integer::from(m).to_string(), m.to_string());
    }

    #[test]
    fn a_digest_is_its_text(bytes: [u8; 32]) {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        prop_assert_eq!(digest.hex().parse(), Ok(digest));
    }

    #[test]
    fn pieces_do_not_count(bytes: Vec<u8>, cut: prop::sample::Index) {
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut hasher = Hasher::new();
        hasher.update(a);
        hasher.update_here(b);
        prop_assert_eq!(hasher.finish(), Digest::of(&bytes));
        prop_assert_ne!(*Key::derive(&bytes).digest(), Digest::of(&bytes));
    }
}

#[test]
fn zeros_of_both_signs_differ() {
    let float = |value| Value::Float(Finite::new(value).unwrap());
    assert_ne!(float(0.0), float(-0.0));
    assert_ne!(float(0.0).encode(), float(-0.0).encode());
    assert_ne!(float(1.0), Value::from(1_u64));
    assert_eq!(Finite::new(f64::NAN), None);
    assert_eq!(Finite::new(f64::NEG_INFINITY), None);
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    assert!(Value::decode(&nested(MAX_DEPTH).encode()).is_ok());
    assert!(Value::decode(&nested(MAX_DEPTH + 1).encode()).is_err());
    // Far deeper than any stack: refused before it is followed.
    assert!(Value::decode(&vec![0x81; 10_000_000]).is_err());
}

#[test]
fn a_length_beyond_the_end_allocates_nothing() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![head];
        bytes.extend((1_u64 << 62).to_be_bytes());
        let error = Value::decode(&bytes).unwrap_err();
        assert_eq!(error.problem, "length beyond the end");
    }
}

#[test]
fn fields_are_read_in_canonical_order_only() {
    let encoded = |pairs: &[(&str, bool)]| {
        let map = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()));
        Value::Map(map.collect()).encode()
    };
    let bytes = encoded(&[("b", true), ("aa", false)]);
    let mut decoder = Decoder::new(&bytes);
    assert_eq!(decoder.map(), Ok(2));
    assert_eq!(decoder.key("b"), Ok(()));
    assert_eq!(decoder.bool(), Ok(true));
    assert!(decoder.clone().key_after(Some("ab")).is_err());
    assert_eq!(decoder.key_after(Some("b")), Ok("aa"));
    assert_eq!(decoder.bool(), Ok(false));
    assert_eq!(decoder.finish(), Ok(()));
}
