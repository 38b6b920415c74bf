"""A tool, a runner of Styx, and a cache around it: what the tests of `ibid.styx` start from."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ibid.styx
from ibid.styx import _execution
from styxdefs import LocalRunner, Metadata

TOOL = Metadata(id="1", name="t", package="p", container_image_tag="image:1")


class Bench:
    """Tools that count their runs, and runners that find them."""

    def __init__(self, folder: Path, styx: Any = ibid.styx) -> None:
        self.folder = folder
        # Whose runners they are.
        self.styx = styx
        # What is told once is told once in each test.
        _execution._tell_once.cache_clear()
        self.bin = folder / "bin"
        # It stands already where another process of a test makes calls.
        self.bin.mkdir(exist_ok=True)
        self.cache = folder / "cache"
        self._calls = folder / "calls"
        self.environ = {"PATH": f"{self.bin}:/usr/bin:/bin"}

    def tool(self, body: str, name: str = "t") -> None:
        """Writes a tool: a shell script that notes that it was run."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\nset -eu\necho {name} >> '{self._calls}'\n{body}\n")
        path.chmod(0o755)

    def file(self, path: str, text: str = "text") -> Path:
        """Writes a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def runner(
        self, *, environ: Mapping[str, str] | None = None, base: Any = None, **policy: Any
    ) -> Any:
        """Makes a runner, as a process would that knows nothing of others."""
        base = base or LocalRunner(
            data_dir=self.folder / "styx", environ={**self.environ, **(environ or {})}
        )
        return self.styx.CachingRunner(base, self.cache, policy=self.styx.CachePolicy(**policy))

    @property
    def calls(self) -> int:
        """How often tools were run."""
        return len(self._calls.read_text().split()) if self._calls.exists() else 0

    def views(self) -> list[Path]:
        """Returns the views of executions that stand."""
        return sorted((self.cache / "v1/views").glob("*/v-*/*"))


def is_held(view: Path) -> bool:
    """Says whether a live process keeps a view from being collected."""
    with open(view.parent.parent / "lock", "r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class Printed:
    """What handlers heard, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def stdout(self, line: str) -> None:
        """Takes a line of standard output."""
        self.lines.append(("out", line))

    def stderr(self, line: str) -> None:
        """Takes a line of standard error."""
        self.lines.append(("err", line))


Input = str | os.PathLike[str] | tuple[str | os.PathLike[str], dict[str, bool]]


def call(
    runner: Any,
    *words: str,
    inputs: Iterable[Input] = (),
    outputs: Iterable[str] = ("out",),
    params: dict[Any, Any] | None = None,
    printed: Printed | None = None,
    metadata: Metadata = TOOL,
) -> Path:
    """Does what a wrapper does; `{0}` in a word is an input. Returns the folder of outputs."""
    execution = runner.start_execution(metadata)
    if params is not None:
        execution.params(params)
    local = []
    for given in inputs:
        path, how = given if isinstance(given, tuple) else (given, {})
        local.append(execution.input_file(path, **how))
    root = execution.output_file(".")
    assert isinstance(root, Path)
    for output in outputs:
        assert execution.output_file(output) == root / output
    execution.run(
        [word.format(*local) for word in (words or ("t",))],
        handle_stdout=None if printed is None else printed.stdout,
        handle_stderr=None if printed is None else printed.stderr,
    )
    return root


PARENT = {"resolve_parent": True}
MUTABLE = {"mutable": True}
