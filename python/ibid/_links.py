"""Links in what was made: whether it can be brought back elsewhere, where they lead as they did.

Owns which links lead out of a folder, as the system would follow them. Invariant: a link that is
said to lead to something inside does so wherever the folder lies.
"""

from __future__ import annotations

import os

_NAMED = 3


def leaving(made: str) -> list[str]:
    """Returns the links that lead out of what was made, by their names in it.

    A link to something inside that leaves the folder on its way, as an absolute one does, is made
    one that does not.
    """
    if os.path.islink(made):
        return [os.path.basename(made)]
    real = os.path.realpath(made)
    found = []
    for above, folders, files in os.walk(real):
        for name in (*folders, *files):
            path = os.path.join(above, name)
            if os.path.islink(path) and not _is_kept_inside(path, real):
                found.append(os.path.relpath(path, real))
    return found


def named(names: list[str]) -> str:
    """Names a few, and says how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    few = ", ".join(f"`{name}`" for name in names[:_NAMED])
    return few + more


def told(names: list[str]) -> str:
    """Says of links that they lead elsewhere."""
    what = "is a link that leads" if len(names) == 1 else "are links that lead"
    return f"{named(names)} {what} elsewhere"


def _is_kept_inside(link: str, folder: str) -> bool:
    """Says whether a link leads to something inside, and makes it do so wherever that lies."""
    text = os.readlink(link)
    target = "/" if os.path.isabs(text) else os.path.dirname(link)
    leaves = not _is_in(target, folder)
    for name in text.split("/"):
        # As the system does it: `..` goes back from where a link has led.
        target = os.path.realpath(target)
        if name == "..":
            target = os.path.dirname(target)
        elif name not in ("", "."):
            target = os.path.join(target, name)
        leaves = leaves or not _is_in(target, folder)
    if not _is_in(target, folder):
        return False
    if leaves:
        os.unlink(link)
        os.symlink(os.path.relpath(target, os.path.dirname(link)), link)
    return True


def _is_in(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder
