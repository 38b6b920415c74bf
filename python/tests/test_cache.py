"""`ibid.Cache`: results by their specs, without what goes wrong where the entry is the result."""

from __future__ import annotations

import dataclasses
import enum
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid

Spec = dict[str, Any]


def save_tree(value: list[int], path: Path) -> None:
    """Writes a folder as recordings are: small files, dotfiles, empty folders, and a sibling."""
    assert not path.exists()
    path.mkdir()
    (path / ".zgroup").write_text("{}")
    (path / "empty").mkdir()
    for at, number in enumerate(value):
        (path / f"{at}.chunk").write_text(str(number))
    (path.parent / "sibling.tmp").write_text("not a part of it")


def load_tree(path: Path) -> list[int]:
    """Reads what `save_tree` wrote, and takes a missing chunk for zero, as zarr does."""
    assert (path / ".zgroup").read_text() == "{}"
    assert (path / "empty").is_dir()
    chunks = [path / f"{at}.chunk" for at in range(3)]
    return [int(chunk.read_text()) if chunk.exists() else 0 for chunk in chunks]


class Counting:
    """A computation that counts its calls outside of what it consists of."""

    def __init__(self, project: Path) -> None:
        self._calls = project / "calls"

    def __call__(self, spec: Spec) -> list[int]:
        with open(self._calls, "a") as calls:
            calls.write(".")
        return [spec["a"], spec["a"] + 1, spec["a"] + 2]

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._calls.read_text()) if self._calls.exists() else 0


@pytest.fixture
def compute(project: Path) -> Counting:
    """A computation of three numbers."""
    return Counting(project)


def recall(compute: Counting, a: int = 1, **more: Any) -> list[int]:
    """Asks for one result."""
    cache = ibid.Cache(suffix=".zarr", **more)
    return cache.get_or_compute({"a": a}, compute, save_tree, load_tree)


def view(compute: Counting, a: int = 1) -> Path:
    """Returns where a result stands."""
    return ibid.Cache(suffix=".zarr").path({"a": a}, compute)


def test_an_equal_spec_is_computed_once(compute: Counting) -> None:
    path = view(compute)
    assert path.suffix == ".zarr"
    assert not path.exists()
    assert recall(compute) == [1, 2, 3]
    assert sorted(p.name for p in path.iterdir())[:2] == [".zgroup", "0.chunk"]
    assert recall(compute) == [1, 2, 3]
    assert recall(compute, 5) == [5, 6, 7]
    assert compute.calls == 2
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_stands_in_a_view_is_never_believed(compute: Counting) -> None:
    recall(compute)
    recall(compute, 5)
    one, five = view(compute), view(compute, 5)
    (one / "0.chunk").unlink()
    assert recall(compute) == [1, 2, 3]
    (one / "0.chunk").write_text("77")
    assert recall(compute) == [1, 2, 3]
    one.rename(one.with_name("kept"))
    shutil.copytree(five, one)
    assert recall(compute) == [1, 2, 3]
    shutil.rmtree(one.parent)
    assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damage_of_the_store_is_a_miss(compute: Counting, tmp_path: Path, damage: str) -> None:
    recall(compute)
    shutil.rmtree(view(compute).parent)
    for blob in (tmp_path / "cache/v1/blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o600)
            blob.unlink() if damage == "gone" else blob.write_bytes(b"")
    assert recall(compute) == [1, 2, 3]
    assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2


def test_a_load_that_fails_is_a_miss_that_heals(
    compute: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ibid.Cache()
    spec = {"a": 1}
    ours = cache.get_or_compute(spec, compute, lambda v, p: p.write_text("v1"), lambda p: [0])

    def load(path: Path) -> list[int]:
        if path.read_text() != "v2":
            raise ValueError("unknown format")
        return [42]

    strict = ibid.Cache(strict=True)
    with pytest.raises(ValueError, match="unknown format"):
        strict.get_or_compute(spec, compute, lambda v, p: p.write_text("v2"), load)
    fresh = cache.get_or_compute(spec, compute, lambda v, p: p.write_text("v2"), load)
    assert ours == fresh == [1, 2, 3]
    assert compute.calls == 2
    assert "unknown format" in caplog.text
    assert cache.get_or_compute(spec, compute, lambda v, p: None, load) == [42]


def test_what_is_raised_comes_through_and_nothing_is_stored(compute: Counting) -> None:
    def failing(kind: type[BaseException]) -> Callable[[Spec], None]:
        def fail(spec: Spec) -> None:
            compute(spec)
            raise kind("told")

        return fail

    cache = ibid.Cache()
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        for _ in range(2):
            with pytest.raises(kind, match="told"):
                cache.get_or_compute({"a": 1}, failing(kind))
    assert compute.calls == 6
    with pytest.raises(ibid.UsageError, match="made nothing"):
        cache.get_or_compute({"a": 1}, compute, lambda v, p: None, lambda p: [0])


def test_one_of_many_processes_computes(project: Path) -> None:
    (project / "sweep.py").write_text(
        "import ibid, os, sys, time\n"
        "def simulate(spec):\n"
        "    with open(f'ran-{spec[\"seed\"]}-{os.getpid()}', 'w'): pass\n"
        "    return list(range(spec['seed'], 1000))\n"
        "for seed in range(5):\n"
        "    value = ibid.Cache().get_or_compute({'seed': seed}, simulate)\n"
        "    assert value == list(range(seed, 1000))\n"
    )
    several = [subprocess.Popen([sys.executable, "sweep.py"]) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    assert len(list(project.glob("ran-*"))) == 5


def test_a_function_may_ask_for_other_results(compute: Counting) -> None:
    cache = ibid.Cache()

    def sums(spec: Spec) -> int:
        inner = [cache.get_or_compute({"a": a}, compute) for a in range(spec["n"])]
        echoed = ibid.run("echo 1", inputs=[], capture_output=True)
        return sum(map(sum, inner)) + int(echoed.stdout or 0)

    for _ in range(2):
        assert ibid.Cache(code="sums").get_or_compute({"n": 2}, sums) == 10
    assert compute.calls == 2


def test_one_of_many_threads_computes(compute: Counting) -> None:
    ready = threading.Barrier(4)
    values: list[list[int]] = []

    def ask() -> None:
        ready.wait()
        values.append(recall(compute))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [[1, 2, 3]] * 4
    assert compute.calls == 1


def test_bypassed_forced_or_stale_it_is_computed(compute: Counting) -> None:
    recall(compute)
    with ibid.bypass():
        assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2
    ibid.Cache(suffix=".zarr").get_or_compute({"a": 1}, compute, save_tree, load_tree, force=True)
    assert compute.calls == 3
    assert recall(compute, ttl=0) == [1, 2, 3]
    assert compute.calls == 4
    assert recall(compute, ttl=3600) == [1, 2, 3]
    assert compute.calls == 4


def test_the_root_is_the_argument_the_variable_or_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compute: Counting
) -> None:
    def below(**roots: Any) -> str:
        return str(ibid.Cache(**roots).path({"a": 1}, compute).parents[3])

    home = tmp_path / "home"
    assert below() == str(tmp_path / "cache")
    assert below(env="MINE") == str(tmp_path / "cache")
    monkeypatch.setenv("MINE", "")
    assert below(env="MINE") == str(tmp_path / "cache")
    monkeypatch.setenv("MINE", "~/mine")
    assert below(env="MINE") == str(home / "mine")
    assert below(root="~/given", env="MINE") == str(home / "given")
    monkeypatch.delenv("IBID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert below() == str(home / "xdg/ibid")


def test_a_cache_that_cannot_be_used_costs_a_warning(
    compute: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert recall(compute, root=tmp_path / "file") == [1, 2, 3]
    assert recall(compute, root=tmp_path / "file") == [1, 2, 3]
    assert compute.calls == 2
    assert "WARNING" in {record.levelname for record in caplog.records}


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: float
    color: Color = Color.RED


@dataclasses.dataclass
class Place:
    """Another of the same fields."""

    x: float
    color: Color = Color.RED


class Model:
    """As much of a pydantic model as is used."""

    def __init__(self, x: int) -> None:
        self.x = x

    def model_dump(self, mode: str) -> dict[str, float]:
        assert mode == "json"
        return {"x": float(self.x)}


class Scalar:
    """As much of a number of numpy as is used."""

    __module__ = "numpy"
    ndim = 0

    def __init__(self, value: float) -> None:
        self._value = value

    def item(self) -> float:
        return self._value


def test_specs_are_told_apart_as_data_is(compute: Counting) -> None:
    cache = ibid.Cache()
    specs: list[Any] = [
        {"x": 1.0},
        {"x": 1},
        {"x": "1"},
        {"x": True},
        {"x": None},
        {"x": -0.0},
        {"x": 0.0},
        {},
        [1],
        Point(1.0),
        Place(1.0),
        Point(1.0, Color.BLUE),
        Model(1),
        Scalar(1.0),
        Scalar(1),
        {"é": 2**70},
    ]
    keys = [cache.key(spec, compute) for spec in specs]
    assert len(set(keys)) == len(specs)
    assert cache.key({"a": 1, "b": (1, 2)}, compute) == cache.key({"b": [1, 2], "a": 1}, compute)
    assert cache.key(Model(1), compute) == cache.key(Model(True), compute)
    assert cache.key(Point(1.0), compute) == cache.key(Point(1.0, Color.RED), compute)
    assert len(keys[0]) == len("blake3:") + 64


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"a": [object()]}, r"spec\['a'\]\[0\]. is a .builtins.object"),
        ({"a": {1}}, "builtins.set"),
        ({1: 2}, "the name 1"),
        (float("inf"), "is inf"),
        ({"__ibid_type__": "x"}, "which is taken"),
    ],
)
def test_a_spec_without_a_form_is_refused_by_its_place(
    spec: Any, named: str, compute: Counting
) -> None:
    with pytest.raises(ibid.UsageError, match=named):
        ibid.Cache().get_or_compute(spec, compute)
    assert compute.calls == 0


def test_plain_data_needs_neither_save_nor_load(compute: Counting) -> None:
    cache = ibid.Cache()
    data = {"numbers": [1, 1.0, -0.0, 2**70], "text": "é", "none": None}
    for _ in range(2):
        found = cache.get_or_compute({"a": 1}, lambda _: data)
        assert repr(found) == repr(data)
    with pytest.raises(ibid.UsageError, match="not the same"):
        cache.get_or_compute({"a": 1}, lambda _: (1, 2))
    with pytest.raises(ibid.UsageError, match="belong together"):
        cache.get_or_compute({"a": 1}, compute, save_tree)


def test_versions_and_a_text_stand_for_code(compute: Counting) -> None:
    def other(spec: Spec) -> list[int]:
        return [0, 0, spec["a"]]

    plain = ibid.Cache().key({}, compute)
    assert ibid.Cache(versions={"model": "2"}).key({}, compute) != plain
    assert ibid.Cache(code="v1").key({}, compute) != plain
    assert ibid.Cache(code="v1").key({}, compute) != ibid.Cache(code="v2").key({}, compute)
    assert ibid.Cache().key({}, other) != plain


def test_the_command_line_explains_a_function(
    project: Path, ibid_command: Ibid, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ibid")

    def scaled(factor: int) -> Callable[[Spec], Any]:
        return lambda spec: {"scaled": spec["a"] * factor}

    cache = ibid.Cache(app="study")
    for factor in (2, 3):
        cache.get_or_compute({"a": 1}, scaled(factor))
    assert "code changed" in caplog.text
    cache.get_or_compute({"a": 2}, scaled(3))
    text = ibid_command("why")
    assert "study/test_cache.test_the_command_line_explains_a_function" in text
    assert "spec" in text
    assert os.fspath(project) not in text
    ibid_command("fsck")
