"""`@ibid.memoize`: equal arguments are computed once, whatever they are."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
import pathlib
from pathlib import Path
from typing import Any

import ibid
import pytest
from projects import differs, imported, write


class Counted:
    """Counts outside of what a function consists of."""

    def __init__(self, project: Path) -> None:
        self._file = project / "calls"

    def add(self) -> None:
        with open(self._file, "a") as file:
            file.write(".")

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._file.read_text()) if self._file.exists() else 0


@pytest.fixture
def counted(project: Path) -> Counted:
    """Counts calls."""
    return Counted(project)


@dataclasses.dataclass
class Point:
    """An argument."""

    x: float
    tags: frozenset[str] = frozenset({"a", "b"})


def test_equal_arguments_are_computed_once(counted: Counted) -> None:
    @ibid.memoize
    def add(a: int, b: int = 1, *more: int, **named: int) -> dict[str, Any]:
        """Adds."""
        counted.add()
        return {"sum": a + b + sum(more) + sum(named.values())}

    for _ in range(2):
        assert add(1) == add(1, 1) == add(a=1, b=1) == {"sum": 2}
    assert counted.calls == 1
    assert add(1, 2, 3, c=4) == {"sum": 10}
    assert add(1, 2, 3, d=4) == {"sum": 10}
    assert add(1.0) == {"sum": 2.0}  # type: ignore[arg-type]
    assert counted.calls == 4
    assert add.__doc__ == "Adds."
    assert add.__wrapped__(1) == {"sum": 2}
    assert "add" in repr(add)
    assert add.cache_key(1) == add.cache_key(a=1) != add.cache_key(2)
    assert add.cache_path(1).exists()


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (Point(1.0), Point(2.0)),
        ({1, 2}, {1, 3}),
        (float("inf"), float("nan")),
        (b"1", b"2"),
        (pathlib.Path("a"), pathlib.Path("b")),
        ([Point(1.0)], [Point(1.0), Point(1.0)]),
        ({1: 2}, {1: 3}),
        ((1, 2), [1, 2]),
        (len, max),
        (lambda: 1, lambda: 2),
        (2**100, 2**101),
        ("\ud800", "\ud801"),
        (None, {"__ibid_type__": "x"}),
    ],
)
def test_arguments_count_by_what_they_are(value: Any, other: Any) -> None:
    @ibid.memoize
    def show(it: Any) -> str:
        return type(it).__name__

    import copy

    if not (isinstance(value, tuple) and isinstance(other, list)):
        assert show.cache_key(value) != show.cache_key(other)
    assert show.cache_key(copy.deepcopy(value)) == show.cache_key(value)
    assert show(value) == show(value) == type(value).__name__


def test_the_order_of_names_counts() -> None:
    @ibid.memoize
    def names(of: Any = None, **more: Any) -> list[str]:
        return [*(of or {}), *more]

    for of in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        for _ in range(2):
            assert names(of) == names(**of) == list(of)
            assert ibid.memoize(lambda it: list(it[0]["in"]))([{"in": of}]) == list(of)


def test_an_argument_without_a_form_is_refused_or_ignored(counted: Counted) -> None:
    def read(file: Any, log: Any = None) -> int:
        counted.add()
        return 1

    with open(__file__) as file:
        with pytest.raises(ibid.UsageError, match=r"file=.*TextIOWrapper"):
            ibid.memoize(read)(file)
        ignoring = ibid.memoize(ignore=["file"])(read)
        assert ignoring(file, logging.getLogger()) == ignoring(None, logging.getLogger()) == 1
    assert counted.calls == 1
    with pytest.raises(ibid.UsageError, match="no argument `fil`"):
        ibid.memoize(ignore=["fil"])(read)


def test_a_call_by_arguments_is_no_call_with_a_spec() -> None:
    def show(*it: Any) -> str:
        return repr(it)

    cache = ibid.Cache()
    for spec, arguments in (({"it": [1]}, ([1],)), ({"it": []}, ()), ({"it": [[1]]}, ([1],))):
        assert cache.get_or_compute(spec, show) == repr((spec,))
        assert ibid.memoize(show)(*arguments) == repr(arguments)

    def one(x: Any) -> str:
        return repr(x)

    assert cache.get_or_compute({"x": 1}, one) == "{'x': 1}"
    assert ibid.memoize(one)(1) == "1"
    by_text = ibid.Cache(app="study", code="v1")
    assert by_text.key({"x": 1}, one) != ibid.memoize(cache=by_text)(one).cache_key(1)


def test_code_counts_and_what_is_memoized_is_a_part_of_who_calls_it(project: Path) -> None:
    main = """
        import ibid
        @ibid.memoize
        def inner(x): return x + 1
        class Of:
            def __init__(self, k): self.k = k
            @ibid.memoize
            def go(self, x): return self.k * inner(x)
        def compute(spec): return inner(spec)
        """

    def keys(old: str = "", new: str = "") -> list[str]:
        write(project, {"main.py": main.replace(old, new)})
        with imported(project) as of:
            assert of.Of(2).go(1) == 2 * of.inner(1)
            assert of.Of(3).go(1) == 3 * of.inner(1)
            return [
                of.inner.cache_key(1),
                of.Of.go.cache_key(of.Of(2), 1),
                ibid.Cache().key(1, of.compute),
            ]

    first = keys()
    assert keys() == first
    assert len({*first, *keys("x + 1", "x + 2")}) == 6


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ignore=["y"]', "ignore=[]"),
        ('{"m": "1"}', '{"m": "2"}'),
        ('code="c"', 'code="d"'),
        ('app="a"', 'app="b"'),
        ('suffix=".x"', 'suffix=".y"'),
        ('"refuse"', '"ignore"'),
        ('app="of all"', 'app="of one"'),
    ],
)
def test_what_a_memoized_function_is_set_to_is_a_part_of_who_calls_it(
    project: Path, old: str, new: str
) -> None:
    main = """
        import ibid
        @ibid.memoize(ignore=["y"], cache=ibid.Cache(app="of all"))
        def inner(x, y): return x + y
        CACHE = ibid.Cache(
            versions={"m": "1"}, code="c", app="a", suffix=".x", unseen="refuse", root="here"
        )
        def compute(spec): return inner(spec, 1) + CACHE.get_or_compute(spec, abs)
        """
    assert differs(project, {"main.py": main}, old, new)
    assert not differs(project, {"main.py": main}, '"here"', '"there"')


def test_a_pair_of_functions_may_save_and_load(counted: Counted) -> None:
    def save(value: bytes, path: Path) -> None:
        path.write_bytes(value)

    @ibid.memoize(codec=(save, Path.read_bytes))
    def data(n: int) -> bytes:
        counted.add()
        return b"x" * n

    assert data(3) == data(3) == b"xxx"
    assert counted.calls == 1


@ibid.memoize
def triple(n: int) -> int:
    """Stands where pickle finds it."""
    return 3 * n


def test_it_goes_to_other_processes_by_its_name() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(triple)) is triple


def test_pickles_are_loaded_from_a_private_store_only(
    counted: Counted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @ibid.memoize(codec="pickle")
    def points(n: int) -> set[int]:
        counted.add()
        return set(range(n))

    assert points(3) == points(3) == {0, 1, 2}
    assert counted.calls == 1
    (tmp_path / "cache/v1/blobs").chmod(0o777)
    assert points(3) == {0, 1, 2}
    assert counted.calls == 2
    assert "not unpickled" in caplog.text


@pytest.mark.parametrize(
    ("setting", "folder", "mode", "calls"),
    [
        ("MODE=read-only", "cache/v1", 0o755, 1),
        ("MODE=read-only", "cache/v1", 0o555, 1),
        ("MODE=read-only", "tmp", 0o1777, 1),
        ("MODE=read-only", "tmp", 0o777, 2),
        ("MODE=read-only", "cache", 0o777, 2),
        ("MODE=read-only", "cache/v1/blobs", 0o777, 2),
        ("SHARED=group", "tmp", 0o700, 2),
    ],
)
def test_pickles_are_loaded_where_a_private_store_holds_no_views(
    setting: str,
    folder: str,
    mode: int,
    calls: int,
    counted: Counted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @ibid.memoize(codec="pickle")
    def points(n: int) -> set[int]:
        counted.add()
        return set(range(n))

    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    name, _, value = setting.partition("=")
    if name == "SHARED":
        monkeypatch.setenv("IBID_SHARED", value)
    assert points(3) == {0, 1, 2}
    monkeypatch.setenv(f"IBID_{name}", value)
    (tmp_path / folder).chmod(mode)
    try:
        assert points(3) == {0, 1, 2}
        assert points.cache_path(3).is_relative_to(tmp_path / "tmp")
        assert counted.calls == calls
    finally:
        (tmp_path / folder).chmod(0o755)


def test_arrays_and_tables_have_codecs(counted: Counted) -> None:
    numpy = pytest.importorskip("numpy")

    @ibid.memoize(codec="npy")
    def double(a: Any) -> Any:
        counted.add()
        return a * 2

    a = numpy.arange(6, dtype="f4").reshape(2, 3)
    for _ in range(2):
        found = double(a.copy())
        assert found.dtype == a.dtype
        assert (found == a * 2).all()
    assert counted.calls == 1
    for other in (a.astype("f8"), a.T, a[:1]):
        assert double(other).dtype == other.dtype
    assert counted.calls == 4
    with pytest.raises(ibid.UsageError, match="plain arrays"):
        double(2)


def test_tables_come_back_as_they_are_or_not_at_all(counted: Counted) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")

    @ibid.memoize(codec="parquet")
    def same(table: Any) -> Any:
        counted.add()
        return table

    table = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[3, 5])
    for _ in range(2):
        pandas.testing.assert_frame_equal(same(table), table)
    assert counted.calls == 1
    with pytest.raises(ibid.UsageError, match="come back"):
        same(pandas.DataFrame({"a": [{1}, 2]}))


def test_what_cannot_be_memoized_is_refused() -> None:
    async def later() -> int:
        return 1

    def never() -> Any:
        yield 1

    for function in (later, never):
        with pytest.raises(ibid.UsageError, match="before it has computed"):
            ibid.memoize(function)
    with pytest.raises(ibid.UsageError, match="is no codec"):
        ibid.memoize(codec="yaml")(len)  # type: ignore[call-overload]
    broken: list[Any] = [3, (len,), (len, 3)]
    for codec in broken:
        with pytest.raises(ibid.UsageError, match="is no codec"):
            ibid.memoize(codec=codec)(len)
    with pytest.raises(ibid.UsageError, match="does not say what its arguments are"):
        ibid.memoize(dict)
    with pytest.raises(ibid.UsageError, match="no function"):
        ibid.memoize(3)  # type: ignore[call-overload]


def _around(function: Any) -> Any:
    @functools.wraps(function)
    def around(x: int, n: int | None = 5) -> Any:
        return function(x, 7 if n is None else n)

    return around


def _handing_on(function: Any) -> Any:
    @functools.wraps(function)
    def handing(*args: Any, scale: int = 1, **named: Any) -> Any:
        named.setdefault("n", 5)
        return [function(*args[:1], **named) * scale, len(args), sorted(named)]

    return handing


def _swapped(function: Any) -> Any:
    @functools.wraps(function)
    def swapped(n: int, x: int = 3) -> Any:
        return function(x, n)

    return swapped


def _says_so(function: Any) -> Any:
    function.__signature__ = inspect.signature(lambda x, n=9: None)
    return function


class _Calling:
    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)

    def __call__(self, x: int, n: int = 5) -> int:
        return x * n


@pytest.mark.parametrize(
    "around",
    [
        _around,
        _handing_on,
        _swapped,
        _says_so,
        _Calling,
        lambda function: functools.partial(_around(function), n=4),
        lambda function: functools.lru_cache(_around(function)),
        lambda function: ibid.memoize(_handing_on(function)),
    ],
)
def test_arguments_are_those_of_the_outermost_function(around: Any) -> None:
    def times(x: int, n: int = 1) -> int:
        return x * n

    decorated, memoized = around(times), ibid.memoize(around(times))
    for _ in range(2):
        for args in ((2, 1), (2,), (2, 9), (2, None), (2, 5)):
            for named in ({}, {"n": 1}, {"n": 5}, {"x": 2, "n": 3}, {"x": 2}, {"scale": 3}):
                try:
                    told = decorated(*args, **named)
                except TypeError:
                    with pytest.raises(TypeError):
                        memoized(*args, **named)
                else:
                    assert memoized(*args, **named) == told


def test_what_a_decorator_does_not_take_by_name_cannot_be_ignored() -> None:
    def read(x: int, log: Any = None) -> int:
        return x

    assert ibid.memoize(ignore=["scale"])(_handing_on(read)).ignored == {"scale"}
    with pytest.raises(ibid.UsageError, match="no argument `log`") as told:
        ibid.memoize(ignore=["log"])(_handing_on(read))
    assert "below its decorators" in told.value.hints[0]


def test_methods_of_classes_are_memoized_under_their_decorators(project: Path) -> None:
    main = """
        import ibid
        class Of:
            size = 1
            @ibid.memoize
            @staticmethod
            def plain(x, n=1): return x + n
            @ibid.memoize
            @classmethod
            def sized(cls, x): return cls.size + x
        class Large(Of): size = 5
        """
    write(project, {"main.py": main})
    with imported(project) as of:
        for _ in range(2):
            assert of.Of.plain(1) == of.Of().plain(x=1, n=1) == of.Of.plain(0, 2) == 2
            assert [of.Of.sized(1), of.Large.sized(1), of.Large().sized(2)] == [2, 6, 7]
        assert of.Of.plain.cache_key(1) == of.Of.plain.cache_key(1, 1)


def test_classes_and_what_is_built_in_are_memoized_by_what_they_take() -> None:
    kind = ibid.memoize(codec="pickle")(Point)
    assert kind(1.0) == kind(x=1.0) == Point(1.0)
    assert kind.cache_key(1.0) == kind.cache_key(x=1.0)
    assert ibid.memoize(abs)(-1) == 1
