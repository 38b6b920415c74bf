//! What a step reads, as far as its declaration and the words of its command tell.
//!
//! Words count by the same rules as when the step is prepared: what is looked for on disk then is
//! looked for among the outputs here. Only what lies below the root can be another step's output.

use std::collections::BTreeSet;
use std::path::Path;

use super::build::argv_of;
use super::edges::holds;
use super::overlap::lead;
use super::paths::Named;
use crate::action::{InputRequest, OutputKind, Step};
use crate::pipeline::declared::At;
use crate::scan::programs::{implied_words, inline_script, shell_words, tool_words};
use crate::scan::{Pattern, place_of};
use crate::tree::{Place, RelPath};

/// Something that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read<'d> {
    pub(super) at: &'d At,
    pub(super) what: What,
    /// Whether it is declared, or only named by a word.
    pub(super) declared: bool,
}

/// A path or a pattern below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Path(RelPath),
    Pattern(String),
}

/// Gathers what a step reads.
pub(super) struct Reads<'d, 'r> {
    pub(super) root: &'r Path,
    pub(super) found: Vec<Read<'d>>,
}

impl<'d, 'r> Reads<'d, 'r> {
    pub(super) fn new(root: &'r Path) -> Self {
        let found = Vec::new();
        Self { root, found }
    }

    /// Adds a declared place.
    pub(super) fn place(&mut self, at: &'d At, place: &Place) {
        self.add(at, place, true);
    }

    fn add(&mut self, at: &'d At, place: &Place, declared: bool) {
        if let Some(path) = place.inside() {
            let what = What::Path(path.clone());
            self.found.push(Read { at, what, declared });
        }
    }

    /// Adds a declared input.
    pub(super) fn input(&mut self, at: &'d At, request: &InputRequest) {
        match request {
            InputRequest::Path { place, .. } | InputRequest::ByContent { place, .. } => {
                self.place(at, place);
            }
            InputRequest::Glob { pattern } => self.pattern(at, pattern.clone(), true),
        }
    }

    /// Adds declared code.
    pub(super) fn named(&mut self, at: &'d At, named: &Named) {
        match named {
            Named::Place { place, .. } => self.place(at, place),
            Named::Pattern(pattern) => self.pattern(at, pattern.clone(), true),
        }
    }

    fn pattern(&mut self, at: &'d At, pattern: String, declared: bool) {
        let what = What::Pattern(pattern);
        self.found.push(Read { at, what, declared });
    }

    /// Adds a word that may name a file. The root itself is no output.
    pub(super) fn word(&mut self, at: &'d At, word: &[u8]) {
        let place = place_of(word, &RelPath::ROOT, self.root);
        if !place.inside().is_some_and(RelPath::is_root) {
            self.add(at, &place, false);
        }
    }

    /// Adds what the words of the command name; `at` tells where they stand, one place for each
    /// as far as they are known one by one.
    pub(super) fn command(&mut self, at: &[&'d At], step: &Step) {
        let argv = argv_of(&step.command);
        let text = inline_script(&argv);
        // A program without a slash is looked for along the path, not in the root.
        let tools = tool_words(&argv).into_iter();
        let skip: BTreeSet<usize> = tools
            .filter(|index| !argv[*index].contains(&b'/'))
            .chain(text)
            .collect();
        let mut words = Vec::new();
        for word in implied_words(&argv, &skip) {
            let index = argv
                .iter()
                .position(|whole| whole.ends_with(word))
                .unwrap_or_default();
            words.push((at[index.min(at.len() - 1)], word.to_vec()));
        }
        if let Some(index) = text {
            let script = shell_words(&argv[index]);
            let place = at[at.len() - 1];
            let named = implied_words(&script.words, &BTreeSet::new());
            words.extend(named.into_iter().map(|word| (place, word.to_vec())));
            for pattern in script.patterns {
                self.shell_pattern(place, &pattern, step);
            }
        }
        for (at, word) in words {
            let place = place_of(&word, &RelPath::ROOT, self.root);
            if !step.ignore_args.contains(&word) && !meets_output(step, &place) {
                self.word(at, &word);
            }
        }
    }

    fn shell_pattern(&mut self, at: &'d At, text: &[u8], step: &Step) {
        let place = place_of(text, &RelPath::ROOT, self.root);
        let text = place
            .inside()
            .and_then(|path| str::from_utf8(path.as_bytes()).ok());
        let pattern = text.filter(|text| Pattern::new(text).is_ok());
        let declared = |text: &str| {
            let is_it = |input: &InputRequest| matches!(input, InputRequest::Glob { pattern } if pattern == text);
            step.inputs.iter().any(is_it)
        };
        if let Some(pattern) = pattern.filter(|text| !declared(text)) {
            self.pattern(at, pattern.to_owned(), false);
        }
    }
}

/// Says whether a place is an output of the step, lies in one, or holds one: such a word says
/// where the step writes.
fn meets_output(step: &Step, place: &Place) -> bool {
    step.outputs.iter().any(|output| {
        let above = match &output.kind {
            OutputKind::Path(output) | OutputKind::Dir(output) => output.is_within(place),
            OutputKind::Glob(pattern) => place.inside().is_some_and(|path| {
                let rest = lead(pattern).strip_prefix(path.as_bytes());
                path.is_root() || rest.is_some_and(|rest| rest.starts_with(b"/"))
            }),
        };
        above || place.inside().is_some_and(|path| holds(output, path))
    })
}
