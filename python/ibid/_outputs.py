"""Outputs of a step, by what its manifest has of them.

Owns how outputs are named: paths from the folder of the outputs, literal ones before patterns, so
that a file called `a[1].txt` is found by its name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ibid import _record
from ibid._errors import UsageError
from ibid._listing import hash_directory, state_below, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def recorded(folder: Path, named: Iterable[str] | None) -> dict[str, str]:
    """Returns what stands below a folder, or of it what is named."""
    if named is None:
        return hash_directory(folder, skip_hidden=False)
    outputs: dict[str, str] = {}
    for word in [named] if isinstance(named, str) else named:
        found = matched(folder, word)
        if not found:
            raise UsageError(
                f"nothing is at the output `{word}` in `{folder}`",
                hint="`outputs` names what the step made, from the folder of the outputs",
            )
        for path in found:
            outputs |= _below(folder, path)
    return outputs


def _below(folder: Path, path: str) -> dict[str, str]:
    on_disk = os.path.join(folder, path)
    state = state_of(on_disk)
    if state is None:
        return {}
    itself = {} if state == "a folder" else {path: state}
    if not os.path.isdir(on_disk):
        return itself
    # What a link leads to is what was made, as much as where it leads.
    below = hash_directory(on_disk, skip_hidden=False)
    prefix = "" if path == os.curdir else f"{path}/"
    return itself | {f"{prefix}{name}": state for name, state in below.items()}


def matched(folder: Path, word: str) -> list[str]:
    """Returns the paths that a name or a pattern means, from the folder."""
    path = os.path.normpath(os.path.relpath(word, folder) if os.path.isabs(word) else word)
    if os.path.lexists(os.path.join(folder, word)):
        return [path]
    if not any(magic in path for magic in "*?["):
        return []
    found = (Path(one).relative_to(folder).as_posix() for one in folder.glob(path))
    return sorted(one for one in found if one.partition("/")[0] != _record.FOLDER)


def changed(folder: Path, outputs: Mapping[str, str]) -> list[str]:
    """Says which of the recorded outputs do not stand as they were."""
    reasons = []
    for path, old in sorted(outputs.items()):
        now = state_below(folder, path, old)
        if now is None:
            reasons.append(f"the output `{path}` is missing")
        elif now != old:
            reasons.append(f"the output `{path}` was changed: `{old}` is `{now}` now")
    return reasons


def absent(paths: Iterable[str], outputs: Mapping[str, str]) -> list[str]:
    """Returns those of the paths of which nothing is recorded."""
    return [
        path
        for path in paths
        if path not in outputs and not any(_is_below(one, path) for one in outputs)
    ]


def _is_below(one: str, path: str) -> bool:
    return path == os.curdir or one.startswith(f"{path}/")
