//! Where the C library starts the program.
//!
//! The standard library's own start reads the memory map of the process and makes a second stack,
//! only to say that the first one overflowed: a twelfth of the time of an `exec` that is up to
//! date. What else it does is done here: no descriptor of a standard stream is left to the first
//! file that is opened, writing to a closed pipe is an error, and a panic ends with 101.

#![expect(
    unsafe_code,
    reason = "the name by which the C library calls the program"
)]

use std::ffi::c_int;

use ibid_core::{exec, fs};

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    fs::hold_standard_streams();
    exec::ignore_broken_pipes();
    std::panic::catch_unwind(ibid::run_words).map_or(101, c_int::from)
}
