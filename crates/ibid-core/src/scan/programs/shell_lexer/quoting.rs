//! Words, quotes and expansions: the half of the lexer that works within a word.
//!
//! Recursion is bounded: only command substitutions recurse, and they count their depth.

use super::{Inner, Lexer, MAX_DEPTH, Word, is_blank, is_operator};

impl Lexer<'_, '_> {
    pub(super) fn text_with_expansions(&mut self) {
        let mut word = Word::default();
        while let Some(byte) = self.peek(0) {
            self.in_double_quotes(byte, &mut word);
        }
    }

    /// Reads another text with the same results, one level deeper.
    pub(super) fn nested(&mut self, text: &[u8], inner: Inner) {
        if self.depth < MAX_DEPTH {
            let mut lexer = Lexer::new(text, self.out, self.depth + 1);
            match inner {
                Inner::Commands => lexer.list(false),
                Inner::QuotedText => lexer.text_with_expansions(),
            }
        }
    }

    /// Reads what is inside `$(…)`, from behind the parenthesis to behind the closing one.
    pub(super) fn substitution(&mut self) {
        if self.depth >= MAX_DEPTH {
            self.at = self.text.len();
            return;
        }
        let mut inner = Lexer::new(self.text, self.out, self.depth + 1);
        inner.at = self.at;
        inner.list(true);
        self.at = inner.at;
    }

    /// Skips `((…))` from its first parenthesis on, and says whether that was arithmetic. If
    /// not, they are two parentheses that happen to be neighbours, and nothing is skipped.
    pub(super) fn skip_arithmetic(&mut self) -> bool {
        let start = self.at;
        let mut open = 0_usize;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                let is_arithmetic = self.text[..self.at].ends_with(b"))");
                if !is_arithmetic {
                    self.at = start;
                }
                return is_arithmetic;
            }
        }
        true
    }

    /// Reads a word; takes nothing where an operator stands.
    pub(super) fn word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(byte) = self.peek(0) {
            match byte {
                _ if is_blank(byte) || is_operator(byte) => break,
                b'\\' => {
                    self.at += 2;
                    match self.text.get(self.at - 1) {
                        Some(b'\n') | None => {}
                        Some(escaped) => word.bytes.push(*escaped),
                    }
                    word.quoted = true;
                }
                b'\'' => self.single_quotes(&mut word),
                b'"' => self.double_quotes(&mut word),
                b'$' if matches!(self.peek(1), Some(b'"')) => self.at += 1,
                b'$' if matches!(self.peek(1), Some(b'\'')) => self.escaped_quotes(&mut word),
                b'$' | b'`' => self.expansion(&mut word),
                _ => {
                    word.pattern |= matches!(byte, b'*' | b'?' | b'[');
                    word.bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.text.len());
        word
    }

    fn single_quotes(&mut self, word: &mut Word) {
        self.at += 1;
        let start = self.at;
        self.skip_to(b'\'');
        word.bytes.extend_from_slice(&self.text[start..self.at]);
        word.quoted = true;
        self.at += 1;
    }

    /// Reads `$'…'`. Its escapes are not worked out: a word with one counts as expanding.
    fn escaped_quotes(&mut self, word: &mut Word) {
        self.at += 2;
        word.quoted = true;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\'' => return,
                b'\\' => {
                    self.at += 1;
                    word.expands = true;
                }
                _ => word.bytes.push(byte),
            }
        }
    }

    fn double_quotes(&mut self, word: &mut Word) {
        self.at += 1;
        word.quoted = true;
        while let Some(byte) = self.peek(0) {
            if byte == b'"' {
                self.at += 1;
                return;
            }
            self.in_double_quotes(byte, word);
        }
    }

    fn in_double_quotes(&mut self, byte: u8, word: &mut Word) {
        match byte {
            b'\\' => {
                match self.peek(1) {
                    Some(b'\n') | None => {}
                    Some(escaped @ (b'$' | b'`' | b'"' | b'\\')) => word.bytes.push(escaped),
                    Some(other) => word.bytes.extend([b'\\', other]),
                }
                self.at += 2;
            }
            b'$' | b'`' => self.expansion(word),
            _ => {
                word.bytes.push(byte);
                self.at += 1;
            }
        }
    }

    /// Skips an expansion, looking into what it runs.
    fn expansion(&mut self, word: &mut Word) {
        word.expands = true;
        if self.peek(0) == Some(b'`') {
            return self.backquotes();
        }
        self.at += 1;
        match self.peek(0) {
            Some(b'(') if self.peek(1) == Some(b'(') && self.skip_arithmetic() => {}
            Some(b'(') => {
                self.at += 1;
                self.substitution();
            }
            Some(b'{') => self.braces(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                while self
                    .peek(0)
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    self.at += 1;
                }
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => self.at += 1,
            _ => word.bytes.push(b'$'),
        }
    }

    /// Skips `${…}`, looking into the substitutions of a default value.
    fn braces(&mut self) {
        let mut open = 0_usize;
        let mut ignored = Word::default();
        while let Some(byte) = self.peek(0) {
            match byte {
                b'{' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' => {
                    open -= 1;
                    self.at += 1;
                }
                b'$' if self.peek(1) == Some(b'{') => self.at += 1,
                _ => self.in_double_quotes(byte, &mut ignored),
            }
            if open == 0 {
                return;
            }
        }
    }

    fn backquotes(&mut self) {
        self.at += 1;
        let mut text = Vec::new();
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'`' => break,
                b'\\' if matches!(self.peek(0), Some(b'`' | b'\\' | b'$')) => {
                    text.extend(self.peek(0));
                    self.at += 1;
                }
                _ => text.push(byte),
            }
        }
        self.nested(&text, Inner::Commands);
    }
}
