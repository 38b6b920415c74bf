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
from pathlib import Path

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
            self._path, self._held = _ibid.make_views(place(None, cache_dir), Hearing(echo=False))
        except Error:
            # Whoever asks for the result says what is wrong with the cache.
            self._path = Path(tempfile.mkdtemp(prefix="ibid-views-"))

    def next(self, name: str) -> Path:
        return self._path / f"{next(self._numbers)}-{name}"


def make(cache_dir: str, tool: str) -> Path:
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
            view.mkdir(mode=0o700)
        except OSError:
            # The cache was emptied.
            with _lock:
                _folders.pop(process, None)
        else:
            return view
    return Path(tempfile.mkdtemp(prefix="ibid-view-"))
