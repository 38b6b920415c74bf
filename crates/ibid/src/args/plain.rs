//! The words of `ibid exec` where they are plain, read without building a parser.
//!
//! Building clap's parser takes a third of the instructions of an `exec` that is up to date, so
//! what is typed most is read here. This knows no mistakes, no help and no abbreviations: whatever
//! it does not take for granted is `None`, and clap's parser, the only one that decides, reads it.
//! A test compares the two.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::ExecArgs;

/// Where the value of a flag goes.
enum Slot<'a> {
    Switch(&'a mut bool),
    One(&'a mut Option<OsString>),
    Path(&'a mut Option<PathBuf>),
    Many(&'a mut Vec<OsString>),
    Paths(&'a mut Vec<PathBuf>),
}

/// Reads the words behind `exec`.
pub(super) fn exec(words: &[OsString]) -> Option<ExecArgs> {
    let mut args = ExecArgs::default();
    let mut rest = words;
    let command = loop {
        let (word, behind) = rest.split_first()?;
        match word.as_bytes() {
            b"--" => break behind,
            [b'-', ..] => {}
            _ => break rest,
        }
        rest = take(slot(&mut args, word)?, behind)?;
    };
    if command.first()?.is_empty() {
        return None;
    }
    args.step.command = command.to_vec();
    Some(args)
}

/// Puts the value of a flag in its place, and returns the words after it.
fn take<'a>(slot: Slot<'_>, behind: &'a [OsString]) -> Option<&'a [OsString]> {
    if let Slot::Switch(switch) = slot {
        // A repeated flag is a mistake.
        return (!std::mem::replace(switch, true)).then_some(behind);
    }
    let (value, behind) = behind.split_first()?;
    if value.is_empty() || value.as_bytes().starts_with(b"-") {
        return None;
    }
    let value = value.clone();
    match slot {
        Slot::Switch(_) => None,
        Slot::One(one) => one.replace(value).is_none().then_some(behind),
        Slot::Path(path) => path.replace(value.into()).is_none().then_some(behind),
        Slot::Many(many) => {
            many.push(value);
            Some(behind)
        }
        Slot::Paths(paths) => {
            paths.push(value.into());
            Some(behind)
        }
    }
}

/// Returns where the value of a flag goes, if it is one of those that are read here.
fn slot<'a>(args: &'a mut ExecArgs, flag: &OsStr) -> Option<Slot<'a>> {
    let (needs, makes) = (&mut args.step.needs, &mut args.step.makes);
    let (run, global) = (&mut args.run, &mut args.global);
    Some(match flag.to_str()? {
        "-i" | "--input" => Slot::Many(&mut needs.input),
        "--input-by-content" => Slot::Many(&mut needs.input_by_content),
        "--exclude" => Slot::Many(&mut needs.exclude),
        "-e" | "--env" => Slot::Many(&mut needs.env),
        "--pass-env" => Slot::Many(&mut needs.pass_env),
        "--tool" => Slot::Many(&mut needs.tool),
        "-p" | "--param" => Slot::Many(&mut needs.param),
        "--spec" => Slot::Paths(&mut needs.spec),
        "--code" => Slot::Many(&mut needs.code),
        "--ignore-arg" => Slot::Many(&mut needs.ignore_arg),
        "--version-tag" => Slot::Many(&mut needs.version_tag),
        "--salt" => Slot::Many(&mut needs.salt),
        "--stdin" => Slot::Switch(&mut needs.stdin),
        "--no-input" => Slot::Switch(&mut needs.no_input),
        "-o" | "--output" => Slot::Many(&mut makes.output),
        "--optional-output" => Slot::Many(&mut makes.optional_output),
        "--label" => Slot::One(&mut makes.label),
        "--ttl" => Slot::One(&mut makes.ttl),
        "--timeout" => Slot::One(&mut makes.timeout),
        "--root" => Slot::Path(&mut makes.root),
        "--force" => Slot::Switch(&mut run.force),
        "--explain" => Slot::Switch(&mut run.explain),
        "--strict" => Slot::Switch(&mut run.strict),
        "-C" => Slot::Path(&mut global.directory),
        "--cache-dir" => Slot::Path(&mut global.cache_dir),
        "--config" => Slot::Path(&mut global.config),
        "--json" => Slot::Switch(&mut global.json),
        "-q" | "--quiet" => Slot::Switch(&mut global.quiet),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::one;
    use super::*;

    const VOCABULARY: [&str; 58] = [
        "-i",
        "--input",
        "--input=a",
        "-ia",
        "--input-by-content",
        "--exclude",
        "-e",
        "--env",
        "--pass-env",
        "--secret-env",
        "--env-mode",
        "strict",
        "--tool",
        "--packages",
        "--versions-from",
        "-p",
        "--param",
        "--spec",
        "--code",
        "--ignore-arg",
        "--version-tag",
        "--salt",
        "--stdin",
        "--no-input",
        "-o",
        "--output",
        "--optional-output",
        "--label",
        "--ttl",
        "--timeout",
        "--ok-exit",
        "--cache-failures",
        "--root",
        "--force",
        "--mode",
        "--link",
        "--explain",
        "--strict",
        "-C",
        "-Cd",
        "--cache-dir",
        "--config",
        "--json",
        "-q",
        "--quiet",
        "-qi",
        "--color",
        "--help",
        "--unknown",
        "--",
        "-",
        "",
        "a",
        "b=c",
        "-1",
        "--inp",
        "--shell",
        "--shell=bash",
    ];

    fn compare(words: &[&str]) -> bool {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let Some(plain) = exec(&words) else {
            return false;
        };
        let full = one::<ExecArgs>(words.clone());
        let full = full.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert_eq!(format!("{plain:?}"), format!("{full:?}"), "{words:?}");
        true
    }

    #[test]
    fn what_is_read_here_is_read_so_by_the_full_parser() {
        let mut state = 1_u64;
        let mut next = |below: usize| {
            // Knuth's constants; the high bits are good enough to choose words.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut taken = 0;
        for _ in 0..3_000 {
            let mut words: Vec<_> = (0..next(6)).map(|_| VOCABULARY[next(58)]).collect();
            if next(3) > 0 {
                words.extend(["--", "cp", "-a"]);
            }
            taken += usize::from(compare(&words));
        }
        assert!(taken > 200, "{taken} of 3,000 were plain");
    }

    #[test]
    fn each_plain_flag_reaches_the_field_that_the_full_parser_fills() {
        let mut taken = 0;
        for flag in VOCABULARY {
            taken += usize::from(compare(&[flag, "--", "x"]));
            taken += usize::from(compare(&[flag, "v", "--", "x"]));
            compare(&[flag, "--", ""]);
        }
        assert!(taken > 30, "{taken} flags were plain");
        assert!(compare(&["-i", "in", "-o", "out", "--", "cp", "in", "out"]));
    }
}
