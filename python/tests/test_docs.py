"""What the guide shows is what happens."""

from __future__ import annotations

import logging
import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/guide/python.md"


def test_every_python_block_of_the_guide_runs(project: Path) -> None:
    (project / "raw.csv").write_text("b,2\na,1\n")
    (project / "ibid.toml").write_text(
        "[steps.table]\nrun = 'sort raw.csv > table.csv'\n"
        "inputs = ['raw.csv']\noutputs = ['table.csv']\n"
    )
    logger = logging.getLogger("ibid")
    before = logger.level
    names: dict[str, object] = {}
    try:
        blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)
    finally:
        logger.setLevel(before)
    assert len(blocks) > 5
