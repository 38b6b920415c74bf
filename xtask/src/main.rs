//! Every chore of this repository: `cargo xtask CHORE`.
//!
//! Nothing here ships. A chore prints each command that it runs, so that it can be repeated by
//! hand, and ends with a status that says whether all went well.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "chores read their environment, run programs, touch files and print"
)]

mod bench;
mod count;
mod dist;
mod docs;
mod eyes;
mod fuzz;
mod gate;
mod lint;
mod loc;
mod resident;
mod shell;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

  test [-- ARGS]       all tests; the last line counts them (ARGS go to `cargo test`)
  lint                 format, clippy, docs, what may be linked in
  bench [NAME] [...]   time ibid beside other tools; `bench --help` tells more
  docs                 write the pages of the reference that are made of the binary
  fuzz [TARGET...]     every decoder under libFuzzer; `fuzz --help` tells more
  gate [NAME...]       campaigns: kills, faults, damage, races; `gate --help` tells more
  count [BINARY]       count instructions of short commands of the release
  dist                 build the static binary that is given away
  loc                  count the lines of each crate
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let chore = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let outcome = match chore.as_str() {
        // Its last line is the count, so a failure is told by the status alone.
        "test" => match test::run(&rest) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(message) => Err(message),
        },
        "lint" => lint::check(),
        "bench" => bench::run(&rest),
        "docs" => docs::write(),
        "fuzz" => fuzz::run_all(&rest),
        "gate" => gate::run(&rest),
        // Not for people: the gate starts it.
        "resident" => resident::run(&rest),
        "count" => count::print(&rest),
        "dist" => dist::print(),
        "loc" => loc::run(),
        "" | "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no chore `{other}`\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
