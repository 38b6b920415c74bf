"""Executions of the runner below, without a folder for outputs that lie elsewhere.

Owns what is known of runners that make one as soon as they start. What a hit leaves behind there
would stay for good, and to take it away again costs as much as the rest of a hit.
"""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

from ibid.styx._protocols import Metadata, Runner


def started(base: Runner, metadata: Metadata) -> Any:
    """Starts an execution whose folder does not stand."""
    execution = _lent(base).start_execution(metadata)
    folder = getattr(execution, "output_dir", None)
    if folder is not None and not isinstance(folder, _Unmade):
        with contextlib.suppress(OSError, TypeError):
            os.rmdir(folder)
    return execution


class _Unmade(type(Path())):  # type: ignore[misc]
    """A folder that is not made, nor looked for."""

    def exists(self, **_: Any) -> bool:
        """Takes the name for free."""
        return False

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Makes nothing."""


_unmade = functools.lru_cache(maxsize=16)(_Unmade)


def _lent(base: Any) -> Any:
    """Returns the runner, or a copy of it that makes no folder.

    The latter of a runner alone that is known to do nothing in there before its tool runs.
    """
    kind = type(base)
    if (kind.__module__, kind.__qualname__) != ("styxdefs.local_runner", "LocalRunner"):
        return base
    lent = object.__new__(kind)
    vars(lent).update(vars(base), data_dir=_unmade(base.data_dir))
    return lent
