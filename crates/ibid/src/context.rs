//! `Context`: what a command is told about the process it runs in.
//!
//! The only place that reads the environment, the current folder and the clock; everything else
//! gets them from here.

use std::path::PathBuf;

use ibid_core::environ::EnvSnapshot;

use crate::args::GlobalArgs;
use crate::error::Failure;
use crate::exit;
use crate::report::Console;

/// Environment, current folder and console of this process.
#[derive(Debug)]
pub(crate) struct Context {
    /// The environment as it was at the start.
    pub(crate) env: EnvSnapshot,
    /// The folder to work in, absolute and without links.
    pub(crate) dir: PathBuf,
    /// Where to print.
    pub(crate) console: Console,
}

impl Context {
    /// Goes to the folder that `-C` names, and looks around.
    #[expect(
        clippy::disallowed_methods,
        reason = "a front door reads the environment and the current folder once"
    )]
    pub(crate) fn new(global: &GlobalArgs) -> Result<Self, Failure> {
        if let Some(dir) = &global.directory {
            std::env::set_current_dir(dir).map_err(|error| {
                let dir = crate::report::people::path(dir);
                Failure::usage(format!("cannot work in `{dir}`"))
                    .because_of(Some(&error))
                    .hint("`-C` takes a folder that exists")
            })?;
        }
        let dir = std::env::current_dir().map_err(|error| {
            Failure::new(exit::IBID_FAILED, "the current folder is gone")
                .because_of(Some(&error))
                .hint("go to a folder that exists, or use `-C DIR`")
        })?;
        let env: EnvSnapshot = std::env::vars_os().collect();
        let console = Console::new(global, &env);
        Ok(Self { env, dir, console })
    }
}
