//! `Image`: a disk in memory; `Cuts`: what can be left of one after a power cut.
//!
//! A disk may keep any of the writes since the last flush and none of the others, and of the last
//! one it was at a part in sectors of 512 bytes. What was flushed it keeps.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::super::random::Random;

const BLOCK: usize = 4096;
const SECTOR: usize = 512;

/// Subsets tried at each point that has writes since the last flush.
const SUBSETS: usize = 3;
/// Subsets tried between two flushes.
const MOST_SUBSETS: usize = 64;

/// The bytes of a disk. A copy shares blocks with what it was copied from.
#[derive(Clone, Default)]
pub(super) struct Image {
    size: u64,
    blocks: HashMap<u64, Arc<[u8; BLOCK]>>,
}

/// What happened to a disk, in order.
#[derive(Clone)]
pub(super) enum Record {
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
    },
    Flush,
    /// The workload came this far.
    Mark(usize),
}

impl Image {
    /// Reads a file.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut image = Self {
            size,
            blocks: HashMap::new(),
        };
        let mut at = 0;
        // Only where there is data: these files are mostly holes.
        while let Ok(data) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(data))?;
            let mut bytes = vec![0; BLOCK * 256];
            at = data;
            while at < end {
                let length = (end - at).min(bytes.len() as u64);
                let part = &mut bytes[..usize::try_from(length).expect("it is small")];
                file.read_exact_at(part, at)?;
                image.write(at, part);
                at += length;
            }
        }
        Ok(image)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let length = (self.size.saturating_sub(offset)).min(length as u64);
        let mut bytes = vec![0; usize::try_from(length).expect("it is below a `usize`")];
        for (block, within, part) in pieces(offset, bytes.len()) {
            if let Some(found) = self.blocks.get(&block) {
                let length = part.len();
                bytes[part].copy_from_slice(&found[within..within + length]);
            }
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (block, within, part) in pieces(offset, bytes.len()) {
            let bytes = &bytes[part];
            let empty = bytes.iter().all(|byte| *byte == 0);
            if empty && !self.blocks.contains_key(&block) {
                continue;
            }
            let found = self
                .blocks
                .entry(block)
                .or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(found)[within..within + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn apply(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Write { offset, bytes } = record {
                self.write(*offset, bytes);
            }
        }
    }

    /// Writes it to a file, to be looked into.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.size)?;
        for (block, bytes) in &self.blocks {
            file.write_all_at(bytes.as_slice(), block * BLOCK as u64)?;
        }
        Ok(())
    }
}

/// Splits bytes at block borders: the block, where in it, and which of the bytes.
fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK as u64).expect("it is below a block");
        let more = (BLOCK - within).min(length - done);
        let part = done..done + more;
        done += more;
        Some((at / BLOCK as u64, within, part))
    })
}

/// One state of the disk after a power cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Records that surely reached the disk.
    firm: usize,
    /// Of the writes after those, the ones that did too, each with how many of its bytes.
    loose: Vec<(usize, usize)>,
    /// How many records there were at the cut.
    at: usize,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { firm, loose, at } = self;
        if firm == at {
            write!(f, "cut after {at}")
        } else {
            let loose = loose.len();
            write!(
                f,
                "cut after {at}, flushed {firm}, {loose} of the writes since"
            )
        }
    }
}

impl Cut {
    /// Says how far the workload had come.
    pub(super) fn reached(&self, log: &[Record]) -> usize {
        let mark = |record: &Record| match record {
            Record::Mark(mark) => Some(*mark),
            _ => None,
        };
        log[..self.at].iter().rev().find_map(mark).unwrap_or(0)
    }
}

/// Lists what can be left by a cut at each moment.
pub(super) fn cuts(log: &[Record], random: &mut Random) -> Vec<Cut> {
    let (mut all, mut tried) = (Vec::new(), HashSet::new());
    let (mut flushed, mut subsets) = (0, 0);
    let mut pending: Vec<(usize, usize)> = Vec::new();
    for (index, record) in log.iter().enumerate() {
        let at = index + 1;
        let bytes = match record {
            Record::Mark(_) => continue,
            Record::Flush => {
                (flushed, subsets) = (at, 0);
                pending.clear();
                continue;
            }
            Record::Write { bytes, .. } => bytes.len(),
        };
        pending.push((index, bytes));
        let (firm, loose) = (at, Vec::new());
        all.push(Cut { firm, loose, at });
        let mut draw = |loose: Vec<(usize, usize)>| {
            let mut hasher = DefaultHasher::new();
            (flushed, &loose).hash(&mut hasher);
            if tried.insert(hasher.finish()) {
                let firm = flushed;
                all.push(Cut { firm, loose, at });
            }
        };
        if bytes > SECTOR {
            draw(torn(pending.clone(), pending.len() - 1, random));
        }
        for _ in 0..SUBSETS {
            if pending.len() < 2 || subsets == MOST_SUBSETS {
                break;
            }
            let kept = pending.iter().filter(|_| random.below(2) == 0);
            let kept: Vec<_> = kept.copied().collect();
            subsets += 1;
            if !kept.is_empty() {
                let victim = random.below(kept.len());
                draw(torn(kept, victim, random));
            }
        }
    }
    all
}

/// Cuts one write short at a sector's border.
fn torn(
    mut writes: Vec<(usize, usize)>,
    victim: usize,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let bytes = &mut writes[victim].1;
    *bytes = SECTOR * (1 + random.below((*bytes / SECTOR).max(1)));
    writes
}

/// Makes images out of cuts in the order of their moments, without starting anew for each.
pub(super) struct Replay<'a> {
    log: &'a [Record],
    prefix: (usize, Image),
    flushed: (usize, Image),
}

impl<'a> Replay<'a> {
    pub(super) fn new(base: &Image, log: &'a [Record]) -> Self {
        Self {
            log,
            prefix: (0, base.clone()),
            flushed: (0, base.clone()),
        }
    }

    /// Makes the image of a cut that comes no earlier than the last one.
    pub(super) fn image(&mut self, cut: &Cut) -> Image {
        let whole = cut.firm == cut.at;
        let (done, image) = if whole {
            &mut self.prefix
        } else {
            &mut self.flushed
        };
        image.apply(&self.log[*done..cut.firm]);
        *done = cut.firm;
        let mut image = image.clone();
        for (index, length) in &cut.loose {
            if let Record::Write { offset, bytes } = &self.log[*index] {
                image.write(*offset, &bytes[..(*length).min(bytes.len())]);
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, byte: u8) -> Record {
        let bytes = vec![byte; 2 * SECTOR].into();
        Record::Write { offset, bytes }
    }

    #[test]
    fn every_cut_keeps_what_was_flushed_and_nothing_that_was_not_written() {
        let log = [
            Record::Mark(0),
            write(0, 1),
            write(4096, 2),
            Record::Flush,
            Record::Mark(1),
            write(0, 3),
            write(8192, 4),
        ];
        let base = Image {
            size: 3 * 4096,
            blocks: HashMap::new(),
        };
        let cuts = cuts(&log, &mut Random::new(1));
        let mut replay = Replay::new(&base, &log);
        let mut torn = 0;
        for cut in &cuts {
            let image = replay.image(cut);
            let at = |offset| image.read(offset, 2 * SECTOR);
            if cut.at > 4 {
                assert_eq!(at(4096), [2; 2 * SECTOR], "{cut}");
                assert_eq!(cut.reached(&log), 1);
                assert!([1, 3].contains(&at(0)[0]), "{cut}");
            } else {
                assert!(at(8192).iter().all(|byte| *byte == 0), "{cut}");
                assert_eq!(cut.reached(&log), 0);
            }
            let (first, second) = (at(0)[0], at(0)[SECTOR]);
            torn += usize::from(first != second);
        }
        assert_eq!(cuts.iter().filter(|cut| cut.firm == cut.at).count(), 4);
        assert!(torn > 0);
    }
}
