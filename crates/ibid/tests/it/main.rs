//! The command line as a user meets it: the built binary, in an environment of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make the files and pipes that they hand to the binary"
)]

mod arguments;
mod bad_input;
mod campaigns;
mod cite;
mod compile;
mod cost;
mod doors;
mod exec;
mod explain;
mod hash;
mod hostile;
mod lookback;
mod lookback_steps;
mod nested;
mod pipeline;
mod readme;
mod replaced;
mod run_events;
mod run_limits;
mod settings;
mod signals;
mod stored;
mod streams;
mod tutorial;

use ibid_testkit::TestEnv;

/// Makes an environment around the binary under test.
fn test_env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_ibid"))
}
