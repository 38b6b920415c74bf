"""A process asks on while the world around it changes: each answer is that of the moment."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid

Spec = dict[str, Any]


class Asked:
    """One function and one cache, asked all the time; it is noted when it is computed."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._compute = _noting(str(log))
        self._cache = ibid.Cache()

    @property
    def runs(self) -> int:
        """How often it was computed, by whomever."""
        return len(self._log.read_text()) if self._log.exists() else 0

    @property
    def key(self) -> str:
        """The key of what is asked for."""
        return self._cache.key({"a": 1}, self._compute)

    def is_hit(self) -> bool:
        """Asks for the result, which has to be right, and says whether it was there."""
        before = self.runs
        assert self._cache.get_or_compute({"a": 1}, self._compute) == [1, 2]
        return self.runs == before

    def warm(self) -> None:
        """Asks until the process knows all that it could know."""
        self.is_hit()
        assert self.is_hit()
        assert self.is_hit()


def _noting(log: str) -> Callable[[Spec], list[int]]:
    def compute(spec: Spec) -> list[int]:
        with open(log, "a") as file:
            file.write(".")
        return [spec["a"], spec["a"] + 1]

    return compute


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """A result that was asked for three times."""
    made = Asked(tmp_path / "log")
    made.warm()
    assert made.runs == 1
    return made


def test_a_call_that_differs_in_anything_is_another_one(tmp_path: Path) -> None:
    runs: list[str] = []

    def one(spec: Spec) -> Spec:
        runs.append("one")
        return spec

    def two(spec: Spec) -> Spec:
        runs.append("two")
        return spec

    def is_hit(function: Callable[[Spec], Spec] = one, a: int = 1, **more: Any) -> bool:
        before = len(runs)
        settings = {"app": "a", "code": "1", "versions": {"v": "1"}, "suffix": ".x", **more}
        assert ibid.Cache(**settings).get_or_compute({"a": a}, function) == {"a": a}
        return len(runs) == before

    others: list[dict[str, Any]] = [
        {"app": "b"},
        {"code": "2"},
        {"versions": {"v": "2"}},
        {"suffix": ".y"},
        {"a": 2},
        {"function": two},
    ]
    assert [is_hit() for _ in range(4)] == [False, True, True, True]
    for other in others:
        assert [is_hit(**other) for _ in range(3)] == [False, True, True], other
        assert is_hit()
    # It is the same result, asked for with another idea of how long it counts.
    assert is_hit(ttl="1h")
    assert not is_hit(ttl=0)
    assert is_hit()


def test_a_variable_that_changes_counts_at_once(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBID_CACHE_DIR", str(tmp_path / "other"))
    assert not asked.is_hit()
    assert asked.is_hit()
    monkeypatch.setenv("IBID_CACHE_DIR", str(tmp_path / "cache"))
    assert asked.is_hit()
    for mode in ("off", "write-only"):
        monkeypatch.setenv("IBID_MODE", mode)
        assert not asked.is_hit()
    monkeypatch.delenv("IBID_MODE")
    assert asked.is_hit()


def test_a_settings_file_that_changes_counts_at_once(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IBID_CACHE_DIR")
    settings = tmp_path / "home/.config/ibid/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'cache_dir = "{tmp_path}/cache"\n')
    asked.warm()
    # Of the same length, so that its size says nothing.
    for other in ("other", "again"):
        settings.write_text(f'cache_dir = "{tmp_path}/{other}"\n')
        assert not asked.is_hit()
        assert asked.is_hit()
    settings.write_text(f'cache_dir = "{tmp_path}/cache"\n')
    assert asked.is_hit()
    settings.unlink()
    assert not asked.is_hit()


def test_a_project_that_comes_to_be_around_counts_at_once(
    asked: Asked, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IBID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    asked.warm()
    (tmp_path / "ibid.toml").write_text('[config]\nmode = "off"\n')
    assert not asked.is_hit()
    (project / "ibid.toml").write_text("")
    assert asked.is_hit(), "the nearest file is that of the project"
    (project / "ibid.toml").unlink()
    assert not asked.is_hit()


def test_another_folder_has_the_settings_that_hold_there(
    asked: Asked, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ibid.toml").write_text('[config]\nmode = "off"\n')
    monkeypatch.chdir(other)
    assert not asked.is_hit()
    monkeypatch.chdir(project)
    assert asked.is_hit()


def test_a_cache_that_is_gone_or_another_is_seen(asked: Asked, tmp_path: Path) -> None:
    cache, aside = tmp_path / "cache", tmp_path / "aside"
    shutil.rmtree(cache)
    assert not asked.is_hit()
    assert asked.is_hit()
    cache.rename(aside)
    assert not asked.is_hit()
    assert asked.is_hit(), "it is made anew"
    shutil.rmtree(cache)
    aside.rename(cache)
    assert asked.is_hit()
    shutil.rmtree(cache / "v1/keys")
    assert not asked.is_hit()
    assert asked.is_hit()


def test_what_another_process_took_away_is_computed_again(
    asked: Asked, ibid_command: Ibid, monkeypatch: pytest.MonkeyPatch
) -> None:
    ibid_command("invalidate", asked.key)
    assert not asked.is_hit()
    assert asked.is_hit()
    monkeypatch.setenv("IBID_GRACE", "0s")
    for words in (["prune", "--max-size", "0"], ["gc"], ["prune", "--max-age", "0s"], ["gc"]):
        ibid_command(*words)
        asked.is_hit()
        assert asked.is_hit()


def test_a_store_of_a_newer_format_is_refused_from_then_on(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "cache/v2").mkdir()
    with pytest.raises(ibid.Error, match="newer"):
        asked.is_hit()
    (tmp_path / "cache/v2").rmdir()
    assert asked.is_hit()


def test_a_child_that_was_forked_sees_its_own_world(
    asked: Asked, tmp_path: Path, project: Path
) -> None:
    def child() -> None:
        assert asked.is_hit()
        os.environ["IBID_CACHE_DIR"] = str(tmp_path / "child")
        assert not asked.is_hit()
        assert asked.is_hit()
        shutil.rmtree(tmp_path / "cache")

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not asked.is_hit()
    assert asked.is_hit()


def test_a_child_that_is_forked_while_threads_ask_gets_an_answer(asked: Asked) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            assert asked.is_hit()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                # A lock that a thread of the parent held is never released here.
                os._exit(0 if asked.is_hit() else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert asked.runs == 1
