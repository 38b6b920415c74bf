//! `Finding`: one answer: what was found, what it means, and what to set where something should be
//! done.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::report::{Console, people};

/// How good what was found is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Something does not work, or will soon not work.
    Warning,
    /// The cache is of no use.
    Failure,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    name: &'static str,
    /// Which of several places it is about.
    of: Option<&'static str>,
    found: String,
    meaning: Option<String>,
    set: Option<String>,
}

/// Answers to questions of one kind.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) findings: Vec<Finding>,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::new(),
            Self::Note => Style::new().dimmed(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Failure => AnsiColor::Red.on_default().bold(),
        }
    }
}

impl Finding {
    fn new(mark: Mark, name: &'static str, found: impl Into<String>) -> Self {
        Self {
            mark,
            name,
            of: None,
            found: found.into(),
            meaning: None,
            set: None,
        }
    }

    /// Makes an answer that is as it should be.
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(Mark::Ok, name, found)
    }

    /// Makes an answer that is worth knowing.
    pub(super) fn note(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(Mark::Note, name, found)
    }

    /// Makes an answer that something should be done about.
    pub(super) fn warning(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(Mark::Warning, name, found)
    }

    /// Makes an answer that tells why the cache is of no use.
    pub(super) fn failure(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(Mark::Failure, name, found)
    }

    /// Says which place it is about.
    pub(super) fn of(mut self, place: &'static str) -> Self {
        self.of = Some(place);
        self
    }

    /// Says what it means.
    pub(super) fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    /// Says what to do or to set.
    pub(super) fn set(mut self, set: impl Into<String>) -> Self {
        self.set = Some(set.into());
        self
    }

    /// Says whether two findings say the same of different places.
    fn is_like(&self, other: &Self) -> bool {
        let without_place = |it: &Self| Self {
            of: None,
            ..it.clone()
        };
        self.of.is_some() && other.of.is_some() && without_place(self) == without_place(other)
    }

    /// Says it once for all these places.
    fn as_text(&self, places: &[&str], console: &Console) -> String {
        let word = format!("{:<7}", self.mark.word());
        let word = console.paint(self.mark.style(), &word);
        let places = match places {
            [] => String::new(),
            places => format!("{}: ", places.join(", ")),
        };
        let mut text = format!("  {word}  {:<12} {places}{}", self.name, self.found);
        let indent = " ".repeat(24);
        if let Some(meaning) = &self.meaning {
            let _ = write!(text, "\n{indent}{meaning}");
        }
        if let Some(set) = &self.set {
            let _ = write!(text, "\n{indent}to do: {set}");
        }
        text.push('\n');
        text
    }

    fn as_json(&self) -> Value {
        json!({
            "mark": self.mark.word(),
            "name": self.name,
            "of": self.of,
            "found": self.found,
            "meaning": self.meaning,
            "to_do": self.set,
        })
    }
}

impl Group {
    pub(super) fn as_text(&self, console: &Console) -> String {
        let mut text = format!("{}\n", self.name);
        for (at, finding) in self.findings.iter().enumerate() {
            let (before, rest) = self.findings.split_at(at);
            if before.iter().any(|it| it.is_like(finding)) {
                continue;
            }
            let alike = rest.iter().filter(|it| it.is_like(finding));
            let places: Vec<_> = alike.filter_map(|it| it.of).collect();
            text.push_str(&finding.as_text(&places, console));
        }
        text
    }

    pub(super) fn as_json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(Finding::as_json).collect();
        json!({"name": self.name, "findings": findings})
    }
}

/// Sums up: the last line for people.
pub(super) fn closing(groups: &[Group], usable: bool) -> String {
    let all = groups.iter().flat_map(|group| &group.findings);
    let warnings = all.filter(|finding| finding.mark == Mark::Warning).count();
    match (usable, warnings) {
        (false, _) => "this cache cannot be used: commands run, and nothing is stored\n".to_owned(),
        (true, 0) => "all is well\n".to_owned(),
        (true, count) => format!("usable, with {}\n", people::count(count, "warning")),
    }
}
