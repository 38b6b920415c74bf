//! What a plan says is what a run does, after any edits of any pipeline.

use std::fs;

use ibid_core::engine::manifest;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::chain::{Chain, Link, link, snapshot};

/// A step that reads some of the steps before it.
#[derive(Clone, Debug)]
struct Drawn {
    kind: Kind,
    /// Which sources and earlier steps it reads, by bits.
    reads: u8,
    /// Whether it declares them, or only names them in its command.
    declares: bool,
    /// Whether its outputs are often the same for other inputs.
    cuts: bool,
}

/// What a step makes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    File,
    Folder,
    Pattern,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let kind = prop_oneof![Just(Kind::File), Just(Kind::Folder), Just(Kind::Pattern)];
    let drawn = (kind, any::<u8>(), any::<bool>(), any::<bool>());
    drawn.prop_map(|(kind, reads, declares, cuts)| Drawn {
        kind,
        reads,
        declares,
        cuts,
    })
}

/// Makes a pipeline of the steps, and one more that reads the folder that most of them write to.
/// Returns the paths, too, that somebody may spoil.
fn built(steps: &[Drawn]) -> (Chain, Vec<String>) {
    let mut links = Vec::new();
    let mut paths = vec!["all".to_owned()];
    for (index, step) in steps.iter().enumerate() {
        links.push(written(steps, index));
        paths.extend(match step.kind {
            Kind::File => vec![format!("all/o{index}")],
            Kind::Folder => ["", "/x", "/sub"].map(|it| format!("d{index}{it}")).into(),
            Kind::Pattern => ["", "/a.txt"].map(|it| format!("all/p{index}{it}")).into(),
        });
    }
    let writers = (0..steps.len()).filter(|index| steps[*index].kind != Kind::Folder);
    let list = link("list", "ls -R all > list", &["all"], &["list"], &[]);
    links.push(Link {
        upstream: writers.collect(),
        ..list
    });
    let chain = Chain::new(&links);
    for source in ["s0", "s1", "all/own"] {
        chain.bench.write(source, "source");
    }
    (chain, paths)
}

fn written(steps: &[Drawn], index: usize) -> Link {
    let step = &steps[index];
    let (mut words, mut inputs, mut upstream) = (Vec::new(), Vec::new(), Vec::new());
    for source in 0..2 {
        if step.reads & (1 << source) != 0 {
            words.push(format!("s{source}"));
            inputs.push(format!("s{source}"));
        }
    }
    for above in (0..index).filter(|above| step.reads & (4 << above) != 0) {
        let (word, input) = match steps[above].kind {
            Kind::File => (format!("all/o{above}"), format!("all/o{above}")),
            Kind::Folder => (format!("d{above}/x"), format!("d{above}")),
            Kind::Pattern => (format!("all/p{above}/*.txt"), format!("all/p{above}/*.txt")),
        };
        words.push(word);
        inputs.push(input);
        upstream.push(above);
    }
    let reading = match (words.as_slice(), step.cuts) {
        ([], _) => format!("echo {index}"),
        (words, true) => format!("cat {} | head -c 3", words.join(" ")),
        (words, false) => format!("cat {}", words.join(" ")),
    };
    let (script, output) = match step.kind {
        Kind::File => (format!("{reading} > all/o{index}"), format!("all/o{index}")),
        Kind::Folder => (
            format!("mkdir -p d{index}/sub; {reading} > d{index}/x; echo > d{index}/sub/y"),
            format!("d{index}/"),
        ),
        Kind::Pattern => (
            format!(
                "mkdir -p all/p{index}; {reading} | tee all/p{index}/a.txt > all/p{index}/b.txt"
            ),
            format!("all/p{index}/*.txt"),
        ),
    };
    Link {
        name: format!("step{index}"),
        script,
        inputs: if step.declares { inputs } else { Vec::new() },
        outputs: vec![output],
        upstream,
    }
}

/// Something that happens to a workspace between two runs.
#[derive(Clone, Debug)]
enum Edit {
    Source(u8, u8),
    Remove(usize),
    Spoil(usize, u8),
    Touch(usize),
    Wipe,
    LoseBlob(usize),
    Manifest(usize),
    Forget(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..1000_usize;
    prop_oneof![
        4 => (0..3_u8, 0..3_u8).prop_map(|(which, n)| Edit::Source(which, n)),
        6 => at.clone().prop_map(Edit::Remove),
        4 => (at.clone(), 0..2_u8).prop_map(|(at, n)| Edit::Spoil(at, n)),
        1 => at.clone().prop_map(Edit::Touch),
        1 => Just(Edit::Wipe),
        2 => at.clone().prop_map(Edit::LoseBlob),
        1 => at.clone().prop_map(Edit::Manifest),
        1 => at.prop_map(Edit::Forget),
    ]
}

fn apply(chain: &Chain, paths: &[String], edit: &Edit) {
    let root = &chain.bench.root;
    let path = |at: usize| root.join(&paths[at % paths.len()]);
    let step = |at: usize| &chain.pipeline.steps[at % chain.pipeline.steps.len()].name;
    match edit {
        Edit::Source(which, n) => {
            let text = ["source", "sourcf", "another"][usize::from(*n)];
            chain
                .bench
                .write(["s0", "s1", "all/own"][usize::from(*which)], text);
        }
        Edit::Remove(at) => {
            if path(*at).exists() {
                chain.remove(&paths[at % paths.len()]);
            }
            // The folder itself is the user's: without it nothing can be listed.
            chain.bench.write("all/own", "source");
        }
        Edit::Spoil(at, n) if path(*at).is_dir() => {
            fs::write(path(*at).join("stray.txt"), [*n]).unwrap();
        }
        Edit::Spoil(at, n) if path(*at).exists() => fs::write(path(*at), [*n]).unwrap(),
        Edit::Touch(at) if path(*at).is_file() => {
            let bytes = fs::read(path(*at)).unwrap();
            fs::write(path(*at), bytes).unwrap();
        }
        Edit::Wipe => drop(fs::remove_dir_all(chain.bench.dir.join("store"))),
        Edit::LoseBlob(at) => {
            let blobs = chain.bench.dir.join("store/v1/blobs");
            if blobs.exists() {
                let files = snapshot(&blobs).into_keys().filter(|it| it.is_file());
                let files: Vec<_> = files.collect();
                if let Some(blob) = files.get(at % files.len().max(1)) {
                    fs::remove_file(blob).unwrap();
                }
            }
        }
        Edit::Manifest(at) => {
            let path = root.join(format!(".ibid/manifests/{}.json", step(*at)));
            if path.exists() {
                fs::write(path, "{").unwrap();
            }
        }
        Edit::Forget(at) => {
            if let Some(known) = manifest::read(root, step(*at)) {
                let store = chain.bench.store();
                store.invalidate(&known.key, 1, "forgotten").unwrap();
            }
        }
        Edit::Spoil(..) | Edit::Touch(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_plan_and_the_run_after_it_agree_after_any_edits(
        steps in vec(drawn(), 2..6),
        rounds in vec(vec(edit(), 1..5), 1..5),
    ) {
        let (chain, paths) = built(&steps);
        chain.agrees();
        for edits in &rounds {
            for edit in edits {
                apply(&chain, &paths, edit);
            }
            chain.is_exact();
            chain.agrees();
            let told = chain.told(&chain.plan());
            prop_assert!(told.iter().all(|it| it.ends_with("up to date")), "{:?}", told);
        }
    }
}
