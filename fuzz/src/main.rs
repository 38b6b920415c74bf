//! One decoder under libFuzzer: `IBID_FUZZ_TARGET` names it, `IBID_FUZZ_CORPUS` is the folder that
//! gets the inputs to begin with.
//!
//! The targets and their laws are `ibid_core::fuzzing`; `cargo xtask fuzz` builds and runs this.

#![no_main]

use std::sync::OnceLock;

use ibid_core::fuzzing::{self, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("IBID_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = fuzzing::target(&name) else {
        for target in fuzzing::targets() {
            println!("{}", target.name);
        }
        std::process::exit(0);
    };
    if let Some(corpus) = std::env::var_os("IBID_FUZZ_CORPUS") {
        for (at, seed) in (target.seeds)().iter().enumerate() {
            let path = std::path::Path::new(&corpus).join(format!("seed-{at}"));
            std::fs::write(path, seed).expect("the corpus can be written");
        }
    }
    TARGET.get_or_init(|| target);
}

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| {
    (TARGET.get().expect("begin sets it").run)(bytes);
});
