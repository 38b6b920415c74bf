"""A walk that is remembered is walked again when anything is not as it was."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Iterator
from json import JSONEncoder
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

import pytest
from ibid import _code

STUDY = """
    import math
    from json import JSONEncoder
    from math import sqrt
    from typing import Any
    LEAST = 2
    PAIR = (1, 2)
    TABLE = [1]

    def helper(x, power=2):
        return x ** power + LEAST

    def outer(k):
        def inner(x):
            return x * k + PAIR[0]
        def change(value):
            nonlocal k
            k = value
        return inner, change

    inner, change = outer(1)

    def compute(spec: dict, more: "Any" = None) -> "float":
        JSONEncoder.item_separator
        return helper(inner(1)) + math.exp(1) + sqrt(2) + maybe(1) + oct(spec)

    def tabled(spec):
        return TABLE
"""


@pytest.fixture
def study() -> Iterator[ModuleType]:
    """A module of the project."""
    module = ModuleType("study")
    sys.modules["study"] = module
    exec(compile(dedent(STUDY), "study.py", "exec"), vars(module))
    yield module
    del sys.modules["study"]


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts walks."""
    from ibid._code._walk import Walk

    counted: list[int] = []
    finish = Walk.finish

    def finished(self: Walk) -> _code.Code:
        counted.append(1)
        return finish(self)

    monkeypatch.setattr(Walk, "finish", finished)
    return counted


def test_nothing_is_walked_twice_where_nothing_can_have_changed(
    study: ModuleType, walks: list[int]
) -> None:
    first = _code.of(study.compute)
    first.texts.clear()
    assert _code.of(study.compute).texts
    assert len(walks) == 1
    _code.of(study.tabled)
    study.TABLE.append(2)
    _code.of(study.tabled)
    assert len(walks) == 3


def other(x: int) -> int:
    """Stands in for anything."""
    return x - 1


def recompile(function: FunctionType) -> None:
    """Changes a function in its place."""
    function.__code__ = other.__code__


CHANGES: list[Callable[[ModuleType, pytest.MonkeyPatch], Any]] = [
    lambda study, patch: setattr(study, "LEAST", 3),
    lambda study, patch: setattr(study, "PAIR", (1, 3)),
    lambda study, patch: setattr(study, "helper", other),
    lambda study, patch: setattr(study.helper, "__defaults__", (3,)),
    lambda study, patch: setattr(study.helper, "__kwdefaults__", {"power": 3}),
    lambda study, patch: setattr(study.helper, "table", 3),
    lambda study, patch: recompile(study.helper),
    lambda study, patch: study.change(2),
    lambda study, patch: study.compute.__annotations__.update(spec=list),
    lambda study, patch: study.compute.__annotations__.update(more=list),
    lambda study, patch: setattr(study.compute, "__annotations__", {}),
    lambda study, patch: setattr(study, "maybe", other),
    lambda study, patch: setattr(study, "float", other),
    lambda study, patch: setattr(study, "oct", other),
    lambda study, patch: setattr(study, "sqrt", other),
    lambda study, patch: setattr(study, "Any", other),
    lambda study, patch: patch.setattr(Any, "more", other, raising=False),
    lambda study, patch: patch.setattr(JSONEncoder, "encode", other),
    lambda study, patch: patch.setattr(JSONEncoder, "item_separator", ";"),
    lambda study, patch: patch.setattr(JSONEncoder, "__module__", "json"),
    lambda study, patch: patch.setattr(math, "exp", other),
    lambda study, patch: patch.setattr(builtins, "maybe", other, raising=False),
    lambda study, patch: patch.setattr(builtins, "oct", other),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_one_process_is_seen(
    study: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[ModuleType, pytest.MonkeyPatch], Any],
) -> None:
    before = _code.of(study.compute)
    assert _code.of(study.compute).texts == before.texts
    with monkeypatch.context() as patch:
        change(study, patch)
        after = _code.of(study.compute)
    assert after.texts != before.texts
    assert after.unseen == before.unseen == []
