//! Where settings files are looked for.

use std::path::PathBuf;

use super::{App, Platform, Surroundings};

/// The settings files outside a project. Neither needs to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFiles {
    /// The machine's.
    pub system: Option<PathBuf>,
    /// The user's, unless no home folder is known.
    pub user: Option<PathBuf>,
}

impl ConfigFiles {
    /// Tells the files of `app`.
    pub fn of(app: &App, around: &Surroundings<'_>) -> Self {
        let (system, user) = match around.platform {
            Platform::Linux | Platform::MacOs => (
                Some(PathBuf::from("/etc")),
                around
                    .absolute_variable("XDG_CONFIG_HOME")
                    .or_else(|| Some(around.home()?.join(".config"))),
            ),
            Platform::Windows => (
                around.absolute_variable("PROGRAMDATA"),
                around
                    .absolute_variable("APPDATA")
                    .or_else(|| Some(around.home()?.join("AppData").join("Roaming"))),
            ),
        };
        let file = |dir: PathBuf| dir.join(&app.name).join("config.toml");
        Self {
            system: system.map(file),
            user: user.map(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::environ::EnvSnapshot;

    fn files(platform: Platform, variables: &[(&str, &str)]) -> ConfigFiles {
        let env: EnvSnapshot = variables.iter().copied().collect();
        let around = Surroundings {
            platform,
            env: &env,
            current_dir: Path::new("/here"),
            user: 1000,
        };
        ConfigFiles::of(&App::default(), &around)
    }

    #[test]
    fn the_user_file_follows_xdg_unless_it_is_relative() {
        let user = |xdg| {
            files(
                Platform::Linux,
                &[("HOME", "/home/me"), ("XDG_CONFIG_HOME", xdg)],
            )
            .user
            .unwrap()
        };
        assert_eq!(user("/x"), Path::new("/x/ibid/config.toml"));
        for unset in ["", "relative"] {
            assert_eq!(user(unset), Path::new("/home/me/.config/ibid/config.toml"));
        }
    }

    #[test]
    fn without_a_home_there_is_no_user_file() {
        let files = files(Platform::Linux, &[]);
        assert_eq!(files.user, None);
        assert_eq!(
            files.system.unwrap(),
            Path::new("/etc/ibid/config.toml"),
            "the machine's file does not hang on it"
        );
    }

    #[test]
    fn windows_has_its_own_folders() {
        let files = files(
            Platform::Windows,
            &[
                ("APPDATA", r"C:\Users\me\AppData\Roaming"),
                ("PROGRAMDATA", r"C:\ProgramData"),
            ],
        );
        let below = |dir: &str| Path::new(dir).join("ibid").join("config.toml");
        assert_eq!(files.user.unwrap(), below(r"C:\Users\me\AppData\Roaming"));
        assert_eq!(files.system.unwrap(), below(r"C:\ProgramData"));
    }
}
