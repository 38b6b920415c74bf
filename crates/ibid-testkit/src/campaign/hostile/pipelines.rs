//! Hostile files of steps, and hostile manifests beside a step that has lost its store.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::snapshot::remove;
use super::ESCAPES;
use super::cbor::{bytes, null, text, uint};
use super::forms::{Digest, ResultForm, RunForm, file, link, output, tree};
use super::play::{Act, Case, Expect, Met, Playing};
use super::scene::{Scene, digest_of};

/// A pipeline that is a pipeline.
const STEPS: &str = "[pipeline]\nname = \"p\"\n[steps.make]\nrun = \"echo made > {outputs}\"\n\
                     outputs = [\"made/out\"]\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = files();
    cases.extend(matrices());
    cases.extend(manifests());
    cases.extend(places());
    cases
}

/// A file of steps; `codes` are decent ends of a run of it.
fn written(name: impl Into<String>, codes: &'static [i32], content: impl Into<Vec<u8>>) -> Case {
    let content = content.into();
    let plant = move |scene: &Scene| drop(scene.env.write("ibid.toml", &content));
    // The workspace's own files are looked at after planting.
    Case::step("ibid.toml", name, Expect::Fresh, plant).acting(Act::Pipeline(codes))
}

fn quoted(word: &str) -> String {
    Value::from(word)
        .to_string()
        .replace('\u{7f}', "\\u007f")
        .replace('\u{9b}', "\\u009b")
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn files() -> Vec<Case> {
    let with = |line: &str| format!("{STEPS}{line}\n");
    let step = |name: &str| format!("[steps.{}]\nrun = \"true\"\noutputs = []\n", quoted(name));
    let outputs = |path: &str| {
        format!(
            "[steps.make]\nrun = \"true\"\noutputs = [{}]\n",
            quoted(path)
        )
    };
    let escapes = quoted(ESCAPES);
    let mut cases = vec![
        written("the usual one", &[0], STEPS),
        written("empty", &[0, 2], ""),
        written(
            "not UTF-8",
            &[2],
            [STEPS.as_bytes(), b"# \xff\xfe\n"].concat(),
        ),
        written("NUL", &[2], [STEPS.as_bytes(), b"\0"].concat()),
        written(
            "raw escapes in a comment",
            &[0, 2],
            with(&format!("# {ESCAPES}")),
        ),
        written(
            "raw escapes in a wrong line",
            &[2],
            with(&format!("x\u{1b}[31m = {ESCAPES}")),
        ),
        written(
            "an unknown field of escapes",
            &[2],
            with(&format!("{escapes} = 1")),
        ),
        written(
            "an unknown table of escapes",
            &[2],
            with(&format!("[{escapes}]")),
        ),
        written(
            "an unknown value of escapes",
            &[2],
            with(&format!("isolate = {escapes}")),
        ),
        written(
            "an unknown word of escapes",
            &[2],
            with("inputs = [\"{\\u001b[31m}\"]"),
        ),
        written(
            "arrays 100,000 deep",
            &[2],
            with(&format!("params = {}", "[".repeat(100_000))),
        ),
        written(
            "tables 10,000 deep",
            &[2],
            with(&format!("[params{}]", ".a".repeat(10_000))),
        ),
        written(
            "16 MiB of one line",
            &[0, 2],
            with(&format!("# {}", "x".repeat(16 << 20))),
        ),
        written(
            "a mebibyte in quotes",
            &[0, 2],
            with(&format!("description = \"{}\"", "x".repeat(1 << 20))),
        ),
        written(
            "a description of escapes",
            &[0, 2],
            with(&format!("description = {escapes}")),
        ),
        written(
            "metadata of escapes",
            &[0, 2],
            with(&format!("metadata = {{ {escapes} = {escapes} }}")),
        ),
        written(
            "a salt of escapes",
            &[0, 2],
            with(&format!("salt = {escapes}")),
        ),
        written(
            "a pipeline of escapes",
            &[2],
            STEPS.replace("\"p\"", &escapes),
        ),
        written(
            "a pipeline that climbs",
            &[0, 2],
            STEPS.replace("\"p\"", "\"../../p\""),
        ),
        written(
            "a circle",
            &[2],
            "[steps.a]\nrun = \"true\"\ninputs = [\"x\"]\noutputs = [\"y\"]\n[steps.b]\nrun = \"true\"\ninputs = [\"y\"]\noutputs = [\"x\"]\n",
        ),
        written(
            "a file of steps that includes itself",
            &[2],
            with("include = [\"ibid.toml\"]"),
        ),
        written(
            "a variable of escapes",
            &[0, 2],
            with(&format!("env = {{ A = {escapes} }}")),
        ),
        written(
            "a variable with a name of escapes",
            &[0, 2],
            with(&format!("env = {{ {escapes} = \"1\" }}")),
        ),
        written(
            "a program of escapes",
            &[1, 2, 126, 127],
            STEPS.replace("\"echo made > {outputs}\"", &format!("[{escapes}]")),
        ),
        written(
            "a folder that climbs",
            &[0, 1, 2],
            with("dir = \"../canary\""),
        ),
        written(
            "an input that climbs",
            &[0, 1, 2],
            with("inputs = [\"../canary/secret\"]"),
        ),
        written(
            "an input of escapes",
            &[1, 2],
            with(&format!("inputs = [{escapes}]")),
        ),
        written(
            "code of escapes",
            &[1, 2],
            with(&format!("code = [{escapes}]")),
        ),
    ];
    for (name, path) in [
        ("climbs", "../canary/x"),
        ("is absolute", "/proc/ibid-evil"),
        ("is the root", "."),
        ("is two dots", ".."),
        ("is empty", ""),
        ("is in .ibid", ".ibid/x"),
        ("is in .git", ".git/x"),
        ("holds NUL", "a\0b"),
        ("has escapes", ESCAPES),
        ("is everything", "**"),
        ("is a pattern that climbs", "../*"),
        ("is a pattern of 100,000 stars", &"*".repeat(100_000)),
        ("is 100,000 levels deep", &"a/".repeat(100_000)),
        ("has 10,000 braces", &"{a,b}".repeat(10_000)),
    ] {
        cases.push(written(
            format!("an output that {name}"),
            &[1, 2, 125],
            outputs(path),
        ));
    }
    for (name, word) in [
        ("climbs", "../../canary/x"),
        ("is absolute", "/etc/x"),
        ("is two dots", ".."),
        ("is empty", ""),
        ("has NUL", "a\0"),
        ("has escapes", ESCAPES),
        ("has 1,000 letters", &"n".repeat(1000)),
        ("is a flag", "--force"),
        ("is a key", &"ab".repeat(32)),
        ("is not ASCII", "schön"),
    ] {
        cases.push(written(format!("a step that {name}"), &[0, 2], step(word)));
    }
    cases
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn matrices() -> Vec<Case> {
    let matrix = |values: &str| {
        format!(
            "[steps.m]\nmatrix = {values}\nrun = \"echo made > {{outputs}}\"\n\
             outputs = [\"made/{{matrix.a}}\"]\n"
        )
    };
    let escapes = quoted(ESCAPES);
    let axis = (0..400)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(",");
    vec![
        written(
            "a matrix that climbs",
            &[1, 2],
            matrix("{ a = [\"../../canary/x\"] }"),
        ),
        written(
            "a matrix of absolute paths",
            &[0, 1, 2],
            matrix("{ a = [\"/canary\"] }"),
        ),
        written("a matrix of two dots", &[1, 2], matrix("{ a = [\"..\"] }")),
        written(
            "a matrix of escapes",
            &[0, 1, 2],
            matrix(&format!("{{ a = [{escapes}] }}")),
        ),
        written("a matrix of nothing", &[0, 2], matrix("{ a = [] }")),
        written(
            "a matrix of one value twice",
            &[2],
            matrix("{ a = [1, 1] }"),
        ),
        written(
            "a matrix of equal places",
            &[2],
            matrix("{ a = [\"x\", \"./x\"] }"),
        ),
        written(
            "a matrix of NUL",
            &[1, 2],
            matrix("{ a = [\"a\\u0000b\"] }"),
        ),
        written(
            "a matrix with an axis of escapes",
            &[2],
            matrix(&format!("{{ a = [1], {escapes} = [1] }}")),
        ),
        written(
            "a matrix of 64,000,000 points",
            &[2],
            matrix(&format!("{{ a = [{axis}], b = [{axis}], c = [{axis}] }}")),
        ),
        written(
            "a matrix of quotes",
            &[0, 1, 2],
            matrix("{ a = [\"'; touch ../canary/x; '\"] }"),
        ),
        written(
            "a matrix of braces",
            &[0, 1, 2],
            matrix("{ a = [\"{params.x}{matrix.a}\"] }"),
        ),
    ]
}

/// Manifests: nothing is known in the store, so that they decide.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn manifests() -> Vec<Case> {
    let raw = |name: &'static str, make: fn(String) -> Vec<u8>| {
        manifest(name, move |_, path| {
            let good = fs::read_to_string(path).unwrap_or_default();
            fs::write(path, make(good)).is_ok()
        })
    };
    let with = |name: &'static str, field: &'static str, value: Value| {
        manifest(name, move |_, path| {
            let text = fs::read(path).unwrap_or_default();
            let Ok(mut form) = serde_json::from_slice::<Value>(&text) else {
                return false;
            };
            form[field] = value.clone();
            form["check"] = check(&form).into();
            fs::write(path, form.to_string()).is_ok()
        })
    };
    let one = |more: Value| {
        let mut output =
            json!({"name": "made/out", "kind": "file", "executable": false, "size": 5});
        output["digest"] = blob(&digest_of(b"made\n"));
        for (name, value) in more.as_object().into_iter().flatten() {
            output[name] = value.clone();
        }
        json!([output])
    };
    let evil = blob(&digest_of(b"evil\n"));
    vec![
        with("the usual one", "host", json!("another host")),
        raw("empty", |_| Vec::new()),
        raw("cut", |good| good.as_bytes()[..good.len() / 2].to_vec()),
        raw("arrays 100,000 deep", |_| "[".repeat(100_000).into_bytes()),
        raw("metadata 100,000 deep", |good| {
            let deep = format!("\"metadata\": {}", "[".repeat(100_000));
            good.replace("\"metadata\": {", &deep).into_bytes()
        }),
        raw("16 MiB", |_| vec![b' '; 16 << 20]),
        raw("another key", |good| {
            good.replace("\"key\": \"blake3:", "\"key\": \"blake3:0")
                .into_bytes()
        }),
        raw("the same field twice", |good| {
            good.replace("\"schema\": 1,", "\"schema\": 1, \"schema\": 1,")
                .into_bytes()
        }),
        with("a later schema", "schema", json!(2)),
        with("exit code 3", "exit_code", json!(3)),
        with("exit code 256", "exit_code", json!(256)),
        with("no outputs", "outputs", json!([])),
        with(
            "another output",
            "outputs",
            one(json!({"name": "precious", "digest": evil.clone()})),
        ),
        with(
            "an output that climbs",
            "outputs",
            one(json!({"name": "../canary/secret"})),
        ),
        with(
            "a match that climbs",
            "outputs",
            one(json!({"path": "../canary/secret"})),
        ),
        with(
            "an output of other bytes",
            "outputs",
            one(json!({"digest": evil})),
        ),
        with(
            "an output of 2^64-1 bytes",
            "outputs",
            one(json!({"size": u64::MAX})),
        ),
        with("an output twice", "outputs", {
            let one = one(json!({}));
            json!([one[0], one[0]])
        }),
        with(
            "a link for a file",
            "outputs",
            json!([{"name": "made/out", "kind": "link", "text": "../../canary/secret"}]),
        ),
        with("a step of escapes", "step", json!(ESCAPES)),
        with("a host of escapes", "host", json!(ESCAPES)),
        with("a user of escapes", "user", json!(ESCAPES)),
        with("a version of escapes", "ibid", json!(ESCAPES)),
        with(
            "components of escapes",
            "components",
            json!([[ESCAPES, ESCAPES]]),
        ),
        with("metadata of escapes", "metadata", json!({ESCAPES: ESCAPES})),
        with(
            "a time of the year 999999",
            "started",
            json!("+999999-01-01T00:00:00Z"),
        ),
    ]
}

/// Other things where the manifest stands.
fn places() -> Vec<Case> {
    vec![
        manifest("1 TiB of holes", |_, path| {
            let file = File::create(path);
            file.and_then(|file| file.set_len(1 << 40)).is_ok()
        }),
        manifest("255 MiB of holes", |_, path| {
            let file = File::create(path);
            file.and_then(|file| file.set_len(255 << 20)).is_ok()
        }),
        manifest("a FIFO", |_, path| {
            remove(path);
            let (kind, mode) = (rustix::fs::FileType::Fifo, 0o644.into());
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).is_ok()
        }),
        manifest("a folder", |_, path| {
            remove(path);
            fs::create_dir(path).is_ok()
        }),
        manifest("a link to the canary's file", |scene, path| {
            remove(path);
            symlink(scene.canary().join("secret"), path).is_ok()
        }),
        manifest("manifests in the canary", |scene, path| {
            let dir = path.parent().expect("it lies in a folder");
            remove(dir);
            symlink(scene.canary(), dir).is_ok()
        }),
        manifest(".ibid elsewhere", |scene, _| {
            remove(&scene.env.work(".ibid"));
            // The user's own link is followed for what is replaced; its folder is the user's.
            let elsewhere = scene.env.home("elsewhere");
            fs::create_dir_all(&elsewhere).is_ok()
                && symlink(elsewhere, scene.env.work(".ibid")).is_ok()
        }),
    ]
}

/// A manifest that the pipeline wrote, and then somebody else; the store is gone.
fn manifest(
    name: &'static str,
    change: impl Fn(&Scene, &PathBuf) -> bool + Send + Sync + 'static,
) -> Case {
    let plant = move |scene: &Scene| {
        scene.env.write("ibid.toml", STEPS);
        let ran = scene.env.run(["run"]);
        let path = scene.env.work(".ibid/manifests/make.json");
        assert!(path.exists(), "{}", ran.story());
        remove(&scene.env.cache());
        change(scene, &path)
    };
    Case::possible("manifest", name, Expect::Fresh, plant).acting(Act::Pipeline(&[0, 1, 2]))
}

/// Computes what a manifest gives as the digest of all that counts.
fn check(form: &Value) -> String {
    let word = |name: &str| text(form[name].as_str().unwrap_or_default());
    let number = |value: &Value| uint(value.as_u64().unwrap_or_default());
    let outputs = form["outputs"].as_array().cloned().unwrap_or_default();
    let one = |form: &Value| {
        let content = match form["kind"].as_str() {
            Some("folder") => tree(&digest(&form["digest"])),
            Some("link") => link(form["text"].as_str().unwrap_or_default()),
            _ => file(
                form["size"].as_u64().unwrap_or_default(),
                &digest(&form["digest"]),
            ),
        };
        let path = form["path"].as_str().map(str::as_bytes);
        output(form["name"].as_str().unwrap_or_default(), path, content)
    };
    // The time is that of the run, whatever the case says.
    let started = form["started"].as_str().unwrap_or_default();
    let result = ResultForm {
        format: uint(1),
        key: bytes(digest(&form["key"])),
        exit_code: number(&form["exit_code"]),
        outputs: outputs.iter().map(one).collect(),
        run: RunForm {
            record: bytes(digest_of(b"")),
            log: null(),
            started: uint(nanoseconds(started)),
            duration: number(&form["duration_ns"]),
            host: word("host"),
            user: form["user"].as_str().map_or_else(null, text),
            version: word("ibid"),
            label: word("step"),
        },
    };
    format!("blake3:{}", blake3::hash(&result.encode()).to_hex())
}

/// Reads a moment as ibid writes it, in this century.
fn nanoseconds(moment: &str) -> u64 {
    let numbers: Vec<u64> = moment
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect();
    let [year, month, day, hour, minute, second, fraction] = numbers[..] else {
        return 0;
    };
    // Days since 1970 by the rule of Howard Hinnant's calendar, with March as the first month.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let seconds = (days - 719_469) * 86_400 + hour * 3600 + minute * 60 + second;
    let digits = moment
        .rsplit_once('.')
        .map_or(0, |(_, rest)| rest.trim_end_matches('Z').len());
    let scale = 10_u64.pow(9_u32.saturating_sub(u32::try_from(digits).unwrap_or(9)));
    seconds * 1_000_000_000 + fraction * scale
}

fn blob(digest: &Digest) -> Value {
    format!("blake3:{}", blake3::Hash::from_bytes(*digest).to_hex()).into()
}

fn digest(text: &Value) -> Digest {
    let hex = text.as_str().and_then(|text| text.strip_prefix("blake3:"));
    let hash = hex.and_then(|hex| blake3::Hash::from_hex(hex).ok());
    hash.map_or([0; 32], |hash| *hash.as_bytes())
}

/// Asks about the pipeline and runs it, twice.
pub(super) fn play(playing: &mut Playing<'_>, codes: &[i32]) -> Met {
    let asked = [0, 1, 2, 125];
    let questions: [&[&str]; 7] = [
        &["status"],
        &["why"],
        &["log"],
        &["log", "--json"],
        &["stats"],
        &["show", "make"],
        &["config"],
    ];
    playing.ask(playing.scene.env.command().arg("plan"), &asked);
    for _ in 0..2 {
        let ended = playing.ask(playing.scene.env.command().arg("run"), codes);
        let made = fs::read(playing.scene.env.work("made/out"));
        let is_right = made.as_ref().is_ok_and(|made| made == b"made\n");
        if !is_right && (codes == [0] || made.is_ok()) {
            playing
                .wrong
                .push(format!("the output is wrong, exit code {:?}", ended.code));
        }
        for words in questions {
            playing.ask(playing.scene.env.command().args(words), &asked);
        }
    }
    Met::Ran
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn moments_are_read_as_they_are_written() {
        assert_eq!(nanoseconds("1970-01-01T00:00:00.000000001Z"), 1);
        assert_eq!(
            nanoseconds("2026-11-21T07:17:10.5Z"),
            1_795_245_430_500_000_000
        );
    }
}
