//! Which links at declared outputs are outputs themselves, and not the user's way to where the
//! output belongs.
//!
//! Whoever takes one for the other writes through it to a file that nobody declared, so every
//! earlier run of the workspace is asked, and the result at hand. A link to what the step reads is
//! never a way: an output there would be refused. Neither is one to another output of the step: two
//! outputs are never one place, and so a link is known again where store and manifest are gone.

use super::context::Context;
use super::history;
use super::prepare::Prepared;
use crate::action::OutputKind;
use crate::fs::{FileKind, Signature, future_path, read_link};
use crate::output::{MadeLinks, made_links};
use crate::store::{OutputContent, StoredOutput};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Returns the links that stand at outputs of a step and were made by an earlier run. History is
/// only read if there is a link that `outputs`, those of the result at hand, do not know.
pub(super) fn standing(
    prepared: &Prepared,
    outputs: &[StoredOutput],
    cx: &Context<'_>,
) -> MadeLinks {
    let mut links: Vec<_> = prepared
        .action
        .outputs
        .iter()
        .filter_map(|output| match &output.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => {
                let path = place.on_disk(cx.root);
                let found = Signature::of_link(&path).ok()?;
                (found.kind() == FileKind::Link).then_some(())?;
                let text = read_link(&path).ok()?;
                Some((output.key_name().to_vec(), text, path))
            }
            OutputKind::Glob(_) => None,
        })
        .collect();
    let mut made = made_links(outputs);
    links.retain(|(name, text, _)| made.get(name) != Some(text));
    if links.is_empty() {
        return made;
    }
    let earlier = earlier(&links, prepared, cx);
    for (name, text, path) in links {
        if earlier.contains(&(name.clone(), text.clone()))
            || leads_to_input(&path, prepared, cx)
            || leads_to_output(&path, &text, prepared, cx)
        {
            made.insert(name, text);
        }
    }
    made
}

/// Returns those of the links, by name and text, that runs of this workspace made.
fn earlier(
    links: &[(Vec<u8>, Vec<u8>, PathBuf)],
    prepared: &Prepared,
    cx: &Context<'_>,
) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for output in history::outputs_here(prepared, cx) {
        if found.len() == links.len() {
            break;
        }
        let OutputContent::Link(text) = output.content else {
            continue;
        };
        let is_there =
            |(name, now, _): &&(Vec<u8>, Vec<u8>, PathBuf)| (name, now) == (&output.name, &text);
        if links.iter().any(|link| is_there(&link)) {
            found.insert((output.name, text));
        }
    }
    found
}

fn leads_to_input(path: &Path, prepared: &Prepared, cx: &Context<'_>) -> bool {
    let real = future_path(path);
    let mut reads = prepared.reads.iter();
    reads.any(|(_, place)| future_path(&place.on_disk(cx.root)).starts_with(&real))
}

/// Says whether the text of a link names another output, or what lies in one. Only this one link is
/// followed: the other output may be a way of the user itself.
fn leads_to_output(path: &Path, text: &[u8], prepared: &Prepared, cx: &Context<'_>) -> bool {
    let at = |path: &Path| {
        let (above, name) = (path.parent()?, path.file_name()?);
        Some(future_path(above).join(name))
    };
    let Some(above) = path.parent() else {
        return false;
    };
    let Some(target) = at(&above.join(OsStr::from_bytes(text))) else {
        return false;
    };
    let mut outputs = prepared.action.outputs.iter().map(|output| &output.kind);
    outputs.any(|output| match output {
        OutputKind::Path(place) | OutputKind::Dir(place) => {
            let output = place.on_disk(cx.root);
            output != path && at(&output).is_some_and(|output| target.starts_with(output))
        }
        OutputKind::Glob(_) => false,
    })
}
