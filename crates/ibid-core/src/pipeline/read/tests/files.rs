//! Params, includes and values of axes that stand in other files.

use std::fs;

use super::*;

fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new();
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn message(dir: &TempDir, text: &str) -> String {
    shown(dir, &read_at(dir, text.as_bytes()).unwrap_err())
}

fn lookup<'a>(pipeline: &'a DeclaredPipeline, name: &str) -> &'a Value {
    let mut parts = name.split('.');
    let mut value = &pipeline.params[parts.next().unwrap()];
    for part in parts {
        let Value::Map(map) = value else {
            panic!("{name}")
        };
        value = &map[part];
    }
    value
}

#[test]
fn later_params_lie_over_earlier_ones_and_tables_are_merged() {
    let dir = dir(&[
        ("a.yaml", "model: {alpha: 1, beta: 1}\nfrom: yaml\n"),
        ("b.json", r#"{"model": {"beta": 2}, "own": 1, "sub": 1}"#),
        ("sub.toml", "[params]\nsub = 2\nown = 2\n"),
    ]);
    let text = "[pipeline]\nparams_files = ['a.yaml', 'b.json']\ninclude = 'sub.toml'\n[params]\nown = 3\nmodel.gamma = 3\n";
    let pipeline = read_at(&dir, text.as_bytes()).unwrap();
    for (name, value) in [
        ("model.alpha", 1),
        ("model.beta", 2),
        ("model.gamma", 3),
        ("sub", 2),
        ("own", 3),
    ] {
        assert_eq!(lookup(&pipeline, name), &Value::from(value), "{name}");
    }
    assert_eq!(lookup(&pipeline, "from"), &Value::from("yaml"));
}

#[test]
fn included_steps_come_where_they_are_included_with_their_own_defaults() {
    let step = |name: &str| format!("[steps.{name}]\nrun = 'true'\n");
    let dir = dir(&[
        (
            "x/a.toml",
            &format!(
                "[pipeline]\ninclude = 'b.toml'\n[defaults]\nalways = true\n{}",
                step("a")
            ),
        ),
        ("b.toml", &step("b")),
    ]);
    let text = format!(
        "{}[pipeline]\ninclude = './x/../x/a.toml'\n{}",
        step("first"),
        step("last")
    );
    let pipeline = read_at(&dir, text.as_bytes()).unwrap();
    let steps: Vec<_> = pipeline
        .steps
        .iter()
        .map(|step| (step.name.value.as_str(), step.always))
        .collect();
    assert_eq!(
        steps,
        [("first", false), ("b", false), ("a", true), ("last", false)]
    );
}

#[test]
fn values_of_axes_stand_in_files() {
    let dir = dir(&[
        ("lines.txt", "\u{feff}one\n\n# two\n  three \none\n"),
        ("list.json", "[1, \"a\", 1.0, 1]"),
        ("deep.toml", "[cohort]\nids = ['p', 'q']\n"),
        (
            "table.csv",
            "id,species\n1,\"Adelie, A\"\n2,Gentoo\n3,Gentoo\n",
        ),
        ("table.tsv", "id\tspecies\n1\tx y\n"),
    ]);
    for (axis, expected) in [
        ("{ file = 'lines.txt' }", vec!["one", "three"]),
        ("{ file = 'deep.toml', key = 'cohort.ids' }", vec!["p", "q"]),
        (
            "{ file = 'table.csv', column = 'species' }",
            vec!["Adelie, A", "Gentoo"],
        ),
        ("{ file = 'table.tsv', column = 'species' }", vec!["x y"]),
        ("{ file = 'list.json' }", vec!["a"]),
    ] {
        let text = format!("[steps.a]\nrun = 'true'\nmatrix.x = {axis}\n");
        let pipeline = read_at(&dir, text.as_bytes()).unwrap();
        let values = &pipeline.steps[0].matrix.as_ref().unwrap().axes[0].values;
        assert_eq!(texts(&Value::Array(values.clone())), expected, "{axis}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_where_it_is_named() {
    let dir = dir(&[("folder/x", "")]);
    let pipeline = |line: &str| message(&dir, &format!("[pipeline]\n{line}\n"));
    assert_eq!(
        pipeline("params_files = ['none.yaml']"),
        "ibid.toml:2:17: there is no file `none.yaml`
2 | params_files = ['none.yaml']
  |                 ^^^^^^^^^^^
hint: paths start at the root, `ROOT`"
    );
    assert_eq!(
        pipeline("include = 'folder'"),
        "ibid.toml:2:11: cannot open `folder`: not a regular file
2 | include = 'folder'
  |           ^^^^^^^^"
    );
    assert_eq!(
        pipeline("include = 'none.toml'"),
        "ibid.toml:2:11: there is no file `none.toml`
2 | include = 'none.toml'
  |           ^^^^^^^^^^^
hint: paths start at the root, `ROOT`"
    );
    assert_eq!(
        pipeline("params_files = 'x.ini'"),
        "ibid.toml:2:16: `x.ini` is not known to hold data
2 | params_files = 'x.ini'
  |                ^^^^^^^
hint: its name must end in .toml, .yaml, .yml or .json"
    );
}

#[test]
fn what_is_wrong_inside_a_file_is_told_there() {
    let dir = dir(&[("bad.toml", "a = \n"), ("list.json", "[1]")]);
    fs::write(dir.join("latin.toml"), b"a = 1\nb = \"\xe9\"\n").unwrap();
    fs::write(dir.join("latin.txt"), b"ok\n\xe9\n").unwrap();
    let pipeline = |line: &str| message(&dir, &format!("[pipeline]\n{line}\n"));
    assert_eq!(
        pipeline("params_files = 'list.json'"),
        "list.json:1:1: a file of params must hold a table
1 | [1]
  | ^"
    );
    assert_eq!(
        pipeline("params_files = 'latin.toml'"),
        "latin.toml:2:6: document is not UTF-8 text
2 | b = \"\u{fffd}\"
  |      ^"
    );
    assert_eq!(
        pipeline("include = 'latin.toml'"),
        "latin.toml:2:6: the file is not UTF-8 text
2 | b = \"\u{fffd}\"
  |      ^"
    );
    assert_eq!(
        pipeline("params_files = 'bad.toml'")
            .lines()
            .next()
            .unwrap(),
        "bad.toml:1:5: string values must be quoted, expected literal string"
    );
    assert_eq!(
        message(&dir, "[steps.a]\nrun = 'x'\nmatrix.x.file = 'latin.txt'\n"),
        "latin.txt:2:1: the file is not UTF-8 text
2 | \u{fffd}
  | ^"
    );
}

#[test]
fn included_files_belong_together() {
    let dir = dir(&[
        ("ring.toml", "[pipeline]\ninclude = 'sub/back.toml'\n"),
        ("sub/back.toml", "[pipeline]\ninclude = ['./ring.toml']\n"),
        ("self.toml", "[pipeline]\ninclude = ['ibid.toml']\n"),
        ("clean.toml", "[steps.clean]\nrun = 'true'\n"),
        ("named.toml", "[pipeline]\nname = 'x'\n"),
        ("config.toml", "[config]\nmode = 'off'\n"),
    ]);
    let include = |files: &str| {
        message(
            &dir,
            &format!("[pipeline]\ninclude = [{files}]\n[steps.clean]\nrun = 'false'\n"),
        )
    };
    assert_eq!(
        include("'ring.toml'"),
        "sub/back.toml:2:12: files include one another in a ring: `ring.toml` → `sub/back.toml` → `ring.toml`
2 | include = ['./ring.toml']
  |            ^^^^^^^^^^^^^"
    );
    assert_eq!(
        include("'self.toml'").lines().next().unwrap(),
        "self.toml:2:12: files include one another in a ring: `ibid.toml` → `self.toml` → `ibid.toml`"
    );
    assert_eq!(
        include("'clean.toml'"),
        "ibid.toml:3:8: step `clean` is declared twice, first in clean.toml:1
3 | [steps.clean]
  |        ^^^^^"
    );
    assert_eq!(
        include("'clean.toml', './clean.toml'")
            .lines()
            .next()
            .unwrap(),
        "ibid.toml:2:26: `./clean.toml` is included twice, first by ibid.toml:2"
    );
    assert_eq!(
        include("'named.toml'").lines().next().unwrap(),
        "named.toml:2:8: `name` is told by the project's own file"
    );
    assert_eq!(
        include("'config.toml'").lines().next().unwrap(),
        "config.toml:1:2: settings stand in the project's own file"
    );
}

#[rustfmt::skip]
const AXES: &[(&str, &str)] = &[
    ("{ file = 'empty.txt' }", "ibid.toml:3:21: `empty.txt` holds no value for axis `x`"),
    ("{ file = 'a.json' }", "a.json:1:1: the values of an axis must be a list"),
    ("{ file = 'a.json', key = 'ids' }", "ibid.toml:3:37: `ids` of `a.json` is not a list"),
    ("{ file = 'a.json', key = 'idz' }", "ibid.toml:3:37: `a.json` has no `idz` there"),
    ("{ file = 'a.json', column = 'x' }", "ibid.toml:3:40: `a.json` has no column"),
    ("{ file = 'a.toml' }", "ibid.toml:3:12: `key` must say which list of `a.toml` is meant"),
    ("{ file = 't.csv' }", "ibid.toml:3:12: `column` must say which column of `t.csv` is meant"),
    ("{ file = 't.csv', column = 'nam' }", "ibid.toml:3:39: `t.csv` has no column `nam`; did you mean `name`?"),
    ("{ file = 't.csv', column = 'name' }", "t.csv:3:1: the cell of `name` is empty"),
    ("{ file = 'odd.csv', column = 'id' }", "odd.csv:2:1: a row of 1 cells below 2 headings"),
    ("{ fil = 'a.json' }", "ibid.toml:3:14: unknown field `fil` of axis `x`; did you mean `file`?"),
    ("{ key = 'a' }", "ibid.toml:3:12: axis `x` has neither values nor a `file`"),
    ("3", "ibid.toml:3:12: `x` must be a list of values, or a table with `file`, not a whole number"),
];

#[test]
fn files_of_axes_are_told_of() {
    let dir = dir(&[
        ("empty.txt", "# nobody\n"),
        ("a.json", r#"{"ids": 1}"#),
        ("t.csv", "id,name\n1,a\n2,\n"),
        ("odd.csv", "id,name\n1\n"),
    ]);
    let axis = |axis: &str| {
        let text = message(
            &dir,
            &format!("[steps.a]\nrun = 'true'\nmatrix.x = {axis}\n"),
        );
        text.lines().next().unwrap().to_owned()
    };
    for &(given, expected) in AXES {
        assert_eq!(axis(given), expected, "{given}");
    }
}
