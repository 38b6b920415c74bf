//! `ibid fsck`: the whole store, read and checked.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ibid_core::digest::Key;
use ibid_core::fs::Meter;
use ibid_core::maintain::{Checked, Flaw, FlawKind, Leftovers, Repaired, check, repair};
use ibid_core::store::{Access, Left, OpenError, Refusal};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use crate::args::FsckArgs;
use crate::context::{Context, store_failure};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{flaws, people};

/// So many spoiled steps are named.
const NAMED: usize = 5;

pub(super) fn run(args: &FsckArgs, context: &Context) -> Result<Exit, Failure> {
    let access = if args.repair {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    };
    let known = Known::open_doubtful(context, access)?;
    if args.repair {
        refuse_as_root(&known)?;
    }
    let (store, console) = (&known.store, &context.console);
    let meter = Arc::new(Meter::new());
    console.begin("checking", &meter);
    let checked = check(store, &meter);
    console.end();
    let wrong = checked
        .flaws
        .iter()
        .any(|flaw| flaws::exit_code([flaw]) != 0);
    let repaired = (args.repair && wrong).then(|| repair(store, &checked));
    let left = match &repaired {
        Some(repaired) => repaired.left.iter().map(|(flaw, _)| flaw).collect(),
        None => checked.flaws.iter().collect::<Vec<_>>(),
    };
    let code = flaws::exit_code(left);
    if console.is_json() {
        console.json_data(&as_json(store.dir(), &checked, repaired.as_ref()))?;
        return Ok(Exit::Code(code));
    }
    if !checked.exists {
        known.say_no_cache();
        return Ok(Exit::OK);
    }
    let text = as_text(&known, &checked, repaired.as_ref());
    console.data(text.as_bytes())?;
    tell(&known, &checked, repaired.as_ref());
    Ok(Exit::Code(code))
}

/// Root changes nothing in the store of another user. What others may write is told as any flaw:
/// repairing begins with what of it belongs to this user, and writes nothing while any is left.
fn refuse_as_root(known: &Known<'_>) -> Result<(), Failure> {
    match known.store.check_owner() {
        Err(
            error @ OpenError::Refused {
                refusal: Refusal::AsRoot(_),
                ..
            },
        ) => Err(store_failure(&error)),
        _ => Ok(()),
    }
}

/// What became of a flaw, by its path and kind.
type Fates<'a> = HashMap<(&'a PathBuf, FlawKind), (bool, &'a str)>;

fn fates(repaired: Option<&Repaired>) -> Fates<'_> {
    let mut fates = Fates::new();
    if let Some(Repaired { done, left }) = repaired {
        for (is_done, list) in [(true, done), (false, left)] {
            for (flaw, what) in list {
                fates.insert((&flaw.path, flaw.kind), (is_done, what));
            }
        }
    }
    fates
}

/// Names the step of a key as its project does, or else by the start of the key.
pub(super) fn name_of(known: &Known<'_>, checked: &Checked, key: &Key) -> String {
    match checked.labels.get(key) {
        Some(label) => known.name_of(label).to_owned(),
        None => key.short(),
    }
}

fn as_text(known: &Known<'_>, checked: &Checked, repaired: Option<&Repaired>) -> String {
    let fates = fates(repaired);
    let name = |key: &Key| name_of(known, checked, key);
    let mut text = String::new();
    for flaw in &checked.flaws {
        text += &flaws::line(flaw, known.store.dir(), &name);
        let _ = match fates.get(&(&flaw.path, flaw.kind)) {
            Some((true, what)) => writeln!(text, "; {}", flaws::shortened(what)),
            Some((false, why)) => writeln!(text, "; left: {why}"),
            None => writeln!(text),
        };
    }
    text
}

/// Says what the lines add up to, and what is worth knowing beside them.
fn tell(known: &Known<'_>, checked: &Checked, repaired: Option<&Repaired>) {
    let console = &known.context.console;
    console.say(&format!(
        "checked {} and {}, {}: {}",
        people::count(checked.keys, "key"),
        people::count(checked.results, "result"),
        flaws::read(checked),
        flaws::sum(&checked.flaws)
    ));
    if let Some(text) = spoiled(known, checked) {
        console.say(&text);
    }
    if let Some(text) = leftovers(&checked.leftovers) {
        console.say(&format!("no damage, and removed by itself: {text}"));
    }
    if checked.later > 0 {
        let files = people::count(checked.later, "file");
        console.say(&format!(
            "{files} of a later version of ibid could not be checked"
        ));
    }
    for link in &checked.links {
        console.say(&format!(
            "`{}` is a link to a folder: what lies there was checked as the store's own",
            people::path(link)
        ));
    }
    match repaired {
        Some(Repaired { done, left }) => console.say(&format!(
            "put right: {} of {}; nothing was deleted, and the next run of a step makes anew what it \
             lost",
            done.len(),
            done.len() + left.len()
        )),
        None if flaws::exit_code(&checked.flaws) != 0 => console.say(
            "`ibid fsck --repair` moves what is damaged to the trash; the next run of a step makes it \
             anew",
        ),
        None => {}
    }
}

/// Says what all flaws together cost.
fn spoiled(known: &Known<'_>, checked: &Checked) -> Option<String> {
    let keys: BTreeSet<&Key> = checked.flaws.iter().flat_map(|it| &it.spoils).collect();
    let names: BTreeSet<String> = keys
        .iter()
        .map(|key| name_of(known, checked, key))
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let names = people::some_of(&names, NAMED);
    let results = people::count(keys.len(), "result");
    (!keys.is_empty()).then(|| format!("{results} spoiled: {}", Escaped(names.as_bytes())))
}

fn leftovers(left: &Leftovers) -> Option<String> {
    let Leftovers {
        staged,
        leases,
        trash,
        views,
    } = left;
    let parts = [
        (staged, "unfinished file"),
        (leases, "unused lease"),
        (trash, "file in the trash"),
        (views, "file of a view"),
    ];
    let parts = parts.iter().filter(|(left, _)| left.files > 0);
    let parts: Vec<_> = parts
        .map(|(Left { files, disk }, what)| {
            let what = match what.split_once(' ') {
                Some((noun @ "file", rest)) => {
                    format!("{} {rest}", people::count(*files, noun))
                }
                _ => people::count(*files, what),
            };
            format!("{what} ({})", people::size(*disk))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn as_json(store: &Path, checked: &Checked, repaired: Option<&Repaired>) -> serde_json::Value {
    let fates = fates(repaired);
    let one = |flaw: &Flaw| {
        let mut json = flaws::as_json(flaw, store, &checked.labels);
        let fate = fates.get(&(&flaw.path, flaw.kind));
        json["repaired"] = fate.filter(|it| it.0).map(|it| it.1).into();
        json["left"] = fate.filter(|it| !it.0).map(|it| it.1).into();
        json
    };
    let left = |left: &Left| json!({"files": left.files, "bytes": left.disk});
    json!({
        "store": people::path(store),
        "exists": checked.exists,
        "keys": checked.keys,
        "results": checked.results,
        "blobs": checked.blobs,
        "bytes": checked.bytes,
        "later": checked.later,
        "flaws": checked.flaws.iter().map(one).collect::<Vec<_>>(),
        "links": checked.links.iter().map(|link| people::path(link)).collect::<Vec<_>>(),
        "leftovers": {
            "staged": left(&checked.leftovers.staged),
            "leases": left(&checked.leftovers.leases),
            "trash": left(&checked.leftovers.trash),
            "views": left(&checked.leftovers.views),
        },
    })
}
