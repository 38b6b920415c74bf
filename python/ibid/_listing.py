"""SHA-256 of files and of all that lies in a folder, for records that callers keep themselves.

Owns what of a folder is seen: files by their content; empty folders, links to folders, links that
lead nowhere and special files by a text that no digest can be. These are no keys, which are made
by the engine alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from ibid import _record
from ibid._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ibid._words import StrPath

HIDDEN = (".*", "__pycache__", "*.pyc")
"""What is passed over unless asked for: the rule of `hash_directory`, as manifests name it."""


# Begins the text of a folder that is listed elsewhere.
_SAME = "the folder that is listed at "

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class DirectoryHashes(dict[str, str]):
    """What `hash_directory` found, by relative path; `skipped` is the rule by which it looked."""

    def __init__(self, found: dict[str, str], skipped: tuple[str, ...]) -> None:
        super().__init__(found)
        self.skipped = skipped


def hash_file(path: StrPath, *, chunk_size: int = 65536) -> str:
    """Returns the SHA-256 of a file's bytes, as 64 lowercase hexadecimal digits."""
    if chunk_size < 1:
        raise UsageError(f"`chunk_size` is {chunk_size}, which reads nothing")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def hash_directory(
    directory: StrPath,
    *,
    extensions: Collection[str] | None = None,
    skip_hidden: bool = True,
) -> DirectoryHashes:
    """Returns what lies in a folder, at any depth: a digest for each file, sorted by path.

    An empty folder, a link to a folder, a link that leads nowhere and a special file have a text
    that says so. What a link to a folder elsewhere leads to is listed below the link; where such
    links lead on to a folder that is listed by then, `name/` has a text that says where.
    `extensions` are the suffixes of the names that count, in any case of letters, where an empty
    one stands for names without; then empty folders do not. Hidden names, `__pycache__` and
    `*.pyc` below the folder are passed over, unless `skip_hidden` is off; `.ibid` always is. A
    folder that is not there raises `FileNotFoundError`.
    """
    if isinstance(extensions, str | bytes):
        raise UsageError(f"`extensions` is {extensions!r}", hint='give a set: `{".csv"}`')
    suffixes = None if extensions is None else tuple(_suffix(one) for one in extensions)
    look = _Look(suffixes, skip_hidden=skip_hidden)
    found = dict(look.folder(os.fsdecode(directory), "", ()))
    in_order = {path: found[path] for path in sorted(found)}
    return DirectoryHashes(in_order, HIDDEN if skip_hidden else ())


def _suffix(extension: str) -> str:
    lowered = extension.lower()
    return lowered if not lowered or lowered.startswith(".") else f".{lowered}"


class _Look:
    """What of a folder counts."""

    def __init__(self, suffixes: tuple[str, ...] | None, *, skip_hidden: bool) -> None:
        self._suffixes = suffixes
        self._skip_hidden = skip_hidden
        # Where folders that links lead to were listed first, by their real paths.
        self._listed: dict[str, str] = {}

    def folder(self, path: str, shown: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Lists a folder; `above` are those, by their real paths, whose links lead here."""
        around = (*above, os.path.realpath(path))
        pending = [(path, shown)]
        while pending:
            folder, prefix = pending.pop()
            entries = [one for one in _entries(folder, prefix) if not self._skips(one.name)]
            if not entries and prefix and self._suffixes is None:
                yield prefix.removesuffix("/"), "an empty folder"
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{name}/"))
                elif entry.is_symlink():
                    yield from self._link(entry.path, name, around)
                elif self._counts(name):
                    yield from _file(entry.path, name)

    def _link(self, path: str, name: str, around: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if not os.path.isdir(path):
            if self._counts(name):
                yield from _file(path, name)
            return
        if self._counts(name):
            yield name, f"a link to {os.readlink(path)}"
        real = os.path.realpath(path)
        # What lies in a folder that is listed is listed there; so every way ends.
        if any(self._lists(one, real) for one in around):
            return
        first = self._listed.setdefault(real, name)
        # There can be as many ways through links as there are paths of a maze: only those of the
        # folder itself are all listed.
        if first == name or len(around) == 1:
            yield from self.folder(path, f"{name}/", around)
        elif self._suffixes != ():
            yield f"{name}/", f"{_SAME}{os.path.relpath(first, os.path.dirname(name))}"

    def _lists(self, folder: str, real: str) -> bool:
        """Says whether the list of a folder comes by another one without following links."""
        if not _is_within(real, folder):
            return False
        between = real.removeprefix(folder).split(os.sep)
        return not any(self._skips(part) for part in between)

    def _skips(self, name: str) -> bool:
        if name == _record.FOLDER:
            return True
        is_hidden = name.startswith(".") or name == "__pycache__" or name.endswith(".pyc")
        return self._skip_hidden and is_hidden

    def _counts(self, name: str) -> bool:
        if self._suffixes is None:
            return True
        named = tuple(suffix for suffix in self._suffixes if suffix)
        has_none = not os.path.splitext(name)[1]
        return name.lower().endswith(named) or (has_none and "" in self._suffixes)


def _entries(folder: str, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            # In one order, so that what is listed first is the same each time.
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        if not prefix:
            raise
        # One below that has just gone is not there.
        return []


def _file(path: str, name: str) -> Iterator[tuple[str, str]]:
    """Says what a file is; one that has just gone is not there."""
    state = _state_of_file(path)
    if state is not None:
        yield name, state


def state_below(folder: StrPath, name: str, old: str) -> str | None:
    """Returns what stands at a name in a folder, in the terms in which it was recorded."""
    path = os.path.join(folder, name)
    if not name.endswith("/"):
        return state_of(path)
    above = os.path.dirname(name.removesuffix("/"))
    first = os.path.normpath(os.path.join(above, old.removeprefix(_SAME)))
    same = os.path.realpath(path) == os.path.realpath(os.path.join(folder, first))
    return old if same and os.path.isdir(path) else state_of(path)


def state_of(path: str) -> str | None:
    """Returns what stands at a path, as `hash_directory` says it; `None` where nothing does."""
    if not os.path.isdir(path):
        return _state_of_file(path)
    if os.path.islink(path):
        return f"a link to {os.readlink(path)}"
    is_empty = all(entry.name == _record.FOLDER for entry in _entries(path, "/"))
    return "an empty folder" if is_empty else "a folder"


def _state_of_file(path: str) -> str | None:
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            return hash_file(path)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        if os.path.islink(path):
            return f"a link to {os.readlink(path)}, which leads nowhere"
        return None
    return "neither a file nor a folder"


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
