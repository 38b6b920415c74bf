"""What becomes of a value that was computed, and could not be saved."""

from __future__ import annotations

import errno
import pickle
import shutil
import threading
from pathlib import Path
from typing import Any

import ibid
import pytest


def load(path: Path) -> Any:
    """Loads what all of these tests save."""
    return path.read_text()


@pytest.mark.parametrize("how", [OSError(errno.ENOSPC, "full"), MemoryError("none"), "gone"])
def test_a_value_that_the_system_does_not_let_be_saved_counts_and_is_not_stored(
    how: Exception | str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    calls: list[bool] = []
    is_well = False

    def save(value: int, path: Path) -> None:
        path.write_text(str(value))
        if isinstance(how, Exception) and not is_well:
            raise how

    def compute(spec: str) -> Any:
        calls.append(is_well)
        if how == "gone" and not is_well:
            shutil.rmtree(tmp_path / "cache/v1/views")
        return 42

    cache, strict = (ibid.Cache(app="test", code="v1", strict=it) for it in (False, True))
    for _ in range(2):
        caplog.clear()
        assert cache.get_or_compute("spec", compute, save, load) == 42
        warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert any("could not be saved" in it and "not stored" in it for it in warnings)
    with pytest.raises((OSError, MemoryError)) as raised:
        strict.get_or_compute("spec", compute, save, load)
    error: Any = raised.value
    assert error.unsaved.value == 42

    is_well = True
    assert cache.get_or_compute("spec", compute, save, load) == 42
    assert cache.get_or_compute("spec", compute, save, load) == "42"
    assert calls == [False, False, False, True]


def slip(value: object, path: Path) -> None:
    """Saves nothing."""
    raise ValueError("a slip")


@pytest.mark.parametrize(
    ("kind", "told", "saving"),
    [
        (ValueError, "a slip", (slip, load)),
        (ibid.UsageError, "made nothing", (lambda value, path: None, load)),
        (ibid.UsageError, "no plain form", ()),
    ],
)
def test_what_save_raises_comes_through_with_the_value(
    kind: type[Exception], told: str, saving: tuple[Any, ...]
) -> None:
    value = threading.Lock()
    cache = ibid.Cache(app="test", code="v1")
    with pytest.raises(kind, match=told) as raised:
        cache.get_or_compute("spec", lambda spec: value, *saving)
    error: Any = raised.value
    assert error.unsaved.value is value
    assert "`unsaved.value`" in error.__notes__[0]
    # Another process gets what was raised, whatever the value is.
    arrived = pickle.loads(pickle.dumps(error))
    assert "stays in the process" in arrived.unsaved
    assert type(arrived) is kind


def test_a_store_that_fails_a_strict_cache_does_so_with_the_value(tmp_path: Path) -> None:
    store = tmp_path / "cache/v1"

    def compute(spec: str) -> int:
        shutil.rmtree(store)
        store.write_text("no folder")
        return 42

    with pytest.raises(ibid.Error, match="the cache failed") as raised:
        ibid.Cache(app="test", code="v1", strict=True).get_or_compute("spec", compute)
    error: Any = raised.value
    assert error.unsaved.value == 42


def test_what_the_function_raises_comes_with_no_value() -> None:
    def compute(spec: str) -> None:
        raise OSError("of the function")

    with pytest.raises(OSError, match="of the function") as raised:
        ibid.Cache(app="test", code="v1").get_or_compute("spec", compute)
    assert not hasattr(raised.value, "unsaved")
