//! The types of settings: each is read from a text (a variable) or a TOML value, and shown as text.
//!
//! A type whose TOML form is a string reads both through one parser.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::action::{AccessMode, EnvMode};
use crate::fs;
use crate::tree::Escaped;

/// What a setting's type can do.
pub(super) trait SettingValue: Sized {
    /// What a right value looks like, for messages and docs: continues "expected …".
    const EXPECTED: &'static str;

    /// Reads a variable's value, which is not empty.
    fn from_text(text: &OsStr) -> Option<Self>;

    /// Reads a TOML value.
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        Self::from_text(OsStr::new(value.as_str()?))
    }

    /// Shows the value as `from_text` would read it; an unset one is empty.
    fn to_text(&self) -> String;
}

/// Declares what words a type is written as.
macro_rules! words {
    ($type:ty, $expected:literal, { $($word:literal => $value:path),+ $(,)? }) => {
        impl SettingValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &OsStr) -> Option<Self> {
                match text.to_str()? {
                    $($word => Some($value),)+
                    _ => None,
                }
            }

            fn to_text(&self) -> String {
                match self {
                    $($value => $word.to_owned(),)+
                }
            }
        }
    };
}

/// How restored outputs share bytes with the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkPreference {
    /// Cloned where the file system can, else copied.
    #[default]
    Auto,
    /// Always a copy.
    Copy,
    /// A hard link where that is safe; such outputs stay read-only.
    Hardlink,
}

/// What a stored result survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is synced, and nothing is believed that this host did not write or verify since it
    /// booted.
    #[default]
    Verified,
    /// Blobs, then the key's file, then its directory are synced.
    Synced,
}

/// When an unchanged status stands for unchanged content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatCachePolicy {
    /// On file systems whose timestamps can be relied on.
    #[default]
    Auto,
    /// Everywhere, by the user's choice.
    Trust,
    /// Never: every input is hashed at each look.
    Off,
}

/// Files and folders whose settings and steps are used although another user owns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPaths(pub Vec<PathBuf>);

impl TrustedPaths {
    /// Says whether this very directory was named, by this path or another.
    pub fn names_dir(&self, dir: &Path) -> bool {
        let same = |trusted: &PathBuf| trusted == dir;
        self.0.iter().any(same)
            || (!self.0.is_empty() && self.0.iter().any(|it| is_same_place(it, dir)))
    }

    /// Says whether `file` was named, or the folder that holds it.
    pub(super) fn names(&self, file: &Path) -> bool {
        self.0
            .iter()
            .any(|trusted| trusted == file || Some(trusted.as_path()) == file.parent())
    }
}

/// Who writes in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// One user.
    #[default]
    Private,
    /// The members of the group of its directory.
    Group,
}

/// A user as settings name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By number.
    Number(u32),
    /// By name, which the machine knows.
    Name(String),
}

/// Whose results count in a store of a group; empty for every member's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNames(pub Vec<UserName>);

impl UserName {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse() {
            return Some(Self::Number(number));
        }
        // What no account database can hold would be looked for in vain; a leading hyphen would
        // be an option of whoever is asked.
        let is_name = |c: char| !c.is_control() && !c.is_whitespace() && !":,/".contains(c);
        (!text.is_empty() && !text.starts_with('-') && text.chars().all(is_name))
            .then(|| Self::Name(text.to_owned()))
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

words!(Sharing, "`private` or `group`", {
    "private" => Self::Private,
    "group" => Self::Group,
});
words!(AccessMode, "`read-write`, `read-only`, `write-only` or `off`", {
    "read-write" => Self::ReadWrite,
    "read-only" => Self::ReadOnly,
    "write-only" => Self::WriteOnly,
    "off" => Self::Off,
});
words!(EnvMode, "`strict` or `loose`", {
    "strict" => Self::Strict,
    "loose" => Self::Loose,
});
words!(LinkPreference, "`auto`, `copy` or `hardlink`", {
    "auto" => Self::Auto,
    "copy" => Self::Copy,
    "hardlink" => Self::Hardlink,
});
words!(Durability, "`verified` or `synced`", {
    "verified" => Self::Verified,
    "synced" => Self::Synced,
});
words!(StatCachePolicy, "`auto`, `trust` or `off`", {
    "auto" => Self::Auto,
    "trust" => Self::Trust,
    "off" => Self::Off,
});

impl SettingValue for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn from_text(text: &OsStr) -> Option<Self> {
        match text.to_str()?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for Option<PathBuf> {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: &OsStr) -> Option<Self> {
        (!text.is_empty()).then(|| Some(text.into()))
    }

    fn to_text(&self) -> String {
        self.as_deref().map(path_text).unwrap_or_default()
    }
}

impl SettingValue for TrustedPaths {
    const EXPECTED: &'static str = "a list of absolute paths";

    fn from_text(text: &OsStr) -> Option<Self> {
        text.as_bytes()
            .split(|byte| *byte == b':')
            .filter(|path| !path.is_empty())
            .map(|path| absolute(OsStr::from_bytes(path)))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value
            .as_array()?
            .iter()
            .map(|path| absolute(OsStr::new(path.get_ref().as_str()?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn to_text(&self) -> String {
        let paths: Vec<String> = self.0.iter().map(|path| path_text(path)).collect();
        paths.join(":")
    }
}

impl SettingValue for UserNames {
    const EXPECTED: &'static str = "a list of user names or numbers";

    fn from_text(text: &OsStr) -> Option<Self> {
        let names = text.to_str()?.split(',');
        let names = names.filter(|name| !name.trim().is_empty());
        names.map(UserName::parse).collect::<Option<_>>().map(Self)
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let name = |value: &DeValue<'_>| match value {
            DeValue::String(text) => UserName::parse(text),
            DeValue::Integer(number) => {
                let radix = number.radix();
                let number = u32::from_str_radix(number.as_str(), radix).ok();
                number.map(UserName::Number)
            }
            _ => None,
        };
        let names = value.as_array()?.iter();
        names
            .map(|it| name(it.get_ref()))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn to_text(&self) -> String {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        names.join(",")
    }
}

/// Trust never depends on the folder that somebody happens to stand in.
fn absolute(path: &OsStr) -> Option<PathBuf> {
    Path::new(path).has_root().then(|| path.into())
}

fn is_same_place(one: &Path, other: &Path) -> bool {
    let (one, other) = (fs::real_path(one), fs::real_path(other));
    one.is_ok_and(|one| other.is_ok_and(|other| one == other))
}

fn path_text(path: &Path) -> String {
    Escaped::path(path).to_string()
}
