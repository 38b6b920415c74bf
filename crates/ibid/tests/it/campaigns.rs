//! A little of each campaign; `cargo xtask gate` does all of it.

use std::path::PathBuf;
use std::time::Duration;

use ibid_testkit::campaign::{self, Plan, Report};
use ibid_testkit::{component, skipped};

fn plan(times: usize) -> Plan {
    Plan {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_ibid")),
        seed: 1,
        times,
        workers: 8,
        only: None,
        resident: None,
        limit: Duration::from_secs(20),
    }
}

fn assert_clean(report: &Report) {
    assert!(report.violations().is_empty(), "{report}");
}

#[test]
fn damage_is_never_served_and_heals() {
    assert_clean(&campaign::damage(&plan(12)));
}

#[test]
fn a_killed_run_leaves_no_false_entry_and_no_stray() {
    assert_clean(&campaign::kill(&plan(6)));
}

#[test]
fn a_run_killed_at_any_call_leaves_no_false_entry_and_no_stray() {
    assert_clean(&campaign::kills(&plan(40)));
}

#[test]
fn a_call_that_goes_wrong_changes_nothing_about_the_command() {
    assert_clean(&campaign::faults(&plan(40)));
}

#[test]
fn processes_that_ask_at_once_get_one_run() {
    assert_clean(&campaign::race(&plan(6)));
}

#[test]
fn processes_of_all_kinds_at_once_agree_with_the_model() {
    assert_clean(&campaign::histories(&plan(320)));
}

#[test]
fn a_store_that_may_only_be_read_is_not_written_to() {
    let Some(strace) = component("strace") else {
        return;
    };
    assert_clean(&campaign::read_only(&plan(1), &strace));
}

#[test]
fn a_run_does_what_was_planned_and_leaves_what_its_inputs_make() {
    assert_clean(&campaign::promise(&plan(6)));
}

#[test]
fn users_of_one_store_share_it_and_an_intruder_plants_nothing() {
    assert_clean(&campaign::users(&plan(2)));
}

#[test]
fn what_is_hostile_touches_nothing_and_is_shown_safely() {
    assert_clean(&campaign::hostile(&plan(30), None));
}

#[test]
fn a_power_cut_makes_no_false_hit_and_loses_nothing_that_was_synced() {
    let plan = plan(16);
    if let Some(lack) = campaign::powercut_lacks(&plan) {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value != "true"),
            "{lack}"
        );
        return skipped(&lack);
    }
    assert_clean(&campaign::powercut(&plan));
}
