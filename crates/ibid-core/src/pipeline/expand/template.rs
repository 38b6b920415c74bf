//! Cuts a text into what stands as it is and placeholders.
//!
//! Owns which braces are placeholders: `{inputs}`, `{outputs}`, `{params…}`, `{matrix…}` and
//! `{resources…}`, alone or with a dotted name, and nothing else, because commands are full of
//! braces (`awk '{print $1}'`, JSON, `${VAR}`). Knows nothing of values.
//!
//! Invariant: a text without placeholders is one literal piece that equals it, unless it holds
//! `{{inputs.raw}}`, which is how `{inputs.raw}` is written where it is meant as it is.

use std::borrow::Cow;
use std::ops::Range;

/// What a placeholder takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Inputs,
    Outputs,
    Params,
    Matrix,
    Resources,
}

impl Family {
    const ALL: [Self; 5] = [
        Self::Inputs,
        Self::Outputs,
        Self::Params,
        Self::Matrix,
        Self::Resources,
    ];

    /// Returns the word that stands in the brace.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Outputs => "outputs",
            Self::Params => "params",
            Self::Matrix => "matrix",
            Self::Resources => "resources",
        }
    }
}

/// A placeholder in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'t> {
    pub(super) family: Family,
    /// What follows the first dot; `None` where there is none.
    pub(super) name: Option<&'t str>,
    /// As it is written, with its braces.
    pub(super) written: &'t str,
    /// Where it stands in the text.
    pub(super) range: Range<usize>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// What stands as it is.
    Literal(Cow<'t, str>),
    /// What a value takes the place of.
    Placeholder(Placeholder<'t>),
}

/// Cuts a text up.
pub(super) fn parse(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut at, mut from) = (0, 0);
    while let Some(ahead) = text[at..].find('{') {
        let open = at + ahead;
        if let Some(escaped) = escaped(text, open) {
            literal(&mut pieces, &text[from..open]);
            literal(&mut pieces, &text[escaped.clone()]);
            at = escaped.end + 1;
            from = at;
        } else if let Some(placeholder) = placeholder(text, open) {
            literal(&mut pieces, &text[from..open]);
            at = placeholder.range.end;
            from = at;
            pieces.push(Piece::Placeholder(placeholder));
        } else {
            at = open + 1;
        }
    }
    literal(&mut pieces, &text[from..]);
    pieces
}

fn literal<'t>(pieces: &mut Vec<Piece<'t>>, text: &'t str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Literal(before)) => before.to_mut().push_str(text),
        _ => pieces.push(Piece::Literal(Cow::Borrowed(text))),
    }
}

/// Returns the inner `{…}` of a `{{…}}` that starts at `open`, if it would be a placeholder.
fn escaped(text: &str, open: usize) -> Option<Range<usize>> {
    let inner = text[open + 1..].starts_with('{').then_some(open + 1)?;
    let range = braced(text, inner)?.range;
    text[range.end..].starts_with('}').then_some(range)
}

/// Returns the placeholder that starts at `open`. What follows a `$` belongs to the shell.
fn placeholder(text: &str, open: usize) -> Option<Placeholder<'_>> {
    if text[..open].ends_with('$') {
        return None;
    }
    braced(text, open)
}

fn braced(text: &str, open: usize) -> Option<Placeholder<'_>> {
    let body = &text[open + 1..];
    let body = &body[..body.find(['}', '{', '\n'])?];
    let end = open + 1 + body.len();
    if !text[end..].starts_with('}') {
        return None;
    }
    let (word, name) = match body.split_once('.') {
        Some((word, name)) => (word, Some(name)),
        None => (body, None),
    };
    let family = Family::ALL.into_iter().find(|it| it.word() == word)?;
    if !name.is_none_or(|name| name.split('.').all(is_name)) {
        return None;
    }
    Some(Placeholder {
        family,
        name,
        written: &text[open..=end],
        range: open..end + 1,
    })
}

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    !name.is_empty() && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes placeholders as `<family:name>`.
    fn shown(text: &str) -> String {
        let show = |piece: &Piece<'_>| match piece {
            Piece::Literal(text) => text.to_string(),
            Piece::Placeholder(it) => {
                assert_eq!(&text[it.range.clone()], it.written);
                format!("<{}:{}>", it.family.word(), it.name.unwrap_or_default())
            }
        };
        parse(text).iter().map(show).collect()
    }

    #[test]
    fn only_known_families_are_placeholders() {
        for (text, pieces) in [
            (
                "{inputs.raw} {inputs} {inputs.0}",
                "<inputs:raw> <inputs:> <inputs:0>",
            ),
            ("a{params.a.b}c", "a<params:a.b>c"),
            ("{matrix.x}{resources.cpus}", "<matrix:x><resources:cpus>"),
            ("{{{params.x}", "{{<params:x>"),
            ("{ {params.x} }", "{ <params:x> }"),
            ("{\"a\": {params.x}}", "{\"a\": <params:x>}"),
            ("{params.größe}", "<params:größe>"),
        ] {
            assert_eq!(shown(text), pieces, "{text}");
        }
    }

    #[test]
    fn other_braces_stay_as_they_are() {
        for text in [
            "awk '{print $1}'",
            "${VAR} ${inputs} ${params.x} ${x:-{a}}",
            "{\"params\": {\"x\": 1}}",
            "{input.raw} {param.x} {x} {} { } {params .x} {params.} {params..x} {params.x!}",
            "{params.x:.2f}",
            "f() { inputs; }",
            "{inputs",
            "{a,b} {1..3} {{x}} {{ }}",
            "}}{{",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn doubled_braces_escape_only_what_would_be_a_placeholder() {
        for (text, pieces) in [
            ("{{inputs.raw}}", "{inputs.raw}"),
            ("a {{params.x}} {params.x}", "a {params.x} <params:x>"),
            ("{{x}} {{inputs}}", "{{x}} {inputs}"),
            ("{{{inputs.raw}}}", "{{inputs.raw}}"),
            ("${{inputs.raw}}", "${inputs.raw}"),
            ("{{inputs.raw}", "{<inputs:raw>"),
        ] {
            assert_eq!(shown(text), pieces, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_of_a_text_is_lost(text in "[{$. a]{0,8}((\\{inputs\\}|\\{params\\.x\\})[}$. é]{0,8}){0,3}") {
            prop_assume!(!text.contains("{{"));
            let pieces = parse(&text);
            let again = pieces.iter().map(|piece| match piece {
                Piece::Literal(text) => text.as_ref(),
                Piece::Placeholder(it) => it.written,
            });
            prop_assert_eq!(again.collect::<String>(), text);
        }
    }
}
