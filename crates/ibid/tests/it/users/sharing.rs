//! What members of a group have of each other, and what a private store is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use ibid_testkit::component;
use ibid_testkit::lab::{INTRUDER, LAB_GROUP, LabUser, files, give, plant};

use super::{
    ADA, BOB, UMASKS, closed_to_the_group, exec, hits, honest, key_of, lab, members, poison, runs,
    words,
};

#[test]
fn members_share_all_results_whatever_their_umasks() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    for umask in UMASKS {
        for other in UMASKS {
            let point = format!("{umask:o}-{other:o}");
            for (first, second) in [(&ada, &bob), (&bob, &ada)] {
                let (executed, ran) = exec(first, umask, &point);
                assert!(executed, "{}", ran.story());
                assert!(!ran.stderr.contains("warning"), "{}", ran.story());
                let (executed, ran) = exec(second, other, &point);
                assert!(!executed, "{}", ran.story());
                assert!(!ran.stderr.contains("warning"), "{}", ran.story());
                let key = key_of(second, &point);
                let gone = second.run(other, ["invalidate", &key]);
                assert_eq!(gone.code, Some(0), "{}", gone.story());
            }
        }
    }
    let wrong = closed_to_the_group(&lab.store());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn members_share_pipelines_history_and_restores() {
    let Some(lab) = lab() else { return };
    lab.make_store();
    let [ada, bob] = members(&lab);
    for user in [&ada, &bob] {
        user.write(
            "ibid.toml",
            "[steps.count]\nrun = \"wc -c < honest > count\"\ninputs = [\"honest\"]\noutputs = [\"count\"]\n",
        );
    }
    let first = ada.run(0o077, ["run"]);
    assert_eq!(first.code, Some(0), "{}", first.story());
    let second = bob.run(0o027, ["run"]);
    assert_eq!(second.code, Some(0), "{}", second.story());
    assert_eq!(bob.env.read("count"), b"7\n");
    for words in [
        &["restore", "count", "--to", "back"][..],
        &["log"],
        &["why", "count"],
        &["show", "count"],
        &["invalidate", "count"],
    ] {
        let ran = bob.run(0o077, words);
        assert_eq!(ran.code, Some(0), "{words:?} {}", ran.story());
        assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    }
    let again = ada.run(0o077, ["run"]);
    assert_eq!(again.code, Some(0), "{}", again.story());
    assert!(!again.stderr.contains("warning"), "{}", again.story());
    let wrong = closed_to_the_group(&lab.store());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_member_makes_the_store_of_a_group_and_a_user_a_private_one() {
    let Some(lab) = lab() else { return };
    fs::remove_dir(lab.store()).expect("it is empty");
    let above = lab.join("above");
    fs::create_dir(&above).expect("root makes folders");
    give(&above, (0, LAB_GROUP), 0o2775);
    let [mut ada, mut bob] = members(&lab);
    let store = above.join("deep/store");
    for user in [&mut ada, &mut bob] {
        user.set("IBID_CACHE_DIR", &store.to_string_lossy());
    }
    fs::create_dir(above.join("deep")).expect("root makes folders");
    give(&above.join("deep"), (0, LAB_GROUP), 0o2775);
    let (executed, ran) = exec(&ada, 0o077, "1");
    assert!(
        executed && !ran.stderr.contains("warning"),
        "{}",
        ran.story()
    );
    let wrong = closed_to_the_group(&store);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hits(&bob, "1");

    let alone = honest(lab.stranger(ADA));
    let (_, ran) = exec(&alone, 0o000, "1");
    assert!(!ran.stderr.contains("warning"), "{}", ran.story());
    for file in files(&alone.env.cache()) {
        for path in [&*file, file.parent().expect("a folder")] {
            let mode = fs::symlink_metadata(path).expect("it is there").mode();
            assert_eq!(mode & 0o022, 0, "{} {mode:o}", path.display());
        }
    }
}

#[test]
fn where_members_may_not_replace_each_others_files_a_run_goes_on() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    give(&lab.store(), (0, LAB_GROUP), 0o3770);
    runs(&ada, "1");
    for blob in files(&lab.store().join("v1/blobs")) {
        fs::write(&blob, "damaged").expect("root writes");
    }
    let ran = runs(&bob, "1");
    let warned = ran.stderr.matches("was not stored").count();
    assert_eq!(warned, 1, "{}", ran.story());
    let ran = runs(&ada, "1");
    assert!(ran.stderr.contains("wrong digest"), "{}", ran.story());
    hits(&bob, "1");
}

#[test]
fn that_members_may_not_replace_each_others_files_is_said_once_a_run() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    give(&lab.store(), (0, LAB_GROUP), 0o3770);
    let steps = |user: &LabUser| {
        let step = |name| {
            format!("[steps.{name}]\nrun = \"echo {name} > {name}\"\noutputs = [\"{name}\"]\n")
        };
        let text: String = ["a", "b", "c"].map(step).concat();
        user.write("ibid.toml", &text);
    };
    for user in [&ada, &bob] {
        steps(user);
    }
    let ran = ada.run(0o022, ["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let ran = bob.run(0o022, ["run", "--force"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert_eq!(
        ran.stderr.matches("ran, not stored").count(),
        3,
        "{}",
        ran.story()
    );
    assert_eq!(
        ran.stderr.matches("warning: ").count(),
        1,
        "{}",
        ran.story()
    );
    assert!(ran.stderr.contains("sticky"), "{}", ran.story());
}

#[test]
fn without_a_list_the_members_of_the_group_are_trusted() {
    let Some(lab) = lab() else { return };
    let Some(unshare) = component("unshare") else {
        return;
    };
    let [mut ada, mut bob] = members(&lab);
    let account = |name: &str, uid: u32, gid: u32| format!("{name}:x:{uid}:{gid}::/:/bin/sh\n");
    let accounts = [
        account("root", 0, 0),
        account("ada", ADA, ADA),
        account("bob", BOB, LAB_GROUP),
        account("former", INTRUDER, INTRUDER),
    ];
    let (passwd, group) = (lab.join("passwd"), lab.join("group"));
    fs::write(&passwd, accounts.concat()).expect("root writes");
    fs::write(&group, format!("root:x:0:\nlab:x:{LAB_GROUP}:ada\n")).expect("root writes");
    for user in [&mut ada, &mut bob] {
        user.set("IBID_TRUSTED_OWNERS", "");
    }
    let run = |user: &LabUser, point: &str| {
        let _ = fs::remove_file(user.env.work("out.txt"));
        let inner = user.command(0o022, words(point));
        let mut command = Command::new(&unshare);
        let script = "mount --bind \"$0\" /etc/passwd && mount --bind \"$1\" /etc/group && \
            shift && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]);
        command.args([&passwd, &group]).arg(inner.get_program());
        command.args(inner.get_args()).env_clear();
        let set = inner.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        let ran = user.env.finish(command.current_dir(user.env.work("")));
        assert_eq!(ran.stdout, "honest\n", "{}", ran.story());
        (ran.stderr.contains("ibid: ran"), ran)
    };
    for (point, first, second) in [("1", &ada, &bob), ("2", &bob, &ada)] {
        let (executed, ran) = run(first, point);
        assert!(executed, "{}", ran.story());
        let (executed, ran) = run(second, point);
        assert!(!executed, "{}", ran.story());
    }
    plant(&poison(&lab, &["3"]), &lab.store().join("v1"));
    let (executed, ran) = run(&ada, "3");
    assert!(executed && ran.stderr.contains("4666"), "{}", ran.story());
    let (executed, ran) = run(&bob, "3");
    assert!(!executed, "{}", ran.story());
}

#[test]
fn what_is_believed_of_files_does_not_lie_in_a_store_of_a_group() {
    let Some(lab) = lab() else { return };
    let [mut ada, _] = members(&lab);
    ada.set("IBID_LOCAL_DIR", "");
    let dirs = ada.run(0o022, ["dirs"]);
    assert_eq!(dirs.code, Some(0), "{}", dirs.story());
    assert!(!dirs.stdout.contains("store/local"), "{}", dirs.story());
    assert!(
        dirs.stdout.contains("/var/tmp/ibid-4001"),
        "{}",
        dirs.story()
    );
}
