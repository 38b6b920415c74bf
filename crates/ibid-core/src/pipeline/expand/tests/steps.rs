//! Finished steps: the same as the command line makes of the same words.

use std::time::Duration;

use ibid_testkit::TempDir;

use crate::action::{
    CommandLine, EnvRequest, InputRequest, OutputKind, OutputSpec, Policy, StdinRequest, Step,
};
use crate::digest::encoding::Value;
use crate::pipeline::expand::sample::{Sample, StepSample};
use crate::pipeline::load::PipelineError;
use crate::tree::{Place, RelPath};

fn place(path: &str) -> Place {
    Place::Inside(RelPath::new(path).unwrap())
}

fn output(kind: OutputKind) -> OutputSpec {
    OutputSpec {
        kind,
        optional: false,
        keep: false,
    }
}

/// What `ibid exec` makes of
/// `--input data/raw.csv --input 'src/*.c' --input ../ref/ --exclude tmp --code lib.py --output
/// build/out.csv --output build/all/ --output 'logs/*.txt' --param n=3 --env A=1 --env B
/// --tool cc --version-tag m=2 --salt s --ttl 1d --pass-env P -- python3 fit.py data/raw.csv 3`.
fn by_hand() -> Step {
    let words = ["python3", "fit.py", "data/raw.csv", "3"];
    let argv = words.map(|word| word.as_bytes().to_vec()).to_vec();
    let mut step = Step::new(CommandLine::Argv(argv));
    step.inputs = vec![
        InputRequest::Path {
            place: place("data/raw.csv"),
            dir_only: false,
            way: None,
        },
        InputRequest::Glob {
            pattern: "src/*.c".to_owned(),
        },
        InputRequest::Path {
            place: Place::Outside(b"../ref".to_vec()),
            dir_only: true,
            way: None,
        },
    ];
    step.excludes = vec!["**/tmp".to_owned()];
    step.code = vec![place("lib.py")];
    step.outputs = vec![
        output(OutputKind::Path(place("build/out.csv"))),
        output(OutputKind::Dir(place("build/all"))),
        output(OutputKind::Glob("logs/*.txt".to_owned())),
    ];
    step.params.insert("n".to_owned(), Value::from(3));
    step.env = vec![
        EnvRequest {
            name: "A".to_owned(),
            value: Some(b"1".to_vec()),
        },
        EnvRequest {
            name: "B".to_owned(),
            value: None,
        },
    ];
    step.tools = vec![b"cc".to_vec()];
    step.versions.insert("m".to_owned(), "2".to_owned());
    step.salts.insert(String::new(), "s".to_owned());
    step.policy = Policy {
        label: "sample/fit".to_owned(),
        ttl: Some(Duration::from_hours(24)),
        pass_env: vec!["P".to_owned()],
        manifest: Some("fit".to_owned()),
        ..Policy::default()
    };
    step
}

#[test]
fn the_same_words_declare_the_same_action_as_on_the_command_line() {
    let sample = Sample::default()
        .param("n", 3)
        .param("unused", 4)
        .step("fit", |s| {
            s.argv(&["python3", "fit.py", "{inputs.raw}", "{params.n}"]);
            s.input("raw", "./data/raw.csv")
                .input("", "src/*.c")
                .input("", "../ref/");
            s.output("", "build/out.csv")
                .output("", "build/all/")
                .output("", "./logs/*.txt");
            s.step.exclude = vec![s.located("tmp")];
            s.step.code = vec![s.located("lib.py")];
            let (name, value) = (s.located("A"), s.located("1"));
            s.step.env = vec![(name, Some(value)), (s.located("B"), None)];
            s.step.tools = vec![s.located("cc")];
            let tag = s.located("2");
            s.step.versions.insert("m".to_owned(), tag);
            s.step.salt = Some(s.located("s"));
            s.step.ttl = Some(Duration::from_hours(24));
            s.step.pass_env = vec![s.located("P")];
        });
    let mut expected = by_hand();
    // A placeholder stands for the path as it is written.
    if let CommandLine::Argv(argv) = &mut expected.command {
        argv[2] = b"./data/raw.csv".to_vec();
    }
    assert_eq!(
        format!("{:#?}", sample.only().step),
        format!("{expected:#?}")
    );
}

#[test]
fn of_the_pipelines_params_only_what_is_used_is_keyed() {
    let table = [
        ("x".to_owned(), Value::from(1)),
        ("y".to_owned(), Value::from(2)),
    ];
    let sample = Sample::default()
        .param("a", 1)
        .param("unused", 2)
        .param("t", Value::Map(table.into()))
        .param("named", "n")
        .step("s", |s| {
            s.shell("x {params.t.x} {params.own}")
                .own_param("own", 5)
                .own_param("more", 6);
            s.step.named_params = vec![s.located("named")];
            s.step.salt = Some(s.located("{params.a}"));
        });
    let step = sample.only().step;
    let keyed: Vec<&str> = step.params.keys().map(String::as_str).collect();
    assert_eq!(keyed, ["a", "more", "named", "own", "t.x"]);
    let unknown = Sample::default().param("alpha", 1).step("s", |s| {
        s.step.named_params = vec![s.located("alhpa")];
    });
    assert_eq!(unknown.mistake().suggestion.as_deref(), Some("alpha"));
}

fn told(declare: impl FnOnce(&mut StepSample<'_>)) -> String {
    Sample::default()
        .param("up", "..")
        .param("deep", "a/b")
        .step("s", declare)
        .mistake()
        .message
}

#[test]
fn dangerous_outputs_are_refused_where_they_stand() {
    for (path, message) in [
        (".", "this output is the root"),
        ("a/..", "this output is the root"),
        ("../x", "the output `../x` does not lie below the root"),
        ("/tmp/x", "the output `/tmp/x` does not lie below the root"),
        (
            ".git/x",
            "this output lies in `.git`, which is not for outputs",
        ),
        (
            "a/.ibid",
            "this output lies in `.ibid`, which is not for outputs",
        ),
        ("../*.csv", "the pattern `../*.csv` leaves the root"),
        ("", "this names no file"),
    ] {
        assert_eq!(told(|s| s.output("", path).done()), message, "{path}");
    }
    assert!(told(|s| s.output("", "a[.csv").done()).contains("not a pattern"));
    assert!(told(|s| s.input("", "{inputs.x}").done()).contains("has a meaning in `run` only"));
}

#[test]
fn a_value_in_a_path_is_one_name() {
    for (path, value) in [("x/{params.deep}.csv", "a/b"), ("x/{params.up}/y", "..")] {
        let message = told(|s| s.output("", path).done());
        assert!(
            message.starts_with("a value in a path is one name"),
            "{message}"
        );
        assert!(message.ends_with(&format!("`{value}`")), "{message}");
    }
    for values in [[".", "."], ["", ""], ["", "."]] {
        let sample = Sample::default()
            .param("a", values[0])
            .param("b", values[1]);
        let sample = sample.step("s", |s| s.input("", "x/{params.a}{params.b}/y").done());
        assert!(
            sample.mistake().message.contains("is one name"),
            "{values:?}"
        );
    }
    let whole = Sample::default()
        .param("file", "data/a.csv")
        .param("all", "src/*.c");
    let whole = whole.step("s", |s| {
        s.input("", "{params.file}")
            .input("", "{params.all}")
            .done();
    });
    let step = whole.only().step;
    assert!(
        matches!(&step.inputs[0], InputRequest::Path { place, .. } if place.to_string() == "data/a.csv")
    );
    assert!(matches!(&step.inputs[1], InputRequest::Glob { pattern } if pattern == "src/*.c"));
}

#[test]
fn signs_of_patterns_in_values_stand_for_themselves() {
    let sample = Sample::default().param("x", "a*[b]").step("s", |s| {
        s.output("", "o/{params.x}.csv")
            .output("", "p/{params.x}-*.csv");
        s.step.exclude = vec![s.located("{params.x}.csv")];
    });
    let step = sample.only().step;
    assert_eq!(step.excludes, ["**/a[*][[]b].csv"]);
    let outputs = step.outputs;
    assert_eq!(outputs[0].kind, OutputKind::Path(place("o/a*[b].csv")));
    assert_eq!(
        outputs[1].kind,
        OutputKind::Glob("p/a[*][[]b]-*.csv".to_owned())
    );
}

#[test]
fn an_input_by_content_is_spelled_as_the_command_names_it() {
    let sample = Sample::default().step("s", |s| {
        s.argv(&["cat", "{inputs.x}"]).input("x", "data/a.csv");
        s.step.inputs[0].by_content = true;
    });
    let expected = InputRequest::ByContent {
        place: place("data/a.csv"),
        spelling: b"data/a.csv".to_vec(),
        way: None,
    };
    assert_eq!(sample.only().step.inputs, [expected]);
    let pattern = told(|s| {
        s.input("", "*.csv");
        s.step.inputs[0].by_content = true;
    });
    assert!(pattern.starts_with("a pattern cannot count by content"));
}

#[test]
fn variables_that_look_like_secrets_are_refused() {
    let message = told(|s| s.step.env = vec![(s.located("API_TOKEN"), None)]);
    assert_eq!(
        message,
        "`API_TOKEN` looks like a secret, and `env` is stored"
    );
    assert_eq!(
        told(|s| s.step.env = vec![(s.located("A"), None), (s.located("A"), None)]),
        "the variable `A` is given twice"
    );
    assert_eq!(
        told(|s| s.step.pass_env = vec![s.located("A=B")]),
        "`A=B` is not the name of a variable"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn specs_are_read_and_may_not_be_somebodys_output() {
    let temp = TempDir::new();
    std::fs::write(temp.join("s.json"), "{\"a\": 1}").unwrap();
    std::fs::write(temp.join("bad.json"), "{").unwrap();
    std::fs::write(temp.join("[x].csv"), "").unwrap();
    let with = |path: &str| {
        let sample = Sample::default().step("s", |s| {
            s.step.specs = vec![s.located(path)];
            s.step.stdin = Some(s.located("in.txt"));
            s.input("", "[x].csv");
        });
        sample
            .step("t", |s| s.output("", "made.json").done())
            .expand_in(temp.path())
    };
    let step = &with("s.json").unwrap().steps[0].step;
    assert_eq!(
        step.specs,
        [Value::Map([("a".to_owned(), Value::from(1))].into())]
    );
    assert_eq!(step.stdin, StdinRequest::File(temp.join("in.txt")));
    assert!(
        matches!(&step.inputs[0], InputRequest::Path { .. }),
        "a file of that very name"
    );
    for (path, message) in [
        ("missing.json", "the spec `missing.json` cannot be read: "),
        ("bad.json", "the spec `bad.json` cannot be used"),
        ("s.csv", "the format of the spec `s.csv` is not known"),
        ("made.json", "the spec `made.json` is an output of `t`"),
    ] {
        match with(path) {
            Err(PipelineError::Mistake(mistake)) => {
                assert!(mistake.message.starts_with(message), "{}", mistake.message);
            }
            other => panic!("{other:?}"),
        }
    }
}
