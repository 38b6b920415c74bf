//! What kinds of flaws there are, and what each is worth.

/// What kind of flaw it is. The kinds fall into classes, which exit codes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FlawKind {
    /// A blob has other bytes than its name says.
    BlobContent,
    /// Something else than a regular file, or than a directory, stands at a name of the store.
    NotAFile,
    /// A key's file cannot be decoded.
    KeyFile,
    /// A key's file names a result that is not there.
    ResultMissing,
    /// What a key's file names is no result, or a result says what cannot be.
    Result,
    /// A key's file names the result of another key.
    ForeignKey,
    /// A result needs a blob that is not there.
    BlobMissing,
    /// A listing's bytes are right and it is none.
    Listing,
    /// An entry of history, a pin or the store's description cannot be decoded, or is missing.
    SmallFile,
    /// Somebody may write, or wrote, who is not trusted.
    Untrusted,
    /// A name that no store has.
    Stranger,
    /// A long file of holes has the name of a blob, and nothing needs as many bytes: it was not read.
    Unread,
    /// It cannot be read.
    Unreadable,
}

/// What a flaw is worth to whoever asks whether a store is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawClass {
    /// Something is not what it was.
    Damaged,
    /// It may be right, and somebody who is not trusted could change it unseen.
    Untrusted,
    /// It may be right, and could not be looked at.
    Unreadable,
    /// It is worth knowing and no flaw of the store.
    Told,
}

impl FlawKind {
    /// Returns the class.
    pub const fn class(self) -> FlawClass {
        match self {
            Self::BlobContent
            | Self::NotAFile
            | Self::KeyFile
            | Self::ResultMissing
            | Self::Result
            | Self::ForeignKey
            | Self::BlobMissing
            | Self::Listing
            | Self::SmallFile => FlawClass::Damaged,
            Self::Untrusted => FlawClass::Untrusted,
            Self::Unreadable => FlawClass::Unreadable,
            Self::Stranger | Self::Unread => FlawClass::Told,
        }
    }

    /// Returns the word that messages and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BlobContent => "blob-content",
            Self::NotAFile => "not-a-file",
            Self::KeyFile => "key-file",
            Self::ResultMissing => "result-missing",
            Self::Result => "result",
            Self::ForeignKey => "foreign-key",
            Self::BlobMissing => "blob-missing",
            Self::Listing => "listing",
            Self::SmallFile => "small-file",
            Self::Untrusted => "untrusted",
            Self::Stranger => "stranger",
            Self::Unread => "unread",
            Self::Unreadable => "unreadable",
        }
    }
}

impl FlawClass {
    /// Returns the word that messages and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Untrusted => "untrusted",
            Self::Unreadable => "unreadable",
            Self::Told => "told",
        }
    }
}
