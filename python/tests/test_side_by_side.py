"""The comparison with styxcache: a script that anybody can run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "side_by_side/defects_of_styxcache.py"


def test_what_goes_wrong_with_styxcache_goes_right() -> None:
    pytest.importorskip("styxcache")
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| (\d+) \| .* \| (\S+): .* \| (\S+): .* \|$", done.stdout, re.MULTILINE)
    assert {int(number) for number, _, _ in rows} == set(range(1, 24))
    assert {verdict for _, _, verdict in rows} == {"right"}
    assert {verdict for _, verdict, _ in rows} == {"**wrong**"}
