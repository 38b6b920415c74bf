//! A folder that stands as a result has it, recognised by one look at each name in it.
//!
//! Reads no file. That all of it is known decides for it; what is not is left to the exact
//! comparison, which need not look at the names again. Where a look fails, that says why.

use super::target::Target;
use super::walk::{Standing, Stood};
use crate::fs::FileKind;
use crate::scan::{Glance, StatCache};
use crate::tree::RelPath;

/// Looks at the folder that was seen at a target; `None` where there was none, or a look fails.
pub(super) fn glance(target: &Target, stats: &StatCache) -> Option<Glance> {
    target.seen.filter(|seen| seen.kind() == FileKind::Dir)?;
    Glance::at(&target.dir.dir(&target.name).ok()?, stats).ok()
}

/// Returns what stands at a target that was looked at so.
pub(super) fn standing(target: &Target, glance: &Glance) -> Option<Standing> {
    let top = Stood::new(target.seen?, None);
    let mut found = vec![(RelPath::ROOT, top)];
    glance.each(|path, glimpse| {
        let stood = Stood {
            signature: *glimpse.signature,
            link: glimpse.link.map(<[u8]>::to_vec),
            digest: glimpse.digest,
        };
        found.push((path, stood));
    });
    Some(found.into_iter().collect())
}
