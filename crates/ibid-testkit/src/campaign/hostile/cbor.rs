//! A writer of CBOR items that knows no rules: what is hostile is what ibid itself never writes.

/// An encoded item, or what is to be taken for one.
pub(super) type Item = Vec<u8>;

/// Encodes a number.
pub(super) fn uint(number: u64) -> Item {
    head(0, number)
}

/// Encodes a byte string.
pub(super) fn bytes(content: impl AsRef<[u8]>) -> Item {
    let content = content.as_ref();
    [head(2, content.len() as u64), content.to_vec()].concat()
}

/// Encodes a text.
pub(super) fn text(content: &str) -> Item {
    [head(3, content.len() as u64), content.as_bytes().to_vec()].concat()
}

/// Encodes an array of items.
pub(super) fn array(items: &[Item]) -> Item {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// Encodes nothing.
pub(super) fn null() -> Item {
    vec![0xf6]
}

/// Encodes a truth.
pub(super) fn boolean(value: bool) -> Item {
    vec![0xf4 + u8::from(value)]
}

/// Encodes arrays in arrays, the innermost empty.
pub(super) fn nested(depth: usize) -> Item {
    [vec![0x81; depth], vec![0x80]].concat()
}

/// Encodes the head of an item in the shortest form.
pub(super) fn head(major: u8, number: u64) -> Item {
    let major = major << 5;
    let all = number.to_be_bytes();
    match number {
        0..24 => vec![major | all[7]],
        24..0x100 => vec![major | 0x18, all[7]],
        0x100..0x1_0000 => [&[major | 0x19], &all[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 0x1a], &all[4..]].concat(),
        _ => long_head(major >> 5, number),
    }
}

/// Encodes a head in nine bytes, however small the number.
pub(super) fn long_head(major: u8, number: u64) -> Item {
    [&[(major << 5) | 0x1b], &number.to_be_bytes()[..]].concat()
}
