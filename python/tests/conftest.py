"""What every test starts from: a project of its own, a cache of its own, and no settings."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Fixtures of tests in several files.
pytest_plugins = ("stages_bench",)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in an empty folder, with a home and a cache that nobody else has."""
    for name in list(os.environ):
        if name.startswith(("IBID_", "XDG_")) and not name.startswith("IBID_TEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    for made in (folder, tmp_path / "home"):
        made.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IBID_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """Hears Ctrl-C as a program in the foreground does: whoever is started by `&` ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Ibid:
    """The command line, to be compared with."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __call__(self, *words: str) -> str:
        """Runs it and returns what it printed to standard output."""
        done = subprocess.run([self.program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def ibid_command() -> Ibid:
    """The command line that was built beside the package."""
    return Ibid(os.environ["IBID_TEST_COMMAND"])
