//! Laws of actions, records and keys (hazards A2 and A3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ibid_core::action::{
    Action, Command, Component, ComponentKind, ComponentName, EnvMode, KeyRecord, OutputKind,
    OutputSpec, Policy, Segment, Storing, Word, diff,
};
use ibid_core::digest::encoding::Value;
use ibid_core::digest::{BlobId, Digest, Key};
use ibid_core::tree::{Content, Place, RelPath};
use proptest::prelude::*;

use crate::samples::{self, file, least_action, output, words};

type Flip = fn(&mut Action);
type PolicyFlip = fn(&mut Policy);

/// One change or more of every field that is keyed. Taking an action apart without a rest pattern
/// makes a new field fail to compile until it stands here or below.
#[expect(clippy::too_many_lines, reason = "one table, read line by line")]
fn keyed_flips() -> Vec<(&'static str, Flip)> {
    let Action {
        command: _,
        dir: _,
        env_mode: _,
        tools: _,
        image: _,
        code: _,
        implied: _,
        packages: _,
        inputs: _,
        inputs_by_content: _,
        params: _,
        specs: _,
        env: _,
        versions: _,
        versions_from: _,
        salts: _,
        stdin: _,
        platform: _,
        outputs: _,
        policy: _,
    } = least_action();
    vec![
        ("command", |a| a.command = words(&["false"])),
        ("command: another word", |a| {
            a.command = words(&["true", ""]);
        }),
        ("command: shell", |a| {
            a.command = Command::Shell {
                interpreter: vec![b"sh".to_vec()],
                script: Word::Plain(b"true".to_vec()),
            };
        }),
        ("command: interpreter", |a| {
            a.command = Command::Shell {
                interpreter: vec![b"bash".to_vec()],
                script: Word::Plain(b"true".to_vec()),
            };
        }),
        ("command: an input as a word", |a| {
            a.command = Command::Argv(vec![Word::Segments(vec![Segment::Input(0)])]);
        }),
        ("command: another input", |a| {
            a.command = Command::Argv(vec![Word::Segments(vec![Segment::Input(1)])]);
        }),
        ("command: a function", |a| {
            a.command = Command::Call("true".to_owned());
        }),
        ("command: another function", |a| {
            a.command = Command::Call("false".to_owned());
        }),
        ("image", |a| a.image = Some("sha256:1".to_owned())),
        ("another image", |a| a.image = Some("sha256:2".to_owned())),
        ("dir", |a| a.dir = RelPath::new("d").unwrap()),
        ("env_mode", |a| a.env_mode = EnvMode::Loose),
        ("tools", |a| {
            let _ = a.tools.insert(b"t".to_vec(), Digest::of(b"t"));
        }),
        ("tools: content", |a| {
            let _ = a.tools.insert(b"t".to_vec(), Digest::of(b"u"));
        }),
        ("code", |a| drop(a.code.insert(b"t".to_vec(), file(1)))),
        ("implied", |a| {
            drop(a.implied.insert(b"t".to_vec(), file(1)));
        }),
        ("packages", |a| {
            drop(a.packages.insert("t".to_owned(), Value::Null));
        }),
        ("inputs", |a| drop(a.inputs.insert(b"t".to_vec(), file(1)))),
        ("inputs: name", |a| {
            drop(a.inputs.insert(b"u".to_vec(), file(1)));
        }),
        ("inputs: content", |a| {
            drop(a.inputs.insert(b"t".to_vec(), file(2)));
        }),
        ("inputs: executable", |a| {
            let blob = BlobId::new(Digest::from_bytes([1; 32]));
            let content = Content::File {
                executable: true,
                blob,
            };
            a.inputs.insert(b"t".to_vec(), content);
        }),
        ("inputs: link", |a| {
            let (texts, target) = (vec![b"x".to_vec()], Box::new(file(1)));
            a.inputs
                .insert(b"t".to_vec(), Content::Link { texts, target });
        }),
        ("inputs_by_content", |a| a.inputs_by_content = vec![file(1)]),
        ("inputs_by_content: two", |a| {
            a.inputs_by_content = vec![file(1), file(2)];
        }),
        ("inputs_by_content: order", |a| {
            a.inputs_by_content = vec![file(2), file(1)];
        }),
        ("params", |a| {
            drop(a.params.insert("t".to_owned(), Value::from(1_u64)));
        }),
        ("params: type", |a| {
            drop(a.params.insert("t".to_owned(), Value::from("1")));
        }),
        ("params: null", |a| {
            drop(a.params.insert("t".to_owned(), Value::Null));
        }),
        ("specs", |a| a.specs = vec![Value::Null]),
        ("specs: two", |a| {
            a.specs = vec![Value::Null, Value::from(true)];
        }),
        ("specs: order", |a| {
            a.specs = vec![Value::from(true), Value::Null];
        }),
        ("env: unset", |a| drop(a.env.insert("t".to_owned(), None))),
        ("env: empty", |a| {
            drop(a.env.insert("t".to_owned(), Some(Vec::new())));
        }),
        ("env: value", |a| {
            drop(a.env.insert("t".to_owned(), Some(b"1".to_vec())));
        }),
        ("versions", |a| {
            drop(a.versions.insert("t".to_owned(), "1".to_owned()));
        }),
        ("versions_from", |a| {
            drop(a.versions_from.insert("t".to_owned(), b"1".to_vec()));
        }),
        ("salts", |a| {
            drop(a.salts.insert("t".to_owned(), "1".to_owned()));
        }),
        ("stdin", |a| a.stdin = Some(BlobId::of(b"in"))),
        ("stdin: given and empty", |a| {
            a.stdin = Some(BlobId::of(b""));
        }),
        ("platform: os", |a| a.platform.os.push('x')),
        ("platform: arch", |a| a.platform.arch.push('x')),
        ("outputs", |a| a.outputs = vec![output("t")]),
        ("outputs: optional", |a| {
            a.outputs = vec![OutputSpec {
                optional: true,
                ..output("t")
            }];
        }),
        ("outputs: updated", |a| {
            a.outputs = vec![OutputSpec {
                keep: true,
                ..output("t")
            }];
        }),
        ("outputs: directory", |a| {
            let place = Place::Inside(RelPath::new("t").unwrap());
            a.outputs = vec![OutputSpec {
                kind: OutputKind::Dir(place),
                optional: false,
                keep: false,
            }];
        }),
        ("outputs: pattern", |a| {
            let kind = OutputKind::Glob("t".to_owned());
            a.outputs = vec![OutputSpec {
                kind,
                optional: false,
                keep: false,
            }];
        }),
        ("outputs: two", |a| {
            a.outputs = vec![output("t"), output("u")];
        }),
    ]
}

/// Changes of the policy, none of which is keyed.
fn policy_flips() -> Vec<(&'static str, PolicyFlip)> {
    let Policy {
        label: _,
        ttl: _,
        timeout: _,
        ok_exit: _,
        cache_failures: _,
        pass_env: _,
        secret_env: _,
        storing: _,
        manifest: _,
        metadata: _,
    } = Policy::default();
    vec![
        ("label", |p| p.label.push('x')),
        ("ttl", |p| p.ttl = Some(Duration::from_secs(1))),
        ("timeout", |p| p.timeout = Some(Duration::from_secs(1))),
        ("ok_exit", |p| p.ok_exit = BTreeSet::from([3])),
        ("cache_failures", |p| p.cache_failures = true),
        ("pass_env", |p| p.pass_env = vec!["X".to_owned()]),
        ("secret_env", |p| p.secret_env = vec!["X".to_owned()]),
        ("storing", |p| p.storing = Storing::Digest),
        ("manifest", |p| p.manifest = Some("x".to_owned())),
        ("metadata", |p| {
            p.metadata.insert("x".to_owned(), Value::Null);
        }),
    ]
}

#[test]
fn every_keyed_field_gives_another_key() {
    let mut keys: BTreeMap<Key, &str> = BTreeMap::from([(least_action().record().key(), "none")]);
    for (name, flip) in keyed_flips() {
        let mut action = least_action();
        flip(&mut action);
        let same = keys.insert(action.record().key(), name);
        assert_eq!(same, None, "{name} has the key of {same:?}");
        assert!(!diff(&least_action().record(), &action.record()).is_empty());
    }
}

#[test]
fn policy_is_not_keyed() {
    let key = least_action().record().key();
    for (name, flip) in policy_flips() {
        let mut action = least_action();
        flip(&mut action.policy);
        assert_eq!(action.record().key(), key, "{name}");
    }
}

#[test]
fn a_change_is_named_with_both_values() {
    let mut changed = least_action();
    changed.env.insert("OMP".to_owned(), Some(b"4".to_vec()));
    let change = &diff(&least_action().record(), &changed.record())[0];
    assert_eq!(change.title(), "env/OMP");
    assert_eq!(change.trigger().word(), "env");
    assert_eq!(
        (&change.old, &change.new),
        (&None, &Some(Value::from(&b"4"[..])))
    );
    let back = &diff(&changed.record(), &least_action().record())[0];
    assert_eq!((&back.old, &back.new), (&change.new, &change.old));
}

#[test]
fn outputs_count_as_a_set() {
    let with = |outputs: Vec<OutputSpec>| {
        Action {
            outputs,
            ..least_action()
        }
        .record()
    };
    let place = |path| Place::Inside(RelPath::new(path).unwrap());
    let dir = OutputSpec {
        kind: OutputKind::Dir(place("a")),
        optional: true,
        keep: false,
    };
    let (a, b) = (output("a"), output("b"));
    let once = with(vec![a.clone(), b.clone()]);
    assert_eq!(with(vec![b.clone(), a.clone()]), once);
    assert_eq!(with(vec![a.clone(), b.clone(), a.clone()]), once);
    let both = with(vec![a.clone(), dir.clone()]);
    assert_eq!(with(vec![dir, a.clone()]), both);
    let required_dir = OutputSpec {
        kind: OutputKind::Dir(place("a")),
        optional: false,
        keep: false,
    };
    assert_eq!(both, with(vec![required_dir]));
    let pattern = OutputSpec {
        kind: OutputKind::Glob("a".to_owned()),
        optional: false,
        keep: false,
    };
    assert_eq!(
        with(vec![a, pattern]).components().len(),
        least_action().record().components().len() + 2
    );
    KeyRecord::decode(&both.encode()).unwrap();
}

#[test]
fn a_word_is_what_it_says_however_it_is_cut() {
    let key = |word: Word| {
        let command = Command::Argv(vec![word]);
        Action {
            command,
            ..least_action()
        }
        .record()
        .key()
    };
    let text = |text: &str| Segment::Text(text.as_bytes().to_vec());
    let plain = key(Word::Plain(b"ab".to_vec()));
    assert_eq!(
        key(Word::Segments(vec![text("a"), text(""), text("b")])),
        plain
    );
    let cut = key(Word::Segments(vec![
        text("a"),
        Segment::Input(0),
        text("b"),
        text("c"),
    ]));
    assert_eq!(
        key(Word::Segments(vec![
            text("a"),
            Segment::Input(0),
            text("bc")
        ])),
        cut
    );
    assert_ne!(
        key(Word::Segments(vec![
            text("ab"),
            Segment::Input(0),
            text("c")
        ])),
        cut
    );
    assert_eq!(key(Word::Segments(vec![])), key(Word::Plain(vec![])));
}

#[test]
#[should_panic(expected = "no two components share kind and name")]
fn a_record_with_a_name_twice_is_not_made() {
    let component = |value| Component {
        kind: ComponentKind::Param,
        name: ComponentName::Text("a".to_owned()),
        value,
    };
    let _ = KeyRecord::new(vec![component(Value::Null), component(Value::Bool(true))]);
}

#[test]
fn kinds_and_their_words_are_one_to_one() {
    for kind in ComponentKind::ALL {
        assert_eq!(ComponentKind::from_word(kind.word()), Some(kind));
    }
    let words: BTreeSet<_> = ComponentKind::ALL.map(ComponentKind::word).into();
    assert_eq!(words.len(), ComponentKind::ALL.len());
}

fn name() -> impl Strategy<Value = ComponentName> {
    prop_oneof![
        (0_u64..300).prop_map(ComponentName::Index),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(ComponentName::Bytes),
        "[ab]{0,3}".prop_map(ComponentName::Text),
    ]
}

/// Components without two of one name, in any order.
fn components() -> impl Strategy<Value = Vec<Component>> {
    let kind = prop::sample::select(ComponentKind::ALL.to_vec());
    let map = prop::collection::btree_map((kind, name()), samples::value(), 0..12);
    map.prop_map(|map| {
        map.into_iter()
            .map(|((kind, name), value)| Component { kind, name, value })
            .collect::<Vec<_>>()
    })
    .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_round_trips(components in components()) {
        let record = KeyRecord::new(components);
        prop_assert_eq!(KeyRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn order_of_components_does_not_count(components in components()) {
        let reversed = components.iter().rev().cloned().collect();
        prop_assert_eq!(KeyRecord::new(components), KeyRecord::new(reversed));
    }

    #[test]
    fn no_difference_means_one_key(
        a in components(),
        b in components(),
        keep: prop::sample::Index,
        change in samples::value(),
    ) {
        // Unrelated records seldom share anything, so one that is nearly `a` is compared too.
        let mut near = a.clone();
        if !near.is_empty() {
            let at = keep.index(near.len());
            near[at].value = change;
        }
        let a = KeyRecord::new(a);
        for other in [KeyRecord::new(b), KeyRecord::new(near)] {
            let changes = diff(&a, &other);
            prop_assert_eq!(changes.is_empty(), a.key() == other.key());
            prop_assert_eq!(changes.len(), diff(&other, &a).len());
            prop_assert!(changes.iter().all(|change| change.old != change.new));
        }
        prop_assert!(diff(&a, &a).is_empty());
    }

    #[test]
    fn each_component_counts(components in components(), which: prop::sample::Index) {
        prop_assume!(!components.is_empty());
        let mut fewer = components.clone();
        let gone = fewer.remove(which.index(components.len()));
        let (all, fewer) = (KeyRecord::new(components), KeyRecord::new(fewer));
        prop_assert_ne!(all.key(), fewer.key());
        let changes = diff(&all, &fewer);
        prop_assert_eq!(changes.len(), 1);
        prop_assert_eq!(changes[0].old.as_ref(), Some(&gone.value));
        prop_assert_eq!(changes[0].title(), gone.title());
    }

    #[test]
    fn what_is_accepted_encodes_to_the_same_bytes(
        components in components(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = KeyRecord::new(components).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(record) = KeyRecord::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }
}
