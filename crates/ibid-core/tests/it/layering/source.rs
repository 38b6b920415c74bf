//! Reading Rust sources: the modules that a crate declares and the paths that each names.
//!
//! Works on tokens, so comments and strings cannot be mistaken for code, and paths inside macro
//! calls count like any others.
#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the sources of the workspace"
)]

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// One file of a crate.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    /// Its module path inside the crate; empty for the crate's root.
    pub(super) module: Vec<String>,
    pub(super) imports: Vec<Import>,
    children: Vec<Child>,
}

/// A path of at least two parts that a file names.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) line: usize,
    pub(super) in_test: bool,
    /// As it was written, use-groups unfolded.
    pub(super) path: Vec<String>,
    /// Seen from the crate's root, if it starts with `crate` or climbs there by `super`.
    pub(super) in_crate: Option<Vec<String>>,
}

/// A `mod name;`.
#[derive(Debug)]
struct Child {
    /// The inline modules around it and its name.
    names: Vec<String>,
    file: Option<String>,
    in_test: bool,
}

/// What surrounds a token.
#[derive(Clone, Default)]
struct Scope {
    inline: Vec<String>,
    in_test: bool,
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lists the Rust files below `dir`, sorted.
pub(super) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Reads `root` and every file that its `mod` lines lead to.
pub(super) fn module_tree(root: &Path) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut open = vec![(root.to_owned(), Vec::new(), false)];
    while let Some((path, module, in_test)) = open.pop() {
        let names: Vec<&str> = module.iter().map(String::as_str).collect();
        let mut file = SourceFile::parse(path, &names, "");
        file.scan(&read(&file.path), in_test);
        for child in &file.children {
            let module = [module.as_slice(), &child.names].concat();
            open.push((file.child_path(child), module, in_test || child.in_test));
        }
        files.push(file);
    }
    files
}

impl SourceFile {
    /// Takes `text` as the file at `path`, which is the module `module`.
    pub(super) fn parse(path: PathBuf, module: &[&str], text: &str) -> Self {
        let mut file = Self {
            path,
            module: module.iter().map(|name| (*name).to_owned()).collect(),
            imports: Vec::new(),
            children: Vec::new(),
        };
        file.scan(text, false);
        file
    }

    fn scan(&mut self, text: &str, in_test: bool) {
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let scope = Scope {
            inline: Vec::new(),
            in_test,
        };
        self.visit(tokens, &scope);
    }

    /// Walks over tokens, noting modules and paths.
    fn visit(&mut self, tokens: TokenStream, scope: &Scope) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut attributes = Attributes::default();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at..] {
                [TokenTree::Punct(hash), TokenTree::Group(group), ..]
                    if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
                {
                    attributes.note(group);
                    // The arguments of derives and error messages name paths too.
                    self.visit(group.stream(), scope);
                    at += 2;
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), rest, ..] if word == "mod" => {
                    self.module(name, rest, &attributes, scope);
                    attributes = Attributes::default();
                    at += 3;
                }
                [TokenTree::Ident(_), ..] => at += self.path(&tokens[at..], &[], scope),
                [TokenTree::Group(group), ..] => {
                    let in_test = scope.in_test || attributes.test;
                    let inline = scope.inline.clone();
                    self.visit(group.stream(), &Scope { inline, in_test });
                    // A body ends the item that the attributes stood before.
                    if group.delimiter() == Delimiter::Brace {
                        attributes = Attributes::default();
                    }
                    at += 1;
                }
                [TokenTree::Punct(end), ..] if end.as_char() == ';' => {
                    attributes = Attributes::default();
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    fn module(&mut self, name: &Ident, body: &TokenTree, attributes: &Attributes, scope: &Scope) {
        let mut names = scope.inline.clone();
        names.push(name.to_string());
        let in_test = scope.in_test || attributes.test;
        match body {
            TokenTree::Group(group) => self.visit(
                group.stream(),
                &Scope {
                    inline: names,
                    in_test,
                },
            ),
            _ => self.children.push(Child {
                names,
                file: attributes.path.clone(),
                in_test,
            }),
        }
    }

    /// Notes the path that `tokens` start with, below `prefix`, and returns how many tokens it has.
    fn path(&mut self, tokens: &[TokenTree], prefix: &[String], scope: &Scope) -> usize {
        let mut path = prefix.to_vec();
        let mut at = 0;
        let line = tokens[0].span().start().line;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) => path.push(name.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.group(group, &path, scope);
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            match tokens.get(at..at + 2) {
                Some([TokenTree::Punct(a), TokenTree::Punct(b)])
                    if a.as_char() == ':' && b.as_char() == ':' =>
                {
                    at += 2;
                }
                _ => break,
            }
        }
        self.note(path, line, scope);
        at
    }

    /// Unfolds a use-group.
    fn group(&mut self, group: &Group, prefix: &[String], scope: &Scope) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let is_comma =
            |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
        for element in tokens.split(is_comma).filter(|tokens| !tokens.is_empty()) {
            self.path(element, prefix, scope);
        }
    }

    fn note(&mut self, path: Vec<String>, line: usize, scope: &Scope) {
        if path.len() < 2 {
            return;
        }
        let supers = path.iter().take_while(|part| *part == "super").count();
        let depth = self.module.len() + scope.inline.len();
        let in_crate = match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "super" if supers >= depth && depth > 0 => Some(path[supers..].to_vec()),
            _ => None,
        };
        self.imports.push(Import {
            line,
            in_test: scope.in_test,
            path,
            in_crate,
        });
    }

    /// Returns the file that `child` is in.
    fn child_path(&self, child: &Child) -> PathBuf {
        let folder = self.path.parent().expect("a file lies in a folder");
        if let Some(file) = &child.file {
            return folder.join(file);
        }
        let stem = self.path.file_stem().unwrap_or_default();
        let owns_folder =
            ["lib", "main", "mod"].iter().any(|name| stem == *name) || self.module.is_empty();
        let mut base = if owns_folder {
            folder.to_owned()
        } else {
            folder.join(stem)
        };
        base.extend(&child.names);
        let nested = base.join("mod.rs");
        if nested.exists() {
            nested
        } else {
            base.with_extension("rs")
        }
    }
}

/// What the attributes before an item say.
#[derive(Default)]
struct Attributes {
    test: bool,
    path: Option<String>,
}

impl Attributes {
    fn note(&mut self, group: &Group) {
        let text: String = group.stream().to_string().split_whitespace().collect();
        self.test |= text == "cfg(test)" || text == "test";
        if let Some(path) = text.strip_prefix("path=\"") {
            self.path = path.strip_suffix('"').map(str::to_owned);
        }
    }
}
