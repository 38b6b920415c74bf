//! Documents to values: the same data has one value in each format, and nothing is guessed.

use ibid_core::action::DocumentFormat::{self, Json, Toml, Yaml};
use ibid_core::action::document::{JsonText, Position, Problem};
use ibid_core::digest::encoding::{Finite, MAX_DEPTH, Value};
use proptest::prelude::*;

use crate::samples;

fn parse(format: DocumentFormat, text: &str) -> Value {
    format
        .parse(text.as_bytes())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn problem(format: DocumentFormat, text: &str) -> Problem {
    match format.parse(text.as_bytes()) {
        Ok(value) => panic!("{text}: accepted as {value:?}"),
        Err(error) => error.problem,
    }
}

fn int(text: &str) -> Value {
    Value::Integer(text.parse().unwrap())
}

fn float(value: f64) -> Value {
    Value::Float(Finite::new(value).unwrap())
}

fn map(entries: &[(&str, Value)]) -> Value {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));
    Value::Map(entries.collect())
}

#[test]
fn the_same_data_has_one_value_in_each_format() {
    let json = r#"{"a": 1, "b": 1.0, "c": [true, "x"], "d": {"e": -7}}"#;
    let toml = "a = 1\nb = 1.0\nc = [true, 'x']\n[d]\ne = -7\n";
    let yaml = "d: {e: -7}\nc:\n- true\n- x\nb: 1.0\na: 1\n";
    let value = parse(Json, json);
    assert_eq!(parse(Toml, toml), value);
    assert_eq!(parse(Yaml, yaml), value);
    assert_eq!(parse(Yaml, json), value);
}

#[test]
fn numbers_are_exact() {
    for (text, expected) in [
        ("0", int("0")),
        ("-0", int("0")),
        ("18446744073709551616", int("18446744073709551616")),
        ("-18446744073709551617", int("-18446744073709551617")),
        ("9007199254740993", int("9007199254740993")),
        ("1.0", float(1.0)),
        ("-0.0", float(-0.0)),
        ("1e3", float(1000.0)),
        ("1E-3", float(0.001)),
        ("0.1", float(0.1)),
        ("9007199254740993.0", float(9_007_199_254_740_992.0)),
        ("5e-324", float(5e-324)),
        ("2.2250738585072011e-308", float(2.225_073_858_507_201e-308)),
        ("1.7976931348623157e308", float(f64::MAX)),
        ("1e-400", float(0.0)),
        // Halfway between two floats but for the last digit.
        (
            "1.00000000000000011102230246251565404236316680908203126",
            float(1.000_000_000_000_000_2),
        ),
        (
            "1.00000000000000011102230246251565404236316680908203125",
            float(1.0),
        ),
    ] {
        assert_eq!(parse(Json, text), expected, "{text}");
        assert_eq!(parse(Yaml, text), expected, "{text}");
        let in_map = map(&[("x", expected)]);
        assert_eq!(parse(Toml, &format!("x = {text}")), in_map, "{text}");
        assert_eq!(parse(Json, &format!("{{\"x\": {text}}}")), in_map, "{text}");
    }
    for text in ["1e309", "-1e400", "1.8e308"] {
        for (format, text) in [
            (Json, text.to_owned()),
            (Yaml, text.to_owned()),
            (Toml, format!("x = {text}")),
        ] {
            let found = problem(format, &text);
            assert!(
                matches!(found, Problem::OutOfRange(_) | Problem::Syntax(_)),
                "{text}: {found:?}"
            );
        }
    }
    let digits = "7".repeat(20_000);
    assert!(matches!(problem(Json, &digits), Problem::OutOfRange(_)));
    assert!(matches!(problem(Yaml, &digits), Problem::OutOfRange(_)));
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1",
        "1_000",
    ] {
        assert!(matches!(problem(Json, text), Problem::Syntax(_)), "{text}");
    }
    for text in [".nan", ".NaN", ".inf", "-.INF", "+.inf"] {
        assert_eq!(problem(Yaml, text), Problem::NotFinite(text.to_owned()));
    }
    for text in ["nan", "+nan", "inf", "-inf"] {
        let found = problem(Toml, &format!("x = {text}"));
        assert_eq!(found, Problem::NotFinite(text.to_owned()));
    }
}

#[test]
fn a_key_given_twice_is_refused() {
    let twice = Problem::DuplicateKey("a".to_owned());
    assert_eq!(problem(Json, r#"{"a": 1, "b": 2, "a": 1}"#), twice);
    assert_eq!(problem(Json, r#"[{"a": 1, "\u0061": 1}]"#), twice);
    assert_eq!(problem(Yaml, "a: 1\n\"a\": 1\n"), twice);
    assert_eq!(problem(Yaml, "{a: 1, a: 1}"), twice);
    assert!(matches!(
        problem(Toml, "a = 1\na = 2\n"),
        Problem::Syntax(_)
    ));
    assert!(matches!(problem(Toml, "[a]\n[a]\n"), Problem::Syntax(_)));
}

#[test]
fn a_map_cannot_pass_for_a_number() {
    let key = "$serde_json::private::Number";
    for (text, expected) in [
        (
            r#"{"$serde_json::private::Number": "5"}"#,
            map(&[(key, Value::from("5"))]),
        ),
        (
            r#"{"\u0024serde_json::private::Number": "5"}"#,
            map(&[(key, Value::from("5"))]),
        ),
        (
            r#"{"$serde_json::private::Number": "\u0035"}"#,
            map(&[(key, Value::from("5"))]),
        ),
        (
            r#"{"$serde_json::private::Number": 5}"#,
            map(&[(key, int("5"))]),
        ),
        (
            r#"{"$serde_json::private::Number": "5", "a": 1}"#,
            map(&[(key, Value::from("5")), ("a", int("1"))]),
        ),
    ] {
        assert_eq!(parse(Json, text), expected, "{text}");
    }
    let raw = r#"{"$serde_json::private::RawValue": "5"}"#;
    assert_eq!(
        parse(Json, raw),
        map(&[("$serde_json::private::RawValue", Value::from("5"))])
    );
}

#[test]
fn depth_ends_at_the_limit_of_the_encoding() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = |depth| nested(open, close, depth).replace(":}", ":1}");
        let value = parse(Json, &text(MAX_DEPTH));
        assert_eq!(Value::decode(&value.encode()), Ok(value.clone()));
        assert_eq!(parse(Yaml, &text(MAX_DEPTH)), value);
        assert_eq!(problem(Json, &text(MAX_DEPTH + 1)), Problem::TooDeep);
        assert_eq!(problem(Yaml, &text(MAX_DEPTH + 1)), Problem::TooDeep);
        for format in [Json, Yaml] {
            assert!(format.parse(text(100_000).as_bytes()).is_err());
        }
    }
    let toml = |depth| format!("x = {}", nested("[", "]", depth));
    parse(Toml, &toml(MAX_DEPTH - 1));
    assert_eq!(problem(Toml, &toml(MAX_DEPTH)), Problem::TooDeep);
    assert!(Toml.parse(toml(100_000).as_bytes()).is_err());
    let alias =
        "a: &a [[[[[[[[[[1]]]]]]]]]]\nb: ".to_owned() + &nested("[", "]", 60).replace("[]", "[*a]");
    assert_eq!(problem(Yaml, &alias), Problem::TooDeep);
}

#[test]
fn yaml_is_the_core_schema() {
    for (text, expected) in [
        ("NO", Value::from("NO")),
        ("yes", Value::from("yes")),
        ("off", Value::from("off")),
        ("y", Value::from("y")),
        ("TRUE", Value::from(true)),
        ("~", Value::Null),
        ("", Value::Null),
        ("012", int("12")),
        ("0o14", int("12")),
        ("0xFF", int("255")),
        ("0b1", Value::from("0b1")),
        ("1_000", Value::from("1_000")),
        ("12:30:45", Value::from("12:30:45")),
        ("2001-12-14", Value::from("2001-12-14")),
        ("+12", int("12")),
        ("1.", float(1.0)),
        (".5", float(0.5)),
        ("-.5e-1", float(-0.05)),
        (".", Value::from(".")),
        ("e3", Value::from("e3")),
        ("1e", Value::from("1e")),
        ("\"1\"", Value::from("1")),
        ("'true'", Value::from("true")),
        ("|\n  1\n", Value::from("1\n")),
        ("!!str 1", Value::from("1")),
        ("! 1", Value::from("1")),
        ("!!int 7", int("7")),
        ("!!int \"7\"", int("7")),
        ("!!float 1", float(1.0)),
        ("!!null ''", Value::Null),
        ("!!seq [1]", Value::Array(vec![int("1")])),
        ("--- 1\n...\n", int("1")),
        ("# nothing\n", Value::Null),
    ] {
        assert_eq!(parse(Yaml, text), expected, "{text:?}");
    }
    for text in [
        "!!int x",
        "!!binary aGk=",
        "!custom 1",
        "!!timestamp 2001-12-14",
        "!!map [1]",
    ] {
        let found = problem(Yaml, text);
        assert!(matches!(found, Problem::Tag(_)), "{text}: {found:?}");
    }
}

#[test]
fn yaml_keys_are_text() {
    for text in [
        "1: a",
        "true: a",
        "~: a",
        "? [a]\n: b",
        "{? {a: 1} : b}",
        "1.5: x",
        ": x",
    ] {
        assert_eq!(problem(Yaml, text), Problem::KeyNotText, "{text}");
    }
    assert_eq!(parse(Yaml, "\"1\": a"), map(&[("1", Value::from("a"))]));
    assert_eq!(parse(Yaml, "NO: a"), map(&[("NO", Value::from("a"))]));
    assert_eq!(
        problem(Yaml, "a: &a {b: 1}\nc: {<<: *a}"),
        Problem::MergeKey
    );
    assert_eq!(parse(Yaml, "\"<<\": 1"), map(&[("<<", int("1"))]));
}

#[test]
fn yaml_streams_and_aliases_have_limits() {
    assert_eq!(problem(Yaml, "a: 1\n---\na: 2\n"), Problem::ManyDocuments);
    let copied = parse(Yaml, "a: &x [1, 2]\nb: *x\n");
    let list = Value::Array(vec![int("1"), int("2")]);
    assert_eq!(copied, map(&[("a", list.clone()), ("b", list)]));
    assert_eq!(problem(Yaml, "&a [*a]"), Problem::AliasBomb);

    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{aliases}]\n");
    }
    assert_eq!(problem(Yaml, &bomb), Problem::AliasBomb);
}

#[test]
fn toml_dates_are_their_text() {
    let text =
        "a = 2024-05-06\nb = 07:08:09.5\nc = 2024-05-06T07:08:09Z\nd = 2024-05-06 07:08:09+02:00\n";
    let expected = map(&[
        ("a", Value::from("2024-05-06")),
        ("b", Value::from("07:08:09.5")),
        ("c", Value::from("2024-05-06T07:08:09Z")),
        ("d", Value::from("2024-05-06T07:08:09+02:00")),
    ]);
    assert_eq!(parse(Toml, text), expected);
    let numbers = parse(
        Toml,
        "a = 0xff\nb = 0o17\nc = 0b11\nd = 1_000\ne = +1\nf = 1_0.5\n",
    );
    let expected = map(&[
        ("a", int("255")),
        ("b", int("15")),
        ("c", int("3")),
        ("d", int("1000")),
        ("e", int("1")),
        ("f", float(10.5)),
    ]);
    assert_eq!(numbers, expected);
}

#[test]
fn errors_say_where() {
    for (format, text, line, column) in [
        (Json, "{\n  \"a\": 1,\n  \"b\": x\n}", 3, 8),
        (Toml, "a = 1\nb = nan\n", 2, 5),
        (Toml, "a = 1\nb = \n", 2, 5),
        (Yaml, "a: 1\nb: .nan\n", 2, 4),
        (Yaml, "a: 1\na: 2\n", 2, 1),
        (Yaml, "é: [&x .inf]", 1, 5),
    ] {
        let error = format.parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.position,
            Some(Position { line, column }),
            "{text}: {error}"
        );
    }
    let error = Json.parse(b"{\"a\": 1, \"a\": 2}").unwrap_err();
    assert_eq!(error.position.unwrap().line, 1);
    assert!(
        error
            .to_string()
            .starts_with("key `a` is given twice at line 1, column ")
    );
    let error = Json.parse(b"\"a\nb\xff\"").unwrap_err();
    assert_eq!(error.problem, Problem::NotText);
    assert_eq!(error.position, Some(Position { line: 2, column: 2 }));
}

#[test]
fn text_is_kept_as_it_is() {
    let decomposed = "e\u{301}";
    assert_eq!(
        parse(Json, &format!("\"{decomposed}\"")),
        Value::from(decomposed)
    );
    assert_eq!(parse(Json, r#""e\u0301""#), Value::from(decomposed));
    assert_eq!(parse(Yaml, decomposed), Value::from(decomposed));
    assert_eq!(parse(Json, "\u{feff}[]"), Value::Array(vec![]));
    assert!(Json.parse(br#""\ud800""#).is_err());
    assert!(Json.parse(b"1 2").is_err());
    assert!(Json.parse(b"").is_err());
    assert_eq!(parse(Toml, ""), map(&[]));
}

#[test]
fn extensions_tell_the_format() {
    for (extension, format) in [
        ("json", Some(Json)),
        ("JSON", Some(Json)),
        ("toml", Some(Toml)),
        ("yaml", Some(Yaml)),
        ("yml", Some(Yaml)),
        ("txt", None),
        ("", None),
    ] {
        assert_eq!(
            DocumentFormat::from_extension(extension.as_ref()),
            format,
            "{extension}"
        );
    }
}

#[test]
fn values_print_as_json_for_people() {
    let value = Value::Array(vec![
        Value::from(&b"/data/a"[..]),
        Value::from(&b"a\xff\"\\"[..]),
        float(1.0),
        float(-0.0),
        float(1e300),
        int("18446744073709551616"),
        map(&[("k\n", Value::Null)]),
        Value::from(true),
    ]);
    assert_eq!(
        JsonText(&value).to_string(),
        r#"["/data/a",{"bytes":"a\\xff\\\"\\\\"},1.0,-0.0,1e300,18446744073709551616,{"k\n":null},true]"#
    );
}

/// Replaces bytes, which JSON does not have, by null.
fn without_bytes(value: Value) -> Value {
    match value {
        Value::Bytes(_) => Value::Null,
        Value::Array(items) => Value::Array(items.into_iter().map(without_bytes).collect()),
        Value::Map(map) => {
            let entries = map
                .into_iter()
                .map(|(key, value)| (key, without_bytes(value)));
            Value::Map(entries.collect())
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_reading_json_changes_nothing(value in samples::value()) {
        let value = without_bytes(value);
        let text = JsonText(&value).to_string();
        prop_assert_eq!(parse(Json, &text), value);
    }

    #[test]
    fn arbitrary_text_never_panics_and_never_leaves_the_encoding(text in "[-\\[\\]{}:,&*a!0-9.e\"'\n #=|>?%]{0,40}") {
        for format in [Json, Toml, Yaml] {
            if let Ok(value) = format.parse(text.as_bytes()) {
                prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
            }
        }
    }
}
