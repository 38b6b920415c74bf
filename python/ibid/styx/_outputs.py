"""What a tool has made: whether all is there, and whether it can be brought back elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_NAMED = 3


def settle(folder: Path, declared: Mapping[str, bool]) -> list[str]:
    """Makes outputs fit to be stored, and returns why they are not.

    A link to another output that leaves the folder on its way, as an absolute one does, is made one
    that does not, so that it leads there wherever both are brought back. Nobody is to write
    in outputs from now on.
    """
    missing = [
        name
        for name, optional in declared.items()
        if not optional and not os.path.exists(folder / name)
    ]
    leaving = []
    real = os.path.realpath(folder)
    for above, folders, files in os.walk(real):
        for name in (*folders, *files):
            path = os.path.join(above, name)
            if os.path.islink(path):
                if not _is_kept_inside(path, real):
                    leaving.append(os.path.relpath(path, real))
            elif name in files:
                found = os.stat(path)
                # One that has other names may be the user's own.
                if found.st_nlink == 1:
                    os.chmod(path, found.st_mode & 0o7555)
    unfit = []
    if missing:
        unfit.append(
            f"{_named(missing)} {'is' if len(missing) == 1 else 'are'} declared and missing "
            "(`optional_outputs` of the policy says what may be)"
        )
    if leaving:
        what = "is a link that leads" if len(leaving) == 1 else "are links that lead"
        unfit.append(f"{_named(leaving)} {what} elsewhere")
    return unfit


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    few = ", ".join(f"`{name}`" for name in names[:_NAMED])
    return few + more


def _is_kept_inside(link: str, folder: str) -> bool:
    """Says whether a link leads to another output, and makes it do so wherever the folder lies."""
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
