"""Views: places that outputs are handed out in, one for each execution.

A path is handed out before anybody knows whether the tool will run, so it lies in a place of this
execution alone: a folder once the tool runs, a link to the earlier result where it does not. Those
of one process lie in one folder of the cache, which no collection takes while the process lives,
nor what is led to from there, and which goes a month later.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
import tempfile
import threading

from ibid import _ibid
from ibid._errors import Error
from ibid._hearing import Hearing
from ibid._place import place

_UNUSUAL = re.compile(r"[^A-Za-z0-9_.-]")
_lock = threading.Lock()
_folders: dict[tuple[int, str], _Folder] = {}


def _renew_lock() -> None:
    """Lets go of what a thread held that a fork did not copy."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class _Folder:
    """A folder of views, which stays where it is while this is there."""

    def __init__(self, cache_dir: str) -> None:
        self._numbers = itertools.count()
        try:
            path, self._held = _ibid.make_views(place(None, cache_dir), Hearing(echo=False))
            self._path = os.fspath(path)
        except Error:
            # Whoever asks for the result says what is wrong with the cache.
            self._path = tempfile.mkdtemp(prefix="ibid-views-")
        # What is held. A folder that was taken away is made again by a tool that runs there.
        lock = os.path.join(os.path.dirname(self._path), "lock")
        self._mark = lock if os.path.exists(lock) else self._path

    def next(self, name: str) -> str:
        return os.path.join(self._path, f"{next(self._numbers)}-{name}")

    def stands(self) -> bool:
        return os.path.exists(self._mark)


def name(cache_dir: str, tool: str) -> str:
    """Names a new view, where nothing stands; `tool` is for people who look into the cache."""
    # A child that was forked has none of its parent's.
    process = (os.getpid(), cache_dir)
    with _lock:
        folder = _folders.get(process)
        # The cache may have been emptied.
        if folder is None or not folder.stands():
            folder = _folders[process] = _Folder(cache_dir)
        return folder.next(_called(tool))


@functools.lru_cache(maxsize=64)
def _called(tool: str) -> str:
    return _UNUSUAL.sub("_", tool)[:64]


def remove(view: str) -> None:
    """Removes what stands there. What it leads to is others' as well."""
    if os.path.islink(view):
        os.unlink(view)
    else:
        shutil.rmtree(view, ignore_errors=True)
