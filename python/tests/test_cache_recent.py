"""A key that this process made lately is not taken for that of another call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ibid
import pytest

CALL: dict[str, Any] = {"adds": 1, "name": "compute", "spec": 1, "suffix": ""}
CHANGES: list[dict[str, Any]] = [
    {"adds": 2},
    {"name": "another"},
    {"spec": 2},
    {"suffix": ".json"},
    {"app": "another"},
    {"versions": {"tool": "1"}},
    {"code": "1"},
    {"root": "another"},
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_call_that_differs_in_one_thing_is_computed(
    project: Path, change: dict[str, Any]
) -> None:
    log = project / "log"

    def ask(adds: int, name: str, spec: int, suffix: str, **settings: Any) -> Any:
        names: dict[str, Any] = {"__name__": "study"}
        text = (
            f"def {name}(spec):\n    open({str(log)!r}, 'a').write('.')\n    return spec + {adds}"
        )
        exec(compile(text, "study.py", "exec"), names)
        return ibid.Cache(**settings).get_or_compute(spec, names[name], suffix=suffix)

    for runs, call in enumerate((CALL, {**CALL, **change}, CALL), 1):
        for _ in range(4):
            assert ask(**call) == call["spec"] + call["adds"]
            # What is not on the disk yet is read again, and not taken from there.
            os.sync()
        assert len(log.read_text()) == min(runs, 2)
