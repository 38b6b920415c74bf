//! Tests of reading: what each mistake says, and what is made of what is right.

use ibid_testkit::TempDir;

use super::super::Source;
use super::super::declared::{DeclaredCommand, DeclaredPipeline, DeclaredStep};
use super::field::{Field, RESOURCE_FIELDS, STEP_FIELDS};
use crate::digest::encoding::Value;
use crate::mistake::Mistake;

mod broken;
mod files;
mod laws;
mod mistakes;

/// Reads a project's file whose root holds nothing else.
fn read(text: &str) -> Result<DeclaredPipeline, Mistake> {
    let dir = TempDir::new();
    read_at(&dir, text.as_bytes())
}

fn read_at(dir: &TempDir, bytes: &[u8]) -> Result<DeclaredPipeline, Mistake> {
    let path = dir.join("ibid.toml");
    let source = Source {
        root: dir.path(),
        path: &path,
        bytes,
        env_mode: crate::action::EnvMode::default(),
    };
    super::read(&source).map(|(pipeline, _)| pipeline)
}

/// Reads the only step of a file.
fn step(fields: &str) -> Result<DeclaredStep, Mistake> {
    let mut pipeline = read(&format!("[steps.fit]\n{fields}\n"))?;
    assert_eq!(pipeline.steps.len(), 1);
    Ok(pipeline.steps.remove(0))
}

/// A mistake as it is shown, with its hint.
fn told(mistake: &Mistake) -> String {
    match &mistake.hint {
        Some(hint) => format!("{mistake}\nhint: {hint}"),
        None => mistake.to_string(),
    }
}

/// The same, without the folder of the test.
fn shown(dir: &TempDir, mistake: &Mistake) -> String {
    told(mistake)
        .replace(&format!("{}/", dir.path().display()), "")
        .replace(&dir.path().display().to_string(), "ROOT")
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Text(text) => vec![text],
        _ => Vec::new(),
    }
}

#[test]
fn every_field_of_the_table_is_read() {
    let plain = "inputs = [\"notes/*.md\"]\noutputs = [\"build/fit.log\"]\nrun = \"true\"\n";
    let usual = format!("{:?}", step(plain).unwrap());
    for field in STEP_FIELDS {
        let others = plain.lines().filter(|line| !line.starts_with(field.name));
        let without = others.collect::<Vec<_>>().join("\n") + "\n";
        let read = step(&format!("{without}{}", field.example));
        let read = read.unwrap_or_else(|mistake| panic!("{}: {mistake}", field.name));
        let changed = spanless(&format!("{read:?}")) != spanless(&usual);
        assert!(changed, "{}", field.name);
        refuses_a_date(
            field,
            &step(&format!("{without}{} = 1979-05-27", field.name)),
        );
    }
    for field in RESOURCE_FIELDS {
        let line = |value: &str| format!("run = \"true\"\nresources = {{ {value} }}");
        assert_ne!(
            step(&line(field.example)).unwrap().resources,
            step("run = \"true\"").unwrap().resources
        );
        let date = format!("{} = 1979-05-27", field.name);
        refuses_a_date(field, &step(&line(&date)));
    }
}

fn refuses_a_date(field: &Field, read: &Result<DeclaredStep, Mistake>) {
    let mistake = read.as_ref().unwrap_err();
    let start = format!("`{}` must be ", field.name);
    assert!(mistake.message.starts_with(&start), "{mistake}");
    assert!(
        mistake.message.ends_with(", not a date or time"),
        "{mistake}"
    );
}

/// Drops the places, which differ wherever a line is longer.
fn spanless(debug: &str) -> String {
    let parts = debug.split("span: ");
    parts
        .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
        .collect()
}

#[test]
fn a_default_stands_where_a_step_says_nothing_and_is_replaced_whole() {
    let text = r#"
[defaults]
env = ["A", "B"]
ttl = "30d"
shell = "bash"
keep = ["log"]
[steps.own]
run = ["true"]
env = ["C"]
[steps.none]
run = "true"
outputs = { log = "a.log", b = "b" }
"#;
    let pipeline = read(text).unwrap();
    let [own, none] = pipeline.steps.as_slice() else {
        panic!("two steps");
    };
    let names = |step: &DeclaredStep| -> Vec<String> {
        step.env
            .iter()
            .map(|(name, _)| name.value.clone())
            .collect()
    };
    assert_eq!(
        (names(own), names(none)),
        (vec!["C".to_owned()], vec!["A".to_owned(), "B".to_owned()])
    );
    assert_eq!(own.ttl, none.ttl);
    assert_eq!(own.ttl.unwrap().as_secs(), 30 * 86_400);
    assert!(matches!(&own.run, DeclaredCommand::Argv(_)));
    let DeclaredCommand::Shell { interpreter, .. } = &none.run else {
        panic!("a text is for a shell");
    };
    assert_eq!(interpreter, &["bash", "-euo", "pipefail", "-c"]);
    let kept: Vec<_> = none.outputs.iter().map(|path| path.keep).collect();
    assert_eq!(kept, [true, false]);
}

#[test]
fn steps_and_axes_come_in_the_order_of_the_file() {
    let pipeline = read(
        "[steps.z]\nrun = 'true'\nmatrix = { b = [1], a = [2] }\n[steps.a]\nrun = 'true'\n[steps.m]\nrun = 'true'\n",
    )
    .unwrap();
    let names: Vec<_> = pipeline
        .steps
        .iter()
        .map(|step| step.name.value.as_str())
        .collect();
    assert_eq!(names, ["z", "a", "m"]);
    let matrix = pipeline.steps[0].matrix.as_ref().unwrap();
    let axes: Vec<_> = matrix
        .axes
        .iter()
        .map(|axis| axis.name.value.as_str())
        .collect();
    assert_eq!(axes, ["b", "a"]);
}

#[test]
fn paths_are_written_in_many_ways() {
    let step = step(
        r#"run = "true"
inputs = ["a", { path = "b", by_content = true }]
by_content = ["a"]
[steps.fit.outputs]
one = "c"
two = ["d/", { path = ["e", "f"], keep = true }]
three = { path = "g", optional = true }
"#,
    )
    .unwrap();
    let inputs: Vec<_> = step
        .inputs
        .iter()
        .map(|path| (path.path.value.as_str(), path.by_content))
        .collect();
    assert_eq!(inputs, [("a", true), ("b", true)]);
    let outputs: Vec<_> = step
        .outputs
        .iter()
        .map(|path| {
            (
                path.name.as_deref().unwrap(),
                path.path.value.as_str(),
                path.keep,
                path.optional,
            )
        })
        .collect();
    assert_eq!(
        outputs,
        [
            ("one", "c", false, false),
            ("two", "d/", false, false),
            ("two", "e", true, false),
            ("two", "f", true, false),
            ("three", "g", false, true),
        ]
    );
}

#[test]
fn units_of_memory_are_powers_of_1024() {
    for (text, bytes) in [
        ("4G", 4 << 30),
        ("512M", 512 << 20),
        ("1K", 1024),
        ("2T", 2 << 40),
    ] {
        let step = step(&format!(
            "run = \"true\"\nresources = {{ memory = \"{text}\" }}"
        ))
        .unwrap();
        assert_eq!(step.resources.memory, Some(bytes));
    }
    for text in [
        "",
        "4",
        "G",
        "4g",
        "4GB",
        "-1G",
        "1.5G",
        "99999999999999999999G",
        "18446744073709551615T",
    ] {
        assert!(
            step(&format!(
                "run = \"true\"\nresources = {{ memory = \"{text}\" }}"
            ))
            .is_err(),
            "{text}"
        );
    }
}
