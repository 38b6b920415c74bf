"""Finds paths of inputs in texts, so that what they hold counts in their place.

Only a path that stands by itself is found: `/data/a` is neither in `/mnt/data/a` nor in
`/data/a.nii`, nor in the name of another file that is there, such as `/data/a b`; and a folder is
not in a path that leaves it by `..`. What is found is a position, which no text can be taken for.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping

Parts = list[str | int]

_BORDER = r"\s=,:;\"'()\[\]{}<>|&@"
_START = re.compile(f"(?<![^{_BORDER}])/")
_QUOTED_BEHIND = re.compile(f"[^{_BORDER}][\"']+\\Z")
_QUOTED_BEFORE = re.compile(f"[\"']+[^{_BORDER}]")
_END = re.compile(f"(?=[{_BORDER}])|\\Z")


class Marks:
    """Knows how inputs are spelled: each spelling with a position, and whether it is a folder.

    A text that as a whole is a path of `paths` is one of them, however it is spelled.
    """

    def __init__(
        self, spellings: Iterable[tuple[str, int, bool]], paths: Mapping[str, int] | None = None
    ) -> None:
        self._paths = paths or {}
        known: dict[str, tuple[int, bool]] = {}
        for spelling, at, is_folder in spellings:
            if spelling.strip("/"):
                known.setdefault(spelling, (at, is_folder))
        self._known = known
        # Most words of a command have none, and name nothing then.
        self._all_have_slash = all("/" in spelling for spelling in known)
        # Of two that begin alike the longer one is meant.
        longest = sorted(known, key=len, reverse=True)
        self._positions = [known[spelling][0] for spelling in longest]
        found = [
            f"({re.escape(spelling)}(?![^{'/' if known[spelling][1] else ''}{_BORDER}]))"
            for spelling in longest
        ]
        self._find = re.compile(f"(?<![^{_BORDER}])(?:{'|'.join(found)})") if found else None

    def parts(self, text: str) -> Parts:
        """Cuts a text at the inputs that it names; one that names none is one part."""
        whole = self._paths.get(os.path.abspath(text)) if self._paths and text else None
        if whole is not None:
            return [whole]
        if self._find is None or (self._all_have_slash and "/" not in text):
            return [text]
        if text in self._known:
            return [self._known[text][0]]
        parts: Parts = []
        end = 0
        for found in self._find.finditer(text):
            if _is_within_another(text, *found.span()):
                continue
            if found.start() > end:
                parts.append(text[end : found.start()])
            parts.append(self._positions[(found.lastindex or 1) - 1])
            end = found.end()
        if end < len(text) or not parts:
            parts.append(text[end:])
        return parts


@functools.lru_cache(maxsize=64)
def known_marks(
    spellings: tuple[tuple[str, int, bool], ...], paths: tuple[tuple[str, int], ...] = ()
) -> Marks:
    """Returns the same marks for the same spellings: what stands on the disk is not in them."""
    return Marks(spellings, dict(paths))


def _is_within_another(text: str, start: int, end: int) -> bool:
    """Says whether what stands there is only a piece of the path of something else.

    A border may be a letter of a name: whether it is one, only the file system can tell.
    """
    starts = [found.start() for found in _START.finditer(text, 0, start)]
    ends = [found.start() for found in _END.finditer(text, end)]
    rest = text[end : ends[0]]
    if ".." in rest.split("/"):
        return True
    # To a shell what touches a quote goes on there.
    if _QUOTED_BEHIND.search(text, 0, start) or _QUOTED_BEFORE.match(text, end):
        return True
    for last in ends:
        rest = text[end:last]
        is_below = not rest or (rest[0] == "/" and ".." not in rest.split("/"))
        # The input itself, and what lies in it, is what is meant.
        first = starts if is_below else [*starts, start]
        if any(os.path.lexists(text[at:last]) for at in first):
            return True
    return False
