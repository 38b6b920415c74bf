"""What the guide to `ibid.styx` shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from styx_bench import Bench
from styxdefs import LocalRunner, set_global_runner

GUIDE = Path(__file__).parents[2] / "docs/guide/python-styx.md"


def test_every_python_block_of_the_guide_to_styx_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(project)
    bench.tool("echo 64 64 30 1", "3dinfo")
    bench.file("t1.nii")
    monkeypatch.setenv("PATH", f"{bench.bin}:/usr/bin:/bin")
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    try:
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)
    finally:
        set_global_runner(LocalRunner())
    assert len(blocks) > 2
    assert bench.calls == 1
