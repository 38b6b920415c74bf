"""Hits of `ibid.styx` that are over at once hang on all that others hang on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from styx_bench import Bench, Printed, call


@pytest.fixture
def bench(project: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A tool that prints and copies its first word to `out`, and whose files need not settle."""
    monkeypatch.setenv("IBID_STAT_CACHE", "trust")
    bench = Bench(project)
    bench.tool('echo printed; cat "$1" > out')
    return bench


class Heard(Printed):
    """Does something when a line is heard."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self._do = do

    def stdout(self, line: str) -> None:
        assert line == "printed"
        self._do()


def test_what_a_small_hit_hangs_on_is_looked_at_each_time(bench: Bench) -> None:
    path, runs = bench.file("a", "text"), 0
    changes: list[Callable[[], object]] = [
        lambda: path.write_text("TEXT"),
        lambda: bench.tool('echo printed; cat "$1" > out; :'),
        lambda: bench.file("b", "Text").rename(path),
    ]
    for change in changes:
        runs += 1
        # What is not on the disk yet is read again, and no such hit.
        os.sync()
        for _ in range(9):
            root = call(bench.runner(), "t", "{0}", inputs=[path])
            assert (root / "out").read_text() == path.read_text()
        assert bench.calls == runs
        change()
    call(bench.runner(), "t", "{0}", inputs=[path])
    for blob in (bench.cache / "v1/blobs").glob("*/*"):
        blob.chmod(0o644)
        blob.write_bytes(b"other")
    assert (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text() == "Text"
    assert bench.calls == runs + 2


def test_a_handler_that_raises_does_not_end_a_small_hit(bench: Bench) -> None:
    path = bench.file("a", "text")
    os.sync()
    call(bench.runner(), "t", "{0}", inputs=[path])

    def refuse() -> None:
        raise ValueError("refused")

    root = call(bench.runner(), "t", "{0}", inputs=[path], printed=Heard(refuse))
    assert (root / "out").read_text() == "text"
    assert bench.calls == 1
