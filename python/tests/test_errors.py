"""What is raised goes from one process to another."""

from __future__ import annotations

import pickle
from pathlib import Path

import ibid
import pytest


def test_exceptions_can_be_pickled_with_what_they_know(project: Path) -> None:
    (project / "ibid.toml").write_text("[steps.one]\nrun = 'exit 4'\n")
    raised: list[ibid.Error] = []
    for ask in (
        lambda: ibid.run("exit 3", inputs=[]),
        lambda: ibid.run("true", inputs="absent"),
        lambda: ibid.run(["true"]),
        lambda: ibid.run(["no-such-program"], inputs=[]),
        lambda: ibid.why("blake3:" + 64 * "0"),
        lambda: ibid.Pipeline.load().run(),
    ):
        with pytest.raises(ibid.Error) as caught:
            ask()
        raised.append(caught.value)
    again = [pickle.loads(pickle.dumps(error)) for error in raised]
    for error, copy in zip(raised, again, strict=True):
        assert (type(copy), str(copy), copy.hints, copy.exit_code) == (
            type(error),
            str(error),
            error.hints,
            error.exit_code,
        )
    assert isinstance(again[0], ibid.CommandFailed)
    assert again[0].result.returncode == 3
    assert isinstance(again[-1], ibid.StepsFailed)
    assert again[-1].run.steps["one"].decision == "ran"
