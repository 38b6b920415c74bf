//! A C project compiled file by file: what a user of make-like loops relies on.

use std::path::PathBuf;

use ibid_testkit::{Ran, TestEnv, component};

use crate::test_env;

const SOURCES: [&str; 3] = ["area", "main", "sum"];

/// Writes a project of three sources and a header.
fn project(env: &TestEnv, dir: &str) {
    let write = |name: &str, text: &str| env.write(PathBuf::from(dir).join(name), text);
    write(
        "shape.h",
        "#define SIDES 4\nint sum(int);\nint area(int);\n",
    );
    write(
        "area.c",
        "#include \"shape.h\"\nint area(int a) { return a * SIDES; }\n",
    );
    write(
        "sum.c",
        "#include \"shape.h\"\nint sum(int a) { return a + SIDES; }\n",
    );
    write(
        "main.c",
        "#include \"shape.h\"\nint main(void) { return sum(1) + area(2); }\n",
    );
}

/// Compiles one source in a folder.
fn compile(env: &TestEnv, dir: &str, name: &str) -> Ran {
    let (source, object) = (format!("{name}.c"), format!("{name}.o"));
    env.run([
        "-C", dir, "exec", "-i", &source, "-i", "*.h", "-o", &object, "--", "cc", "-Wall", "-c",
        &source, "-o", &object,
    ])
}

/// Compiles all; returns how each went: `ran`, `restored` or `up to date`.
fn build(env: &TestEnv, dir: &str) -> Vec<String> {
    let went = |name: &&str| {
        let ran = compile(env, dir, name);
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        let line = ran.stderr.lines().last().unwrap_or_default();
        let words = ["ran in", "restored", "up to date"];
        let word = words
            .iter()
            .find(|word| line.starts_with(&format!("ibid: {word}")));
        (*word.unwrap_or_else(|| panic!("{}", ran.story()))).to_owned()
    };
    SOURCES.iter().map(went).collect()
}

fn objects(env: &TestEnv, dir: &str) -> Vec<Vec<u8>> {
    let object = |name: &&str| env.read(PathBuf::from(dir).join(format!("{name}.o")));
    SOURCES.iter().map(object).collect()
}

#[test]
fn only_what_changed_is_compiled() {
    let Some(_cc) = component("cc") else { return };
    let env = test_env();
    project(&env, "p");
    assert_eq!(build(&env, "p"), ["ran in"; 3]);
    assert_eq!(build(&env, "p"), ["up to date"; 3]);
    let first = objects(&env, "p");

    for name in SOURCES {
        std::fs::remove_file(env.work(format!("p/{name}.o"))).expect("it was compiled");
    }
    assert_eq!(build(&env, "p"), ["restored"; 3]);
    assert_eq!(objects(&env, "p"), first);

    // The same bytes with other timestamps.
    project(&env, "p");
    assert_eq!(build(&env, "p"), ["up to date"; 3]);

    for name in SOURCES {
        env.write(format!("p/{name}.o"), "junk");
    }
    assert_eq!(build(&env, "p"), ["restored"; 3]);
    assert_eq!(objects(&env, "p"), first);

    project(&env, "elsewhere");
    assert_eq!(build(&env, "elsewhere"), ["restored"; 3]);
    assert_eq!(objects(&env, "elsewhere"), first);
}

#[test]
fn an_edited_header_is_named_and_a_reverted_one_costs_nothing() {
    let Some(_cc) = component("cc") else { return };
    let env = test_env();
    project(&env, "p");
    build(&env, "p");
    let first = objects(&env, "p");
    let header = env.read("p/shape.h");
    env.write(
        "p/shape.h",
        "#define SIDES 5\nint sum(int);\nint area(int);\n",
    );
    assert_eq!(build(&env, "p"), ["ran in"; 3]);
    let why = env.run(["why", "p/area.o"]).stdout;
    let changed: Vec<_> = why.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(
        matches!(changed.as_slice(), [line] if line.starts_with("  input/shape.h: file ")),
        "{why}"
    );
    env.write("p/shape.h", header);
    // The main program does not use the number: its object is the same with either header.
    assert_eq!(build(&env, "p")[0], "restored");
    assert_eq!(objects(&env, "p"), first);
}

#[test]
fn two_builds_at_once_compile_each_file_once() {
    let Some(_cc) = component("cc") else { return };
    let env = test_env();
    project(&env, "one");
    project(&env, "two");
    let went = std::thread::scope(|scope| {
        let both = ["one", "two"].map(|dir| scope.spawn(|| build(&env, dir)));
        both.map(|build| build.join().expect("a build passes"))
            .concat()
    });
    let count = |word| went.iter().filter(|went| **went == word).count();
    assert_eq!((count("ran in"), count("restored")), (3, 3), "{went:?}");
    assert_eq!(objects(&env, "one"), objects(&env, "two"));
}

#[test]
fn errors_come_each_time_and_warnings_are_replayed() {
    let Some(_cc) = component("cc") else { return };
    let env = test_env();
    env.write("p/bad.c", "int main( { return 0; }\n");
    env.write("p/shape.h", "");
    let bad = [(); 2].map(|()| compile(&env, "p", "bad"));
    for ran in &bad {
        assert_eq!(ran.code, Some(1), "{}", ran.story());
        assert!(ran.stderr.contains("bad.c:1:"), "{}", ran.story());
        assert!(ran.stderr.contains("ibid: failed with exit code 1 after"));
    }
    env.write("p/warn.c", "int f(void) { int unused; return 0; }\n");
    let first = compile(&env, "p", "warn");
    std::fs::remove_file(env.work("p/warn.o")).expect("it was compiled");
    let second = compile(&env, "p", "warn");
    let said = |ran: &Ran| ran.stderr.split("ibid: ").next().map(ToOwned::to_owned);
    assert!(
        first.stderr.contains("unused variable"),
        "{}",
        first.story()
    );
    assert_eq!(said(&first), said(&second));
    assert!(
        second.stderr.contains("ibid: restored 1 output"),
        "{}",
        second.story()
    );
}
