//! Which word of a command line is the script, which are programs, which is shell text.
//!
//! Owns the tables of known interpreters and of known programs that start another. Knows the
//! words only: whether a word names a file is asked elsewhere. Programs whose options are not
//! known for sure (`mpirun`, `srun`, `sudo`, `uv run`, `conda run`) are not looked through.

use super::options::Syntax;

/// Returns the file name of a program: what follows the last `/`.
pub fn base_name(word: &[u8]) -> &[u8] {
    word.rsplit(|byte| *byte == b'/').next().unwrap_or(word)
}

/// Returns the index of the script that a known interpreter is told to run, through known
/// programs that start another (`nice -n 5 python3 fit.py`): `None` for code on the command line,
/// a module, standard input, or a program that is not known.
pub fn script_operand(argv: &[Vec<u8>]) -> Option<usize> {
    let start = innermost(argv);
    let argv = argv.get(start..)?;
    let name = base_name(argv.first()?);
    if let Some(syntax) = file_option_syntax(name) {
        return syntax.read(argv).file.map(|index| start + index);
    }
    let parsed = interpreter(name)?.read(argv);
    let script = parsed.file.or(parsed.operand.filter(|_| !parsed.inline))?;
    Some(start + script)
}

/// Returns the index of the shell text in `sh -c TEXT`, for any known shell and through known
/// programs that start another.
pub fn inline_script(argv: &[Vec<u8>]) -> Option<usize> {
    let start = innermost(argv);
    let argv = argv.get(start..)?;
    let name = base_name(argv.first()?);
    let parsed = is_shell(name).then(|| SHELL.read(argv))?;
    let text = parsed.operand.filter(|_| parsed.inline)?;
    Some(start + text)
}

/// Returns the indexes of the words that name programs: the first, and what known programs such
/// as `env`, `timeout` and `xargs` start, and `find -exec`.
pub fn tool_words(argv: &[Vec<u8>]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < argv.len() {
        found.push(start);
        let rest = &argv[start..];
        if base_name(&rest[0]) == b"find" {
            let actions: [&[u8]; 4] = [b"-exec", b"-execdir", b"-ok", b"-okdir"];
            let starts = (1..rest.len()).filter(|at| actions.contains(&rest[at - 1].as_slice()));
            found.extend(starts.map(|at| start + at));
        }
        match started(rest) {
            Some(index) => start += index,
            None => break,
        }
    }
    found
}

/// Returns the index of the program that does the work, all that start another left behind.
fn innermost(argv: &[Vec<u8>]) -> usize {
    let mut start = 0;
    while let Some(index) = argv.get(start..).and_then(started) {
        start += index;
    }
    start
}

/// Returns the index of the program that the first word is known to start, never 0.
pub(super) fn started(argv: &[Vec<u8>]) -> Option<usize> {
    starter(base_name(argv.first()?))?.read(argv).operand
}

const NONE: Syntax = Syntax {
    value: "",
    next: "",
    glued: "",
    stop: "",
    inline: "",
    file: "",
    long_value: &[],
    long_stop: &[],
    long_file: &[],
    plus: false,
    dash_is_option: false,
    assignments: false,
    before: 0,
};

/// The programs that start the one named by their first operand.
fn starter(name: &[u8]) -> Option<Syntax> {
    let known = STARTERS.iter().find(|(stem, _)| stem.as_bytes() == name);
    known.map(|(_, syntax)| *syntax)
}

const TIME: Syntax = Syntax {
    value: "fo",
    long_value: &["--format", "--output"],
    ..NONE
};

const TIMEOUT: Syntax = Syntax {
    value: "ks",
    long_value: &["--kill-after", "--signal"],
    before: 1,
    ..NONE
};

const XARGS: Syntax = Syntax {
    value: "adEILnPs",
    glued: "eil",
    long_value: &[
        "--arg-file",
        "--delimiter",
        "--max-lines",
        "--max-args",
        "--max-procs",
        "--max-chars",
        "--process-slot-var",
    ],
    ..NONE
};

const ENV: Syntax = Syntax {
    value: "uCa",
    // Its value is a command line in one word: there is no index to give.
    stop: "S",
    long_value: &["--unset", "--chdir", "--argv0"],
    long_stop: &["--split-string"],
    dash_is_option: true,
    assignments: true,
    ..NONE
};

const IONICE: Syntax = Syntax {
    value: "cn",
    stop: "pPu",
    long_value: &["--class", "--classdata"],
    long_stop: &["--pid", "--pgid", "--uid"],
    ..NONE
};

const STDBUF: Syntax = Syntax {
    value: "ioe",
    long_value: &["--input", "--output", "--error"],
    ..NONE
};

const STARTERS: [(&str, Syntax); 15] = [
    ("env", ENV),
    (
        "nice",
        Syntax {
            value: "n",
            long_value: &["--adjustment"],
            ..NONE
        },
    ),
    ("nohup", NONE),
    ("setsid", NONE),
    ("builtin", NONE),
    ("exec", Syntax { value: "a", ..NONE }),
    ("command", Syntax { stop: "vV", ..NONE }),
    ("time", TIME),
    ("gtime", TIME),
    ("timeout", TIMEOUT),
    ("gtimeout", TIMEOUT),
    ("stdbuf", STDBUF),
    ("ionice", IONICE),
    (
        "taskset",
        Syntax {
            stop: "p",
            long_stop: &["--pid"],
            before: 1,
            ..NONE
        },
    ),
    ("xargs", XARGS),
];

fn is_shell(name: &[u8]) -> bool {
    matches!(
        name,
        b"sh" | b"bash" | b"dash" | b"ash" | b"zsh" | b"ksh" | b"ksh93" | b"mksh"
    )
}

const SHELL: Syntax = Syntax {
    next: "oO",
    inline: "c",
    stop: "s",
    long_value: &["--rcfile", "--init-file"],
    plus: true,
    dash_is_option: true,
    ..NONE
};

/// Says whether `name` is `stem`, perhaps with a version behind it: `python3.12`.
pub(super) fn is_versioned(name: &[u8], stem: &str) -> bool {
    name.strip_prefix(stem.as_bytes()).is_some_and(|version| {
        version
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b't' | b'-'))
    })
}

fn interpreter(name: &[u8]) -> Option<Syntax> {
    if is_shell(name) {
        return Some(SHELL);
    }
    let known = INTERPRETERS
        .iter()
        .find(|(stem, _)| is_versioned(name, stem));
    known.map(|(_, syntax)| *syntax)
}

const PYTHON: Syntax = Syntax {
    value: "WX",
    stop: "cm",
    long_value: &["--check-hash-based-pycs"],
    ..NONE
};

const OCTAVE: Syntax = Syntax {
    value: "p",
    long_value: &[
        "--path",
        "--exec-path",
        "--image-path",
        "--info-file",
        "--doc-cache-file",
    ],
    long_stop: &["--eval"],
    ..NONE
};

const NODE: Syntax = Syntax {
    value: "rC",
    stop: "ep",
    long_value: &[
        "--require",
        "--import",
        "--loader",
        "--experimental-loader",
        "--conditions",
        "--input-type",
        "--icu-data-dir",
        "--title",
        "--openssl-config",
        "--diagnostic-dir",
        "--redirect-warnings",
    ],
    long_stop: &["--eval", "--print", "--test", "--run"],
    ..NONE
};

const JULIA: Syntax = Syntax {
    value: "JCptLH",
    glued: "gO",
    stop: "eEm",
    long_value: &[
        "--sysimage",
        "--cpu-target",
        "--procs",
        "--threads",
        "--load",
        "--home",
        "--machine-file",
    ],
    long_stop: &["--eval", "--print", "--module"],
    // juliaup's choice of a version: `julia +1.10 fit.jl`.
    plus: true,
    ..NONE
};

/// By stem of the name. Lua is alone in running a script after `-e`.
const INTERPRETERS: [(&str, Syntax); 13] = [
    ("python", PYTHON),
    ("pypy", PYTHON),
    (
        "Rscript",
        Syntax {
            value: "g",
            stop: "e",
            ..NONE
        },
    ),
    (
        "perl",
        Syntax {
            value: "I",
            glued: "MmiFClDdxV0",
            stop: "eE",
            ..NONE
        },
    ),
    (
        "ruby",
        Syntax {
            value: "IrCEX",
            glued: "xKWTFi0",
            stop: "e",
            ..NONE
        },
    ),
    ("node", NODE),
    ("nodejs", NODE),
    ("julia", JULIA),
    (
        "lua",
        Syntax {
            value: "el",
            ..NONE
        },
    ),
    (
        "luajit",
        Syntax {
            value: "eljO",
            ..NONE
        },
    ),
    ("octave", OCTAVE),
    ("octave-cli", OCTAVE),
    (
        "php",
        Syntax {
            value: "dcz",
            stop: "rBRESt",
            file: "fF",
            long_value: &["--define", "--php-ini", "--zend-extension"],
            long_stop: &["--run", "--server"],
            long_file: &["--file"],
            ..NONE
        },
    ),
];

/// The programs whose first operand is code, and which take a script by an option only.
fn file_option_syntax(name: &[u8]) -> Option<Syntax> {
    Some(match name {
        b"awk" | b"gawk" | b"mawk" | b"nawk" => Syntax {
            value: "Fv",
            file: "fE",
            long_value: &["--assign", "--field-separator"],
            long_file: &["--file", "--exec"],
            ..NONE
        },
        b"sed" | b"gsed" => Syntax {
            value: "el",
            glued: "i",
            file: "f",
            long_value: &["--expression", "--line-length"],
            long_file: &["--file"],
            ..NONE
        },
        b"R" => Syntax {
            value: "eg",
            file: "f",
            long_file: &["--file"],
            ..NONE
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<Vec<u8>> {
        line.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn scripts_of_known_interpreters_are_found() {
        for (line, script) in [
            ("python3 fit.py --x 1", "fit.py"),
            (
                "/opt/venv/bin/python3.12 -u -W error -Xdev fit.py",
                "fit.py",
            ),
            ("python -BsX importtime fit.py", "fit.py"),
            ("python3.13t -- -odd.py", "-odd.py"),
            ("pypy3 --check-hash-based-pycs never a.py", "a.py"),
            ("Rscript --vanilla fit.R x", "fit.R"),
            ("R --no-save -f fit.R", "fit.R"),
            ("perl -w -I lib -Mstrict a.pl", "a.pl"),
            ("ruby -r json -Ilib a.rb", "a.rb"),
            ("node --require ./x.js --inspect a.js", "a.js"),
            ("bash -euo pipefail a.sh", "a.sh"),
            ("sh +e -x a.sh", "a.sh"),
            ("bash --rcfile rc a.sh", "a.sh"),
            ("julia +release --project=. -t 4 fit.jl", "fit.jl"),
            ("lua5.4 -e x=1 a.lua", "a.lua"),
            ("octave --path p a.m", "a.m"),
            ("php -d a=b a.php", "a.php"),
            ("php -f a.php", "a.php"),
            ("awk -F , -f a.awk data", "a.awk"),
            ("sed -n -f a.sed data", "a.sed"),
            ("env A=1 python3 a.py", "a.py"),
            (
                "env -i -u B A=1 nice -n 5 timeout -k 1 5 python3 a.py",
                "a.py",
            ),
            ("nice -10 time -p stdbuf -oL python3 a.py", "a.py"),
            (
                "taskset -c 0-3 ionice -c2 -n0 setsid -w nohup python3 a.py",
                "a.py",
            ),
        ] {
            let argv = argv(line);
            let found = script_operand(&argv).map(|index| str::from_utf8(&argv[index]).unwrap());
            assert_eq!(found, Some(script), "{line}");
        }
    }

    #[test]
    fn code_modules_and_standard_input_are_no_script() {
        for line in [
            "python3 -c print(1) a.py",
            "python3 -Bc print(1) a.py",
            "python3 -m pytest a.py",
            "python3 -",
            "python3",
            "perl -ne print a.txt",
            "ruby -e 1 a.rb",
            "node --eval 1 a.js",
            "Rscript -e 1 a.R",
            "julia -e 1 a.jl",
            "bash -c true a.sh",
            "bash -s a.sh",
            "awk {print} data",
            "sed -e s/a/b/ data",
            "pythonic a.py",
            "gcc a.c",
            "timeout 5",
            "ionice -p 1 python3 a.py",
        ] {
            assert_eq!(script_operand(&argv(line)), None, "{line}");
        }
        assert_eq!(script_operand(&[]), None);
    }

    #[test]
    fn the_text_of_a_shell_is_found() {
        for (line, text) in [
            ("sh -c TEXT name", Some(2)),
            ("bash -euo pipefail -c TEXT", Some(4)),
            ("bash -lc -x -- TEXT", Some(4)),
            ("env A=1 /bin/sh -ec TEXT", Some(4)),
            ("sh -c", None),
            ("sh a.sh -c x", None),
            ("python3 -c x", None),
        ] {
            assert_eq!(inline_script(&argv(line)), text, "{line}");
        }
    }

    #[test]
    fn programs_behind_programs_are_tools() {
        for (line, tools) in [
            ("python3 a.py", vec![0]),
            ("env A=1 timeout 5 tool x", vec![0, 2, 4]),
            ("xargs -n 1 -P4 tool x", vec![0, 4]),
            ("find . -name x -exec grep y {} ;", vec![0, 5]),
            ("command -v tool", vec![0]),
            ("env", vec![0]),
            ("timeout 5", vec![0]),
        ] {
            assert_eq!(tool_words(&argv(line)), tools, "{line}");
        }
        assert!(tool_words(&[]).is_empty());
    }
}
