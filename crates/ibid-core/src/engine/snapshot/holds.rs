//! Whether everything is as a snapshot says.
//!
//! What is cheap and changes often is asked first. The looks are shared out between two threads
//! where there are many; the first difference ends all.

use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::bytes::Reader;
use super::form::{BLOCK, VERSION, read_look};
use super::{Told, values};
use crate::digest::Digest;
use crate::environ::{Asked, EnvSnapshot};
use crate::fs::{self, IfPresent as _, Links, Relook};

/// From this many looks on, a second thread is worth its start.
const MANY: u64 = 1_000;

/// No generation is longer.
const GENERATION: u64 = 1 << 10;

/// Says what the run said if everything is as it was: for this request, with this environment, at
/// this time in nanoseconds since 1970.
pub fn holds(bytes: &[u8], request: &Digest, env: &EnvSnapshot, now: u64) -> Option<Told> {
    let (sum, rest) = bytes.split_at_checked(request.as_bytes().len())?;
    let mut from = Reader(rest);
    let is_ours = from.number()? == VERSION && from.take(sum.len())? == request.as_bytes();
    let lasts = from.number()?..from.number()?;
    // Hashing it all is worth it only where it may hold.
    if !is_ours || !lasts.contains(&now) || Digest::of(rest).as_bytes() != sum {
        return None;
    }
    let told = told(&mut from)?;
    let all = from.number()? == 1;
    let names = from.number()?;
    let names = (0..names).map(|_| Some(OsString::from_vec(from.bytes()?.to_vec())));
    let names = names.collect::<Option<_>>()?;
    let asked = Asked { names, all };
    if from.take(sum.len())? != values(&asked, env).as_bytes() {
        return None;
    }
    let root = Path::new(OsStr::from_bytes(from.bytes()?));
    let generation = Path::new(OsStr::from_bytes(from.bytes()?));
    let found = fs::read_small(generation, GENERATION).if_present().ok()?;
    if found.as_deref() != from.option()? {
        return None;
    }
    for _ in 0..from.number()? {
        let path = Path::new(OsStr::from_bytes(from.bytes()?));
        let expected = from
            .option()?
            .map(|path| Path::new(OsStr::from_bytes(path)));
        if fs::real_path(path).ok().as_deref() != expected {
            return None;
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
    looks.all(count).then_some(told)
}

fn told(from: &mut Reader<'_>) -> Option<Told> {
    let steps = from.number()?;
    let saved = Duration::from_nanos(from.number()?);
    let names = from.number()?;
    let names = (0..names).map(|_| String::from_utf8(from.bytes()?.to_vec()).ok());
    Some(Told {
        steps,
        saved,
        names: names.collect::<Option<_>>()?,
    })
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
