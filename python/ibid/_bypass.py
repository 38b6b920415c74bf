"""Going without the cache for a while.

The switch belongs to a thread and to an asyncio task, not to the process: what one of them does
in `with ibid.bypass():` is no concern of the others. The innermost switch counts.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_bypassed: ContextVar[bool] = ContextVar("ibid_bypassed", default=False)


@contextmanager
def bypass() -> Iterator[None]:
    """Within it everything runs: nothing is looked up, and nothing is stored."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


@contextmanager
def enabled() -> Iterator[None]:
    """Within it the cache counts, also inside a `bypass`."""
    token = _bypassed.set(False)
    try:
        yield
    finally:
        _bypassed.reset(token)


def is_bypassed() -> bool:
    """Says whether the cache is passed over here."""
    return _bypassed.get()
