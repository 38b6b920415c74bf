//! Cuts a shell text into simple commands.
//!
//! Owns quoting, expansions, comments, here-documents and the few reserved words that matter for
//! what stands in command position. Runs nothing, expands nothing. Takes any bytes without a
//! panic: where a text is no shell, it returns something, in time linear in the text but for
//! nested substitutions, which are followed [`MAX_DEPTH`] deep.

mod quoting;

/// How deep command substitutions are followed.
const MAX_DEPTH: usize = 16;

/// A word as it stands in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Its literal bytes, quotes removed.
    pub(super) bytes: Vec<u8>,
    /// Whether a shell would replace part of it: a variable, a substitution.
    pub(super) expands: bool,
    /// Whether any of it is quoted, so that it is no reserved word.
    pub(super) quoted: bool,
    /// Whether it holds a `*`, `?` or `[` that is not quoted.
    pub(super) pattern: bool,
}

impl Word {
    fn is_plain(&self, text: &[u8]) -> bool {
        !self.expands && !self.quoted && self.bytes == text
    }
}

/// What stands between two operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Its words in order, redirections and reserved words left out.
    pub(super) words: Vec<Word>,
    /// Whether the words are a list or a header (`for x in …`, `[[ … ]]`) rather than a command.
    pub(super) is_list: bool,
}

/// What a shell text is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lexed {
    /// The commands, those in substitutions before the one they stand in.
    pub(super) commands: Vec<Simple>,
    /// The files that redirections read.
    pub(super) read: Vec<Word>,
    /// The files that redirections write.
    pub(super) written: Vec<Word>,
    /// Whether there is a pipe.
    pub(super) has_pipe: bool,
}

/// Cuts `text` up.
pub(super) fn lex(text: &[u8]) -> Lexed {
    let mut lexed = Lexed::default();
    Lexer::new(text, &mut lexed, 0).list(false);
    lexed
}

/// A here-document whose body begins after the next line end.
struct HereDocument {
    delimiter: Vec<u8>,
    quoted: bool,
    strip_tabs: bool,
}

/// What the word that comes next means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A command, or one of its words.
    Command,
    /// The rest of a `for` or `select`: a name, `in`, a list.
    ForHeader,
    /// The subject of a `case`, and `in`.
    CaseHeader,
    /// The tests up to `]]`.
    Test,
    /// The name of a function.
    FunctionName,
}

/// What a text within the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inner {
    Commands,
    QuotedText,
}

struct Lexer<'t, 'o> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    out: &'o mut Lexed,
    command: Simple,
    expect: Expect,
    parentheses: usize,
    cases: usize,
    pending: Vec<HereDocument>,
}

impl<'t, 'o> Lexer<'t, 'o> {
    fn new(text: &'t [u8], out: &'o mut Lexed, depth: usize) -> Self {
        Self {
            text,
            at: 0,
            depth,
            out,
            command: Simple::default(),
            expect: Expect::Command,
            parentheses: 0,
            cases: 0,
            pending: Vec::new(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Reads commands up to the end, or up to the `)` that ends a substitution.
    fn list(&mut self, in_substitution: bool) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'#' => self.skip_to(b'\n'),
                b'\n' => {
                    self.at += 1;
                    self.end_command();
                    self.here_documents();
                }
                b')' if self.expect != Expect::Test => {
                    self.at += 1;
                    self.end_command();
                    if self.parentheses > 0 {
                        self.parentheses -= 1;
                    } else if in_substitution {
                        return;
                    }
                }
                b'<' | b'>' if self.expect != Expect::Test => self.redirection(),
                b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => self.operator(byte),
                _ => self.word_in_place(),
            }
        }
        self.end_command();
    }

    fn operator(&mut self, byte: u8) {
        self.at += 1;
        if self.expect == Expect::Test {
            return;
        }
        let next = self.peek(0);
        match (byte, next) {
            (b'&', Some(b'>')) => return self.redirection(),
            (b'(', Some(b'(')) if self.command.words.is_empty() => {
                self.at -= 1;
                if self.skip_arithmetic() {
                    return;
                }
                self.at += 1;
                return self.open_parenthesis();
            }
            (b'(', _) => return self.open_parenthesis(),
            (b'|', Some(b'|')) | (b'&', Some(b'&')) => self.at += 1,
            (b'|', _) => {
                self.at += usize::from(next == Some(b'&'));
                self.out.has_pipe = true;
            }
            _ => {}
        }
        let ends_case = byte == b';' && matches!(next, Some(b';' | b'&'));
        self.end_command();
        if ends_case {
            while matches!(self.peek(0), Some(b';' | b'&')) {
                self.at += 1;
            }
            if self.cases > 0 {
                self.case_pattern();
            }
        }
    }

    fn open_parenthesis(&mut self) {
        let adjacent = self.at >= 2 && !is_blank(self.text[self.at - 2]);
        let is_array = adjacent
            && self
                .command
                .words
                .last()
                .is_some_and(|word| word.bytes.ends_with(b"="));
        if is_array {
            self.end_command();
            self.command.is_list = true;
            while let Some(byte) = self.peek(0) {
                match byte {
                    b')' => break,
                    _ if is_blank(byte) || is_operator(byte) => self.at += 1,
                    b'#' => self.skip_to(b'\n'),
                    _ => {
                        let word = self.word();
                        self.command.words.push(word);
                    }
                }
            }
            self.at += 1;
            self.end_command();
            return;
        }
        if self.peek(0) == Some(b')') && self.command.words.len() == 1 {
            // The head of a function: its name is no command here.
            self.command.words.clear();
            self.at += 1;
        } else {
            self.parentheses += 1;
        }
        self.end_command();
    }

    fn end_command(&mut self) {
        self.expect = Expect::Command;
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.out.commands.push(command);
        }
    }

    /// Reads a word and gives it its place: reserved, redirected away, or part of the command.
    fn word_in_place(&mut self) {
        let before = self.at;
        let word = self.word();
        if self.at == before {
            self.at += 1;
            return;
        }
        let number =
            !word.quoted && !word.bytes.is_empty() && word.bytes.iter().all(u8::is_ascii_digit);
        if number && matches!(self.peek(0), Some(b'<' | b'>')) && self.expect != Expect::Test {
            return;
        }
        if self.command.words.is_empty() && self.expect == Expect::Command && self.reserved(&word) {
            return;
        }
        match self.expect {
            Expect::ForHeader if word.is_plain(b"in") => {
                self.command.words.clear();
            }
            Expect::CaseHeader if word.is_plain(b"in") => {
                self.end_command();
                self.cases += 1;
                self.case_pattern();
            }
            Expect::Test if word.is_plain(b"]]") => self.end_command(),
            Expect::FunctionName => self.expect = Expect::Command,
            _ => self.command.words.push(word),
        }
    }

    /// Takes a reserved word in command position; says whether it was one.
    fn reserved(&mut self, word: &Word) -> bool {
        if word.expands || word.quoted {
            return false;
        }
        match word.bytes.as_slice() {
            b"if" | b"then" | b"elif" | b"else" | b"fi" | b"while" | b"until" | b"do" | b"done"
            | b"{" | b"}" | b"!" | b"coproc" => {}
            b"for" | b"select" => self.header(Expect::ForHeader),
            b"case" => self.header(Expect::CaseHeader),
            b"[[" => self.header(Expect::Test),
            b"function" => self.expect = Expect::FunctionName,
            b"esac" => self.cases = self.cases.saturating_sub(1),
            _ => return false,
        }
        true
    }

    fn header(&mut self, expect: Expect) {
        self.expect = expect;
        self.command.is_list = true;
    }

    /// Skips the pattern of a `case` branch, or takes the `esac`.
    fn case_pattern(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b')' => {
                    self.at += 1;
                    return;
                }
                b'#' => self.skip_to(b'\n'),
                _ if is_blank(byte) || is_operator(byte) => self.at += 1,
                _ => {
                    let before = self.at;
                    let word = self.word();
                    self.at = self.at.max(before + 1);
                    if word.is_plain(b"esac") {
                        self.cases = self.cases.saturating_sub(1);
                        return;
                    }
                }
            }
        }
    }

    fn redirection(&mut self) {
        let reads = self.peek(0) == Some(b'<');
        if matches!(self.peek(1), Some(b'(')) {
            self.at += 2;
            self.substitution();
            // What a process substitution leaves is a path that nobody can know.
            self.command.words.push(Word {
                expands: true,
                ..Word::default()
            });
            return;
        }
        let here = reads && self.peek(1) == Some(b'<');
        let here_text = here && self.peek(2) == Some(b'<');
        let strip_tabs = here && self.peek(2) == Some(b'-');
        let both = reads && self.peek(1) == Some(b'>');
        while matches!(self.peek(0), Some(b'<' | b'>')) {
            self.at += 1;
        }
        let duplicates = self.peek(0) == Some(b'&');
        if duplicates || strip_tabs || (!reads && self.peek(0) == Some(b'|')) {
            self.at += 1;
        }
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let word = self.word();
        let is_descriptor = duplicates
            && word
                .bytes
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
        if here && !here_text {
            let (delimiter, quoted) = (word.bytes, word.quoted);
            self.pending.push(HereDocument {
                delimiter,
                quoted,
                strip_tabs,
            });
        } else if word.bytes.is_empty() || here_text || is_descriptor {
            // Nothing is named.
        } else if both || reads {
            self.out.read.push(word);
        } else {
            self.out.written.push(word);
        }
    }

    /// Skips the bodies that begin here, looking into their substitutions unless quoted.
    fn here_documents(&mut self) {
        for document in std::mem::take(&mut self.pending) {
            while self.at < self.text.len() {
                let start = self.at;
                self.skip_to(b'\n');
                let mut line = &self.text[start..self.at];
                self.at += 1;
                while document.strip_tabs && line.starts_with(b"\t") {
                    line = &line[1..];
                }
                if line == document.delimiter {
                    break;
                }
                if !document.quoted {
                    self.nested(line, Inner::QuotedText);
                }
            }
        }
    }

    fn skip_to(&mut self, byte: u8) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ahead = rest.iter().position(|other| *other == byte);
        self.at += ahead.unwrap_or(rest.len());
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}
