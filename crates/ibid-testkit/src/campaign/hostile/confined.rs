//! The path audit: every call that changed something is traced, and names where.

use std::path::Path;
use std::process::Command;

use super::super::trace::{Trace, traced as trace};
use crate::TestEnv;

/// Prepares a traced run of a command.
pub(super) fn traced(strace: &Path, to: &Path, plain: &Command) -> Command {
    let mut words = vec![plain.get_program().to_owned()];
    words.extend(plain.get_args().map(ToOwned::to_owned));
    let mut command = trace(strace, to, &words);
    let envs = plain.get_envs();
    command
        .env_clear()
        .envs(envs.filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = plain.get_current_dir() {
        command.current_dir(dir);
    }
    command
}

/// Lists the calls that changed something outside of store, staging and declared outputs.
pub(super) fn strays(trace: &Path, env: &TestEnv) -> Vec<String> {
    let work = env
        .work("")
        .to_string_lossy()
        .trim_end_matches('/')
        .to_owned();
    let mut allowed: Vec<String> = ["folder", "link", "out.txt", "parts", ".ibid"]
        .iter()
        .map(|name| format!("{work}/{name}"))
        .collect();
    for path in [env.cache(), env.home("runs"), env.home("../tmp")] {
        allowed.push(path.to_string_lossy().replace("/home/../", "/"));
    }
    let trace = Trace::read(trace);
    // A call of the command's own names a file without a descriptor; what ibid names so is absolute.
    let is_own = |line: &&str| {
        !line
            .split('(')
            .next()
            .is_some_and(|name| name.ends_with("at") || name.ends_with("at2"))
            && !line.contains("(\"/")
            && !line.contains('<')
    };
    let is_told = |line: &&str| line.contains("said.");
    let changes = trace.changes().into_iter();
    changes
        .filter(|line| !is_own(line) && !is_told(line))
        .filter(|line| !line.contains("= -1 ") && !is_allowed(line, &work, &allowed))
        .map(|line| format!("outside: {}", line.escape_debug()))
        .collect()
}

/// Says whether all places that a call names are allowed ones.
fn is_allowed(line: &str, work: &str, allowed: &[String]) -> bool {
    let is_stream = |path: &str| {
        path.starts_with("pipe:")
            || path.starts_with("/dev/null")
            || path.contains("said.")
            || path.starts_with("anon_inode")
            || path.starts_with("/memfd:")
            || path.contains("[eventfd")
            || path.starts_with("socket:")
    };
    let is_below = |path: &str| {
        let path = path.replace("/home/../", "/");
        let is_within = |dir: &String| {
            path.strip_prefix(dir.as_str()).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || rest.starts_with(' ')
            })
        };
        // What is staged beside an output has a name of ibid's own.
        let is_staged = path.starts_with(&format!("{work}/.ibid-"));
        !path.contains("/../") && (is_staged || allowed.iter().any(is_within))
    };
    let named = places(line, work);
    named.iter().all(|path| is_stream(path) || is_below(path))
}

/// Returns the paths that a call changes: those of its quoted names, seen from the descriptor
/// before each, and of descriptors that stand alone.
fn places(line: &str, work: &str) -> Vec<String> {
    let call = line.split(" = ").next().unwrap_or(line);
    let call = call
        .split_once('(')
        .map_or(call, |(_, arguments)| arguments);
    let name = line.split('(').next().unwrap_or_default();
    // The content that is written is quoted too.
    let first_only = name.contains("write");
    let mut places = Vec::new();
    let mut dir: Option<String> = None;
    let mut rest = call;
    // The text of a link is no place.
    if name.starts_with("symlink")
        && let Some((_, after)) = call.split_once("\", ").or(call.split_once("\"..., "))
    {
        rest = after;
    }
    while let Some(at) = rest.find(['<', '"']) {
        let is_quoted = rest[at..].starts_with('"');
        let end = if is_quoted { '"' } else { '>' };
        let Some(length) = rest[at + 1..].find(end) else {
            break;
        };
        let text = &rest[at + 1..at + 1 + length];
        rest = &rest[at + length + 2..];
        if is_quoted {
            let from = dir.take().unwrap_or_else(|| work.to_owned());
            places.push(if text.starts_with('/') {
                text.to_owned()
            } else {
                format!("{from}/{text}")
            });
        } else {
            places.extend(dir.replace(text.to_owned()));
            if first_only {
                break;
            }
        }
    }
    places.extend(dir);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_the_places_that_it_changes() {
        let of = |line| places(line, "/w");
        assert_eq!(of(r#"write(3</s/a>, "/x", 2) = 2"#), ["/s/a"]);
        assert_eq!(of(r#"mkdir("out", 0777) = 0"#), ["/w/out"]);
        assert_eq!(
            of(r#"renameat2(7</w>, "a", AT_FDCWD</w>, "/s/b", 0) = 0"#),
            ["/w/a", "/s/b"]
        );
        assert_eq!(of(r#"symlinkat("/etc", 3</w>, "l") = 0"#), ["/w/l"]);
        assert_eq!(of("fchmod(3</etc/x>, 0644) = 0"), ["/etc/x"]);
        let allowed = ["/w/out".to_owned()];
        assert!(is_allowed(
            r#"unlinkat(3</w/out>, "a", 0) = 0"#,
            "/w",
            &allowed
        ));
        assert!(!is_allowed(
            r#"unlinkat(3</w>, "a", 0) = 0"#,
            "/w",
            &allowed
        ));
        assert!(!is_allowed(
            r#"unlinkat(3</w/out>, "../a", 0) = 0"#,
            "/w",
            &allowed
        ));
    }
}
