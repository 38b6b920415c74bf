//! Laws over generated values: nothing hangs on the order of maps, names are unique, and what a
//! shell reads is what a value holds.

use std::collections::HashSet;
use std::process::Command;

use proptest::prelude::*;

use crate::action::CommandLine;
use crate::digest::encoding::Value;
use crate::pipeline::StepId;
use crate::pipeline::expand::expand;
use crate::pipeline::expand::quote::{Beside, as_word};
use crate::pipeline::expand::sample::Sample;
use crate::pipeline::load::PipelineError;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-c12,@/]{0,2}".prop_map(|text| Value::from(text.as_str())),
        (0_u64..3).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

/// A matrix of two axes over these values, and as many params besides.
fn sample(values: &[Value]) -> Sample {
    let mut sample = Sample::default();
    for (index, value) in values.iter().enumerate() {
        sample.params.insert(format!("p{index}"), value.clone());
    }
    sample.step("fit", |s| {
        for name in ["a", "b"] {
            let axis = s.an_axis(name, values);
            s.matrix().axes.push(axis);
        }
        s.argv(&["fit", "{matrix.a}", "{matrix.b}", "{params.p0}"]);
    })
}

/// What `/bin/sh` prints for a script.
#[expect(clippy::disallowed_methods, reason = "the shell itself is the oracle")]
fn printed(script: &[u8]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let script = std::ffi::OsStr::from_bytes(script);
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script:?}: {output:?}");
    output.stdout
}

/// Ways to print a value, by the corner that it stands in, with what is printed before and after.
const CORNERS: [(&str, &str, &str); 14] = [
    ("printf %s {params.x}", "", ""),
    ("printf %s a{params.x}b", "a", "b"),
    ("printf %s \"{params.x}\"", "", ""),
    ("printf %s '{params.x}'", "", ""),
    ("printf %s \"<$(printf %s {params.x}; echo .)>\"", "<", ".>"),
    (
        "printf %s \"<$(printf %s \"{params.x}\"; echo .)>\"",
        "<",
        ".>",
    ),
    ("x={params.x}; printf %s \"$x\"", "", ""),
    ("cat <<E\n<{params.x}>\nE\n", "<", ">\n"),
    ("cat <<'E'\n<{params.x}>\nE\n", "<", ">\n"),
    ("# {params.x}\nprintf %s {params.x}", "", ""),
    ("printf %s `printf %s {params.x}`", "", ""),
    (
        "case {params.x} in {params.x}) printf %s {params.x};; esac",
        "",
        "",
    ),
    ("printf %s \"${none:-{params.x}}\"", "", ""),
    ("(printf %s {params.x}) | cat", "", ""),
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn names_are_unique_and_everything_is_the_same_again(
        values in prop::collection::vec(value(), 1..5),
    ) {
        let sources = sample(&values).sources();
        let root = std::path::Path::new("/no/such/root");
        let expand = || expand(sample(&values).declared(), &sources, root);
        match (expand(), expand()) {
            (Ok(one), Ok(two)) => {
                prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
                let names: HashSet<_> = one.steps.iter().map(|step| &step.name).collect();
                let manifests: HashSet<_> =
                    one.steps.iter().map(|step| &step.step.policy.manifest).collect();
                prop_assert_eq!(names.len(), values.len() * values.len());
                prop_assert_eq!(manifests.len(), names.len());
            }
            (Err(PipelineError::Mistake(one)), Err(PipelineError::Mistake(two))) => {
                prop_assert!(one.message.ends_with("twice"));
                prop_assert_eq!(one, two);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_shell_reads_exactly_the_value_or_it_is_refused(
        value in prop_oneof![
            "[a \n'\"$`\\\\!*~#;&|<>(){}E2é-]{0,8}",
            "[a-z0-9./]{1,4}",
            any::<String>().prop_map(|text| text.replace('\0', "")),
        ],
        corner in 0..CORNERS.len(),
    ) {
        let (text, before, after) = CORNERS[corner];
        let sample = Sample::default().param("x", value.as_str()).step("s", |s| {
            s.shell(text);
        });
        let step = match sample.expand_in(std::path::Path::new("/no/such/root")) {
            Ok(mut pipeline) => pipeline.steps.remove(0).step,
            Err(error) => {
                let told = error.to_string();
                prop_assert!(told.contains("cannot stand here") || told.contains("too early"));
                return Ok(());
            }
        };
        let CommandLine::Shell { script, .. } = &step.command else { unreachable!() };
        let expected = format!("{before}{value}{after}");
        prop_assert_eq!(printed(script), expected.as_bytes(), "{}", text);
    }

    #[test]
    fn many_words_stay_as_many_words(
        words in prop::collection::vec(prop::collection::vec(1_u8.., 0..6), 1..5),
    ) {
        let quoted: Vec<_> = words.iter().map(|word| as_word(word, Beside::Other)).collect();
        let script = [b"printf '<%s>\\0' ".to_vec(), quoted.join(&b' ')].concat();
        let expected: Vec<u8> =
            words.iter().flat_map(|word| [b"<", word.as_slice(), b">\0"].concat()).collect();
        prop_assert_eq!(printed(&script), expected);
    }
}

#[test]
fn every_step_finds_its_own_upstream_among_many() {
    let mut sample = Sample::default();
    for index in 0..500 {
        sample = sample
            .step(&format!("a{index}"), |s| {
                s.input("", "data/raw.csv")
                    .output("", &format!("build/{index}/a.csv"));
            })
            .step(&format!("b{index}"), |s| {
                s.argv(&["cat", "{inputs}"]);
                s.input("", &format!("build/{index}/*.csv"));
                s.output("", &format!("out/{index}-*.csv"));
            });
    }
    let pipeline = sample.expand();
    let edges = |id: usize| pipeline.graph.upstream(StepId::new(id)).len();
    assert_eq!((0..pipeline.steps.len()).map(edges).sum::<usize>(), 500);
}
