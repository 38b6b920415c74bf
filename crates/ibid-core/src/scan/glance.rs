//! `Glance`: what stands below an open directory, by one look at each name and without reading.
//!
//! For outputs, which count whole: no filter leaves anything out, and links are their texts. What
//! the stat cache keeps of a tree serves here as it does for inputs, by the same rules. A file that
//! status does not tell is left without a digest; whatever cannot be looked at is an error, and an
//! exact comparison says why.

use super::survey::{Files, Member, Survey};
use super::walk::Top;
use super::{Filter, ScanError, Scanner, StatCache};
use crate::digest::{Digest, TreeId};
use crate::fs::{Dir, Meter, Signature};
use crate::tree::RelPath;

/// Everything below a directory.
#[derive(Debug)]
pub struct Glance {
    survey: Survey,
    id: Option<TreeId>,
}

/// One thing below it.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse<'a> {
    /// Its status.
    pub signature: &'a Signature,
    /// The digest of a file, if its status tells it.
    pub digest: Option<Digest>,
    /// The text of a link.
    pub link: Option<&'a [u8]>,
}

impl Glance {
    /// Looks at everything below an open directory.
    pub fn at(top: &Dir, stats: &StatCache) -> Result<Self, ScanError> {
        let meter = Meter::default();
        let scanner = Scanner::new(top.path(), stats, &meter);
        let survey = scanner.survey(Top::Open(top), &Filter::everything(), Files::Know)?;
        let id = survey.is_known().then(|| survey.listing_id());
        if let Some(id) = id {
            scanner.keep(&survey, id);
        }
        Ok(Self { survey, id })
    }

    /// Returns the digest of the listing, if the content of every file is known.
    pub fn id(&self) -> Option<TreeId> {
        self.id
    }

    /// Goes through everything in the order of paths.
    pub fn each(&self, mut visit: impl FnMut(RelPath, Glimpse<'_>)) {
        self.survey.each(|path, row| {
            let path = RelPath::new(path).expect("it is made of listed names");
            let (digest, link) = match &row.member {
                Member::File(digest, _) => (Some(*digest), None),
                Member::Link(link) => (None, Some(link.text.as_slice())),
                Member::Unread | Member::Dir => (None, None),
            };
            let signature = &row.signature;
            visit(
                path,
                Glimpse {
                    signature,
                    digest,
                    link,
                },
            );
        });
    }
}
