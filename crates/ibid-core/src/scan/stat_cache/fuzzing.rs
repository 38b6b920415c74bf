//! The stat cache's decoders, as fuzzing calls them.

use super::folders::{HEADER, Kept, Named, Places, Remembered, SUMMED, Where, checksum};
use super::record::{RECORD, Record};
use crate::digest::{Digest, TreeId};
use crate::fs::{FileSystemId, Signature, Timestamp};
use crate::tree::RelPath;

const SALT: &[u8] = b"a machine";

const STAMP: Timestamp = Timestamp {
    seconds: 1,
    nanos: 2,
};

/// Decodes a record and encodes it again.
pub(crate) fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes: &[u8; RECORD] = bytes.try_into().ok()?;
    let salt = Digest::of(SALT);
    Some(Record::decode(bytes, &salt)?.encode(&salt).to_vec())
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let record = Record {
        name: [3; 24],
        size: 4,
        mtime: STAMP,
        ctime: STAMP,
        mode: 0o100_644,
        flags: 1,
        digest: Digest::of(b""),
        started: STAMP,
        boot: 5,
    };
    vec![record.encode(&Digest::of(SALT)).to_vec()]
}

/// Does something with the place of a tree that is kept.
fn at_a_tree<T>(use_it: impl FnOnce(&Where<'_>) -> T) -> T {
    use_it(&Where {
        dir: "/nowhere".as_ref(),
        salt: &Digest::of(SALT),
        boot: 5,
        tree: &Digest::of(b"a tree"),
    })
}

/// Reads what is kept of a tree, with whatever sums. Folders lie in the file, and their names are
/// plain ones that the file pays for.
pub(crate) fn tree(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let places = at_a_tree(|kept| {
        let length = kept.head_length(bytes.first_chunk::<HEADER>()?, bytes.len())?;
        // A sum that is right leads further.
        let sum = checksum(&bytes[SUMMED..length], kept.salt);
        bytes[4..SUMMED].copy_from_slice(&sum);
        let (_, places) = kept.decode_head(&bytes[..length], bytes.len())?;
        Some(places)
    });
    for place in places.into_iter().flat_map(Places::into_values) {
        let start = usize::try_from(place.offset).expect("it lies in the file");
        folder(&bytes[start..start + place.length]);
    }
}

fn folder(bytes: &[u8]) {
    let Some(folder) = Remembered::of_any_status(bytes) else {
        return;
    };
    for entry in (0..folder.len()).filter_map(|index| folder.entry(index)) {
        let name = entry.name.to_bytes();
        assert_eq!(folder.names()[entry.start..][..name.len()], *name);
        assert!(!name.is_empty() && name != b"." && name != b"..");
        assert!(!name.contains(&b'/') && !name.contains(&0));
        let _ = entry.digest_of(&signature(7, 0o100_644));
        let _ = (entry.has_text(b"b"), entry.is_kind_of(&signature(0, 0)));
    }
}

fn signature(inode: u64, mode: u32) -> Signature {
    Signature {
        device: 1,
        inode,
        size: 4,
        mtime: STAMP,
        ctime: STAMP,
        mode,
        links: 1,
    }
}

pub(crate) fn trees() -> Vec<Vec<u8>> {
    let paths = [RelPath::ROOT, RelPath::new("d").expect("a path below")];
    let named = |name, inode, mode, digest| Named {
        name,
        signature: signature(inode, mode),
        digest,
    };
    let folder = |path, inode, names| Kept {
        path,
        system: FileSystemId::of(&[b"a disk"]),
        signature: signature(inode, 0o040_755),
        names,
    };
    let file = Some(Digest::of(b"b"));
    let top = [
        named(&b"d"[..], 6, 0o040_755, None),
        named(b"link", 8, 0o120_777, file),
        named(b"new", 9, 0o100_644, None),
    ];
    let below = [named(&b"\xff.csv"[..], 7, 0o100_644, file)];
    let folders = [
        folder(&paths[0], 5, top.into()),
        folder(&paths[1], 6, below.into()),
    ];
    let id = TreeId::new(Digest::of(b"a listing"));
    let encoded = |id| at_a_tree(|kept| kept.encode(&folders, id));
    [Some(id), None].into_iter().filter_map(encoded).collect()
}
