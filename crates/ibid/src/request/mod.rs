//! What was typed, checked and given its types.
//!
//! Every mistake on the command line ends here, with exit code 2 and a hint; what comes out can be
//! handed to the library as it is.

mod exec;
mod paths;
mod root;
mod selection;
mod words;

pub(crate) use self::exec::{exec, execution_overrides, overrides};
pub(crate) use self::root::asked_root;
pub(crate) use self::selection::{Selection, selection};
pub(crate) use self::words::{env, params};
