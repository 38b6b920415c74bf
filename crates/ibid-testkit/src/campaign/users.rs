//! Four users under eight umasks share one store, and a fifth, who is no member, attacks it.
//!
//! What must hold: every run gives what its command gives, ends with its exit code and is shut out
//! of nothing; what a member recorded and nobody touched since is a hit for all others; what the
//! intruder planted is a hit for nobody. All begin at once in a store that is not there yet, since
//! that is when one user meets what another is making.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use super::random::Random;
use super::{Plan, Report};
use crate::Ran;
use crate::lab::{INTRUDER, LAB_GROUP, Lab, LabUser, files, give, plant};

const USERS: [u32; 4] = [4001, 4002, 4003, 4004];
const UMASKS: [u32; 8] = [0o000, 0o002, 0o007, 0o022, 0o026, 0o027, 0o037, 0o077];
const POINTS: usize = 6;
const ROUNDS: usize = 24;

/// Plays `plan.times` stores, each with its own order of runs and attacks.
pub fn users(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    for case in 0..plan.times as u64 {
        if report.is_over(plan) {
            break;
        }
        if plan.only.is_some_and(|only| only != case) {
            continue;
        }
        let Some(lab) = Lab::new(&plan.binary) else {
            report.say("left out: only root can act as several users");
            return report;
        };
        let random = Random::new(plan.seed.wrapping_add(case.wrapping_mul(0x9e37_79b9)));
        let mut scene = Scene::new(&lab, random, case);
        scene.begin(&mut report);
        for _ in 0..ROUNDS {
            scene.turn(&mut report);
        }
        scene.finish(&mut report);
        report.count("stores of a group", 1);
    }
    let counts = report.counts().to_vec();
    for (what, count) in counts {
        report.say(format!("{what}: {count}"));
    }
    report
}

/// One store, its users, and what has to be a hit.
struct Scene<'a> {
    lab: &'a Lab,
    users: Vec<LabUser>,
    /// What the intruder got for the same keys, in a store of their own.
    poison: PathBuf,
    keys: Vec<String>,
    recorded: [bool; POINTS],
    random: Random,
    case: u64,
}

fn words(point: usize) -> Vec<String> {
    let point = format!("p={point}");
    let script = "mkdir -p out/deep; cat \"$SRC\" | tee out/a out/deep/b";
    ["exec", "--no-input", "--pass-env", "SRC", "-p", &point]
        .iter()
        .chain(&["-o", "out", "--", "sh", "-c", script])
        .map(ToString::to_string)
        .collect()
}

impl<'a> Scene<'a> {
    fn new(lab: &'a Lab, random: Random, case: u64) -> Self {
        let honest = |uid| {
            let mut user = lab.user(uid, &USERS);
            user.write("honest", "honest\n");
            user.set("SRC", "honest");
            user
        };
        let mut intruder = lab.stranger(INTRUDER);
        intruder.write("evil", "evil\n");
        intruder.set("SRC", "evil");
        for point in 0..POINTS {
            intruder.run(0o022, words(point));
        }
        let poison = lab.join("poison");
        fs::rename(intruder.env.cache().join("v1"), &poison).expect("root moves folders");
        let key = |point| {
            let words = [&["key".to_owned()], &words(point)[1..]].concat();
            let told = intruder.run(0o022, words).stdout;
            told.lines().next().unwrap_or_default().to_owned()
        };
        let keys = (0..POINTS).map(key).collect();
        Self {
            lab,
            users: USERS.map(honest).into(),
            poison,
            keys,
            recorded: [false; POINTS],
            random,
            case,
        }
    }

    /// All users run at once, each a point of their own, where nothing of the store is there.
    fn begin(&mut self, report: &mut Report) {
        let umasks: Vec<u32> = (0..USERS.len()).map(|_| self.umask()).collect();
        let ran: Vec<Ran> = std::thread::scope(|scope| {
            let start = |(at, user): (usize, &'_ LabUser)| {
                let mut command = user.command(umasks[at], words(at));
                let child = command
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .expect("the binary under test starts");
                scope.spawn(move || child.wait_with_output().expect("it ends"))
            };
            let started: Vec<_> = self.users.iter().enumerate().map(start).collect();
            let ended = started.into_iter().map(|it| it.join().expect("it ends"));
            let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            ended
                .map(|output| Ran {
                    code: output.status.code(),
                    signal: None,
                    stdout: read(&output.stdout),
                    stderr: read(&output.stderr),
                    raw: (output.stdout, output.stderr),
                })
                .collect()
        });
        for (point, ran) in ran.iter().enumerate() {
            self.judge(point, ran, &format!("at once, {:o}", umasks[point]), report);
            if ran.stderr.contains("warning") {
                self.violation(report, &format!("at once: {}", ran.story()));
            }
            self.recorded[point] = true;
        }
    }

    fn turn(&mut self, report: &mut Report) {
        let point = self.random.below(POINTS);
        match self.random.below(8) {
            0 | 1 => self.attack(point, report),
            2 => self.invalidate(point, report),
            _ => self.exec(point, report),
        }
    }

    fn exec(&mut self, point: usize, report: &mut Report) {
        let umask = self.umask();
        let user = &self.users[self.random.below(USERS.len())];
        // Sometimes the outputs are there already, of whichever point.
        let expected = self.recorded[point];
        let _ = fs::remove_dir_all(user.env.work("out"));
        let ran = user.run(umask, words(point));
        let out = fs::read(user.env.work("out/deep/b")).unwrap_or_default();
        let what = format!("user {}, {umask:o}", user.uid);
        self.judge(point, &ran, &what, report);
        if out != b"honest\n" {
            self.violation(report, &format!("{what}: the output is {out:?}"));
        }
        let executed = ran.stderr.contains("ibid: ran");
        if expected && executed {
            self.violation(report, &format!("{what}: no hit: {}", ran.story()));
        }
        if !expected && !executed {
            self.violation(report, &format!("{what}: a hit of what nobody recorded"));
        }
        self.recorded[point] = true;
    }

    fn judge(&self, point: usize, ran: &Ran, what: &str, report: &mut Report) {
        report.count("runs of several users", 1);
        let denied = ["Permission denied", "not permitted", "not stored"];
        let denied = denied.iter().find(|text| ran.stderr.contains(**text));
        if ran.code != Some(0) || ran.stdout != "honest\n" || denied.is_some() {
            self.violation(report, &format!("{what}, point {point}: {}", ran.story()));
        }
    }

    fn invalidate(&mut self, point: usize, report: &mut Report) {
        if !self.recorded[point] {
            return;
        }
        let umask = self.umask();
        let user = &self.users[self.random.below(USERS.len())];
        let ran = user.run(umask, ["invalidate", &self.keys[point]]);
        if ran.code != Some(0) {
            self.violation(report, &format!("invalidate: {}", ran.story()));
        }
        self.recorded[point] = false;
    }

    /// Does one of the things that an intruder could do.
    fn attack(&mut self, point: usize, report: &mut Report) {
        report.count("attacks of an intruder", 1);
        let v1 = self.lab.store().join("v1");
        let hex = self.keys[point].rsplit(':').next().unwrap_or_default();
        let below = format!("keys/{}/{hex}", &hex[..2]);
        let (key, evil) = (v1.join(&below), self.poison.join(&below));
        let shard = key.parent().expect("a key lies in a shard");
        if !shard.is_dir() {
            fs::create_dir(shard).expect("root makes folders");
            give(shard, (INTRUDER, LAB_GROUP), 0o2770);
        }
        let put = |path: &Path, bytes: &[u8], mode: u32| {
            let _ = fs::remove_file(path);
            fs::write(path, bytes).expect("root writes");
            give(path, (INTRUDER, LAB_GROUP), mode);
        };
        match self.random.below(7) {
            0 => put(&key, &fs::read(&evil).unwrap_or_default(), 0o640),
            1 => {
                plant(&self.poison, &v1);
                self.recorded = [false; POINTS];
            }
            2 => put(&key, b"\x84\x69tombstone\x01\x00\x61x", 0o666),
            3 => {
                let _ = fs::remove_file(&key);
                symlink(&evil, &key).expect("a link can be made");
            }
            4 => {
                let _ = fs::remove_file(&key);
                let made = std::process::Command::new("mkfifo").arg(&key).status();
                made.expect("mkfifo is there");
            }
            5 => put(
                &v1.join("leases").join(hex),
                b"00000000000000000000?",
                0o600,
            ),
            _ => {
                for blob in files(&v1.join("blobs")) {
                    let bytes = fs::read(&blob).unwrap_or_default();
                    // Done twice it must not be undone.
                    let other: Vec<u8> = bytes.iter().map(|byte| byte.wrapping_add(1)).collect();
                    put(&blob, &other, 0o440);
                }
                self.recorded = [false; POINTS];
            }
        }
        self.recorded[point] = false;
        if v1.join("leases").join(hex).exists() {
            // The key's file goes with it, so that somebody has to ask for the lease.
            let _ = fs::remove_file(&key);
        }
    }

    /// Looks at all modes: nothing of a member shuts another out or lets a stranger in.
    fn finish(&self, report: &mut Report) {
        let mut folders = vec![self.lab.store()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(status) = fs::symlink_metadata(&path) else {
                    continue;
                };
                if status.is_dir() {
                    folders.push(path.clone());
                }
                let needed = if status.is_dir() { 0o2770 } else { 0o040 };
                // The three lowest bits are what others may.
                let fits = status.gid() == LAB_GROUP
                    && status.mode() & needed == needed
                    && status.mode().trailing_zeros() >= 3;
                if !fits && USERS.contains(&status.uid()) {
                    let shown = format!("{}: {:o}", path.display(), status.mode());
                    self.violation(report, &shown);
                }
            }
        }
    }

    fn umask(&mut self) -> u32 {
        UMASKS[self.random.below(UMASKS.len())]
    }

    fn violation(&self, report: &mut Report, what: &str) {
        report.violation(format!("store {}: {what}", self.case));
    }
}
