"""Where a request is made: the folder, the environment, the cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ibid import _folders

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]


def place(
    cwd: StrPath | None, cache_dir: StrPath | None = None, config: StrPath | None = None
) -> dict[str, Any]:
    """Returns the surroundings of a call: as they are now, not as they were at the import.

    Of the environment only what differs from that of the process, which is read at the call.
    """
    # The system names the current folder without links.
    folder = os.getcwd() if cwd is None else os.path.realpath(cwd)
    told = os.environ.get("PWD", folder)
    # What was left behind is no place that a command should be told it runs in. A name that leads
    # here by links is as good as another.
    is_told = told == folder or (cwd is None and _leads_to(told, folder))
    own_cache, own_tmp = _folders.configured
    return {
        "dir": folder,
        "env": [] if is_told else [("PWD", folder)],
        "cache_dir": own_cache if cache_dir is None else os.path.expanduser(cache_dir),
        "tmp_dir": own_tmp,
        "config": None if config is None else os.path.expanduser(config),
    }


def _leads_to(name: str, folder: str) -> bool:
    try:
        return os.path.samefile(name, folder)
    except (OSError, ValueError):
        return False
