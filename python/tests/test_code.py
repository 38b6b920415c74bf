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


EVERYTHING = """
    import abc, dataclasses, enum, functools, logging, re, threading, types
    from study import compute

    class Color(enum.Enum):
        RED = "r"
        BLUE = "b"
        GREEN = "g"

    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self): ...
        @abc.abstractmethod
        def name(self): ...

    @dataclasses.dataclass(frozen=True)
    class Point:
        x: int = 1
        tags: frozenset = frozenset({"a", "b", "c"})

    @functools.singledispatch
    def single(x): return 1

    @single.register
    def _(x: int): return 2

    NAMES = {"b", "a", "c"}
    FUNCTIONS = {single, compute, len, Point, Shape}
    MEMBERS = frozenset(Color)
    POINTS = {Point(1), Point(2), Point(3)}
    HELD = types.SimpleNamespace(names={"a", "b", "c", "d"}, lock=threading.Lock())
    LOG, PATTERN = logging.getLogger("x"), re.compile("a|b")

    def everything(spec):
        '''Names all of it.'''
        return compute(spec), NAMES, FUNCTIONS, MEMBERS, POINTS, HELD, LOG, PATTERN
"""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_keys_are_the_same_in_every_process(seed: str, project: Path) -> None:
    for name, source in (("other", OTHER), ("study", BASE), ("everything", EVERYTHING)):
        (project / f"{name}.py").write_text(dedent(source))
    code = (
        "import ibid\n"
        "from everything import everything\n"
        "from ibid import _code\n"
        "assert _code.of(everything).unseen == []\n"
        "print(ibid.Cache().key({}, everything))"
    )
    words = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": f"{':'.join(sys.path)}:{project}"}
    keys = {
        subprocess.run(
            words, env={**env, "PYTHONHASHSEED": other}, capture_output=True, check=True
        ).stdout
        for other in (seed, "random")
    }
    assert len(keys) == 1


PYDANTIC = """
    class Decorator:
        def __init__(self, cls_ref, func):
            self.cls_ref, self.func = cls_ref, func

    Decorator.__module__ = "pydantic._internal._decorators"

    def check(value):
        return value

    class Model:
        '''As much of a model as differs in each process.'''
        model_config = {"frozen": True}
        __pydantic_fields__ = {"x": 1}
        __pydantic_core_schema__ = {"ref": IDENTITY}
        __pydantic_validator__ = [IDENTITY]
        __pydantic_decorators__ = [Decorator(IDENTITY, check)]

    def compute(spec):
        return Model
"""


def test_a_model_counts_by_what_it_was_made_of_and_not_by_where_it_lies() -> None:
    def of(old: str = "", new: str = "", identity: int = 1) -> dict[str, bytes]:
        source = f"    IDENTITY = {identity}\n{PYDANTIC.replace(old, new)}"
        return _code.of(define("study", source).compute).texts

    assert of() == of(identity=2)
    for old, new in (
        ('"x": 1', '"x": 2'),
        ("return value", "return 1"),
        ('"frozen": True', '"frozen": False'),
    ):
        assert of(old, new) != of()
