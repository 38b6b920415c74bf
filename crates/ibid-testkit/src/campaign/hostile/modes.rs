//! Modes of outputs: a file comes back with 0644 or 0755, whatever the command gave it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::super::random::Random;
use super::super::snapshot::remove;
use super::play::{Act, Case, Expect, Met, Playing};

/// Of so many modes there are.
const ALL: u32 = 4096;

/// Files of one command.
const BATCH: usize = 128;

pub(super) fn cases() -> Vec<Case> {
    let mut modes: Vec<u32> = (0..ALL).collect();
    Random::new(7).shuffle(&mut modes);
    let batches = modes.chunks(BATCH).take(8).enumerate();
    batches
        .map(|(number, modes)| {
            let name = format!("{BATCH} of 4,096, batch {number}");
            Case::step("modes", name, Expect::Fresh, |_| {}).acting(Act::Modes(modes.to_vec()))
        })
        .collect()
}

/// Makes files and a folder of these modes, and has them served.
pub(super) fn play(playing: &mut Playing<'_>, modes: &[u32]) -> Met {
    let env = &playing.scene.env;
    let mut script = "mkdir -p made/sub".to_owned();
    for mode in modes {
        write!(
            script,
            "; echo {mode} > made/{mode:04o}; chmod {mode:o} made/{mode:04o}"
        )
        .expect("a string takes text");
    }
    script.push_str("; chmod 7777 made/sub");
    for _ in 0..2 {
        remove(&env.work("made"));
        let mut command = env.command();
        command.args([
            "exec",
            "--no-input",
            "-o",
            "made",
            "--",
            "sh",
            "-c",
            &script,
        ]);
        playing.ask(&mut command, &[0]);
    }
    for mode in modes {
        let path = env.work(format!("made/{mode:04o}"));
        let found = std::fs::symlink_metadata(&path).map(|it| it.permissions().mode() & 0o7777);
        let expected = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        if found.as_ref().ok() != Some(&expected) {
            playing
                .wrong
                .push(format!("mode {mode:04o} came back as {found:?}"));
        }
    }
    let folder = std::fs::metadata(env.work("made/sub")).map(|it| it.permissions().mode() & 0o7777);
    if folder.as_ref().ok() != Some(&0o755) {
        playing
            .wrong
            .push(format!("a folder of mode 7777 came back as {folder:?}"));
    }
    Met::Served
}
