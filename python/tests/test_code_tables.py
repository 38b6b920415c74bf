"""Arrays and tables count by what is in them: a view and what was saved and loaded are the same."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from ibid import _code

numpy: Any = pytest.importorskip("numpy")
pandas: Any = pytest.importorskip("pandas")


def form(value: Any) -> str:
    """Returns the digest of what a value is."""
    code = _code.of_value(value)
    assert code.unseen == []
    return code.digest()


ARRAYS = {
    "every second": numpy.arange(10)[::2],
    "backwards": numpy.arange(10)[::-1],
    "of one row": numpy.broadcast_to(numpy.arange(3), (2, 3)),
    "turned": numpy.arange(6.0).reshape(2, 3).T,
    "a part": numpy.arange(12).reshape(3, 4)[:, 1:3],
    "empty": numpy.zeros((0, 3)),
    "of no dimension": numpy.array(1.5),
    "texts": numpy.array(["a", "bc"])[::-1],
    "days": numpy.array(["2020-01-01"], "M8[D]"),
    "big ends": numpy.array([1, 2], ">i4"),
    "records": numpy.array([(1, 2.0), (3, 4.0)], [("a", "i4"), ("b", "f8")])[::-1],
    "empty texts": numpy.array([""]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_was_saved_and_loaded_is_the_same(tmp_path: Path, name: str) -> None:
    value = ARRAYS[name]
    numpy.save(tmp_path / "a.npy", value)
    assert form(numpy.load(tmp_path / "a.npy")) == form(value)
    assert form([value, value]) != form([value])


def test_arrays_that_differ_are_told_apart() -> None:
    of = numpy.array

    class Of(numpy.ndarray):  # type: ignore[misc]
        pass

    values = [
        *ARRAYS.values(),
        *(of([1, 2]), of([1, 2], "i4"), of([1.0, 2.0]), of([[1, 2]]), of([[1], [2]]), of([2, 1])),
        *(of([1, 2], "m8[s]"), of([1, 2], "m8[ms]"), of([1, "2"], object), of([1, 2], object)),
        *(of([1, 2.0], object), of([[1, 2], [3, 4]]), numpy.asfortranarray([[1, 2], [3, 4]])),
        *(of([1, 2]).view(Of), of([numpy.nan]), of([-0.0]), of([0.0]), of(["a", "bc"], object)),
    ]
    assert len({form(value) for value in values}) == len(values)


FRAMES = {
    "numbers": {"a": [1, 2], "b": [1.5, float("nan")], "c": [True, False]},
    "texts": {"a": ["x", "y"], "b": ["x", None]},
    "moments": {"a": pandas.to_datetime(["2020-01-01", "2021-01-01"])},
    "moments of a zone": {"a": pandas.to_datetime(["2020-01-01", "2021-01-01"], utc=True)},
    "gaps": {"a": pandas.array([1, None], "Int64"), "b": pandas.array([True, None], "boolean")},
    "strings": {"a": pandas.array(["x", None], "string")},
    "classes": {"a": pandas.Categorical(["x", "y"]), "b": [1, 2]},
    "many": {str(at): [at, at + 1] for at in range(9)},
    "none": {"a": []},
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("index", [None, "name", "label"])
def test_a_table_that_was_saved_and_loaded_is_the_same(
    tmp_path: Path, name: str, index: str | None
) -> None:
    pytest.importorskip("pyarrow")
    value = pandas.DataFrame(FRAMES[name])
    if index is not None and len(value):
        value.index = pandas.Index(["k", "l"] if index == "label" else [5, 7], name=index)
    value.to_parquet(tmp_path / "a.parquet")
    loaded = pandas.read_parquet(tmp_path / "a.parquet")
    pandas.testing.assert_frame_equal(loaded, value)
    assert form(loaded) == form(value)
    assert form(value.copy()) == form(value)


def test_how_a_table_was_put_together_does_not_count() -> None:
    whole = pandas.DataFrame({"a": [1, 2], "b": [3, 4]})
    grown = pandas.DataFrame({"a": [1, 2]})
    grown["b"] = [3, 4]
    assert form(whole) == form(grown)
    assert whole["a"].sum() == 3
    assert form(whole) == form(grown)


def test_tables_that_differ_are_told_apart() -> None:
    table, array = pandas.DataFrame, pandas.array
    noted, strict = table({"a": [1]}), table({"a": [1]}).set_flags(allows_duplicate_labels=False)
    noted.attrs["unit"] = "m"
    given = table({"a": [1]})
    moments = pandas.Series(pandas.to_datetime(["2019-01-01"]))
    object.__setattr__(given, "unit", "m")
    values = [
        *(table(data) for data in FRAMES.values()),
        *(noted, strict, given, table({"a": [1]}), table({"a": [2]}), table({"b": [1]})),
        *(table({"a": [1]}, index=[1]), table({"a": [1]}, index=["1"]), table({0: [1]})),
        *(table({"a": [1.0]}), table({"a": array([1], "Int64")}), pandas.Series([1], name="a")),
        *(pandas.Series([1], name="b"), table({"a": [1], "b": [2]}), table({"b": [2], "a": [1]})),
        *(table({"a": array([None], "Int64")}), table({"a": array([0], "Int64")})),
        table({"a": pandas.Categorical(["x", "y"], ["y", "x"]), "b": [1, 2]}),
        *(table({"a": moments.dt.tz_localize(zone)}) for zone in (None, "UTC", "Asia/Tokyo")),
        table({"a": pandas.Categorical(["x", "y"], ordered=True), "b": [1, 2]}),
    ]
    assert len({form(value) for value in values}) == len(values)


def test_a_masked_array_counts_by_its_mask_and_whether_that_is_hard() -> None:
    def made(mask: Any = (False, True), hard_mask: bool = False, fill_value: Any = None) -> Any:
        given: dict[str, Any] = {"hard_mask": hard_mask, "fill_value": fill_value}
        return numpy.ma.array([1, 2], mask=mask, **given)

    others = [
        made(hard_mask=True),
        made(mask=(True, False)),
        made(mask=False),
        made(fill_value=3),
        numpy.ma.array([1, 3], mask=(False, True)),
        numpy.array([1, 2]),
    ]
    assert len({form(made()), *map(form, others)}) == 1 + len(others)
    for value in (made(), *others):
        assert form(value) == form(copy.deepcopy(value)) == form(value.view())
    filled = made(fill_value=3)
    assert form(filled) == form(pickle.loads(pickle.dumps(filled)))
