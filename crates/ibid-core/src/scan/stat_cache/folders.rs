//! `Folders`: all that was known of a tree, folder by folder, as it is looked through again.
//!
//! One file a tree, replaced whole. Each folder is one run of bytes with a checksum of its own: its
//! status, and every name in it that counts, in order, with its status and digest. What is written
//! here was believed by the rules when it was written, and those say the same of the same status
//! for as long as the machine is not booted: so a file of another boot is none. It decides nothing
//! about a status that differs. Every failure is silent, because folders can be listed.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

use super::record::{folded, take};
use crate::digest::{Digest, TreeId};
use crate::fs::slots::{self, SlotFile};
use crate::fs::{
    Dir, FileSystemId, Signature, Timestamp, create_dirs, list_signatures, look_aside,
};
use crate::tree::RelPath;

/// What the names of files begin with.
const PREFIX: &str = "tree-";

/// The largest file: a tree of 300,000 files or so.
const MAX_BYTES: usize = 32 << 20;

/// So many trees are kept, in so many bytes.
const MOST_FILES: usize = 256;
const MOST_BYTES: u64 = 256 << 20;

/// A file that is younger does not make way for another, in nanoseconds: more trees than are kept
/// would be written again at each look.
const YOUNG: i128 = 86_400_000_000_000;

/// How files are written. It is another when the bytes mean something else, and when a filter leaves
/// out other names or a listing is encoded otherwise.
pub(super) const FORMAT: u32 = 1;

/// What a file begins with: its format, two sums of what follows, which tree and boot it is of, the
/// digest of its listing, and how long the list of folders is.
pub(super) const HEADER: usize = SUMMED + 32 + 8 + 32 + 4;

/// Where that begins of which the sums are.
pub(super) const SUMMED: usize = 4 + 16;

/// What a folder begins with: file system, status, and the numbers of names and of their bytes.
const FOLDER: usize = 16 + STATUS + 4 + 4;

/// Inode, size, both stamps and mode.
const STATUS: usize = 8 + 8 + 12 + 12 + 4;

/// Where the name lies, how long it is, whether the digest counts, status and digest.
const NAMED: usize = 4 + 2 + 1 + STATUS + 32;

thread_local! {
    /// The bytes of a folder while it is looked through: one buffer serves many folders.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The folders of one tree that are kept.
#[derive(Debug)]
pub(in super::super) struct Folders {
    file: SlotFile,
    salt: Digest,
    places: Places,
    id: Option<TreeId>,
}

/// The folders, by their paths.
pub(super) type Places = HashMap<Box<[u8]>, Place>;

/// Where a folder lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: usize,
    sum: [u8; 16],
}

/// One folder as it was.
pub(in super::super) struct Remembered<'a> {
    entries: &'a [u8],
    names: &'a [u8],
}

/// One name in a folder as it was.
pub(in super::super) struct Entry<'a> {
    /// Where the name begins among all names.
    pub(in super::super) start: usize,
    pub(in super::super) name: &'a CStr,
    /// Its status and digest in bytes; the digest of a link is that of its text.
    known: &'a [u8],
    trusted: bool,
}

/// A folder that is to be kept.
pub(in super::super) struct Kept<'a> {
    pub(in super::super) path: &'a RelPath,
    pub(in super::super) system: FileSystemId,
    pub(in super::super) signature: Signature,
    pub(in super::super) names: Vec<Named<'a>>,
}

/// A name in it.
pub(in super::super) struct Named<'a> {
    pub(in super::super) name: &'a [u8],
    pub(in super::super) signature: Signature,
    /// The digest of a file, if it is believed for this status; that of a link's text.
    pub(in super::super) digest: Option<Digest>,
}

/// What the file of a tree has to say to be that of this tree, here and today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'a> {
    pub(super) dir: &'a Path,
    pub(super) salt: &'a Digest,
    pub(super) boot: u64,
    pub(super) tree: &'a Digest,
}

impl Where<'_> {
    fn name(&self) -> String {
        format!("{PREFIX}{}", &self.tree.hex()[..16])
    }

    fn path(&self) -> PathBuf {
        self.dir.join(self.name())
    }

    /// Opens what is kept of the tree.
    pub(super) fn open(&self) -> Option<Folders> {
        let file = SlotFile::open(&self.path()).ok()?;
        let size = usize::try_from(file.opened_length()).ok()?;
        let mut header = [0; HEADER];
        file.read_at(&mut header, 0).ok()?;
        let mut head = vec![0; self.head_length(&header, size)?];
        file.read_at(&mut head, 0).ok()?;
        let (id, places) = self.decode_head(&head, size)?;
        Some(Folders {
            file,
            salt: *self.salt,
            places,
            id,
        })
    }

    /// Returns how long the header is with the list of folders, in a file of this size; `None`
    /// where it is not one of this tree.
    pub(super) fn head_length(&self, header: &[u8; HEADER], size: usize) -> Option<usize> {
        let mut rest = header.as_slice();
        let format = u32::from_le_bytes(take(&mut rest));
        let _: [u8; SUMMED - 4] = take(&mut rest);
        let tree: [u8; 32] = take(&mut rest);
        let boot = u64::from_le_bytes(take(&mut rest));
        let _: [u8; 32] = take(&mut rest);
        let list = usize::try_from(u32::from_le_bytes(take(&mut rest))).ok()?;
        let ours = format == FORMAT && tree == *self.tree.as_bytes() && boot == self.boot;
        let length = HEADER.checked_add(list)?;
        (ours && length <= size && size <= MAX_BYTES).then_some(length)
    }

    /// Reads the digest of the listing, and where each folder lies in a file of this size.
    pub(super) fn decode_head(&self, head: &[u8], size: usize) -> Option<(Option<TreeId>, Places)> {
        let header = head.first_chunk::<HEADER>()?;
        let sum = checksum(&head[SUMMED..], self.salt);
        if self.head_length(header, size)? != head.len() || header[4..SUMMED] != sum {
            return None;
        }
        let id: [u8; 32] = *header[SUMMED + 32 + 8..].first_chunk()?;
        let id = (id != [0; 32]).then(|| TreeId::new(Digest::from_bytes(id)));
        Some((id, places(&head[HEADER..], size)?))
    }

    /// Writes what is known of the tree, with the digest of its listing if all of it is there.
    pub(super) fn replace(&self, folders: &[Kept<'_>], id: Option<TreeId>, now: Timestamp) {
        let Some(bytes) = self.encode(folders, id) else {
            return;
        };
        if create_dirs(self.dir, Some(0o700)).is_err() {
            return;
        }
        if look_aside(|| self.make_room(bytes.len() as u64, now)).is_some() {
            // What cannot be written is listed again.
            let _ = slots::replace(&self.path(), &bytes);
        }
    }

    /// Returns the bytes of the file; `None` if these are too many.
    pub(super) fn encode(&self, folders: &[Kept<'_>], id: Option<TreeId>) -> Option<Vec<u8>> {
        let mut list = Vec::new();
        let mut bodies = Vec::new();
        for folder in folders {
            let start = bodies.len();
            folder.encode(&mut bodies)?;
            if bodies.len() > MAX_BYTES {
                return None;
            }
            let body = &bodies[start..];
            let path = folder.path.as_bytes();
            list.extend((path.len() as u64).to_le_bytes());
            list.extend((start as u64).to_le_bytes());
            list.extend((body.len() as u64).to_le_bytes());
            list.extend(checksum(body, self.salt));
            list.extend(path);
        }
        let mut bytes = FORMAT.to_le_bytes().to_vec();
        bytes.extend([0; SUMMED - 4]);
        bytes.extend(self.tree.as_bytes());
        bytes.extend(self.boot.to_le_bytes());
        bytes.extend(id.map_or([0; 32], |id| *id.digest().as_bytes()));
        bytes.extend(u32::try_from(list.len()).ok()?.to_le_bytes());
        bytes.extend(&list);
        let sum = checksum(&bytes[SUMMED..], self.salt);
        bytes[4..SUMMED].copy_from_slice(&sum);
        bytes.extend(&bodies);
        (bytes.len() <= MAX_BYTES).then_some(bytes)
    }

    /// Removes what was written longest ago until so many bytes have room; `None` if too much is
    /// young.
    fn make_room(&self, length: u64, now: Timestamp) -> Option<()> {
        let dir = Dir::open(self.dir).ok()?;
        let own = self.name();
        let mut others = list_signatures(self.dir).ok()?;
        others.retain(|(name, _)| is_of_a_tree(name) && name != own.as_bytes());
        others.sort_by_key(|(_, signature)| signature.mtime);
        let mut files = others.len() + 1;
        let mut bytes = length + others.iter().map(|(_, other)| other.size).sum::<u64>();
        for (name, signature) in others {
            if files <= MOST_FILES && bytes <= MOST_BYTES {
                break;
            }
            if now.as_nanos() - signature.mtime.as_nanos() < YOUNG {
                return None;
            }
            dir.remove_here(&name).ok()?;
            files -= 1;
            bytes -= signature.size;
        }
        Some(())
    }
}

/// Says whether a file is called like one that is written here: users choose the folder, and may keep
/// files of their own in it.
fn is_of_a_tree(name: &[u8]) -> bool {
    let hex = name.strip_prefix(PREFIX.as_bytes());
    hex.is_some_and(|hex| hex.len() == 16 && hex.iter().all(u8::is_ascii_hexdigit))
}

/// Reads the list of folders in a file of this size; their offsets count from its end.
fn places(list: &[u8], size: usize) -> Option<Places> {
    let first = (HEADER + list.len()) as u64;
    let mut rest = list;
    let mut places = Places::new();
    while !rest.is_empty() {
        let (fields, behind) = rest.split_at_checked(8 + 8 + 8 + 16)?;
        let mut fields = fields;
        let path = usize::try_from(u64::from_le_bytes(take(&mut fields))).ok()?;
        let offset = u64::from_le_bytes(take(&mut fields));
        let length = usize::try_from(u64::from_le_bytes(take(&mut fields))).ok()?;
        let (path, behind) = behind.split_at_checked(path)?;
        let place = Place {
            offset: first.checked_add(offset)?,
            length,
            sum: take(&mut fields),
        };
        let end = place.offset.checked_add(length as u64)?;
        if end > size as u64 || places.insert(path.into(), place).is_some() {
            return None;
        }
        rest = behind;
    }
    Some(places)
}

impl Folders {
    /// Returns how many folders there are.
    pub(in super::super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the digest of the listing of all of them together, if they are all there are.
    pub(in super::super) fn id(&self) -> Option<TreeId> {
        self.id
    }

    /// Lends the folder at a path, if it has this very status; `None` if nothing is known of it
    /// so, or if `use_it` has no use for it.
    pub(in super::super) fn with<T>(
        &self,
        path: &RelPath,
        (system, signature): (&FileSystemId, &Signature),
        use_it: impl FnOnce(&Remembered<'_>) -> Option<T>,
    ) -> Option<T> {
        let place = self.places.get(path.as_bytes())?;
        // Taken and not borrowed: whoever waits for other threads may do another folder meanwhile.
        let mut buffer = BUFFER.take();
        buffer.resize(place.length.max(buffer.len()), 0);
        let bytes = &mut buffer[..place.length];
        let read = self.file.read_at(bytes, place.offset).is_ok();
        let whole = read && checksum(bytes, &self.salt) == place.sum;
        let folder = whole.then(|| Remembered::decode(bytes, system, signature));
        let used = folder.flatten().and_then(|folder| use_it(&folder));
        BUFFER.set(buffer);
        used
    }
}

impl<'a> Remembered<'a> {
    fn decode(bytes: &'a [u8], system: &FileSystemId, signature: &Signature) -> Option<Self> {
        let (own, status) = bytes.get(..16 + STATUS)?.split_at(16);
        let same = own == system.as_bytes() && *status == status_of(signature);
        same.then(|| Self::of_any_status(bytes)).flatten()
    }

    /// Reads a folder, whatever status it had.
    pub(super) fn of_any_status(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(FOLDER)?;
        let mut counts = &head[16 + STATUS..];
        let count = usize::try_from(u32::from_le_bytes(take(&mut counts))).ok()?;
        let length = usize::try_from(u32::from_le_bytes(take(&mut counts))).ok()?;
        let (entries, names) = rest.split_at_checked(count.checked_mul(NAMED)?)?;
        (names.len() == length).then_some(Self { entries, names })
    }

    /// Returns the names one after another, each with a NUL behind it.
    pub(in super::super) fn names(&self) -> &'a [u8] {
        self.names
    }

    /// Returns how many names there are.
    pub(in super::super) fn len(&self) -> usize {
        self.entries.len() / NAMED
    }

    /// Returns one of them; `None` for bytes that are none.
    pub(in super::super) fn entry(&self, index: usize) -> Option<Entry<'a>> {
        let mut rest = self.entries.get(index * NAMED..(index + 1) * NAMED)?;
        let start = usize::try_from(u32::from_le_bytes(take(&mut rest))).ok()?;
        let length = usize::from(u16::from_le_bytes(take(&mut rest)));
        let trusted = match take(&mut rest) {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let name = self.names.get(start..start.checked_add(length + 1)?)?;
        let name = CStr::from_bytes_with_nul(name).ok()?;
        let plain = !matches!(name.to_bytes(), b"" | b"." | b"..");
        (plain && !name.to_bytes().contains(&b'/')).then_some(Entry {
            start,
            name,
            known: rest,
            trusted,
        })
    }
}

impl Entry<'_> {
    /// Returns the digest of a file if it is believed to be that of the status it has.
    pub(in super::super) fn digest_of(&self, signature: &Signature) -> Option<Digest> {
        let same = self.trusted && self.known[..STATUS] == status_of(signature);
        same.then(|| self.digest())
    }

    /// Says whether it was the same kind of thing.
    pub(in super::super) fn is_kind_of(&self, signature: &Signature) -> bool {
        let mode = self.known[STATUS - 4..].first_chunk();
        let mode = u32::from_le_bytes(*mode.expect("a mode is the last of a status"));
        Signature { mode, ..*signature }.kind() == signature.kind()
    }

    /// Says whether a link had this text.
    pub(in super::super) fn has_text(&self, text: &[u8]) -> bool {
        self.trusted && self.digest() == Digest::of(text)
    }

    fn digest(&self) -> Digest {
        let bytes = self.known[STATUS..].first_chunk();
        Digest::from_bytes(*bytes.expect("a digest stands at the end"))
    }
}

impl Kept<'_> {
    fn encode(&self, bytes: &mut Vec<u8>) -> Option<()> {
        let length: usize = self.names.iter().map(|named| named.name.len() + 1).sum();
        bytes.extend(self.system.as_bytes());
        bytes.extend(status_of(&self.signature));
        bytes.extend(u32::try_from(self.names.len()).ok()?.to_le_bytes());
        bytes.extend(u32::try_from(length).ok()?.to_le_bytes());
        let mut start = 0;
        for named in &self.names {
            bytes.extend(u32::try_from(start).ok()?.to_le_bytes());
            bytes.extend(u16::try_from(named.name.len()).ok()?.to_le_bytes());
            bytes.push(u8::from(named.digest.is_some()));
            bytes.extend(status_of(&named.signature));
            bytes.extend(named.digest.map_or([0; 32], |digest| *digest.as_bytes()));
            start += named.name.len() + 1;
        }
        for named in &self.names {
            bytes.extend(named.name);
            bytes.push(0);
        }
        Some(())
    }
}

/// Returns the bytes of a status: all that tells whether content may have changed, but for the
/// device, which whoever asks has compared.
fn status_of(signature: &Signature) -> [u8; STATUS] {
    let mut bytes = [0; STATUS];
    bytes[..8].copy_from_slice(&signature.inode.to_le_bytes());
    bytes[8..16].copy_from_slice(&signature.size.to_le_bytes());
    put_stamp(&mut bytes[16..28], signature.mtime);
    put_stamp(&mut bytes[28..40], signature.ctime);
    bytes[40..].copy_from_slice(&signature.mode.to_le_bytes());
    bytes
}

fn put_stamp(bytes: &mut [u8], stamp: Timestamp) {
    bytes[..8].copy_from_slice(&stamp.seconds.to_le_bytes());
    bytes[8..].copy_from_slice(&stamp.nanos.to_le_bytes());
}

/// The sum of a record, over any number of bytes: for accidents, not against forgery.
pub(super) fn checksum(bytes: &[u8], salt: &Digest) -> [u8; 16] {
    let mut key = salt.as_bytes().as_slice();
    let [first, second, third, fourth]: [u64; 4] =
        std::array::from_fn(|_| u64::from_le_bytes(take(&mut key)));
    let (mut one, mut other) = (first ^ bytes.len() as u64, second);
    let mut add = |pair: &[u8; 16]| {
        let mut pair = pair.as_slice();
        let (left, right) = (take(&mut pair), take(&mut pair));
        let (left, right) = (u64::from_le_bytes(left), u64::from_le_bytes(right));
        one = folded(left ^ third, right ^ one);
        other = folded(left ^ other, right ^ fourth);
    };
    let (pairs, rest) = bytes.as_chunks();
    pairs.iter().for_each(&mut add);
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    add(&last);
    let mut sum = [0; 16];
    sum[..8].copy_from_slice(&folded(one ^ second, third).to_le_bytes());
    sum[8..].copy_from_slice(&folded(other ^ first, fourth).to_le_bytes());
    sum
}
