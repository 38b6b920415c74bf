//! Failures as the user sees them: one line, its causes, a blank line, what to do.

use std::error::Error;
use std::fmt::Write as _;

use ibid_core::mistake::Mistake;
use ibid_core::tree::Escaped;

use crate::exit;
use crate::report::people;

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    excerpt: Option<String>,
    causes: Vec<String>,
    hints: Vec<String>,
    exit: u8,
}

impl Failure {
    /// Makes a failure that ends in the exit code `exit`.
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            excerpt: None,
            causes: Vec::new(),
            hints: Vec::new(),
            exit,
        }
    }

    /// Makes a failure of what the user typed or wrote.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// Makes a failure of an error and its sources.
    pub(crate) fn of(exit: u8, error: &dyn Error) -> Self {
        Self::new(exit, error.to_string()).because_of(error.source())
    }

    /// Makes a failure of a request that no thread could be started for.
    pub fn no_thread(error: &std::io::Error) -> Self {
        Self::new(exit::IBID_FAILED, "cannot start a thread for the request")
            .because_of(Some(error))
            .hint("`ulimit -u` says how many processes and threads this user may have")
    }

    /// Makes a failure of a mistake in a file that the user wrote.
    pub(crate) fn mistake(mistake: &Mistake) -> Self {
        let Mistake {
            path,
            excerpt,
            message,
            suggestion,
            hint,
        } = mistake;
        let place = format!("{}:{}:{}", people::path(path), excerpt.line, excerpt.column);
        let failure = Self::usage(format!("{place}: {message}")).excerpt(excerpt.to_string());
        let suggestion = suggestion
            .as_ref()
            .map(|word| format!("did you mean `{word}`?"));
        let hints = suggestion.into_iter().chain(hint.clone());
        hints.fold(failure, Self::hint)
    }

    /// Adds a cause and its sources. One that repeats the line above it is left out.
    pub(crate) fn because_of(mut self, cause: Option<&(dyn Error + 'static)>) -> Self {
        let mut next = cause;
        while let Some(error) = next {
            let text = error.to_string();
            let above = self.causes.last().unwrap_or(&self.message);
            if !above.ends_with(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a cause in words.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds the line of a file that is at fault; it may have several lines, and stands as it is.
    pub(crate) fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the exit code.
    pub fn exit(&self) -> u8 {
        self.exit
    }

    /// Returns the first line, without its causes.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the failure as JSON: an event like those of a run.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "error",
            "message": self.message,
            "causes": self.causes,
            "hints": self.hints,
            "exit_code": self.exit,
            "v": 1,
        })
    }

    /// Returns the failure as text, without colours.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}\n", one_line(&self.message));
        for line in self.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
            let _ = writeln!(text, "  {line}");
        }
        for cause in &self.causes {
            let _ = writeln!(text, "caused by: {}", one_line(cause));
        }
        for (index, hint) in self.hints.iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            let _ = writeln!(text, "{gap}hint: {}", one_line(hint));
        }
        text
    }

    /// Prints it on stderr, before anything else of the report stands.
    pub(crate) fn print(&self, json: bool) {
        let text = if json {
            format!("{}\n", self.json())
        } else {
            self.text()
        };
        // Where stderr is gone there is nobody to tell.
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes());
    }
}

/// Messages of other libraries may hold line breaks, and names that drive the terminal.
fn one_line(text: &str) -> String {
    let lines = text.split('\n').map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    Escaped(lines.join("; ").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_line_its_causes_a_gap_and_hints() {
        let source = std::io::Error::other("no\n  luck");
        let failure = Failure::usage("cannot read `x`")
            .because_of(Some(&source))
            .hint("make it readable");
        assert_eq!(
            failure.text(),
            "error: cannot read `x`\ncaused by: no; luck\n\nhint: make it readable\n"
        );
    }
}
