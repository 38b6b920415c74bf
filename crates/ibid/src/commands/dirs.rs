//! `ibid dirs`: where things live, and why there. Makes nothing.

use std::fmt::Write as _;
use std::path::Path;

use ibid_core::config::Overrides;
use ibid_core::dirs::Origin;
use serde_json::{Value, json};

use crate::args::DirsArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::people;

pub(super) fn run(_args: &DirsArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, Overrides::default())?;
    let (cache, tmp) = (session.dirs.cache(), session.dirs.tmp());
    let local = session.local_dir();
    let rows: [(&str, Option<(&Path, &Origin)>); 3] = [
        ("cache", Some((&cache.path, &cache.origin))),
        ("tmp", Some((&tmp.path, &tmp.origin))),
        ("local", local.as_ref().map(|dir| (&*dir.path, &dir.origin))),
    ];
    if context.console.is_json() {
        let dirs = rows.into_iter().map(|(name, dir)| {
            let dir = dir.map(
                |(path, origin)| json!({"path": people::path(path), "origin": origin.to_string()}),
            );
            (name.to_owned(), dir.unwrap_or(Value::Null))
        });
        let mut dirs: serde_json::Map<_, _> = dirs.collect();
        dirs.insert("root".to_owned(), people::path(&session.root).into());
        context.console.json_data(&dirs.into())?;
        return Ok(Exit::OK);
    }
    let mut text = String::new();
    for (name, dir) in rows {
        let _ = match dir {
            Some((path, origin)) => writeln!(text, "{name:<6} {}  ({origin})", people::path(path)),
            None => writeln!(
                text,
                "{name:<6} (none: no folder on a file system of this host)"
            ),
        };
    }
    let _ = writeln!(text, "{:<6} {}", "root", people::path(&session.root));
    context.console.data(text.as_bytes())?;
    Ok(Exit::OK)
}
