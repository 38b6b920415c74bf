//! The command line as a user meets it: the built binary, in an environment of its own.

mod arguments;

use ibid_testkit::TestEnv;

/// Makes an environment around the binary under test.
fn test_env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_ibid"))
}
