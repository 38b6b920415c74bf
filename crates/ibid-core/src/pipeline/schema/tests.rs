//! The schema against the reader: both are asked of the same files, the schema by Python's
//! `jsonschema`, which has no part in either.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ibid_testkit::{TempDir, component, skipped};
use serde_json::{Value, json};

use super::super::Source;
use super::super::read::field::STEP_FIELDS;
use super::super::read::read;
use super::schema;
use crate::action::DocumentFormat;
use crate::action::document::JsonText;
use crate::digest::encoding;

const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator as Validator
asked = json.load(sys.stdin)
Validator.check_schema(asked['schema'])
validator = Validator(asked['schema'])
def told(instance):
    error = next(validator.iter_errors(instance), None)
    return error.message[:200] if error else None
print(json.dumps([told(instance) for instance in asked['instances']]))
";

/// Returns the Python that `cargo xtask test` made for the tests, or else the system's, if that
/// has the package.
fn python() -> Option<PathBuf> {
    if let Some(made) = std::env::var_os("IBID_TEST_PYTHON") {
        return Some(made.into());
    }
    let python = component("python3")?;
    let mut import = Command::new(&python);
    import
        .args(["-c", "import jsonschema"])
        .stderr(Stdio::null());
    if !import.status().unwrap().success() {
        skipped("Python's `jsonschema` is not installed");
        return None;
    }
    Some(python)
}

/// Asks for each TOML text what the schema has against it; `None` if Python or its package is
/// not there.
fn judge(texts: &[String]) -> Option<Vec<Option<String>>> {
    let python = python()?;
    let instances: Vec<Value> = texts.iter().map(|text| data(text)).collect();
    let asked = json!({ "schema": schema(), "instances": instances });
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "python ends with {}",
        output.status
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn data(text: &str) -> Value {
    let value: encoding::Value = DocumentFormat::Toml.parse(text.as_bytes()).unwrap();
    serde_json::from_str(&JsonText(&value).to_string()).unwrap()
}

/// Reads a text as the file of a root; says what is wrong.
fn refusal(root: &Path, text: &str) -> Option<String> {
    let path = root.join("ibid.toml");
    let source = Source {
        root,
        path: &path,
        bytes: text.as_bytes(),
        env_mode: crate::action::EnvMode::default(),
    };
    read(&source).err().map(|mistake| mistake.to_string())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Lists files of steps that must be right, each with its root.
fn examples() -> Vec<(PathBuf, String)> {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines");
    let own = fs::read_dir(&pipelines)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let own = own.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    let folders = fs::read_dir(repository().join("examples")).unwrap();
    let shipped = folders.map(|entry| entry.unwrap().path().join("ibid.toml"));
    let shipped = shipped.filter(|path| path.is_file());
    let files = own.chain(shipped).map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path.parent().unwrap().to_owned(), text)
    });
    files.collect()
}

#[test]
fn examples_are_read_and_accepted_and_name_every_field() {
    let examples = examples();
    assert!(examples.len() >= 2);
    for (root, text) in &examples {
        assert_eq!(refusal(root, text), None, "{}", root.display());
    }
    let all: String = examples.iter().map(|(_, text)| text.as_str()).collect();
    for field in STEP_FIELDS {
        let is_set = |line: &str| line.starts_with(&format!("{} =", field.name));
        let table = format!(".{}]", field.name);
        assert!(
            all.lines().any(is_set) || all.contains(&table),
            "{}",
            field.name
        );
    }
    let texts: Vec<String> = examples.into_iter().map(|(_, text)| text).collect();
    if let Some(verdicts) = judge(&texts) {
        assert_eq!(verdicts, vec![None; texts.len()]);
    }
}

/// Values that are right for some field and wrong for others.
const SAMPLES: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "3",
    "-1",
    "300",
    "1.5",
    "''",
    "' '",
    "'a'",
    "'a b'",
    "'A=1'",
    "'strict'",
    "'python'",
    "'digest'",
    "'bash'",
    "'fish'",
    "'30d'",
    "'1h30m'",
    "'30m1h'",
    "'30'",
    "'4G'",
    "[]",
    "['']",
    "['a']",
    "['a', 'b']",
    "['a', '']",
    "['a', 1]",
    "[1, 2]",
    "[1, 'a']",
    "[true]",
    "[['cc', '--version']]",
    "[['cc'], 'gcc -v']",
    "[[]]",
    "[[1]]",
    "{}",
    "{ a = 1 }",
    "{ a = 'x' }",
    "{ a = ['x'] }",
    "{ a = [] }",
    "{ a = [1, 2] }",
    "{ a = [{ path = 'x' }] }",
    "{ a = { path = 'x' } }",
    "{ a = { path = ['x', 'y'] } }",
    "{ a = { path = [] } }",
    "{ a = { file = 'x.txt', colum = 'a' } }",
    "{ a = { b = 'x' } }",
    "[{ path = 'x' }]",
    "[{ pth = 'x' }]",
    "{ '1' = 'x' }",
    "{ 'a b' = ['x'] }",
    "{ cpus = 2 }",
    "{ cpus = 0 }",
    "{ cpus = 2, memory = '4G', time = '1h', gpus = 1 }",
    "{ memory = 4 }",
    "{ gpus = -1 }",
    "{ gpus = 'a' }",
    "{ a = [1], zip = { b = [1] } }",
    "{ zip = [{ b = [1], c = [2] }] }",
    "{ a = [1], include = [{ a = 2 }] }",
    "{ a = [1], include = { a = 2 } }",
    "{ a = [1], exclude = [{ a = 1 }] }",
    "{ a = [1], exclude = [{}] }",
];

/// What only the reader knows, by how its message ends or what it holds.
const READERS_OWN: &[&str] = &[
    "is not among the",
    "does not go from longer units",
    "has no text to read",
    "unknown resource",
    "is given twice",
    "is for ",
];

#[test]
fn the_schema_accepts_what_is_read_and_refuses_what_is_not() {
    let dir = TempDir::new();
    let mut texts = Vec::new();
    for field in STEP_FIELDS.iter().filter(|field| field.name != "run") {
        for sample in SAMPLES {
            texts.push(format!(
                "[steps.a]\nrun = 'true'\n{} = {sample}\n",
                field.name
            ));
            if field.in_defaults() {
                texts.push(format!("[defaults]\n{} = {sample}\n", field.name));
            }
        }
    }
    for sample in SAMPLES {
        texts.push(format!("[steps.a]\nrun = {sample}\n"));
        for line in [
            "pipeline.name",
            "pipeline.resources",
            "pipeline.zzz",
            "params",
            "steps",
            "steps.a",
            "zzz",
        ] {
            texts.push(format!("{line} = {sample}\n"));
        }
    }
    let Some(verdicts) = judge(&texts) else {
        return;
    };
    let mut accepted = 0;
    let mut wrong = Vec::new();
    for (text, verdict) in texts.iter().zip(verdicts) {
        match (refusal(dir.path(), text), verdict) {
            (None, Some(why)) => wrong.push(format!("read, and refused: {text}{why}")),
            (Some(why), None) if !READERS_OWN.iter().any(|part| why.contains(part)) => {
                wrong.push(format!("accepted, and not read: {text}{why}"));
            }
            (None, None) => accepted += 1,
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted > 300, "{accepted} of {}", texts.len());
}

#[test]
fn what_the_schema_refuses_is_seen_to_be_refused() {
    let texts = [
        "[steps.a]\nrun = 'a'\nretires = 2\n",
        "[steps.a]\nttl = '3d'\n",
        "[stepz.a]\nrun = 'a'\n",
    ];
    let texts = texts.map(str::to_owned);
    if let Some(verdicts) = judge(&texts) {
        assert!(verdicts.iter().all(Option::is_some), "{verdicts:?}");
    }
}
