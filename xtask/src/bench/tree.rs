//! Deterministic inputs: a tree of small files and a big one, none of which compresses.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::{make_dir, write};
use crate::shell::Outcome;

/// Makes (once) a tree of `count` files of 1 to 16 KiB, 100 to a folder.
pub(super) fn small_files(inputs: &Path, count: usize) -> Outcome<PathBuf> {
    let tree = inputs.join(format!("small-{count}"));
    made_once(&tree, |tree| {
        let pool = noise(1 << 20, 1);
        for number in 0..count {
            let folder = tree.join(format!("{:03}/{:02}", number / 10_000, number / 100 % 100));
            if number % 100 == 0 {
                make_dir(&folder)?;
            }
            let random = mix(number as u64);
            let length = 1024 + low(random) % (15 * 1024 + 1);
            let start = low(random >> 32) % (pool.len() - 16 * 1024);
            let mut bytes = pool[start..start + length].to_vec();
            // Equal content would be hashed all the same, but stored once.
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            write(&folder.join(format!("f{number:06}.bin")), &bytes)?;
        }
        Ok(())
    })?;
    Ok(tree)
}

/// Makes (once) a file of `mebibytes` MiB.
pub(super) fn big_file(inputs: &Path, mebibytes: usize) -> Outcome<PathBuf> {
    let folder = inputs.join(format!("big-{mebibytes}"));
    made_once(&folder, |folder| {
        make_dir(folder)?;
        let told = |error: std::io::Error| error.to_string();
        let mut block = noise(1 << 20, 2);
        let mut file = BufWriter::new(File::create(folder.join("big.bin")).map_err(told)?);
        for number in 0..mebibytes {
            block[..8].copy_from_slice(&(number as u64).to_le_bytes());
            file.write_all(&block).map_err(told)?;
        }
        file.flush().map_err(told)
    })?;
    Ok(folder.join("big.bin"))
}

/// Makes `place` under another name first, so that an interrupted run leaves no half of it.
fn made_once(place: &Path, make: impl FnOnce(&Path) -> Outcome) -> Outcome {
    if place.exists() {
        return Ok(());
    }
    eprintln!("making {}", place.display());
    let draft = place.with_extension(format!("draft-{}", std::process::id()));
    make(&draft)?;
    std::fs::rename(&draft, place).map_err(|error| error.to_string())
}

/// `SplitMix64`: enough for bytes that must only not compress.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64 / 8)
        .flat_map(|number| mix(number ^ (seed << 48)).to_le_bytes())
        .collect()
}

/// The low 32 bits, as an index.
fn low(number: u64) -> usize {
    usize::try_from(number & 0xffff_ffff).expect("32 bits fit")
}
