"""What is asked of a runner, of what it starts, and of a hasher: the protocols of Styx.

Nothing of Styx is imported: whatever behaves like this is one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

StrPath = str | os.PathLike[str]
Handler = Callable[[str], None] | None
ImageDigestResolver = Callable[[str], str]


class InputHasher(Protocol):
    """Says what a file or a folder comes to, as a text."""

    def hash_path(self, path: StrPath) -> str: ...


class Metadata(Protocol):
    """What is known of a tool before it is run."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def container_image_tag(self) -> str | None: ...


class Runner(Protocol):
    """Starts executions."""

    def start_execution(self, metadata: Any) -> Any: ...
