//! `cargo xtask dist`: the binary that is given away.
//!
//! Most of a short command is the start of its process, so the binary is made to start quickly. It
//! is static: nothing is looked for and bound. It lies at a fixed address: nothing is relocated,
//! and so no page is copied for that. And what short commands enter lies together: the kernel maps
//! a few dozen pages of the file and not some from each end. A plain `cargo build` stays dynamic
//! and relocatable, as distributions want it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::count;
use crate::shell::{Outcome, cargo, command, read, run, target, which};

const MUSL: &str = "x86_64-unknown-linux-musl";

/// Builds the static binary, and prints where it lies and how large it is.
pub(crate) fn print() -> Outcome {
    let path = build()?;
    let size = std::fs::metadata(&path).map_err(|error| error.to_string())?;
    println!("{} ({} KiB)", path.display(), size.len() / 1024);
    Ok(())
}
/// Where Rust links with LLD, which can put functions in an order.
const ORDERED: &str = "x86_64-unknown-linux-gnu";

/// Builds the static binary and returns where it lies.
///
/// With the musl target installed it depends on nothing at all; else glibc is linked in, which
/// serves as well unless user names come from a directory service.
pub(crate) fn build() -> Outcome<PathBuf> {
    let triple = triple()?;
    let dir = target().join(&triple);
    let built = dir.join("release").join("ibid");
    let order = dir.join("order-of-functions");
    if triple == ORDERED {
        if !order.exists() {
            write(&order, "")?;
        }
        run(&mut build_for("ibid", &triple, Some(&order)))?;
        put_in_order(&built, &order, &triple)?;
    } else {
        run(&mut build_for("ibid", &triple, None))?;
    }
    strip(&built, &dir.join("ibid"))
}

/// Builds the floors of the benchmark in the same way.
pub(crate) fn floor() -> Outcome<PathBuf> {
    let triple = triple()?;
    run(&mut build_for("ibid-floor", &triple, None))?;
    let dir = target().join(&triple);
    strip(
        &dir.join("release").join("ibid-floor"),
        &dir.join("ibid-floor"),
    )
}

fn triple() -> Outcome<String> {
    let installed = read(&mut command("rustup", &["target", "list", "--installed"]));
    let has_musl = installed.is_ok_and(|list| list.lines().any(|line| line == MUSL));
    if has_musl {
        Ok(MUSL.to_owned())
    } else {
        host()
    }
}

/// Prepares the build. Names of functions are kept, since their order is found by them.
fn build_for(package: &str, triple: &str, order: Option<&Path>) -> Command {
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Crelocation-model=static".to_owned(),
    ];
    if let Some(order) = order {
        let order = order.display();
        flags.push(format!("-Clink-arg=-Wl,--symbol-ordering-file={order}"));
        // Some functions are met that were made by the C library while it ran.
        flags.push("-Clink-arg=-Wl,--no-warn-symbol-ordering".to_owned());
    }
    let mut build = cargo(&["build", "--release", "--locked", "-p", package]);
    // A named target keeps build scripts and procedural macros dynamic, and this build apart.
    build.args(["--target", triple]);
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    build.env("CARGO_PROFILE_RELEASE_STRIP", "none");
    build
}

/// Links once more if the functions that short commands enter are not in order yet.
fn put_in_order(built: &Path, order: &Path, triple: &str) -> Outcome {
    let Some(functions) = count::functions(built)? else {
        eprintln!("valgrind is not installed: functions stay in the compiler's order");
        return Ok(());
    };
    let wanted = functions.join("\n") + "\n";
    if std::fs::read_to_string(order).is_ok_and(|last| last == wanted) {
        return Ok(());
    }
    write(order, &wanted)?;
    // Cargo knows nothing of that file, and links again where the binary is missing.
    let release = built.parent().expect("it lies in a folder");
    let deps = release.join("deps");
    let is_binary = |name: &str| name.starts_with("ibid-") && !name.contains('.');
    for entry in std::fs::read_dir(&deps).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.file_name().to_str().is_some_and(is_binary) {
            std::fs::remove_file(entry.path()).map_err(|error| error.to_string())?;
        }
    }
    run(&mut build_for("ibid", triple, Some(order)))
}

fn strip(built: &Path, to: &Path) -> Outcome<PathBuf> {
    if which("strip").is_none() {
        return Err("`strip` is not installed; it comes with the linker".to_owned());
    }
    let (from, out) = (built.to_string_lossy(), to.to_string_lossy());
    run(&mut command("strip", &["-s", "-o", &out, &from]))?;
    Ok(to.to_owned())
}

fn write(path: &Path, text: &str) -> Outcome {
    let dir = path.parent().expect("it lies in a folder");
    std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
    std::fs::write(path, text).map_err(|error| error.to_string())
}

fn host() -> Outcome<String> {
    let version = read(&mut command("rustc", &["--version", "--verbose"]))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "`rustc` does not say what it runs on".to_owned())
}
