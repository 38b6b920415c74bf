"""A runner of Styx that cites results of the runner below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibid._bypass import is_bypassed
from ibid.styx._execution import CachingExecution
from ibid.styx._policy import CachePolicy
from ibid.styx._protocols import Metadata, Runner, StrPath
from ibid.styx._started import started


@dataclass(frozen=True)
class CacheStore:
    """Where results are kept: a cache like any other of ibid's."""

    root: Path


class CachingRunner:
    """Runs tools by `base`, and brings results of equal calls back from the cache in `cache_dir`.

    What counts of a call beside its command line and its inputs is for `policy` to say.
    """

    def __init__(
        self, base: Runner, cache_dir: StrPath, *, policy: CachePolicy | None = None
    ) -> None:
        self.base = base
        self.store = CacheStore(Path(os.path.abspath(os.path.expanduser(cache_dir))))
        self.policy = policy or CachePolicy()

    @property
    def cache_dir(self) -> str:
        """The folder of the cache."""
        return os.fspath(self.store.root)

    def start_execution(self, metadata: Metadata) -> Any:
        """Starts an execution; where the cache is passed over, the base's own."""
        tool = f"{metadata.package}/{metadata.name}"
        if is_bypassed() or tool in self.policy.bypass_tools:
            return self.base.start_execution(metadata)
        return CachingExecution(started(self.base, metadata), self, metadata)
