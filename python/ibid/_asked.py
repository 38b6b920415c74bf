"""A stage as the engine is asked about it: what is read of it at one moment, in its terms.

Owns how the fields of a stage become those of a step: paths from the folder of the outputs, names
that files can have, sources and versions. What cannot be keyed or recorded is a `NoKey`, which is
no fault of the caller's and ends in a run.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import TYPE_CHECKING, Any, TypeVar

from ibid import _ibid, _modules, _record, _words
from ibid._errors import Error, UsageError
from ibid._hearing import Hearing
from ibid._place import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibid._words import StrPath
    from ibid.stages import Stage

T = TypeVar("T")


class NoKey(Exception):
    """A stage has no key, or its run cannot be recorded; as a text it says why."""


class Asked:
    """A stage with the sources that it has at one moment, for the engine."""

    def __init__(self, stage: Stage, output_dir: StrPath) -> None:
        if not stage.inputs:
            raise NoKey("a stage without inputs always runs")
        self._stage = stage
        self._root = os.path.realpath(output_dir)
        self.sources = self._read()
        given = _words.texts(stage.versions, "versions")
        versions = {f"given/{name}": tag for name, tag in given.items()}
        self._request = {
            "root": self._root,
            "record": _record.stem(stage.name),
            "label": _text(f"{os.path.basename(self._root)}/{stage.name}"),
            "module": stage.module,
            "code": self.sources.texts,
            # Uncleaned: what `..` leads to depends on the links before it.
            "files": sorted(os.path.join(os.getcwd(), one) for one in self.sources.files.values()),
            "inputs": self._paths(stage.inputs),
            "outputs": self._paths(stage.outputs),
            "params": _words.params(stage.params),
            "env": _words.variables(stage.env),
            "versions": {**self.sources.versions, **versions},
            "ttl": _words.duration(stage.ttl),
        }

    def prepare(self) -> _ibid.PreparedStage:
        """Makes the key, and holds what it rests on."""
        return self._ask(_ibid.prepare_stage)

    def on_record(self) -> dict[str, Any]:
        """Asks whether a run is on record that answers for the next one."""
        return dict(json.loads(self._ask(_ibid.stage_on_record)))

    def restore(self) -> dict[str, Any]:
        """Brings outputs back, if it can."""
        return dict(json.loads(self._ask(_ibid.restore_stage)))

    def record(self, prepared: _ibid.PreparedStage, *, witnessed: bool) -> bool:
        """Records a run that is over; raises `NoKey` where it may not be, or could not.

        Says whether it is on record, which it is not where the mode of the cache forbids it.
        """
        edited = _modules.edited_since_start(self.sources)
        if edited:
            raise NoKey(
                f"{shown(edited)} was edited since this process started, which may run its "
                "earlier code; a new process knows"
            )
        try:
            os.makedirs(self._root, exist_ok=True)
            heard = Hearing(echo=False)
            outcome = json.loads(_ibid.record_stage(place(None), prepared, witnessed, heard))
        except (Error, OSError) as error:
            raise _no_key(error) from error
        if not outcome["stored"] and not outcome["by_choice"]:
            raise NoKey(outcome["not_stored"])
        _tell_unseen(self._stage.name, tuple(self.sources.unseen))
        return bool(outcome["stored"] and outcome["on_record"])

    def check_code(self) -> None:
        """Makes sure that the sources are what they were."""
        now = self._read()
        for part in ("texts", "versions", "stamps"):
            old, new = getattr(self.sources, part), getattr(now, part)
            changed = sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n))
            if changed:
                raise NoKey(f"{shown(changed)} changed during the run")

    def _ask(self, ask: Callable[[dict[str, Any], dict[str, Any], Hearing], T]) -> T:
        try:
            return ask(place(None), self._request, Hearing(echo=False))
        except Error as error:
            raise _no_key(error) from error

    def _read(self) -> _modules.Sources:
        try:
            return _modules.sources_of(_module(self._stage.module))
        except _modules.NoSource as error:
            raise NoKey(str(error)) from error

    def _paths(self, paths: Iterable[StrPath]) -> list[str]:
        """Returns paths as they are keyed: from the root wherever they lie below it."""
        words = []
        for path in _words.paths(paths):
            if not path:
                raise UsageError(f"the stage `{self._stage.name}` names an empty path")
            plain = path.rstrip("/") or "/"
            above, name = os.path.split(plain)
            real = os.path.join(os.path.realpath(above), name)
            is_below = os.path.isabs(path) and real.startswith(self._root + os.sep)
            below = os.path.relpath(real, self._root) if is_below else plain
            words.append(f"{below}/" if path.endswith("/") else below)
        return words


@functools.cache
def _tell_unseen(stage: str, unseen: tuple[str, ...]) -> None:
    """Tells once what of the code is in no key."""
    if unseen:
        told = "%s: not seen by its key: %s; `versions` can stand for it"
        logging.getLogger("ibid").info(told, stage, ", ".join(unseen))


def _module(name: object) -> str:
    if not isinstance(name, str):
        raise UsageError(f"`module` is {name!r}, and takes a text")
    return name


def _text(name: str) -> str:
    """Returns a name that every file can hold."""
    return name.encode("utf-8", "backslashreplace").decode()


def shown(names: list[str]) -> str:
    """Names a few, and says how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more


def _no_key(error: Exception) -> NoKey:
    if not isinstance(error, Error):
        return NoKey(str(error))
    return NoKey(": ".join([error.message, *error.causes]))
