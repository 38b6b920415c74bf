//! What a shell text runs and names, as far as its literal words tell.
//!
//! Owns the meaning of what [`super::shell_lexer`] cuts up. Variables are not followed, functions
//! and aliases not known: their names are returned like any other, and resolve to no file later.

use std::collections::BTreeSet;

use super::operand::{base_name, inline_script, tool_words};
use super::options::is_assignment;
use super::shell_lexer::{Simple, Word, lex};

/// How deep a text that is handed to `sh -c`, `eval` or `trap` is followed.
const MAX_NESTING: usize = 4;

/// What dash, bash, busybox, ksh and zsh all run themselves, whatever lies on the PATH: `echo` in a
/// shell text is never `/bin/echo`.
const BUILTINS: [&[u8]; 38] = [
    b".",
    b":",
    b"[",
    b"alias",
    b"bg",
    b"break",
    b"builtin",
    b"cd",
    b"command",
    b"continue",
    b"echo",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"false",
    b"fg",
    b"getopts",
    b"hash",
    b"jobs",
    b"kill",
    b"local",
    b"printf",
    b"pwd",
    b"read",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"source",
    b"test",
    b"trap",
    b"true",
    b"type",
    b"ulimit",
    b"umask",
    b"unset",
    b"wait",
];

/// The literal words of a shell text, each once, in order of appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellWords {
    /// Words in command position, and what known programs such as `env` and `xargs` start. What
    /// every shell has built in (`cd`, `echo`, `test`) is left out.
    pub commands: Vec<Vec<u8>>,
    /// All literal words, quotes removed: commands, operands, options, assignments whole
    /// (`IN=a.csv`), files that redirections read. Words with an expansion are left out.
    pub words: Vec<Vec<u8>>,
    /// Words with a wildcard that is not quoted, otherwise literal: the shell expands them.
    pub patterns: Vec<Vec<u8>>,
    /// Files that redirections write (`>`, `>>`, `2>`); in `words` only if named elsewhere too.
    pub written: Vec<Vec<u8>>,
    /// Whether a command's output is piped into another, so that a failure may go unseen.
    pub has_pipe: bool,
}

/// Looks at the text of a POSIX shell, with what is common in bash. Never fails: what is no shell
/// gives words that name nothing.
pub fn shell_words(text: &[u8]) -> ShellWords {
    let mut found = Found::default();
    found.text(text, 0);
    found.words
}

/// Splits a text at blanks and takes quotes off, as for a command without operators.
pub(super) fn split_plain(text: &[u8]) -> Vec<Vec<u8>> {
    let commands = lex(text).commands;
    let first = commands.into_iter().next().unwrap_or_default();
    first.words.into_iter().map(|word| word.bytes).collect()
}

#[derive(Default)]
struct Found {
    words: ShellWords,
    seen: [BTreeSet<Vec<u8>>; 4],
}

impl Found {
    fn text(&mut self, text: &[u8], nesting: usize) {
        let lexed = lex(text);
        self.words.has_pipe |= lexed.has_pipe;
        for command in &lexed.commands {
            self.command(command, nesting);
        }
        for word in &lexed.read {
            self.word(word);
        }
        for word in lexed.written.iter().filter(|word| !word.expands) {
            add(&mut self.words.written, &mut self.seen[3], &word.bytes);
        }
    }

    fn word(&mut self, word: &Word) {
        if word.expands || word.bytes.is_empty() {
            return;
        }
        if !is_pattern(word) {
            add(&mut self.words.words, &mut self.seen[1], &word.bytes);
        } else if !word.quoted {
            // With a quoted part it would not be known which of the wildcards count.
            add(&mut self.words.patterns, &mut self.seen[2], &word.bytes);
        }
    }

    fn command(&mut self, command: &Simple, nesting: usize) {
        for word in &command.words {
            self.word(word);
        }
        if command.is_list {
            return;
        }
        let assigned = command
            .words
            .iter()
            .take_while(|word| is_assignment(&word.bytes))
            .count();
        let mut words = &command.words[assigned..];
        // `time` is a reserved word; its only option is not the command.
        if let [time, option, ..] = words
            && time.bytes == b"time"
            && option.bytes == b"-p"
        {
            words = &words[2..];
        }
        let argv: Vec<Vec<u8>> = words.iter().map(|word| word.bytes.clone()).collect();
        let direct = usize::from(matches!(argv.first().map(Vec::as_slice), Some(b"command")));
        for index in tool_words(&argv) {
            let word = &words[index];
            let is_builtin = index <= direct && BUILTINS.contains(&word.bytes.as_slice());
            if !is_builtin && !word.expands && !is_pattern(word) && !word.bytes.is_empty() {
                add(&mut self.words.commands, &mut self.seen[0], &word.bytes);
            }
        }
        if nesting < MAX_NESTING {
            self.inner_text(words, &argv, nesting);
        }
    }

    /// Looks into a text that the command hands to a shell.
    fn inner_text(&mut self, words: &[Word], argv: &[Vec<u8>], nesting: usize) {
        let literal = |index: usize| words.get(index).filter(|word| !word.expands);
        let text = match argv.first().map(|word| base_name(word)) {
            Some(b"eval") => Some(argv[1..].join(&b' ')),
            Some(b"trap") => literal(1).map(|word| word.bytes.clone()),
            _ => inline_script(argv)
                .and_then(literal)
                .map(|word| word.bytes.clone()),
        };
        if let Some(text) = text {
            self.text(&text, nesting + 1);
        }
    }
}

/// Says whether the shell would look for files that match; `[` alone is the test command.
fn is_pattern(word: &Word) -> bool {
    word.pattern && word.bytes != b"["
}

fn add(list: &mut Vec<Vec<u8>>, seen: &mut BTreeSet<Vec<u8>>, word: &[u8]) {
    if !seen.contains(word) {
        seen.insert(word.to_owned());
        list.push(word.to_owned());
    }
}
