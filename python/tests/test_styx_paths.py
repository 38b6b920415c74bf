"""`ibid.styx`: a path is the file that the system opens by it, and no other one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ibid.styx import CachePolicy, CachingRunner, ContentHasher, trust_tag
from styx_bench import MUTABLE, PARENT, Bench, call
from styxdocker import DockerRunner


@pytest.fixture
def bench(project: Path) -> Bench:
    """A tool that copies its first word to `out`."""
    bench = Bench(project)
    bench.tool('cat "$1" > out')
    return bench


def detour(bench: Bench) -> Path:
    """Returns a path that is cleaned to another file than the one that the system opens."""
    bench.file("b/f", "another")
    bench.file("b/other/f", "one")
    (bench.folder / "b/other/deep").mkdir()
    (bench.folder / "b/link").symlink_to("other/deep")
    return bench.folder / "b/link/../f"


@pytest.mark.parametrize("how", [{}, PARENT, MUTABLE], ids=["plain", "parent", "mutable"])
@pytest.mark.parametrize("form", ["path", "text", "relative"])
def test_a_way_back_behind_a_link_is_followed(
    bench: Bench, how: dict[str, bool], form: str
) -> None:
    path = detour(bench)
    relative = os.path.join(os.path.relpath(bench.folder), "b/link/../f")
    forms: dict[str, str | Path] = {"path": path, "text": str(path), "relative": relative}
    for text in ("one", "two", "one"):
        (bench.folder / "b/other/f").write_text(text)
        root = call(bench.runner(), "t", "{0}", inputs=[(forms[form], how)])
        assert (root / "out").read_text() == text
    assert bench.calls == 2


def test_what_lies_beside_a_folder_that_is_named_by_a_way_back_counts(bench: Bench) -> None:
    bench.tool('cat "$1/f" "$1/../beside" > out')
    (bench.folder / "b/x/deep").mkdir(parents=True)
    for changed in ("b/x/f", "b/beside", "b/x/f"):
        for path in ("b/x/f", "b/beside"):
            bench.file(path, "two" if path == changed else "one")
        root = call(bench.runner(), "t", "{0}", inputs=[(bench.folder / "b/x/deep/..", PARENT)])
        both = "twoone" if changed == "b/x/f" else "onetwo"
        assert (root / "out").read_text() == both
    assert bench.calls == 2


def test_a_file_behind_a_link_and_back_has_to_be_there(bench: Bench) -> None:
    path = detour(bench)
    (bench.folder / "b/f").unlink()
    assert (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text() == "one"
    (bench.folder / "b/f").write_text("another")
    (bench.folder / "b/other/f").unlink()
    with pytest.raises(FileNotFoundError):
        call(bench.runner(), "t", "{0}", inputs=[path])


def test_a_folder_that_is_moved_while_the_tool_runs_is_no_result(bench: Bench) -> None:
    path = detour(bench)
    bench.file("b/new/f", "two")
    (bench.folder / "b/new/deep").mkdir()
    turn = f"ln -sfn new/deep '{bench.folder}/b/link'"
    bench.tool(f'{turn}; cat "$1" > out')
    root = call(bench.runner(), "t", "{0}", inputs=[path])
    assert (root / "out").read_text() == "two"
    (bench.folder / "b/link").unlink()
    (bench.folder / "b/link").symlink_to("other/deep")
    call(bench.runner(), "t", "{0}", inputs=[path])
    assert bench.calls == 2


NAMES = ["link/f", "in-link/f", "link/f..nii", "p..q/link/f", "p..q/../link/f"]


@pytest.mark.parametrize("is_put_back", [False, True], ids=["stays", "put-back"])
@pytest.mark.parametrize(
    ("given", "how"), [("link", {}), *((name, how) for name in NAMES for how in ({}, PARENT))]
)
def test_a_link_that_turns_while_the_tool_runs_makes_no_result(
    bench: Bench, given: str, how: dict[str, bool], is_put_back: bool
) -> None:
    for of in ("one", "two"):
        for name in ("f", "f..nii"):
            bench.file(f"{of}/{name}", of)
    (bench.folder / "p..q").mkdir()
    for link, to in (("link", "one"), ("in-link", "link"), ("p..q/link", "../link")):
        (bench.folder / link).symlink_to(to)
    there, back = (
        f"if [ -e '{bench.folder}/turns' ]; then ln -sfn {to} '{bench.folder}/link'; fi"
        for to in ("two", "one")
    )
    read = 'if [ -d "$1" ]; then cat "$1/f"; else cat "$1"; fi > out'
    bench.tool("\n".join([there, read, back if is_put_back else ""]))
    turns = bench.file("turns")
    path = f"{bench.folder}/{given}"
    root = call(bench.runner(), "t", "{0}", inputs=[(path, how)])
    assert (root / "out").read_text() == "two"
    turns.unlink()
    (bench.folder / "link").unlink()
    (bench.folder / "link").symlink_to("one")
    for _ in range(2):
        root = call(bench.runner(), "t", "{0}", inputs=[(path, how)])
        assert (root / "out").read_text() == "one"
    assert bench.calls == 2


@pytest.mark.parametrize("is_put_back", [False, True], ids=["stays", "put-back"])
@pytest.mark.parametrize("how", [{}, PARENT], ids=["plain", "parent"])
@pytest.mark.parametrize("turned", ["link", "one/link", "one/deep"])
def test_a_way_back_that_turns_while_the_tool_runs_makes_no_result(
    bench: Bench, turned: str, how: dict[str, bool], is_put_back: bool
) -> None:
    for of in ("one", "two"):
        bench.file(f"{of}/f", of)
        (bench.folder / of / "deep").mkdir()
    # Who takes `..` back first comes to another file, or to the same one.
    (bench.folder / "link").symlink_to("one/deep")
    (bench.folder / "one/link").symlink_to("deep")
    at = bench.folder / turned
    there = f"mv '{at}' '{at}-kept'; ln -s '{bench.folder}/two/deep' '{at}'"
    back = f"rm '{at}'; mv '{at}-kept' '{at}'"
    turns = bench.file("turns")
    bench.tool(
        f"if [ -e '{turns}' ]; then {there}; fi\n"
        'cat "$1" > out\n'
        f"if [ -e '{turns}' ] && {str(is_put_back).lower()}; then {back}; fi"
    )
    path = f"{at}/../f"
    root = call(bench.runner(), "t", "{0}", inputs=[(path, how)])
    assert (root / "out").read_text() == "two"
    turns.unlink()
    if not is_put_back:
        subprocess.run(back, shell=True, check=True)
    for _ in range(2):
        root = call(bench.runner(), "t", "{0}", inputs=[(path, how)])
        assert (root / "out").read_text() == "one"
    assert bench.calls == 2


@pytest.mark.parametrize("given", ["link/f", "link"])
def test_a_hasher_that_sees_no_difference_is_not_believed_when_a_link_turns(
    bench: Bench, given: str
) -> None:
    class Same:
        def hash_path(self, path: object) -> str:
            return "same"

    for of in ("one", "two"):
        bench.file(f"{of}/f", of)
    (bench.folder / "link").symlink_to("one")
    bench.tool(
        f"if [ -e '{bench.folder}/turns' ]; then ln -sfn two '{bench.folder}/link'; fi\n"
        'if [ -d "$1" ]; then cat "$1/f"; else cat "$1"; fi > out'
    )
    turns = bench.file("turns")
    path = bench.folder / given
    call(bench.runner(hasher=Same()), "t", "{0}", inputs=[path])
    turns.unlink()
    (bench.folder / "link").unlink()
    (bench.folder / "link").symlink_to("one")
    for _ in range(2):
        root = call(bench.runner(hasher=Same()), "t", "{0}", inputs=[path])
        assert (root / "out").read_text() == "one"
    assert bench.calls == 2


def test_a_hash_is_that_of_the_file_that_the_system_opens(bench: Bench) -> None:
    path = detour(bench)
    hasher = ContentHasher()
    assert hasher.hash_path(path) == hasher.hash_path(bench.folder / "b/other/f")
    assert hasher.hash_path(path) != hasher.hash_path(bench.folder / "b/f")


def test_engines_are_not_asked_what_they_mount_behind_a_link(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool(
        'for word; do case "$word" in type=bind,source=*,target=/styx_output*)\n'
        'to=${word#type=bind,source=}; touch "${to%%,target*}/out";; esac; done',
        "docker",
    )
    monkeypatch.setenv("PATH", f"{bench.bin}:/usr/bin:/bin")
    path = detour(bench)
    for calls, given in ((1, path), (2, path), (3, path.resolve()), (3, path.resolve())):
        runner = CachingRunner(
            DockerRunner(data_dir=bench.folder / "styx"),
            bench.cache,
            policy=CachePolicy(image_digest=trust_tag),
        )
        call(runner, "t", "{0}", inputs=[given])
        assert bench.calls == calls
    assert "has a `..` behind a link" in caplog.text


@pytest.mark.parametrize("word", ["in/../secret", "in b", "in,b"])
def test_a_file_that_is_no_input_is_none(bench: Bench, word: str) -> None:
    bench.tool('cat "$2" > out')
    for folder in ("x", "y"):
        given = bench.file(f"{folder}/in/f" if "/" in word else f"{folder}/in")
        given = given.parent if "/" in word else given
        bench.file(os.path.normpath(f"{folder}/{word}"), f"of {folder}")
        path = bench.folder / folder
        root = call(bench.runner(), "t", "{0}", f"{path}/{word}", inputs=[given])
        assert (root / "out").read_text() == f"of {folder}"
    assert bench.calls == 2
