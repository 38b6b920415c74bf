//! Disks that are full, read-only or gone: the command ends as without a cache, what was lost is
//! told once, and the next run with space again heals (laws 3, 4 and 6; hazards E1 to E4).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ibid_testkit::disks::{Mount, image, image_with, may_mount, tmpfs};
use ibid_testkit::{Ran, TestEnv};
use serde_json::Value;

use super::{by_shell, ok, test_env};

/// Prints, fails as asked, and makes a file and a folder of files.
const SCRIPT: &str = "cat in in > out; mkdir -p d/e; for i in 1 2 3; do cp in d/e/$i; done; \
                      echo said; echo told >&2";

/// An environment with an input of 20 kB that does not repeat itself within a page.
fn bench() -> TestEnv {
    let env = test_env();
    let lines: Vec<String> = (0..3000).map(|line| format!("{line:06}")).collect();
    env.write("in", lines.join("\n"));
    let steps = "[steps.a]\nmatrix = { i = [\"1\", \"2\", \"3\", \"4\"] }\n\
                 run = \"cat in > {outputs}; echo {matrix.i} >> {outputs}\"\ninputs = [\"in\"]\n\
                 outputs = [\"made/{matrix.i}\"]\n\n[steps.b]\nrun = \"cat {inputs} > {outputs}\"\n\
                 inputs = [\"made/1\", \"made/2\", \"made/3\", \"made/4\"]\noutputs = [\"all\"]\n";
    env.write(
        "ibid.toml",
        format!("[pipeline]\nname = \"disks\"\n\n{steps}"),
    );
    env
}

fn exec(cache: &Path) -> Vec<String> {
    let words = ["exec", "--input", "in", "--output", "out", "--output", "d/"];
    let words = words.into_iter().map(str::to_owned);
    let cache = ["--cache-dir".to_owned(), cache.to_string_lossy().into()];
    let command = ["--", "sh", "-c", SCRIPT].map(str::to_owned);
    words.chain(cache).chain(command).collect()
}

fn run(cache: &Path) -> Vec<String> {
    ["run", "--cache-dir", &cache.to_string_lossy()]
        .map(str::to_owned)
        .to_vec()
}

/// The lines that tell of something lost.
fn warnings(ran: &Ran) -> Vec<&str> {
    ran.stderr
        .lines()
        .filter(|line| line.contains("warning: "))
        .collect()
}

/// Takes the outputs away, so that the next run restores or makes them.
fn clear(env: &TestEnv) {
    for name in ["out", "all"] {
        let _ = std::fs::remove_file(env.work(name));
    }
    for name in ["d", "made"] {
        let _ = std::fs::remove_dir_all(env.work(name));
    }
}

/// Checks that the command and the pipeline ended as without a cache, with at most `most` warnings
/// each.
fn as_without_a_cache(env: &TestEnv, cache: &Path, most: usize) {
    let input = env.read("in");
    let ran = env.run(exec(cache));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert_eq!(ran.raw.0, b"said\n");
    assert_eq!(ran.stderr.lines().filter(|line| *line == "told").count(), 1);
    assert!(warnings(&ran).len() <= most, "{}", ran.story());
    assert_eq!(env.read("out"), [&*input, &*input].concat());
    assert_eq!(env.read("d/e/3"), input);

    let ran = env.run(run(cache));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(warnings(&ran).len() <= most, "{}", ran.story());
    let made: Vec<u8> = (1..=4)
        .flat_map(|i| [&*input, format!("{i}\n").as_bytes()].concat())
        .collect();
    assert_eq!(env.read("all"), made);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.story());
}

/// Checks that whatever was missed before is stored, and that nothing is told any more.
fn heals(env: &TestEnv, cache: &Path) {
    clear(env);
    as_without_a_cache(env, cache, 0);
    clear(env);
    for words in [exec(cache), run(cache)] {
        let ran = env.run(words);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert!(ran.stderr.contains("restored"), "{}", ran.story());
    }
    assert_eq!(env.read("d/e/3"), env.read("in"));
    let staged = std::fs::read_dir(cache.join("v1/tmp")).expect("a store was made");
    assert_eq!(staged.count(), 0, "nothing half is left");
}

#[test]
fn a_store_that_is_full_at_any_point_costs_results_and_one_warning() {
    for kilobytes in [0, 4, 8, 16, 28, 36, 44, 60, 76, 96, 120, 160] {
        let Some(disk) = tmpfs(1 << 24, None) else {
            return;
        };
        let fill = disk.fill();
        let size = (1 << 24) - (kilobytes << 10);
        let filled = std::fs::File::options().write(true).open(&fill);
        filled.unwrap().set_len(size).unwrap();
        let (env, cache) = (bench(), disk.join("cache"));
        as_without_a_cache(&env, &cache, 1);
        std::fs::remove_file(fill).unwrap();
        heals(&env, &cache);
    }
}

#[test]
fn a_store_without_inodes_at_any_point_costs_results_and_one_warning() {
    for inodes in [2, 3, 4, 6, 8, 10, 12, 15, 18, 22, 30, 40] {
        let Some(disk) = tmpfs(1 << 24, Some(inodes)) else {
            return;
        };
        let (env, cache) = (bench(), disk.join("cache"));
        as_without_a_cache(&env, &cache, 1);
        disk.grow(1 << 24, None);
        heals(&env, &cache);
    }
}

#[test]
fn small_images_fill_up_like_memory_does() {
    let few: &[&str] = &["-N", "48"];
    for (fs, megabytes, more) in [("ext4", 8, few), ("ext4", 8, &[]), ("xfs", 300, &[])] {
        let Some(disk) = image_with(fs, megabytes, more) else {
            return;
        };
        let (env, cache) = (bench(), disk.join("cache"));
        let fill = more.is_empty().then(|| disk.fill());
        as_without_a_cache(&env, &cache, 1);
        if let Some(fill) = fill {
            std::fs::remove_file(fill).unwrap();
            heals(&env, &cache);
        }
    }
}

#[test]
fn a_read_only_store_gives_what_it_has_and_takes_nothing() {
    let Some(disk) = tmpfs(1 << 24, None) else {
        return;
    };
    let (env, cache) = (bench(), disk.join("cache"));
    ok(
        &env,
        &exec(&cache).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    disk.read_only();
    clear(&env);
    let restored = env.run(exec(&cache));
    assert!(restored.stderr.contains("restored"), "{}", restored.story());
    env.write("in", "other");
    as_without_a_cache(&env, &cache, 1);
    disk.read_write();
    heals(&env, &cache);
}

#[test]
fn a_store_that_becomes_read_only_or_full_during_the_command_costs_one_warning() {
    let Some(disk) = tmpfs(1 << 24, None) else {
        return;
    };
    let env = bench();
    let cache = disk.join("cache");
    let fill = disk.join("fill");
    let text = format!(
        "{SCRIPT}; cat /dev/zero > {} 2>/dev/null; true",
        fill.display()
    );
    let mut words = exec(&cache);
    *words.last_mut().unwrap() = text;
    let ran = env.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert_eq!(warnings(&ran).len(), 1, "{}", ran.story());
    assert!(warnings(&ran)[0].contains("no space is left for the store"));
    assert_eq!(env.read("d/e/3"), env.read("in"));
    std::fs::remove_file(fill).unwrap();
    heals(&env, &cache);
}

#[test]
fn a_store_that_is_removed_during_the_command_is_made_again_whole() {
    let env = bench();
    let cache = env.cache();
    for removed in [cache.clone(), cache.parent().unwrap().to_owned()] {
        let mut words = exec(&cache);
        let text = format!("{SCRIPT}; rm -rf {}", removed.display());
        *words.last_mut().unwrap() = text;
        let ran = env.run(words);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert_eq!(warnings(&ran), [""; 0], "{}", ran.story());
        for name in ["CACHEDIR.TAG", "store.json", "v1/keys"] {
            assert!(cache.join(name).exists(), "{name}");
        }
    }
    heals(&env, &cache);
}

#[test]
fn a_store_that_is_removed_again_and_again_never_changes_what_comes_out() {
    let env = bench();
    let cache = env.cache();
    let script = "(while :; do rm -rf \"$CACHE\"; done) 2>/dev/null & \
                  for round in 1 2 3 4 5 6 7 8; do rm -rf all made; \"$@\" || exit; \
                  cat all | cksum; done; kill $!"
        .replace("$CACHE", &cache.to_string_lossy());
    let words = run(&cache);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = by_shell(&env, &script, &words);
    let sums: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(sums.len(), 8, "{}", ran.story());
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{}", ran.story());
    assert!(!ran.stderr.contains("panicked"), "{}", ran.story());
    heals(&env, &cache);
}

#[test]
fn a_full_folder_for_temporary_files_passes_on_every_byte() {
    let Some(disk) = tmpfs(1 << 16, None) else {
        return;
    };
    disk.fill();
    let env = bench();
    let words = ["exec", "--no-input", "--output", "out", "--", "sh", "-c"];
    let script = "seq 100000; echo made > out";
    let ran = env.finish(
        env.command()
            .args(words)
            .arg(script)
            .env("IBID_TMP_DIR", disk.path()),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Vec<u8> = (1..=100_000)
        .flat_map(|line| format!("{line}\n").into_bytes())
        .collect();
    assert_eq!(ran.raw.0, told);
    assert_eq!(warnings(&ran).len(), 1, "{}", ran.stderr);
    assert_eq!(env.read("out"), b"made\n");
}

#[test]
fn a_root_that_is_full_keeps_what_stood_and_is_never_called_up_to_date() {
    let Some(disk) = tmpfs(1 << 20, None) else {
        return;
    };
    let env = bench();
    let input = env.read("in");
    std::fs::write(disk.join("in"), &input).unwrap();
    let here = |words: &[String]| env.finish(env.command().args(words).current_dir(disk.path()));
    let mut words = exec(&env.cache());
    *words.last_mut().unwrap() = format!("set -e; {SCRIPT}");
    let first = here(&words);
    assert_eq!(first.code, Some(0), "{}", first.story());
    std::fs::write(disk.join("out"), "stood").unwrap();
    let fill = disk.fill();
    let refused = here(&words);
    assert_ne!(refused.code, Some(0), "{}", refused.story());
    assert!(!refused.stderr.contains("panicked"), "{}", refused.story());
    assert_eq!(std::fs::read(disk.join("out")).unwrap(), b"stood");
    assert_eq!(warnings(&refused).len(), 1, "{}", refused.story());
    std::fs::remove_file(fill).unwrap();
    let healed = here(&words);
    assert!(healed.stderr.contains("restored"), "{}", healed.story());
    assert_eq!(
        std::fs::read(disk.join("out")).unwrap(),
        [&*input, &*input].concat()
    );
}

#[test]
fn a_disk_that_fails_to_read_is_a_miss_for_now_and_nothing_is_deleted() {
    let Some(disk) = image("ext4", 32) else {
        return;
    };
    let (env, cache) = (bench(), disk.join("cache"));
    env.write(
        "in",
        (0..4_000_000_u32)
            .map(|i| (i % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let words = exec(&cache);
    ok(&env, &words.iter().map(String::as_str).collect::<Vec<_>>());
    disk.again();
    let blob = largest_blob(&cache);
    let Some(cut) = physical_end(&blob) else {
        return;
    };
    let image = std::fs::File::options()
        .write(true)
        .open(disk.image().unwrap())
        .unwrap();
    let whole = image.metadata().unwrap().len();
    let kept = std::fs::read(disk.image().unwrap()).unwrap();
    image.set_len(cut).unwrap();
    clear(&env);
    let ran = env.run(&words);
    image.set_len(whole).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&image, &kept[usize::try_from(cut).unwrap()..], cut)
        .unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(ran.stderr.contains("os error 5"), "{}", ran.story());
    assert!(blob.exists(), "what cannot be read may be whole");
    assert_eq!(env.read("d/e/3"), env.read("in"));
}

fn largest_blob(cache: &Path) -> PathBuf {
    let shards = std::fs::read_dir(cache.join("v1/blobs"))
        .expect("the store can be read")
        .flatten();
    let blobs = shards.flat_map(|shard| {
        std::fs::read_dir(shard.path())
            .expect("the store can be read")
            .flatten()
    });
    let sized = blobs.map(|blob| {
        (
            blob.metadata().expect("the store can be read").len(),
            blob.path(),
        )
    });
    sized.max().expect("the store can be read").1
}

/// Returns a place in the image shortly before where the file's last block lies.
fn physical_end(path: &Path) -> Option<u64> {
    let filefrag = ibid_testkit::component("filefrag")?;
    let told = std::process::Command::new(filefrag)
        .args(["-b1", "-v"])
        .arg(path)
        .stderr(Stdio::null())
        .output()
        .expect("filefrag starts");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let extents = told.lines().filter_map(|line| {
        let mut fields = line.split(':');
        fields.next()?.trim().parse::<u32>().ok()?;
        let (_, end) = fields.nth(1)?.split_once("..")?;
        end.trim().parse::<u64>().ok()
    });
    Some(extents.max().expect("it lies somewhere") / 4096 * 4096)
}

/// Runs the doctor and returns all findings by their names.
fn doctor(env: &TestEnv, cache: &Path) -> (Ran, Vec<Value>) {
    let cache = cache.to_string_lossy();
    let before = listing(Path::new(&*cache));
    let people = env.run(["doctor", "--cache-dir", &cache]);
    let ran = env.run(["doctor", "--json", "--cache-dir", &cache]);
    assert_eq!(people.code, ran.code, "{}", people.story());
    assert_eq!((&*people.stderr, &*ran.stderr), ("", ""));
    assert_eq!(before, listing(Path::new(&*cache)), "nothing stays");
    let json: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_eq!(json["usable"], ran.code == Some(0));
    let groups = json["groups"].as_array().expect("a list").iter();
    let findings = groups.flat_map(|group| group["findings"].as_array().expect("a list").clone());
    (people, findings.collect())
}

fn listing(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| {
            let below = listing(&entry.path());
            below.into_iter().chain([entry.path()])
        })
        .collect();
    all.sort();
    all
}

fn found<'a>(findings: &'a [Value], name: &str, mark: &str) -> &'a str {
    let finding = findings
        .iter()
        .find(|it| it["name"] == name && it["mark"] == mark);
    let finding = finding.unwrap_or_else(|| panic!("{mark} {name}: {findings:#?}"));
    finding["found"].as_str().expect("text")
}

#[test]
fn the_doctor_names_the_file_system_and_what_it_can() {
    for (fs, megabytes, shares) in [
        ("ext4", 32, false),
        ("xfs", 300, true),
        ("btrfs", 128, true),
    ] {
        let Some(disk) = image(fs, megabytes) else {
            return;
        };
        let (env, cache) = (bench(), disk.join("cache"));
        let (ran, before) = doctor(&env, &cache);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert_eq!(found(&before, "state", "ok"), "not there yet");
        ok(
            &env,
            &exec(&cache).iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let (_, findings) = doctor(&env, &cache);
        assert!(found(&findings, "file system", "ok").starts_with(&format!("{fs},")));
        assert!(found(&findings, "late writes", "ok").starts_with("noticed"));
        assert!(found(&findings, "names", "ok").starts_with("created once"));
        if shares {
            let between = found(&findings, "reflink", "note");
            assert!(between.starts_with("works in the cache"), "{between}");
        }
    }
}

#[test]
fn the_doctor_tells_of_full_and_read_only_disks() {
    let Some(disk) = tmpfs(1 << 22, None) else {
        return;
    };
    let (env, cache) = (bench(), disk.join("cache"));
    ok(
        &env,
        &exec(&cache).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let (_, findings) = doctor(&env, &cache);
    assert!(found(&findings, "file system", "note").starts_with("tmpfs,"));
    let fill = disk.fill();
    let (ran, findings) = doctor(&env, &cache);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(found(&findings, "space", "warning").starts_with("0 B of 4.2 MB free"));
    std::fs::remove_file(fill).unwrap();
    disk.read_only();
    let (ran, findings) = doctor(&env, &cache);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(
        ran.stdout.ends_with("usable, with 1 warning\n"),
        "{}",
        ran.story()
    );
    assert!(found(&findings, "writing", "warning").contains("read-only file system"));
}

#[test]
fn the_doctor_ends_with_1_where_the_cache_is_of_no_use() {
    let env = bench();
    env.write("other/file", "");
    let (ran, findings) = doctor(&env, &env.work("other"));
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert!(found(&findings, "state", "failure").contains("is not a store"));
    let (ran, _) = doctor(&env, &env.work("in"));
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    if !may_mount() {
        return;
    }
    let Some(disk): Option<Mount> = tmpfs(1 << 20, None) else {
        return;
    };
    disk.read_only();
    let (ran, _) = doctor(&env, &disk.join("cache"));
    assert_eq!(ran.code, Some(1), "{}", ran.story());
}
