//! The command line of ibid.
fn main() {}
