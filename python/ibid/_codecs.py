"""Codecs: how values are written to a path, and read from one.

Owns the formats that `memoize` knows by name. Invariant: what is read is equal to what was written,
types and order included; a value of which that is not so is refused when it is saved, but for
`pickle`, where it is up to the value's class. Nothing is unpickled that anybody else could have
written.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from ibid._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Codec = tuple[Callable[[Any, Path], object], Callable[[Path], Any]]


def _refuse(value: Any, codec: str, why: str) -> UsageError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return UsageError(f"the value, a `{kind}`, cannot be saved by the codec `{codec}`: {why}")


def _save_npy(value: Any, path: Path) -> None:
    import numpy

    if type(value) is not numpy.ndarray:
        raise _refuse(value, "npy", "it is for plain arrays of numpy")
    if value.dtype.hasobject or any(map(_is_left_out, _types(value.dtype))):
        raise _refuse(value, "npy", f"its type `{value.dtype}` does not come back as it is")
    with open(path, "wb") as file:
        numpy.save(file, value, allow_pickle=False)


def _types(dtype: Any) -> list[Any]:
    """Returns a type of numpy, and those that it is made of."""
    parts = [part[0] for part in (dtype.fields or {}).values()]
    parts += [] if dtype.subdtype is None else [dtype.subdtype[0]]
    return [dtype, *(inner for part in parts for inner in _types(part))]


def _is_left_out(dtype: Any) -> bool:
    """Says whether a type is more than the format writes down of it."""
    return dtype.isalignedstruct or dtype.metadata is not None


def _load_npy(path: Path) -> Any:
    import numpy

    return numpy.load(path, allow_pickle=False)


# Under this name among the attributes of a table stands which numbers its columns have for names.
_NUMBERED = "ibid: columns"


def _save_parquet(value: Any, path: Path) -> None:
    import pandas

    if type(value) is not pandas.DataFrame:
        raise _refuse(value, "parquet", "it is for tables of pandas")
    try:
        _numbered(value).to_parquet(path)
        _compare(value, _load_parquet(path))
    except ImportError as error:
        raise UsageError(
            "the codec `parquet` needs `pyarrow`", hint="pip install pyarrow"
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:
        why = str(error).partition("\n")[0]
        raise _refuse(value, "parquet", f"it does not come back as it is ({why})") from error


def _load_parquet(path: Path) -> Any:
    import pandas

    table = pandas.read_parquet(path)
    numbers = table.attrs.pop(_NUMBERED, None)
    if numbers is not None:
        table.columns = pandas.RangeIndex(*numbers, name=table.columns.name)
    return table


def _numbered(table: Any) -> Any:
    """Returns a table that says that its columns are numbered, which the format does not."""
    import pandas

    columns = table.columns
    if type(columns) is not pandas.RangeIndex:
        return table
    noted = table.copy(deep=False)
    noted.attrs = {**table.attrs, _NUMBERED: [columns.start, columns.stop, columns.step]}
    return noted


def _compare(old: Any, new: Any) -> None:
    """Raises where a table is another than it was, if only for the types of what is in it."""
    import pandas

    pandas.testing.assert_frame_equal(
        old, new, check_exact=True, check_index_type="exact", check_column_type="exact"
    )
    if not _is_same(old.attrs, new.attrs):
        raise ValueError(f"its `attrs` would be {new.attrs!r}")
    for name, one, other in _held(old, new):
        for item, back in zip(_items(one), _items(other), strict=True):
            if not _is_same(item, back):
                raise ValueError(f"{item!r} in {name} would be {back!r}")


def _held(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pairs what each of two tables holds in one place, and says where that is."""
    for at, name in enumerate(old.columns):
        yield f"the column {name!r}", old.iloc[:, at], new.iloc[:, at]
    for axis in ("index", "columns"):
        one, other = getattr(old, axis), getattr(new, axis)
        yield f"the names of its {axis}", one.names, other.names
        for level in range(one.nlevels):
            yield f"its {axis}", one.get_level_values(level), other.get_level_values(level)


def _items(held: Any) -> Any:
    """Returns items of which the type of all says nothing."""
    dtype: Any = getattr(held, "dtype", None)
    if hasattr(dtype, "categories"):
        return _items(dtype.categories)
    return held if dtype is None or str(dtype) == "object" else ()


def _is_same(old: Any, new: Any) -> bool:
    """Compares two values with the types of all that they consist of."""
    if type(old) is not type(new):
        return False
    if isinstance(old, (list, tuple)):
        return len(old) == len(new) and all(map(_is_same, old, new))
    if isinstance(old, dict):
        return _is_same([*old.items()], [*new.items()])
    return old is new or (old == new if type(old) is str else repr(old) == repr(new))


def _save_pickle(value: Any, path: Path) -> None:
    import pickle

    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=5)


def load_pickle(path: Path, cache_dir: Path) -> Any:
    """Reads a copy from a store in `cache_dir`."""
    import pickle

    if not _is_private(path.resolve(), cache_dir.resolve()):
        raise UsageError("what others can write to is not unpickled: it could run anything")
    with open(path, "rb") as file:
        return pickle.load(file)


def _is_private(path: Path, cache_dir: Path) -> bool:
    """Says whether a copy and the store that it comes from are this user's alone to write."""
    store = cache_dir / "v1"
    # Where the store holds no copies, they lie in a folder of this user among temporary files.
    elsewhere = f"ibid-views-{os.geteuid()}"
    tops = [at for at in path.parents if at == store or at.name == elsewhere]
    if not tops:
        return False
    around = path.parents[: path.parents.index(tops[0]) + 1]
    # Nobody else may put another folder where it is.
    if tops[0] != store and not (_is_ours(tops[0].parent) or _is_sticky(tops[0].parent)):
        return False
    return all(map(_is_ours, (path, *around, cache_dir, store, store / "blobs")))


def _is_ours(path: Path) -> bool:
    try:
        at = path.stat()
    except OSError:
        return False
    return at.st_uid == os.getuid() and not at.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_sticky(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_ISVTX)


# The suffix of the path, what saves and what loads; nothing is what the cache itself does.
CODECS: dict[str, tuple[str, Any, Any]] = {
    "json": ("", None, None),
    "npy": (".npy", _save_npy, _load_npy),
    "parquet": (".parquet", _save_parquet, _load_parquet),
    "pickle": (".pickle", _save_pickle, load_pickle),
}
