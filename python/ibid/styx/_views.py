"""Views: folders that outputs are handed out in, one for each execution.

A path is handed out before anybody knows whether the tool will run, so it lies in a folder of this
execution alone. Those of one process lie in one folder of the cache, which no collection takes
while the process lives, and which goes a month later.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import threading

from ibid import _ibid
from ibid._errors import Error
from ibid._hearing import Hearing
from ibid._place import place

_lock = threading.Lock()
_folders: dict[tuple[int, str], _Folder] = {}


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

    def next(self, name: str) -> str:
        return os.path.join(self._path, f"{next(self._numbers)}-{name}")


def make(cache_dir: str, tool: str) -> str:
    """Makes an empty view; `tool` is for people who look into the cache."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", tool)[:64]
    # A child that was forked has none of its parent's.
    process = (os.getpid(), cache_dir)
    for _ in range(2):
        with _lock:
            folder = _folders.get(process) or _Folder(cache_dir)
            _folders[process] = folder
            view = folder.next(name)
        try:
            os.mkdir(view, mode=0o700)
        except OSError:
            # The cache was emptied.
            with _lock:
                _folders.pop(process, None)
        else:
            return view
    return tempfile.mkdtemp(prefix="ibid-view-")
