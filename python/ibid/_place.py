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
    """Returns the surroundings of a call: as they are now, not as they were at the import."""
    env = dict(os.environ)
    if cwd is not None:
        # What was left behind is no place that a command should be told it runs in.
        env["PWD"] = os.path.realpath(cwd)
    own_cache, own_tmp = _folders.configured
    cache_dir = own_cache if cache_dir is None else os.path.expanduser(cache_dir)
    return {
        "dir": os.path.realpath(cwd if cwd is not None else os.getcwd()),
        "env": list(env.items()),
        "cache_dir": cache_dir,
        "tmp_dir": own_tmp,
        "config": None if config is None else os.path.expanduser(config),
    }
