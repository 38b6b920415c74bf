//! The options of known programs, just well enough to find their first operand.
//!
//! Owns the grammar (`Syntax`) and the walk over the words; the tables themselves are in
//! [`super::operand`]. Knows no file. An option that no table names is taken for one without a
//! value: then at worst its value is taken for the operand, and names no file.

/// How a program reads its options. Short options are given by their letters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syntax {
    /// Take the rest of their word as value, or the next word where the rest is empty.
    pub(super) value: &'static str,
    /// Take the next word, and leave the rest of their own to be read as letters (`-euo pipefail`).
    pub(super) next: &'static str,
    /// Take the rest of their word, even if it is empty.
    pub(super) glued: &'static str,
    /// Mean that no operand is what is looked for: code on the command line, another mode.
    pub(super) stop: &'static str,
    /// Mean that the first operand is code (`sh -c`).
    pub(super) inline: &'static str,
    /// Have the script as their value (`awk -f`).
    pub(super) file: &'static str,
    /// Long options, dashes included, that take the next word unless they hold a `=`.
    pub(super) long_value: &'static [&'static str],
    /// Long options like `stop`.
    pub(super) long_stop: &'static [&'static str],
    /// Long options like `file`.
    pub(super) long_file: &'static [&'static str],
    /// Whether `+x` is an option too.
    pub(super) plus: bool,
    /// Whether `-` alone is an option rather than standard input.
    pub(super) dash_is_option: bool,
    /// Whether `NAME=value` before the operand is none.
    pub(super) assignments: bool,
    /// Operands that come before the one looked for (`timeout 5 …`).
    pub(super) before: usize,
}

/// What the words of a command line are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The index of the first operand that counts.
    pub(super) operand: Option<usize>,
    /// Whether the operand is code.
    pub(super) inline: bool,
    /// The index of the first script that was given by an option.
    pub(super) file: Option<usize>,
}

/// What reading one option word led to.
enum Step {
    /// The next word is to be read.
    Go,
    /// The next word is a value, and a script if so said.
    Skip {
        values: usize,
        file: bool,
    },
    Stop,
}

impl Syntax {
    /// Reads the words of a command line, the program's own name at index 0.
    pub(super) fn read(&self, argv: &[Vec<u8>]) -> Parsed {
        let mut parsed = Parsed::default();
        let mut before = self.before;
        let mut options = true;
        let mut at = 1;
        while let Some(word) = argv.get(at) {
            if options && word == b"--" {
                options = false;
            } else if options && word == b"-" {
                if !self.dash_is_option {
                    return parsed;
                }
            } else if options && self.is_option(word) {
                match self.option(word, &mut parsed) {
                    Step::Go => {}
                    Step::Stop => {
                        return Parsed {
                            operand: None,
                            ..parsed
                        };
                    }
                    Step::Skip { values, file } => {
                        if file && at + 1 < argv.len() {
                            parsed.file.get_or_insert(at + 1);
                        }
                        at += values;
                    }
                }
            } else if self.assignments && word.contains(&b'=') {
                options = false;
            } else if before > 0 {
                before -= 1;
                options = false;
            } else {
                parsed.operand = Some(at);
                return parsed;
            }
            at += 1;
        }
        parsed
    }

    fn is_option(&self, word: &[u8]) -> bool {
        word.starts_with(b"-") || (self.plus && word.starts_with(b"+") && word.len() > 1)
    }

    fn option(&self, word: &[u8], parsed: &mut Parsed) -> Step {
        if word.starts_with(b"--") {
            return self.long(word);
        }
        if word.starts_with(b"+") {
            let values = word
                .iter()
                .filter(|letter| self.next.as_bytes().contains(letter));
            return Step::Skip {
                values: values.count(),
                file: false,
            };
        }
        let mut values = 0;
        for (place, letter) in word.iter().enumerate().skip(1) {
            let has = |letters: &str| letters.as_bytes().contains(letter);
            let last = place + 1 == word.len();
            if has(self.stop) {
                return Step::Stop;
            } else if has(self.inline) {
                parsed.inline = true;
            } else if has(self.next) {
                values += 1;
            } else if has(self.file) {
                return Step::Skip {
                    values: values + usize::from(last),
                    file: last,
                };
            } else if has(self.value) {
                return Step::Skip {
                    values: values + usize::from(last),
                    file: false,
                };
            } else if has(self.glued) {
                break;
            }
        }
        match values {
            0 => Step::Go,
            values => Step::Skip {
                values,
                file: false,
            },
        }
    }

    fn long(&self, word: &[u8]) -> Step {
        let name_ends = word.iter().position(|byte| *byte == b'=');
        let name = &word[..name_ends.unwrap_or(word.len())];
        let has = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        if has(self.long_stop) {
            Step::Stop
        } else if name_ends.is_none() && has(self.long_file) {
            Step::Skip {
                values: 1,
                file: true,
            }
        } else if name_ends.is_none() && has(self.long_value) {
            Step::Skip {
                values: 1,
                file: false,
            }
        } else {
            Step::Go
        }
    }
}

/// Says whether `word` assigns to a variable: a name, perhaps `+` or a subscript, and `=`.
pub(super) fn is_assignment(word: &[u8]) -> bool {
    let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let name = &word[..equals];
    let name = name.strip_suffix(b"+").unwrap_or(name);
    let name = match name.iter().position(|byte| *byte == b'[') {
        Some(bracket) if name.ends_with(b"]") => &name[..bracket],
        _ => name,
    };
    !name.is_empty()
        && !name[0].is_ascii_digit()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
