//! The rules of the house that a compiler does not know: which module may import which, how long a
//! file may grow, that no file is forgotten, and who may call the operating system.
//!
//! `LAYERS` is the one table; ARCHITECTURE.md repeats it for people, and a test compares the two.

mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source::{Import, SourceFile};

/// The modules of `ibid-core`, lowest first. A module imports from strictly lower layers only.
/// The edge modules serve front doors; no other module knows them.
const LAYERS: &[(&str, Layer)] = &[
    ("digest", Layer::At(0)),
    ("environ", Layer::At(0)),
    ("fs", Layer::At(0)),
    ("tree", Layer::At(1)),
    ("scan", Layer::At(2)),
    ("action", Layer::At(2)),
    ("mistake", Layer::At(2)),
    ("store", Layer::At(3)),
    ("exec", Layer::At(3)),
    ("pipeline", Layer::At(3)),
    ("output", Layer::At(4)),
    ("engine", Layer::At(5)),
    ("maintain", Layer::At(5)),
    ("dirs", Layer::Edge(0)),
    ("config", Layer::Edge(1)),
    ("fuzzing", Layer::Edge(2)),
];

/// Imports that the table forbids and that are right all the same. With a third part, only that
/// item.
const ACCEPTED: &[(&str, &str, Option<&str>)] = &[
    // Hashing happens while copying, so the digest type is part of what `fs` answers.
    ("fs", "digest", None),
    // Errors print paths, and paths are printed in one way only.
    ("fs", "tree", Some("Escaped")),
    // Handles that nothing escapes from take paths that cannot climb, by their type.
    ("fs", "tree", Some("RelPath")),
];

/// What only one module may name, outside tests.
const ROOMS: &[(&[&str], Option<&str>)] = &[
    (&["std", "fs"], Some("fs")),
    (&["rustix", "fs"], Some("fs")),
    (&["std", "process", "Command"], Some("exec")),
    (&["std", "env"], None),
];

/// Plain types of those: naming one calls nothing.
const FREE: &[&[&str]] = &[
    &["std", "fs", "File"],
    &["std", "env", "consts"],
    &["rustix", "fs", "Mode"],
];

const MOST_LINES: usize = 800;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    At(u8),
    Edge(u8),
}

#[test]
fn modules_import_from_lower_layers_only() {
    let files = library();
    assert!(files.len() > 20, "the sources were found");
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let complain = |import| forbidden_edge(file, import);
            file.imports.iter().filter_map(complain)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upward_or_sideways_import_is_noticed() {
    let edges = |module: &str, text: &str| {
        let file = SourceFile::parse(PathBuf::from("x.rs"), &[module, "inner"], text);
        file.imports
            .iter()
            .filter_map(|import| forbidden_edge(&file, import))
            .count()
    };
    for (module, text, wrong) in [
        ("store", "use crate::digest::BlobId;", 0),
        ("store", "use crate::{digest::BlobId, exec::run, tree};", 1),
        ("store", "fn f() { crate::engine::step() }", 1),
        ("store", "use super::super::output as o;", 1),
        ("store", "use super::layout::Layout;", 0),
        ("store", "mod tests { use super::super::Inner; }", 0),
        (
            "store",
            "// use crate::engine;\n/// [`crate::engine`]\nstruct A;",
            0,
        ),
        (
            "store",
            "fn f() { println!(\"{}\", crate::engine::NAME) }",
            1,
        ),
        ("engine", "use crate::dirs::Dirs;", 1),
        ("engine", "use crate::maintain::gc;", 1),
        ("fs", "use crate::tree::Escaped;", 0),
        ("fs", "use crate::tree::{Escaped, Tree};", 1),
        ("fs", "#[error(\"{}\", crate::tree::Place(x))] struct E;", 1),
        ("store", "use crate::nowhere::X;", 1),
    ] {
        assert_eq!(edges(module, text), wrong, "{module}: {text}");
    }
}

#[test]
fn only_their_rooms_call_the_operating_system() {
    let wrong: Vec<String> = library()
        .iter()
        .flat_map(|file| {
            let complain = |import| foreign_call(file, import);
            file.imports.iter().filter_map(complain)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_call_outside_its_room_is_noticed() {
    let calls = |module: &str, text: &str| {
        let file = SourceFile::parse(PathBuf::from("x.rs"), &[module, "inner"], text);
        file.imports
            .iter()
            .filter_map(|import| foreign_call(&file, import))
            .count()
    };
    for (module, text, wrong) in [
        ("store", "use std::{fs, io};", 1),
        ("store", "use std::fs::{self, File};", 1),
        ("store", "use std::fs::File;", 0),
        ("store", "fn f() { std::fs::remove_file(p) }", 1),
        ("store", "#[cfg(test)] mod tests { use std::fs; }", 0),
        ("fs", "use std::fs;", 0),
        ("scan", "use rustix::fs::statx;", 1),
        ("exec", "use std::process::Command;", 0),
        ("scan", "use std::process::Command;", 1),
        ("config", "fn f() { std::env::var(\"HOME\") }", 1),
    ] {
        assert_eq!(calls(module, text), wrong, "{module}: {text}");
    }
}

#[test]
fn no_file_grows_beyond_what_one_reads_in_a_sitting() {
    let long: Vec<String> = workspace_sources()
        .into_iter()
        .filter_map(|path| {
            let lines = source::read(&path).lines().count();
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_file_is_forgotten() {
    let on_disk: BTreeSet<PathBuf> = workspace_sources().into_iter().collect();
    let declared: BTreeSet<PathBuf> = on_disk
        .iter()
        .filter(|path| is_crate_root(path))
        .flat_map(|root| source::module_tree(root))
        .map(|file| file.path)
        .collect();
    let forgotten: Vec<_> = on_disk.difference(&declared).collect();
    assert!(
        forgotten.is_empty(),
        "no `mod` declares these files: {forgotten:#?}"
    );
}

#[test]
fn the_architecture_page_shows_the_same_layers() {
    let page = source::read(&workspace().join("ARCHITECTURE.md"));
    let shown: BTreeSet<(String, String)> = page.lines().flat_map(layer_row).collect();
    let known: BTreeSet<(String, String)> = LAYERS
        .iter()
        .map(|(module, layer)| {
            let layer = match layer {
                Layer::At(number) => number.to_string(),
                Layer::Edge(_) => "edge".to_owned(),
            };
            (layer, (*module).to_owned())
        })
        .collect();
    for (layer, module) in &shown {
        let row = (layer.clone(), module.clone());
        assert!(known.contains(&row), "the page has `{module}` in {layer}");
    }
    for file in library() {
        if let [module] = file.module.as_slice() {
            let is_shown = shown.iter().any(|(_, shown)| shown == module);
            assert!(is_shown, "the page lacks `{module}`");
        }
    }
}

/// Takes the layer and the modules of a line like "| 0 | `fs`, `tree` | … |".
fn layer_row(line: &str) -> Vec<(String, String)> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let ["", layer, modules, ..] = cells.as_slice() else {
        return Vec::new();
    };
    if *layer != "edge" && layer.parse::<u8>().is_err() {
        return Vec::new();
    }
    modules
        .split(',')
        .map(|module| module.trim().trim_matches('`').to_owned())
        .map(|module| ((*layer).to_owned(), module))
        .collect()
}

/// Says why `import` may not stand in `file`, if it may not.
fn forbidden_edge(file: &SourceFile, import: &Import) -> Option<String> {
    let from = file.module.first()?;
    let [to, rest @ ..] = import.in_crate.as_deref()? else {
        return None;
    };
    let layer = |name: &str| LAYERS.iter().find(|row| row.0 == name).map(|row| row.1);
    let accepted = ACCEPTED.iter().any(|(a, b, item)| {
        a == from && b == to && item.is_none_or(|item| rest.first().is_some_and(|r| r == item))
    });
    let place = format!("{}:{}", file.path.display(), import.line);
    match (layer(from), layer(to)) {
        _ if from == to || accepted => None,
        (Some(a), Some(b)) if b < a => None,
        (Some(a), Some(b)) => Some(format!(
            "{place}: `{from}` ({a:?}) imports from `{to}` ({b:?})"
        )),
        (None, _) => Some(format!("{place}: `{from}` is in no layer")),
        (_, None) => Some(format!("{place}: `{to}` is in no layer")),
    }
}

/// Says whose room `import` breaks into, if it does.
fn foreign_call(file: &SourceFile, import: &Import) -> Option<String> {
    let path: Vec<&str> = import.path.iter().map(String::as_str).collect();
    let free = FREE.iter().any(|what| path.starts_with(what));
    if import.in_test || free {
        return None;
    }
    let (_, room) = ROOMS.iter().find(|(what, _)| path.starts_with(what))?;
    let at_home = *room == file.module.first().map(String::as_str) && room.is_some();
    let (place, line) = (file.path.display(), import.line);
    let room = room.unwrap_or("a front door");
    (!at_home).then(|| {
        let path = path.join("::");
        format!("{place}:{line}: `{path}` belongs to {room}")
    })
}

fn library() -> Vec<SourceFile> {
    source::module_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
}

fn workspace() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    dir.canonicalize().expect("the workspace is there")
}

/// Every Rust file of the workspace, but for what was built.
fn workspace_sources() -> Vec<PathBuf> {
    ["crates", "xtask"]
        .iter()
        .flat_map(|dir| source::rust_files(&workspace().join(dir)))
        .collect()
}

/// Says whether cargo compiles `path` without being told by a `mod`.
fn is_crate_root(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let parent = |up: usize| {
        let dir = path.ancestors().nth(up).and_then(Path::file_name);
        dir.and_then(|name| name.to_str()).unwrap_or_default()
    };
    let targets = ["tests", "benches", "examples", "bin", "fuzz_targets"];
    match parent(1) {
        "src" => name == "lib.rs" || name == "main.rs",
        dir if targets.contains(&dir) => true,
        _ => name == "build.rs" || (name == "main.rs" && targets.contains(&parent(2))),
    }
}
