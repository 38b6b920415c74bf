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
    from collections.abc import Callable
    from pathlib import Path

    Codec = tuple[Callable[[Any, Path], object], Callable[[Path], Any]]


def _refuse(value: Any, codec: str, why: str) -> UsageError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return UsageError(f"the value, a `{kind}`, cannot be saved by the codec `{codec}`: {why}")


def _save_npy(value: Any, path: Path) -> None:
    import numpy

    if type(value) is not numpy.ndarray:
        raise _refuse(value, "npy", "it is for plain arrays of numpy")
    if value.dtype.hasobject or value.dtype.metadata is not None:
        raise _refuse(value, "npy", f"its type `{value.dtype}` does not come back as it is")
    with open(path, "wb") as file:
        numpy.save(file, value, allow_pickle=False)


def _load_npy(path: Path) -> Any:
    import numpy

    return numpy.load(path, allow_pickle=False)


def _save_parquet(value: Any, path: Path) -> None:
    import pandas

    if type(value) is not pandas.DataFrame:
        raise _refuse(value, "parquet", "it is for tables of pandas")
    try:
        value.to_parquet(path)
        pandas.testing.assert_frame_equal(value, pandas.read_parquet(path), check_exact=True)
    except ImportError as error:
        raise UsageError(
            "the codec `parquet` needs `pyarrow`", hint="pip install pyarrow"
        ) from error
    except (AssertionError, ValueError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise _refuse(value, "parquet", f"it does not come back as it is ({why})") from error


def _load_parquet(path: Path) -> Any:
    import pandas

    return pandas.read_parquet(path)


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
