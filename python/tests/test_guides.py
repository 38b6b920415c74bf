"""What the guides of the modules show is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ibid import dirs

GUIDES = Path(__file__).parents[2] / "docs/guide"

FILES: dict[str, dict[str, str]] = {
    "python-dirs.md": {},
    "python-steps.md": {"raw/a.csv": "B,2\nA,1\n"},
    "python-stages.md": {"out/raw.csv": "B,2\nA,1\n", "study/clean.py": "import json\n"},
}


@pytest.mark.parametrize("page", FILES)
def test_every_python_block_of_a_page_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.syspath_prepend(str(project))
    for name, text in FILES[page].items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (GUIDES / page).read_text(), re.DOTALL)
    try:
        for block in blocks:
            exec(compile(block, page, "exec"), names)
    finally:
        dirs.configure()
    assert len(blocks) > 2
