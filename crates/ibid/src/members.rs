//! `Members`: whose results count in a store that a group shares.
//!
//! The machine's own files are read first. What they do not know (accounts of a directory service)
//! `id` is asked for, once per user: the binary may be static, and then it cannot load what the
//! system resolves names with. `id` is taken from where systems have it and never from the search
//! path, and has a few seconds. Who cannot be looked up is not trusted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use ibid_core::config::{UserName, UserNames};
use ibid_core::exec::{self, Interrupt, Launch, Status, Stream};
use ibid_core::fs;
use ibid_core::store::TrustedOwners;

/// Longer account files are not read.
const LIMIT: u64 = 64 << 20;

/// A directory service that does not answer is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where systems have `id`.
const PROGRAMS: [&str; 3] = ["/usr/bin/id", "/bin/id", "/run/current-system/sw/bin/id"];

/// Users whose results count: those that the settings list, else the members of the group.
#[derive(Debug)]
pub(crate) struct Members {
    listed: Vec<UserName>,
    numbers: OnceLock<Result<BTreeSet<u32>, String>>,
}

impl Members {
    /// Takes what the settings list; nothing is looked up before it is asked for.
    pub(crate) fn new(listed: &UserNames) -> Self {
        Self {
            listed: listed.0.clone(),
            numbers: OnceLock::new(),
        }
    }
}

impl TrustedOwners for Members {
    fn trusts(&self, owner: u32, group: u32) -> Result<bool, String> {
        if self.listed.is_empty() {
            return is_member(owner, group);
        }
        if self.listed.contains(&UserName::Number(owner)) {
            return Ok(true);
        }
        let numbers = self.numbers.get_or_init(|| numbers_of(&self.listed));
        numbers.clone().map(|numbers| numbers.contains(&owner))
    }
}

/// Looks up the numbers of all users that are listed by name.
fn numbers_of(listed: &[UserName]) -> Result<BTreeSet<u32>, String> {
    let accounts = read("/etc/passwd");
    let names = listed.iter().filter_map(|user| match user {
        UserName::Name(name) => Some(name),
        UserName::Number(_) => None,
    });
    let mut numbers = BTreeSet::new();
    for name in names {
        match number_of(&accounts, name) {
            Some(number) => drop(numbers.insert(number)),
            // A name that nobody has is nobody's.
            None => numbers.extend(ask(&["-u", name])?),
        }
    }
    Ok(numbers)
}

fn is_member(user: u32, group: u32) -> Result<bool, String> {
    if is_listed_member(&read("/etc/passwd"), &read("/etc/group"), user, group) {
        return Ok(true);
    }
    Ok(ask(&["-G", &user.to_string()])?.contains(&group))
}

/// Reads an account file; one that is not there lists nobody.
fn read(path: &str) -> String {
    let bytes = fs::read_small(Path::new(path), LIMIT).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// Returns the number of a user by name: `name:password:number:group:…`.
fn number_of(accounts: &str, name: &str) -> Option<u32> {
    let mut lines = accounts.lines().map(fields);
    let found = lines.find(|fields| fields[0] == name)?;
    found.get(2)?.parse().ok()
}

/// Says whether the account files list a user as a member of a group: by the account, or by a
/// line `name:password:number:member,member` of the group.
fn is_listed_member(accounts: &str, groups: &str, user: u32, group: u32) -> bool {
    let number = |fields: &[&str], at: usize| fields.get(at)?.parse::<u32>().ok();
    let own: Vec<_> = accounts
        .lines()
        .map(fields)
        .filter(|fields| number(fields, 2) == Some(user))
        .collect();
    own.iter().any(|fields| number(fields, 3) == Some(group))
        || groups
            .lines()
            .map(fields)
            .filter(|fields| number(fields, 2) == Some(group))
            .filter_map(|fields| fields.get(3).copied())
            .flat_map(|members| members.split(','))
            .any(|member| own.iter().any(|fields| fields[0] == member))
}

/// Asks `id` for numbers; a user that it does not know has none.
fn ask(words: &[&str]) -> Result<Vec<u32>, String> {
    let is_there = |path: &&str| fs::exists(Path::new(path)).unwrap_or(false);
    let Some(program) = PROGRAMS.into_iter().find(is_there) else {
        return Err("there is no program `id` to ask for groups".to_owned());
    };
    let argv = ["id"].iter().chain(words);
    let mut launch = Launch::new(
        PathBuf::from(program),
        argv.map(|word| word.as_bytes().to_vec()).collect(),
        PathBuf::from("/"),
        PathBuf::from("/tmp"),
    );
    launch.timeout = Some(PATIENCE);
    launch.grace = Duration::ZERO;
    let mut printed = Vec::new();
    let mut take = |stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            printed.extend_from_slice(bytes);
        }
    };
    // Whoever started this process may have wished not to hear of children.
    exec::expect_child_status();
    let ended = exec::run(launch, &mut take, &Interrupt::new());
    let asked = format!("`{program} {}`", words.join(" "));
    match ended {
        Ok(ended) if ended.timed_out => Err(format!("{asked} does not answer")),
        Ok(ended) if ended.status == Status::Exited(0) => {
            let text = String::from_utf8_lossy(&printed).into_owned();
            let numbers = text.split_whitespace().map(str::parse);
            let numbers = numbers.collect::<Result<_, _>>();
            numbers.map_err(|_| format!("{asked} does not print numbers"))
        }
        Ok(ended) if ended.status == Status::Exited(1) => Ok(Vec::new()),
        Ok(ended) => Err(format!("{asked} ended with {}", ended.status)),
        Err(error) => Err(format!("{asked} cannot be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\nada:x:4001:4001::/:/bin/sh\n\
        bob:x:4002:4100::/:/bin/sh\nadam:x:4003:4003::/:/bin/sh\nbroken\n";
    const GROUPS: &str = "root:x:0:\nlab:x:4100:ada,carl\nother:x:4200:adam\nbroken:x\n";

    #[test]
    fn members_are_those_of_the_account_and_those_of_the_groups_line() {
        let member = |user, group| is_listed_member(ACCOUNTS, GROUPS, user, group);
        assert!(member(4001, 4100), "by the line of the group");
        assert!(member(4002, 4100), "by the account");
        assert!(!member(4003, 4100), "a longer name is another");
        assert!(member(4003, 4200));
        for stranger in [4666, 4100, 1] {
            assert!(!member(stranger, 4100), "{stranger}");
        }
        assert_eq!(number_of(ACCOUNTS, "ada"), Some(4001));
        assert_eq!(number_of(ACCOUNTS, "carl"), None);
    }

    #[test]
    fn a_user_that_the_machine_does_not_know_is_in_no_group() {
        assert_eq!(ask(&["-G", "3999999999"]), Ok(Vec::new()));
        assert!(ask(&["-G", "0"]).unwrap().contains(&0));
    }

    #[test]
    fn with_a_list_only_who_is_listed_counts() {
        let list = |names: &[UserName]| Members::new(&UserNames(names.to_vec()));
        let listed = list(&[UserName::Number(4001), UserName::Name("root".to_owned())]);
        assert_eq!(listed.trusts(4001, 0), Ok(true));
        assert_eq!(listed.trusts(0, 4100), Ok(true), "by name");
        assert_eq!(listed.trusts(4002, 0), Ok(false));
        assert_eq!(list(&[]).trusts(0, 0), Ok(true), "root is in root's group");
    }
}
