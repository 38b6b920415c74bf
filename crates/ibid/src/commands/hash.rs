//! `ibid hash`: digests of files as `b3sum` prints them, and of folders as keys hold them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ibid_core::config::Overrides;
use ibid_core::digest::BlobId;
use ibid_core::fs::Meter;
use ibid_core::scan::{Filter, ScanError, Scanner, each};
use ibid_core::tree::Content;
use serde_json::json;

use crate::args::HashArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{people, value};

pub(super) fn run(args: &HashArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, Overrides::default())?;
    let stats = session.stat_cache(args.no_stat_cache);
    let meter = Arc::new(Meter::new());
    let scanner = Scanner::new(&session.root, &stats, &meter);
    context.console.begin("hashing", &meter);
    let mut listed = Vec::new();
    let mut lines = String::new();
    let mut failed = None;
    let filter = Filter::inputs(&[]).map_err(|error| scan_failure(&error))?;
    let all = each(&args.paths, |path| {
        let full = context.place.dir.join(path);
        if args.tree {
            scanner.content(&full, &filter).map(|found| found.content)
        } else {
            file(&scanner, &full, &filter)
        }
    });
    for (path, found) in args.paths.iter().zip(all) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                failed = Some(failure(&error, path));
                break;
            }
        };
        if context.console.is_json() {
            let mut entry = value::content_json(found.resolved());
            entry["path"] = people::path(path).into();
            listed.push(entry);
        } else {
            let _ = writeln!(lines, "{}  {}", hex(&found), people::path(path));
        }
    }
    context.console.end();
    // One call for many lines: they are worth as much as the hashing of small files.
    context.console.data(lines.as_bytes())?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if context.console.is_json() {
        context.console.json_data(&json!({ "hashes": listed }))?;
    }
    Ok(Exit::OK)
}

/// Returns the content of a file; a folder is refused before anything in it is looked at.
fn file(scan: &Scanner<'_>, path: &Path, filter: &Filter) -> Result<Content, ScanError> {
    match scan.file_digest(path) {
        Ok(file) => Ok(Content::File {
            executable: file.signature.is_executable(),
            blob: BlobId::new(file.digest),
        }),
        // The way by links tells why there is nothing.
        Err(ScanError::Missing(_)) => scan.content(path, filter).map(|found| found.content),
        Err(error) => Err(error),
    }
}

fn failure(error: &ScanError, typed: &Path) -> Failure {
    match error {
        ScanError::IsDirectory(_) => {
            Failure::usage(format!("`{}` is a folder", people::path(typed)))
                .hint("`--tree` hashes folders with everything below them")
        }
        error => scan_failure(error),
    }
}

/// A path that the user named cannot be hashed.
fn scan_failure(error: &ScanError) -> Failure {
    Failure::of(exit::USAGE, error).hint("`ibid hash` takes files and folders that can be read")
}

fn hex(content: &Content) -> String {
    match content.resolved() {
        Content::File { blob, .. } => blob.hex(),
        Content::Tree(tree) => tree.hex(),
        Content::Link { .. } => unreachable!("a resolved content is no link"),
    }
}
