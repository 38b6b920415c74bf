//! The layers on a real disk: their order, their mistakes, and whom they may come from.
#![expect(
    clippy::disallowed_methods,
    reason = "tests set up the files that settings are read from"
)]

use ibid_testkit::TempDir;

use super::*;
use crate::action::AccessMode;
use crate::config::{LinkPreference, RootOrigin, TrustedPaths};
use crate::dirs::{Origin, Platform};
use crate::environ::EnvSnapshot;

/// A home with a user file, and a project below it.
struct Setup {
    temp: TempDir,
    variables: Vec<(String, String)>,
    overrides: Overrides,
    config_file: Option<PathBuf>,
    root: Option<PathBuf>,
    below: &'static str,
    user: u32,
}

impl Setup {
    fn new() -> Self {
        let temp = TempDir::new();
        let home = temp.path().to_str().unwrap().to_owned();
        std::fs::create_dir_all(temp.join("proj/sub/deep")).unwrap();
        std::fs::create_dir_all(temp.join(".config/ibid")).unwrap();
        Self {
            temp,
            variables: vec![("HOME".to_owned(), home)],
            overrides: Overrides::default(),
            config_file: None,
            root: None,
            below: "proj/sub",
            user: rustix::process::geteuid().as_raw(),
        }
    }

    fn file(self, path: &str, text: &str) -> Self {
        std::fs::write(self.temp.join(path), text).unwrap();
        self
    }

    fn user_file(self, text: &str) -> Self {
        self.file(".config/ibid/config.toml", text)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        let env: EnvSnapshot = self.variables.iter().cloned().collect();
        load(&Request {
            around: Surroundings {
                platform: Platform::Linux,
                env: &env,
                current_dir: &self.temp.join(self.below),
                user: self.user,
            },
            overrides: &self.overrides,
            config_file: self.config_file.as_deref(),
            root: self.root.as_deref(),
        })
    }

    fn message(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        text.replace(self.temp.path().to_str().unwrap(), "~")
    }
}

#[test]
fn stronger_layers_win_and_every_value_knows_its_layer() {
    let mut setup = Setup::new();
    let mode = |setup: &Setup| {
        let config = setup.load().unwrap().config;
        let origin = config.origin("mode").unwrap().to_string();
        let origin = origin.replace(setup.temp.path().to_str().unwrap(), "~");
        (config.mode.value, origin)
    };
    assert_eq!(mode(&setup), (AccessMode::ReadWrite, "default".to_owned()));

    setup = setup.user_file("\nmode = \"read-only\"\n");
    let user = "~/.config/ibid/config.toml:2".to_owned();
    assert_eq!(mode(&setup), (AccessMode::ReadOnly, user));

    setup = setup.file("proj/ibid.toml", "[config]\nmode = 'off'\n[steps.a]\n");
    let project = "~/proj/ibid.toml:2".to_owned();
    assert_eq!(mode(&setup), (AccessMode::Off, project));

    setup = setup.variable("IBID_MODE", "write-only");
    let variable = "environment, IBID_MODE".to_owned();
    assert_eq!(mode(&setup), (AccessMode::WriteOnly, variable));

    setup = setup.file("named.toml", "mode = 'read-only'");
    setup.config_file = Some(setup.temp.join("named.toml"));
    let named = "~/named.toml:1".to_owned();
    assert_eq!(mode(&setup), (AccessMode::ReadOnly, named));

    setup.overrides.mode = Some(AccessMode::Off);
    assert_eq!(mode(&setup), (AccessMode::Off, "given".to_owned()));
}

#[test]
fn an_empty_variable_leaves_the_word_to_the_files() {
    let setup = Setup::new()
        .user_file("link = 'copy'")
        .variable("IBID_LINK", "");
    let config = setup.load().unwrap().config;
    assert_eq!(config.link.value, LinkPreference::Copy);
}

#[test]
fn a_mistyped_name_is_shown_in_its_line_with_the_right_one() {
    let setup = Setup::new().file(
        "proj/ibid.toml",
        "[pipeline]\nname = 'x'\n[config]\n  cach_dir = 'c'\n",
    );
    assert_eq!(
        setup.message(),
        "~/proj/ibid.toml:4:3: unknown setting `cach_dir`; did you mean `cache_dir`?\n\
         4 |   cach_dir = 'c'\n  |   ^^^^^^^^"
    );
}

#[test]
fn wrong_values_are_shown_with_what_was_expected() {
    for (line, at, message) in [
        (
            "strict = 'yes'",
            "1:10",
            "`strict` cannot be `yes`: expected `true` or `false`",
        ),
        (
            "leases = 1",
            "1:10",
            "`leases` cannot be of type integer: expected `true` or `false`",
        ),
        (
            "link = 'symlink'",
            "1:8",
            "`link` cannot be `symlink`: expected `auto`, `copy` or `hardlink`",
        ),
        (
            "tmp_dir = ''",
            "1:11",
            "`tmp_dir` cannot be ``: expected a path",
        ),
        (
            "trust = ['rel']",
            "1:9",
            "`trust` cannot be of type array: expected a list of absolute paths",
        ),
    ] {
        let text = Setup::new().user_file(line).message();
        let first = text.lines().next().unwrap();
        assert_eq!(
            first,
            format!("~/.config/ibid/config.toml:{at}: {message}"),
            "{line}"
        );
    }
    let text = Setup::new().variable("IBID_STRICT", "maybe").message();
    assert_eq!(
        text,
        "`IBID_STRICT` cannot be `maybe`: expected `true` or `false`"
    );
}

#[test]
fn broken_syntax_and_bytes_are_located() {
    let text = Setup::new().user_file("mode = \n").message();
    assert!(text.starts_with("~/.config/ibid/config.toml:1:"), "{text}");
    let setup = Setup::new();
    std::fs::write(setup.temp.join("proj/ibid.toml"), b"a = 1\nb = \xff\n").unwrap();
    assert!(
        setup
            .message()
            .starts_with("~/proj/ibid.toml:2:5: the file is not UTF-8 text")
    );
}

#[test]
fn a_named_file_must_exist() {
    let mut setup = Setup::new();
    setup.config_file = Some("~/none.toml".into());
    assert_eq!(setup.message(), "there is no settings file `~/none.toml`");
}

#[test]
fn the_root_is_the_nearest_folder_with_a_project_file_and_never_a_git_folder() {
    let mut setup = Setup::new();
    std::fs::create_dir(setup.temp.join("proj/.git")).unwrap();
    let root = |setup: &Setup| {
        let root = setup.load().unwrap().root;
        let dir = root.dir.strip_prefix(setup.temp.path()).unwrap().to_owned();
        (dir, root.origin)
    };
    setup.below = "proj/sub/deep";
    assert_eq!(
        root(&setup),
        ("proj/sub/deep".into(), RootOrigin::CurrentDir)
    );
    setup = setup.file("proj/ibid.toml", "");
    assert_eq!(root(&setup), ("proj".into(), RootOrigin::ProjectFile));
    setup = setup.file("proj/sub/ibid.toml", "");
    assert_eq!(root(&setup), ("proj/sub".into(), RootOrigin::ProjectFile));
    setup.root = Some(setup.temp.path().join("proj"));
    assert_eq!(root(&setup), ("proj".into(), RootOrigin::Given));
}

#[test]
fn a_file_of_another_user_is_refused_unless_trusted_by_name() {
    let mut setup = Setup::new().file("proj/ibid.toml", "[config]\nquiet = true\n");
    setup.user += 1;
    let error = setup.load().unwrap_err();
    assert!(matches!(
        error,
        ConfigError::Root(RootError::Untrusted { .. })
    ));
    assert!(error.hint().unwrap().contains("IBID_TRUST="));

    let path = setup.temp.join("proj/ibid.toml");
    for trusted in [path.as_path(), path.parent().unwrap()] {
        setup.overrides.trust = Some(TrustedPaths(vec![trusted.to_owned()]));
        assert!(setup.load().unwrap().config.quiet.value);
    }
    setup.overrides.trust = Some(TrustedPaths(vec![setup.temp.path().to_owned()]));
    assert!(
        setup.load().is_err(),
        "trust in a folder is not trust in what lies deeper"
    );
    setup.root = Some(setup.temp.join("proj/sub"));
    assert!(setup.load().is_ok(), "a named root is not searched upwards");
}

#[test]
fn a_project_cannot_trust_itself() {
    let setup = Setup::new().file("proj/ibid.toml", "[config]\ntrust = ['/']\n");
    assert!(
        setup
            .message()
            .contains("`trust` cannot be set by a project's own file")
    );
}

#[test]
fn folders_follow_the_settings_and_relative_ones_their_file() {
    let setup = Setup::new().file("proj/ibid.toml", "[config]\ncache_dir = 'cache'\n");
    let loaded = setup.load().unwrap();
    let env = EnvSnapshot::default();
    let around = Surroundings {
        platform: Platform::Linux,
        env: &env,
        current_dir: Path::new("/elsewhere"),
        user: 1000,
    };
    let dirs = loaded.dirs(&around).unwrap();
    assert_eq!(dirs.cache().path, setup.temp.join("proj/cache"));
    assert!(matches!(dirs.cache().origin, Origin::File { line: 2, .. }));
    assert!(!dirs.cache().path.exists(), "a question creates nothing");
}

#[test]
fn every_setting_has_its_own_variable_and_a_sentence() {
    let entries = Config::default();
    for entry in entries.entries() {
        let spec = entry.spec;
        assert_eq!(
            spec.variable,
            format!("IBID_{}", spec.name.to_uppercase()),
            "one rule for all"
        );
        assert!(spec.doc.ends_with('.'), "{}", spec.name);
    }
}
