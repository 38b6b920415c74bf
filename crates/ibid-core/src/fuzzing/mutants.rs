//! A little of what fuzzing does, in every test run: mutants of good inputs, the same each time.

use super::targets;

/// Mutants of one seed.
const MUTANTS: u64 = 4000;

/// A generator of numbers: `SplitMix64` of Steele, Lea and Flood (2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is below a usize")
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest byte is asked for"
    )]
    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    // Heads of long arrays, maps and strings, where lengths are believed or not.
    const LONG: [&[u8]; 4] = [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x81\x81\x81\x81\x81\x81\x81\x81",
    ];
    let at = numbers.below(bytes.len());
    match numbers.below(7) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
        1 if !bytes.is_empty() => bytes[at] = numbers.byte(),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, numbers.byte()),
        4 => drop(bytes.splice(at..at, LONG[numbers.below(4)].iter().copied())),
        5 => {
            let end = at + numbers.below(bytes.len() - at);
            let piece = bytes[at..end].to_vec();
            let to = numbers.below(bytes.len());
            drop(bytes.splice(to..to, piece));
        }
        _ if !bytes.is_empty() => {
            drop(bytes.drain(at..(at + 1 + numbers.below(4)).min(bytes.len())));
        }
        _ => {}
    }
}

#[test]
fn every_good_input_is_accepted_and_no_mutant_breaks_a_law() {
    for target in targets() {
        let seeds = (target.seeds)();
        assert!(
            !seeds.is_empty(),
            "{} has inputs to begin with",
            target.name
        );
        for (at, seed) in seeds.iter().enumerate() {
            (target.run)(seed);
            let mut numbers = Numbers(at as u64);
            let mut mutant = seed.clone();
            for turn in 0..MUTANTS {
                if turn % 8 == 0 {
                    mutant.clone_from(seed);
                }
                mutate(&mut mutant, &mut numbers);
                (target.run)(&mutant);
            }
        }
    }
}
