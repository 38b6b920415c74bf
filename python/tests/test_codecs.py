"""Codecs: what is read is what was written, down to its types, or saving it is refused."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from ibid import _codecs


def there_and_back(codec: str, value: Any, folder: Path) -> Any:
    """Saves a value and loads it."""
    suffix, save, load = _codecs.CODECS[codec]
    save(value, folder / f"value{suffix}")
    return load(folder / f"value{suffix}")


def table(data: Any, attrs: Any = None, **more: Any) -> Any:
    """Returns a table that says of itself what it is told to."""
    pytest.importorskip("pyarrow")
    made = pytest.importorskip("pandas").DataFrame(data, **more)
    made.attrs = attrs or {}
    return made


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: table({"a": [1]}, {"a": (1, 2)}), r"its `attrs` would be {'a': \[1, 2\]}"),
        (lambda: table({"a": [1]}, {1: 2}), "its `attrs` would be {'1': 2}"),
        (lambda: table({"a": [1]}, {"a": {1}}), "does not come back"),
        (
            lambda: table({"a": [decimal.Decimal("1.0"), decimal.Decimal("1.00")]}),
            "in the column 'a' would be",
        ),
        (lambda: table({"a": [bytearray(b"x")]}), "in the column 'a' would be b'x'"),
        (lambda: table({"a": [1]}, index=[bytearray(b"x")]), r"DataFrame.index are different"),
        (lambda: table({"a": [1j]}), "does not come back"),
        (lambda: table({"a": [10**30]}), "does not come back"),
        (lambda: table([[1, 2]], columns=["a", "a"]), "does not come back"),
    ],
)
@pytest.mark.filterwarnings("ignore:Could not serialize")
def test_a_table_that_would_come_back_as_another_is_refused(
    made: Callable[[], Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ibid.UsageError, match=told):
        there_and_back("parquet", made(), tmp_path)


@pytest.mark.parametrize(
    "made",
    [
        lambda: table([[1, 2]]),
        lambda: table([[1, 2]], {"unit": "mm", "of": [1, {"a": None}]}),
        lambda: table([[1, 2]]).rename_axis(columns="q")[[1]],
        lambda: table({"a": [1], "b": ["x"]}).set_index("b"),
        lambda: table({1: [1], 3: [2]}),
        lambda: table({}),
        lambda: table({"a": [decimal.Decimal("1.0"), None]}),
        lambda: table({"a": [1.5, float("nan")]}, index=[3, 5]),
    ],
)
def test_a_table_comes_back_as_it_is(made: Callable[[], Any], tmp_path: Path) -> None:
    given = made()
    found = there_and_back("parquet", given, tmp_path)
    import pandas

    exact: dict[str, Any] = {"check_column_type": "exact", "check_index_type": "exact"}
    pandas.testing.assert_frame_equal(given, found, **exact)
    assert repr((found.columns, found.attrs)) == repr((given.columns, given.attrs))


def test_an_array_whose_type_would_be_another_is_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    aligned = numpy.dtype([("a", "i1"), ("b", "f8")], align=True)
    for kind in (aligned, [("c", aligned)], [("c", aligned, (2,))]):
        with pytest.raises(ibid.UsageError, match="its type"):
            there_and_back("npy", numpy.zeros(2, kind), tmp_path)
    packed = numpy.zeros(2, [("a", "i1"), ("b", "f8", (2,))])
    assert there_and_back("npy", packed, tmp_path).dtype == packed.dtype
