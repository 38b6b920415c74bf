//! What declared paths, links and patterns come to.

use std::os::unix::fs::symlink;

use super::*;
use crate::digest::BlobId;
use crate::tree::{Content, Entry, RelPath};

#[test]
fn a_file_a_link_and_a_directory_of_the_same_bytes_are_three_contents() {
    let bench = Bench::new();
    bench.put("data/a", "x");
    symlink("data/a", bench.root().join("link")).unwrap();
    symlink("link", bench.root().join("link2")).unwrap();
    let file = Content::File {
        executable: false,
        blob: BlobId::of(b"x"),
    };
    assert_eq!(bench.content("data/a").unwrap(), file);
    let link = |texts: &[&str]| Content::Link {
        texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        target: Box::new(file.clone()),
    };
    assert_eq!(bench.content("link").unwrap(), link(&["data/a"]));
    assert_eq!(bench.content("link2").unwrap(), link(&["link", "data/a"]));
    assert!(matches!(bench.content("data").unwrap(), Content::Tree(_)));
}

#[test]
fn what_has_no_content_is_an_error_that_names_it() {
    let bench = Bench::new();
    symlink("nowhere", bench.root().join("dangling")).unwrap();
    symlink("loop", bench.root().join("loop")).unwrap();
    assert!(matches!(bench.content("none"), Err(ScanError::Missing(_))));
    assert!(matches!(
        bench.content("dangling"),
        Err(ScanError::Dangling { .. })
    ));
    assert!(matches!(bench.content("loop"), Err(ScanError::LinkLoop(_))));
    assert!(matches!(
        bench.content("/dev/null"),
        Err(ScanError::Special(_))
    ));
    let error = bench.content("no\x1bne").unwrap_err().to_string();
    assert!(error.contains("no\\u{1b}ne"), "{error}");
}

#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let bench = Bench::new();
    let fifo = bench.put("dir/x", "").with_file_name("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        sender
            .send((bench.content("dir/fifo"), bench.content("dir")))
            .unwrap();
    });
    let deadline = std::time::Duration::from_secs(5);
    let (alone, inside) = receiver
        .recv_timeout(deadline)
        .expect("nothing waits for a FIFO");
    assert!(matches!(alone, Err(ScanError::Special(_))));
    assert!(matches!(inside, Err(ScanError::Special(_))));
}

#[test]
fn links_that_leave_a_tree_count_with_what_they_lead_to() {
    let bench = Bench::new();
    let target = bench.put("outside/f", "1");
    bench.put("tree/a", "x");
    symlink("a", bench.root().join("tree/in")).unwrap();
    symlink("../outside/f", bench.root().join("tree/file")).unwrap();
    symlink("../outside", bench.root().join("tree/dir")).unwrap();
    symlink("gone", bench.root().join("tree/dangling")).unwrap();
    let filter = Filter::inputs(&[]).unwrap();
    let path = bench.root().join("tree");
    let tree = bench.with(|scanner| listed(scanner, &path, &filter));
    let at = |name: &str| tree.get(&RelPath::new(name).unwrap()).unwrap().clone();
    assert_eq!(at("in"), Entry::Link(b"a".to_vec()));
    assert_eq!(at("dangling"), Entry::Link(b"gone".to_vec()));
    let Entry::LinkOut {
        target: Content::File { executable, blob },
        ..
    } = at("file")
    else {
        panic!("{:?}", at("file"))
    };
    assert_eq!((executable, blob), (false, BlobId::of(b"1")));
    let to_dir = at("dir");
    assert!(
        matches!(
            to_dir,
            Entry::LinkOut {
                target: Content::Tree(_),
                ..
            }
        ),
        "{to_dir:?}"
    );
    let before = bench.tree("tree");
    std::fs::write(target, "2").unwrap();
    assert_ne!(bench.tree("tree"), before);
    let kept = bench.with(|scanner| {
        let scanner = scanner.with_symlinks(SymlinkPolicy::Keep);
        listed(&scanner, &path, &filter)
    });
    assert_eq!(
        kept.get(&RelPath::new("dir").unwrap()),
        Some(&Entry::Link(b"../outside".to_vec()))
    );
}

#[test]
fn linked_trees_that_lead_to_one_another_end() {
    let bench = Bench::new();
    bench.put("a/x", "");
    bench.put("b/y", "");
    symlink("../b", bench.root().join("a/to")).unwrap();
    symlink("../a", bench.root().join("b/to")).unwrap();
    symlink("..", bench.root().join("a/up")).unwrap();
    bench.tree("a");
    bench.tree("");
}

#[test]
fn a_link_to_what_the_filter_leaves_out_counts_with_its_content() {
    let bench = Bench::new();
    let object = bench.put("tree/.git/annex/object", "1");
    symlink(".git/annex/object", bench.root().join("tree/file")).unwrap();
    let before = bench.tree("tree");
    std::fs::write(object, "2").unwrap();
    assert_ne!(bench.tree("tree"), before);
}

#[test]
fn litter_does_not_count_in_inputs_and_does_in_outputs() {
    let bench = Bench::new();
    bench.put("tree/a", "");
    let before = bench.tree("tree");
    bench.put("tree/__pycache__/a.pyc", "");
    bench.put("tree/.ibid/x", "");
    assert_eq!(bench.tree("tree"), before);
    let path = bench.root().join("tree");
    let whole = bench.with(|scanner| listed(scanner, &path, &Filter::everything()));
    assert_eq!(whole.len(), 5);
}

#[test]
fn patterns_match_in_byte_order_and_enter_no_linked_directory() {
    let bench = Bench::new();
    for path in [
        "d/b.csv",
        "d/B.csv",
        "d/.c.csv",
        "d/sub/e.csv",
        "other/f.csv",
    ] {
        bench.put(path, "");
    }
    symlink("../other", bench.root().join("d/link")).unwrap();
    let glob = |pattern: &str| {
        let filter = Filter::inputs(&[]).unwrap();
        let found = bench.with(|scanner| scanner.glob(&Pattern::new(pattern).unwrap(), &filter));
        found.map(|found| {
            found
                .paths
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(glob("d/*.csv").unwrap(), ["d/.c.csv", "d/B.csv", "d/b.csv"]);
    assert_eq!(glob("d/**/e*").unwrap(), ["d/sub/e.csv"]);
    assert_eq!(glob("d/*u*").unwrap(), ["d/sub"]);
    let all = ["d/.c.csv", "d/B.csv", "d/b.csv", "d/link", "d/sub/e.csv"];
    assert_eq!(glob("d/**").unwrap(), all);
    assert_eq!(glob("d/*/").unwrap(), ["d/sub"]);
    for none in ["x/*.csv", "d/*.tsv"] {
        let error = glob(none).unwrap_err();
        assert!(error.to_string().contains(none), "{error}");
    }
}

#[test]
fn a_tree_deeper_than_the_limit_is_an_error() {
    let bench = Bench::new();
    let mut dir = bench.root().join("deep");
    for _ in 0..=crate::tree::MAX_TREE_DEPTH {
        dir.push("d");
    }
    std::fs::create_dir_all(&dir).unwrap();
    assert!(matches!(bench.content("deep"), Err(ScanError::TooDeep(_))));
}
