//! Points of matrices and their names.

use super::words;
use crate::digest::encoding::{Finite, Value};
use crate::pipeline::expand::sample::{Sample, StepSample};

fn names(declare: impl FnOnce(&mut StepSample<'_>)) -> Vec<String> {
    let pipeline = Sample::default().step("fit", declare).expand();
    pipeline.steps.into_iter().map(|step| step.name).collect()
}

fn told(declare: impl FnOnce(&mut StepSample<'_>)) -> String {
    let mistake = Sample::default().step("fit", declare).mistake();
    let meant = mistake.suggestion.map(|meant| format!(" [{meant}]"));
    format!("{}{}", mistake.message, meant.unwrap_or_default())
}

fn half() -> Value {
    Value::Float(Finite::new(0.5).unwrap())
}

#[test]
fn axes_are_multiplied_in_order_and_the_last_turns_fastest() {
    let names = names(|s| {
        s.axis("species", &["Adelie", "Gentoo"]);
        let axis = s.an_axis("alpha", &[half(), Value::from(1)]);
        s.matrix().axes.push(axis);
    });
    assert_eq!(
        names,
        [
            "fit@Adelie,0.5",
            "fit@Adelie,1",
            "fit@Gentoo,0.5",
            "fit@Gentoo,1"
        ]
    );
}

#[test]
fn zipped_axes_advance_together_and_points_come_and_go() {
    let names = names(|s| {
        s.axis("a", &["1", "2"]);
        let group = vec![
            s.an_axis("b", &["x".into(), "y".into()]),
            s.an_axis("c", &["p".into(), "q".into()]),
        ];
        s.matrix().zip.push(group);
        let out = s.point(&[("a", "1".into()), ("c", "q".into())]);
        s.matrix().exclude.push(out);
        let more = s.point(&[("c", "r".into()), ("a", "9".into()), ("b", "z".into())]);
        s.matrix().include.push(more);
    });
    assert_eq!(names, ["fit@1,x,p", "fit@2,x,p", "fit@2,y,q", "fit@9,z,r"]);
}

#[test]
fn a_matrix_of_points_alone_takes_its_axes_from_the_first() {
    let names = names(|s| {
        let point = s.point(&[("a", "1".into()), ("b", "2".into())]);
        s.matrix().include.push(point);
    });
    assert_eq!(names, ["fit@1,2"]);
}

#[test]
fn values_that_make_no_name_are_told_by_the_digits_of_the_manifest() {
    let odd = ["a/b", "a@b", "a*", "a,b", "a\nb", "", "{", "[x]"];
    let long = "x".repeat(41);
    let values: Vec<&str> = odd.into_iter().chain([long.as_str()]).collect();
    let pipeline = Sample::default().step("fit", |s| {
        s.axis("a", &values);
    });
    for step in pipeline.expand().steps {
        let digits = step.name.strip_prefix("fit@").unwrap();
        assert!(digits.len() == 16 && digits.bytes().all(|it| it.is_ascii_hexdigit()));
        assert_eq!(
            step.step.policy.manifest.as_deref(),
            Some(step.name.as_str())
        );
    }
    let same = names(|s| {
        let axis = s.an_axis("a", &["1".into(), Value::from(1), "2".into()]);
        s.matrix().axes.push(axis);
    });
    assert!(
        same[0].len() == 20 && same[1].len() == 20 && same[0] != same[1],
        "{same:?}"
    );
    assert_eq!(same[2], "fit@2");
}

#[test]
fn manifests_and_labels_are_named_by_the_values() {
    let pipeline = Sample::default().step("fit", |s| {
        s.axis("species", &["Adelie"]);
    });
    let pipeline = pipeline.expand();
    let policy = &pipeline.steps[0].step.policy;
    assert_eq!(policy.label, "sample/fit@Adelie");
    // BLAKE3 of the canonical encoding of {"species": "Adelie"}, which may never change.
    let encoded = b"\xa1\x67species\x66Adelie";
    let digest = crate::digest::Digest::of(encoded).hex();
    assert_eq!(policy.manifest, Some(format!("fit@{}", &digest[..16])));
    assert_eq!(pipeline.find("fit@Adelie").unwrap().index(), 0);
}

#[test]
fn values_are_params_of_the_key_and_stand_in_every_text() {
    let pipeline = Sample::default().step("fit", |s| {
        s.axis("x", &["a b"])
            .argv(&["fit", "{matrix.x}"])
            .output("", "out/{matrix.x}.json");
        let env = (s.located("NAME"), Some(s.located("<{matrix.x}>")));
        s.step.env.push(env);
        s.step.salt = Some(s.located("{matrix.x}{resources.cpus}"));
    });
    let step = &pipeline.expand().steps[0].step;
    assert_eq!(step.params["x"], Value::from("a b"));
    assert_eq!(words(step), ["fit", "a b"]);
    assert_eq!(step.outputs[0].key_name(), b"out/a b.json");
    assert_eq!(step.env[0].value.as_deref(), Some(b"<a b>".as_slice()));
    assert_eq!(step.salts[""], "a b1");
}

#[test]
fn broken_matrices_are_told() {
    assert_eq!(
        told(|s| {
            s.matrix();
        }),
        "the matrix has no axis"
    );
    assert_eq!(
        told(|s| s.axis("a", &[]).done()),
        "the axis `a` has no values"
    );
    assert_eq!(
        told(|s| s.axis("a", &["1"]).axis("a", &["2"]).done()),
        "the axis `a` is given twice"
    );
    let zipped = told(|s| {
        let group = vec![
            s.an_axis("b", &["x".into()]),
            s.an_axis("c", &["p".into(), "q".into()]),
        ];
        s.matrix().zip.push(group);
    });
    assert_eq!(
        zipped,
        "zipped axes have values in pairs: `b` has 1, `c` has 2"
    );
    let unknown = told(|s| {
        let point = s.axis("species", &["x"]).point(&[("specie", "x".into())]);
        s.matrix().exclude.push(point);
    });
    assert_eq!(unknown, "the matrix has no axis `specie` [species]");
    let lacking = told(|s| {
        let point = s
            .axis("a", &["x"])
            .axis("b", &["x"])
            .point(&[("a", "x".into())]);
        s.matrix().include.push(point);
    });
    assert_eq!(lacking, "this point has no value for the axis `b`");
    let nothing = told(|s| {
        let point = s.axis("a", &["x"]).point(&[("a", "x".into())]);
        s.matrix().exclude.push(point);
    });
    assert_eq!(nothing, "the matrix leaves no point");
    assert_eq!(
        told(|s| s.axis("a", &["x", "x"]).done()),
        "the matrix has the point `a = \"x\"` twice"
    );
    assert_eq!(
        told(|s| s.axis("a", &["x"]).argv(&["{matrix.b}"]).done()),
        "the matrix has no axis `b` [{matrix.a}]"
    );
}

#[test]
fn too_many_points_are_refused_before_they_are_made() {
    let many: Vec<Value> = (0..1000).map(Value::from).collect();
    let told = told(|s| {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let axis = s.an_axis(name, &many);
            s.matrix().axes.push(axis);
        }
    });
    assert_eq!(told, "the matrix has more than 100000 points");
}

#[test]
fn an_axis_called_like_a_param_of_the_step_is_refused() {
    let told = told(|s| s.axis("alpha", &["x"]).own_param("alpha", 1).done());
    assert_eq!(
        told,
        "`alpha` is an axis of the matrix and a param of the step"
    );
}
