//! What is in use says so by its age: blobs that a commit reuses, results that answer a request.
//!
//! Ages are differences between stamps of one file system, the store's own, so that no host's
//! clock has a say in whether a blob is young. What the present time is there is learnt from the
//! stamps of files that this process wrote; between them its monotonic clock counts. Where
//! nothing is learnt yet, everything counts as old, and touching it teaches the time.
//!
//! Invariants: touching changes nothing but times; a blob that is verified stays so, unless
//! anything else changed with it; a file that has a second name, which is a user's output, is
//! never touched; where touching fails nothing does. What a commit needs and cannot touch is
//! written anew, as soon as a collection might take it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::blobs::Stored;
use super::error::StoreError;
use super::layout::BLOB_MODE;
use super::local::LocalStore;
use crate::digest::{BlobId, Key};
use crate::fs::{self, Meter, Signature, Timestamp};

/// A blob that is reused is touched when it is older. A collection spares what is younger than
/// twice that, so that a short pause of either side does not matter.
const YOUNG: Duration = Duration::from_secs(30);

/// A key's file whose result is used is touched when it is older: the order of last uses in days
/// is enough to tell what is worth keeping.
const A_DAY: Duration = Duration::from_hours(24);

/// What this process knows of the time of the store's file system, and of the age of keys' files.
#[derive(Debug, Default)]
pub(super) struct Ages {
    latest: Mutex<Option<(i128, Instant)>>,
    keys: Mutex<BTreeMap<Key, Timestamp>>,
}

impl Ages {
    /// Learns that the file system put this stamp on a file a moment ago.
    pub(super) fn learn(&self, stamp: Timestamp) {
        let mut latest = self.latest.lock().expect("no holder panics");
        if present(*latest).is_none_or(|present| present < stamp.as_nanos()) {
            *latest = Some((stamp.as_nanos(), Instant::now()));
        }
    }

    /// Says whether a blob of this stamp is to be touched when it is reused.
    pub(super) fn is_old(&self, modified: Timestamp) -> bool {
        let latest = *self.latest.lock().expect("no holder panics");
        // What is of later was stamped by a clock that was wrong, and is not spared for it.
        let age = |present: i128| (present - modified.as_nanos()).abs();
        present(latest).is_none_or(|present| age(present) > nanos(YOUNG))
    }

    /// Notes the stamp of a key's file that was read.
    pub(super) fn saw_key(&self, key: &Key, modified: Timestamp) {
        let mut keys = self.keys.lock().expect("no holder panics");
        keys.insert(*key, modified);
    }
}

fn present(latest: Option<(i128, Instant)>) -> Option<i128> {
    latest.map(|(stamp, at)| stamp + nanos(at.elapsed()))
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

impl LocalStore {
    /// Notes that the result of a key answered a request, by the time of its key's file: where
    /// that file is as young as a day when looked up, nothing is done, and no error counts.
    /// `now` is this host's time, which is near enough for days.
    pub fn mark_used(&self, key: &Key, now: Timestamp) {
        let mut keys = self.ages.keys.lock().expect("no holder panics");
        let seen = keys.get(key).copied();
        let is_old = |seen: Timestamp| (now.as_nanos() - seen.as_nanos()).abs() > nanos(A_DAY);
        let used = seen.filter(|seen| !is_old(*seen)).unwrap_or(now);
        let touched = used.as_nanos().saturating_add(nanos(A_DAY));
        fs::counts_until(u64::try_from(touched).unwrap_or(0));
        if self.is_writable() && seen.is_some_and(is_old) {
            keys.insert(*key, now);
            let _ = fs::touch_link(&self.layout.key(key));
        }
    }

    /// Touches a blob that is reused, unless it is young, and returns its stamp. `seen` is what
    /// was verified; it stays verified if nothing but the times changed since.
    pub(super) fn freshen(
        &self,
        (file, path): (&File, &Path),
        seen: &Signature,
        blob: &BlobId,
    ) -> Timestamp {
        if seen.links > 1 || !self.is_writable() || !self.ages.is_old(seen.mtime) {
            return seen.mtime;
        }
        let before = Signature::of_open(file, path);
        let touched = fs::touch_open(file, path).and_then(|()| Signature::of_open(file, path));
        // In the store of a group, only its owner and whoever may write it can touch a file.
        let Ok(after) = touched else {
            return seen.mtime;
        };
        self.ages.learn(after.mtime);
        let expected = Signature {
            mtime: after.mtime,
            ctime: after.ctime,
            ..*seen
        };
        if before.is_ok_and(|before| before == *seen)
            && after == expected
            && self.options.verified.verified(seen, blob.digest())
        {
            self.options.verified.remember(&after, blob.digest());
        }
        after.mtime
    }

    /// Says whether a blob of a commit is still there when the key's file has landed, and sees to
    /// it that no collection that began before takes it away: what is old by now is touched, what
    /// is in the trash comes back.
    pub(super) fn is_still_there(&self, stored: &Stored) -> bool {
        // What was young a moment ago no collection that began before can have taken.
        if !stored.reused && !self.ages.is_old(stored.modified) {
            return true;
        }
        let path = self.layout.blob(&stored.blob);
        let look = || Signature::of_link(&path).is_ok_and(|it| it.size == stored.size);
        match Signature::of_link(&path) {
            Ok(found) if found.size == stored.size => {
                if !self.ages.is_old(found.mtime) {
                    return true;
                }
                if let Ok((file, seen)) = fs::open_nofollow(&path) {
                    let modified = self.freshen((&file, &path), &seen, &stored.blob);
                    if self.ages.is_old(modified) {
                        // Another member's, or one that a user's output is linked to.
                        let _ = self.write_anew(&stored.blob, (&file, &path));
                    }
                }
                if look() {
                    return true;
                }
            }
            _ => {}
        }
        // Who else took it back was as good.
        let _ = self.take_back(&stored.blob);
        if let Ok((file, seen)) = fs::open_nofollow(&path)
            && self.ages.is_old(seen.mtime)
        {
            let _ = self.write_anew(&stored.blob, (&file, &path));
        }
        look()
    }

    /// Puts a young copy in the place of a blob that is old and cannot be touched, so that no
    /// collection that saw the old one takes it.
    fn write_anew(&self, blob: &BlobId, source: (&File, &Path)) -> Result<(), StoreError> {
        let mut staged = self.stage()?;
        let target = (staged.file(), staged.path());
        let copied = fs::copy_hashing(source, target, &Meter::new());
        let (digest, _) = copied.map_err(|error| self.write_failed(error))?;
        if digest != *blob.digest() {
            // Whoever reads it finds that out, too, and says so.
            return Ok(());
        }
        staged
            .set_mode(self.layout.file_mode(BLOB_MODE))
            .map_err(|error| self.write_failed(error))?;
        self.publish_blob(&mut staged, blob).map(drop)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests make the files of a store older than they are"
)]
mod tests {
    use std::time::SystemTime;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::store::StoreOptions;

    #[test]
    fn a_commit_writes_anew_what_is_old_and_cannot_be_touched() {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        let blob = store.put_bytes(b"content").unwrap().blob;
        let path = store.layout.blob(&blob);
        let hour_ago = SystemTime::now() - Duration::from_hours(1);
        let times = std::fs::FileTimes::new().set_modified(hour_ago);
        File::open(&path).unwrap().set_times(times).unwrap();
        // A second name keeps it from being touched, as another owner does.
        let output = dir.join("output");
        std::fs::hard_link(&path, &output).unwrap();
        let stored = store.put_bytes(b"content").unwrap();
        assert!(stored.reused && store.ages.is_old(stored.modified));
        assert!(store.is_still_there(&stored));
        let found = Signature::of_link(&path).unwrap();
        assert!(!store.ages.is_old(found.mtime) && found.links == 1);
        assert_eq!(store.read_blob(&blob, 10).unwrap(), b"content");
        assert!(
            store
                .ages
                .is_old(Signature::of_link(&output).unwrap().mtime)
        );
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn everything_is_old_until_the_time_is_known_and_what_is_half_a_minute_old_then() {
        let ages = Ages::default();
        assert!(ages.is_old(at(1000)));
        ages.learn(at(1000));
        assert!(ages.is_old(at(900)));
        assert!(!ages.is_old(at(990)));
        assert!(!ages.is_old(at(1010)));
        assert!(ages.is_old(at(2000)), "no stamp of these days is of later");
    }

    #[test]
    fn the_latest_stamp_counts() {
        let ages = Ages::default();
        ages.learn(at(1000));
        ages.learn(at(10));
        assert!(ages.is_old(at(900)));
        ages.learn(at(5000));
        assert!(ages.is_old(at(1000)));
    }
}
