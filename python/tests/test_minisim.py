"""What `simulate_cached` of minisim does wrong, `ibid.Cache` does right, beside each other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from needed import require

SCRIPT = Path(__file__).parents[1] / "side_by_side/defects_of_minisim.py"

COPY_AND_STORE = ["right, loaded", "right, simulated"]

# What comes of each scenario for minisim, where that is sure, and for ibid.
CAME: dict[str, tuple[list[str] | None, list[str]]] = {
    "nothing is wrong: asked twice": (
        ["right, simulated", "right, loaded"],
        ["right, simulated", "right, loaded"],
    ),
    "the recordings of two specs change places": (
        ["that of another spec, loaded"],
        COPY_AND_STORE,
    ),
    "the code of `simulate` is changed": (["other values, loaded"], ["right, simulated"]),
    "another version of minisim is installed": (["that of 1.0.3, loaded"], ["right, simulated"]),
    "a chunk of `observed` is deleted": (["all 0, loaded"], COPY_AND_STORE),
    "`observed[:] = 77` is written into the recording": (["all 77, loaded"], COPY_AND_STORE),
    "an empty folder stands in its place before it is made; asked twice": (
        ["GroupNotFoundError", "GroupNotFoundError"],
        ["right, simulated", "right, loaded"],
    ),
    "all that is in it is gone; asked twice": (
        ["GroupNotFoundError", "GroupNotFoundError"],
        [*COPY_AND_STORE, "right, loaded"],
    ),
    "`spec.json` is cut; asked twice": (
        ["ValidationError", "ValidationError"],
        [*COPY_AND_STORE, "right, loaded"],
    ),
    "`MINISIM_CACHE` is empty": (
        ["in the current folder"],
        ["right, simulated, in ~/.cache"],
    ),
    "`XDG_CACHE_HOME` is set": (["in ~/.cache"], ["right, simulated, in XDG_CACHE_HOME"]),
    "three processes ask at once, five times": (
        None,
        ["right, 5 simulations, 0 of 15 calls failed"],
    ),
    "one reads while another overwrites, twenty times": (None, ["right, at each read"]),
}


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, list[str]]]:
    """Plays all scenarios once."""
    require("minisim")
    played = subprocess.run(
        [sys.executable, SCRIPT, "--json"], capture_output=True, text=True, timeout=600
    )
    assert played.stdout, played.stderr
    return {row["what"]: row for row in json.loads(played.stdout)}


@pytest.mark.parametrize("what", CAME)
def test_what_goes_wrong_there_goes_right_here(
    rows: dict[str, dict[str, list[str]]], what: str
) -> None:
    of_minisim, of_ibid = CAME[what]
    assert rows[what]["ibid"] == of_ibid
    assert of_minisim is None or rows[what]["minisim"] == of_minisim


def test_each_scenario_is_judged(rows: dict[str, dict[str, list[str]]]) -> None:
    assert rows.keys() == CAME.keys()
