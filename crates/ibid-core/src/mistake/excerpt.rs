//! `Mistake`: what is wrong in a file, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::tree::Escaped;

/// A mistake in a file. It displays as one line, followed by the line at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub excerpt: Box<Excerpt>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What was probably meant: a word for another one.
    pub suggestion: Option<String>,
    /// What else to do about it.
    pub hint: Option<String>,
}

/// A line of a file, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's number, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least one.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

impl Excerpt {
    /// Takes the line of `text` in which the byte range `span` starts.
    pub fn of(text: &str, span: &Range<usize>) -> Self {
        let clamp = |at: usize| {
            let at = at.min(text.len());
            (0..=at)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0)
        };
        let (start, end) = (clamp(span.start), clamp(span.end));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end.clamp(start, line_end)]
                .chars()
                .count()
                .max(1),
            text: text[line_start..line_end].trim_end().to_owned(),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs below the line, so that the mark stands where the text does.
        let indent: String = self
            .text
            .chars()
            .chain(std::iter::repeat(' '))
            .take(self.column - 1)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{number} | {}", Escaped(self.text.as_bytes()))?;
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width))
    }
}

impl Mistake {
    /// Makes a mistake of the byte range `span` of `text`, which is what `path` holds.
    pub fn new(path: &Path, text: &str, span: &Range<usize>, message: String) -> Self {
        Self {
            path: path.to_owned(),
            excerpt: Box::new(Excerpt::of(text, span)),
            message,
            suggestion: None,
            hint: None,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Escaped::path(&self.path);
        let Excerpt { line, column, .. } = *self.excerpt;
        write!(f, "{path}:{line}:{column}: {}", self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        write!(f, "\n{}", self.excerpt)
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_under_the_characters_that_are_meant() {
        let text = "a = 1\nrésumé = falsch\n";
        let at = text.find("falsch").unwrap();
        let excerpt = Excerpt::of(text, &(at..at + 6));
        assert_eq!((excerpt.line, excerpt.column, excerpt.width), (2, 10, 6));
        assert_eq!(
            excerpt.to_string(),
            "2 | résumé = falsch\n  |          ^^^^^^"
        );
    }

    #[test]
    fn the_end_of_the_file_and_ranges_beyond_it_have_an_excerpt() {
        for span in [3..3, 3..9, 99..120] {
            let excerpt = Excerpt::of("a =", &span);
            assert_eq!((excerpt.line, excerpt.column, excerpt.width), (1, 4, 1));
        }
        assert_eq!(Excerpt::of("", &(0..0)).to_string(), "1 | \n  | ^");
    }
}
