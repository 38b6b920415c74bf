"""Stages: parts of a pipeline that the caller runs, passed over where nothing has changed.

    clean = Stage("clean", "study.clean", "Cleans", inputs=("raw.csv",), outputs=("t.csv",))

    if not should_skip(clean, folder):
        with clean.run(folder):
            study.clean.main(folder)

A stage is passed over if its record says that it ran with this code, these inputs and parameters,
that its outputs are those that stand, byte by byte, and that it is not too old. Its results are in
the cache: what was made from inputs that are back can be restored. `explain` says why a stage is
to run; `ibid why` knows it, too.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibid import _ibid, _record
from ibid._asked import Asked, NoKey, shown
from ibid._bypass import is_bypassed
from ibid._hearing import Hearing
from ibid._place import place

if TYPE_CHECKING:
    from types import TracebackType

    from ibid._words import StrPath

__all__ = [
    "Explanation",
    "Stage",
    "StageRun",
    "compute_key",
    "explain",
    "invalidate",
    "mark_done",
    "restore",
    "run",
    "should_skip",
]


@dataclass(frozen=True)
class Stage:
    """A part of a pipeline: what it runs, reads and makes.

    `inputs` and `outputs` are paths from the folder of the outputs, which every call is given, or
    absolute ones; one that ends in `/` is a folder. Without inputs a stage always runs. `ttl` is
    in seconds. `params` are typed data, `env` names variables or gives them values, `versions`
    are tags: all of them count, and so do the source of `module` and of what it imports.
    `description`, `depends_on` and `optional` do not, and `name` is that of the record.
    """

    name: str
    module: str
    description: str
    depends_on: tuple[str, ...] = ()
    optional: bool = False
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    ttl: int | None = None
    params: Mapping[str, Any] | None = field(default=None, hash=False)
    env: Mapping[str, str | None] | tuple[str, ...] = field(default=(), hash=False)
    versions: Mapping[str, str] | None = field(default=None, hash=False)

    def compute_key(self, output_dir: StrPath) -> str | None:
        """Returns the key, or `None` where there can be none: `explain` says why."""
        return compute_key(self, output_dir)

    def should_skip(self, output_dir: StrPath, *, force: bool = False) -> bool:
        """Says whether the stage need not run. Writes nothing."""
        return should_skip(self, output_dir, force=force)

    def explain(self, output_dir: StrPath) -> Explanation:
        """Says whether the stage need not run, and if it must, why. Writes nothing."""
        return explain(self, output_dir)

    def run(self, output_dir: StrPath) -> StageRun:
        """Watches the inputs of a run, which is what is done in the `with` block."""
        return run(self, output_dir)

    def mark_done(self, output_dir: StrPath) -> None:
        """Records a run that is over, unless its inputs may have been others than they are."""
        mark_done(self, output_dir)

    def invalidate(self, output_dir: StrPath) -> None:
        """Removes the record: the stage is to run again, and what is stored does not count."""
        invalidate(self, output_dir)

    def restore(self, output_dir: StrPath) -> bool:
        """Brings outputs back that are known for these inputs, and says whether they stand."""
        return restore(self, output_dir)

    def record_path(self, output_dir: StrPath) -> Path:
        """Returns where the record lies, or would lie."""
        return _record.path_of(Path(output_dir), self.name)


@dataclass(frozen=True)
class Explanation:
    """Whether a stage is passed over, and if not, why."""

    stage: str
    skip: bool
    key: str | None = None
    triggers: tuple[str, ...] = ()
    """Why it is to run: `new`, `inputs`, `code`, `outputs`, `ttl` and so on."""
    reason: str = ""
    """The same in words."""
    changes: tuple[dict[str, Any], ...] = ()
    """What differs from the record: each with `component`, `old` and `new`."""
    modules: tuple[str, ...] = ()
    """The modules whose source counts."""
    unseen: tuple[str, ...] = ()
    """What is imported by names that only the run knows, so that it does not count."""

    def __str__(self) -> str:
        if self.skip:
            return f"{self.stage}: up to date"
        return f"{self.stage}: {', '.join(self.triggers) or 'uncacheable'}: {self.reason}"


def compute_key(stage: Stage, output_dir: StrPath) -> str | None:
    """Returns the key, or `None` where there can be none: `explain` says why."""
    try:
        return str(json.loads(Asked(stage, output_dir).prepare().json())["key"])
    except NoKey:
        return None


def should_skip(stage: Stage, output_dir: StrPath, *, force: bool = False) -> bool:
    """Says whether a stage need not run; why it must is told to the logger `ibid`.

    Writes nothing, neither in the folder nor in the cache.
    """
    _forget(stage, output_dir)
    found, answer = _explained(stage, output_dir)
    if answer is not None:
        _known[_at(stage, output_dir)] = answer
    if found.skip and not force:
        return True
    if stage.inputs:
        _logger().info("%s", found if not found.skip else f"{stage.name}: forced: asked to run")
    return False


def explain(stage: Stage, output_dir: StrPath) -> Explanation:
    """Says whether a stage need not run, and if it must, why. Writes nothing."""
    return _explained(stage, output_dir)[0]


def _explained(stage: Stage, output_dir: StrPath) -> tuple[Explanation, dict[str, Any] | None]:
    """Says it, and what the key is made of."""
    if is_bypassed():
        return Explanation(stage.name, False, None, ("forced",), "the cache is bypassed"), None
    try:
        asked = Asked(stage, output_dir)
        answer = asked.on_record()
    except NoKey as error:
        return Explanation(stage.name, False, None, (), str(error)), None
    why = answer.get("why", {})
    explanation = Explanation(
        stage=stage.name,
        skip=answer["skip"],
        key=answer["key"],
        triggers=tuple(why.get("triggers", ())),
        reason=why.get("reason", ""),
        changes=tuple(why.get("changes", ())),
        modules=tuple(sorted(asked.sources.texts)),
        unseen=tuple(asked.sources.unseen),
    )
    return explanation, answer


def mark_done(stage: Stage, output_dir: StrPath) -> None:
    """Records a run that is over.

    It is not recorded, with a warning, where an input changed since `should_skip` was asked last in
    this process, or has a stamp that is not older than the outputs, so that the run may have read
    another one. What `run` watches needs no such care.
    """
    known = _forget(stage, output_dir)
    if not stage.inputs or is_bypassed():
        return
    try:
        asked = Asked(stage, output_dir)
        prepared = asked.prepare()
        changed = [] if known is None else _differing(known, json.loads(prepared.json()))
        if changed:
            raise NoKey(f"{shown(changed)} changed since `should_skip` was asked")
        asked.record(prepared, witnessed=False)
    except NoKey as why:
        _decline(stage, f"{why}; `with stage.run(...)` watches a run from its start")


def invalidate(stage: Stage, output_dir: StrPath) -> None:
    """Removes the record of a stage: it is to run again.

    Neither the stored result that the record is of counts any longer, nor the one for the inputs as
    they are.
    """
    _forget(stage, output_dir)
    folder, name = Path(os.path.realpath(output_dir)), _record.stem(stage.name)
    key = compute_key(stage, output_dir)
    _ibid.invalidate_stage(place(None), folder, name, key, Hearing(echo=False))


def restore(stage: Stage, output_dir: StrPath) -> bool:
    """Brings the outputs of an earlier run with these inputs back, and its record.

    Says whether they stand now. What stood in their place and is not in the cache is kept in
    `.ibid/replaced/`. Nothing is run.
    """
    if not stage.inputs or is_bypassed():
        return False
    try:
        answer = Asked(stage, output_dir).restore()
    except NoKey as why:
        _logger().info("%s: not restored: %s", stage.name, why)
        return False
    if "why" in answer:
        _logger().info("%s: not restored: %s", stage.name, answer["why"]["reason"])
    return "why" not in answer


def run(stage: Stage, output_dir: StrPath) -> StageRun:
    """Watches the inputs of a run, which is what is done in the `with` block.

    The run is recorded when the block ends without an exception. If something that counts changed
    meanwhile it is not, with a warning.
    """
    return StageRun(stage, output_dir)


class StageRun:
    """A run of a stage that is watched from its start."""

    def __init__(self, stage: Stage, output_dir: StrPath) -> None:
        self.stage = stage
        self.key: str | None = None
        """The key, once the run has begun; `None` where there is none."""
        self.recorded = False
        """Whether the run is on record, once it is over."""
        self._output_dir = output_dir
        self._asked: Asked | None = None
        self._prepared: _ibid.PreparedStage | None = None
        self._problem: str | None = None

    def __enter__(self) -> StageRun:
        _forget(self.stage, self._output_dir)
        self.key, self.recorded = None, False
        self._asked = self._prepared = self._problem = None
        if not self.stage.inputs or is_bypassed():
            return self
        try:
            self._asked = Asked(self.stage, self._output_dir)
            self._prepared = self._asked.prepare()
            self.key = str(json.loads(self._prepared.json())["key"])
        except NoKey as why:
            self._problem = str(why)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        try:
            if self._problem is not None:
                raise NoKey(self._problem)
            if self._asked is not None and self._prepared is not None:
                self._asked.check_code()
                self.recorded = self._asked.record(self._prepared, witnessed=True)
        except NoKey as why:
            _decline(self.stage, str(why))


# What the keys of stages were made of when `should_skip` was asked last, by folder and name.
_known: dict[tuple[str, str], dict[str, Any]] = {}


def _at(stage: Stage, output_dir: StrPath) -> tuple[str, str]:
    return os.path.realpath(output_dir), stage.name


def _forget(stage: Stage, output_dir: StrPath) -> dict[str, Any] | None:
    return _known.pop(_at(stage, output_dir), None)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Names the components that differ."""

    def by_name(answer: dict[str, Any]) -> dict[str, Any]:
        return {f"{one['kind']}/{one['name']}": one["value"] for one in answer["components"]}

    before, now = by_name(old), by_name(new)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _decline(stage: Stage, why: str) -> None:
    _logger().warning("%s: the run was not recorded: %s", stage.name, why)


def _logger() -> logging.Logger:
    return logging.getLogger("ibid")


# Where it is imported from is where it is found: in tracebacks, in help, in pickles.
Stage.__module__ = "ibid"
