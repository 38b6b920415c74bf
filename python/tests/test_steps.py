"""`ibid.steps`: manifests beside outputs, and the truth about whether they still hold."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from ibid import steps
from ibid.steps import explain_step, hash_directory, hash_file, is_step_fresh, save_step_manifest

HASHES = {"a.csv": "0" * 64, "b.csv": "1" * 64}


@pytest.fixture
def out(project: Path) -> Path:
    """A folder of outputs, as a step left it."""
    folder = project / "out"
    folder.mkdir()
    (folder / "r.jsonl").write_text("{}\n")
    (folder / "sub").mkdir()
    (folder / "sub/s.txt").write_text("s")
    return folder


def saved(out: Path, **more: Any) -> Path:
    return save_step_manifest("step", out, HASHES, **more)


def triggers(out: Path, hashes: dict[str, str] | None = None, **more: Any) -> tuple[str, ...]:
    found = explain_step("step", out, HASHES if hashes is None else hashes, **more)
    assert found.fresh == is_step_fresh("step", out, HASHES if hashes is None else hashes, **more)
    assert bool(found.reasons) is not found.fresh
    return found.triggers


# Digests


def test_a_file_is_known_by_the_sha256_of_its_bytes(project: Path) -> None:
    path = project / "f"
    path.write_bytes(b"x" * 200_000)
    expected = hashlib.sha256(b"x" * 200_000).hexdigest()
    assert hash_file(path) == hash_file(path, chunk_size=1) == expected
    with pytest.raises(ibid.UsageError):
        hash_file(path, chunk_size=0)


def test_a_folder_is_a_sorted_mapping_of_relative_paths(project: Path) -> None:
    for name in ("b/z", "b/a", "a", "c"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    found = hash_directory(project)
    assert list(found) == ["a", "b/a", "b/z", "c"]
    assert found["b/z"] == hashlib.sha256(b"b/z").hexdigest()
    (project / "empty").mkdir()
    assert hash_directory(project / "empty") == {}


def test_a_folder_that_is_not_there_is_an_error_that_names_it(project: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        hash_directory(project / "nowhere")
    (project / "f").write_text("")
    with pytest.raises(NotADirectoryError):
        hash_directory(project / "f")


def test_hidden_names_are_passed_over_by_a_rule_that_can_be_turned_off(project: Path) -> None:
    root = project / ".hidden-root"
    for name in (".env", "a", ".d/x", "__pycache__/m.pyc", "m.pyc", ".ibid/manifests/s.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    found = hash_directory(root)
    assert list(found) == ["a"]
    assert found.skipped == (".*", "__pycache__", "*.pyc")
    everything = hash_directory(root, skip_hidden=False)
    assert list(everything) == [".d/x", ".env", "__pycache__/m.pyc", "a", "m.pyc"]
    assert everything.skipped == ()
    for hashes in (found, everything):
        path = save_step_manifest("rule", project / "o", hashes)
        assert json.loads(path.read_text())["input_skipped"] == list(hashes.skipped)
    bare = project / "bare"
    bare.mkdir()
    save_step_manifest("bare", project / "o", hash_directory(bare, skip_hidden=False))
    assert is_step_fresh("bare", project / "o", hash_directory(bare, skip_hidden=False))
    assert not is_step_fresh("bare", project / "o", hash_directory(bare))


def test_extensions_are_an_allow_list_in_any_case(project: Path) -> None:
    for name in ("UP.CSV", "low.csv", "x.txt", "y.tar.gz", "csv"):
        (project / name).write_text(name)
    (project / "empty").mkdir()
    assert list(hash_directory(project, extensions=frozenset({".csv"}))) == ["UP.CSV", "low.csv"]
    assert list(hash_directory(project, extensions=frozenset({"CSV"}))) == ["UP.CSV", "low.csv"]
    assert list(hash_directory(project, extensions=frozenset({".tar.gz"}))) == ["y.tar.gz"]
    assert hash_directory(project, extensions=frozenset()) == {}
    assert list(hash_directory(project, extensions={""})) == ["csv"]
    for text in (".csv", b".csv"):
        with pytest.raises(ibid.UsageError, match="extensions"):
            hash_directory(project, extensions=text)  # type: ignore[arg-type]


def test_links_empty_folders_and_special_files_show_up(project: Path) -> None:
    folder = project / "in"
    (folder / "d").mkdir(parents=True)
    (folder / "d/f").write_text("f")
    (folder / "empty").mkdir()
    (folder / "to-folder").symlink_to("d")
    (folder / "to-file").symlink_to("d/f")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    found = hash_directory(folder)
    digest = hash_file(folder / "d/f")
    assert found == {
        "d/f": digest,
        "dangling": "a link to nowhere, which leads nowhere",
        "empty": "an empty folder",
        "loop": "a link to loop, which leads nowhere",
        "pipe": "neither a file nor a folder",
        "to-file": digest,
        "to-folder": "a link to d",
    }
    for name in ("empty", "to-folder", "dangling"):
        before = hash_directory(folder)
        (folder / name).rmdir() if name == "empty" else (folder / name).unlink()
        assert hash_directory(folder) != before


def test_what_a_link_to_a_folder_elsewhere_leads_to_counts_and_ends(project: Path) -> None:
    (project / "in").mkdir()
    (project / "elsewhere").mkdir()
    (project / "elsewhere/x").write_text("1")
    (project / "elsewhere/back").symlink_to("../in")
    (project / "in/away").symlink_to("../elsewhere")
    (project / "in/up").symlink_to("..")
    found = hash_directory(project / "in")
    assert found["away"] == "a link to ../elsewhere"
    assert found["away/x"] == hash_file(project / "elsewhere/x")
    assert found["away/back"] == "a link to ../in"
    assert "away/back/away" not in found
    (project / "elsewhere/x").write_text("2")
    assert hash_directory(project / "in") != found


def test_what_a_link_to_a_hidden_folder_leads_to_counts_and_ends(project: Path) -> None:
    (project / ".versions/v2/inner").mkdir(parents=True)
    (project / ".versions/v2/inner/x").write_text("1")
    (project / ".versions/v2/up").symlink_to("..")
    (project / "current").symlink_to(".versions/v2")
    (project / "open").mkdir()
    (project / "again").symlink_to("open")
    found = hash_directory(project)
    assert found["current/inner/x"] == hash_file(project / "current/inner/x")
    assert found["again"] == "a link to open"
    (project / "current/inner/x").write_text("2")
    assert hash_directory(project) != found
    assert "current/inner/x" not in hash_directory(project, skip_hidden=False)


def maze(project: Path, depth: int) -> Path:
    """Makes folders that each have two links to the next, and returns the first."""
    for at in range(depth + 1):
        (project / f"maze/{at}").mkdir(parents=True)
    for at in range(depth):
        for name in "ab":
            (project / f"maze/{at}/{name}").symlink_to(project / f"maze/{at + 1}")
    (project / f"maze/{depth}/x").write_text("1")
    return project / "maze/0"


def test_ways_through_links_are_not_all_walked(project: Path) -> None:
    found = hash_directory(maze(project, 30))
    assert len(found) < 150
    assert found["a" + "/a" * 29 + "/x"] == hash_file(project / "maze/30/x")
    assert found["a/b/"] == "the folder that is listed at a"
    assert found["b/a/"] == "the folder that is listed at ../a/a"
    (project / "maze/30/x").write_text("2")
    assert hash_directory(project / "maze/0") != found


def test_a_link_that_leads_to_an_equal_folder_and_then_to_another_is_seen(project: Path) -> None:
    first = maze(project, 3)
    (project / "other").mkdir()
    (project / "now").symlink_to("maze/3")
    (project / "maze/1/c").symlink_to(project / "now")
    found = hash_directory(first)
    assert found["a/c/"] == "the folder that is listed at a/a"
    (project / "now").unlink()
    (project / "now").symlink_to("other")
    assert hash_directory(first) != found


def test_folders_behind_links_that_are_listed_elsewhere_are_outputs(
    out: Path, project: Path
) -> None:
    (project / "now").symlink_to("maze/3")
    (out / "maze").symlink_to(maze(project, 3))
    (project / "maze/1/c").symlink_to(project / "now")
    for outputs in (None, ["maze"]):
        saved(out, outputs=outputs)
        assert triggers(out, required_outputs=["maze", "maze/a/c"]) == ()
        (project / "now").unlink()
        (project / "now").symlink_to("maze/2")
        assert triggers(out) == ("outputs",)
        (project / "now").unlink()
        (project / "now").symlink_to("maze/3")
        assert triggers(out) == ()


def test_a_file_that_vanishes_during_the_walk_is_not_there(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (project / name).write_text(name)
    original = steps.hash_file

    def vanish(path: str) -> str:
        (project / "b").unlink(missing_ok=True)
        return original(path)

    monkeypatch.setattr("ibid._listing.hash_file", vanish)
    assert "b" not in hash_directory(project) or not (project / "b").exists()


def test_a_name_that_is_no_utf8_is_recorded_and_leaves_nothing_behind(out: Path) -> None:
    (out / os.fsdecode(b"\xff")).write_text("x")
    hashes = dict(hash_directory(out))
    save_step_manifest("step", out, hashes)
    assert is_step_fresh("step", out, hashes)
    assert [path.name for path in (out / ".ibid/manifests").iterdir()] == ["step.json"]


# Manifests


def test_equal_inputs_are_fresh_and_time_decides_nothing(out: Path) -> None:
    path = saved(out)
    assert path == out / ".ibid/manifests/step.json"
    assert triggers(out) == ()
    for file in (out / "r.jsonl", path):
        os.utime(file, (1, 1))
    assert triggers(out) == ()


@pytest.mark.parametrize(
    ("hashes", "named"),
    [
        ({**HASHES, "c.csv": "2" * 64}, "`c.csv` is new"),
        ({"a.csv": "0" * 64}, "`b.csv` is gone"),
        ({**HASHES, "a.csv": "3" * 64}, "`a.csv` changed"),
        ({}, "`a.csv` is gone"),
    ],
)
def test_inputs_are_compared_both_ways_and_named(
    out: Path, hashes: dict[str, str], named: str
) -> None:
    saved(out)
    assert triggers(out, hashes) == ("inputs",)
    assert named in str(explain_step("step", out, hashes))


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ({"m": "1", "n": "1"}, None),
        ({"m": "1", "n": "1"}, {}),
        ({"m": "1", "n": "1"}, {"m": "1"}),
        ({"m": "1"}, {"m": "2"}),
        ({"m": "1"}, {"m": None}),
        (None, {"z": None}),
        (None, {"z": "1"}),
        ({"z": None}, None),
    ],
)
def test_versions_are_compared_both_ways(out: Path, recorded: Any, asked: Any) -> None:
    saved(out, artifact_versions=recorded)
    assert triggers(out, artifact_versions=recorded) == ()
    assert triggers(out, artifact_versions=asked) == ("versions",)


def test_no_versions_and_an_empty_mapping_of_them_are_one(out: Path) -> None:
    path = saved(out, artifact_versions={})
    assert "artifact_versions" not in json.loads(path.read_text())
    assert "extra_metadata" not in json.loads(path.read_text())
    assert triggers(out, artifact_versions={}) == triggers(out) == ()


def empty(out: Path) -> None:
    (out / "r.jsonl").write_text("")


def remove(out: Path) -> None:
    (out / "sub/s.txt").unlink()


def replace_by_folder(out: Path) -> None:
    (out / "r.jsonl").unlink()
    (out / "r.jsonl").mkdir()


def replace_by_link(out: Path) -> None:
    (out / "r.jsonl").unlink()
    (out / "r.jsonl").symlink_to("nowhere")


@pytest.mark.parametrize("edit", [empty, remove, replace_by_folder, replace_by_link])
def test_an_output_that_is_not_as_it_was_recorded_is_not_fresh(
    out: Path, edit: Callable[[Path], None]
) -> None:
    saved(out)
    edit(out)
    assert triggers(out) == ("outputs",)


def test_required_outputs_are_names_and_patterns(out: Path) -> None:
    (out / "a[1].txt").write_text("literal")
    (out / ".dot").write_text("")
    saved(out)
    for required in ("r.jsonl", "*.jsonl", "sub", "**/*.txt", "sub/*", "a[1].txt", ".d*"):
        assert triggers(out, required_outputs=[required]) == (), required
    assert triggers(out, required_outputs=[str(out / "r.jsonl")]) == ()
    for required in ("*.csv", "none", "sub/none"):
        assert triggers(out, required_outputs=[required]) == ("outputs",), required


def test_a_required_output_that_came_later_was_never_recorded(out: Path) -> None:
    saved(out)
    (out / "late.jsonl").write_text("")
    assert triggers(out) == ()
    assert triggers(out, required_outputs=["late.jsonl"]) == ("outputs",)
    assert triggers(out, required_outputs=["*.jsonl"]) == ("outputs",)


def test_steps_that_share_a_folder_name_their_own_outputs(out: Path) -> None:
    saved(out, outputs=["*.jsonl"])
    save_step_manifest("other", out, {}, outputs=["sub"])
    (out / "sub/s.txt").write_text("changed by the other")
    assert triggers(out) == ()
    assert explain_step("other", out, {}).triggers == ("outputs",)
    with pytest.raises(ibid.UsageError, match="nothing"):
        save_step_manifest("other", out, {}, outputs=["none"])


def test_links_and_empty_folders_are_outputs_too(out: Path) -> None:
    (out / "latest").symlink_to("sub")
    (out / "none").mkdir()
    saved(out)
    assert triggers(out) == ()
    (out / "none/x").write_text("")
    assert triggers(out) == ("outputs",)
    (out / "none/x").unlink()
    (out / "latest").unlink()
    (out / "latest").symlink_to("none")
    assert triggers(out) == ("outputs",)


def test_what_a_link_that_is_named_leads_to_is_an_output(out: Path, project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "elsewhere/x").write_text("1")
    (out / "t").symlink_to("../elsewhere")
    saved(out, outputs=["t"])
    assert triggers(out, required_outputs=["t", "t/x"]) == ()
    (project / "elsewhere/x").write_text("2")
    assert triggers(out) == ("outputs",)
    (project / "elsewhere/x").write_text("1")
    assert triggers(out) == ()
    (out / "t").unlink()
    (out / "t").symlink_to(project / "elsewhere")
    assert triggers(out) == ("outputs",), "it leads there by another text"


@pytest.mark.parametrize("outputs", [None, ["."], ["./"], [""]])
def test_the_folder_itself_is_all_that_lies_in_it(out: Path, outputs: list[str] | None) -> None:
    path = saved(out, outputs=outputs)
    assert list(json.loads(path.read_text())["outputs"]) == ["r.jsonl", "sub/s.txt"]
    assert triggers(out, required_outputs=["r.jsonl", "", ".", "**", "./sub"]) == ()


def test_the_record_of_a_stage_of_the_same_name_is_told(out: Path) -> None:
    path = saved(out)
    path.write_text(json.dumps({"schema": 1, "step": "out/step"}))
    assert "a stage of the same name" in str(explain_step("step", out, HASHES))


def test_nothing_recorded_is_not_fresh(out: Path, project: Path) -> None:
    assert triggers(out) == ("new",)
    assert triggers(project / "no such folder") == ("new",)
    assert not (project / "no such folder").exists()


def test_force_and_bypass_run(out: Path) -> None:
    saved(out)
    assert triggers(out, force=True) == ("forced",)
    with ibid.bypass():
        assert triggers(out) == ("forced",)
    assert triggers(out) == ()


def edited(**fields: Any) -> Callable[[Path], None]:
    """Returns an edit of a manifest's fields; `...` takes one away."""

    def edit(path: Path) -> None:
        manifest = json.loads(path.read_text())
        for name, value in fields.items():
            manifest.pop(name) if value is ... else manifest.update({name: value})
        path.write_text(json.dumps(manifest))

    return edit


def written(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    "damage",
    [
        written(b""),
        written(b"\xff\xfe"),
        written(b"[" * 200_000),
        written(b"[]"),
        written(b"null"),
        written(b'{"manifest_version": "1.0.0"}'),
        lambda path: os.truncate(path, path.stat().st_size - 20),
        lambda path: path.write_text(path.read_text().replace("1" * 64, "2" * 64)),
        edited(manifest_version="99"),
        edited(manifest_version=1),
        edited(step_name="other"),
        edited(step_name=...),
        edited(artifact_versions=[]),
        edited(artifact_versions={}),
        edited(input_hashes=[]),
        edited(input_hashes=...),
        edited(outputs={}),
        edited(outputs=...),
        edited(check=...),
        edited(check=None),
        edited(created_at="2000-01-01"),
        edited(more=1),
        made_a_folder,
        made_a_pipe,
        made_a_loop,
    ],
)
def test_a_damaged_manifest_is_not_fresh_and_no_exception(
    out: Path, damage: Callable[[Path], object]
) -> None:
    damage(saved(out))
    assert triggers(out) == ("new",)


def test_a_whole_manifest_of_something_else_is_unusable(out: Path) -> None:
    path = saved(out)
    wrongs: list[tuple[str, object]] = [
        ("input_hashes", []),
        ("outputs", "x"),
        ("artifact_versions", [1]),
        ("manifest_version", "99"),
        ("step_name", "other"),
    ]
    for name, wrong in wrongs:
        manifest = json.loads(path.read_text())
        manifest[name] = wrong
        del manifest["check"]
        manifest["check"] = steps._check(manifest)
        path.write_text(json.dumps(manifest))
        assert triggers(out) == ("new",)
        saved(out)


def test_one_step_is_not_taken_for_another_whatever_its_name(out: Path, project: Path) -> None:
    names = ["a/b", "a", "../esc", ".", "..", "a b", "ä", "a%2Fb", "x" * 300, "x" * 301, "\udcff"]
    paths = {save_step_manifest(name, out, {"of": name}) for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {out / ".ibid/manifests"}
    assert all(is_step_fresh(name, out, {"of": name}) for name in names)
    with pytest.raises(ibid.UsageError):
        save_step_manifest("", out, {})


def test_the_manifest_is_sorted_whole_and_readable_by_the_group(out: Path) -> None:
    before = os.umask(0o027)
    try:
        path = saved(out, extra_metadata={"b": [1, {"c": None}], 3: "three"})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    manifest = json.loads(path.read_text())
    assert list(manifest) == sorted(manifest)
    assert manifest["manifest_version"] == steps.MANIFEST_VERSION == "1.0.0"
    assert manifest["extra_metadata"] == {"b": [1, {"c": None}], "3": "three"}
    assert triggers(out) == (), "numbers as names are texts in the file"


def test_a_failed_save_leaves_the_old_manifest_and_nothing_else(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(out)
    before = path.read_bytes()
    for wrong in (object(), float("nan"), {1, 2}):
        with pytest.raises(ibid.UsageError):
            saved(out, extra_metadata={"x": wrong})

    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        saved(out)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_folder_is_made_and_hashes_must_be_texts(project: Path) -> None:
    path = save_step_manifest("step", project / "new/deep", {})
    assert path.exists()
    for wrong in ([("a", "b")], {"a": 1}, {1: "a"}):
        with pytest.raises(ibid.UsageError):
            save_step_manifest("step", project, wrong)  # type: ignore[arg-type]


def test_a_manifest_is_no_part_of_what_it_records(out: Path) -> None:
    saved(out)
    saved(out)
    assert triggers(out) == ()
    assert not any(".ibid" in path for path in hash_directory(out, skip_hidden=False))


def test_reasons_are_told(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(out)
    with caplog.at_level(logging.INFO, "ibid"):
        is_step_fresh("step", out, {"a.csv": "9" * 64})
    assert "step: inputs: the input `a.csv` changed" in caplog.text


def test_threads_may_save_and_ask_at_once(out: Path) -> None:
    saved(out)
    wrong: list[tuple[str, ...]] = []

    def work() -> None:
        for _ in range(10):
            saved(out)
            wrong.extend([found] if (found := triggers(out)) else [])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
