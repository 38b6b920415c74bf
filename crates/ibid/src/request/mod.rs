//! What was typed, checked and given its types.
//!
//! Every mistake on the command line ends here, with exit code 2 and a hint; what comes out can be
//! handed to the library as it is.

mod exec;
mod paths;
mod root;
mod words;

pub(crate) use self::exec::{exec, overrides};
pub(crate) use self::root::asked_root;
