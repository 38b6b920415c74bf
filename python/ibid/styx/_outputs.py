"""What a tool has made: whether all is there, and whether it can be brought back elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ibid import _links


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
    for above, _, files in os.walk(folder):
        for path in (os.path.join(above, name) for name in files):
            if os.path.islink(path):
                continue
            found = os.stat(path)
            # One that has other names may be the user's own.
            if found.st_nlink == 1:
                os.chmod(path, found.st_mode & 0o7555)
    unfit = []
    if missing:
        unfit.append(
            f"{_links.named(missing)} {'is' if len(missing) == 1 else 'are'} declared and missing "
            "(`optional_outputs` of the policy says what may be)"
        )
    leaving = _links.leaving(os.path.realpath(folder))
    if leaving:
        unfit.append(_links.told(leaving))
    return unfit
