//! Pins: keys whose results stay, whatever the budget says.
//!
//! ```text
//! pins/<hex of key>   [1, key, result | null, label, when, why]
//! ```
//!
//! The form is canonical CBOR, and only what encodes to the same bytes is a pin. A pin whose words
//! cannot be read still protects its key, which its name says: damage lets nothing go.

use super::error::StoreError;
use super::format::optional;
use super::layout::list_or_empty;
use super::local::LocalStore;
use super::results::Lookup;
use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{BlobId, Key};
use crate::fs::{self, Facts, FileKind, IfPresent as _, PathError};
use crate::tree::Escaped;

pub(super) const FORMAT: u64 = 1;

/// Longer pins are neither written nor read.
pub(super) const LIMIT: u64 = 1 << 16;

/// A pin, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The key that it protects.
    pub key: Key,
    /// The result that stood when it was made, which stays too.
    pub result: Option<BlobId>,
    /// What history calls the step.
    pub label: String,
    /// When it was made, in nanoseconds since 1970.
    pub when: u64,
    /// Why, in the user's words.
    pub why: String,
}

impl Pin {
    /// Returns the canonical encoding: an array of the fields in their order.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let e = encoder.array(6).uint(FORMAT);
        e.bytes(self.key.digest().as_bytes());
        match &self.result {
            Some(result) => e.bytes(result.digest().as_bytes()),
            None => e.null(),
        };
        e.text(&self.label).uint(self.when).text(&self.why);
        encoder.finish()
    }

    /// Decodes a pin.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let d = &mut decoder;
        d.array_of(6)?;
        if d.uint()? != FORMAT {
            return d.fail("pin of an unknown format");
        }
        let pin = Self {
            key: Key::new(d.digest()?),
            result: optional(d, Decoder::digest)?.map(BlobId::new),
            label: d.text()?.to_owned(),
            when: d.uint()?,
            why: d.text()?.to_owned(),
        };
        decoder.finish()?;
        Ok(pin)
    }
}

impl LocalStore {
    /// Protects a key; an earlier pin of it is replaced. Says whether a result stands for the key
    /// once the pin does: a collection that looked for pins before may have evicted it.
    pub fn pin(&self, pin: &Pin) -> Result<bool, StoreError> {
        let bytes = pin.encode();
        if bytes.len() as u64 > LIMIT {
            let (what, limit) = ("the pin", LIMIT);
            return Err(StoreError::TooLarge { what, limit });
        }
        let path = self.layout.dir("pins").join(pin.key.hex());
        self.replace_file(&path, &bytes)?;
        Ok(matches!(self.look_up(&pin.key), Lookup::Found(_)))
    }

    /// Takes the protection away; says whether there was any.
    pub fn unpin(&self, key: &Key) -> Result<bool, StoreError> {
        if !self.is_writable() {
            return Err(StoreError::ReadOnly(self.dir().to_owned()));
        }
        let pin = self.below(&self.layout.dir("pins").join(key.hex()));
        let removed = self.top().and_then(|top| match top {
            Some(top) => Ok(top.remove_file(&pin).if_present()?.is_some()),
            None => Ok(false),
        });
        removed.map_err(|error| self.write_failed(error))
    }

    /// Returns all pins in the order of their keys, and in words what could not be read of them.
    pub fn pins(&self) -> Result<(Vec<Pin>, Vec<String>), PathError> {
        let dir = self.layout.dir("pins");
        let mut listed = list_or_empty(&dir)?;
        listed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let (mut pins, mut unread) = (Vec::new(), Vec::new());
        for (name, kind) in listed {
            match self.read_pin(&name, kind) {
                Ok(pin) => pins.extend(pin),
                Err(reason) => {
                    let path = fs::below(&dir, &name);
                    unread.push(format!("pin `{}`: {reason}", Escaped::path(&path)));
                }
            }
        }
        Ok((pins, unread))
    }

    /// Reads one pin; one that is gone by now is none, and neither is one of somebody who is not
    /// trusted: it would keep what nobody here asked to keep.
    fn read_pin(&self, name: &[u8], kind: FileKind) -> Result<Option<Pin>, String> {
        let facts = Facts::of_link(&fs::below(&self.layout.dir("pins"), name)).if_present();
        if let Ok(facts) = facts
            && !facts.is_some_and(|facts| self.heeds(facts.owner))
        {
            return Ok(None);
        }
        let text = std::str::from_utf8(name).unwrap_or_default();
        let key: Key = text.parse().map_err(|_| "its name is no key".to_owned())?;
        if kind != FileKind::File {
            return Err("not a regular file".to_owned());
        }
        let path = self.layout.dir("pins").join(text);
        let read = fs::open_nofollow(&path)
            .and_then(|(file, signature)| fs::read_limited((&file, &path), signature.size, LIMIT));
        let Some(bytes) = read
            .if_present()
            .map_err(|error| error.source.to_string())?
        else {
            return Ok(None);
        };
        let pin = Pin::decode(&bytes).map_err(|error| error.to_string())?;
        if pin.key != key || text != key.hex() {
            return Err("it is a pin of another key".to_owned());
        }
        Ok(Some(pin))
    }
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::digest::Digest;
    use crate::store::layout::FILE_MODE;
    use crate::store::{Access, StoreOptions};

    fn pin(key: u8) -> Pin {
        Pin {
            key: Key::new(Digest::from_bytes([key; 32])),
            result: Some(BlobId::new(Digest::from_bytes([2; 32]))),
            label: "p/s".to_owned(),
            when: 3,
            why: "paper".to_owned(),
        }
    }

    fn open(dir: &TempDir, access: Access) -> LocalStore {
        let options = StoreOptions {
            access,
            ..StoreOptions::default()
        };
        LocalStore::open(&dir.join("store"), options).unwrap()
    }

    #[test]
    fn the_bytes_of_a_pin_do_not_change() {
        let digest = |byte| [[0x58, 0x20].as_slice(), &[byte; 32]].concat();
        let with = |result: &[u8]| {
            let start = [b"\x86\x01".as_slice(), &digest(1), result];
            [&start.concat(), b"\x63p/s\x03\x65paper".as_slice()].concat()
        };
        assert_eq!(pin(1).encode(), with(&digest(2)));
        assert_eq!(Pin::decode(&with(&digest(2))), Ok(pin(1)));
        let without = Pin {
            result: None,
            ..pin(1)
        };
        assert_eq!(without.encode(), with(b"\xf6"));
        assert_eq!(Pin::decode(&with(b"\xf6")), Ok(without));
    }

    #[test]
    fn only_the_canonical_bytes_of_the_known_format_are_a_pin() {
        let bytes = pin(1).encode();
        let mut later = bytes.clone();
        later[1] = 2;
        let long_format = [&bytes[..1], &[0x18, 0x01], &bytes[2..]].concat();
        let more = [&bytes[..], &[0]].concat();
        for wrong in [
            &later,
            &long_format,
            &more,
            &bytes[..bytes.len() - 1].to_vec(),
        ] {
            assert!(Pin::decode(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pin_lasts_until_it_is_taken_away_and_the_last_one_counts() {
        let dir = TempDir::new();
        let store = open(&dir, Access::ReadWrite);
        assert!(!store.unpin(&pin(1).key).unwrap(), "there is no store yet");
        assert_eq!(store.pins().unwrap(), (Vec::new(), Vec::new()));
        store.pin(&pin(2)).unwrap();
        store.pin(&pin(1)).unwrap();
        let again = Pin {
            why: "thesis".to_owned(),
            ..pin(2)
        };
        store.pin(&again).unwrap();
        assert_eq!(store.pins().unwrap(), (vec![pin(1), again], Vec::new()));
        assert!(store.unpin(&pin(2).key).unwrap());
        assert!(!store.unpin(&pin(2).key).unwrap());
        assert_eq!(store.pins().unwrap().0, [pin(1)]);
        let reading = open(&dir, Access::ReadOnly);
        assert!(matches!(
            reading.unpin(&pin(1).key),
            Err(StoreError::ReadOnly(_))
        ));
        assert!(matches!(reading.pin(&pin(2)), Err(StoreError::ReadOnly(_))));
    }

    #[test]
    fn a_damaged_pin_is_told_and_the_others_are_read() {
        let dir = TempDir::new();
        let store = open(&dir, Access::ReadWrite);
        for key in 1..=3 {
            store.pin(&pin(key)).unwrap();
        }
        let place = |key: u8| store.layout.dir("pins").join(pin(key).key.hex());
        for (target, content) in [
            (place(1), b"\x86\x01".to_vec()),
            (place(2), pin(3).encode()),
        ] {
            let mut staged = store.stage_bytes(&content, FILE_MODE).unwrap();
            store.layout.publish_over(&mut staged, &target).unwrap();
        }
        let mut staged = store.stage_bytes(b"", FILE_MODE).unwrap();
        let stranger = store.layout.dir("pins").join("notes");
        store.layout.publish_over(&mut staged, &stranger).unwrap();
        let (pins, unread) = store.pins().unwrap();
        assert_eq!(pins, [pin(3)]);
        assert_eq!(unread.len(), 3, "{unread:?}");
        assert!(unread[1].contains("another key"), "{unread:?}");
    }

    #[test]
    fn a_pin_that_would_be_too_long_is_refused() {
        let dir = TempDir::new();
        let store = open(&dir, Access::ReadWrite);
        let long = Pin {
            why: "x".repeat(1 << 16),
            ..pin(1)
        };
        assert!(matches!(store.pin(&long), Err(StoreError::TooLarge { .. })));
        assert_eq!(store.pins().unwrap().0, []);
    }
}
