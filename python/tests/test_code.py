"""What of a function is in its key: whatever changes what it computes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from ibid import _code

BASE = """
    import math
    LEAST = 2
    TABLE = {"a": [1, 2]}

    def helper(x, power=2):
        return x ** power + LEAST

    def unused(x):
        return x

    class Solver:
        tolerance = 0.1
        def step(self, x):
            return helper(x) * self.tolerance
        @staticmethod
        def start():
            return 0
        @property
        def twice(self):
            return self.tolerance * 2

    class Better(Solver):
        pass

    def make(k):
        def inner(x):
            return x * k
        return inner

    first, second = make(1), make(2)
    one = lambda x: x + 1
    two = lambda x: x + 2
    solver = Better()
    OPEN = object()

    def decorate(function):
        import functools
        @functools.wraps(function)
        def around(*args):
            return function(*args)
        return around

    @decorate
    def compute(spec):
        '''Says what it does.'''
        from other import far
        return [
            solver.step(spec), Better().twice, first(1), second(2), one(1), two(2),
            far(3), TABLE["a"], math.sqrt(2), Solver.start(), OPEN,
        ]
"""

OTHER = """
    def far(x):
        return near(x)
    def near(x):
        return x
"""


@pytest.fixture(autouse=True)
def other() -> Iterator[None]:
    """Leaves no module behind."""
    yield
    for name in ("study", "other"):
        sys.modules.pop(name, None)


def define(name: str, source: str) -> types.ModuleType:
    """Makes a module of the project."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(dedent(source), f"{name}.py", "exec"), vars(module))
    return module


def texts(source: str = BASE, other: str = OTHER) -> dict[str, bytes]:
    """Returns what `compute` consists of."""
    define("other", other)
    return _code.of(define("study", source).compute).texts


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LEAST = 2", "LEAST = 3"),
        ("LEAST = 2", "LEAST = 2.0"),
        ('"a": [1, 2]', '"a": [1, 3]'),
        ("x ** power + LEAST", "x ** power - LEAST"),
        ("power=2", "power=3"),
        ("tolerance = 0.1", "tolerance = 0.2"),
        ("return 0", "return 1"),
        ("self.tolerance * 2", "self.tolerance * 3"),
        ("class Better(Solver):", "class Better:"),
        ("make(1), make(2)", "make(1), make(3)"),
        ("make(1), make(2)", "make(2), make(1)"),
        (
            "one = lambda x: x + 1\n    two = lambda x: x + 2",
            "two, one = lambda x: x + 1, lambda x: x + 2",
        ),
        ("return x * k", "return x + k"),
        ("math.sqrt(2)", "math.sqrt(3)"),
        ("math.sqrt(2)", "math.exp(2)"),
        ("return function(*args)", "return function(*args[:1])"),
        ("solver = Better()", "solver = Solver()"),
        ("solver = Better()", "solver = Better(); solver.tolerance = 7"),
        ("first(1), second(2)", "second(1), first(2)"),
        ("Says what", "Tells what"),
    ],
)
def test_what_changes_the_result_changes_the_code(old: str, new: str) -> None:
    assert old in BASE
    assert texts(BASE.replace(old, new)) != texts()


def test_what_a_function_imports_is_a_part_of_it() -> None:
    before = texts()
    assert texts(other=OTHER.replace("return x\n", "return x + 1\n")) != before
    assert texts(other=OTHER.replace("return near(x)", "return near(x) + 1")) != before
    assert texts(other=OTHER + "    unrelated = 1\n") == before


def test_neither_comments_nor_formatting_nor_strangers_count() -> None:
    before = texts()
    assert texts() == before
    assert texts("\n\n# A comment.\n" + dedent(BASE)) == before
    assert texts(BASE.replace("x ** power + LEAST", "(x**power  +  LEAST)  # why")) == before
    assert (
        texts(BASE.replace("def unused(x):\n        return x", "def unused(y):\n        return 2"))
        == before
    )


def test_the_code_that_is_loaded_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    define("other", OTHER)
    study = define("study", BASE)
    before = _code.of(study.compute).texts
    monkeypatch.setattr(study, "helper", lambda x: 0)
    assert _code.of(study.compute).texts != before


def test_a_function_of_others_put_into_a_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    define("other", OTHER)
    study = define("study", BASE)
    before = _code.of(study.compute).texts
    monkeypatch.setattr("math.sqrt", study.unused)
    assert _code.of(study.compute).texts != before


def test_what_has_no_form_is_told() -> None:
    define("other", OTHER)
    study = define("study", BASE.replace("OPEN = object()", "OPEN = open('/dev/null')"))
    assert _code.of(study.compute).unseen == []
    study = define("study", BASE.replace("OPEN = object()", "OPEN = (n for n in (1, 2))"))
    assert _code.of(study.compute).unseen == []
    study = define(
        "study",
        "import sqlite3\nDB = sqlite3.connect(':memory:')\ndef compute(s):\n    return DB\n",
    )
    assert _code.of(study.compute).unseen == ["a sqlite3.Connection"]


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_keys_are_the_same_in_every_process(seed: str, project: Path) -> None:
    (project / "other.py").write_text(dedent(OTHER))
    (project / "study.py").write_text(
        dedent(BASE) + "\nNAMES = {'b', 'a', 'c'}\n"
        "def everything(spec):\n    return compute(spec), NAMES\n"
    )
    code = "import ibid, study; print(ibid.Cache().key({}, study.everything))"
    words = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": f"{':'.join(sys.path)}:{project}"}
    keys = {
        subprocess.run(
            words, env={**env, "PYTHONHASHSEED": other}, capture_output=True, check=True
        ).stdout
        for other in (seed, "random")
    }
    assert len(keys) == 1


def test_of_a_package_name_and_version_count_and_not_its_code(project: Path) -> None:
    site = project / "site-packages"
    package = site / "simulator"
    package.mkdir(parents=True)

    def key(version: str, body: str) -> bytes:
        for stale in site.glob("*.dist-info"):
            for file in stale.iterdir():
                file.unlink()
            stale.rmdir()
        info = site / f"the_simulator-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: the-simulator\nVersion: {version}\n"
        )
        (info / "top_level.txt").write_text("simulator\n")
        (package / "__init__.py").write_text(f"def simulate(spec):\n    return {body}\n")
        code = (
            "import ibid, simulator\n"
            "def compute(spec): return simulator.simulate(spec)\n"
            "cache = ibid.Cache()\n"
            "print(cache.key({}, compute), cache.key({}, simulator.simulate))"
        )
        env = {
            **os.environ,
            "PYTHONPATH": f"{':'.join(sys.path)}:{site}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, check=True
        )
        return done.stdout

    first = key("1.0", "1")
    assert key("1.0", "2") == first
    one, other = first.split(), key("1.1", "1").split()
    assert one[0] != other[0]
    assert one[1] != other[1]
