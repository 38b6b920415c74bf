//! Deterministic inputs: a tree of small files and a few big ones, none of which compresses.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::{Bench, make_dir, write};
use crate::shell::Outcome;

/// A tree of small files below the folder of inputs.
pub(super) struct Tree {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// The paths of its files from the folder of inputs, a line each.
    pub(super) list: PathBuf,
}

/// Makes (once) a tree of `count` files of 1 to 16 KiB, 100 to a folder.
pub(super) fn small_files(bench: &Bench, count: usize) -> Outcome<Tree> {
    let name = format!("small-{count}");
    let path = bench.inputs.join(&name);
    bench.made_once(&path, |tree| {
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
    let list = bench.inputs.join(format!("{name}.list"));
    if !list.exists() {
        write(&list, listed(&bench.inputs, &name)?.as_bytes())?;
    }
    Ok(Tree { path, name, list })
}

/// Makes (once) a folder of `count` files of `mebibytes` MiB each: `0.bin` and so on.
pub(super) fn big_files(bench: &Bench, count: usize, mebibytes: usize) -> Outcome<PathBuf> {
    let folder = bench.inputs.join(format!("big-{count}x{mebibytes}"));
    bench.made_once(&folder, |folder| {
        make_dir(folder)?;
        let told = |error: std::io::Error| error.to_string();
        let mut block = noise(1 << 20, 2);
        for number in 0..count {
            let file = File::create(folder.join(format!("{number}.bin"))).map_err(told)?;
            let mut file = BufWriter::new(file);
            for place in 0..mebibytes {
                block[..8].copy_from_slice(&((number << 32 | place) as u64).to_le_bytes());
                file.write_all(&block).map_err(told)?;
            }
            file.flush().map_err(told)?;
        }
        Ok(())
    })?;
    Ok(folder)
}

/// Lists the files below `base/name`, as paths from `base`, a line each.
pub(super) fn listed(base: &Path, name: &str) -> Outcome<String> {
    let (mut open, mut text) = (vec![PathBuf::from(name)], String::new());
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(base.join(&folder)).map_err(|error| error.to_string())?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = folder.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else {
                text.push_str(&path.to_string_lossy());
                text.push('\n');
            }
        }
    }
    Ok(text)
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
