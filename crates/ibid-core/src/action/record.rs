//! `KeyRecord`: the ordered components, and the key that is made of their encoding.

use std::collections::BTreeMap;

use super::component::{Component, ComponentKind, ComponentName};
use crate::digest::Key;
use crate::digest::encoding::{DecodeError, Decoder, Encoder, Value};

/// Everything that a key depends on, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord(Vec<Component>);

/// Bytes that are not a key record.
pub type RecordError = DecodeError;

impl KeyRecord {
    /// Sorts components by kind and name as they are encoded. Panics where two share both,
    /// because such a record would mean different things in different orders.
    pub fn new(components: Vec<Component>) -> Self {
        let count = components.len();
        let sorted: BTreeMap<_, _> = components.into_iter().map(|c| (sort_key(&c), c)).collect();
        assert_eq!(sorted.len(), count, "no two components share kind and name");
        Self(sorted.into_values().collect())
    }

    /// Returns the components in their order.
    pub fn components(&self) -> &[Component] {
        &self.0
    }

    /// Returns the canonical encoding: an array of `[kind, name, value]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.array(self.0.len());
        for Component { kind, name, value } in &self.0 {
            encoder.array(3).text(kind.word());
            encode_name(&mut encoder, name);
            encoder.value(value);
        }
        encoder.finish()
    }

    /// Returns the key: the derived hash of the encoding.
    pub fn key(&self) -> Key {
        Key::derive(&self.encode())
    }

    /// Decodes a record; what is accepted encodes to the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut decoder = Decoder::new(bytes);
        let mut components: Vec<Component> = Vec::new();
        for _ in 0..decoder.array()? {
            decoder.array_of(3)?;
            let Some(kind) = ComponentKind::from_word(decoder.text()?) else {
                return decoder.fail("unknown kind of component");
            };
            let name = match decoder.value()? {
                Value::Bytes(bytes) => ComponentName::Bytes(bytes),
                Value::Text(text) => ComponentName::Text(text),
                Value::Integer(n) if !n.is_negative() && n.small_magnitude().is_some() => {
                    ComponentName::Index(n.small_magnitude().expect("just looked at"))
                }
                _ => return decoder.fail("component without a name"),
            };
            let component = Component {
                kind,
                name,
                value: decoder.value()?,
            };
            if components
                .last()
                .is_some_and(|last| sort_key(last) >= sort_key(&component))
            {
                return decoder.fail("components out of order");
            }
            components.push(component);
        }
        decoder.finish()?;
        Ok(Self(components))
    }
}

/// The encoded kind and name: their bytes give the order.
fn sort_key(component: &Component) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.text(component.kind.word());
    encode_name(&mut encoder, &component.name);
    encoder.finish()
}

fn encode_name(encoder: &mut Encoder, name: &ComponentName) {
    match name {
        ComponentName::Index(index) => encoder.uint(*index),
        ComponentName::Bytes(bytes) => encoder.bytes(bytes),
        ComponentName::Text(text) => encoder.text(text),
    };
}
