//! `cargo xtask loc`: how large each crate is, and its longest file.

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, root};

pub(crate) fn run() -> Outcome {
    println!("| part | files | lines | comments and docs | longest file |");
    println!("| --- | ---: | ---: | ---: | --- |");
    for part in parts()? {
        let (mut lines, mut comments, mut longest) = (0, 0, (0, PathBuf::new()));
        let files = rust_files(&part)?;
        for file in &files {
            let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
            let count = text.lines().count();
            lines += count;
            comments += text
                .lines()
                .filter(|line| line.trim_start().starts_with("//"))
                .count();
            longest = longest.max((count, file.clone()));
        }
        let name = part.strip_prefix(root()).unwrap_or(&part).display();
        let file = longest.1.strip_prefix(&part).unwrap_or(&longest.1);
        let (count, files) = (longest.0, files.len());
        println!(
            "| {name} | {files} | {lines} | {comments} | {} ({count}) |",
            file.display()
        );
    }
    Ok(())
}

/// Lists the folders that hold Rust of their own: sources and tests of each crate.
fn parts() -> Outcome<Vec<PathBuf>> {
    let mut crates: Vec<PathBuf> = std::fs::read_dir(root().join("crates"))
        .map_err(|error| error.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    crates.sort();
    crates.push(root().join("xtask"));
    let folders = |dir: PathBuf| ["src", "tests"].map(|name| dir.join(name));
    Ok(crates
        .into_iter()
        .flat_map(folders)
        .filter(|dir| dir.is_dir())
        .collect())
}

fn rust_files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
