//! Which files are known without being read, and which are not.

use super::*;
use crate::digest::Digest;

#[test]
fn an_old_file_is_read_once_and_known_in_the_next_process() {
    let bench = Bench::new();
    if !bench.is_local() {
        return;
    }
    let path = bench.put("a", "text");
    // It is young by ctime, so that only a page cache known to be clean makes it trusted.
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
    let digest = |bench: &Bench| bench.with(|scanner| scanner.file_digest(&path).unwrap().digest);
    let before = crate::fs::slots::touch(&bench.dir.join("clock")).unwrap();
    assert_eq!(digest(&bench), Digest::of(b"text"));
    let signature = Signature::of(&path).unwrap();
    let settled = before.as_nanos() - signature.ctime.as_nanos() > 20_000_000;
    let read_before = bench.meter.done();
    assert_eq!(digest(&bench), Digest::of(b"text"));
    let read = bench.meter.done() - read_before;
    assert!(!settled || read == 0, "an unchanged file was read again");
}

#[test]
fn a_file_whose_status_differs_in_anything_is_not_known() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let stats = bench.stats();
    let signature = Signature::of(&path).unwrap();
    let fs = stats.file_system(&path, signature.device).unwrap();
    stats.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    assert_eq!(stats.known(&signature, &fs).is_some(), stats.believes(&fs));
    let later = |mut stamp: Timestamp| {
        stamp.nanos ^= 1;
        stamp
    };
    for other in [
        Signature {
            device: signature.device + 1,
            ..signature
        },
        Signature {
            inode: signature.inode + 1,
            ..signature
        },
        Signature {
            size: signature.size + 1,
            ..signature
        },
        Signature {
            mtime: later(signature.mtime),
            ..signature
        },
        Signature {
            ctime: later(signature.ctime),
            ..signature
        },
        Signature {
            mode: signature.mode ^ 0o100,
            ..signature
        },
    ] {
        assert_eq!(stats.known(&other, &fs), None, "{other:?}");
        let recalled = stats.recall(signature.inode, &fs);
        let borne_out = |seen| stats.bears_out(recalled.as_ref()?, seen, &fs);
        assert_eq!(borne_out(&other), None, "{other:?}");
        assert_eq!(borne_out(&signature), stats.known(&signature, &fs));
    }
    // The same on disk: ctime gives the edit away.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, b"two").unwrap();
    set_stamp(&path, signature.mtime);
    assert_eq!(Signature::of(&path).unwrap().mtime, signature.mtime);
    let root = bench.root();
    let scanner = Scanner::new(&root, &stats, &bench.meter);
    assert_eq!(
        scanner.file_digest(&path).unwrap().digest,
        Digest::of(b"two")
    );
}

#[test]
fn same_size_edits_with_the_old_mtime_put_back_are_noticed() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    set_time(&path, 1_000_000);
    for round in 0..50 {
        let text = format!("{round:03}");
        std::fs::write(&path, &text).unwrap();
        set_time(&path, 1_000_000);
        let digest = bench.with(|scanner| scanner.file_digest(&path).unwrap().digest);
        assert_eq!(digest, Digest::of(text.as_bytes()));
    }
}

#[test]
fn a_captured_output_is_known_although_it_is_young_and_dirty() {
    let bench = Bench::new();
    let path = bench.put("out", "one");
    let signature = Signature::of(&path).unwrap();
    {
        let stats = bench.stats();
        let fs = stats.file_system(&path, signature.device).unwrap();
        if !stats.believes(&fs) {
            return;
        }
        let settled = signature.ctime.as_nanos() + i128::from(fs.granularity);
        let started = loop {
            let before = crate::fs::slots::touch(&bench.dir.join("clock")).unwrap();
            let started = stats.started_anew(&fs);
            if before.as_nanos() > settled + 20_000_000 {
                break started;
            }
        };
        stats.remember(
            &signature,
            &fs,
            Digest::of(b"one"),
            Origin::Captured { started },
        );
    }
    bench.with(|scanner| {
        let found = scanner.file_digest(&path).unwrap();
        assert_eq!(found.digest, Digest::of(b"one"));
        assert_eq!(scanner.recheck(&[found.into()]), []);
    });
    assert_eq!(bench.meter.done(), 0);
}

#[test]
fn a_reboot_forgets_what_was_young() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let dir = bench.dir.join("stats");
    let signature = Signature::of(&path).unwrap();
    let know = |host: Host| {
        let stats = stats_at(&dir, host);
        let fs = stats.file_system(&path, signature.device)?;
        stats.known(&signature, &fs)
    };
    {
        let stats = stats_at(&dir, host());
        let fs = stats.file_system(&path, signature.device).unwrap();
        if !stats.believes(&fs) {
            return;
        }
        stats.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    }
    assert_eq!(know(host()), Some(Digest::of(b"one")));
    let rebooted = Host {
        boot_id: "later".to_owned(),
        ..host()
    };
    assert_eq!(know(rebooted), None);
    let elsewhere = Host {
        machine_id: "copy".to_owned(),
        ..host()
    };
    assert_eq!(know(elsewhere), None);
}

#[test]
fn where_the_boot_is_not_known_each_process_is_one_of_its_own() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let dir = bench.dir.join("stats");
    let signature = Signature::of(&path).unwrap();
    let stats = || {
        let boot_id = String::new();
        stats_at(&dir, Host { boot_id, ..host() })
    };
    let know = |stats: &StatCache| {
        let fs = stats.file_system(&path, signature.device)?;
        stats.known(&signature, &fs)
    };
    let first = stats();
    let fs = first.file_system(&path, signature.device).unwrap();
    if !first.believes(&fs) {
        return;
    }
    first.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    assert_eq!(know(&first), Some(Digest::of(b"one")));
    drop(first);
    assert_eq!(know(&stats()), None);
}
