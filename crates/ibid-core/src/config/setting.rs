//! The table of all settings, and the types made of it.
//!
//! A setting is one entry of `settings!`: field, type, variable, default, who may set it, and a
//! sentence. Everything else (files, variables, overrides, listing, suggestions) follows from that.

use std::path::PathBuf;

use toml::de::DeTable;

use super::budgets::{AgeLimit, Grace};
use super::document::Document;
use super::load::ConfigError;
use super::value::{
    Durability, LinkPreference, SettingValue, Sharing, StatCachePolicy, TrustedPaths, UserNames,
};
use crate::action::{AccessMode, EnvMode};
use crate::dirs::{Choice, Layer, Origin, Wishes};
use crate::environ::EnvSnapshot;
use crate::mistake::{Mistake, closest};
use crate::store::Budget;

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value that counts.
    pub value: T,
    /// Which layer said so.
    pub origin: Origin,
}

/// What is known of a setting before anybody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name in files.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// What a value looks like: continues "expected …".
    pub expected: &'static str,
    /// Whether a project's file may set it, or only the user and the machine.
    pub by_project: bool,
    /// What it does.
    pub doc: &'static str,
}

/// A setting as it stands, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub spec: &'static Spec,
    /// Its value, written as its variable would be; empty if there is none.
    pub value: String,
    /// Which layer said so.
    pub origin: &'a Origin,
}

macro_rules! settings {
    ($($name:ident: $type:ty = $default:expr, $variable:literal, $by_project:expr, $doc:literal;)+) => {
        /// Every setting with its value and its origin.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = $doc] pub $name: Setting<$type>,)+
        }

        /// Values that flags or a call give; `None` leaves the word to the other layers.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Overrides {
            $(#[doc = $doc] pub $name: Option<$type>,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self {
                    $($name: Setting { value: $default, origin: Origin::Default },)+
                }
            }
        }

        impl Config {
            /// All settings, in the order of their documentation.
            pub const SPECS: &'static [Spec] = &[
                $(Spec {
                    name: stringify!($name),
                    variable: $variable,
                    expected: <$type as SettingValue>::EXPECTED,
                    by_project: $by_project,
                    doc: $doc,
                },)+
            ];

            /// Lists all settings as they stand.
            pub fn entries(&self) -> Vec<Entry<'_>> {
                let values = [$((self.$name.value.to_text(), &self.$name.origin),)+];
                Self::SPECS
                    .iter()
                    .zip(values)
                    .map(|(spec, (value, origin))| Entry { spec, value, origin })
                    .collect()
            }

            pub(super) fn apply_overrides(&mut self, given: &Overrides) {
                $(if let Some(value) = given.$name.clone() {
                    self.$name = Setting { value, origin: Origin::Explicit };
                })+
            }

            pub(super) fn apply_variables(&mut self, env: &EnvSnapshot) -> Result<(), ConfigError> {
                $(if let Some(text) = env.non_empty($variable) {
                    self.$name = Setting {
                        value: SettingValue::from_text(text).ok_or_else(|| ConfigError::Variable {
                            name: $variable,
                            value: text.to_owned(),
                            expected: <$type as SettingValue>::EXPECTED,
                        })?,
                        origin: Origin::Variable($variable.to_owned()),
                    };
                })+
                Ok(())
            }

            /// Takes what a file's table says.
            pub(super) fn apply_table(
                &mut self,
                table: &DeTable<'_>,
                document: &Document,
            ) -> Result<(), Mistake> {
                for (key, value) in table {
                    let name: &str = key.get_ref();
                    let spec = spec_of(name).filter(|spec| document.may_set(spec));
                    if spec.is_none() {
                        return Err(unknown(name, document, &key.span()));
                    }
                    let origin = document.origin(&key.span());
                    match name {
                        $(stringify!($name) => {
                            let value = SettingValue::from_toml(value.get_ref()).ok_or_else(|| {
                                wrong_type::<$type>(name, document, value)
                            })?;
                            self.$name = Setting { value, origin };
                        })+
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    };
}

settings! {
    cache_dir: Option<PathBuf> = None, "IBID_CACHE_DIR", true, "Folder of the store.";
    tmp_dir: Option<PathBuf> = None, "IBID_TMP_DIR", true, "Folder for temporary files.";
    local_dir: Option<PathBuf> = None, "IBID_LOCAL_DIR", true, "Folder for host-local, disposable state.";
    mode: AccessMode = AccessMode::ReadWrite, "IBID_MODE", true, "What a run may do with the store.";
    link: LinkPreference = LinkPreference::Auto, "IBID_LINK", true, "How restored outputs share bytes with the store.";
    env_mode: EnvMode = EnvMode::Strict, "IBID_ENV_MODE", true, "Whether commands see the caller's whole environment.";
    durability: Durability = Durability::Verified, "IBID_DURABILITY", true, "What a stored result survives: `verified` crashes, `synced` power cuts, too.";
    stat_cache: StatCachePolicy = StatCachePolicy::Auto, "IBID_STAT_CACHE", true, "When an unchanged status stands for unchanged content.";
    max_size: Budget = Budget::Auto, "IBID_MAX_SIZE", true, "Bytes of disk that the cache may take; `auto` is a tenth of its file system, from 1 to 100 GiB.";
    max_age: AgeLimit = AgeLimit::default(), "IBID_MAX_AGE", true, "How long a result stays that is not used.";
    grace: Grace = Grace::default(), "IBID_GRACE", true, "How long what was evicted, or no result needs, lies in the trash and can come back.";
    leases: bool = true, "IBID_LEASES", true, "Whether processes that need one result wait for whoever computes it.";
    strict: bool = false, "IBID_STRICT", true, "Whether a fault of the cache fails the run.";
    quiet: bool = false, "IBID_QUIET", true, "Whether notes are left out; warnings and errors stay.";
    trust: TrustedPaths = TrustedPaths::default(), "IBID_TRUST", false, "Files and folders of other users whose `ibid.toml` is used, and stores that are used whoever owns them.";
    shared: Sharing = Sharing::Private, "IBID_SHARED", true, "Who writes in the store: one user, or the group of its folder.";
    trusted_owners: UserNames = UserNames::default(), "IBID_TRUSTED_OWNERS", false, "Whose results count in a store of a group; every member's if it is empty.";
}

impl Config {
    /// Returns where the value of `name` came from, or `None` if there is no such setting.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.entries()
            .into_iter()
            .find(|entry| entry.spec.name == name)
            .map(|entry| entry.origin)
    }

    /// Returns what the settings ask of the folders.
    pub fn wishes(&self) -> Wishes {
        let wish = |setting: &Setting<Option<PathBuf>>| {
            let path = setting.value.clone()?;
            let origin = setting.origin.clone();
            Some(Choice { path, origin })
        };
        Wishes {
            cache: wish(&self.cache_dir),
            tmp: wish(&self.tmp_dir),
            local: wish(&self.local_dir),
        }
    }
}

fn spec_of(name: &str) -> Option<&'static Spec> {
    Config::SPECS.iter().find(|spec| spec.name == name)
}

fn unknown(name: &str, document: &Document, span: &std::ops::Range<usize>) -> Mistake {
    let known = Config::SPECS.iter().filter(|spec| document.may_set(spec));
    let message = match spec_of(name) {
        Some(_) if document.layer() == Layer::Project => {
            format!("`{name}` cannot be set by a project's own file")
        }
        _ => format!("unknown setting `{name}`"),
    };
    Mistake {
        suggestion: closest(name, known.map(|spec| spec.name)).map(str::to_owned),
        ..document.mistake(span, message)
    }
}

fn wrong_type<T: SettingValue>(
    name: &str,
    document: &Document,
    value: &toml::Spanned<toml::de::DeValue<'_>>,
) -> Mistake {
    let expected = T::EXPECTED;
    let shown = match value.get_ref().as_str() {
        Some(text) => format!("`{text}`"),
        None => format!("of type {}", value.get_ref().type_str()),
    };
    let message = format!("`{name}` cannot be {shown}: expected {expected}");
    document.mistake(&value.span(), message)
}
