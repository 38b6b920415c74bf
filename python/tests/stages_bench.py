"""A stage, its module and its folder: what the tests of `ibid.stages` start from."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ibid import stages
from ibid.stages import Stage, should_skip

MODULE = "stagemod_a"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules; `stagemod_a` imports `stagemod_b`."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text("import stagemod_b\n\ndef main(): ...\n")
    (folder / "stagemod_b.py").write_text("LIMIT = 1\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def out(project: Path, code: Path) -> Iterator[Path]:
    """A folder of outputs with an input."""
    folder = project / "out"
    folder.mkdir()
    (folder / "in").write_text("A")
    yield folder
    stages._known.clear()


def stage(**fields: Any) -> Stage:
    fields = {"inputs": ("in",), "outputs": ("made",), **fields}
    return Stage(fields.pop("name", "s"), fields.pop("module", MODULE), "describes", **fields)


def make(out: Path, text: str | None = None) -> None:
    """Does what the stage does: its output says what its input is."""
    (out / "made").write_text(text or f"made of {(out / 'in').read_text()}")


def done(out: Path, of: Stage | None = None, text: str | None = None) -> Stage:
    """Runs the stage, watched."""
    of = of or stage()
    with of.run(out) as run:
        make(out, text)
    assert run.recorded
    assert run.key == of.compute_key(out)
    return of


def why(out: Path, of: Stage | None = None) -> tuple[str, ...]:
    found = (of or stage()).explain(out)
    assert found.skip == should_skip(of or stage(), out)
    assert found.skip or found.reason
    return found.triggers


def age(path: Path, seconds: float = 100) -> None:
    """Lets a file's content be older; its status cannot be."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


def settle(path: Path, nanos: int = 0) -> None:
    """Waits until a new stamp of this file system is later than all before, by so much."""
    probe = path / ".probe"
    probe.write_text("")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns <= before + nanos:
        probe.write_text("")
    probe.unlink()
