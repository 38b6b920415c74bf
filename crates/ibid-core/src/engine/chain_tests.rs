use super::*;
use crate::action::{Component, KeyRecord, Trigger};
use crate::digest::BlobId;
use crate::digest::encoding::Encoder;
use crate::store::{Outcome, RunInfo, RunOutcome, StoreOptions, StoredAs, StoredOutput};
use ibid_testkit::TempDir;

/// A store with a history that is written by hand; time advances by one with each run.
struct Past {
    _dir: TempDir,
    store: LocalStore,
    time: u64,
}

impl Past {
    fn new() -> Self {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        Self {
            _dir: dir,
            store,
            time: 0,
        }
    }

    /// Writes a run of `label` that read and wrote these files.
    /// What ends in a slash is a folder with one file.
    fn run(&mut self, label: &str, inputs: &[(&str, &str)], wrote: &[(&str, &str)]) -> RunEntry {
        self.time += 1;
        let record = record(inputs);
        let stored = self.store.put_bytes(&record.encode()).unwrap();
        let output = |(path, text): &(&str, &str)| StoredOutput {
            name: path.trim_end_matches('/').as_bytes().to_vec(),
            at: None,
            content: match path.strip_suffix('/') {
                Some(_) => OutputContent::Tree(folder(text).id()),
                None => OutputContent::File {
                    executable: false,
                    size: text.len() as u64,
                    blob: BlobId::of(text.as_bytes()),
                },
            },
            stored_as: StoredAs::Content,
        };
        for (_, text) in inputs.iter().chain(wrote) {
            self.store.put_bytes(&folder(text).encode()).unwrap();
        }
        let result = StoredResult {
            key: record.key(),
            outcome: Outcome {
                exit_code: 0,
                outputs: wrote.iter().map(output).collect(),
            },
            run: RunInfo {
                record: stored.blob,
                log: None,
                started: self.time,
                duration: 0,
                host: String::new(),
                user: None,
                version: String::new(),
                label: label.to_owned(),
            },
        };
        let result = self.store.put_bytes(&result.encode()).unwrap().blob;
        let same_label = self.store.entries_of(label, 1).unwrap();
        let entry = RunEntry {
            time: self.time,
            label: label.to_owned(),
            key: record.key(),
            record: stored.blob,
            result: Some(result),
            outcome: RunOutcome::Ran,
            triggers: vec![Trigger::Inputs],
            reason: String::new(),
            changed: Vec::new(),
            compared_to: same_label.first().map(|entry| entry.key),
            exit_code: Some(0),
            signal: None,
            duration: 0,
            saved: 0,
            root: "p".to_owned(),
            host: String::new(),
        };
        self.store.append(&entry).unwrap();
        entry
    }

    /// Writes that the result of an earlier run was used again.
    fn hit(&mut self, earlier: &RunEntry) -> RunEntry {
        self.time += 1;
        let entry = RunEntry {
            time: self.time,
            outcome: RunOutcome::Hit,
            compared_to: None,
            triggers: Vec::new(),
            ..earlier.clone()
        };
        self.store.append(&entry).unwrap();
        entry
    }

    /// Follows a run where `p/<name>` writes `<name>.out`.
    fn follow(&self, run: &RunEntry) -> Cause {
        follow(&self.store, run, &|path| {
            let path = path.to_string();
            let name = path.strip_suffix(".out")?;
            Some(format!("p/{name}"))
        })
    }
}

/// A folder with the file `file.out`.
fn folder(text: &str) -> Tree {
    let file = Entry::File {
        executable: false,
        size: text.len() as u64,
        blob: BlobId::of(text.as_bytes()),
    };
    Tree::from_entries([(RelPath::new("file.out").unwrap(), file)]).unwrap()
}

fn record(inputs: &[(&str, &str)]) -> KeyRecord {
    let component = |(path, text): &(&str, &str)| {
        let mut encoder = Encoder::new();
        let content = match path.strip_suffix('/') {
            Some(_) => Content::Tree(folder(text).id()),
            None => Content::File {
                executable: false,
                blob: BlobId::of(text.as_bytes()),
            },
        };
        content.encode(&mut encoder);
        let is_code = path.contains(".py");
        Component {
            kind: if is_code {
                ComponentKind::Code
            } else {
                ComponentKind::Input
            },
            name: path.trim_end_matches('/').as_bytes().into(),
            value: Value::decode(encoder.as_bytes()).unwrap(),
        }
    };
    KeyRecord::new(inputs.iter().map(component).collect())
}

/// Prints a chain as `label@time(titles)<label@time(…)`.
fn story(cause: &Cause) -> String {
    let titles: Vec<_> = cause.changes.iter().map(Change::title).collect();
    let upstream = cause.upstream.iter().map(|upstream| match &upstream.by {
        Maker::Run(cause) => format!("<{}", story(cause)),
        Maker::Told(run) => format!("<told {}@{}", run.label, run.time),
        Maker::Further(run) => format!("<further {}@{}", run.label, run.time),
        Maker::Unknown => format!("<unknown {}", upstream.label),
    });
    let upstream: String = upstream.collect();
    let run = &cause.run;
    format!("{}@{}({}){upstream}", run.label, run.time, titles.join(" "))
}

#[test]
fn a_chain_ends_at_what_no_step_writes() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("a.out", "A1")]);
    past.run("p/b", &[("a.out", "A1")], &[("b.out", "B1")]);
    past.run("p/c", &[("b.out", "B1"), ("c.py", "1")], &[("c.out", "C1")]);
    past.run("p/a", &[("a.py", "2")], &[("a.out", "A2")]);
    past.run("p/b", &[("a.out", "A2")], &[("b.out", "B2")]);
    let last = past.run("p/c", &[("b.out", "B2"), ("c.py", "1")], &[("c.out", "C2")]);
    assert_eq!(
        story(&past.follow(&last)),
        "p/c@6(input/b.out)<p/b@5(input/a.out)<p/a@4(code/a.py)"
    );
}

#[test]
fn a_first_run_has_no_chain() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("a.out", "A1")]);
    let first = past.run("p/b", &[("a.out", "A1")], &[]);
    assert_eq!(story(&past.follow(&first)), "p/b@2()");
}

#[test]
fn a_result_that_was_used_again_is_the_cause_and_its_repetitions_are_not() {
    let mut past = Past::new();
    let one = past.run("p/a", &[("a.py", "1")], &[("a.out", "A1")]);
    past.run("p/b", &[("a.out", "A0")], &[]);
    past.run("p/a", &[("a.py", "2")], &[("a.out", "A2")]);
    past.run("p/b", &[("a.out", "A2")], &[]);
    past.hit(&one);
    past.hit(&one);
    let last = past.run("p/b", &[("a.out", "A1")], &[]);
    assert_eq!(
        story(&past.follow(&last)),
        "p/b@7(input/a.out)<p/a@5(code/a.py)"
    );
}

#[test]
fn the_run_that_first_gave_the_bytes_is_the_cause() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("a.out", "A1")]);
    past.run("p/b", &[("a.out", "A1")], &[]);
    past.run("p/a", &[("a.py", "2")], &[("a.out", "A2")]);
    // A comment: other code, same output.
    past.run("p/a", &[("a.py", "3")], &[("a.out", "A2")]);
    let last = past.run("p/b", &[("a.out", "A2")], &[]);
    assert_eq!(
        story(&past.follow(&last)),
        "p/b@5(input/a.out)<p/a@3(code/a.py)"
    );
}

#[test]
fn bytes_that_no_run_gave_are_nobodys() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("a.out", "A1")]);
    past.run("p/b", &[("a.out", "A1")], &[]);
    past.run("p/a", &[("a.py", "2")], &[("a.out", "A2")]);
    let last = past.run("p/b", &[("a.out", "by hand")], &[]);
    assert_eq!(story(&past.follow(&last)), "p/b@4(input/a.out)<unknown p/a");
}

#[test]
fn a_folder_is_followed_to_the_run_that_gave_it_so() {
    let mut past = Past::new();
    for version in ["1", "2", "2"] {
        past.run("p/a", &[("a.py", version)], &[("a.out/", version)]);
        past.run("p/b", &[("a.out/", version)], &[]);
    }
    let last = past.run("p/b", &[("a.out/", "2"), ("b.py", "1")], &[]);
    let second = past.store.entries_of("p/b", 3).unwrap().remove(2);
    assert_eq!(second.time, 4);
    assert_eq!(
        story(&past.follow(&second)),
        "p/b@4(input/a.out)<p/a@3(code/a.py)"
    );
    assert_eq!(story(&past.follow(&last)), "p/b@7(code/b.py)");
}

#[test]
fn a_folder_that_somebody_else_filled_is_nobodys() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("a.out/", "1")]);
    past.run("p/b", &[("a.out/", "1")], &[]);
    let last = past.run("p/b", &[("a.out/", "by hand")], &[]);
    assert_eq!(story(&past.follow(&last)), "p/b@3(input/a.out)<unknown p/a");
}

#[test]
fn a_file_in_a_folder_that_nobody_writes_whole_is_followed_by_itself() {
    let mut past = Past::new();
    for version in ["1", "2"] {
        past.run("p/file", &[("a.py", version)], &[("in/file.out", version)]);
        past.run("p/b", &[("in/", version)], &[]);
    }
    let last = past.store.entries_of("p/b", 1).unwrap().remove(0);
    let cause = follow(&past.store, &last, &|path| {
        (path.to_string() == "in/file.out").then(|| "p/file".to_owned())
    });
    assert_eq!(story(&cause), "p/b@4(input/in)<p/file@3(code/a.py)");
    assert_eq!(cause.upstream[0].paths[0].to_string(), "in/file.out");
}

#[test]
fn two_outputs_of_one_run_are_one_cause_and_a_diamond_is_told_once() {
    let mut past = Past::new();
    for version in ["1", "2"] {
        past.run(
            "p/a",
            &[("a.py", version)],
            &[("a.out", version), ("a2.out", version)],
        );
        past.run("p/b", &[("a.out", version)], &[("b.out", version)]);
        past.run("p/c", &[("a.out", version)], &[("c.out", version)]);
        past.run("p/d", &[("b.out", version), ("c.out", version)], &[]);
    }
    let last = past.store.entries_of("p/d", 1).unwrap().remove(0);
    assert_eq!(
        story(&past.follow(&last)),
        "p/d@8(input/b.out input/c.out)<p/b@6(input/a.out)<p/a@5(code/a.py)\
         <p/c@7(input/a.out)<told p/a@5"
    );
    let inputs = |version| [("a.out", version), ("a2.out", version)];
    past.run("p/e", &inputs("1"), &[]);
    let both = past.run("p/e", &inputs("2"), &[]);
    let cause = follow(&past.store, &both, &|_| Some("p/a".to_owned()));
    assert_eq!(cause.upstream.len(), 1);
    assert_eq!(cause.upstream[0].paths.len(), 2);
}

#[test]
fn steps_that_feed_each_other_make_no_loop() {
    let mut past = Past::new();
    for version in ["1", "2", "3"] {
        past.run("p/a", &[("b.out", version)], &[("a.out", version)]);
        past.run("p/b", &[("a.out", version)], &[("b.out", version)]);
    }
    let last = past.store.entries_of("p/b", 1).unwrap().remove(0);
    assert_eq!(
        story(&past.follow(&last)),
        "p/b@6(input/a.out)<p/a@5(input/b.out)<unknown p/b"
    );
}

#[test]
fn a_chain_has_an_end() {
    let mut past = Past::new();
    let inputs: Vec<_> = (0..100).map(|n| format!("{n}.out")).collect();
    let outputs: Vec<_> = (1..101).map(|n| format!("{n}.out")).collect();
    for version in ["1", "2"] {
        for (number, (input, output)) in inputs.iter().zip(&outputs).enumerate() {
            let label = format!("p/{}", number + 1);
            past.run(&label, &[(input, version)], &[(output, version)]);
        }
    }
    let last = past.store.entries_of("p/100", 1).unwrap().remove(0);
    let story = story(&past.follow(&last));
    assert!(
        story.ends_with("<p/36@136(input/35.out)<further p/35@135"),
        "{story}"
    );
}

#[test]
fn history_knows_who_wrote_what() {
    let mut past = Past::new();
    past.run("p/a", &[("a.py", "1")], &[("x", "1"), ("y/z", "1")]);
    past.run("p/b", &[("b.py", "1")], &[("x", "2")]);
    let writers = writers_in_history(&past.store, "p");
    let writers: Vec<_> = writers
        .iter()
        .map(|(path, label)| format!("{path} {label}"))
        .collect();
    assert_eq!(writers, ["x p/b", "y/z p/a"]);
    assert!(writers_in_history(&past.store, "elsewhere").is_empty());
}
