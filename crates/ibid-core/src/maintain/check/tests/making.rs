//! Stores that another process makes at the moment: what they do not have yet is no flaw.

use std::os::unix::fs::symlink;

use super::super::book::Book;
use super::*;

const SMALL_FILES: [&str; 2] = ["CACHEDIR.TAG", "store.json"];

#[test]
fn a_store_that_is_made_while_it_is_listed_has_its_small_files() {
    let scene = Scene::new();
    let told = |survey: &Survey| {
        let mut book = Book::default();
        small::check_what_is_missing(&scene.store, survey, &mut book);
        let flaws = book.into_flaws();
        flaws.into_iter().map(|flaw| flaw.path).collect::<Vec<_>>()
    };
    // The folder around them was listed before they came, and what is deeper after that.
    let mut survey = scene.store.survey();
    let is_small = |place| matches!(place, Place::Tag | Place::Description);
    survey.standing.retain(|standing| !is_small(standing.place));
    assert_eq!(told(&survey), [] as [&Path; 0]);
    let paths = SMALL_FILES.map(|name| scene.store.dir().join(name));
    for path in &paths {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(told(&survey), paths);
}

#[test]
fn a_store_that_is_half_made_has_no_flaw() {
    let dir = TempDir::new();
    let root = dir.join("store");
    let store = LocalStore::open(&root, StoreOptions::default()).unwrap();
    // The first write of a process makes the store.
    store.renew_tag().unwrap();
    let names = |dir: &Path| {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|it| it.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&root.join("v1")), ["tmp"], "all else comes later");
    let [tag, description] = SMALL_FILES.map(|name| {
        let path = root.join(name);
        (fs::read(&path).unwrap(), path)
    });
    fs::remove_dir_all(&root).unwrap();
    // Somebody's own folder for what is to be stored, and what a process that is stopped leaves.
    let elsewhere = dir.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let steps: [&dyn Fn(); 5] = [
        &|| fs::create_dir_all(root.join("v1")).unwrap(),
        &|| symlink(&elsewhere, root.join("v1/blobs")).unwrap(),
        &|| fs::create_dir(root.join("v1/tmp")).unwrap(),
        &|| fs::write(root.join("v1/tmp/staged"), &tag.0).unwrap(),
        &|| fs::write(&tag.1, &tag.0).unwrap(),
    ];
    for (step, make) in steps.into_iter().enumerate() {
        make();
        let checked = check(&store, &Meter::new());
        assert_eq!(checked.flaws, [], "after step {step}");
        assert!(checked.exists, "after step {step}");
    }
    // The tag comes first, and so it was taken away.
    fs::remove_file(&tag.1).unwrap();
    fs::write(&description.1, &description.0).unwrap();
    let flaws = check(&store, &Meter::new()).flaws;
    let told: Vec<_> = flaws.iter().map(|flaw| &flaw.path).collect();
    assert_eq!(told, [&tag.1]);
}
