"""Records beside the outputs they are about: how their files are named, read and written.

A record lies in `.ibid/manifests/` below the folder of the outputs, under a name that is always
one file in there. It is written whole or not at all, with the permissions that any new file gets.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from ibid._errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ".ibid"
"""What is ibid's own below a folder of outputs, and never a part of them."""

_LIMIT = 64 << 20
_LONGEST = 180


def stem(name: str) -> str:
    """Returns the name of a record's file without its extension; no two names share one."""
    if not isinstance(name, str) or not name:
        raise UsageError(f"{name!r} is no name", hint="a name is a text that is not empty")
    quoted = quote(name, safe="", errors="surrogatepass")
    if len(quoted) <= _LONGEST:
        return quoted
    import hashlib

    # `@` is none of the characters that quoting leaves.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{quoted[:80]}@{digest}"


def path_of(folder: Path, name: str) -> Path:
    """Returns where the record of this name lies."""
    return folder / FOLDER / "manifests" / f"{stem(name)}.json"


def read(path: Path) -> bytes:
    """Returns the bytes of a record; what cannot be one for its size raises `OSError`."""
    # Whoever put a FIFO there makes nobody wait.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise OSError(f"it is larger than {_LIMIT} bytes")
    return data


def write(path: Path, data: bytes) -> None:
    """Writes a record whole; on a failure nothing of it is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{os.urandom(8).hex()}.tmp")
    # Made by `tempfile` it would be hidden from the group.
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise
    with contextlib.suppress(OSError):
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
