//! The program `ibid`: its start and its end. All else is the library's.

// Words reach a program without the standard library's start only where glibc hands them over.
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
mod start;

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    ibid::run_words().into()
}
