//! Runs during which the way to an input leads elsewhere for a while, or only seems to.

use ibid_core::action::Step;
use ibid_core::engine::NotStored;

use super::engine::{Bench, is_up_to_date, rerun, shell};

/// A bench with an input, and a folder that could be in the place of the one that it lies in.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("data/f", "A");
    bench.write("alt/f", "B");
    bench
}

/// A script that makes an output of the input. What it names besides does not count.
fn script(bench: &Bench, text: &str, output: &str) -> Step {
    bench.write("do.sh", text);
    shell("sh do.sh", &["data/f"], &[output])
}

#[test]
fn a_folder_that_is_put_back_before_the_output_is_made_in_it_is_named() {
    let bench = bench();
    let swap = "mv data tmp; mv alt data; cat data/f > kept; mv data alt; mv tmp data; \
                mv kept data/out";
    let step = script(&bench, swap, "data/out");
    let went = bench.step(&step);
    let named = NotStored::InputsChanged(vec!["data".into()]);
    assert_eq!(rerun(&went).1, Some(&named));
    assert_eq!(bench.read("data/out"), "B");
}

#[test]
fn outputs_and_other_files_in_the_folders_of_inputs_keep_nothing_from_being_stored() {
    let bench = bench();
    let makes = "cat data/f > data/tmp; mv data/tmp data/out; echo log > data/log; echo log > log";
    let step = script(&bench, makes, "data/out");
    assert_eq!(rerun(&bench.step(&step)).1, None);
    assert!(is_up_to_date(&bench.step(&step)));
}

#[test]
fn a_hard_link_or_a_status_that_kept_a_result_from_being_stored_is_told_as_that() {
    let bench = bench();
    let not_stored = |does: &str| {
        let step = script(&bench, &format!("{does}; cat data/f > out"), "out");
        rerun(&bench.step(&step)).1.cloned()
    };
    let inputs = || vec!["data/f".into()];
    let linked = NotStored::InputsLinked(inputs());
    assert_eq!(not_stored("ln data/f link"), Some(linked));
    let status = || Some(NotStored::InputsStatus(inputs()));
    assert_eq!(not_stored("chmod 600 data/f"), status());
    assert_eq!(not_stored("chmod u+w data/f"), status());
    let folder = NotStored::InputsStatus(vec!["data".into()]);
    assert_eq!(not_stored("chmod 700 data"), Some(folder));
    // What was written as well is told as that.
    let written = NotStored::InputsChanged(inputs());
    assert_eq!(not_stored("rm link; echo B > data/f"), Some(written));
}
