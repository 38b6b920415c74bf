//! The file's form: JSON with one component and one output a line.
//!
//! Reading is strict where a decision rests on it: unknown fields, another schema, a digest that
//! is none, times that do not agree, and a `check` that does not fit make it no manifest. White
//! space does not count, since version control may change the ends of lines.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use super::Manifest;
use super::text::{escape, unescape};
use crate::action::Moment;
use crate::digest::{BlobId, Digest, Key, TreeId};
use crate::store::{Outcome, OutputContent, StoredAs, StoredOutput};
use crate::tree::RelPath;

/// The version of the form. A later one is another number, and is not read here.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    schema: u32,
    step: String,
    key: String,
    exit_code: u8,
    components: Vec<(String, String)>,
    outputs: Vec<OutputForm>,
    versions: BTreeMap<String, String>,
    metadata: BTreeMap<String, serde_json::Value>,
    started: String,
    finished: String,
    duration_ns: u64,
    host: String,
    user: Option<String>,
    ibid: String,
    check: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputForm {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    executable: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
}

/// What of an output the store was given, where that is not its content.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Digest,
    Keep,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    Folder,
    Link,
}

/// Writes a manifest.
pub(super) fn encode(manifest: &Manifest) -> Vec<u8> {
    let finished = manifest.started.saturating_add(manifest.duration);
    let form = Form {
        schema: SCHEMA,
        step: manifest.label.clone(),
        key: manifest.key.to_string(),
        exit_code: manifest.outcome.exit_code,
        components: manifest.components.clone(),
        outputs: manifest.outcome.outputs.iter().map(output).collect(),
        versions: manifest.versions.clone(),
        metadata: manifest.metadata.clone(),
        started: Moment(manifest.started).to_string(),
        finished: Moment(finished).to_string(),
        duration_ns: manifest.duration,
        host: manifest.host.clone(),
        user: manifest.user.clone(),
        ibid: manifest.version.clone(),
        check: manifest.check().to_string(),
    };
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Lines::default());
    form.serialize(&mut serializer)
        .expect("a form has text keys only, and memory takes it");
    bytes.push(b'\n');
    bytes
}

/// Reads a manifest; `None` where it is damaged or of another schema.
pub(super) fn decode(bytes: &[u8]) -> Option<Manifest> {
    let form: Form = serde_json::from_slice(bytes).ok()?;
    if form.schema != SCHEMA {
        return None;
    }
    let outputs: Option<Vec<_>> = form.outputs.into_iter().map(stored).collect();
    let manifest = Manifest {
        label: form.step,
        key: Key::new(exact_digest(&form.key)?),
        outcome: Outcome {
            exit_code: form.exit_code,
            outputs: outputs?,
        },
        started: form.started.parse::<Moment>().ok()?.0,
        duration: form.duration_ns,
        host: form.host,
        user: form.user,
        version: form.ibid,
        components: form.components,
        versions: form.versions,
        metadata: form.metadata,
    };
    let finished = manifest.started.checked_add(manifest.duration)?;
    let agrees =
        form.finished == Moment(finished).to_string() && form.check == manifest.check().to_string();
    agrees.then_some(manifest)
}

fn exact_digest(text: &str) -> Option<Digest> {
    let digest: Digest = text.parse().ok()?;
    (digest.to_string() == text).then_some(digest)
}

fn output(output: &StoredOutput) -> OutputForm {
    let form = |kind| OutputForm {
        name: escape(&output.name),
        path: output.at.as_ref().map(|path| escape(path.as_bytes())),
        kind,
        executable: None,
        size: None,
        digest: None,
        text: None,
        stored: match output.stored_as {
            StoredAs::Content => None,
            StoredAs::Digest => Some(Stored::Digest),
            StoredAs::Keep => Some(Stored::Keep),
        },
    };
    match &output.content {
        OutputContent::File {
            executable,
            size,
            blob,
        } => OutputForm {
            executable: Some(*executable),
            size: Some(*size),
            digest: Some(blob.to_string()),
            ..form(Kind::File)
        },
        OutputContent::Tree(tree) => OutputForm {
            digest: Some(tree.to_string()),
            ..form(Kind::Folder)
        },
        OutputContent::Link(text) => OutputForm {
            text: Some(escape(text)),
            ..form(Kind::Link)
        },
    }
}

fn stored(form: OutputForm) -> Option<StoredOutput> {
    let OutputForm {
        name,
        path,
        kind,
        executable,
        size,
        digest,
        text,
        stored,
    } = form;
    let digest = match digest {
        Some(digest) => Some(exact_digest(&digest)?),
        None => None,
    };
    let content = match (kind, executable, size, digest, text) {
        (Kind::File, Some(executable), Some(size), Some(digest), None) => OutputContent::File {
            executable,
            size,
            blob: BlobId::new(digest),
        },
        (Kind::Folder, None, None, Some(digest), None) => OutputContent::Tree(TreeId::new(digest)),
        (Kind::Link, None, None, None, Some(text)) => OutputContent::Link(unescape(&text)?),
        _ => return None,
    };
    let at = match path {
        Some(path) => Some(RelPath::new(unescape(&path)?).ok()?),
        None => None,
    };
    Some(StoredOutput {
        name: unescape(&name)?,
        at,
        content,
        stored_as: match stored {
            None => StoredAs::Content,
            Some(Stored::Digest) => StoredAs::Digest,
            Some(Stored::Keep) => StoredAs::Keep,
        },
    })
}

/// Prints the outermost object and what it holds a line each, everything deeper on one line.
#[derive(Default)]
struct Lines {
    depth: usize,
    is_empty: bool,
}

impl Lines {
    fn open<W: io::Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(bracket)
    }

    fn close<W: io::Write + ?Sized>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty && self.depth < 2 {
            self.line(writer)?;
        }
        self.is_empty = false;
        writer.write_all(bracket)
    }

    fn next<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_empty = false;
        match (first, self.depth > 2) {
            (true, true) => Ok(()),
            (false, true) => writer.write_all(b", "),
            (true, false) => self.line(writer),
            (false, false) => {
                writer.write_all(b",")?;
                self.line(writer)
            }
        }
    }

    fn line<W: io::Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
