"""What goes wrong with styxcache 0.3.0, and what ibid does in the same place.

    python -m venv target/side
    target/side/bin/pip install . -r python/side_by_side/requirements.txt
    target/side/bin/python python/side_by_side/defects_of_styxcache.py

Each scenario is played with either package, in a folder of its own. A cell is what happened,
and whether that is what a user wants. Numbers of defects choose among them. The exit status says
whether ibid did right everywhere.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
import tempfile
from pathlib import Path

import ibid
from styx_scenarios import SCENARIOS, Scenario, bench_of

SIDES = ("styxcache", "ibid.styx")


def seen(scenario: Scenario, side: str, folder: Path) -> object:
    """Plays a scenario, and returns what happened."""
    folder.mkdir(parents=True)
    path = os.environ["PATH"]
    try:
        return scenario.play(bench_of(side, folder))
    except Exception as error:
        return type(error).__name__
    finally:
        os.environ["PATH"] = path


def cell(happened: object, wanted: object) -> str:
    """Shows what happened, and whether it is what is wanted."""
    of = happened if isinstance(happened, list) else [happened]
    text = ", ".join(str(each) for each in of)
    return f"{'right' if happened == wanted else '**wrong**'}: {text[:60]}"


def compare(names: list[str], folder: Path) -> bool:
    """Prints the table. Returns whether ibid did right."""
    is_right = True
    version = importlib.metadata.version("styxcache")
    print(f"| | what is done | styxcache {version} | ibid {ibid.__version__} |")
    print("| --- | --- | --- | --- |")
    for index, scenario in enumerate(SCENARIOS):
        if names and str(scenario.number) not in names:
            continue
        happened = [seen(scenario, side, folder / str(index) / side) for side in SIDES]
        is_right &= happened[1] == scenario.wanted
        cells = [cell(each, scenario.wanted) for each in happened]
        print(f"| {scenario.number} | {scenario.what} | {' | '.join(cells)} |", flush=True)
    return is_right


def prepared(folder: Path) -> Path:
    """Makes a place where nobody's settings and nobody's caches are met."""
    for name in [each for each in os.environ if each.startswith(("IBID_", "XDG_"))]:
        del os.environ[name]
    for variable, name in (("HOME", "home"), ("TMPDIR", "tmp")):
        os.environ[variable] = str(folder / name)
        (folder / name).mkdir()
        # Somebody else makes a call, too.
        (folder / name).chmod(0o777)
    folder.chmod(0o755)
    tempfile.tempdir = None
    os.chdir(folder)
    return folder


def main() -> None:
    """Compares."""
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="ibid-side-") as made:
        sys.exit(not compare(sys.argv[1:], prepared(Path(made))))


if __name__ == "__main__":
    main()
