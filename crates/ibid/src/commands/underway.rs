//! Waiting for a run that another process has under way: its leases say that there is one.

use std::path::PathBuf;
use std::thread;

use ibid_core::digest::Key;
use ibid_core::store::{Backoff, Holder, LeaseAttempt, LeaseOn, OutputContent};
use ibid_core::tree::{Place, RelPath};

use super::known::Known;
use super::named;
use crate::error::Failure;

/// Waits while somebody computes what `word` names. A run is known by the outputs that it writes,
/// or by its key where it is that of an earlier run; where there are no leases nothing is waited
/// for.
pub(super) fn wait(known: &Known<'_>, word: &str) -> Result<(), Failure> {
    let (keys, outputs) = watched(known, word)?;
    let store = &known.store;
    let of_keys = keys.iter().map(LeaseOn::Key);
    let of_outputs = outputs.iter().map(|path| LeaseOn::Output(path));
    let leases = of_keys.chain(of_outputs).map(|on| store.lease(on));
    let mut leases: Vec<LeaseAttempt<'_>> = leases.collect();
    for (turn, pause) in Backoff::default().enumerate() {
        let holders: Vec<Holder> = leases.iter_mut().filter_map(LeaseAttempt::holder).collect();
        let Some(holder) = holders.first() else {
            return Ok(());
        };
        if turn == 0 {
            known.context.console.say(&format!(
                "waiting for {holder}, which is running it, to end"
            ));
        }
        thread::sleep(pause);
    }
    Ok(())
}

/// Returns the keys and the output paths by which a run is recognised.
fn watched(known: &Known<'_>, word: &str) -> Result<(Vec<Key>, Vec<PathBuf>), Failure> {
    let root = &known.session.root;
    if let (Some(pipeline), [step]) = (known.pipeline(), known.steps(word).as_slice()) {
        let outputs = &pipeline.step(*step).step.outputs;
        let paths = outputs.iter().map(|output| output.on_disk(root)).collect();
        let newest = known.store.entries_of(pipeline.label(*step), 1);
        let newest = newest.map_err(named::unreadable)?;
        return Ok((newest.iter().map(|entry| entry.key).collect(), paths));
    }
    let named = named::find(known, word)?;
    let result = named.entry.as_ref().and_then(|entry| entry.result);
    let result = result.and_then(|blob| known.store.read_result(&blob).ok());
    let outputs = result.map_or_else(Vec::new, |result| result.outcome.outputs);
    let paths = outputs
        .iter()
        .filter(|output| output.at.is_none() && !matches!(output.content, OutputContent::Link(_)))
        .map(|output| Place::resolve(&output.name, &RelPath::ROOT, root).on_disk(root));
    Ok((vec![named.key], paths.collect()))
}
