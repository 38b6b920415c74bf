//! Reading a POSIX shell script well enough to see which programs and files it names.
//!
//! A guess by design: what a script does is known to the shell alone. It errs towards naming
//! too much, since a word that resolves to no file drops out later. Words with expansions are
//! kept as they are written and marked, since their value is not known.

/// How deep command substitutions are looked into.
const MAX_NESTING: usize = 16;

/// A word of a script, quotes removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellWord {
    /// Its text; expansions stand in it as they were written.
    pub text: Vec<u8>,
    /// Whether the text is the word's value: nothing in it is expanded.
    pub plain: bool,
}

impl AsRef<[u8]> for ShellWord {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// What a script names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellScript {
    /// The words of each simple command, without the variables set before it; the first word is
    /// in command position.
    pub commands: Vec<Vec<ShellWord>>,
    /// Files that redirections name.
    pub redirections: Vec<ShellWord>,
    /// Whether the output of one command goes into another.
    pub has_pipe: bool,
}

impl ShellScript {
    /// Reads a script.
    pub fn read(text: &[u8]) -> Self {
        let mut script = Self::default();
        let mut texts = vec![(text.to_vec(), 0)];
        while let Some((text, depth)) = texts.pop() {
            let mut reader = Reader::new(&text, &mut script);
            reader.run();
            let inner = std::mem::take(&mut reader.substitutions);
            if depth < MAX_NESTING {
                texts.extend(inner.into_iter().map(|text| (text, depth + 1)));
            }
        }
        script
    }

    /// Iterates over the plain words in command position.
    pub fn command_words(&self) -> impl Iterator<Item = &[u8]> {
        self.commands
            .iter()
            .filter_map(|words| words.first())
            .filter(|word| word.plain)
            .map(|word| word.text.as_slice())
    }

    /// Iterates over all plain words, those of redirections included.
    pub fn plain_words(&self) -> impl Iterator<Item = &[u8]> {
        self.commands
            .iter()
            .flatten()
            .chain(&self.redirections)
            .filter(|word| word.plain)
            .map(|word| word.text.as_slice())
    }
}

/// Words after which a command begins.
fn opens_command(word: &[u8]) -> bool {
    matches!(
        word,
        b"if" | b"then" | b"elif" | b"else" | b"while" | b"until" | b"do" | b"!" | b"{" | b"time"
    )
}

/// Words that end a command and begin none.
fn closes_command(word: &[u8]) -> bool {
    matches!(word, b"fi" | b"done" | b"esac" | b"}")
}

/// Says whether a word sets a variable.
fn is_assignment(word: &[u8]) -> bool {
    let Some(end) = word.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let name = word[..end].strip_suffix(b"+").unwrap_or(&word[..end]);
    let starts = name
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    starts
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    script: &'a mut ShellScript,
    current: Vec<ShellWord>,
    /// Delimiters of here-documents that begin on the next line; whether tabs are cut.
    heredocs: Vec<(Vec<u8>, bool)>,
    substitutions: Vec<Vec<u8>>,
    /// What comes next is the file of a redirection.
    redirects: bool,
    /// `for`, `case` and `select` name a variable or a value and not a command.
    in_header: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], script: &'a mut ShellScript) -> Self {
        Self {
            text,
            at: 0,
            script,
            current: Vec::new(),
            heredocs: Vec::new(),
            substitutions: Vec::new(),
            redirects: false,
            in_header: false,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'\n' => {
                    self.at += 1;
                    self.end_command();
                    self.skip_heredocs();
                }
                b'#' => self.skip_line(),
                b'|' => self.pipe(),
                b'&' if self.peek(1) == Some(b'>') => {
                    self.at += 1;
                    self.redirection();
                }
                b';' | b'&' | b'(' | b')' => {
                    self.at += 1;
                    self.end_command();
                }
                b'<' | b'>' if self.peek(1) == Some(b'(') => {
                    self.at += 2;
                    let inner = self.balanced();
                    self.substitutions.push(inner);
                }
                b'<' | b'>' => self.redirection(),
                _ => self.word(),
            }
        }
        self.end_command();
    }

    fn pipe(&mut self) {
        self.at += 1;
        match self.peek(0) {
            Some(b'|') => self.at += 1,
            Some(b'&') => {
                self.at += 1;
                self.script.has_pipe = true;
            }
            _ => self.script.has_pipe |= !self.in_pattern(),
        }
        self.end_command();
    }

    /// Says whether a `|` stands between the patterns of a `case`: `a|b)`.
    fn in_pattern(&self) -> bool {
        let rest = &self.text[self.at..];
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'(' | b')' | b'\n' | b';' | b'|'));
        end.is_some_and(|end| rest[end] == b')' && (self.in_header || self.current.len() == 1))
            && self.text[..self.at].windows(4).any(|word| word == b"case")
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn redirection(&mut self) {
        let start = self.at;
        while self
            .peek(0)
            .is_some_and(|byte| matches!(byte, b'<' | b'>' | b'|' | b'&'))
        {
            self.at += 1;
        }
        let operator = &self.text[start..self.at];
        match operator {
            b"<<" => {
                let cuts_tabs = self.peek(0) == Some(b'-');
                self.at += usize::from(cuts_tabs);
                while matches!(self.peek(0), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
                let delimiter = self.read_word().text;
                self.heredocs.push((delimiter, cuts_tabs));
            }
            // A descriptor's number or `-` follows, no file.
            b"<&" | b">&"
                if self
                    .peek(0)
                    .is_some_and(|byte| byte.is_ascii_digit() || byte == b'-') =>
            {
                self.at += 1;
            }
            // A here-string is no file.
            b"<<<" => {
                while matches!(self.peek(0), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
                self.read_word();
            }
            _ => self.redirects = true,
        }
    }

    fn skip_heredocs(&mut self) {
        for (delimiter, cuts_tabs) in std::mem::take(&mut self.heredocs) {
            while self.at < self.text.len() {
                let start = self.at;
                self.skip_line();
                let mut line = &self.text[start..self.at];
                self.at += 1;
                while cuts_tabs && line.first() == Some(&b'\t') {
                    line = &line[1..];
                }
                if line == delimiter {
                    break;
                }
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let word = self.read_word();
        if self.at == start {
            // A byte that no rule knows must not stop the reader.
            self.at += 1;
            return;
        }
        let is_descriptor =
            word.text.iter().all(u8::is_ascii_digit) && matches!(self.peek(0), Some(b'<' | b'>'));
        if is_descriptor {
            return;
        }
        if std::mem::take(&mut self.redirects) {
            self.script.redirections.push(word);
            return;
        }
        let unquoted = self.text[start..self.at] == *word.text;
        if self.current.is_empty() && unquoted && self.reserved(&word.text) {
            return;
        }
        if self.current.is_empty() && is_assignment(&word.text) {
            return;
        }
        self.current.push(word);
    }

    /// Handles a word that means something to the shell where a command may begin.
    fn reserved(&mut self, word: &[u8]) -> bool {
        match word {
            b"for" | b"case" | b"select" => self.in_header = true,
            word if opens_command(word) || closes_command(word) => {}
            _ => return false,
        }
        true
    }

    fn end_command(&mut self) {
        self.redirects = false;
        let words = std::mem::take(&mut self.current);
        if std::mem::take(&mut self.in_header) {
            // `for x in a b`: the list may name files. `case $x in`: patterns follow.
            let words = words.into_iter().skip(2);
            self.script.redirections.extend(words);
        } else if !words.is_empty() {
            self.script.commands.push(words);
        }
    }

    fn read_word(&mut self) -> ShellWord {
        let mut word = ShellWord {
            text: Vec::new(),
            plain: true,
        };
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => {
                    break;
                }
                b'\\' => {
                    if let Some(next) = self.peek(1).filter(|next| *next != b'\n') {
                        word.text.push(next);
                    }
                    self.at += 2;
                }
                b'\'' => self.single_quoted(&mut word),
                b'"' => self.double_quoted(&mut word),
                b'$' | b'`' => self.expansion(&mut word),
                b'*' | b'?' | b'[' => {
                    word.plain = false;
                    word.text.push(byte);
                    self.at += 1;
                }
                b'~' if word.text.is_empty() => {
                    word.plain = false;
                    word.text.push(byte);
                    self.at += 1;
                }
                _ => {
                    word.text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.text.len());
        word
    }

    fn single_quoted(&mut self, word: &mut ShellWord) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == b'\'' {
                break;
            }
            word.text.push(byte);
        }
    }

    fn double_quoted(&mut self, word: &mut ShellWord) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    break;
                }
                b'\\' if matches!(self.peek(1), Some(b'$' | b'`' | b'"' | b'\\')) => {
                    word.text.extend(self.peek(1));
                    self.at += 2;
                }
                b'$' | b'`' => self.expansion(word),
                _ => {
                    word.text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// Reads `$x`, `${x}`, `$(…)`, `$((…))` or a pair of backticks into the word as written.
    fn expansion(&mut self, word: &mut ShellWord) {
        let start = self.at;
        match (self.peek(0), self.peek(1)) {
            (Some(b'`'), _) => {
                self.at += 1;
                let inner = self.until(b'`');
                self.substitutions.push(inner);
            }
            (_, Some(b'(')) => {
                self.at += 2;
                let arithmetic = self.peek(0) == Some(b'(');
                let inner = self.balanced();
                if !arithmetic {
                    self.substitutions.push(inner);
                }
            }
            (_, Some(b'{')) => {
                self.at += 2;
                self.until(b'}');
            }
            (_, Some(next)) if next.is_ascii_alphanumeric() || b"_@*#?$!-".contains(&next) => {
                self.at += 2;
                while self
                    .peek(0)
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    self.at += 1;
                }
            }
            _ => {
                // A dollar sign before anything else is itself.
                word.text.push(b'$');
                self.at += 1;
                return;
            }
        }
        word.plain = false;
        let end = self.at.min(self.text.len());
        word.text.extend_from_slice(&self.text[start..end]);
    }

    /// Reads up to and over the next `end`.
    fn until(&mut self, end: u8) -> Vec<u8> {
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                byte if byte == end => return self.text[start..self.at - 1].to_vec(),
                _ => {}
            }
        }
        self.at = self.text.len();
        self.text[start..].to_vec()
    }

    /// Reads over the parenthesis that closes the one just read; quotes are respected.
    fn balanced(&mut self) -> Vec<u8> {
        let start = self.at;
        let mut depth = 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'\'' => {
                    self.until(b'\'');
                }
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return self.text[start..self.at - 1].to_vec();
            }
        }
        self.at = self.text.len();
        self.text[start..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(text: &str) -> Vec<String> {
        let script = ShellScript::read(text.as_bytes());
        let words = script.command_words();
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    #[test]
    fn commands_begin_after_separators_and_reserved_words() {
        assert_eq!(
            commands("a x; b | c && d || e & f\ng"),
            ["a", "b", "c", "d", "e", "f", "g"]
        );
        assert_eq!(
            commands("if a; then b; elif c; then d; else e; fi"),
            ["a", "b", "c", "d", "e"]
        );
        assert_eq!(commands("while ! a; do time b; done"), ["a", "b"]);
        assert_eq!(commands("(a; { b; }) && ! c"), ["a", "b", "c"]);
        assert_eq!(commands("for f in x y; do a $f; done"), ["a"]);
        assert_eq!(commands("A=1 B='x y' a; C=2"), ["a"]);
        assert_eq!(commands("'my tool' x; \"b\"c"), ["my tool", "bc"]);
        assert_eq!(commands("a \\\n b\nc"), ["a", "c"]);
    }

    #[test]
    fn comments_here_documents_and_redirections_are_no_commands() {
        assert_eq!(commands("a # b; c\nd#e"), ["a", "d#e"]);
        assert_eq!(commands("cat <<EOF; b\nrm x\nEOF\nc"), ["cat", "b", "c"]);
        assert_eq!(commands("cat <<-'E' >out\n\tx\n\tE\nc"), ["cat", "c"]);
        assert_eq!(
            commands("a 2>&1 >out <in 3>log; >x b; a &> y"),
            ["a", "b", "a"]
        );
        let script = ShellScript::read(b"a <in.csv >out.csv 2>&1 <<< text");
        let words: Vec<_> = script.plain_words().collect();
        assert_eq!(words, [b"a".as_slice(), b"in.csv", b"out.csv"]);
    }

    #[test]
    fn substitutions_are_looked_into_and_expansions_are_not_plain() {
        assert_eq!(commands("x=$(a \"$(b)\") c `d`"), ["c", "d", "a", "b"]);
        let script = ShellScript::read(b"a $x \"y$z\" '$w' *.csv ~/f \\$v \"q r\"");
        let words: Vec<_> = script.plain_words().collect();
        assert_eq!(words, [b"a".as_slice(), b"$w", b"$v", b"q r"]);
        assert_eq!(commands("$tool x; echo $((1 + 2))"), ["echo"]);
    }

    #[test]
    fn a_pipe_is_not_an_or_and_not_quoted() {
        let pipe = |text: &str| ShellScript::read(text.as_bytes()).has_pipe;
        assert!(pipe("a | b"));
        assert!(pipe("a |& b"));
        assert!(pipe("x=$(a | b)"));
        assert!(!pipe("a || b"));
        assert!(!pipe("a '|' \"|\" \\| # |"));
        assert!(!pipe("case $x in a|b) c;; esac"));
        assert!(!pipe("a >| b"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_end(text in proptest::collection::vec(
            proptest::sample::select(b"ab $(){}`'\"\\|&;<>#\n=*x-".to_vec()), 0..60)) {
            ShellScript::read(&text);
        }
    }
}
