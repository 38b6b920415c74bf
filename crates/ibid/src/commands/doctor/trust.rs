//! What is believed without reading it, and what is known of processes and users.

use std::path::Path;

use ibid_core::config::StatCachePolicy;
use ibid_core::fs::{self, Facts, FileSystemKind};

use super::finding::Finding;
use super::{standing, store};
use crate::context::Session;
use crate::report::people;

/// Whether unchanged stamps stand for unchanged content, where, and why.
pub(super) fn stat_cache(session: &Session) -> Vec<Finding> {
    let setting = &session.config.stat_cache;
    if setting.value == StatCachePolicy::Off {
        return vec![
            Finding::note(
                "believed",
                format!("never: switched off ({})", setting.origin),
            )
            .meaning("every input is read at each look"),
        ];
    }
    let trusting = setting.value == StatCachePolicy::Trust;
    let (_, above) = standing(&session.root);
    let kind = above.and_then(|above| FileSystemKind::of(&above).ok());
    let mut findings = vec![match kind {
        _ if trusting => Finding::note("believed", format!("everywhere ({})", setting.origin))
            .meaning("also where a file can change and keep its stamps"),
        Some(kind) if kind.keeps_stamps() => Finding::ok(
            "believed",
            "the files of the root, while their stamps are the same",
        ),
        Some(FileSystemKind::Memory) => Finding::note("believed", "not for the root, in memory")
            .meaning(
                "writes to mapped memory move no stamp there: every input is read at each look",
            ),
        _ => Finding::note("believed", "not for the root")
            .meaning("stamps of its file system may be old: every input is read at each look")
            .set("`stat_cache = \"trust\"`, if no other machine writes there"),
    }];
    findings.push(match session.local_dir() {
        None => Finding::note(
            "kept in",
            "nowhere: no folder is on a file system of this host",
        )
        .meaning("every input is read at each look")
        .set("`IBID_LOCAL_DIR` or `local_dir` names a folder on a local disk"),
        Some(dir) => {
            let place = format!("{} ({})", people::path(&dir.path), dir.origin);
            kept_in(
                &dir.path,
                dir.in_shared_parent.then_some(session.user),
                place,
            )
        }
    });
    findings
}

fn kept_in(path: &Path, shared_with: Option<u32>, place: String) -> Finding {
    let facts = Facts::of_link(path).ok();
    let own = |facts: &Facts, user| {
        let open = facts.signature.mode & 0o077;
        facts.owner == user && open == 0
    };
    match facts.zip(shared_with) {
        Some((facts, user)) if !own(&facts, user) => Finding::warning("kept in", place)
            .meaning("not this user's alone, so it is not used: every input is read at each look")
            .set("remove that folder, or name another by `local_dir`"),
        _ => Finding::ok("kept in", place),
    }
}

/// Locks, leases, boot and user.
pub(super) fn processes(session: &Session) -> Vec<Finding> {
    let mut findings = vec![leases(session)];
    findings.push(if session.host.boot_id.is_empty() {
        Finding::warning("boot", "the kernel does not tell its boot id")
            .meaning("what is stored is read before it is believed, in each process anew")
            .set("mount /proc")
    } else {
        Finding::ok(
            "boot",
            "known: after a reboot the cache is read before it is believed",
        )
    });
    let user = session.user;
    let mask = fs::umask();
    let who = format!("user {user}, umask {mask:03o}");
    findings.push(match user {
        0 => Finding::note("user", format!("{who}, root"))
            .meaning("root reads and writes whatever the modes say"),
        _ => Finding::ok("user", who),
    });
    findings
}

fn leases(session: &Session) -> Finding {
    let setting = &session.config.leases;
    if !setting.value {
        return Finding::note("leases", format!("switched off ({})", setting.origin))
            .meaning("processes that need one result may each compute it");
    }
    let held = store::open(session).map(|store| store.holders_here());
    let held = held.unwrap_or_default();
    let files = fs::list_names(&session.dirs.cache().path.join("v1").join("leases"));
    let files = files.ok().flatten().map_or(0, |names| names.len());
    let pids: Vec<_> = held.iter().map(|pid| format!("pid {pid}")).collect();
    let by = match pids.len() {
        0 => "none held by processes of this host".to_owned(),
        _ => format!("held by {}", people::some_of(&pids, 5)),
    };
    let found = format!(
        "{by}, {}; locks are not needed",
        people::count(files, "file")
    );
    Finding::ok("leases", found)
}
