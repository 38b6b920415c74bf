//! `cargo xtask docs`: the pages of the reference that are made of what the program says.
//!
//! The flags come from `--help`, the settings from `ibid config --json`, both asked in an empty
//! environment, so that a page is the same on every machine; the fields of `ibid.toml` come from
//! the library.

mod pipeline;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::shell::{Outcome, cargo, read, root, run, target};

const NOTICE: &str = "<!-- Made by `cargo xtask docs`: change the sources, not this page. -->\n";

/// Writes every page.
pub(crate) fn write() -> Outcome {
    for (path, text) in pages()? {
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Fails where a page is not what would be written.
pub(crate) fn check() -> Outcome {
    for (path, text) in pages()? {
        if std::fs::read_to_string(&path).ok() != Some(text) {
            let page = path.display();
            return Err(format!(
                "{page} is not up to date: `cargo xtask docs` writes it"
            ));
        }
    }
    Ok(())
}

/// Makes every page, by where it lies.
fn pages() -> Outcome<BTreeMap<PathBuf, String>> {
    run(&mut cargo(&["build", "--quiet", "--locked", "-p", "ibid"]))?;
    let binary = target().join("debug/ibid");
    let reference = root().join("docs/reference");
    Ok(BTreeMap::from([
        (reference.join("cli.md"), commands(&binary)?),
        (reference.join("config.md"), settings(&binary)?),
        (reference.join("ibid.schema.json"), pipeline::schema_file()?),
        (reference.join("pipeline.md"), pipeline::page()),
    ]))
}

/// Asks the binary something.
fn ask(binary: &Path, words: &[&str]) -> Outcome<String> {
    let mut command = Command::new(binary);
    command
        .args(words)
        .current_dir("/")
        .env_clear()
        .env("HOME", "/home/ada")
        .stdin(Stdio::null());
    read(&mut command)
}

fn commands(binary: &Path) -> Outcome<String> {
    let overview = ask(binary, &["--help"])?;
    let mut page = format!(
        "{NOTICE}\n# Commands\n\nWhat `ibid --help` and `ibid COMMAND --help` print.\n\n```text\n{overview}```\n"
    );
    for name in names(&overview) {
        let help = ask(binary, &[name, "--help"])?;
        let _ = write!(page, "\n## ibid {name}\n\n```text\n{help}```\n");
    }
    // Lines that only hold the indentation of a paragraph's end say nothing.
    let lines: Vec<_> = page.lines().map(str::trim_end).collect();
    Ok(lines.join("\n") + "\n")
}

/// Reads the names of the commands off the overview.
fn names(overview: &str) -> impl Iterator<Item = &str> {
    overview
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
}

fn settings(binary: &Path) -> Outcome<String> {
    let json = ask(binary, &["config", "--json"])?;
    let json: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let settings = json["settings"]
        .as_array()
        .ok_or("no settings are listed")?;
    let mut table = String::new();
    for setting in settings {
        let text = |name: &str| setting[name].as_str().unwrap_or_default();
        let default = match text("value") {
            "" => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let _ = writeln!(
            table,
            "| `{}` | `{}` | {} | {default} | {} |",
            text("name"),
            text("variable"),
            text("expected"),
            text("about"),
        );
    }
    Ok(format!("{NOTICE}\n{SETTINGS_TOP}{table}{SETTINGS_BOTTOM}"))
}

const SETTINGS_TOP: &str = "\
# Settings

`ibid config --show-origin` prints every setting, its value, and who said so. Strongest first:

1. a flag (`--cache-dir`, `--mode`, `--link`, `--env-mode`, `--strict`, `--quiet`), then the file of `--config FILE`
2. the variable
3. the table `[config]` of the project's `ibid.toml`
4. the user's file, `$XDG_CONFIG_HOME/ibid/config.toml`, else `~/.config/ibid/config.toml`
5. the machine's file, `/etc/ibid/config.toml`
6. the default

| setting | variable | a value is | default | what it is |
| --- | --- | --- | --- | --- |
";

const SETTINGS_BOTTOM: &str = "
In the user's and the machine's file settings stand at the top; in `ibid.toml` below `[config]`:

```toml
[config]
cache_dir = \"/scratch/ada/ibid\"
mode      = \"read-only\"
```

* An empty variable counts as unset. `~` is expanded. A relative path in a file starts at that file,
  one in a variable or a flag at the current folder.
* An unknown setting is an error that names its line, with the nearest known one.
* `trust` and `trusted_owners` cannot be set by a project. A project that belongs to another user is
  refused until its file or folder is named in `trust`, and so is a store that others own or may
  write ([how a group shares one](../guide/shared-store.md)).
* The nearest `ibid.toml` above the current folder marks the project's root; without one the root is
  the current folder. Its other tables are those of [pipeline.md](pipeline.md).

## Folders

| folder | where | what |
| --- | --- | --- |
| cache | `cache_dir`, else `$XDG_CACHE_HOME/ibid`, else `~/.cache/ibid` | results; may be shared |
| tmp | `tmp_dir`, else `<cache>/tmp` | what is being written |
| local | `local_dir`, else `<cache>/local` on a file system of this host, else `/var/tmp/ibid-<uid>`, else none | what is known of files here; never shared |

`ibid dirs` prints them. Looking them up creates nothing.
";
