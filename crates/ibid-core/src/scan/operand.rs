//! What a command line names without declaring it: the script an interpreter runs, and files.
//!
//! Both are conservative. Only interpreters whose options are known are looked into, and only
//! words that name something that exists count.

use std::collections::BTreeMap;
use std::path::Path;

use super::ScanError;
use crate::fs::FileKind;
use crate::fs::walk::{self, Links};
use crate::tree::{Place, RelPath};

/// How an interpreter finds its script among its arguments.
struct Interpreter {
    /// Options after which there is no script: the program is in the command line.
    inline: &'static [&'static str],
    /// Options that take the next word as their value.
    valued: &'static [&'static str],
    /// Options whose value is the script.
    script: &'static [&'static str],
    /// Whether one-letter options may be written together, as in `-uc`.
    clusters: bool,
}

const PYTHON: Interpreter = Interpreter {
    inline: &["-c", "-m", "-V", "-h", "--version", "--help"],
    valued: &["-W", "-X", "--check-hash-based-pycs"],
    script: &[],
    clusters: true,
};
const SHELL: Interpreter = Interpreter {
    inline: &["-c", "-s", "--version", "--help"],
    valued: &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"],
    script: &[],
    clusters: true,
};
const PERL: Interpreter = Interpreter {
    inline: &["-e", "-E", "-v", "-V"],
    valued: &["-I"],
    script: &[],
    clusters: true,
};
const RUBY: Interpreter = Interpreter {
    inline: &["-e", "--version"],
    valued: &["-I", "-r", "-E", "-C"],
    script: &[],
    clusters: true,
};
const NODE: Interpreter = Interpreter {
    inline: &["-e", "--eval", "-p", "--print", "-v", "--version"],
    valued: &[
        "-r",
        "--require",
        "--import",
        "--loader",
        "-C",
        "--conditions",
    ],
    script: &[],
    clusters: false,
};
const JULIA: Interpreter = Interpreter {
    inline: &["-e", "--eval", "-E", "--print", "-v", "--version"],
    valued: &[
        "-L",
        "--load",
        "-J",
        "--sysimage",
        "-t",
        "--threads",
        "-p",
        "--procs",
    ],
    script: &[],
    clusters: false,
};
const RSCRIPT: Interpreter = Interpreter {
    inline: &["-e", "--version", "--help"],
    valued: &[],
    script: &[],
    clusters: false,
};
const R: Interpreter = Interpreter {
    inline: &["-e", "--version", "--help", "--args"],
    valued: &["-g", "--gui", "-d", "--debugger"],
    script: &["-f"],
    clusters: false,
};
const LUA: Interpreter = Interpreter {
    inline: &["-v"],
    valued: &["-e", "-l"],
    script: &[],
    clusters: false,
};
const OCTAVE: Interpreter = Interpreter {
    inline: &["--eval", "--version"],
    valued: &["-p", "--path", "--image-path", "--info-file"],
    script: &[],
    clusters: false,
};

/// Splits a version off a program's name: `python3.12`, `ruby3.1`, `lua5.4`.
fn stem_and_version(name: &[u8]) -> (&[u8], usize) {
    let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let versions = name.iter().rev().take_while(|byte| digits(byte)).count();
    (&name[..name.len() - versions], versions)
}

/// Returns the interpreter that a program's name stands for.
fn interpreter(name: &[u8]) -> Option<&'static Interpreter> {
    let (stem, versions) = stem_and_version(name);
    match (stem, versions) {
        (b"python" | b"pypy", _) => Some(&PYTHON),
        (b"sh" | b"bash" | b"dash" | b"zsh" | b"ksh", 0) => Some(&SHELL),
        (b"perl", _) => Some(&PERL),
        (b"ruby", _) => Some(&RUBY),
        (b"node" | b"nodejs", 0) => Some(&NODE),
        (b"julia", _) => Some(&JULIA),
        (b"Rscript", 0) => Some(&RSCRIPT),
        (b"R", 0) => Some(&R),
        (b"lua" | b"luajit", _) => Some(&LUA),
        (b"octave" | b"octave-cli", 0) => Some(&OCTAVE),
        _ => None,
    }
}

/// Says whether a word in command position names a Python interpreter.
pub fn is_python(word: &[u8]) -> bool {
    matches!(stem_and_version(base_name(word)).0, b"python" | b"pypy")
}

fn base_name(word: &[u8]) -> &[u8] {
    word.rsplit(|byte| *byte == b'/').next().unwrap_or(word)
}

/// Returns the index of the script among the words of a command, if the first one is an
/// interpreter that is known and the program is not given in the command line itself.
pub fn script_operand<W: AsRef<[u8]>>(words: &[W]) -> Option<usize> {
    let known = interpreter(base_name(words.first()?.as_ref()))?;
    let is = |list: &[&str], word: &[u8]| list.iter().any(|option| option.as_bytes() == word);
    let mut index = 1;
    while let Some(word) = words.get(index).map(AsRef::as_ref) {
        let cluster = cluster_end(known, word);
        if is(known.script, word) {
            return (index + 1 < words.len()).then_some(index + 1);
        }
        if is(known.inline, word) || cluster == Some(ClusterEnd::Inline) {
            return None;
        }
        index += match word {
            b"-" => return None,
            b"--" => return (index + 1 < words.len()).then_some(index + 1),
            word if is(known.valued, word) || cluster == Some(ClusterEnd::Valued) => 2,
            [b'-' | b'+', _, ..] => 1,
            // R takes its script by option only.
            _ if !known.script.is_empty() => 1,
            _ => return Some(index),
        };
    }
    None
}

#[derive(PartialEq, Eq)]
enum ClusterEnd {
    Inline,
    Valued,
}

/// Reads options written together: `-uc` ends in one that takes the program, `-eo` in one that
/// takes a value.
fn cluster_end(known: &Interpreter, word: &[u8]) -> Option<ClusterEnd> {
    let letters = word.strip_prefix(b"-")?;
    if !known.clusters || letters.len() < 2 || letters[0] == b'-' {
        return None;
    }
    let is = |list: &[&str], letter: u8| {
        list.iter()
            .any(|option| option.as_bytes() == [b'-', letter])
    };
    for (at, letter) in letters.iter().enumerate() {
        if is(known.inline, *letter) {
            return Some(ClusterEnd::Inline);
        }
        if is(known.valued, *letter) {
            // The rest of the word is the value, if there is any.
            return (at + 1 == letters.len()).then_some(ClusterEnd::Valued);
        }
    }
    None
}

/// A word that names something below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implied {
    /// The word as it stands in the command.
    pub word: Vec<u8>,
    /// Whether it is a directory (or a link to one), which is not keyed unasked.
    pub is_dir: bool,
}

/// Returns the words that name an existing file or directory below `root`, by place. `dir` is
/// the folder that the command runs in. A word counts whole, and by what follows its first `=`
/// (`--config=a.toml`, `if=disk.img`); a word that begins with `-` counts by the latter only.
/// FIFOs, sockets and devices do not count, and neither does what lies outside.
pub fn implied_paths<'w>(
    words: impl IntoIterator<Item = &'w [u8]>,
    dir: &RelPath,
    root: &Path,
) -> Result<BTreeMap<Place, Implied>, ScanError> {
    let mut implied = BTreeMap::new();
    for word in words {
        let value = word
            .iter()
            .position(|byte| *byte == b'=')
            .map(|at| &word[at + 1..]);
        let whole = (!word.starts_with(b"-")).then_some(word);
        for spelling in [whole, value].into_iter().flatten() {
            if spelling.is_empty() || spelling.contains(&0) || spelling.len() > 4096 {
                continue;
            }
            let place = Place::resolve(spelling, dir, root);
            if place.inside().is_none() || implied.contains_key(&place) {
                continue;
            }
            // A name that is too long, or lies where the caller may not look, names no file.
            let looked = walk::look(&place.on_disk(root), Links::Follow);
            let is_dir = match looked.ok().flatten().map(|signature| signature.kind()) {
                Some(FileKind::File) => false,
                Some(FileKind::Dir) => true,
                Some(FileKind::Link | FileKind::Special) | None => continue,
            };
            let word = word.to_vec();
            implied.insert(place, Implied { word, is_dir });
        }
    }
    Ok(implied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    fn operand(line: &str) -> Option<String> {
        let words: Vec<&str> = line.split(' ').collect();
        script_operand(&words).map(|index| words[index].to_owned())
    }

    #[test]
    fn scripts_are_found_behind_the_options_of_their_interpreter() {
        for (line, script) in [
            ("python3 fit.py --seed 1", "fit.py"),
            ("/usr/bin/python3.12 -u -W ignore fit.py", "fit.py"),
            ("python -Wignore -uX dev fit.py", "fit.py"),
            ("bash -euo pipefail run.sh x", "run.sh"),
            ("sh -e -- run.sh", "run.sh"),
            ("Rscript --vanilla fit.R data.csv", "fit.R"),
            ("R --no-save -f fit.R", "fit.R"),
            ("perl -w -I lib fit.pl", "fit.pl"),
            ("julia --project=. fit.jl", "fit.jl"),
            ("node --require x.js fit.js", "fit.js"),
            ("lua5.4 fit.lua", "fit.lua"),
        ] {
            assert_eq!(operand(line).as_deref(), Some(script), "{line}");
        }
    }

    #[test]
    fn inline_programs_modules_and_unknown_programs_have_no_script() {
        for line in [
            "python3 -c print(1) fit.py",
            "python3 -uc print(1)",
            "python3 -m pytest fit.py",
            "bash -c ls x",
            "bash -euc ls x",
            "perl -ne print x",
            "node -e 1 x.js",
            "R CMD BATCH",
            "python3 - x",
            "python3",
            "cat fit.py",
            "sh2 x",
        ] {
            assert_eq!(operand(line), None, "{line}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn words_that_name_files_below_the_root_are_implied() {
        let dir = TempDir::new();
        std::fs::create_dir_all(dir.join("src/lib")).unwrap();
        for name in ["src/a.txt", "b.toml", "src/k=v", "-x"] {
            std::fs::write(dir.join(name), "x").unwrap();
        }
        let inside = RelPath::new("src").unwrap();
        let words = [
            "a.txt",
            "--config=../b.toml",
            "k=v",
            "lib/",
            "/etc/passwd",
            "none",
            "./a.txt",
            "--",
            "",
        ];
        let words = words.iter().map(|word| word.as_bytes());
        let implied = implied_paths(words, &inside, dir.path()).unwrap();
        let found: Vec<_> = implied
            .iter()
            .map(|(place, implied)| (place.to_string(), implied.is_dir))
            .collect();
        let expected = [
            ("b.toml", false),
            ("src/a.txt", false),
            ("src/k=v", false),
            ("src/lib", true),
        ];
        assert_eq!(
            found,
            expected.map(|(name, is_dir)| (name.to_owned(), is_dir))
        );
    }
}
