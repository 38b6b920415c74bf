"""Arrays of numpy and tables of pandas, by what is in them and not by how they lie in memory.

Owns their forms, for exactly these classes: a subclass is what it would be pickled as. A view, a
copy, and what was saved and loaded again have one form. Invariant: nothing is imported; bytes
stand for data only where no pointers are among them.
"""

from __future__ import annotations

import sys
from typing import Any

from ibid._code._plain import digest

# What pandas notes of a table beside what is in it.
_OF_PANDAS = {"_mgr", "_item_cache", "_attrs", "_flags", "_is_copy", "_cacher", "_name"}

# What numpy notes of a masked array that follows from all else, or that others share with it.
_OF_MASKED = {"_sharedmask", "_isfield", "_baseclass", "_basedict"}


def array(value: Any) -> tuple[Any, ...]:
    """Returns what an array is."""
    dtype = value.dtype
    flags = value.flags
    is_turned = flags.f_contiguous and not flags.c_contiguous
    about = (type(value), _dtype(dtype), value.shape, "F" if is_turned else "C")
    if dtype.hasobject or dtype.kind not in "biufcSUmMV":
        return (*about, value.tolist())
    flat = sys.modules["numpy"].ascontiguousarray(value.T if is_turned else value).reshape(-1)
    return (*about, digest(flat.view("u1") if flat.size and dtype.itemsize else b""))


def masked(value: Any) -> tuple[Any, ...]:
    """Returns what a masked array is: pickling leaves out whether its mask is hard."""
    noted = {name: item for name, item in sorted(vars(value).items()) if name not in _OF_MASKED}
    return (type(value), value.data, noted)


def _dtype(dtype: Any) -> Any:
    """Returns the name of a type of numbers, and of others the type itself."""
    is_plain = dtype.kind in "biufcSUmM" and dtype.metadata is None and dtype.subdtype is None
    return dtype.str if is_plain else dtype


def table(value: Any) -> tuple[Any, ...]:
    """Returns what a table, or one column of it, is."""
    if value.ndim == 1:
        content: Any = (value.name, _column(value))
    else:
        columns = [_column(value.iloc[:, at]) for at in range(value.shape[1])]
        content = (labels(value.columns), columns)
    set_by_others = {name: v for name, v in vars(value).items() if name not in _OF_PANDAS}
    flags = value.flags.allows_duplicate_labels
    return (type(value), labels(value.index), content, dict(value.attrs), flags, set_by_others)


def labels(index: Any) -> Any:
    """Returns what an index is."""
    kind = type(index)
    if kind.__name__ in ("RangeIndex", "MultiIndex") or not kind.__module__.startswith("pandas"):
        return index
    return (kind, list(index.names), getattr(index, "freq", None), _column(index))


def _column(value: Any) -> Any:
    """Returns the values of a column or an index."""
    dtype = value.dtype
    if isinstance(dtype, sys.modules["numpy"].dtype):
        return value.to_numpy()
    values = value.array
    kind = type(values).__name__
    if kind == "Categorical":
        return (labels(values.categories), values.ordered, values.codes)
    if kind in ("IntegerArray", "FloatingArray", "BooleanArray"):
        # What lies under a gap is nobody's.
        filled = values.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        return (str(dtype), filled, values.isna())
    if kind.startswith(("StringArray", "ArrowStringArray")):
        texts = values.to_numpy(dtype=object, na_value=None).tolist()
        return (repr(dtype), repr(dtype.na_value), texts)
    if kind == "DatetimeArray":
        zone = "UTC" if _is_utc(dtype.tz) else dtype.tz
        return (zone, values.tz_convert("UTC").tz_localize(None).to_numpy())
    return values


def _is_utc(zone: Any) -> bool:
    """Says whether a zone is the one that goes by several classes."""
    import datetime

    is_named = type(zone).__module__ in ("zoneinfo", "pytz") and str(zone) == "UTC"
    return is_named or zone is datetime.UTC
