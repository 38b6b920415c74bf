//! Whether everything is as it was seen.
//!
//! What is cheap and changes often is asked first. The looks are shared out between two threads
//! where there are many; the first difference ends all.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::bytes::Reader;
use super::form::{BLOCK, read_look};
use super::seal::Seen;
use crate::fs::{self, IfPresent as _, Links, Relook};

/// From this many looks on, a second thread is worth its start.
const MANY: u64 = 1_000;

/// No generation is longer.
const GENERATION: u64 = 1 << 10;

impl Seen {
    /// Says whether everything is as it was, at this time in nanoseconds since 1970.
    pub fn holds(&self, now: u64) -> bool {
        all_is_as(Reader(&self.0), now)
    }
}

/// Says whether everything is as these bytes say.
pub(super) fn all_is_as(from: Reader<'_>, now: u64) -> bool {
    is_as(from, now).unwrap_or(false)
}

/// The same; `None` where the bytes say nothing.
fn is_as(mut from: Reader<'_>, now: u64) -> Option<bool> {
    let lasts = from.number()?..from.number()?;
    if !lasts.contains(&now) {
        return Some(false);
    }
    let root = Path::new(OsStr::from_bytes(from.bytes()?));
    let generation = Path::new(OsStr::from_bytes(from.bytes()?));
    let found = fs::read_small(generation, GENERATION).if_present().ok()?;
    if found.as_deref() != from.option()? {
        return Some(false);
    }
    for _ in 0..from.number()? {
        let path = Path::new(OsStr::from_bytes(from.bytes()?));
        let expected = from
            .option()?
            .map(|path| Path::new(OsStr::from_bytes(path)));
        if fs::real_path(path).ok().as_deref() != expected {
            return Some(false);
        }
    }
    let count = from.number()?;
    let blocks = blocks(&mut from, count)?;
    let looks = Looks {
        relook: Relook::below(root)?,
        blocks,
        next: AtomicUsize::new(0),
        differs: AtomicBool::new(false),
    };
    Some(looks.all(count))
}

/// Returns the blocks of `count` looks, each with how many are in it.
fn blocks<'a>(from: &mut Reader<'a>, count: u64) -> Option<Vec<(Reader<'a>, usize)>> {
    let count = usize::try_from(count).ok()?;
    let lengths = (0..count.div_ceil(BLOCK)).map(|_| from.number());
    let lengths: Vec<u64> = lengths.collect::<Option<_>>()?;
    let mut left = count;
    let blocks = lengths.into_iter().map(|length| {
        let block = from.take(usize::try_from(length).ok()?)?;
        let many = left.min(BLOCK);
        left -= many;
        Some((Reader(block), many))
    });
    let blocks = blocks.collect::<Option<_>>()?;
    from.0.is_empty().then_some(blocks)
}

/// The looks that are to be made again.
struct Looks<'a> {
    relook: Relook,
    blocks: Vec<(Reader<'a>, usize)>,
    next: AtomicUsize,
    differs: AtomicBool,
}

impl Looks<'_> {
    fn all(&self, count: u64) -> bool {
        if count < MANY {
            self.work();
        } else {
            std::thread::scope(|scope| {
                let second = std::thread::Builder::new();
                // Where the system gives no further thread, this one does it all.
                let _ = second.spawn_scoped(scope, || self.work());
                self.work();
            });
        }
        !self.differs.load(Ordering::Relaxed)
    }

    fn work(&self) {
        while !self.differs.load(Ordering::Relaxed) {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((block, many)) = self.blocks.get(next) else {
                return;
            };
            if self.block(*block, *many).is_none() {
                self.differs.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Looks at everything in a block; `None` if anything differs.
    fn block(&self, mut from: Reader<'_>, many: usize) -> Option<()> {
        let mut path = vec![0];
        for _ in 0..many {
            let (follow, expected) = read_look(&mut from, &mut path)?;
            let links = if follow { Links::Follow } else { Links::Keep };
            let name = CStr::from_bytes_with_nul(&path).ok()?;
            if !expected.is_met(&self.relook.look(name, links)) {
                return None;
            }
        }
        from.0.is_empty().then_some(())
    }
}
