//! What people write, and names that come from elsewhere: any answer but a panic, and no path that
//! leads out.

use std::path::Path;

use super::Target;
use crate::action::{DocumentFormat, EnvMode, parse_duration};
use crate::digest::Key;
use crate::digest::encoding::{Encoder, Value};
use crate::fs::FileKind;
use crate::pipeline::{self, Source};
use crate::scan::Pattern;
use crate::scan::programs::shell_words;
use crate::tree::{Escaped, Place, RelPath};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "pipeline",
        run: pipeline_file,
        seeds: || texts(&[PIPELINE]),
    },
    Target {
        name: "json",
        run: |bytes| document(DocumentFormat::Json, bytes),
        seeds: || texts(&[r#"{"a": [1, 2.5, -0.0, 1e3, "b\n", null, true]}"#]),
    },
    Target {
        name: "toml",
        run: |bytes| document(DocumentFormat::Toml, bytes),
        seeds: || texts(&["a = 1\nb = [1.5, 2026-01-01T00:00:00Z]\n[c]\nd = '''x'''\n"]),
    },
    Target {
        name: "yaml",
        run: |bytes| document(DocumentFormat::Yaml, bytes),
        seeds: || texts(&["a: &x [1, 0x10, .5, yes]\nb: *x\nc: |\n  text\n? d\n: !!str 7\n"]),
    },
    Target {
        name: "shell",
        run: |bytes| drop(shell_words(bytes)),
        seeds: || {
            texts(&["python3 \"a b.py\" < in.txt | sort -u > 'out' && env X=1 $(cat y) # z\n"])
        },
    },
    Target {
        name: "path",
        run: path,
        seeds: || texts(&["a/b/../c", "/etc/passwd", "../x", "./a//b/"]),
    },
    Target {
        name: "pattern",
        run: pattern,
        seeds: || texts(&["data/**/*.csv\0data/a/b.csv", "a[!b-d]?{x,y}\0abcx"]),
    },
    Target {
        name: "words",
        run: words,
        seeds: || texts(&["1h30m", "30d", "blake3:00", "00ff"]),
    },
];

const PIPELINE: &str = r#"
[pipeline]
name = "p"
[params]
x = 2
[steps.a]
run = "cut -f1 {inputs.raw} > {outputs} # {params.x} {{x}}"
inputs = { raw = "in.txt" }
outputs = ["a.txt"]
ttl = "1d"
[steps.b]
matrix = { s = ["u", "v"], t = [1, 2.5] }
run = ["cat", "a.txt", "{matrix.s}"]
inputs = ["a.txt", "data/*.csv"]
outputs = ["b-{matrix.s}-{matrix.t}/"]
env = ["HOME", "N=1"]
resources = { cpus = 2, memory = "4G" }
"#;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Nothing stands at the root, so a file of steps is all that is read.
fn pipeline_file(bytes: &[u8]) {
    let root = Path::new("/nonexistent/ibid");
    let loaded = pipeline::load(&Source {
        root,
        path: &root.join("ibid.toml"),
        bytes,
        env_mode: EnvMode::Strict,
    });
    if let Err(mistake) = loaded {
        // The place and the excerpt are made when it is shown.
        assert!(!mistake.to_string().is_empty());
    }
}

/// Whatever is accepted can be encoded, and is read back the same.
fn document(format: DocumentFormat, bytes: &[u8]) {
    if let Ok(value) = format.parse(bytes) {
        let mut encoder = Encoder::new();
        encoder.value(&value);
        assert_eq!(Value::decode(&encoder.finish()), Ok(value));
    }
}

fn path(bytes: &[u8]) {
    if let Ok(path) = RelPath::new(bytes) {
        assert_eq!(path.as_bytes(), bytes);
        let climbs = |name: &[u8]| matches!(name, b".." | b"." | b"") || name.contains(&0);
        assert!(path.is_root() || !path.components().any(climbs));
        assert!(path.below(Path::new("/r")).starts_with("/r"));
    }
    let root = Path::new("/r");
    let place = Place::resolve(bytes, &RelPath::default(), root);
    if let Some(inside) = place.inside() {
        assert!(place.on_disk(root).starts_with(root));
        assert_eq!(place.on_disk(root), inside.below(root));
    }
    // What is printed moves no cursor.
    let shown = Escaped(bytes).to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

/// A pattern, a zero byte, and a path that it may match.
fn pattern(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |byte| *byte == 0);
    let text = halves.next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let path = RelPath::new(halves.next().unwrap_or_default());
    if let (Ok(pattern), Ok(path)) = (Pattern::new(text), path)
        && pattern.matches(&path, FileKind::File)
    {
        let above = std::iter::successors(path.parent(), RelPath::parent);
        for folder in above.take_while(|folder| !folder.is_root()) {
            let reached = pattern.prefix().strip_prefix(&folder).is_some();
            assert!(
                reached || pattern.may_match_below(&folder),
                "{text:?}: {folder:?}"
            );
        }
    }
}

fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = parse_duration(text);
    if let Ok(key) = text.parse::<Key>() {
        assert_eq!(key.to_string().parse::<Key>(), Ok(key));
    }
}
