//! Where in a shell text a placeholder stands: what its value needs to come out right there.
//!
//! Owns a reading of quotes, substitutions, here-documents and comments that errs on the safe
//! side: wherever this reading could differ from a shell's, the corner is [`Corner::Plain`], and
//! only values that mean the same everywhere may stand there. Takes any text without a panic, in
//! time linear in it.

/// How deep substitutions are followed; what is deeper is not read at all.
const MAX_DEPTH: usize = 16;

const DEEP: &str = "deeply nested text";

/// A byte of the text, or the place of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte(u8),
    Hole,
}

/// What a placeholder stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Corner {
    /// A word without quotes.
    Word,
    /// `"…"`.
    DoubleQuotes,
    /// `'…'`.
    SingleQuotes,
    /// The body of a here-document that ends with a line of this text.
    HereDocument {
        delimiter: Vec<u8>,
        expands: bool,
        strips_tabs: bool,
        /// Whether only plain values may stand there.
        plain: Option<&'static str>,
    },
    /// `# …`.
    Comment,
    /// A corner where quoting does not work, or where it is not certain.
    Plain(&'static str),
    /// Behind a backslash.
    Escaped,
}

/// Says for each hole what it stands in.
pub(super) fn corners(units: &[Unit]) -> Vec<Corner> {
    let mut lexer = Lexer {
        units,
        at: 0,
        depth: 0,
        plain: None,
        pending: Vec::new(),
        corners: Vec::new(),
    };
    lexer.commands(End::Text);
    lexer.corners
}

/// What ends a list of commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Parenthesis,
}

struct HereDocument {
    delimiter: Vec<u8>,
    quoted: bool,
    strips_tabs: bool,
}

struct Lexer<'t> {
    units: &'t [Unit],
    at: usize,
    depth: usize,
    /// Why only plain values may stand here, if that is so.
    plain: Option<&'static str>,
    pending: Vec<HereDocument>,
    corners: Vec<Corner>,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        match self.units.get(self.at + ahead) {
            Some(Unit::Byte(byte)) => Some(*byte),
            _ => None,
        }
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        (0..text.len()).all(|ahead| self.byte(ahead) == Some(text[ahead]))
    }

    fn hole(&mut self, mut corner: Corner) {
        match (self.plain, &mut corner) {
            (None, _) | (_, Corner::Escaped) => {}
            (reason, Corner::HereDocument { plain, .. }) => *plain = reason,
            (Some(reason), other) => *other = Corner::Plain(reason),
        }
        self.corners.push(corner);
        self.at += 1;
    }

    /// Reads something one level deeper; what is too deep is not read, and nor is what follows it.
    fn deeper(&mut self, read: impl FnOnce(&mut Self)) {
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            read(self);
            self.depth -= 1;
            return;
        }
        self.plain = Some(DEEP);
        let rest = self.units.get(self.at..).unwrap_or_default();
        let holes = rest.iter().filter(|unit| **unit == Unit::Hole).count();
        let deep = std::iter::repeat_n(Corner::Plain(DEEP), holes);
        self.corners.extend(deep);
        self.at = self.units.len();
    }

    /// Takes a backslash and what it stands before.
    fn backslash(&mut self) {
        self.at += 1;
        match self.units.get(self.at) {
            Some(Unit::Hole) => self.hole(Corner::Escaped),
            _ => self.at += 1,
        }
    }

    fn commands(&mut self, end: End) {
        let mut parentheses = 0_usize;
        let mut is_start = true;
        while let Some(unit) = self.units.get(self.at) {
            let was_start = std::mem::replace(&mut is_start, false);
            let Unit::Byte(byte) = *unit else {
                self.hole(Corner::Word);
                continue;
            };
            match byte {
                b'\\' => {
                    // A continued line goes on as if nothing had been there.
                    is_start = was_start && self.byte(1) == Some(b'\n');
                    self.backslash();
                }
                b'\'' => self.single_quotes(),
                b'"' => self.double_quotes(),
                b'$' => self.dollar(false),
                b'`' => self.backquotes(),
                b'#' if was_start => self.comment(),
                b'\n' => {
                    self.at += 1;
                    self.here_documents();
                    is_start = true;
                }
                b'<' if self.byte(1) == Some(b'<') => self.here_operator(),
                b'(' if was_start && self.byte(1) == Some(b'(') => self.arithmetic(),
                b')' if parentheses == 0 && end == End::Parenthesis => {
                    self.at += 1;
                    return;
                }
                b'c' if was_start && self.depth > 0 && self.starts_with(b"case") => {
                    // Its patterns hold parentheses that close nothing.
                    self.plain = Some("a substitution with `case`, and what follows it,");
                    self.at += 4;
                }
                _ => {
                    match byte {
                        b'(' => parentheses += 1,
                        b')' => parentheses = parentheses.saturating_sub(1),
                        _ => {}
                    }
                    is_start = b" \t\r;&|()<>".contains(&byte);
                    self.at += 1;
                }
            }
        }
    }

    fn comment(&mut self) {
        while let Some(unit) = self.units.get(self.at) {
            match unit {
                Unit::Byte(b'\n') => return,
                Unit::Byte(_) => self.at += 1,
                Unit::Hole => self.hole(Corner::Comment),
            }
        }
    }

    fn single_quotes(&mut self) {
        self.at += 1;
        while let Some(unit) = self.units.get(self.at) {
            match unit {
                Unit::Byte(b'\'') => {
                    self.at += 1;
                    return;
                }
                Unit::Byte(_) => self.at += 1,
                Unit::Hole => self.hole(Corner::SingleQuotes),
            }
        }
    }

    fn double_quotes(&mut self) {
        self.at += 1;
        while let Some(unit) = self.units.get(self.at) {
            match unit {
                Unit::Byte(b'"') => {
                    self.at += 1;
                    return;
                }
                Unit::Byte(b'\\') => self.backslash(),
                Unit::Byte(b'$') => self.dollar(true),
                Unit::Byte(b'`') => self.backquotes(),
                Unit::Byte(_) => self.at += 1,
                Unit::Hole => self.hole(Corner::DoubleQuotes),
            }
        }
    }

    fn dollar(&mut self, in_double_quotes: bool) {
        match self.byte(1) {
            Some(b'(') if self.byte(2) == Some(b'(') => {
                self.at += 1;
                self.arithmetic();
            }
            Some(b'(') => self.substitution(),
            Some(b'{') => self.braces(in_double_quotes),
            Some(b'[') => {
                self.plain = Some("`$[…]`, and what follows it,");
                self.at += 2;
            }
            Some(b'\'') if !in_double_quotes => self.escaped_quotes(),
            _ => self.at += 1,
        }
    }

    fn substitution(&mut self) {
        self.at += 2;
        self.deeper(|lexer| lexer.commands(End::Parenthesis));
    }

    /// Reads something in which only plain values may stand.
    fn plainly(&mut self, reason: &'static str, read: impl FnOnce(&mut Self)) {
        let outer = self.plain;
        self.plain = Some(outer.unwrap_or(reason));
        let inner = self.plain;
        read(self);
        // A reason that came up inside holds for the rest of the text.
        if self.plain == inner {
            self.plain = outer;
        }
    }

    /// Reads `((…))` from its first parenthesis on.
    fn arithmetic(&mut self) {
        self.plainly("arithmetic", |lexer| {
            let mut open = 0_usize;
            while let Some(unit) = lexer.units.get(lexer.at) {
                match unit {
                    Unit::Hole => {
                        lexer.hole(Corner::Word);
                        continue;
                    }
                    Unit::Byte(b'(') => open += 1,
                    Unit::Byte(b')') => open -= 1,
                    Unit::Byte(b'\'' | b'"' | b'`' | b'\\' | b'#' | b'\n') => {
                        // It may be two parentheses that happen to be neighbours.
                        lexer.plain = Some("`((…)` with quotes or lines, and what follows it,");
                    }
                    Unit::Byte(_) => {}
                }
                lexer.at += 1;
                if open == 0 {
                    return;
                }
            }
        });
    }

    fn braces(&mut self, in_double_quotes: bool) {
        self.at += 2;
        self.plainly("`${…}`", |lexer| {
            lexer.deeper(|lexer| lexer.in_braces(in_double_quotes));
        });
    }

    fn in_braces(&mut self, in_double_quotes: bool) {
        while let Some(unit) = self.units.get(self.at) {
            match unit {
                Unit::Hole => self.hole(Corner::Word),
                Unit::Byte(b'}') => {
                    self.at += 1;
                    return;
                }
                Unit::Byte(b'\\') => self.backslash(),
                Unit::Byte(b'\'') => {
                    // Shells differ in what these do in here.
                    self.plain = Some("`${…}` with `'`, and what follows it,");
                    self.at += 1;
                }
                Unit::Byte(b'"') => self.double_quotes(),
                Unit::Byte(b'`') => self.backquotes(),
                Unit::Byte(b'$') => self.dollar(in_double_quotes),
                Unit::Byte(_) => self.at += 1,
            }
        }
    }

    fn escaped_quotes(&mut self) {
        self.at += 2;
        self.plainly("`$'…'`", |lexer| {
            while let Some(unit) = lexer.units.get(lexer.at) {
                match unit {
                    Unit::Hole => lexer.hole(Corner::Word),
                    Unit::Byte(b'\'') => {
                        lexer.at += 1;
                        return;
                    }
                    Unit::Byte(b'\\') if lexer.byte(1) == Some(b'\'') => {
                        // Some shells see an escaped quote here and some the end.
                        lexer.plain = Some("`$'…'` with `\\'`, and what follows it,");
                        lexer.at += 2;
                    }
                    Unit::Byte(_) => lexer.at += 1,
                }
            }
        });
    }

    fn backquotes(&mut self) {
        self.at += 1;
        self.plainly("backquotes (`$(…)` takes any value)", |lexer| {
            while let Some(unit) = lexer.units.get(lexer.at) {
                match unit {
                    Unit::Hole => lexer.hole(Corner::Word),
                    Unit::Byte(b'\\') => lexer.backslash(),
                    Unit::Byte(b'`') => {
                        lexer.at += 1;
                        return;
                    }
                    Unit::Byte(_) => lexer.at += 1,
                }
            }
        });
    }

    fn here_operator(&mut self) {
        self.at += 2;
        if self.byte(0) == Some(b'<') {
            self.at += 1;
            return;
        }
        let strips_tabs = self.byte(0) == Some(b'-');
        self.at += usize::from(strips_tabs);
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let mut here = HereDocument {
            delimiter: Vec::new(),
            quoted: false,
            strips_tabs,
        };
        let mut quote = None;
        while let Some(unit) = self.units.get(self.at) {
            match *unit {
                Unit::Hole => {
                    self.plain = Some("the end mark of a here-document, and what follows it,");
                    return self.hole(Corner::Word);
                }
                Unit::Byte(byte) if Some(byte) == quote => quote = None,
                Unit::Byte(byte @ (b'\'' | b'"')) if quote.is_none() => {
                    quote = Some(byte);
                    here.quoted = true;
                }
                Unit::Byte(b'\\') if quote.is_none() => here.quoted = true,
                Unit::Byte(byte) if quote.is_none() && b" \t\r\n;&|()<>".contains(&byte) => break,
                Unit::Byte(byte) => here.delimiter.push(byte),
            }
            self.at += 1;
        }
        self.pending.push(here);
    }

    /// Reads the bodies that begin here.
    fn here_documents(&mut self) {
        for here in std::mem::take(&mut self.pending) {
            let mut runs = false;
            while self.at < self.units.len() {
                let line_end = self.units[self.at..]
                    .iter()
                    .position(|unit| *unit == Unit::Byte(b'\n'));
                let end = line_end.map_or(self.units.len(), |ahead| self.at + ahead);
                let is_last = self.is_end_mark(&here, end);
                if !is_last {
                    self.here_line(&here, end, &mut runs);
                }
                self.at = end + 1;
                if is_last {
                    break;
                }
            }
        }
        self.at = self.at.min(self.units.len());
    }

    fn is_end_mark(&self, here: &HereDocument, end: usize) -> bool {
        let mut line = &self.units[self.at..end];
        while here.strips_tabs && line.first() == Some(&Unit::Byte(b'\t')) {
            line = &line[1..];
        }
        let same = |(unit, byte): (&Unit, &u8)| *unit == Unit::Byte(*byte);
        line.len() == here.delimiter.len() && line.iter().zip(&here.delimiter).all(same)
    }

    /// Reads a line of a body; `runs` says whether a substitution was seen in it.
    fn here_line(&mut self, here: &HereDocument, end: usize, runs: &mut bool) {
        let mut in_braces = false;
        while self.at < end {
            match self.units[self.at] {
                Unit::Hole => {
                    let plain = (*runs || in_braces).then_some("an expansion in a here-document");
                    self.hole(Corner::HereDocument {
                        delimiter: here.delimiter.clone(),
                        expands: !here.quoted,
                        strips_tabs: here.strips_tabs,
                        plain,
                    });
                }
                Unit::Byte(b'\\') if !here.quoted => {
                    *runs |= in_braces;
                    if self.at + 1 == end {
                        // The end mark is looked for in the joined line.
                        self.plain = Some("a continued line of a here-document, and the rest,");
                    }
                    self.backslash();
                }
                Unit::Byte(_) if !here.quoted && self.starts_with(b"${") => {
                    *runs |= in_braces;
                    in_braces = true;
                    self.at += 2;
                }
                Unit::Byte(byte) => {
                    if !here.quoted {
                        let quotes = in_braces && b"'\"".contains(&byte);
                        *runs |= byte == b'`' || quotes || self.starts_with(b"$(");
                        in_braces &= byte != b'}';
                    }
                    self.at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(text: &str) -> Vec<Unit> {
        let unit = |byte| match byte {
            b'@' => Unit::Hole,
            byte => Unit::Byte(byte),
        };
        text.bytes().map(unit).collect()
    }

    fn shown(text: &str) -> String {
        let letter = |corner| match corner {
            Corner::Word => 'w',
            Corner::DoubleQuotes => 'd',
            Corner::SingleQuotes => 's',
            Corner::HereDocument {
                plain: None,
                expands,
                ..
            } if expands => 'h',
            Corner::HereDocument { plain: None, .. } => 'H',
            Corner::Comment => 'c',
            Corner::Plain(_) | Corner::HereDocument { .. } => 'p',
            Corner::Escaped => 'e',
        };
        corners(&units(text)).into_iter().map(letter).collect()
    }

    #[test]
    fn quotes_and_substitutions_are_followed() {
        for (text, corners) in [
            ("a @ '@' \"@\" @", "wsdw"),
            ("a \"$(b @ \"@\" '@')@\" @", "wdsdw"),
            ("a \\@ \"\\@\" \\\\@", "eew"),
            ("a 'it'\\''s' @", "w"),
            ("a # it's @\n@", "cw"),
            ("a#@ ${#@} $#@", "wpw"),
            ("a `b @` @ \"`c @`@\"", "pwpd"),
            ("${x:-@} \"${x:-\"@\"}@\" @", "ppdw"),
            ("$((1 + @)) @ ((x = @)); @", "pwpw"),
            ("((echo '@'); @) @", "ppp"),
            ("$'a @' @", "pw"),
            ("$'a\\' @' @", "pp"),
            ("$\"@\" @", "dw"),
            ("(a @) | (b '@') @", "wsw"),
            ("case x in a) b @;; esac @", "ww"),
            ("$(case x in a) b @;; esac) @", "pp"),
            ("a <(b @ '@') @", "wsw"),
            ("$[1 + @]", "p"),
        ] {
            assert_eq!(shown(text), corners, "{text}");
        }
    }

    #[test]
    fn here_documents_are_found_by_their_end_mark() {
        for (text, corners) in [
            ("a @ <<E @\n@ '@'\nE\n@", "wwhhw"),
            ("a <<'E'\n@ $(@)\nE\n@", "HHw"),
            ("a <<\\E\n@\nE\n@", "Hw"),
            ("a <<-\"E\"\n@\n\t\tE\n@", "Hw"),
            ("a <<E\n$(b @)\n@\nE\n@", "ppw"),
            ("a <<E\n${x} @ ${y:-@}\nE\n@", "hpw"),
            ("a <<E\n\\@ \\\\@\nE", "eh"),
            ("a <<E <<F\n@\nE\n@\nF\n@", "hhw"),
            ("a <<<@ @", "ww"),
            ("a <<E\nb\\\nE\n@\nE\n@", "pp"),
            ("a \\\n# it's\n@", "w"),
            ("a <<@\nx\n@", "pp"),
            ("$(a <<E\n@\nE\nb @) @", "hww"),
            ("echo $((1<<2)) @\n@", "ww"),
        ] {
            assert_eq!(shown(text), corners, "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        for opening in [
            "$(",
            "\"$(",
            "${a:-",
            "\"${a:-\"",
            "((",
            "`",
            "<<E\n",
            "$((",
        ] {
            let text = format!("{}@", opening.repeat(20_000));
            assert_eq!(corners(&units(&text)).len(), 1, "{opening}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_hole_has_its_corner(text in "[@'\"`$(){}\\\\#<\nE a-]{0,40}") {
            let holes = text.matches('@').count();
            prop_assert_eq!(corners(&units(&text)).len(), holes);
        }
    }
}
