//! What a command line names without saying so: its program and interpreters, the programs in a
//! shell text, the script it runs, the files its words name, the packages its Python sees.
//!
//! Resolution only: words and paths. Digests come from the caller, who has the stat cache. A
//! guess errs towards naming too much, because what is named and does not matter costs a needless
//! miss, and what matters and is not named a false hit (hazards A4 and A5).

mod implied;
mod operand;
mod options;
mod program;
mod python_env;
mod python_packages;
mod shell_lexer;
mod shell_words;
mod shim;
#[cfg(test)]
mod test_files;

pub use implied::{Existing, Implied, MAX_WORDS, existing, implied_words};
pub use operand::{base_name, inline_script, script_operand, tool_words};
pub use program::{
    Interpreter, Program, ProgramError, near_program, resolve_program, resolve_with,
};
pub use python_env::{PythonScope, Surroundings, is_python};
pub use python_packages::python_packages;
pub use shell_words::{ShellWords, shell_words};
pub use shim::behind_shim;
