//! Placeholders in commands.

use std::collections::BTreeMap;

use super::words;
use crate::digest::encoding::Value;
use crate::pipeline::PipelineStep;
use crate::pipeline::expand::sample::Sample;
use crate::scan::ScanError;
use crate::tree::RelPath;

fn sample() -> Sample {
    let nested = BTreeMap::from([("rate".to_owned(), Value::from(3))]);
    Sample::default()
        .param("mass", 2700)
        .param("name", "it's a name")
        .param("plain", "abc")
        .param("empty", "")
        .param("two", "2")
        .param("lines", "a\nb")
        .param(
            "list",
            Value::Array(vec![Value::from("a b"), Value::from(2)]),
        )
        .param("model", Value::Map(nested))
}

fn script(text: &str) -> String {
    let step = sample().step("s", |s| {
        s.shell(text);
        s.input("raw", "data/raw one.csv").input("", "b.csv");
        s.output("table", "build/out.csv")
            .output("dir", "build/all/");
    });
    words(&step.only().step).remove(0)
}

fn argv(list: &[&str]) -> String {
    let step = sample().step("s", |s| {
        s.argv(list)
            .input("raw", "data/raw one.csv")
            .input("", "b.csv");
    });
    words(&step.only().step).join("|")
}

fn refused(text: &str) -> String {
    let step = sample().step("s", |s| {
        s.shell(text);
        s.input("raw", "data/*.csv").output("made", "build/*.csv");
    });
    let mistake = step.mistake();
    let meant = mistake.suggestion.map(|meant| format!(" [{meant}]"));
    format!("{}{}", mistake.message, meant.unwrap_or_default())
}

#[test]
fn values_in_a_shell_text_are_quoted_as_their_corner_needs_it() {
    for (text, filled) in [
        (
            "a {inputs.raw} {outputs.table} -m {params.mass}",
            "a 'data/raw one.csv' build/out.csv -m 2700",
        ),
        (
            "cat {inputs} > {outputs.0}",
            "cat 'data/raw one.csv' b.csv > build/out.csv",
        ),
        ("ls {outputs.dir}/x", "ls build/all/x"),
        ("{inputs.1}{params.model.rate}", "b.csv3"),
        ("{params.name}", r"'it'\''s a name'"),
        ("\"<{params.name}>\"", "\"<it's a name>\""),
        ("'{params.name}'", r"'it'\''s a name'"),
        ("\"$(x {params.name})\"", r#""$(x 'it'\''s a name')""#),
        ("a {params.empty} \"{params.empty}\"", "a '' \"\""),
        ("a {params.two}>b", "a '2'>b"),
        ("{resources.cpus} `a {params.plain}`", "1 `a abc`"),
        (
            "a # {params.name} {inputs}",
            "a # it's a name data/raw one.csv b.csv",
        ),
        (
            "awk '{print $1}' ${x} {{params.x}}",
            "awk '{print $1}' ${x} {params.x}",
        ),
        (
            "cat <<E\n{params.name} {params.plain}\nE",
            "cat <<E\nit's a name abc\nE",
        ),
    ] {
        assert_eq!(script(text), filled, "{text}");
    }
}

#[test]
fn what_a_corner_cannot_hold_is_refused() {
    for (text, message) in [
        (
            "`a {params.name}`",
            "the value of `{params.name}` cannot stand here",
        ),
        (
            "$((1 + {params.empty}))",
            "the value of `{params.empty}` cannot stand here",
        ),
        ("a # {params.lines}", "a comment ends with its line"),
        (
            "a <<E\n{params.lines}\nE",
            "one line without control characters",
        ),
        (
            "a <<abc\n{params.plain}\nabc",
            "ends its here-document too early",
        ),
        ("a \\{params.plain}", "the backslash before it"),
        ("a \"{inputs}\"", "may stand for several paths"),
        ("a {params.list}", "`{params.list}` is a list"),
        ("a {params.model}", "`{params.model}` is a table"),
        ("a {outputs.made}", "only known after the run"),
    ] {
        let told = refused(text);
        assert!(told.contains(message), "{text}: {told}");
    }
}

#[test]
fn what_does_not_exist_is_refused_with_what_was_meant() {
    for (text, told) in [
        ("{params.nmae}", "there is no param `nmae` [{params.name}]"),
        (
            "{params.model.rat}",
            "there is no param `model.rat` [{params.model.rate}]",
        ),
        (
            "{inputs.rwa}",
            "no path of `inputs` is called `rwa` [{inputs.raw}]",
        ),
        ("{inputs.7}", "no path of `inputs` is called `7`"),
        ("{matrix.x}", "`{matrix.x}`: the step has no matrix"),
        (
            "{resources.cpu}",
            "the step names no resource `cpu` [{resources.cpus}]",
        ),
        ("{resources.memory}", "the step names no resource `memory`"),
        ("{params}", "`{params}` needs a name, as in `{params.x}`"),
    ] {
        assert_eq!(refused(text), told, "{text}");
    }
}

#[test]
fn a_mistake_stands_under_its_placeholder() {
    let at = |text: &str| {
        let excerpt = Sample::default().step("s", |s| {
            s.shell(text);
        });
        let excerpt = excerpt.mistake().excerpt;
        let line: String = excerpt.text.chars().skip(excerpt.column - 1).collect();
        line.chars().take(excerpt.width).collect::<String>()
    };
    assert_eq!(at("é {{params.x}} {params.x} b"), "{params.x}");
    assert_eq!(at("a\n  {params.y}"), "{params.y}");
}

#[test]
fn where_the_file_says_it_in_other_words_the_whole_text_is_meant() {
    let mut sample = Sample::default().step("s", |s| {
        s.shell("a {params.x}");
    });
    sample.text = sample.text.replace("a {params.x}", "a {\\u0070arams.x}");
    let mistake = sample.mistake();
    assert_eq!((mistake.excerpt.line, mistake.excerpt.column), (3, 1));
}

#[test]
fn a_word_of_its_own_becomes_as_many_words_as_there_are_values() {
    for (list, filled) in [
        (&["a", "{inputs}"][..], "a|data/raw one.csv|b.csv"),
        (
            &["a", "{params.list}", "x{params.name}"],
            "a|a b|2|xit's a name",
        ),
        (
            &["a", "--in={inputs.raw}", "{params.empty}"],
            "a|--in=data/raw one.csv|",
        ),
        (
            &["a", "{params.model}", "{{inputs}}"],
            "a|{\"rate\":3}|{inputs}",
        ),
    ] {
        assert_eq!(argv(list), filled);
    }
}

#[test]
fn a_longer_word_takes_one_path() {
    let mistake = sample().step("s", |s| {
        s.argv(&["a", "--in={inputs}"])
            .input("", "a")
            .input("", "b");
    });
    assert!(
        mistake
            .mistake()
            .message
            .contains("may stand for several paths")
    );
}

#[test]
fn an_empty_command_is_refused() {
    for words in [&[][..], &[""], &["{params.empty}"]] {
        let mistake = sample().step("s", |s| {
            s.argv(words);
        });
        assert_eq!(mistake.mistake().message, "the command is empty");
    }
}

#[test]
fn text_for_what_is_no_shell_takes_plain_values_only() {
    let step = |text: &str| {
        let text = text.to_owned();
        sample().step("s", move |s| {
            s.text_for(&["python3", "-c"], &text);
        })
    };
    assert_eq!(
        words(&step("print({params.mass})").only().step),
        ["print(2700)"]
    );
    let told = step("print('{params.name}')").mistake().message;
    assert!(told.contains("not known as a shell"), "{told}");
    let bash = sample().step("s", |s| {
        s.text_for(&["bash", "-euo", "pipefail", "-c"], "a {params.name}");
    });
    assert_eq!(words(&bash.only().step), [r"a 'it'\''s a name'"]);
}

fn bound(step: &PipelineStep, found: &[&str]) -> Result<String, ScanError> {
    let mut list = |pattern: &str| {
        assert_eq!(pattern, "data/*.csv");
        Ok(found
            .iter()
            .map(|path| RelPath::new(*path).unwrap())
            .collect())
    };
    step.bind(&mut list).map(|step| words(&step).join("|"))
}

#[test]
fn patterns_in_a_command_are_filled_when_the_step_is_bound() {
    let shell = Sample::default().step("s", |s| {
        s.shell(
            "cat {inputs.raw} '{params}' # {inputs}"
                .replace("{params}", "x")
                .as_str(),
        );
        s.input("raw", "data/*.csv");
    });
    let shell = shell.only();
    assert_eq!(words(&shell.step), ["cat data/*.csv 'x' # data/*.csv"]);
    assert_eq!(
        bound(&shell, &["data/a b.csv", "data/c.csv"]).unwrap(),
        "cat 'data/a b.csv' data/c.csv 'x' # data/*.csv"
    );
    let argv = Sample::default().step("s", |s| {
        s.argv(&["cat", "{inputs}", "-"]).input("", "data/*.csv");
    });
    let argv = argv.only();
    assert_eq!(bound(&argv, &["-n", "b"]).unwrap(), "cat|./-n|b|-");
    assert!(matches!(bound(&argv, &[]), Err(ScanError::NoMatch(_))));
}

#[test]
fn patterns_of_code_are_filled_when_the_step_is_bound() {
    let step = Sample::default().step("s", |s| {
        let code = s.located("data/*.csv");
        s.step.code.push(code);
    });
    let step = step.only();
    let mut list = |_: &str| Ok(vec![RelPath::new("data/a.csv").unwrap()]);
    let code = step.bind(&mut list).unwrap().code;
    assert_eq!(code[0].to_string(), "data/a.csv");
}
