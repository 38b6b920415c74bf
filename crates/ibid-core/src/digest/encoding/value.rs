//! The data model: what a param, a spec or a record's field can be.

use std::collections::BTreeMap;

use super::Integer;

/// A float that is neither NaN nor infinite; `0.0` and `-0.0` differ, as their bits do.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl Finite {
    /// Wraps `value`, or returns `None` for NaN and infinities, which have no canonical form.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// Returns the float.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Finite {}

/// A canonical value. `1`, `1.0` and `"1"` are three different ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON's `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any size.
    Integer(Integer),
    /// A finite 64-bit float.
    Float(Finite),
    /// Raw bytes: paths, argv elements, values of environment variables.
    Bytes(Vec<u8>),
    /// Unicode text, not normalised.
    Text(String),
    /// An ordered list.
    Array(Vec<Self>),
    /// A map with text keys.
    Map(BTreeMap<String, Self>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_owned())
    }
}
