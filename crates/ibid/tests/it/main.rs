//! The command line as a user meets it: the built binary, in an environment of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make the files and pipes that they hand to the binary"
)]

mod arguments;
mod bad_input;
mod campaigns;
mod exec;
mod hash;
mod settings;
mod signals;
mod stored;

use ibid_testkit::TestEnv;

/// Makes an environment around the binary under test.
fn test_env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_ibid"))
}
