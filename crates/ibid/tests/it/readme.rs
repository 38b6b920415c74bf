//! What the docs show is what happens: every command block of the front pages is run.
//!
//! The line above a block names the session that it belongs to, or says why it is not run:
//!
//! ```text
//! <!-- session: tour -->          blocks of one session run in order in one place
//! <!-- not run: needs a network -->
//! ```
//!
//! A session is a copy of `examples/` in an environment of its own. Lines that begin with `$ ` are
//! typed; what stands below one is all that it prints, but for times, digests, sizes, paths and the
//! order in which steps of a run end. A command with nothing below it in a block without any output has to succeed, no more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ibid_testkit::{TestEnv, component, without_moments};

use crate::test_env;

/// The pages whose blocks are run, from the root of the repository.
const PAGES: &[&str] = &[
    "README.md",
    "docs/guide/maintenance.md",
    "docs/guide/pipelines.md",
    "examples/compile/README.md",
    "examples/penguins/README.md",
];

/// What the sessions work on.
const EXAMPLES: &[&str] = &[
    "examples/compile/force.c",
    "examples/compile/force.h",
    "examples/compile/ibid.toml",
    "examples/compile/orbit.c",
    "examples/penguins/clean.py",
    "examples/penguins/data/penguins.csv",
    "examples/penguins/fit.py",
    "examples/penguins/ibid.toml",
    "examples/penguins/least_squares.py",
    "examples/penguins/report.py",
    "examples/penguins/table.py",
];

/// What a reader in a clone types instead of the installed program.
const IN_A_CLONE: &str = "cargo run --release --";

/// A command with what is shown below it, or `None` where its block shows no output at all.
#[derive(Debug)]
struct Typed {
    command: String,
    shown: Option<String>,
}

#[test]
fn every_command_block_of_the_front_pages_does_what_it_shows() {
    for program in ["cc", "python3", "sed"] {
        if component(program).is_none() {
            return;
        }
    }
    let mut differences = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        for (name, commands) in sessions(page, &text) {
            let story = play(&commands);
            differences.extend(story.map(|story| format!("{page}, session {name}: {story}")));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What the examples of pipelines read to be loaded.
const READ: &[(&str, &str)] = &[
    ("params.yaml", "alpha: 0.5\nsweep:\n  alphas: [0.1, 0.5]\n"),
    ("subjects.csv", "id,age\ns01,33\ns02,41\n"),
    ("model.yaml", "layers: 3\n"),
];

#[test]
fn every_pipeline_that_the_pages_show_can_be_loaded() {
    let pages = ["README.md", "docs/guide/pipelines.md"];
    for page in pages {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        let blocks: Vec<_> = text.split("\n```toml\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page} shows no pipeline");
        for block in blocks {
            let block = block.split("\n```").next().unwrap_or_default();
            let env = test_env();
            for (name, content) in READ {
                env.write(name, content);
            }
            let step = if block.contains("[steps.") {
                ""
            } else {
                "[steps.step]\nrun = \"true\"\n"
            };
            env.write("ibid.toml", format!("{block}\n{step}"));
            let ran = env.finish(env.command().arg("plan"));
            let loaded = matches!(ran.code, Some(0 | 1)) && !ran.stderr.contains("error:");
            assert!(loaded, "{page}: {}\n{block}", ran.stderr);
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Cuts a page into sessions by name.
fn sessions(page: &str, text: &str) -> BTreeMap<String, Vec<Typed>> {
    let mut sessions: BTreeMap<String, Vec<Typed>> = BTreeMap::new();
    let mut lines = text.lines();
    let mut above = "";
    while let Some(line) = lines.next() {
        if line == "```console" {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let mark = above
                .strip_prefix("<!-- ")
                .and_then(|mark| mark.strip_suffix(" -->"));
            match mark.and_then(|mark| mark.split_once(": ")) {
                Some(("session", name)) => {
                    sessions
                        .entry(name.to_owned())
                        .or_default()
                        .extend(typed(&block));
                }
                Some(("not run", _)) => {}
                _ => panic!("{page}: this block says neither its session nor `not run`: {block:?}"),
            }
        }
        above = line;
    }
    sessions
}

/// Cuts a block into commands.
fn typed(block: &[&str]) -> Vec<Typed> {
    let mut commands: Vec<Typed> = Vec::new();
    let mut goes_on = false;
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) if !goes_on => commands.push(Typed {
                command: command.to_owned(),
                shown: Some(String::new()),
            }),
            (_, Some(last)) if goes_on => {
                last.command.push('\n');
                last.command.push_str(line);
            }
            (
                _,
                Some(Typed {
                    shown: Some(shown), ..
                }),
            ) => {
                shown.push_str(line);
                shown.push('\n');
            }
            _ => panic!("the block begins without a command: {line}"),
        }
        goes_on = line.ends_with('\\');
    }
    let silent = |typed: &Typed| typed.shown.as_deref() == Some("");
    if commands.iter().all(silent) {
        for typed in &mut commands {
            typed.shown = None;
        }
    }
    commands
}

/// Runs a session and returns the first command that did something else than is shown.
fn play(commands: &[Typed]) -> Option<String> {
    let env = test_env();
    copy_examples(&env);
    std::fs::create_dir(env.work("bin")).expect("the examples can be copied");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ibid"), env.work("bin/ibid"))
        .expect("the examples can be copied");
    let mut dir = env.work("");
    for Typed { command, shown } in commands {
        if let Some(below) = command.strip_prefix("cd ") {
            dir.push(below);
            continue;
        }
        let ran = env.finish(&mut shell(&env, &dir, command));
        let printed = blurred(&ran.stdout);
        let as_shown = match shown {
            Some(shown) => printed == blurred(shown),
            None => ran.code == Some(0),
        };
        if !as_shown {
            let shown = blurred(shown.as_deref().unwrap_or_default());
            return Some(format!(
                "`{command}` printed (exit code {:?})\n{printed}\nand the page shows\n{shown}",
                ran.code
            ));
        }
    }
    None
}

/// Makes a shell in the environment of the test, with both streams in one.
fn shell(env: &TestEnv, dir: &Path, command: &str) -> Command {
    let like = env.command();
    let mut path = env.work("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("PATH", path)
        .current_dir(dir)
        .stdin(std::process::Stdio::null())
        .arg("-c")
        .arg(format!(
            "exec 2>&1\n{}",
            command.replace(IN_A_CLONE, "ibid")
        ));
    shell
}

/// Copies the examples, without what somebody made by following the docs.
fn copy_examples(env: &TestEnv) {
    for example in EXAMPLES {
        let content = std::fs::read(repository().join(example));
        env.write(example, content.expect("the examples are there"));
    }
}

/// Replaces what differs from machine to machine, word by word.
fn blurred(text: &str) -> String {
    let lines = without_moments(text);
    let mut lines: Vec<_> = lines.trim_end().lines().map(blurred_line).collect();
    for ended in lines.chunk_by_mut(|before, line| is_end(before) && is_end(line)) {
        ended.sort();
    }
    lines.join("\n")
}

/// Tells whether a line says how a step of a run ended: `[3/6] fit@Gentoo: up to date`.
fn is_end(line: &str) -> bool {
    line.starts_with("[STEP]")
}

fn blurred_line(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches([',', ';', ':', '`', '(', ')']);
        let before = words.last().map_or("", String::as_str);
        let number_before = before.parse::<f64>().is_ok();
        let word = match bare {
            "B" | "kB" | "MB" | "GB" if number_before => {
                words.pop();
                word.replace(bare, "[SIZE]")
            }
            _ if words.is_empty() && is_count(word) => "[STEP]".to_owned(),
            _ if is_digest(bare) => word.replace(bare, "[DIGEST]"),
            _ if bare.starts_with('/') || bare.starts_with("[DIR]") => word.replace(bare, "[PATH]"),
            _ if words.ends_with(&["[TIME]".to_owned(), "on".to_owned()]) => {
                word.replace(bare, "[HOST]")
            }
            _ => word.to_owned(),
        };
        words.push(word);
    }
    words.join(" ")
}

/// Recognises how many steps ended, `[3/6]`.
fn is_count(word: &str) -> bool {
    let inside = word
        .strip_prefix('[')
        .and_then(|word| word.strip_suffix(']'));
    inside
        .and_then(|inside| inside.split_once('/'))
        .is_some_and(|(ended, all)| ended.parse::<u32>().is_ok() && all.parse::<u32>().is_ok())
}

fn is_digest(word: &str) -> bool {
    let digits = word.strip_prefix("blake3:").unwrap_or(word);
    let is_hex = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_hex && matches!(digits.len(), 12 | 64)
}
