"""What the guides of the modules show is what happens."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from ibid import dirs

GUIDES = Path(__file__).parents[2] / "docs/guide"

# What the page asks of minisim, which is large.
MINISIM = """
import json
import pydantic

class Spec(pydantic.BaseModel):
    seed: int = 42

class Recording:
    def __init__(self, observed):
        self.observed = observed

    def save(self, path):
        path.mkdir()
        (path / "observed.json").write_text(json.dumps(self.observed))

    @classmethod
    def load(cls, path):
        return cls(json.loads((path / "observed.json").read_text()))

def simulate(spec):
    return Recording([spec.seed * frame for frame in (1, 2, 3)])
"""

FILES: dict[str, dict[str, str]] = {
    "python-dirs.md": {},
    "python-minisim.md": {"minisim.py": MINISIM},
    "python-steps.md": {"raw/a.csv": "B,2\nA,1\n"},
    "python-stages.md": {"out/raw.csv": "B,2\nA,1\n", "study/clean.py": "import json\n"},
}


@pytest.mark.parametrize("page", FILES)
def test_every_python_block_of_a_page_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.delitem(sys.modules, "minisim", raising=False)
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
