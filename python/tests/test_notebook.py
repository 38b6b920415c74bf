"""The notebook that newcomers read runs from its beginning, and prints what is committed.

`python python/tests/test_notebook.py` runs it and puts what it printed into it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from needed import needed, require

nbclient: Any = needed("nbclient")
nbformat: Any = needed("nbformat")
require("traitlets")
require("ipykernel")

NOTEBOOK = Path(__file__).parents[2] / "examples/penguins/tour.ipynb"

# What differs from run to run, or with the interpreter: durations, moments, keys.
VARYING = [
    (r"((<|&lt;) )?\b\d+(\.\d+)? (ns|µs|ms|s)\b", "TIME"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "MOMENT"),
    (r"\b(blake3:[0-9a-f]{64}|key [0-9a-f]{12})\b", "KEY"),
]


def test_it_runs_and_prints_what_is_committed(project: Path) -> None:
    committed = nbformat.read(NOTEBOOK, as_version=4)
    told = outputs(committed)
    assert sum(map(bool, told)) > 10
    assert not re.search(r"/(tmp|home|root|Users)/", "".join(told))
    assert outputs(executed(committed, project / "penguins")) == told


def executed(notebook: Any, folder: Path) -> Any:
    """Returns the notebook, run by a fresh kernel in a copy of its folder; what it raises comes."""
    built = shutil.ignore_patterns("build", ".ibid", ".ipynb_checkpoints")
    shutil.copytree(NOTEBOOK.parent, folder, ignore=built)
    fresh = nbformat.from_dict(notebook)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    from traitlets.config import Config

    with tempfile.TemporaryDirectory(prefix="k") as sockets:
        # A port that is free may be somebody else's when the kernel takes it.
        talking = {"transport": "ipc", "ip": f"{sockets}/k"}
        client = nbclient.NotebookClient(
            fresh,
            config=Config(KernelManager=talking),
            timeout=300,
            startup_timeout=300,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
        )
        return client.execute()


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any) -> list[str]:
    """Returns what each cell printed and displays, without what varies."""
    return [
        "".join(settled(text) for output in cell.outputs for text in texts(output))
        for cell in code_cells(notebook)
    ]


def texts(output: Any) -> list[str]:
    if output.output_type == "stream":
        return [f"{output.name}:\n{output.text}"]
    if output.output_type == "error":
        return [f"{output.ename}: {output.evalue}"]
    return [f"{kind}:\n{data}" for kind, data in sorted(output.data.items())]


def settled(text: str) -> str:
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        done = executed(nbformat.read(NOTEBOOK, as_version=4), Path(home) / "penguins")
        nbformat.write(done, NOTEBOOK)
