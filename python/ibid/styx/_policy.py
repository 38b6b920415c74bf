"""What counts beside the command line and the inputs."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass, field

from ibid.styx._hashing import ContentHasher
from ibid.styx._protocols import ImageDigestResolver, InputHasher


def trust_tag(tag: str) -> str:
    """Takes an image for its tag, for those who know that nobody moves it."""
    return tag


@dataclass
class CachePolicy:
    """What counts of a call.

    `hasher` says what an input comes to; the text of another one than `ContentHasher` counts in
    place of the content. `image_digest` says what the tag of an image stands for; without one a
    runner of containers has its own, and what that cannot resolve is not cached. `env_allowlist`
    are variables that count, as the runner's own `environ` has them. `bypass_tools` are tools, as
    `package/name`, that are always run. `extra` are texts that count. With `base_names` the names
    of input files count, too: for tools that name files after them without declaring those.
    `optional_outputs` are patterns of outputs, as `package/name/output`, that a tool may leave out
    although its wrapper declares them: a run that lacks another one is not stored.
    """

    hasher: InputHasher = field(default_factory=ContentHasher)
    image_digest: ImageDigestResolver | None = None
    env_allowlist: tuple[str, ...] = ()
    bypass_tools: frozenset[str] = frozenset()
    extra: dict[str, str] = field(default_factory=dict)
    base_names: bool = False
    optional_outputs: tuple[str, ...] = ()

    def may_be_missing(self, tool: str, output: str) -> bool:
        """Says whether a tool may leave out an output that is declared as if it could not."""
        path = f"{tool}/{output}"
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.optional_outputs)

    def env_values(self) -> list[tuple[str, str]]:
        """Returns the variables that count as this process has them, an unset one as empty.

        In a key unset and empty differ, and a runner's own `environ` comes first.
        """
        return [(name, os.environ.get(name, "")) for name in sorted(self.env_allowlist)]
