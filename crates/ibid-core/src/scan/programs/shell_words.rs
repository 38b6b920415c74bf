//! What a shell text runs and names, as far as its literal words tell.
//!
//! Owns the meaning of what [`super::shell_lexer`] cuts up. Variables are not followed, functions
//! and aliases not known: their names are returned like any other, and resolve to no file later.

use std::collections::BTreeSet;

use super::operand::{base_name, inline_script, script_operand, tool_words};
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
    /// Literal script operands of known interpreters (`fit.py` in `python3 fit.py`); in `words`
    /// too.
    pub scripts: Vec<Vec<u8>>,
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
    seen: [BTreeSet<Vec<u8>>; 5],
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
        let script = script_operand(&argv).map(|index| &words[index]);
        if let Some(script) = script.filter(|word| !word.expands && !is_pattern(word)) {
            add(&mut self.words.scripts, &mut self.seen[4], &script.bytes);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(words: &[Vec<u8>]) -> String {
        let words: Vec<_> = words
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        words.join(" ")
    }

    #[test]
    fn commands_are_the_words_in_command_position() {
        for (text, commands) in [
            ("a x; b y && c | d || e & f\ng", "a b c d e f g"),
            ("(a x) ; { b; }", "a b"),
            ("if a; then b; elif c; then d; else e; fi", "a b c d e"),
            ("while a; do b; done < in; until c; do d; done", "a b c d"),
            ("for x in p q; do a $x; done", "a"),
            ("for ((i=0; i<3; i++)); do a; done", "a"),
            ("case $x in p|q) a;; (r) b ;; *) c\nesac; d", "a b c d"),
            ("! a; time -p b; A=1 B=2 c; exec d; command e", "a b c d e"),
            ("env X=1 nice -n 3 a x; xargs -n1 b", "a b env nice xargs"),
            (
                "a $(b x | c) `d \\`e\\``; \"$(f \"$(g)\")\"",
                "a b c d e f g",
            ),
            ("X=$(a) b", "a b"),
            ("a <<EOF\nno $(b) `c`\nEOF\nd", "a b c d"),
            ("a <<'EOF' && b\n$(no)\nEOF\nc", "a b c"),
            ("a <<-EOF\n\tno\n\tEOF\nb", "a b"),
            ("a <<< no; b", "a b"),
            ("# no; no\na # no\nb#c", "a b#c"),
            ("a 2>&1 >out <in b; >x c", "a c"),
            ("diff <(a x) <(b y)", "a b diff"),
            ("f() { a; }; function g { b; }; f", "a b f"),
            ("$TOOL x; ${X:-$(a)} y; 'my tool' z", "a my tool"),
            ("[ -f x ] && [[ $a < b && c ]] && a", "a"),
            ("X=(p q $(a)); b", "a b"),
            ("echo $((1 + 2)); ((x = 1)); a; echo $((b) | c)", "a b c"),
            (
                "bash -c 'a; b | c'; eval \"d x\"; trap 'e' EXIT",
                "a b bash c d e",
            ),
            ("echo; cd x; test y; printf z; xargs echo", "echo xargs"),
            ("a \\\n b\\\nc; \"a\\\nd\"", "a ad"),
            ("echo \"${x:-can't}\"; a", "a"),
        ] {
            let mut found = shell_words(text.as_bytes()).commands;
            found.retain(|word| word != b"time");
            found.sort();
            assert_eq!(join(&found), commands, "{text}");
        }
    }

    #[test]
    fn literal_words_are_all_told_apart() {
        let text =
            "IN='a b.csv' tool \"$X/y\" --mask=m.nii \"q\"'r's data/*.csv '*' <in >out 2>>log p
            for f in l1 l2; do :; done; [[ -f t ]]; cat <&3 >&2";
        let found = shell_words(text.as_bytes());
        let words = "IN=a b.csv tool --mask=m.nii qrs * p l1 l2 : -f t cat in";
        assert_eq!(join(&found.words), words);
        assert_eq!(join(&found.patterns), "data/*.csv");
        assert_eq!(join(&found.written), "out log");
    }

    #[test]
    fn scripts_of_interpreters_are_told_from_their_arguments() {
        let text = "A=1 python3 -u a.py b.py && nice bash c.sh | python3 -m m d.py; $(Rscript e.R)
            python3 $X/f.py; sh -c 'python3 g.py'; python3 *.py; cat h.py";
        assert_eq!(
            join(&shell_words(text.as_bytes()).scripts),
            "a.py c.sh e.R g.py"
        );
    }

    #[test]
    fn a_pipe_is_noticed() {
        for (text, has_pipe) in [
            ("a | b", true),
            ("a |& b", true),
            ("x=$(a | b)", true),
            ("sh -c 'a | b'", true),
            (
                "a || b; echo 'x | y' \"|\"; case x in a|b) c;; esac # |",
                false,
            ),
            ("a >| out", false),
            ("a <<E\n|\nE", false),
        ] {
            assert_eq!(shell_words(text.as_bytes()).has_pipe, has_pipe, "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let openings = [
            "$(",
            "`",
            "(",
            "((",
            "${a",
            "\"$(",
            "<(",
            "$((x) ",
            "case x in ",
            "[[ ",
            "a <<E\n",
            "eval ",
            "env ",
            "\"${",
            "sh -c '",
            "x=(",
        ];
        for opening in openings {
            shell_words(opening.repeat(5_000).as_bytes());
        }
    }

    const PIECES: [&str; 46] = [
        "$(",
        "`",
        "(",
        ")",
        "((",
        "))",
        "${",
        "}",
        "\"",
        "'",
        "$'",
        "\\",
        "\n",
        "<<E",
        "E\n",
        "<<-",
        "<",
        ">",
        ">&",
        "&>",
        "<>",
        "|",
        "||",
        ";;",
        ";",
        "case x in",
        "esac",
        "[[",
        "]]",
        "for",
        "in",
        "function",
        "x=",
        "=(",
        " ",
        "#",
        "$",
        "*",
        "[",
        "sh -c '",
        "eval ",
        "time -p",
        "env -S",
        "find -exec",
        "2",
        "\0",
    ];

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            pieces in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(&PIECES[..]).prop_map(|text| text.as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..4),
                ],
                0..40,
            ),
        ) {
            shell_words(&pieces.concat());
            split_plain(&pieces.concat());
        }

        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[^'\0]{1,8}", 1..6)) {
            let text: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            let found = split_plain(text.join(" ").as_bytes());
            let wanted: Vec<_> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
