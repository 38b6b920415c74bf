//! The store itself: where, why there, whose, in what state; how large it may become.

use std::path::Path;

use ibid_core::fs::{self, Facts, FileKind, MountPoint, Space};
use ibid_core::store::{Access, Budget, LocalStore, OpenError, Sharing};

use super::finding::Finding;
use super::standing;
use crate::context::{Session, refusal_hint};
use crate::report::{history, people};

/// As many blobs are looked at for what they take; of more only the number is told.
const COUNTED: usize = 20_000;

/// So many leftovers are more than an interrupted run or two leave.
const MANY: usize = 1000;

/// Where the store is, and whether it can be used.
pub(super) fn state(session: &Session) -> Vec<Finding> {
    let choice = session.dirs.cache();
    let place = format!("{} ({})", people::path(&choice.path), choice.origin);
    let mut findings = vec![Finding::ok("place", place)];
    let store = match open(session) {
        Err(error) => {
            findings.push(refused(&error));
            return findings;
        }
        Ok(store) => store,
    };
    match Facts::of_link(&fs::future_path(&choice.path)) {
        Ok(facts) => {
            // That it is not used counts more than what it is.
            findings.extend(store.check_owner().err().map(|error| refused(&error)));
            findings.extend(of_folder(session, facts));
        }
        Err(error) if error.is_absent() => findings.push(not_made(&choice.path)),
        Err(error) => findings.push(refused(&OpenError::Io(error))),
    }
    findings
}

/// Opens the store to look at it, also one that nobody should use: nothing is written, and nothing
/// remembered.
pub(super) fn open(session: &Session) -> Result<LocalStore, OpenError> {
    session.open_doubtful_store(Access::ReadOnly)
}

fn refused(error: &OpenError) -> Finding {
    let found = ibid_core::engine::chain(error);
    let meaning = "it is not used: commands run as without a cache";
    match error {
        OpenError::Refused { path, refusal } => Finding::failure("use", found)
            .meaning(meaning)
            .set(refusal_hint(path, *refusal)),
        _ => Finding::failure("state", found)
            .meaning(meaning)
            .set("`--cache-dir DIR` or `cache_dir` names another folder"),
    }
}

/// There is no store yet.
fn not_made(path: &Path) -> Finding {
    let (_, above) = standing(path);
    match above {
        Some(above) if fs::may_write_in(&above) => Finding::ok("state", "not there yet")
            .meaning("the first result that is stored makes it"),
        Some(above) => {
            let above = people::path(&above);
            Finding::failure(
                "state",
                format!("not there, and `{above}` cannot be written"),
            )
            .meaning("nothing can be stored")
            .set("`--cache-dir DIR` or `cache_dir` names a folder of yours")
        }
        None => Finding::failure("state", "not there, and nothing above it"),
    }
}

fn of_folder(session: &Session, facts: Facts) -> Vec<Finding> {
    let path = &session.dirs.cache().path;
    if facts.signature.kind() != FileKind::Dir {
        return vec![
            Finding::failure("state", "no folder")
                .meaning("nothing can be stored")
                .set("remove what stands there, or name another folder by `cache_dir`"),
        ];
    }
    let described = path.join("store.json");
    let state = match fs::read_small(&described, 1 << 16) {
        Ok(bytes) => {
            let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
            let format = json.as_ref().and_then(|json| json.get("format")?.as_u64());
            let created = json.as_ref().and_then(|json| json.get("created")?.as_str());
            match format {
                Some(format) => {
                    let since = created.and_then(history::local_time_of);
                    let since = since.map(|it| format!(", made {it}")).unwrap_or_default();
                    Finding::ok("state", format!("format {format}{since}"))
                }
                None => Finding::note("state", "`store.json` is damaged")
                    .meaning("the next result that is stored heals it"),
            }
        }
        Err(error) if error.is_absent() => Finding::ok("state", "an empty folder")
            .meaning("the first result that is stored makes the cache"),
        Err(error) => Finding::warning("state", ibid_core::engine::chain(&error)),
    };
    let mode = facts.signature.mode & 0o7777;
    let whose = format!(
        "user {}, group {}, mode {mode:04o}",
        facts.owner, facts.group
    );
    let open = mode & 0o002 != 0 && mode & 0o1000 == 0;
    let owner = if open {
        Finding::warning("owner", whose)
            .meaning("everybody may replace what is stored there")
            .set(format!("`chmod o-w {}`", people::path(path)))
    } else {
        Finding::ok("owner", whose)
    };
    let mut findings = vec![state, owner];
    findings.extend(sharing(session, path, &facts));
    findings.push(writing(path));
    findings
}

/// Whether a group shares it, by the setting, and whether its modes agree.
fn sharing(session: &Session, path: &Path, facts: &Facts) -> Option<Finding> {
    let mode = facts.signature.mode;
    let (by_group, keeps_group) = (mode & 0o020 != 0, mode & 0o2000 != 0);
    let shown = people::path(path);
    if session.sharing() == Sharing::Private {
        let meant = by_group && keeps_group;
        return meant.then(|| {
            Finding::note("shared", "by its modes, not by the setting")
                .meaning("what others of the group record there does not count")
                .set("`shared = \"group\"`, if it is meant for the group")
        });
    }
    let group = facts.group;
    let listed = session.config.trusted_owners.value.0.len();
    let whose = match listed {
        0 => format!("by group {group}: what its members record counts"),
        _ => format!("by group {group}: what {listed} listed users record counts"),
    };
    Some(if by_group && keeps_group {
        Finding::ok("shared", whose)
    } else if by_group {
        Finding::note("shared", whose)
            .meaning("other programs' files there do not get that group")
            .set(format!("`chmod g+s {shown}`"))
    } else {
        Finding::warning("shared", whose)
            .meaning("only its owner may write there: nobody else's results are stored")
            .set(format!("`chmod 2770 {shown}`"))
    })
}

/// Whether results can be stored.
fn writing(path: &Path) -> Finding {
    let mounted_so = MountPoint::of(&fs::future_path(path)).is_some_and(|mount| mount.read_only);
    if mounted_so || !fs::may_write_in(path) {
        let why = if mounted_so {
            "a read-only file system"
        } else {
            "by its permissions"
        };
        return Finding::warning("writing", format!("not possible: {why}"))
            .meaning("results are restored from it; new ones are not stored")
            .set("`mode = \"read-only\"` says that this is meant");
    }
    Finding::ok("writing", "possible")
}

/// How large it may become, how large it is, and what lies around in it.
pub(super) fn budget(session: &Session) -> Vec<Finding> {
    let dir = &session.dirs.cache().path;
    let Ok(store) = open(session) else {
        return vec![limit(session, 0)];
    };
    let (used, finding) = used(&store);
    let mut findings = vec![limit(session, used)];
    findings.extend(finding);
    findings.push(leftovers(dir));
    findings
}

fn limit(session: &Session, used: u64) -> Finding {
    let dir = &session.dirs.cache().path;
    let setting = &session.config.max_size;
    let origin = &setting.origin;
    let bytes = setting.value.bytes(dir);
    if bytes.is_none() && setting.value != Budget::Unlimited {
        let found = format!("{} ({origin})", setting.value);
        return Finding::note("max_size", found)
            .meaning("the file system does not say how large it is");
    }
    let Some(bytes) = bytes else {
        return Finding::note("max_size", format!("{} ({origin})", setting.value))
            .meaning("the cache grows as long as there is space")
            .set("`max_size = \"50G\"` bounds it");
    };
    let size = people::size(bytes);
    let found = match setting.value {
        Budget::Auto => format!("auto, {size} here ({origin})"),
        _ => format!("{size} ({origin})"),
    };
    let room = Space::around(dir).ok().filter(|space| space.total > 0);
    let room = room.map(|space| space.available.saturating_add(used));
    match room.filter(|room| *room < bytes) {
        // The default is a promise not to take more, no wish to have it.
        Some(room) if setting.value == Budget::Auto => Finding::ok(
            "max_size",
            format!("{found}; there is room for {}", people::size(room)),
        ),
        Some(room) => Finding::note("max_size", found)
            .meaning(format!(
                "there is room for {} only: the file system is full before the budget is",
                people::size(room)
            ))
            .set("a smaller `max_size`, or a `cache_dir` elsewhere"),
        None => Finding::ok("max_size", found),
    }
}

/// Returns the bytes that the cache takes, if that is quickly counted, and tells of them.
fn used(store: &LocalStore) -> (u64, Option<Finding>) {
    let Ok(blobs) = store.blobs() else {
        return (0, None);
    };
    let files = people::count(blobs.len(), "file");
    if blobs.len() > COUNTED {
        let many = Finding::ok("used", files).meaning("`ibid usage` adds up what they take");
        return (0, Some(many));
    }
    let survey = store.survey();
    let left = [survey.staged, survey.leases, survey.trash, survey.views];
    let standing = survey.standing.iter().map(|it| it.facts.disk);
    let bytes: u64 = standing.chain(left.iter().map(|left| left.disk)).sum();
    let found = match blobs.len() {
        0 => "nothing is stored yet".to_owned(),
        _ => format!("{} of disk, with {files} of contents", people::size(bytes)),
    };
    (bytes, Some(Finding::ok("used", found)))
}

fn leftovers(dir: &Path) -> Finding {
    let count = |name: &str| match fs::list_names(&dir.join("v1").join(name)) {
        Ok(names) => names.map_or(0, |names| names.len()),
        Err(_) => 0,
    };
    let (staged, trash) = (count("tmp"), count("trash"));
    let found = format!("{staged} unfinished, {trash} in the trash");
    if staged + trash > MANY {
        Finding::note("leftovers", found)
            .meaning("from commands that were killed, or from damage")
            .set("`ibid gc` removes what is old enough")
    } else {
        Finding::ok("leftovers", found)
    }
}
