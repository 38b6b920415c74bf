"""Where a request is made: the folder, the environment, the cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]


def place(
    cwd: StrPath | None, cache_dir: StrPath | None = None, config: StrPath | None = None
) -> dict[str, Any]:
    """Returns the surroundings of a call: as they are now, not as they were at the import."""
    env = dict(os.environ)
    folder = os.path.realpath(cwd if cwd is not None else os.getcwd())
    # What was left behind is no place that a command should be told it runs in. A name that leads
    # here by links is as good as another.
    if cwd is not None or os.path.realpath(env.get("PWD", folder)) != folder:
        env["PWD"] = folder
    return {
        "dir": folder,
        "env": list(env.items()),
        "cache_dir": None if cache_dir is None else os.path.expanduser(cache_dir),
        "config": None if config is None else os.path.expanduser(config),
    }
