"""Values that a function reaches count by what they are; where that cannot be had, it is told."""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ibid import _code
from projects import code, differs


def of(value: Any) -> _code.Code:
    """Returns what a function consists of that names a value."""
    names: dict[str, Any] = {"VALUE": value, "__name__": "nowhere"}
    exec("def compute(spec): return VALUE", names)
    return _code.of(names["compute"])


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        ("types.MappingProxyType({'a': 1})", "1", "2"),
        ("{'a': 1}.keys()", "'a'", "'b'"),
        ("{'a': 1}.values()", "1", "2"),
        ("{'a': 1}.items()", "1", "2"),
        ("compile('1 + 1', 'x', 'eval')", "1 + 1", "1 + 2"),
        ("functools.cmp_to_key(lambda a, b: a - b)", "a - b", "b - a"),
        ("functools.partial(print, 1)", "1", "2"),
        ("contextvars.ContextVar('v', default=1)", "=1", "=2"),
        ("types.SimpleNamespace(lock=threading.Lock(), k=1)", "k=1", "k=2"),
        ("collections.deque([1])", "1", "2"),
        ("collections.defaultdict(lambda: 1)", "1", "2"),
        ("collections.OrderedDict(a=1)", "1", "2"),
        ("[lambda: 1]", "1", "2"),
        ("{'a': [1, {2}]}", "{2}", "{3}"),
        ("weakref.WeakValueDictionary(a=KEPT)", "KEPT = Kept(1)", "KEPT = Kept(2)"),
        ("Kept(1).go", "VALUE = Kept(1)", "VALUE = Kept(2)"),
        ("Locked()", "self.k = 1", "self.k = 2"),
        ("Table({'a': 1})", "'a': 1", "'a': 2"),
        ("local", "local.x = 1", "local.x = 2"),
        ("re.compile('a')", "'a'", "'b'"),
        ("datetime.date(2020, 1, 1)", "2020", "2021"),
        ("decimal.Decimal('1')", "'1'", "'1.0'"),
        ("pathlib.PurePath('a')", "'a'", "'b'"),
        ("array.array('d', [1])", "[1]", "[2]"),
        ("bytearray(b'1')", "b'1'", "b'2'"),
        ("slice(1)", "1", "2"),
        ("10 ** 5000", "** 5000", "** 5001"),
        ("b'1' * 9999", "9999", "9998"),
        ("list[int]", "int", "str"),
        ("Color.RED", "RED = 1", "RED = 2"),
        ("Row(1, 'a')", "'a'", "'b'"),
        ("cached", "return x", "return y"),
    ],
)
def test_a_value_counts_by_what_it_is(project: Path, value: str, old: str, new: str) -> None:
    main = f"""
        import array, collections, contextvars, datetime, decimal, enum, functools, pathlib, re
        import threading, types, weakref
        class Kept:
            def __init__(self, v): self.v = v
            def go(self): return self.v
        class Locked:
            __slots__ = ("lock", "k")
            def __init__(self):
                self.lock = threading.Lock()
                self.k = 1
        class Table(dict):
            def __init__(self, *a):
                super().__init__(*a)
                self.lock = threading.RLock()
        class Color(enum.Enum):
            RED = 1
        Row = collections.namedtuple("Row", "n t")
        @functools.lru_cache
        def cached(x, y=1): return x
        KEPT = Kept(1)
        local = threading.local()
        local.x = 1
        VALUE = {value}
        def compute(s): return VALUE
        """
    files = {"main.py": main}
    assert code(project, files).unseen == []
    assert differs(project, files, old, new)


@pytest.mark.parametrize(
    ("bases", "value"),
    [
        ("numpy.ndarray", "numpy.zeros(2).view(Own)"),
        ("collections.Counter", "Own('aab')"),
        ("collections.defaultdict", "Own(int)"),
        ("datetime.date", "Own(2020, 1, 1)"),
        ("decimal.Decimal", "Own('1')"),
        ("fractions.Fraction", "Own(1, 2)"),
        ("pathlib.PurePosixPath", "Own('a')"),
        ("pandas.DataFrame", "Own({'a': [1]})"),
        ("enum.Enum", "Own.A"),
    ],
)
@pytest.mark.parametrize("held", ["", "__slots__ = ('unit',)"])
def test_what_the_pickling_of_a_base_leaves_out_counts(
    project: Path, bases: str, value: str, held: str
) -> None:
    module = bases.partition(".")[0]
    pytest.importorskip(module)
    if held and module in ("pandas", "enum"):
        pytest.skip("the class has attributes whatever is said of slots")
    main = f"""
        import {module}
        class Own({bases}):
            {held or ("A = 1" if module == "enum" else "pass")}
        VALUE = {value}
        VALUE.unit = 1
        def compute(s): return VALUE.unit
        """
    assert code(project, {"main.py": main}).unseen == []
    assert differs(project, {"main.py": main}, "unit = 1", "unit = 2")


def test_what_an_object_merely_keeps_does_not_count() -> None:
    import datetime
    import enum
    import pathlib

    class Own(datetime.date):
        @functools.cached_property
        def week(self) -> int:
            return self.isocalendar().week

    class Path(pathlib.PurePosixPath):
        pass

    class Flag(enum.Flag):
        A = 1
        B = 2

    own, path = Own(2020, 1, 1), Path("a/b")
    before = of([own, path, Flag.A]).texts
    assert own.week
    assert str(path)
    assert hash(path)
    assert ~Flag.A
    assert of([own, path, Flag.A]).texts == before


def test_the_cause_of_an_error_counts() -> None:
    def raised(cause: str) -> Exception:
        error = ValueError("one")
        error.__cause__ = KeyError(cause)
        return error

    assert of(raised("a")).texts != of(raised("b")).texts


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("(n for n in (1, 2))", "generator"),
        ("open(__file__)", "TextIOWrapper"),
        ("sqlite3.connect(':memory:')", "sqlite3.Connection"),
        ("[{'db': sqlite3.connect(':memory:')}]", "sqlite3.Connection"),
        ("socket.socket()", "socket"),
    ],
)
def test_what_has_no_form_is_told_with_its_place(project: Path, value: str, told: str) -> None:
    main = f"import socket, sqlite3\nVALUE = {value}\ndef compute(s): return VALUE\n"
    (unseen,) = code(project, {"main.py": main}).unseen
    assert told in unseen
    assert "`main.VALUE`" in unseen


def test_what_changes_nothing_needs_no_form() -> None:
    import logging

    for value in (logging.getLogger("x"), threading.Lock(), sys.stdout, sys.stderr):
        assert of(value).unseen == []


@pytest.mark.parametrize(
    "base", ["logging.Logger('x')", "io.RawIOBase()", "threading.local()", "functools.partial(len)"]
)
def test_a_class_of_the_project_counts_whatever_it_derives_from(project: Path, base: str) -> None:
    kind, _, arguments = base.partition("(")
    main = f"""
        import functools, io, logging, threading
        class Own({kind}):
            def readable(self): return False
            def more(self): return 1
        VALUE = Own({arguments}
        def compute(s): return VALUE.more()
        """
    assert differs(project, {"main.py": main}, "return 1", "return 2")
    assert "threading" not in base or code(project, {"main.py": main}).unseen == []


def test_what_contains_itself_or_is_shared_is_told_from_what_is_equal() -> None:
    cyclic: list[Any] = [1]
    cyclic.append(cyclic)
    assert of(cyclic).texts != of([1, [1]]).texts
    one: list[int] = []
    assert of([one, one]).texts != of([[], []]).texts
    shared: list[Any] = [0]
    for _ in range(64):
        shared = [shared, shared]
    assert of(shared).unseen == []


def test_deep_values_and_objects_that_answer_everything_end() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert of(deep).texts != of([deep]).texts

    class Answering:
        def __getattr__(self, name: str) -> Answering:
            return Answering()

    assert of(Answering()).texts == of(Answering()).texts


def test_a_table_that_another_thread_writes_to_is_no_error() -> None:
    table = {at: at for at in range(5000)}
    stop = threading.Event()

    def write() -> None:
        at = 0
        while not stop.is_set():
            table[10000 + at % 100] = at
            table.pop(10000 + (at - 50) % 100, None)
            at += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            assert of(table).unseen == []
    finally:
        stop.set()
        writer.join()


def test_what_is_derived_does_not_count() -> None:
    import collections.abc
    import enum

    @functools.singledispatch
    def single(x: object) -> int:
        return 1

    single.register(collections.abc.Sequence, lambda x: 2)

    class Flag(enum.Flag):
        A = 1
        B = 2

    before = of([single, Flag]).texts
    assert single([]) == 2
    assert Flag.A | Flag.B
    assert of([single, Flag]).texts == before


def test_layout_nearly_never_counts() -> None:
    def form(source: str) -> dict[str, bytes]:
        names: dict[str, Any] = {"__name__": "nowhere"}
        exec(source, names)
        return _code.of(names["f"]).texts

    for one, other in (
        ("while True: return 1", "while True:\n    return 1"),
        ("if 1: y = 1\n  return y", "if 1:\n    y = 1\n  return y"),
        ("try: return s\n  finally: pass", "try:\n    return s\n  finally:\n    pass"),
        ("return [s, (1), 2]", "return [\n    s, # first\n    1, 2,\n  ]"),
    ):
        assert form(f"def f(s):\n  {one}\n") == form(f"def f(s):\n  {other}\n")
    assert form("def f(s):\n  return s") != form("def f(s):\n  return s, s")


def test_ibid_itself_is_no_part_of_a_function() -> None:
    import ibid

    before = of(ibid.Cache(root="/one"))
    after = of(ibid.Cache(root="/other", ttl=3, mode="read-only"))
    assert before.texts == after.texts
    assert before.unseen == after.unseen == []


def test_what_an_object_of_ibid_is_set_to_is_walked_as_a_value() -> None:
    import ibid

    def texts(given: Any) -> dict[str, bytes]:
        cache = ibid.Cache()
        vars(cache)["__ibid_code__"] = given
        return of(cache).texts

    values = [None, {"app": "a"}, {"app": "b"}, ({"app": "a"}, frozenset("xy")), [lambda: 1]]
    found = [texts(value) for value in values]
    assert all(found.count(one) == 1 for one in found)
    assert texts({"app": "a"}) == found[1]
