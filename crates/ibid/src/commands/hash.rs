//! `ibid hash`: digests of files as `b3sum` prints them, and of folders as keys hold them.

use std::path::Path;
use std::sync::Arc;

use ibid_core::config::Overrides;
use ibid_core::fs::{FileKind, Meter, Signature};
use ibid_core::scan::{Filter, ScanError, Scanner};
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
    for path in &args.paths {
        let found = content_of(&scanner, &context.dir.join(path), path, args.tree)?;
        if context.console.is_json() {
            let mut entry = value::content_json(found.resolved());
            entry["path"] = people::path(path).into();
            listed.push(entry);
        } else {
            let line = format!("{}  {}\n", hex(&found), people::path(path));
            context.console.data(line.as_bytes())?;
        }
    }
    context.console.end();
    if context.console.is_json() {
        context.console.json_data(&json!({ "hashes": listed }))?;
    }
    Ok(Exit::OK)
}

fn content_of(
    scan: &Scanner<'_>,
    path: &Path,
    typed: &Path,
    tree: bool,
) -> Result<Content, Failure> {
    let is_dir = Signature::of(path).is_ok_and(|found| found.kind() == FileKind::Dir);
    if is_dir && !tree {
        return Err(
            Failure::usage(format!("`{}` is a folder", people::path(typed)))
                .hint("`--tree` hashes folders with everything below them"),
        );
    }
    let hashed = Filter::inputs(&[]).and_then(|filter| scan.content(path, &filter));
    match hashed {
        Ok(scanned) => Ok(scanned.content),
        Err(error) => Err(scan_failure(&error)),
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
