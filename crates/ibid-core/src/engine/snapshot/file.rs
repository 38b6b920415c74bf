//! The file of a snapshot: for whom it holds, what it answers, and what was seen.
//!
//! ```text
//! digest of the rest; version; request; what is told; names and digest of variables; what was seen
//! ```

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::Duration;

use super::bytes::{Reader, Writer};
use super::holds::all_is_as;
use super::seal::Seen;
use crate::digest::Digest;
use crate::environ::{Asked, EnvSnapshot};

/// Changes with every change of the form.
const VERSION: u64 = 2;

/// What shells change with every command line, each for itself. Where all variables were asked for,
/// which is only so that a command sees them, these say nothing; asked for by name they count.
const OF_SHELLS: [&str; 3] = ["_", "SHLVL", "OLDPWD"];

/// What a run says that has nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many steps it was about.
    pub steps: u64,
    /// How long their commands had run.
    pub saved: Duration,
    /// Their names, in the order in which they were told, where each has a line of its own.
    pub names: Vec<String>,
}

/// Makes a snapshot of what was seen: for who asked, for what, and in which binary, whatever
/// decides before the first look; and for an environment that was watched.
pub fn seal(seen: &Seen, told: &Told, request: &Digest, env: &EnvSnapshot) -> Option<Vec<u8>> {
    let asked = env.asked()?;
    let mut out = Writer::default();
    out.number(VERSION);
    out.0.extend_from_slice(request.as_bytes());
    out.number(told.steps);
    out.number(u64::try_from(told.saved.as_nanos()).ok()?);
    out.number(told.names.len() as u64);
    for name in &told.names {
        out.bytes(name.as_bytes());
    }
    out.number(u64::from(asked.all));
    out.number(asked.names.len() as u64);
    for name in &asked.names {
        out.bytes(name.as_bytes());
    }
    out.0.extend_from_slice(values(&asked, env).as_bytes());
    out.0.extend_from_slice(&seen.0);
    let mut sealed = Digest::of(&out.0).as_bytes().to_vec();
    sealed.append(&mut out.0);
    Some(sealed)
}

/// Says what the run said if everything is as it was: for this request, with this environment, at
/// this time in nanoseconds since 1970.
pub fn holds(bytes: &[u8], request: &Digest, env: &EnvSnapshot, now: u64) -> Option<Told> {
    let (sum, rest) = bytes.split_at_checked(request.as_bytes().len())?;
    let mut from = Reader(rest);
    let is_ours = from.number()? == VERSION && from.take(sum.len())? == request.as_bytes();
    // Hashing it all is worth it only where it may hold.
    if !is_ours || Digest::of(rest).as_bytes() != sum {
        return None;
    }
    let told = told(&mut from)?;
    let all = from.number()? == 1;
    let names = from.number()?;
    let names = (0..names).map(|_| Some(OsString::from_vec(from.bytes()?.to_vec())));
    let names = names.collect::<Option<_>>()?;
    let asked = Asked { names, all };
    if from.take(sum.len())? != values(&asked, env).as_bytes() {
        return None;
    }
    all_is_as(from, now).then_some(told)
}

fn told(from: &mut Reader<'_>) -> Option<Told> {
    let steps = from.number()?;
    let saved = Duration::from_nanos(from.number()?);
    let names = from.number()?;
    let names = (0..names).map(|_| String::from_utf8(from.bytes()?.to_vec()).ok());
    Some(Told {
        steps,
        saved,
        names: names.collect::<Option<_>>()?,
    })
}

/// Returns the digest of what a run asked the environment for, by its names.
fn values(asked: &Asked, env: &EnvSnapshot) -> Digest {
    let mut all = Writer::default();
    for name in &asked.names {
        let value = env.get(name);
        all.bytes(name.as_bytes());
        all.number(u64::from(value.is_some()));
        all.bytes(value.unwrap_or_default().as_bytes());
    }
    if asked.all {
        for (name, value) in env
            .iter()
            .filter(|(name, _)| !OF_SHELLS.iter().any(|own| name == own))
        {
            all.bytes(name.as_bytes());
            all.bytes(value.as_bytes());
        }
    }
    Digest::of(&all.0)
}
