//! Declared inputs and code to content.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::gather::{Gather, resolved};
use crate::action::InputRequest;
use crate::engine::error::Error;
use crate::output::Role;
use crate::scan::{PARALLEL_FILES, Pattern, ScanError, Scanned, Seen};
use crate::tree::{Content, Place, RelPath};

/// What was declared, resolved.
pub(super) struct Declared {
    pub(super) named: BTreeMap<Vec<u8>, Content>,
    pub(super) by_content: Vec<Content>,
}

/// Resolves the declared inputs.
pub(super) fn declared(gather: &mut Gather<'_>) -> Result<Declared, Error> {
    let mut declared = Declared {
        named: BTreeMap::new(),
        by_content: Vec::new(),
    };
    for request in &gather.step.inputs {
        gather.seen.extend(request.way().and_then(Seen::real));
        match request {
            InputRequest::Path {
                place, dir_only, ..
            } => {
                let mut scanned = gather.content(place, Role::Input)?;
                if *dir_only {
                    scanned = scanned.require_dir(&place.on_disk(gather.root))?;
                }
                declared
                    .named
                    .insert(place.key_name().to_vec(), scanned.content);
            }
            InputRequest::Glob { pattern } => glob(gather, pattern, &mut declared.named)?,
            InputRequest::ByContent { place, .. } => {
                let scanned = gather.content(place, Role::Input)?;
                declared.by_content.push(resolved(&scanned.content));
            }
        }
    }
    Ok(declared)
}

fn glob(
    gather: &mut Gather<'_>,
    pattern: &str,
    named: &mut BTreeMap<Vec<u8>, Content>,
) -> Result<(), Error> {
    let matches = gather
        .scanner
        .glob(&Pattern::new(pattern)?, &gather.filter)?;
    gather.seen.push(matches.seen);
    let scan = |path: &RelPath| {
        gather
            .scanner
            .content(&path.below(gather.root), &gather.filter)
    };
    let scanned: Vec<Scanned> = if matches.paths.len() > PARALLEL_FILES {
        matches
            .paths
            .par_iter()
            .map(scan)
            .collect::<Result<_, _>>()?
    } else {
        matches.paths.iter().map(scan).collect::<Result<_, _>>()?
    };
    for (path, scanned) in matches.paths.into_iter().zip(scanned) {
        let name = path.as_bytes().to_vec();
        let scanned = gather.keep(&Place::Inside(path), Role::Input, scanned);
        named.insert(name, scanned.content);
    }
    Ok(())
}

/// Resolves the files that are declared as code.
pub(super) fn code(gather: &mut Gather<'_>) -> Result<BTreeMap<Vec<u8>, Content>, Error> {
    let mut code = BTreeMap::new();
    for place in &gather.step.code {
        let content = code_file(gather, place)?;
        code.insert(place.key_name().to_vec(), content);
    }
    Ok(code)
}

/// Resolves one code file.
pub(super) fn code_file(gather: &mut Gather<'_>, place: &Place) -> Result<Content, Error> {
    let path: PathBuf = place.on_disk(gather.root);
    let scanned = gather.content(place, Role::Code)?;
    match scanned.content.resolved() {
        Content::Tree(_) => Err(ScanError::IsDirectory(path).into()),
        _ => Ok(scanned.content),
    }
}
