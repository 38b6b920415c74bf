"""What a process keeps of its hits says nothing that is not so any more."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid
from needed import lacking
from styx_bench import Bench, Printed, call

SPEC = {"noise": 0.5, "steps": [1, 2]}

# A value is read in two calls, and somebody else may read meanwhile; a hit that is not kept takes
# more for its result alone.
FEW = 3
PATIENCE = 120.0


def reads() -> int:
    """Returns how often this process has read from a file."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["syscr"])


def is_kept(ask: Callable[[], object]) -> bool:
    """Asks, and says whether the hit came out of memory."""
    idle = reads()
    before = reads()
    ask()
    return reads() - before - (before - idle) <= FEW


def settle(*asks: Callable[[], object]) -> None:
    """Asks until hits are kept, for which all that they look at has to be at rest."""
    end = time.monotonic() + PATIENCE
    for ask in asks:
        # What is computed is not asked for in this thread, which alone is sure to be counted.
        ask()
    waiting = list(asks)
    while waiting:
        if time.monotonic() > end:
            lacking("status is not believed on this file system")
        os.sync()
        waiting = [ask for ask in waiting if not is_kept(ask)]


class Counted:
    """A function that counts its calls, and a cache of its results."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "log"
        names: dict[str, Any] = {"__name__": "study"}
        note = f"open({str(self._log)!r}, 'a').write('.')"
        exec(compile(f"def count(spec):\n    {note}\n    return 0.5", "study.py", "exec"), names)
        self._count = names["count"]
        self.root = folder / "cache"
        self.cache = ibid.Cache(self.root)

    def ask(self) -> None:
        """Asks for the value."""
        assert self.cache.get_or_compute(SPEC, self._count) == 0.5

    @property
    def key(self) -> str:
        """The key of the value."""
        return self.cache.key(SPEC, self._count)

    @property
    def place(self) -> Path:
        """Where the value stands."""
        return self.cache.path(SPEC, self._count)

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._log.read_text())


def test_a_function_is_called_again_where_its_result_counts_no_longer(
    tmp_path: Path, ibid_command: Ibid
) -> None:
    def edit(counted: Counted) -> None:
        copy = counted.place.resolve()
        before = copy.stat()
        copy.chmod(0o644)
        copy.write_text("7.5")
        # Of the same length, and by its later stamp as old as it was.
        os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))

    def invalidate(counted: Counted) -> None:
        ibid_command("--cache-dir", str(counted.root), "invalidate", counted.key)

    changes: list[tuple[Callable[[Counted], object], int]] = [
        (lambda _: None, 1),
        (invalidate, 2),
        (lambda counted: shutil.rmtree(counted.root), 2),
        # The store has the value as it was.
        (edit, 1),
    ]
    functions = [Counted(tmp_path / str(at)) for at in range(len(changes))]
    settle(*(counted.ask for counted in functions))
    for counted, (change, calls) in zip(functions, changes, strict=True):
        change(counted)
        counted.ask()
        assert counted.calls == calls, change


def test_settings_that_change_hold_at_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(tmp_path / "counted")
    off = '[config]\nmode = "off"\n'
    (project / "other").mkdir()
    settle(counted.ask)
    monkeypatch.setenv("IBID_MODE", "off")
    counted.ask()
    assert counted.calls == 2
    monkeypatch.delenv("IBID_MODE")
    counted.ask()
    assert counted.calls == 2
    settings = project / "ibid.toml"
    settings.write_text(off)
    counted.ask()
    assert counted.calls == 3
    settings.rename(project / "other/ibid.toml")
    counted.ask()
    assert counted.calls == 3
    monkeypatch.chdir("other")
    counted.ask()
    assert counted.calls == 4


def test_children_and_threads_get_what_is_so(tmp_path: Path) -> None:
    counted = Counted(tmp_path / "counted")
    counted.ask()
    threads = [threading.Thread(target=settle, args=(counted.ask,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(16):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                counted.ask()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for thread in threads:
        thread.join()
    assert counted.calls == 1


class Asked:
    """A tool, and the call of it that is asked for; all of it may change."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.bench = Bench(folder)
        self.bench.tool('echo printed; cat "$1" > out')
        self.one, self.link = self.bench.file("one", "text"), folder / "link"
        self.link.symlink_to(self.one)
        self.environ = {"LANG": "C"}
        self.out = Path()

    def ask(self) -> str:
        """Calls it, and returns what it made."""
        printed = Printed()
        runner = self.bench.runner(environ=self.environ)
        root = call(runner, "t", "{0}", inputs=[self.link], printed=printed)
        assert printed.lines == [("out", "printed")]
        self.out = root / "out"
        return self.out.read_text()


def test_a_tool_runs_again_when_anything_changed(tmp_path: Path) -> None:
    def turn(asked: Asked) -> None:
        asked.link.unlink()
        asked.link.symlink_to(asked.bench.file("two", "TEXT"))

    def edit(asked: Asked) -> None:
        asked.out.chmod(0o644)
        asked.out.write_text("TEXT")

    changes: list[tuple[Callable[[Asked], object], int, str]] = [
        (lambda _: None, 1, "text"),
        (lambda asked: asked.one.write_text("TEXT"), 2, "TEXT"),
        (turn, 2, "TEXT"),
        (lambda asked: asked.bench.tool("echo printed; echo new > out"), 2, "new\n"),
        (lambda asked: asked.environ.update(LANG="en"), 2, "text"),
        # The store has the output as it was.
        (edit, 1, "text"),
        (lambda asked: shutil.rmtree(asked.bench.cache / "v1/views"), 1, "text"),
        (lambda asked: shutil.rmtree(asked.bench.cache), 2, "text"),
    ]
    tools = [Asked(tmp_path / str(at)) for at in range(len(changes))]
    settle(*(asked.ask for asked in tools))
    for at, (asked, (change, calls, text)) in enumerate(zip(tools, changes, strict=True)):
        change(asked)
        assert (at, asked.ask()) == (at, text)
        assert (at, asked.bench.calls) == (at, calls)
