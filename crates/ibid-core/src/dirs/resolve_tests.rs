//! The order of the layers and the defaults of each platform.

use super::*;
use crate::dirs::Layer;
use crate::environ::EnvSnapshot;

fn resolve(
    platform: Platform,
    variables: &[(&str, &str)],
    wishes: Wishes,
) -> Result<Dirs, DirsError> {
    let env: EnvSnapshot = variables.iter().copied().collect();
    let around = Surroundings {
        platform,
        env: &env,
        current_dir: Path::new("/here"),
        user: 1000,
    };
    Dirs::resolve(&App::default(), &around, wishes)
}

fn linux(variables: &[(&str, &str)]) -> Dirs {
    resolve(Platform::Linux, variables, Wishes::default()).unwrap()
}

fn cache_of(dirs: &Dirs) -> &str {
    dirs.cache().path.to_str().unwrap()
}

fn from_file(path: &str, layer: Layer) -> Choice {
    Choice {
        path: path.into(),
        origin: Origin::File {
            layer,
            path: "/proj/ibid.toml".into(),
            line: 3,
        },
    }
}

#[test]
fn each_platform_has_its_default() {
    let cache = |platform, variables: &[(&str, &str)]| {
        let dirs = resolve(platform, variables, Wishes::default()).unwrap();
        dirs.cache().path.clone()
    };
    let home = ("HOME", "/home/me");
    assert_eq!(
        cache(Platform::Linux, &[home]),
        Path::new("/home/me/.cache/ibid")
    );
    assert_eq!(
        cache(Platform::Linux, &[home, ("XDG_CACHE_HOME", "/scratch/c")]),
        Path::new("/scratch/c/ibid")
    );
    assert_eq!(
        cache(Platform::MacOs, &[("HOME", "/Users/me")]),
        Path::new("/Users/me/Library/Caches/ibid")
    );
    let local = r"D:\Local";
    assert_eq!(
        cache(Platform::Windows, &[("LOCALAPPDATA", local)]),
        Path::new(local).join("ibid").join("cache")
    );
    let profile = r"C:\Users\me";
    assert_eq!(
        cache(Platform::Windows, &[("USERPROFILE", profile)]),
        Path::new(profile).join("AppData/Local/ibid/cache")
    );
}

#[test]
fn explicit_beats_variable_beats_file_beats_default() {
    let home = ("HOME", "/home/me");
    let variable = ("IBID_CACHE_DIR", "/var/c");
    let file = Wishes {
        cache: Some(from_file("/file/c", Layer::Project)),
        ..Wishes::default()
    };
    let named = Wishes {
        cache: Some(from_file("/named/c", Layer::Named)),
        ..Wishes::default()
    };
    let explicit = Wishes {
        cache: Some(Choice::explicit("/flag/c")),
        ..Wishes::default()
    };
    let cases: [(&[_], Wishes, &str, &str); 5] = [
        (&[home, variable], explicit, "/flag/c", "given"),
        (&[home, variable], named, "/named/c", "/proj/ibid.toml:3"),
        (
            &[home, variable],
            file.clone(),
            "/var/c",
            "environment, IBID_CACHE_DIR",
        ),
        (&[home], file, "/file/c", "/proj/ibid.toml:3"),
        (
            &[home],
            Wishes::default(),
            "/home/me/.cache/ibid",
            "default",
        ),
    ];
    for (variables, wishes, path, origin) in cases {
        let dirs = resolve(Platform::Linux, variables, wishes).unwrap();
        assert_eq!(cache_of(&dirs), path);
        assert_eq!(dirs.cache().origin.to_string(), origin);
    }
}

#[test]
fn an_empty_variable_and_a_relative_xdg_count_as_unset() {
    let home = ("HOME", "/home/me");
    for xdg in ["", "relx"] {
        let dirs = linux(&[home, ("XDG_CACHE_HOME", xdg), ("IBID_CACHE_DIR", "")]);
        assert_eq!(cache_of(&dirs), "/home/me/.cache/ibid");
    }
}

#[test]
fn a_tilde_is_expanded_wherever_a_path_was_typed() {
    let home = ("HOME", "/home/me");
    for typed in ["~/c", "~//c"] {
        assert_eq!(
            cache_of(&linux(&[home, ("IBID_CACHE_DIR", typed)])),
            "/home/me/c"
        );
    }
    assert_eq!(
        cache_of(&linux(&[home, ("IBID_CACHE_DIR", "~")])),
        "/home/me"
    );
    let wishes = Wishes {
        tmp: Some(Choice::explicit("~/t")),
        ..Wishes::default()
    };
    let dirs = resolve(Platform::Linux, &[home], wishes).unwrap();
    assert_eq!(dirs.tmp().path, Path::new("/home/me/t"));
    let other = resolve(
        Platform::Linux,
        &[home, ("IBID_CACHE_DIR", "~bob/c")],
        Wishes::default(),
    );
    assert!(matches!(other, Err(DirsError::OtherTilde { .. })));
}

#[test]
fn a_relative_path_is_seen_from_the_current_folder_or_its_file() {
    let dirs = linux(&[("IBID_CACHE_DIR", "c")]);
    assert_eq!(cache_of(&dirs), "/here/c");
    let wishes = Wishes {
        cache: Some(from_file("c", Layer::Project)),
        ..Wishes::default()
    };
    let dirs = resolve(Platform::Linux, &[], wishes).unwrap();
    assert_eq!(cache_of(&dirs), "/proj/c");
}

#[test]
fn temporary_files_follow_the_configured_cache() {
    let dirs = linux(&[("IBID_CACHE_DIR", "/c")]);
    assert_eq!(dirs.tmp().path, Path::new("/c/tmp"));
    let dirs = linux(&[("IBID_CACHE_DIR", "/c"), ("IBID_TMP_DIR", "/t")]);
    assert_eq!(dirs.tmp().path, Path::new("/t"));
}

#[test]
fn host_local_state_never_lands_on_a_shared_file_system() {
    let dirs = linux(&[("IBID_CACHE_DIR", "/nfs/c")]);
    let place = |is_local: fn(&Path) -> bool| {
        dirs.local(is_local)
            .map(|local| (local.path, local.in_shared_parent))
    };
    assert_eq!(place(|_| true), Some(("/nfs/c/local".into(), false)));
    assert_eq!(
        place(|path| !path.starts_with("/nfs")),
        Some(("/var/tmp/ibid-1000".into(), true))
    );
    assert_eq!(place(|_| false), None);
    let chosen = linux(&[("IBID_CACHE_DIR", "/nfs/c"), ("IBID_LOCAL_DIR", "/l")]);
    let local = chosen.local(|_| false).unwrap();
    assert_eq!(
        local.path,
        Path::new("/l"),
        "a chosen folder is not doubted"
    );
}

#[test]
fn a_folder_in_a_shared_parent_is_used_only_by_its_owner() {
    let temp = ibid_testkit::TempDir::new();
    let local = |in_shared_parent| LocalDir {
        path: temp.join("ibid"),
        origin: Origin::Default,
        in_shared_parent,
    };
    let user = rustix::process::geteuid().as_raw();
    assert!(local(true).trusted(user).is_some());
    assert!(local(true).trusted(user + 1).is_none());
    assert!(local(false).trusted(user + 1).is_some());
}

#[test]
fn a_missing_home_matters_only_where_it_is_needed() {
    let error = resolve(Platform::Linux, &[("HOME", "")], Wishes::default()).unwrap_err();
    assert!(error.to_string().contains("`HOME`"), "{error}");
    assert!(error.hint().contains("IBID_CACHE_DIR"));
    assert_eq!(cache_of(&linux(&[("IBID_CACHE_DIR", "/c")])), "/c");
    assert_eq!(cache_of(&linux(&[("XDG_CACHE_HOME", "/x")])), "/x/ibid");
    let tilde = resolve(
        Platform::Linux,
        &[("IBID_CACHE_DIR", "~/c")],
        Wishes::default(),
    );
    assert!(matches!(tilde, Err(DirsError::NoTilde { .. })));
}

#[test]
fn another_application_has_its_own_folders_and_variables() {
    let env: EnvSnapshot = [("HOME", "/home/me"), ("LACUNA_TMP_DIR", "/t")]
        .into_iter()
        .collect();
    let around = Surroundings {
        platform: Platform::Linux,
        env: &env,
        current_dir: Path::new("/here"),
        user: 1000,
    };
    let app = App {
        name: "lacuna".to_owned(),
        env_prefix: "LACUNA".to_owned(),
    };
    let dirs = Dirs::resolve(&app, &around, Wishes::default()).unwrap();
    assert_eq!(cache_of(&dirs), "/home/me/.cache/lacuna");
    assert_eq!(dirs.tmp().path, Path::new("/t"));
}
