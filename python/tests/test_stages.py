"""`ibid.stages`: stages are passed over exactly where nothing has changed."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid
from ibid import stages
from ibid.stages import Stage, compute_key, invalidate, mark_done, restore, should_skip

MODULE = "stagemod_a"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules; `stagemod_a` imports `stagemod_b`."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text("import stagemod_b\n\ndef main(): ...\n")
    (folder / "stagemod_b.py").write_text("LIMIT = 1\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def out(project: Path, code: Path) -> Iterator[Path]:
    """A folder of outputs with an input."""
    folder = project / "out"
    folder.mkdir()
    (folder / "in").write_text("A")
    yield folder
    stages._known.clear()


def stage(**fields: Any) -> Stage:
    fields = {"inputs": ("in",), "outputs": ("made",), **fields}
    return Stage(fields.pop("name", "s"), fields.pop("module", MODULE), "describes", **fields)


def make(out: Path, text: str | None = None) -> None:
    """Does what the stage does: its output says what its input is."""
    (out / "made").write_text(text or f"made of {(out / 'in').read_text()}")


def done(out: Path, of: Stage | None = None, text: str | None = None) -> Stage:
    """Runs the stage, watched."""
    of = of or stage()
    with of.run(out) as run:
        make(out, text)
    assert run.recorded
    assert run.key == of.compute_key(out)
    return of


def why(out: Path, of: Stage | None = None) -> tuple[str, ...]:
    found = (of or stage()).explain(out)
    assert found.skip == should_skip(of or stage(), out)
    assert found.skip or found.reason
    return found.triggers


def age(path: Path, seconds: float = 100) -> None:
    """Lets a file's content be older; its status cannot be."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


def settle(path: Path, nanos: int = 0) -> None:
    """Waits until a new stamp of this file system is later than all before, by so much."""
    probe = path / ".probe"
    probe.write_text("")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns <= before + nanos:
        probe.write_text("")
    probe.unlink()


# The dataclass


def test_the_fields_stand_in_the_order_that_callers_know() -> None:
    names = [field.name for field in dataclasses.fields(Stage)]
    assert names[:8] == [
        "name", "module", "description", "depends_on", "optional", "outputs", "inputs", "ttl",
    ]  # fmt: skip
    made = Stage("n", "m", "d", ("a",), True, ("o",), ("i",), 3)
    assert (made.depends_on, made.optional, made.outputs, made.inputs) == (
        ("a",),
        True,
        ("o",),
        ("i",),
    )
    assert Stage("n", "m", "d") == Stage("n", "m", "d", (), False, (), (), None)
    assert len({made, dataclasses.replace(made, params={"a": 1})}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "x"  # type: ignore[misc]
    assert ibid.Stage is Stage
    assert pickle.loads(pickle.dumps(made)) == made


def test_methods_and_functions_are_the_same(out: Path) -> None:
    s = stage()
    assert s.compute_key(out) == compute_key(s, str(out)) is not None
    assert s.should_skip(out) is should_skip(s, out) is False
    settle(out)
    make(out)
    s.mark_done(out)
    assert s.should_skip(out)
    s.invalidate(out)
    assert not should_skip(s, out)


# What is skipped


def test_a_stage_without_inputs_takes_no_part(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    s = stage(inputs=())
    make(out)
    with s.run(out) as run:
        pass
    mark_done(s, out)
    assert not run.recorded
    assert (compute_key(s, out), should_skip(s, out), restore(s, out)) == (None, False, False)
    assert not (out / ".ibid").exists()
    assert caplog.text == ""


def test_the_first_time_is_new_and_then_it_is_skipped(out: Path) -> None:
    assert why(out) == ("new",)
    done(out)
    assert why(out) == ()
    record = stage().record_path(out)
    assert record == out / ".ibid/manifests/s.json"
    assert json.loads(record.read_text())["key"] == compute_key(stage(), out)
    record.unlink()
    assert why(out) == ("new",), "a record that is deleted by hand is gone"


def test_asking_writes_nothing(out: Path, tmp_path: Path) -> None:
    def all_files() -> list[Path]:
        return sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)

    before = all_files()
    assert not should_skip(stage(), out)
    assert all_files() == before
    done(out)
    (out / "made").unlink()
    before = all_files()
    assert why(out) == ("outputs",)
    assert all_files() == before, "what the store has is brought back on request only"


def test_only_what_counts_is_in_the_key(out: Path) -> None:
    key = compute_key(stage(), out)
    assert key is not None
    same: list[dict[str, Any]] = [
        {"name": "other"}, {"depends_on": ("x",)}, {"optional": True}, {"ttl": 5},
        {"inputs": ("./in",)}, {"inputs": (str(out / "in"),)}, {"inputs": ("in", "in")},
        {"outputs": ("./made",)},
    ]  # fmt: skip
    for fields in same:
        assert compute_key(stage(**fields), out) == key, fields
    assert compute_key(dataclasses.replace(stage(), description="x"), out) == key
    (out / "b").write_text("b")
    others: list[dict[str, Any]] = [
        {"outputs": ("made", "b")}, {"outputs": ("made/",)}, {"inputs": ("in", "b")},
        {"inputs": ("b",)}, {"params": {"a": 1}}, {"params": {"a": 1.0}}, {"params": {"a": "1"}},
        {"env": ("STAGE_V",)}, {"env": {"STAGE_V": "1"}}, {"versions": {"m": "1"}},
        {"module": "stagemod_b"},
    ]  # fmt: skip
    keys = [compute_key(stage(**fields), out) for fields in others]
    assert len({key, *keys}) == len(others) + 1
    assert None not in keys
    assert compute_key(stage(inputs=("b", "in")), out) == compute_key(
        stage(inputs=("in", "b")), out
    )


def test_parameters_and_variables_are_named_when_they_change(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE_V", "1")
    s = done(out, stage(params={"a": 1}, env=("STAGE_V",), versions={"m": "1"}))
    assert why(out, s) == ()
    monkeypatch.setenv("STAGE_V", "")
    assert why(out, s) == ("env",)
    monkeypatch.delenv("STAGE_V")
    assert why(out, s) == ("env",)
    monkeypatch.setenv("STAGE_V", "1")
    assert why(out, dataclasses.replace(s, params={"a": 2})) == ("params",)
    assert why(out, dataclasses.replace(s, versions={})) == ("versions",)
    with pytest.raises(ibid.UsageError):
        compute_key(stage(params={"a": object()}), out)


def test_a_key_has_a_frame(out: Path) -> None:
    (out / "a").write_text("a")
    (out / "b").write_text("b")
    import hashlib

    digest = hashlib.sha256(b"a").hexdigest()
    odd = f"a={digest}in:{out}"
    (out / odd.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (out / odd / "b").parent.mkdir(parents=True, exist_ok=True)
    (out / odd / "b").write_text("b")
    one = compute_key(stage(inputs=("a", "b")), out)
    assert one != compute_key(stage(inputs=(f"{odd}/b",)), out)


def test_a_changed_input_is_named(out: Path) -> None:
    done(out)
    (out / "in").write_text("B")
    assert why(out) == ("inputs",)
    found = stage().explain(out)
    assert [change["component"] for change in found.changes] == ["input/in"]
    assert "input/in" in str(found)


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: os.truncate(out / "made", 0),
        lambda out: (out / "made").unlink(),
        lambda out: (out / "made").chmod(0o755),
        lambda out: ((out / "made").unlink(), (out / "made").mkdir()),
    ],
)
def test_an_output_that_is_not_as_recorded_is_not_skipped(
    out: Path, damage: Callable[[Path], object]
) -> None:
    done(out)
    damage(out)
    assert why(out) == ("outputs",)
    assert "`made`" in stage().explain(out).reason


def test_an_output_that_ends_in_a_slash_is_a_folder(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(outputs=("odir/",))
    with s.run(out) as run:
        (out / "odir").write_text("a file")
    assert not run.recorded
    assert "odir" in warnings(caplog)
    assert not should_skip(s, out)
    (out / "odir").unlink()
    with s.run(out) as run:
        (out / "odir/deep").mkdir(parents=True)
        (out / "odir/deep/x").write_text("x")
        (out / "odir/empty").mkdir()
    assert run.recorded
    assert why(out, s) == ()
    (out / "odir/deep/x").write_text("y")
    assert why(out, s) == ("outputs",)
    (out / "odir/deep/x").write_text("x")
    (out / "odir/stray").write_text("")
    assert why(out, s) == ("outputs",)
    assert restore(s, out)
    assert not (out / "odir/stray").exists()
    assert why(out, s) == ()


def test_a_folder_is_an_input(out: Path) -> None:
    (out / "data/sub").mkdir(parents=True)
    (out / "data/sub/x").write_text("1")
    s = done(out, stage(inputs=("data",)))
    assert why(out, s) == ()
    (out / "data/sub/x").write_text("2")
    assert why(out, s) == ("inputs",)
    (out / "data/sub/x").write_text("1")
    assert why(out, s) == ()
    (out / "data/.dot").write_text("")
    assert why(out, s) == ("inputs",)
    assert compute_key(stage(inputs=("data/",)), out) == compute_key(s, out)
    assert compute_key(stage(inputs=("in/",)), out) is None, "a file is no folder"


def test_a_missing_input_is_named_and_nothing_is_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(inputs=("in", "absent.csv"))
    assert compute_key(s, out) is None
    assert not should_skip(s, out)
    assert "absent.csv" in s.explain(out).reason
    make(out)
    mark_done(s, out)
    assert "absent.csv" in warnings(caplog)
    with s.run(out) as run:
        pass
    assert not run.recorded
    assert not s.record_path(out).exists()


# Code


def test_what_the_module_imports_counts(out: Path, code: Path) -> None:
    done(out)
    (code / "stagemod_b.py").write_text("LIMIT = 2\n")
    assert why(out) == ("code",)
    assert "code/stagemod_b" in stage().explain(out).reason
    (code / "stagemod_b.py").write_text("LIMIT = 1\n")
    assert why(out) == ()
    (code / "unrelated.py").write_text("x = 1\n")
    assert why(out) == ()
    assert stage().explain(out).modules == (MODULE, "stagemod_b")


def test_a_package_counts_as_a_whole_and_nothing_is_imported(out: Path, code: Path) -> None:
    package = code / "stagepkg"
    (package / "inner").mkdir(parents=True)
    (package / "namespace").mkdir()
    trap = "raise SystemExit('imported')\n"
    (package / "__init__.py").write_text(trap)
    (package / "a.py").write_text(trap + "from . import b\nfrom .inner import c\n")
    (package / "b.py").write_text(trap)
    (package / "inner/__init__.py").write_text(trap)
    (package / "inner/c.py").write_text(trap + "def f():\n    from ..namespace import d\n")
    (package / "namespace/d.py").write_text(trap)
    (package / "__main__.py").write_text(trap)
    whole = stage(module="stagepkg").explain(out)
    names = {"", ".a", ".b", ".inner", ".inner.c", ".namespace.d", ".__main__"}
    assert set(whole.modules) == {f"stagepkg{name}" for name in names}
    one = stage(module="stagepkg.a").explain(out)
    assert set(one.modules) == {f"stagepkg{name}" for name in names - {".__main__"}}
    leaf = stage(module="stagepkg.namespace.d").explain(out)
    assert leaf.modules == ("stagepkg", "stagepkg.namespace.d")
    assert not any(name.startswith("stagepkg") for name in sys.modules)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"params": {1: 1}}, "a name in `params` is 1"),
        ({"params": [1]}, "`params` is .* takes a mapping"),
        ({"versions": {"a": 1}}, r"`versions\['a'\]` is 1"),
        ({"inputs": ("\ud800",)}, "cannot be given"),
        ({"inputs": (3,)}, "a path is 3"),
        ({"outputs": 3}, "3 stands where paths"),
        ({"env": ("\ud800",)}, "cannot be given"),
        ({"module": 3}, "`module` is 3"),
    ],
)
def test_a_field_that_is_none_is_refused(out: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ibid.UsageError, match=told):
        stage(**fields).should_skip(out)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import lib.sub.deep", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import lib.sub.deep as d", {"lib", "lib.sub", "lib.sub.deep"}),
        ("from lib import sub", {"lib", "lib.sub"}),
        ("from lib import name", {"lib"}),
        ("from lib.sub import *", {"lib", "lib.sub", "lib.sub.deep"}),
        ("def f():\n  import lib", {"lib"}),
        ("class C:\n  async def f(self):\n    from lib import sub", {"lib", "lib.sub"}),
        ("try:\n  import absent\nexcept ImportError:\n  import lib", {"lib"}),
        ("import lib\nlib.sub.deep.f()", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import lib as l\nx = l.sub.y", {"lib", "lib.sub"}),
        ("from lib import sub as s\ns.deep.f", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import importlib\nimportlib.import_module('lib.sub')", {"lib", "lib.sub"}),
        ("__import__('lib')", {"lib"}),
        ("import runpy\nrunpy.run_module('lib.sub')", {"lib", "lib.sub"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import lib", set()),
        ("import typing\nif typing.TYPE_CHECKING:\n  import os\nelse:\n  import lib", {"lib"}),
        ("import os, json.decoder", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(
    out: Path, code: Path, source: str, expected: set[str]
) -> None:
    (code / "lib/sub").mkdir(parents=True)
    for name in ("lib/__init__", "lib/sub/__init__", "lib/sub/deep"):
        (code / f"{name}.py").write_text("name = 1\n")
    (code / "stagemod_c.py").write_text(source + "\n")
    found = stage(module="stagemod_c").explain(out)
    assert set(found.modules) == {"stagemod_c"} | expected
    assert found.unseen == ()


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module as load\nfrom importlib import import_module\n"
        "import_module(f'lib.{name}')",
        "__import__(name)",
        "exec(text)",
        "eval(text)",
        "import runpy\nrunpy.run_path('x.py')",
        "import importlib.util\nimportlib.util.spec_from_file_location('x', 'x.py')",
        "import pkgutil\npkgutil.walk_packages()",
        "def __getattr__(name): ...",
        "from ... import above",
    ],
)
def test_what_only_the_run_knows_is_listed(out: Path, code: Path, source: str) -> None:
    (code / "stagemod_c.py").write_text(source + "\n")
    (unseen,) = stage(module="stagemod_c").explain(out).unseen
    assert re.match(r"stagemod_c: line \d+, ", unseen)


def test_what_is_not_seen_is_told(out: Path, code: Path, caplog: pytest.LogCaptureFixture) -> None:
    (code / f"{MODULE}.py").write_text("__import__(name)\n")
    with caplog.at_level(logging.INFO, "ibid"):
        done(out)
        done(out)
    assert caplog.text.count("not seen by its key: stagemod_a: line 1, `__import__`") == 1


def test_an_optional_module_counts_once_it_is_there(out: Path, code: Path) -> None:
    (code / f"{MODULE}.py").write_text("try:\n  import stagemod_opt\nexcept ImportError: ...\n")
    done(out)
    (code / "stagemod_opt.py").write_text("")
    assert why(out) == ("code",)


def test_installed_packages_count_by_version(
    out: Path, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "venv/lib/python3/site-packages"
    (site / "stagedist").mkdir(parents=True)
    (site / "stagedist/__init__.py").write_text("import stagemod_b\n")
    info = site / "stagedist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stagedist\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("stagedist\n")
    monkeypatch.syspath_prepend(str(site))
    (code / f"{MODULE}.py").write_text("def f():\n    import stagedist.x\n")
    done(out)
    assert stage().explain(out).modules == (MODULE,)
    (site / "stagedist/__init__.py").write_text("# patched\n")
    assert why(out) == ("versions",), "nothing is recorded of its files, so they count themselves"
    done(out)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stagedist\nVersion: 1.1\n")
    assert why(out) == ("versions",)
    assert "version/package/stagedist" in stage().explain(out).reason
    found = stage(module="stagedist").explain(out)
    assert found.modules == ("stagedist",), "what is asked about counts by its source as well"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_module", "not found"),
        ("no_such.module", "not found"),
        ("sys", "no source"),
        ("_struct", "no source"),
        ("stagemod_a.below", "not found"),
        ("../stagemod_a", "not found"),
        ("", "not found"),
    ],
)
def test_a_module_without_source_is_never_skipped(
    out: Path, caplog: pytest.LogCaptureFixture, module: str, reason: str
) -> None:
    s = stage(module=module)
    make(out)
    assert compute_key(s, out) is None
    assert not should_skip(s, out)
    assert reason in s.explain(out).reason
    mark_done(s, out)
    assert reason in warnings(caplog)


def test_code_that_changes_during_the_run_is_not_recorded(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage().run(out) as run:
        make(out)
        (code / "stagemod_b.py").write_text("LIMIT = 3\n")
    assert not run.recorded
    assert "stagemod_b" in warnings(caplog)
    assert why(out) == ("new",)
    with stage().run(out) as run:
        make(out)
        (code / "stagemod_b.py").write_text("LIMIT = 4\n")
        (code / "stagemod_b.py").write_text("LIMIT = 3\n")
    assert not run.recorded, "what was loaded in between nobody knows"


def test_code_that_was_loaded_and_edited_since_is_not_recorded(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    importlib.import_module(MODULE)
    try:
        (code / f"{MODULE}.py").write_text("# what runs is what was loaded\n")
        with stage().run(out) as run:
            make(out)
        assert not run.recorded
        assert "edited since this process started" in warnings(caplog)
        monkeypatch.setitem(sys.modules, "__main__", sys.modules.pop(MODULE))
        with stage().run(out) as run:
            make(out)
        assert not run.recorded, "it runs as a script"
    finally:
        for name in (MODULE, "stagemod_b"):
            sys.modules.pop(name, None)


def test_code_that_was_loaded_by_another_name_is_the_earlier_one_too(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    (code.parent / "stageother").symlink_to("code")
    monkeypatch.syspath_prepend(str(code.parent))
    other = "stageother.stagemod_b"
    importlib.import_module(other)
    try:
        (code / "stagemod_b.py").write_text("LIMIT = 2\n")
        with stage().run(out) as run:
            make(out)
        assert not run.recorded
        assert "`stagemod_b` was edited since this process started" in warnings(caplog)
    finally:
        for name in (other, "stageother"):
            sys.modules.pop(name, None)


def test_a_link_to_code_that_was_loaded_must_be_older_than_the_process(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "stagemod_link.py").write_text(f"V = {version!r}\n")
    (tmp_path / "now").symlink_to("v1")
    monkeypatch.syspath_prepend(str(tmp_path / "now"))
    settle(tmp_path)
    (tmp_path / "started").write_text("")
    started = (tmp_path / "started").stat().st_ctime
    monkeypatch.setattr("ibid._modules._started", lambda: started)
    importlib.import_module("stagemod_link")
    try:
        s = done(out, stage(module="stagemod_link"))
        settle(tmp_path)
        (tmp_path / "now").unlink()
        (tmp_path / "now").symlink_to("v2")
        with s.run(out) as run:
            make(out)
        assert not run.recorded
        assert "edited since this process started" in warnings(caplog)
    finally:
        sys.modules.pop("stagemod_link", None)


# Inputs that change


def test_an_input_that_changes_during_the_run_is_not_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage().run(out) as run:
        make(out)
        (out / "in").write_text("B")
    assert not run.recorded
    assert "`in` changed" in warnings(caplog)
    assert not should_skip(stage(), out)
    with stage().run(out) as run:
        make(out)
        (out / "in").write_text("C")
        (out / "in").write_text("B")
    assert not run.recorded, "it may have been read in between"


def test_mark_done_declines_an_input_that_is_younger_than_the_outputs(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settle(out)
    make(out)
    settle(out)
    (out / "in").write_text("B")
    mark_done(stage(), out)
    assert "`in` changed after the outputs were written" in warnings(caplog)
    assert "stage.run" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_mark_done_is_not_deceived_by_a_stamp_that_is_set_back(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settle(out)
    make(out)
    settle(out)
    (out / "in").write_text("B")
    age(out / "in")
    mark_done(stage(), out)
    assert "`in` changed" in warnings(caplog)


def test_mark_done_looks_at_every_output_and_every_input(out: Path) -> None:
    (out / "data").mkdir()
    (out / "data/x").write_text("1")
    s = stage(inputs=("data",), outputs=("made", "second"))
    settle(out)
    make(out)
    settle(out)
    (out / "data/x").write_text("2")
    settle(out)
    (out / "second").write_text("written in time")
    mark_done(s, out)
    assert not s.record_path(out).exists()
    make(out)
    mark_done(s, out)
    assert should_skip(s, out)
    settle(out)
    (out / "data/x").unlink()
    mark_done(s, out)
    assert not should_skip(s, out)


def test_mark_done_looks_at_the_code_too(out: Path, code: Path) -> None:
    settle(out)
    make(out)
    settle(out)
    (code / "stagemod_b.py").write_text("LIMIT = 4\n")
    mark_done(stage(), out)
    assert not stage().record_path(out).exists()


@pytest.mark.parametrize("swap", ["link", "folder"])
def test_mark_done_looks_at_the_way_to_the_code(
    out: Path, tmp_path: Path, swap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("v1", "v2"):
        (tmp_path / "lib" / version).mkdir(parents=True)
        (tmp_path / "lib" / version / "stagemod_way.py").write_text(f"V = {version!r}\n")
    (tmp_path / "lib/now").symlink_to("v1")
    monkeypatch.syspath_prepend(str(tmp_path / "lib/now"))
    s = stage(module="stagemod_way")
    settle(out)
    make(out)
    settle(out)
    if swap == "link":
        (tmp_path / "lib/now").unlink()
        (tmp_path / "lib/now").symlink_to("v2")
    else:
        (tmp_path / "lib/v1").rename(tmp_path / "lib/old")
        (tmp_path / "lib/v2").rename(tmp_path / "lib/v1")
    mark_done(s, out)
    assert not s.record_path(out).exists()
    make(out)
    mark_done(s, out)
    assert should_skip(s, out)


def test_mark_done_looks_at_the_way_to_the_inputs(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("data", "data2"):
        (out / name).mkdir()
        (out / name / "f").write_text(name)
    s = stage(inputs=("data/f",))
    settle(out)
    make(out)
    settle(out)
    (out / "data").rename(out / "old")
    (out / "data2").rename(out / "data")
    mark_done(s, out)
    assert "`data` changed after the outputs were written" in warnings(caplog)
    assert not s.record_path(out).exists()


def test_mark_done_declines_a_folder_whose_stamp_cannot_tell(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (out / "gone").write_text("x")
    s = stage(inputs=("./",))
    settle(out)
    make(out)
    settle(out)
    (out / "gone").unlink()
    mark_done(s, out)
    assert "stage.run" in warnings(caplog)
    assert not s.record_path(out).exists()


def test_mark_done_knows_what_should_skip_saw(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not should_skip(stage(), out)
    (out / "in").write_text("B")
    settle(out)
    make(out, "made of what was read before")
    mark_done(stage(), out)
    assert "`input/in` changed since `should_skip` was asked" in warnings(caplog)
    assert not should_skip(stage(), out)
    make(out)
    mark_done(stage(), out)
    assert should_skip(stage(), out)
    (out / "in").unlink()
    assert not should_skip(stage(), out)
    (out / "in").write_text("C")
    settle(out)
    make(out)
    mark_done(stage(), out)
    assert should_skip(stage(), out), "what was asked before the last question is forgotten"


def test_a_link_on_the_way_that_leads_elsewhere_is_a_change(out: Path) -> None:
    for name in ("v1", "v2"):
        (out / name).mkdir()
        (out / name / "x").write_text(name)
    (out / "now").symlink_to("v1")
    s = stage(inputs=("now/x",))
    settle(out)
    make(out)
    settle(out)
    (out / "now").unlink()
    (out / "now").symlink_to("v2")
    mark_done(s, out)
    assert not s.record_path(out).exists()


def test_mark_done_cannot_tell_when_a_stage_without_outputs_ran(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(outputs=())
    mark_done(s, out)
    assert "no output that tells when" in warnings(caplog)
    with s.run(out) as run:
        pass
    assert run.recorded
    assert should_skip(s, out)


def test_a_failed_stage_is_not_recorded(out: Path) -> None:
    done(out)
    (out / "in").write_text("B")

    def fail() -> None:
        make(out)
        raise KeyError

    run = stage().run(out)
    with pytest.raises(KeyError), run:
        fail()
    assert not run.recorded
    assert why(out) == ("inputs",)


def test_a_run_that_is_entered_again_begins_anew(out: Path) -> None:
    run = stage().run(out)
    with run:
        make(out)
    assert run.recorded
    (out / "in").unlink()
    with pytest.raises(KeyError), run:
        raise KeyError
    assert not run.recorded
    assert run.key is None


def test_a_run_that_leaves_an_output_out_is_not_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage(outputs=("made", "second")).run(out) as run:
        make(out)
    assert not run.recorded
    assert "`second` is missing" in warnings(caplog)


# Time to live


def test_an_age_of_exactly_the_ttl_is_stale_and_zero_always(out: Path) -> None:
    s = done(out, stage(ttl=0))
    assert why(out, s) == ("ttl",)
    assert why(out, dataclasses.replace(s, ttl=1000)) == ()
    assert why(out, dataclasses.replace(s, ttl=None)) == ()
    with pytest.raises(ibid.UsageError):
        compute_key(stage(ttl=-1), out)


def test_the_time_of_the_record_is_inside_it(out: Path) -> None:
    s = done(out, stage(ttl=0))
    record = s.record_path(out)
    future = time.time() + 1000
    for stamp in (future, time.time()):
        os.utime(record, (stamp, stamp))
        assert why(out, s) == ("ttl",), "touching a record renews nothing"
    copied = record.read_bytes()
    record.unlink()
    record.write_bytes(copied)
    age(record, 10_000)
    assert why(out, dataclasses.replace(s, ttl=1000)) == ()


def test_a_hit_does_not_renew_and_a_run_does(out: Path) -> None:
    s = done(out, stage(ttl=1000))
    record = s.record_path(out)
    first = record.read_bytes()
    assert should_skip(s, out)
    mark = json.loads(first)["finished"]
    assert record.read_bytes() == first
    done(out, s, "made anew")
    again = json.loads(record.read_text())
    assert again["finished"] > mark
    assert again["outputs"] != json.loads(first)["outputs"]
    assert should_skip(s, out)
    assert restore(s, out)
    assert (out / "made").read_text() == "made anew", "the later outputs are those of the key"


# Records


def made_a_pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.write_bytes(b"\xff\xfe"),
        lambda record: record.write_bytes(b""),
        lambda record: record.write_bytes(b"[" * 200_000),
        lambda record: os.truncate(record, record.stat().st_size // 2),
        lambda record: record.write_text(record.read_text().replace('"schema": 1', '"schema": 2')),
        lambda record: record.write_text(record.read_text().replace('"size": 9', '"size": 8')),
        lambda record: (record.unlink(), record.mkdir()),
        made_a_pipe,
        lambda record: (record.rename(record.with_suffix(".x")), record.symlink_to("s.x")),
    ],
)
def test_a_damaged_record_is_a_run_with_a_reason(
    out: Path, damage: Callable[[Path], object]
) -> None:
    s = done(out)
    damage(s.record_path(out))
    assert why(out) == ("new",)
    assert "cannot be used" in s.explain(out).reason


def test_a_record_lies_in_its_folder_whatever_its_name(out: Path, tmp_path: Path) -> None:
    names = ["../../../esc", "a/b", ".", "..", "a b", "ä", "x" * 300, "x" * 301, "\udcff"]
    made = [done(out, stage(name=name)) for name in names]
    records = {s.record_path(out) for s in made}
    assert len(records) == len(names)
    assert {record.parent for record in records} == {out / ".ibid/manifests"}
    assert all(record.exists() for record in records)
    assert all(should_skip(s, out) for s in made)
    assert not list(tmp_path.glob("**/esc*"))
    with pytest.raises(ibid.UsageError):
        compute_key(stage(name=""), out)


def test_a_whole_tree_may_move(out: Path, project: Path) -> None:
    (out / "sub").mkdir()
    (out / "sub/x").write_text("x")
    s = done(out, stage(inputs=("in", "sub/x")))
    out.rename(project / "moved")
    assert should_skip(s, project / "moved")
    absolute = stage(inputs=(str(project / "moved/in"), "sub/x"))
    assert should_skip(absolute, project / "moved")
    (project / "link").symlink_to("moved")
    assert should_skip(stage(inputs=(str(project / "link/in"), "sub/x")), project / "link")
    shutil.copytree(project / "moved", project / "copy")
    assert should_skip(s, project / "copy")


def test_paths_outside_of_the_folder_stay(out: Path, project: Path) -> None:
    (project / "raw").write_text("1")
    for path in ("../raw", str(project / "raw")):
        s = done(out, stage(inputs=(path,)))
        assert why(out, s) == ()
        (project / "raw").write_text("2")
        assert why(out, s) == ("inputs",)
        (project / "raw").write_text("1")


# The store


def test_outputs_of_inputs_that_are_back_can_be_restored(out: Path) -> None:
    s = done(out)
    (out / "in").write_text("B")
    done(out)
    assert (out / "made").read_text() == "made of B"
    (out / "in").write_text("A")
    assert why(out) == ("inputs",), "there is one record, and it is of B"
    assert s.restore(out)
    assert (out / "made").read_text() == "made of A"
    assert why(out) == ()
    (out / "made").unlink()
    assert restore(s, out)
    assert (out / "made").read_text() == "made of A"
    (out / "in").write_text("C")
    assert not restore(s, out), "nothing is known of C"
    assert (out / "made").read_text() == "made of A"


def test_a_restore_brings_outputs_to_a_fresh_copy(out: Path, project: Path) -> None:
    s = done(out)
    fresh = project / "fresh"
    fresh.mkdir()
    shutil.copy(out / "in", fresh)
    assert why(fresh, s) == ("new",)
    assert restore(s, fresh)
    assert (fresh / "made").read_text() == "made of A"
    assert should_skip(s, fresh)


def test_a_record_holds_without_the_cache(out: Path, tmp_path: Path) -> None:
    s = done(out)
    shutil.rmtree(tmp_path / "cache")
    assert why(out) == ()
    (out / "made").unlink()
    assert not restore(s, out)
    assert not (out / "made").exists()


def test_what_is_invalidated_runs_and_is_not_restored(out: Path) -> None:
    s = done(out)
    invalidate(s, out)
    assert not s.record_path(out).exists()
    assert why(out) == ("new",)
    assert not restore(s, out)
    invalidate(s, out)
    invalidate(s, out / "absent")
    done(out)
    assert why(out) == ()
    assert restore(s, out)


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda record: record.write_text("damaged")], ids=["gone", "damaged"]
)
def test_what_is_invalidated_without_its_record_is_not_restored(
    out: Path, damage: Callable[[Path], object]
) -> None:
    s = done(out)
    damage(s.record_path(out))
    invalidate(s, out)
    assert not s.record_path(out).exists()
    assert not restore(s, out)


def test_a_result_is_invalidated_though_its_folder_is_gone(out: Path, project: Path) -> None:
    (project / "raw").write_text("1")
    s = done(out, stage(inputs=(str(project / "raw"),)))
    shutil.rmtree(out)
    invalidate(s, out)
    assert not out.exists()
    out.mkdir()
    assert not restore(s, out)


def test_the_command_line_knows_stages(out: Path, ibid_command: Ibid) -> None:
    done(out)
    assert "out/s" in ibid_command("log")
    (out / "in").write_text("B")
    done(out)
    told = json.loads(ibid_command("why", "out/s", "--json"))
    assert told["triggers"] == ["inputs"]
    ibid_command("invalidate", "out/s")
    assert why(out) == ("forced",)
    assert "made" in ibid_command("cite", "out/made")


def test_nothing_is_skipped_or_recorded_in_a_bypass(out: Path) -> None:
    s = done(out)
    first = s.record_path(out).read_bytes()
    with ibid.bypass():
        assert why(out) == ("forced",)
        assert not restore(s, out)
        with s.run(out) as run:
            make(out, "other")
        mark_done(s, out)
    assert not run.recorded
    assert s.record_path(out).read_bytes() == first
    assert why(out) == ("outputs",)


def test_a_cache_that_is_off_records_nothing_quietly(
    out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done(out)
    monkeypatch.setenv("IBID_MODE", "off")
    assert why(out) == ("forced",)
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert warnings(caplog) == ""


def test_a_cache_that_cannot_be_written_is_a_warning(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file")
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert "cannot be written" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_a_folder_that_takes_no_record_has_none(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (out / ".ibid").write_text("a file")
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert "manifest" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_reasons_are_told(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ibid"):
        should_skip(stage(), out)
        done(out)
        assert not should_skip(stage(), out, force=True)
    assert "s: new: nothing is on record" in caplog.text
    assert "s: forced" in caplog.text


def test_stages_run_in_threads(out: Path) -> None:
    def work(name: str) -> None:
        s = stage(name=name, outputs=(name,))
        for _ in range(3):
            assert not s.should_skip(out)
            with s.run(out) as run:
                (out / name).write_text(name)
            assert run.recorded
            assert s.should_skip(out)
            assert s.restore(out)
            s.invalidate(out)

    failed: list[BaseException] = []

    def guarded(name: str) -> None:
        try:
            work(name)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(f"t{at}",)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_script_may_hold_its_stages(out: Path, project: Path) -> None:
    script = project / "pipeline.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom ibid import Stage\n"
        "s = Stage('s', __name__, '', inputs=('in',), outputs=('made',))\n"
        "out = Path('out')\n"
        "if s.should_skip(out): sys.exit(7)\n"
        "with s.run(out) as run: (out / 'made').write_text('x')\n"
        "assert run.recorded\n"
    )
    # Stamps have to tell that it was written before the process started.
    settle(project, 50_000_000)
    run = [sys.executable, str(script)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    codes = [subprocess.run(run, env=env, check=False).returncode for _ in range(2)]
    assert codes == [0, 7]
    script.write_text(script.read_text() + "# edited\n")
    settle(project, 50_000_000)
    assert subprocess.run(run, env=env, check=False).returncode == 0
