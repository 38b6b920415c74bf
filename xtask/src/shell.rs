//! Running programs from the root of the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a chore answers: an error is one message for a person.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    dir.expect("xtask lies below the root").to_owned()
}

/// Returns the folder of everything that is built.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Says whether this runs in CI, where nothing that is missing may be passed over.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Returns where `program` lies on the search path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Prepares `program` with `arguments`, to run at the root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Prepares this toolchain's cargo.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    command(&cargo, arguments)
}

/// Runs a command and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Outcome {
    announce(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed: {status}", words(command))),
        Err(error) => Err(format!("`{}` could not run: {error}", words(command))),
    }
}

/// Runs a command and returns what it printed.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{}` could not run: {error}", words(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{}` failed: {}", words(command), output.status))
    }
}

/// Prints a command before it runs.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", words(command));
}

/// Shows a command as one would type it.
pub(crate) fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Builds the release binary, and says where it lies.
pub(crate) fn release() -> Outcome<PathBuf> {
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "ibid",
    ]))?;
    Ok(target().join("release/ibid"))
}
