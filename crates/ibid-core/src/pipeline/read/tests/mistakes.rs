//! What each mistake in a file says.

use super::*;

fn first_line(text: &str) -> String {
    let dir = TempDir::new();
    let mistake = read_at(&dir, text.as_bytes()).unwrap_err();
    let shown = shown(&dir, &mistake);
    shown.lines().next().unwrap().to_owned()
}

/// What is wrong with the fields of a step that has a `run`, from its second line on.
fn of_step(fields: &str) -> (String, Option<String>) {
    let dir = TempDir::new();
    let text = format!("[steps.fit]\n{fields}\n");
    let mistake = read_at(&dir, text.as_bytes()).unwrap_err();
    let line = shown(&dir, &mistake).lines().next().unwrap().to_owned();
    (line.replace("ibid.toml:", ""), mistake.hint)
}

fn whole(text: &str) -> String {
    let dir = TempDir::new();
    shown(&dir, &read_at(&dir, text.as_bytes()).unwrap_err())
}

#[test]
fn a_mistake_shows_its_line_and_what_was_meant() {
    assert_eq!(
        whole("[steps.fit]\nrun = \"true\"\nretires = 2\n"),
        "ibid.toml:3:1: unknown field `retires` of step `fit`; did you mean `retries`?
3 | retires = 2
  | ^^^^^^^"
    );
    assert_eq!(
        whole("[steps.fit]\nrun = \"true\"\nimage = \"python:3.12\"\n"),
        "ibid.toml:3:1: `image` of step `fit` cannot be set
3 | image = \"python:3.12\"
  | ^^^^^
hint: this version runs commands on this machine only"
    );
    assert_eq!(
        whole("[steps.fit]\nrun = \"true\"\ndeps = [\"a.csv\"]\n"),
        "ibid.toml:3:1: unknown field `deps` of step `fit`; did you mean `inputs`?
3 | deps = [\"a.csv\"]
  | ^^^^
hint: a step waits for the steps that write its `inputs`; `after` sets an order without data"
    );
    assert_eq!(
        whole("[steps.fit]\nrun = \"a\"\n[steps.fit]\nrun = \"b\"\n"),
        "ibid.toml:3:8: `fit` stands twice, first in line 1
3 | [steps.fit]
  |        ^^^
hint: a field, and a table such as `[steps.fit]`, stands once in a file"
    );
    assert_eq!(
        whole("[steps.\"my step\"]\nrun = \"a\"\n"),
        "ibid.toml:1:8: `my step` is not a name of a step; did you mean `my_step`?
1 | [steps.\"my step\"]
  |        ^^^^^^^^^
hint: names are letters, digits, `_`, `.` and `-`"
    );
}

#[rustfmt::skip]
const TABLES: &[(&str, &str)] = &[
    ("[step.a]\nrun = 'a'", "ibid.toml:1:2: unknown table `step`; did you mean `steps`?"),
    ("[clean]\nrun = 'a'", "ibid.toml:1:2: unknown table `clean`; did you mean `steps.clean`?"),
    ("name = 'a'", "ibid.toml:1:1: unknown field `name`"),
    ("[[steps]]\nname = 'a'", "ibid.toml:1:1: `steps` must be a table, not a list"),
    ("steps = 1", "ibid.toml:1:9: `steps` must be a table, not a whole number"),
    ("defaults = 1", "ibid.toml:1:12: `defaults` must be a table, not a whole number"),
    ("[params]\na = nan", "ibid.toml:2:5: `a`: `nan` is not a finite number"),
    ("[pipeline]\nnam = 'a'", "ibid.toml:2:1: unknown field `nam` of `[pipeline]`; did you mean `name`?"),
    ("[pipeline]\nname = 'a/b'", "ibid.toml:2:8: the pipeline's name may not hold `/` or control characters"),
    ("[pipeline]\nresources = { cpus = 4 }", "ibid.toml:2:15: `cpus` is not limited here"),
    ("[defaults]\nrun = 'a'", "ibid.toml:2:7: `run` cannot be a default"),
    ("[defaults]\nttl = 3", "ibid.toml:2:7: `ttl` has no unit"),
    ("[defaults]\nshell = 'bsh'\n", "ibid.toml:2:9: `bsh` is not a shell that is known by its name; did you mean `bash`?"),
    ("[steps.fit.v2]\nrun = 'a'", "ibid.toml:1:12: unknown field `v2` of step `fit`"),
    ("[steps]\nfit = 'a'", "ibid.toml:2:7: `fit` must be a table, not text"),
    ("[steps.fit]", "ibid.toml:1:8: step `fit` has no `run`"),
    ("[steps.fit]\nrun = true false", "ibid.toml:2:7: string values must be quoted, expected literal string"),
    ("[steps.'']\nrun = 'a'", "ibid.toml:1:8: `` is not a name of a step"),
];

#[test]
fn tables_that_there_are_not_are_told() {
    for &(text, expected) in TABLES {
        assert_eq!(first_line(text), expected, "{text}");
    }
}

#[rustfmt::skip]
const TYPES: &[(&str, &str, Option<&str>)] = &[
    ("retries = 'two'", "2:11: `retries` must be a whole number, not text", None),
    ("retries = -1", "2:11: `retries` must be from 0 to 100", None),
    ("always = 'true'", "2:10: `always` must be true or false, not text", None),
    ("salt = 1", "2:8: `salt` must be text, not a whole number", Some("put it in quotes: \"1\"")),
    ("code = [1.5]", "2:9: an item of `code` must be text, not a number with a fraction", Some("put it in quotes: \"1.5\"")),
    ("code = { a = 1 }", "2:8: `code` must be text or a list of texts, not a table", None),
    ("code = ''", "2:8: `code` is empty", None),
    ("code = \"a\\u0000\"", "2:8: `code` holds a NUL character", None),
    ("env_mode = 'lose'", "2:12: `env_mode` must be `strict` or `loose`, not `lose`; did you mean `loose`?", None),
    ("env_mode = 1", "2:12: `env_mode` must be `strict` or `loose`, not a whole number", None),
    ("ttl = 30", "2:7: `ttl` has no unit", Some("write it like \"90s\", \"1h30m\" or \"30d\"")),
    ("ttl = '30'", "2:7: `ttl`: `30` has no unit: write `30s` for seconds, or use `ms`, `m`, `h`, `d` or `w`", None),
    ("timeout = 'soon'", "2:11: `timeout`: `soon` is not a duration: write it like `90s`, `1h30m` or `30d`", None),
    ("ok_exit = [256]", "2:12: an item of `ok_exit` must be from 0 to 255", None),
    ("ok_exit = 'a'", "2:11: `ok_exit` must be an exit code or a list of them, not text", None),
    ("versions = { a = 2 }", "2:18: `a` must be text, not a whole number", Some("put it in quotes: \"2\"")),
    ("metadata = { a = inf }", "2:18: `a`: `inf` is not a finite number", None),
    ("resources = { memory = 4 }", "2:24: `memory` has no unit", Some("write it like \"512M\" or \"4G\"")),
    ("resources = { memory = '4GB' }", "2:24: `memory` must be an amount of memory such as `512M` or `4G`, not `4GB`", None),
    ("resources = { cpus = 0 }", "2:22: `cpus` must be from 1 to 1000000", None),
    ("resources = { mem = '4G' }", "2:15: unknown resource `mem`; did you mean `memory`?", None),
    ("resources = { gpus = 'a' }", "2:22: `gpus` must be a whole number, not text", None),
];

#[test]
fn a_wrong_type_says_what_would_be_right() {
    for &(field, expected, hint) in TYPES {
        let (line, found) = of_step(&format!("{field}\nrun = 'a'"));
        assert_eq!(
            (line.as_str(), found.as_deref()),
            (expected, hint),
            "{field}"
        );
    }
}

/// The hint of `versions_from`.
const COMMAND: &str = "a command is a list of words: versions_from = [[\"cc\", \"--version\"]]";

#[rustfmt::skip]
const COMMANDS: &[(&str, &str, Option<&str>)] = &[
    ("run = ''", "2:7: `run` is empty", None),
    ("run = []", "2:7: `run` is empty", None),
    ("run = ['']", "2:8: the program of `run` is empty", None),
    ("run = ['sleep', 1]", "2:17: an item of `run` must be text, not a whole number", Some("put it in quotes: \"1\"")),
    ("run = 3", "2:7: `run` must be text for a shell, or a list of words, not a whole number", Some("put it in quotes: \"3\"")),
    ("cmd = 'a'", "2:1: unknown field `cmd` of step `fit`; did you mean `run`?", None),
    ("shell = 'bash'\nrun = ['a']", "2:9: `shell` of step `fit` has no text to read", Some("`run` is a list: the program is started without a shell")),
    ("shell = 'fish'\nrun = 'a'", "2:9: `fish` is not a shell that is known by its name", Some("write all its words: shell = [\"fish\", \"-c\"]")),
    ("shell = []\nrun = 'a'", "2:9: `shell` is empty", None),
    ("versions_from = ['cc', '--version']\nrun = 'a'", "2:24: `--version` is an option, not a command", Some(COMMAND)),
    ("versions_from = [\"echo 'a'\"]\nrun = 'a'", "2:18: `'` in a command that is text means nothing here", Some(COMMAND)),
    ("versions_from = [[]]\nrun = 'a'", "2:18: a command of `versions_from` is empty", Some(COMMAND)),
    ("versions_from = 'cc'\nrun = 'a'", "2:17: `versions_from` must be a list of commands, not text", None),
    ("run = 'a'\ncwd = 'x'", "3:1: `cwd` of step `fit` cannot be set", Some("every step runs in the root: put `cd` into the text of `run`")),
];

#[test]
fn commands_are_looked_at() {
    for &(fields, expected, hint) in COMMANDS {
        let (line, found) = of_step(fields);
        assert_eq!(
            (line.as_str(), found.as_deref()),
            (expected, hint),
            "{fields}"
        );
    }
}

#[rustfmt::skip]
const PATHS_AND_VARIABLES: &[(&str, &str, Option<&str>)] = &[
    ("inputs = 1", "2:10: `inputs` must be a path, a list of paths, or a table of named paths, not a whole number", None),
    ("inputs = ['a', 1]", "2:16: an item of `inputs` must be text or a table with `path`, not a whole number", Some("put it in quotes: \"1\"")),
    ("inputs = { 0 = 'a' }", "2:12: `0` cannot be named in a placeholder", Some("names of inputs are letters, digits, `_` and `-`, and start with a letter")),
    ("inputs = { a = {} }", "2:16: `a` has no `path`", None),
    ("inputs = { a = { path = 'a', keep = true } }", "2:37: `keep` is for outputs", None),
    ("outputs = [{ path = 'a', by_content = true }]", "2:39: `by_content` is for inputs", None),
    ("outputs = [{ pth = 'a' }]", "2:14: unknown field `pth` of a path; did you mean `path`?", None),
    ("outputs = ['a.log']\noptional = ['b.log']", "3:13: `b.log` is not among the outputs of the step; did you mean `a.log`?", None),
    ("keep = 3", "2:8: `keep` must be true or a list of names or paths of the step, not a whole number", None),
    ("environment = ['A']", "2:1: unknown field `environment` of step `fit`; did you mean `env`?", None),
    ("env = ['API_TOKEN']", "2:8: `API_TOKEN` looks like a secret, and `env` is stored", Some("`secret_env = [\"API_TOKEN\"]` shows it to the command and to nobody else")),
    ("env = { DB_PASSWORD = 'x' }", "2:9: `DB_PASSWORD` looks like a secret, and `env` is stored", Some("`secret_env = [\"DB_PASSWORD\"]` shows it to the command and to nobody else")),
    ("env = ['A', 'A=1']", "2:13: the variable `A` is given twice", None),
    ("env = { N = 1 }", "2:13: `N` must be text, not a whole number", Some("put it in quotes: \"1\"")),
    ("env = ['=1']", "2:8: `` is not the name of a variable", None),
    ("pass_env = ['A=1']", "2:13: `A=1` is not the name of a variable", Some("only `env` takes `NAME=VALUE`")),
];

#[test]
fn paths_and_variables_are_looked_at() {
    for &(fields, expected, hint) in PATHS_AND_VARIABLES {
        let (line, found) = of_step(&format!("{fields}\nrun = 'a'"));
        assert_eq!(
            (line.as_str(), found.as_deref()),
            (expected, hint),
            "{fields}"
        );
    }
}

#[rustfmt::skip]
const MATRICES: &[(&str, &str)] = &[
    ("{}", "2:10: `matrix` has no axis"),
    ("[]", "2:10: `matrix` must be a table of axes, not a list"),
    ("{ a = [] }", "2:16: axis `a` has no values"),
    ("{ a = [1, 2, 1] }", "2:23: axis `a` has this value twice"),
    ("{ a = 'x' }", "2:16: `a` must be a list of values, or a table with `file`, not text"),
    ("{ 'a b' = [1] }", "2:12: axis `a b` cannot be named in a placeholder"),
    ("{ a = [1], include = [{ 'b c' = 1 }] }", "2:34: axis `b c` cannot be named in a placeholder"),
    ("{ zip = [{}] }", "2:19: a group of `zip` has no axis"),
    ("{ zip = 1 }", "2:18: `zip` must be a table of axes, or a list of such tables, not a whole number"),
    ("{ a = [1], include = ['x'] }", "2:32: an item of `include` must be a table of values, not text"),
    ("{ a = [1], include = { a = 2 } }", "2:31: `include` must be a list of tables of values, not a table"),
    ("{ a = [1], exclude = [{}] }", "2:32: a point of `exclude` has no values"),
];

#[test]
fn matrices_are_looked_at() {
    for &(matrix, expected) in MATRICES {
        let (line, _) = of_step(&format!("matrix = {matrix}\nrun = 'a'"));
        assert_eq!(line, expected, "{matrix}");
    }
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let dir = TempDir::new();
    let mistake = read_at(&dir, b"[steps.a]\nrun = \"\xff\"\n").unwrap_err();
    assert_eq!(
        shown(&dir, &mistake),
        "ibid.toml:2:8: the file is not UTF-8 text\n2 | run = \"\u{fffd}\"\n  |        ^"
    );
}
