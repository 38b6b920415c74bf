//! The text of a shell: each placeholder filled as its corner of the text needs it.
//!
//! Values are quoted where they stand, so that the command gets exactly them. A text for anything
//! but a known shell takes plain values only, because nobody here knows how it quotes. Patterns of
//! inputs stay open until the step is bound.

use super::command::{Content, PathWord, Paths, content, single};
use super::quote::{self, Beside};
use super::scope::Scope;
use super::shell::{Corner, Unit, corners};
use super::template::{Piece, Placeholder, parse};
use crate::mistake::Mistake;
use crate::pipeline::declared::Located;
use crate::pipeline::step::Part;
use crate::scan::programs::inline_script;

/// A script that is being written.
struct Script {
    parts: Vec<Part>,
    /// What comes after the last part.
    text: Vec<u8>,
    /// Places in the text whose line may not become the end of a here-document.
    lines: Vec<Line>,
}

struct Line {
    /// An offset in the text, which holds the whole line because no pattern can stand in it.
    at: usize,
    delimiter: Vec<u8>,
    strips_tabs: bool,
}

/// Fills the text of a script; the parts are one where no pattern stays open.
pub(super) fn text(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    script: &Located<String>,
    interpreter: &[String],
) -> Result<Vec<Part>, Mistake> {
    let pieces = parse(&script.value);
    let mut units = Vec::new();
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => units.extend(text.bytes().map(Unit::Byte)),
            Piece::Placeholder(_) => units.push(Unit::Hole),
        }
    }
    let beside = |at: usize| match units.get(at + 1) {
        Some(Unit::Byte(b'<' | b'>')) => Beside::Redirection,
        _ => Beside::Other,
    };
    let holes = units
        .iter()
        .enumerate()
        .filter(|(_, unit)| **unit == Unit::Hole);
    let besides: Vec<Beside> = holes.map(|(at, _)| beside(at)).collect();
    let found = if is_shell(interpreter) {
        corners(&units)
    } else {
        vec![Corner::Plain("text for a program that is not known as a shell"); besides.len()]
    };
    let mut corners = found.into_iter().zip(besides);
    let mut out = Script {
        parts: Vec::new(),
        text: Vec::new(),
        lines: Vec::new(),
    };
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => out.text.extend_from_slice(text.as_bytes()),
            Piece::Placeholder(it) => {
                let corner = corners.next().expect("every hole has its corner");
                place(scope, paths, (script, it), corner, &mut out)?;
            }
        }
    }
    if out.text.contains(&0) {
        let message = "the text of a command cannot hold a NUL character";
        return Err(scope.sources.mistake(&script.at, message));
    }
    out.close();
    if out.lines.iter().any(|line| line.ends_document(&out)) {
        let message = "a value makes a line that ends its here-document too early";
        return Err(scope.sources.mistake(&script.at, message));
    }
    Ok(out.parts)
}

fn is_shell(interpreter: &[String]) -> bool {
    let words = interpreter.iter().map(|word| word.as_bytes().to_vec());
    let argv: Vec<Vec<u8>> = words.chain([b"text".to_vec()]).collect();
    inline_script(&argv) == Some(interpreter.len())
}

impl Script {
    /// Ends the text before a pattern, or the script.
    fn close(&mut self) {
        if !self.text.is_empty() || self.parts.is_empty() {
            self.parts.push(Part::Fixed(std::mem::take(&mut self.text)));
        }
    }

    /// Returns how many bytes come before the text that is being written.
    fn before(&self) -> usize {
        let lengths = self.parts.iter().map(|part| part.shown().len());
        lengths.sum()
    }
}

impl Line {
    fn ends_document(&self, script: &Script) -> bool {
        let whole: Vec<&[u8]> = script.parts.iter().map(Part::shown).collect();
        let whole = whole.concat();
        let start = whole[..self.at].iter().rposition(|byte| *byte == b'\n');
        let end = whole[self.at..].iter().position(|byte| *byte == b'\n');
        let start = start.map_or(0, |at| at + 1);
        let mut line = &whole[start..end.map_or(whole.len(), |ahead| self.at + ahead)];
        while self.strips_tabs && line.starts_with(b"\t") {
            line = &line[1..];
        }
        line == self.delimiter
    }
}

type Hole<'h> = (&'h Located<String>, &'h Placeholder<'h>);

/// Writes what a placeholder stands for into its corner of the script.
fn place(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
    (corner, beside): (Corner, Beside),
    out: &mut Script,
) -> Result<(), Mistake> {
    match corner {
        Corner::Word => return place_words(scope, paths, (text, it), beside, out),
        Corner::Comment => {
            let words = shown_words(scope, paths, (text, it))?;
            if words.contains(&b'\n') {
                return Err(refused(scope, (text, it), "a comment ends with its line"));
            }
            out.text.extend(words);
            return Ok(());
        }
        _ => {}
    }
    let value = single(scope, paths, text, it)?;
    let written = match corner {
        Corner::DoubleQuotes => quote::within_double_quotes(&value),
        Corner::SingleQuotes => quote::within_single_quotes(&value),
        Corner::Escaped => {
            let reason = "the backslash before it would take its first character";
            return Err(refused(scope, (text, it), reason));
        }
        Corner::Plain(reason) => plain(scope, (text, it), value, reason)?,
        Corner::HereDocument {
            delimiter,
            expands,
            strips_tabs,
            plain: only_plain,
        } => {
            if value.iter().any(u8::is_ascii_control) {
                let reason = "a value in a here-document is one line without control characters";
                return Err(refused(scope, (text, it), reason));
            }
            out.lines.push(Line {
                at: out.before() + out.text.len(),
                delimiter,
                strips_tabs,
            });
            match only_plain {
                Some(reason) => plain(scope, (text, it), value, reason)?,
                None if expands => quote::within_here_document(&value),
                None => value,
            }
        }
        Corner::Word | Corner::Comment => unreachable!("handled above"),
    };
    out.text.extend(written);
    Ok(())
}

fn place_words(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
    beside: Beside,
    out: &mut Script,
) -> Result<(), Mistake> {
    let Content::Paths(words) = content(scope, paths, text, it)? else {
        let value = single(scope, paths, text, it)?;
        out.text.extend(quote::as_word(&value, beside));
        return Ok(());
    };
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            out.text.push(b' ');
        }
        match word.part(scope, text, it, beside)? {
            Part::Fixed(word) => out.text.extend(quote::as_word(&word, beside)),
            open @ Part::Matches { .. } => {
                out.close();
                out.parts.push(open);
            }
        }
    }
    Ok(())
}

/// Writes values where nothing reads them: patterns stand for themselves.
fn shown_words(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
) -> Result<Vec<u8>, Mistake> {
    let Content::Paths(words) = content(scope, paths, text, it)? else {
        return single(scope, paths, text, it);
    };
    let words = words.into_iter().map(|word| match word {
        PathWord::Word(word) => word,
        PathWord::Matches(pattern) | PathWord::Unknown(pattern) => pattern.into_bytes(),
    });
    Ok(words.collect::<Vec<_>>().join(&b' '))
}

fn plain(
    scope: &Scope<'_>,
    hole: Hole<'_>,
    value: Vec<u8>,
    reason: &str,
) -> Result<Vec<u8>, Mistake> {
    if quote::is_plain(&value) {
        return Ok(value);
    }
    let reason = format!("{reason} takes only letters, digits and `@%+:./_-`");
    Err(refused(scope, hole, &reason))
}

fn refused(scope: &Scope<'_>, (text, it): Hole<'_>, reason: &str) -> Mistake {
    let message = format!("the value of `{}` cannot stand here: {reason}", it.written);
    let mut mistake = scope.mistake(text, it, message);
    mistake.hint = Some(format!(
        "put `x={}` on a line of its own and use `$x` here, or make `run` a list",
        it.written
    ));
    mistake
}
