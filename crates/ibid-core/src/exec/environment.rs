//! What environment a command gets: a pure function of the caller's and of what was declared.
//!
//! Strict mode shows the command what is declared and a fixed minimal set; locale and zone are
//! set, so that a laptop, a CI runner and a cluster node agree (hazards A1, A6).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::action::EnvMode;
use crate::environ::EnvSnapshot;

/// What a command sees as the caller has it. What these can change is keyed in other ways.
const PASSED: [&str; 6] = ["PATH", "HOME", "USER", "SHELL", "TERM", "TMPDIR"];

/// What a command sees always alike, unless it is declared.
const FIXED: [(&str, &str); 2] = [("LANG", "C.UTF-8"), ("TZ", "UTC")];

/// Returns the whole environment of a command, sorted by name.
///
/// `keyed` are declared variables with their values, where `None` means unset; `visible` are names
/// that are passed on as the caller has them (`pass_env` and `secret_env`). In loose mode the
/// command sees all that the caller has. A keyed value wins over everything else.
pub fn minimal_environment<'a>(
    mode: EnvMode,
    caller: &EnvSnapshot,
    keyed: impl IntoIterator<Item = (&'a OsStr, Option<&'a OsStr>)>,
    visible: impl IntoIterator<Item = &'a OsStr>,
) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<OsString, OsString> = match mode {
        EnvMode::Loose => caller
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        EnvMode::Strict => {
            let passed = PASSED
                .iter()
                .filter_map(|name| Some((*name, caller.get(name)?)));
            let fixed = FIXED.iter().map(|(name, value)| (*name, OsStr::new(value)));
            let visible = visible
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), caller.get(name)?.to_owned())));
            passed
                .chain(fixed)
                .map(|(name, value)| (name.into(), value.to_owned()))
                .chain(visible)
                .collect()
        }
    };
    for (name, value) in keyed {
        match value {
            Some(value) => env.insert(name.to_owned(), value.to_owned()),
            None => env.remove(name),
        };
    }
    env.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(
        mode: EnvMode,
        caller: &[(&str, &str)],
        keyed: &[(&str, Option<&str>)],
        visible: &[&str],
    ) -> Vec<(String, String)> {
        minimal_environment(
            mode,
            &caller.iter().copied().collect(),
            keyed
                .iter()
                .map(|(name, value)| (OsStr::new(name), value.map(OsStr::new))),
            visible.iter().map(OsStr::new),
        )
        .into_iter()
        .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
        .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const CALLER: [(&str, &str); 8] = [
        ("PATH", "/bin"),
        ("HOME", ""),
        ("LANG", "de_DE.UTF-8"),
        ("LC_ALL", "tr_TR"),
        ("TZ", "Asia/Tokyo"),
        ("CPATH", "/include"),
        ("TOKEN", "hunter2"),
        ("OMP_NUM_THREADS", "4"),
    ];

    #[test]
    fn strict_shows_the_minimal_set_and_fixes_locale_and_zone() {
        let expected = pairs(&[
            ("HOME", ""),
            ("LANG", "C.UTF-8"),
            ("PATH", "/bin"),
            ("TZ", "UTC"),
        ]);
        assert_eq!(environment(EnvMode::Strict, &CALLER, &[], &[]), expected);
    }

    #[test]
    fn strict_shows_what_is_declared() {
        let keyed = [("OMP_NUM_THREADS", Some("4")), ("EMPTY", Some(""))];
        let expected = pairs(&[
            ("EMPTY", ""),
            ("HOME", ""),
            ("LANG", "C.UTF-8"),
            ("OMP_NUM_THREADS", "4"),
            ("PATH", "/bin"),
            ("TOKEN", "hunter2"),
            ("TZ", "UTC"),
        ]);
        let seen = environment(EnvMode::Strict, &CALLER, &keyed, &["TOKEN", "ABSENT"]);
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_declared_locale_or_zone_wins_over_the_fixed_one() {
        let keyed = [("TZ", Some("Asia/Tokyo")), ("LC_ALL", Some("tr_TR"))];
        let seen = environment(EnvMode::Strict, &CALLER, &keyed, &["LANG"]);
        for pair in pairs(&[
            ("LANG", "de_DE.UTF-8"),
            ("LC_ALL", "tr_TR"),
            ("TZ", "Asia/Tokyo"),
        ]) {
            assert!(seen.contains(&pair), "{pair:?} in {seen:?}");
        }
    }

    #[test]
    fn a_variable_keyed_as_unset_is_unset_in_both_modes() {
        for mode in [EnvMode::Strict, EnvMode::Loose] {
            let seen = environment(mode, &CALLER, &[("HOME", None), ("TZ", None)], &["HOME"]);
            assert!(!seen.iter().any(|(name, _)| name == "HOME" || name == "TZ"));
        }
    }

    #[test]
    fn loose_shows_everything_with_the_declared_on_top() {
        let seen = environment(EnvMode::Loose, &CALLER, &[("CPATH", Some("/x"))], &[]);
        let mut expected = pairs(&CALLER);
        expected.sort();
        expected[0].1 = "/x".to_owned();
        assert_eq!(seen, expected);
    }
}
