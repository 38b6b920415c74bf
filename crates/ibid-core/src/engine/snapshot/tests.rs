//! What a snapshot holds, and everything that ends it, without a run around it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use ibid_testkit::TempDir;

use super::bytes::Reader;
use super::form::{Expected, Identity, Look, read_look, write_block};
use super::{Sealing, Seen, Told, holds, seal};
use crate::digest::Digest;
use crate::environ::EnvSnapshot;
use crate::fs::{Account, Facts, Host, Noted, Signature, Timestamp};
use crate::scan::{StatCache, StatCacheOptions, StatPolicy, StatWrites};

const NOW: u64 = 1_000;

/// A project whose stamps lie before the run began, on whatever file system.
struct Bench {
    dir: TempDir,
    env: EnvSnapshot,
    stats: StatCache,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new();
        std::fs::create_dir_all(dir.join("root/.ibid/manifests")).unwrap();
        std::fs::write(dir.join("root/in"), "input").unwrap();
        let env: EnvSnapshot = [("ASKED", "1"), ("OTHER", "2")].into_iter().collect();
        let stats = StatCache::open(StatCacheOptions {
            dir: None,
            probe_dirs: Vec::new(),
            policy: StatPolicy::Trust,
            writes: StatWrites::Forbidden,
            host: Host::default(),
            clock: Timestamp::default,
        });
        let env = env.watched();
        env.get("ASKED");
        Self { dir, env, stats }
    }

    fn request() -> Digest {
        Digest::of(b"request")
    }

    fn told() -> Told {
        Told {
            steps: 3,
            saved: Duration::from_secs(9),
            names: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    /// An account of one look at the input.
    fn account(&self) -> Account {
        let path = self.dir.join("root/in");
        let signature = Signature::of_link(&path).unwrap();
        let clean = Some(true);
        let noted = Noted::Status { signature, clean };
        Account {
            looks: HashMap::from([((path, false), noted)]),
            ..Account::default()
        }
    }

    /// An account of one look more, at a file that was read.
    fn account_with(&self, path: &Path) -> Account {
        let mut account = self.account();
        let signature = Signature::of(path).unwrap();
        let clean = Some(true);
        let noted = Noted::Status { signature, clean };
        account.looks.insert((path.to_owned(), true), noted);
        account
    }

    fn seal(&self, account: Account) -> Option<Vec<u8>> {
        self.seal_at(account, 1 << 40)
    }

    fn seal_at(&self, account: Account, seconds: i64) -> Option<Vec<u8>> {
        self.seal_with(account, seconds, ["cache", "cache/tmp", "cache/local"])
    }

    /// Seals where the store, temporary files and the stat cache lie in these folders.
    fn seal_with(&self, account: Account, seconds: i64, dirs: [&str; 3]) -> Option<Vec<u8>> {
        let root = self.dir.join("root");
        let [cache, tmp, local] = dirs.map(|name| self.dir.join(name));
        let sealing = Sealing {
            root: &root,
            cache_dir: &cache,
            tmp_dir: &tmp,
            local_dir: &local,
            generation: None,
            stats: &self.stats,
            began: Timestamp { seconds, nanos: 1 },
            now: NOW,
        };
        let seen = Seen::seal(account, &sealing)?;
        seal(&seen, &Self::told(), &Self::request(), &self.env)
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        holds(bytes, &Self::request(), &self.env, NOW) == Some(Self::told())
    }
}

#[test]
fn it_holds_until_anything_differs() {
    let bench = Bench::new();
    let sealed = bench.seal(bench.account()).unwrap();
    assert!(bench.holds(&sealed));
    assert_eq!(
        holds(&sealed, &Digest::of(b"another"), &bench.env, NOW),
        None
    );
    let env = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<EnvSnapshot>();
    let asks = |env| holds(&sealed, &Bench::request(), &env, NOW).is_some();
    assert!(asks(env(&[("ASKED", "1"), ("OTHER", "changed")])));
    assert!(!asks(env(&[("ASKED", ""), ("OTHER", "2")])));
    assert!(!asks(env(&[("OTHER", "2")])));
    let generation = bench.dir.join("cache/v1/generation");
    std::fs::create_dir_all(generation.parent().unwrap()).unwrap();
    std::fs::write(&generation, "next").unwrap();
    assert!(!bench.holds(&sealed), "a result counts no longer");
    std::fs::remove_file(&generation).unwrap();
    assert!(bench.holds(&sealed));
    std::fs::write(bench.dir.join("root/.ibid/manifests/a.json"), "{}").unwrap();
    assert!(!bench.holds(&sealed), "a manifest was written");
}

#[test]
fn where_all_variables_were_asked_for_those_of_shells_say_nothing_unless_named() {
    let bench = Bench::new();
    assert!(bench.env.iter().count() > 0, "all are asked for");
    bench.env.get("SHLVL");
    let sealed = bench.seal(bench.account()).unwrap();
    let asks = |name: &str, value: &str| {
        let all = [("ASKED", "1"), ("OTHER", "2"), (name, value)];
        let env: EnvSnapshot = all.into_iter().collect();
        holds(&sealed, &Bench::request(), &env, NOW).is_some()
    };
    assert!(asks("_", "/bin/ibid"));
    assert!(!asks("SHLVL", "1"), "it was asked for by name");
    assert!(!asks("OTHER", "3"));
    assert!(!asks("NEW", ""));
}

#[test]
fn it_holds_for_its_time_and_not_before_it_was_made() {
    let bench = Bench::new();
    let account = Account {
        until: Some(2 * NOW),
        ..bench.account()
    };
    let sealed = bench.seal(account).unwrap();
    let at = |now| holds(&sealed, &Bench::request(), &bench.env, now).is_some();
    assert_eq!([NOW, 2 * NOW - 1].map(at), [true, true]);
    assert_eq!([NOW - 1, 2 * NOW].map(at), [false, false]);
}

#[test]
fn an_input_counts_wherever_the_folders_of_ibid_lie() {
    let bench = Bench::new();
    let dirs = ["cache", "cache/tmp", "cache/local"];
    let at = |change: usize, to| {
        let mut dirs = dirs;
        dirs[change] = to;
        dirs
    };
    let seal = |account, dirs| bench.seal_with(account, 1 << 40, dirs);
    for dirs in [1, 2]
        .map(|which| [at(which, ""), at(which, "root")])
        .concat()
    {
        let sealed = seal(bench.account(), dirs).unwrap();
        assert!(bench.holds(&sealed), "{dirs:?}");
        std::fs::write(bench.dir.join("root/in"), format!("not {dirs:?}")).unwrap();
        assert!(!bench.holds(&sealed), "{dirs:?}");
    }
    let path = bench.dir.join("root/.ibid/manifests/a.json");
    std::fs::write(&path, "as an input").unwrap();
    let mut account = bench.account();
    let signature = Signature::of(&path).unwrap();
    let clean = None;
    let noted = Noted::Status { signature, clean };
    account.looks.insert((path.clone(), false), noted);
    let sealed = bench.seal(account).unwrap();
    assert!(bench.holds(&sealed));
    std::fs::write(&path, "edited in its place").unwrap();
    assert!(!bench.holds(&sealed));
}

#[test]
fn a_folder_of_ibid_that_was_listed_is_not_sealed() {
    let bench = Bench::new();
    let listing = |path: &str| Account {
        listed: HashSet::from([bench.dir.join(path)]),
        ..bench.account()
    };
    let seals = |path| bench.seal(listing(path)).is_some();
    assert!(seals("root") && seals("cache/other"));
    let ours = ["cache", "cache/tmp", "cache/local", "cache/v1/keys"];
    for path in ours.into_iter().chain(["root/.ibid"]) {
        assert!(!seals(path), "{path}");
    }
}

#[test]
fn many_looks_are_made_from_the_root() {
    let bench = Bench::new();
    let mut account = bench.account();
    for number in 0..100 {
        let path = bench.dir.join(format!("root/missing-{number}"));
        account.looks.insert((path, false), Noted::Failed(2));
    }
    let sealed = bench.seal(account).unwrap();
    assert!(bench.holds(&sealed));
    let last = bench.dir.join("root/missing-99");
    std::fs::write(&last, "no longer").unwrap();
    assert!(!bench.holds(&sealed));
    std::fs::remove_file(&last).unwrap();
    assert!(bench.holds(&sealed));
    std::fs::rename(bench.dir.join("root"), bench.dir.join("moved")).unwrap();
    assert!(!bench.holds(&sealed));
}

#[test]
fn a_copy_in_a_view_counts_like_any_file() {
    let bench = Bench::new();
    let copy = bench.dir.join("cache/v1/views/key/current/value");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::write(&copy, "result").unwrap();
    let sealed = bench.seal(bench.account_with(&copy)).unwrap();
    assert!(bench.holds(&sealed));
    std::fs::write(&copy, "edited").unwrap();
    assert!(!bench.holds(&sealed));
}

#[test]
fn a_file_among_those_of_ibid_counts_whatever_it_is_called() {
    let bench = Bench::new();
    for name in [
        "cache/tmp/now",
        "cache/local/now",
        "cache/local/3",
        "root/.ibid/now",
    ] {
        let input = bench.dir.join(name);
        std::fs::create_dir_all(input.parent().unwrap()).unwrap();
        std::fs::write(&input, "input").unwrap();
        let sealed = bench.seal(bench.account_with(&input)).unwrap();
        assert!(bench.holds(&sealed), "{name}");
        std::fs::write(&input, "edited").unwrap();
        assert!(!bench.holds(&sealed), "{name}");
    }
}

#[test]
fn where_there_are_no_manifests_the_first_one_counts() {
    let bench = Bench::new();
    std::fs::remove_dir(bench.dir.join("root/.ibid/manifests")).unwrap();
    let sealed = bench.seal(bench.account()).unwrap();
    assert!(bench.holds(&sealed));
    std::fs::create_dir(bench.dir.join("root/.ibid/manifests")).unwrap();
    assert!(!bench.holds(&sealed));
}

#[test]
fn no_flipped_bit_and_no_cut_holds() {
    let bench = Bench::new();
    let sealed = bench.seal(bench.account()).unwrap();
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(!bench.holds(&flipped), "byte {at}");
        assert!(!bench.holds(&sealed[..at]), "{at} bytes");
    }
}

#[test]
fn what_is_too_young_unsteady_or_not_a_file_is_not_sealed() {
    let bench = Bench::new();
    assert!(bench.seal_at(bench.account(), 1).is_none(), "too young");
    let dirty = |noted: &mut Noted| {
        if let Noted::Status { clean, .. } = noted {
            *clean = Some(false);
        }
    };
    let mut account = bench.account();
    account.looks.values_mut().for_each(dirty);
    let changed = Signature::of_link(&bench.dir.join("root/in"))
        .unwrap()
        .last_change();
    let soon = changed.seconds + 10;
    assert!(bench.seal_at(account, soon).is_none(), "a page was dirty");
    let spoilt = Account {
        spoilt: Some("a command was started"),
        ..bench.account()
    };
    assert!(bench.seal(spoilt).is_none());
    let with = |path: &Path, noted| {
        let mut account = bench.account();
        account.looks.insert((path.to_owned(), true), noted);
        bench.seal(account).is_some()
    };
    let null = Signature::of(Path::new("/dev/null")).unwrap();
    let clean = None;
    let null = Noted::Status {
        signature: null,
        clean,
    };
    assert!(!with(Path::new("/dev/null"), null));
    assert!(!with(Path::new("/proc/uptime"), Noted::Place));
    assert!(!with(Path::new("relative"), Noted::Failed(2)));
    assert!(!with(&bench.dir.join("root/x"), Noted::Unsteady));
    assert!(with(&bench.dir.join("root/x"), Noted::Failed(2)));
}

#[test]
fn looks_come_back_from_a_block_as_they_were() {
    let dir = TempDir::new();
    let facts = Facts::of(dir.path()).unwrap();
    let status = Expected::Status(Signature {
        links: 0,
        ..facts.signature
    });
    let place = Expected::Place(Identity::of(&facts));
    let paths: [(&[u8], _); 5] = [
        (b"", status),
        (b"a/b", Expected::Failed(2)),
        (b"a/bc\xff", place),
        (b"a/bc\xff", status),
        (b"z", Expected::Failed(-1)),
    ];
    let looks = paths.map(|(path, expected)| Look {
        path: path.to_vec(),
        follow: path.len() == 3,
        expected,
    });
    let bytes = write_block(&looks);
    let (mut from, mut path) = (Reader(&bytes), vec![0]);
    for look in &looks {
        let read = read_look(&mut from, &mut path).unwrap();
        assert_eq!(read, (look.follow, look.expected));
        assert_eq!(path, [&look.path[..], b"\0"].concat());
    }
    assert!(from.0.is_empty());
}
