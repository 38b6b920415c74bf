"""`ibid.Cache`: results by their specs, without what goes wrong where the entry is the result."""

from __future__ import annotations

import enum
import functools
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid

Spec = dict[str, Any]


class Text(enum.StrEnum):
    """Texts, which JSON would write as such."""

    ONE = "one"


def save_tree(value: list[int], path: Path) -> None:
    """Writes a folder as recordings are: small files, dotfiles, empty folders, and a sibling."""
    assert not path.exists()
    path.mkdir()
    (path / ".zgroup").write_text("{}")
    (path / "empty").mkdir()
    for at, number in enumerate(value):
        (path / f"{at}.chunk").write_text(str(number))
    (path.parent / "sibling.tmp").write_text("not a part of it")


def load_tree(path: Path) -> list[int]:
    """Reads what `save_tree` wrote, and takes a missing chunk for zero, as zarr does."""
    assert (path / ".zgroup").read_text() == "{}"
    assert (path / "empty").is_dir()
    chunks = [path / f"{at}.chunk" for at in range(3)]
    return [int(chunk.read_text()) if chunk.exists() else 0 for chunk in chunks]


class Counting:
    """A computation that counts its calls outside of what it consists of."""

    def __init__(self, project: Path) -> None:
        self._calls = project / "calls"

    def __call__(self, spec: Spec) -> list[int]:
        with open(self._calls, "a") as calls:
            calls.write(".")
        return [spec["a"], spec["a"] + 1, spec["a"] + 2]

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self._calls.read_text()) if self._calls.exists() else 0


@pytest.fixture
def compute(project: Path) -> Counting:
    """A computation of three numbers."""
    return Counting(project)


def recall(compute: Counting, a: int = 1, **more: Any) -> list[int]:
    """Asks for one result."""
    cache = ibid.Cache(suffix=".zarr", **more)
    return cache.get_or_compute({"a": a}, compute, save_tree, load_tree)


def view(compute: Counting, a: int = 1) -> Path:
    """Returns where a result stands."""
    return ibid.Cache(suffix=".zarr").path({"a": a}, compute, save_tree)


def test_an_equal_spec_is_computed_once(compute: Counting) -> None:
    path = view(compute)
    assert path.suffix == ".zarr"
    assert not path.exists()
    assert recall(compute) == [1, 2, 3]
    assert sorted(p.name for p in path.iterdir())[:2] == [".zgroup", "0.chunk"]
    assert recall(compute) == [1, 2, 3]
    assert recall(compute, 5) == [5, 6, 7]
    assert compute.calls == 2
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_stands_in_a_view_is_never_believed(compute: Counting) -> None:
    recall(compute)
    recall(compute, 5)
    one, five = view(compute), view(compute, 5)
    (one / "0.chunk").unlink()
    assert recall(compute) == [1, 2, 3]
    (one / "0.chunk").write_text("77")
    assert recall(compute) == [1, 2, 3]
    one.rename(one.with_name("kept"))
    shutil.copytree(five, one)
    assert recall(compute) == [1, 2, 3]
    shutil.rmtree(one)
    assert recall(compute) == [1, 2, 3]
    shutil.rmtree(one.parents[1])
    assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2
    assert len(list(one.parents[1].iterdir())) == 3, "what was edited is gone"


def test_a_view_stays_as_it_is_while_it_is_read(compute: Counting) -> None:
    recall(compute)
    cache = ibid.Cache(suffix=".zarr")

    def slowly(path: Path) -> list[int]:
        first = int((path / "0.chunk").read_text())
        others = (
            lambda: recall(compute, ttl=0),
            lambda: (view(compute) / "1.chunk").write_text("77"),
            lambda: recall(compute),
        )
        for other in others:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return [first, *load_tree(path)[1:]]

    assert cache.get_or_compute({"a": 1}, compute, save_tree, slowly) == [1, 2, 3]
    assert compute.calls == 2


def test_the_entry_of_another_spec_is_a_miss(compute: Counting, tmp_path: Path) -> None:
    recall(compute)
    recall(compute, 5)
    cache = ibid.Cache(suffix=".zarr")
    shutil.rmtree(tmp_path / "cache/v1/views")
    files = []
    for a in (1, 5):
        key = cache.key({"a": a}, compute, save_tree).removeprefix("blake3:")
        files.append(tmp_path / "cache/v1/keys" / key[:2] / key)
    first, second = (file.read_bytes() for file in files)
    for file, data in zip(files, (second, first), strict=True):
        file.chmod(0o600)
        file.write_bytes(data)
    assert recall(compute) == [1, 2, 3]
    assert recall(compute, 5) == [5, 6, 7]
    assert compute.calls == 4


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damage_of_the_store_is_a_miss(compute: Counting, tmp_path: Path, damage: str) -> None:
    recall(compute)
    shutil.rmtree(tmp_path / "cache/v1/views")
    for blob in (tmp_path / "cache/v1/blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o600)
            blob.unlink() if damage == "gone" else blob.write_bytes(b"")
    assert recall(compute) == [1, 2, 3]
    assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2


def test_a_load_that_fails_is_a_miss_that_heals(
    compute: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    formats = ["v1"]

    def save(value: list[int], path: Path) -> None:
        path.write_text(formats[-1])

    def load(path: Path) -> list[int]:
        if path.read_text() != "v2":
            raise ValueError("unknown format")
        return [42]

    # What lies outside of the code that is keyed, such as a format in a package, may change.
    cache, strict = ibid.Cache(code="v1"), ibid.Cache(code="v1", strict=True)
    spec = {"a": 1}
    ours = cache.get_or_compute(spec, compute, save, load)
    formats.append("v2")
    with pytest.raises(ValueError, match="unknown format"):
        strict.get_or_compute(spec, compute, save, load)
    fresh = cache.get_or_compute(spec, compute, save, load)
    assert ours == fresh == [1, 2, 3]
    assert compute.calls == 2
    assert "unknown format" in caplog.text
    assert cache.get_or_compute(spec, compute, save, load) == [42]


def test_what_is_raised_comes_through_and_nothing_is_stored(compute: Counting) -> None:
    def failing(kind: type[BaseException]) -> Callable[[Spec], None]:
        def fail(spec: Spec) -> None:
            compute(spec)
            raise kind("told")

        return fail

    cache = ibid.Cache()
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        for _ in range(2):
            with pytest.raises(kind, match="told"):
                cache.get_or_compute({"a": 1}, failing(kind))
    assert compute.calls == 6
    with pytest.raises(ibid.UsageError, match="made nothing"):
        cache.get_or_compute({"a": 1}, compute, lambda v, p: None, lambda p: [0])


ROUNDS = """
import ibid, os, sys, time
from pathlib import Path

def simulate(spec):
    with open(f"ran-{spec['seed']}-{os.getpid()}-{time.monotonic_ns()}", "w"):
        pass
    return [spec["seed"] * at for at in range(32)]

def save(value, path):
    (path / "observed").mkdir(parents=True)
    for name in (".zgroup", ".zattrs", "observed/.zarray"):
        (path / name).write_text("{}")
    for at, number in enumerate(value):
        (path / "observed" / f"{at}.0").write_text(str(number))

def load(path):
    assert (path / "observed/.zarray").read_text() == (path / ".zgroup").read_text() == "{}"
    chunks = [path / "observed" / f"{at}.0" for at in range(32)]
    return [int(chunk.read_text()) if chunk.exists() else 0 for chunk in chunks]

cache = ibid.Cache(suffix=".zarr", ttl=float(sys.argv[1]) if sys.argv[1:] else None)
for seed in range(1, 6):
    value = cache.get_or_compute({"seed": seed}, simulate, save, load)
    assert value == [seed * at for at in range(32)], value
"""


def test_of_several_processes_one_computes_each_round(project: Path) -> None:
    (project / "rounds.py").write_text(ROUNDS)
    several = [subprocess.Popen([sys.executable, "rounds.py"]) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    assert len(list(project.glob("ran-*"))) == 5


def test_nobody_sees_half_of_what_others_compute_again(project: Path) -> None:
    (project / "rounds.py").write_text(ROUNDS)
    several = [subprocess.Popen([sys.executable, "rounds.py", "0.001"]) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]


def test_one_of_many_processes_computes(project: Path) -> None:
    (project / "sweep.py").write_text(
        "import ibid, os, sys, time\n"
        "def simulate(spec):\n"
        "    with open(f'ran-{spec[\"seed\"]}-{os.getpid()}', 'w'): pass\n"
        "    return list(range(spec['seed'], 1000))\n"
        "for seed in range(5):\n"
        "    value = ibid.Cache().get_or_compute({'seed': seed}, simulate)\n"
        "    assert value == list(range(seed, 1000))\n"
    )
    several = [subprocess.Popen([sys.executable, "sweep.py"]) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    assert len(list(project.glob("ran-*"))) == 5


def test_a_function_may_ask_for_other_results(compute: Counting) -> None:
    cache = ibid.Cache()

    def sums(spec: Spec) -> int:
        inner = [cache.get_or_compute({"a": a}, compute) for a in range(spec["n"])]
        echoed = ibid.run("echo 1", inputs=[], capture_output=True)
        return sum(map(sum, inner)) + int(echoed.stdout or 0)

    for _ in range(2):
        assert ibid.Cache(app="test", code="sums").get_or_compute({"n": 2}, sums) == 10
    assert compute.calls == 2


def test_a_function_that_asks_for_its_own_result_is_refused(
    compute: Counting, tmp_path: Path
) -> None:
    def code_of(cache: ibid.Cache, inner: Callable[[Spec], Any]) -> Callable[[Spec], Any]:
        return lambda spec: cache.get_or_compute(spec, inner)

    cache = ibid.Cache(app="test", code="v1")

    def circle(spec: Spec) -> Any:
        return cache.get_or_compute({"a": 1 - spec["a"]}, circle)

    with pytest.raises(ibid.Error, match="asks for the very result"):
        cache.get_or_compute({"a": 0}, circle)
    same = ibid.Cache(app="test", code="v1", root=tmp_path / "cache")
    with pytest.raises(ibid.Error, match="asks for the very result"):
        same.get_or_compute({"a": 0}, circle)

    def saves(value: Any, path: Path) -> None:
        path.write_text(str(cache.get_or_compute({"a": 9}, compute, saves, Path.read_text)))

    with pytest.raises(ibid.Error, match="asks for the very result"):
        cache.get_or_compute({"a": 9}, compute, saves, Path.read_text)

    # A call of the same name and spec may be of another store.
    inner = code_of(ibid.Cache(app="test", code="v1", root=tmp_path / "other"), compute)
    inner.__qualname__, inner.__module__ = "Counting", Counting.__module__
    assert cache.get_or_compute({"a": 1}, inner) == [1, 2, 3]
    # And who was refused may go on.
    assert cache.get_or_compute({"a": 5}, compute) == [5, 6, 7]


FORKS = """
import ibid, os, sys

def ends(spec):
    child = os.fork()
    if child == 0:
        print("said by the child")
        if spec["how"] == "returns":
            return 3
        if spec["how"] == "raises":
            raise ValueError("raised by the child")
        sys.exit(spec["how"])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def saves(value, path):
    path.write_text(str(ends(value)))

cache = ibid.Cache()
for how, status in [(None, 0), (0, 0), (7, 7), ("told", 1), ("raises", 1), ("returns", 1)]:
    assert cache.get_or_compute({"how": how}, ends) == status
    read = lambda path: int(path.read_text())
    assert cache.get_or_compute({"how": how}, lambda spec: spec, saves, read) == {"how": how}
    assert cache.get_or_compute({"how": how}, lambda spec: spec, saves, read) == status
print("done")
"""


def test_a_child_that_a_function_forks_ends_in_it(project: Path) -> None:
    (project / "forks.py").write_text(FORKS)
    done = subprocess.run(
        [sys.executable, "forks.py"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("said by the child") == 12
    assert done.stdout.count("done") == 1
    assert "raised by the child" in done.stderr
    assert "told" in done.stderr


def test_one_of_many_threads_computes(compute: Counting) -> None:
    ready = threading.Barrier(4)
    values: list[list[int]] = []

    def ask() -> None:
        ready.wait()
        values.append(recall(compute))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [[1, 2, 3]] * 4
    assert compute.calls == 1


def test_bypassed_forced_or_stale_it_is_computed(compute: Counting) -> None:
    recall(compute)
    with ibid.bypass():
        assert recall(compute) == [1, 2, 3]
    assert compute.calls == 2
    ibid.Cache(suffix=".zarr").get_or_compute({"a": 1}, compute, save_tree, load_tree, force=True)
    assert compute.calls == 3
    assert recall(compute, ttl=0) == [1, 2, 3]
    assert compute.calls == 4
    assert recall(compute, ttl=3600) == [1, 2, 3]
    assert compute.calls == 4


def test_the_root_is_the_argument_the_variable_or_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compute: Counting
) -> None:
    def below(**roots: Any) -> str:
        return str(ibid.Cache(**roots).path({"a": 1}, compute).parents[4])

    home = tmp_path / "home"
    assert below() == str(tmp_path / "cache")
    assert below(env="MINE") == str(tmp_path / "cache")
    monkeypatch.setenv("MINE", "")
    assert below(env="MINE") == str(tmp_path / "cache")
    monkeypatch.setenv("MINE", "~/mine")
    assert below(env="MINE") == str(home / "mine")
    assert below(root="~/given", env="MINE") == str(home / "given")
    monkeypatch.delenv("IBID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert below() == str(home / "xdg/ibid")


def test_a_cache_that_cannot_be_used_costs_a_warning(
    compute: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert recall(compute, root=tmp_path / "file") == [1, 2, 3]
    assert recall(compute, root=tmp_path / "file") == [1, 2, 3]
    assert compute.calls == 2
    assert "WARNING" in {record.levelname for record in caplog.records}


def test_plain_data_needs_neither_save_nor_load(compute: Counting) -> None:
    cache = ibid.Cache()
    data = {"numbers": [1, 1.0, -0.0, 2**70], "text": "é", "none": None}
    for _ in range(2):
        found = cache.get_or_compute({"a": 1}, lambda _: data)
        assert repr(found) == repr(data)
    with pytest.raises(ibid.UsageError, match="not the same"):
        cache.get_or_compute({"a": 1}, lambda _: (1, 2))
    with pytest.raises(ibid.UsageError, match="belong together"):
        cache.get_or_compute({"a": 1}, compute, save_tree)
    values: list[Any] = [Text.ONE, {Text.ONE: 1}, [1, "\ud800"]]
    for value in values:
        with pytest.raises(ibid.UsageError, match=r"no plain form|no text|UTF-8"):
            cache.get_or_compute({"a": 1}, functools.partial(lambda value, _: value, value))


def test_what_saves_is_part_of_what_is_asked_for(compute: Counting) -> None:
    def recall_by(save: Any, load: Any) -> Any:
        return ibid.Cache().get_or_compute({"x": 0.123456789}, lambda spec: spec["x"], save, load)

    def read(path: Path) -> float:
        return float(path.read_text())

    for _ in range(2):
        recall_by(lambda v, p: p.write_text(f"{v:.2f}"), read)
        assert recall_by(lambda v, p: p.write_text(repr(v)), read) == 0.123456789
        assert recall_by(None, None) == 0.123456789
    stands_for_code = ibid.Cache(code="v1")
    assert stands_for_code.key({}, compute) != stands_for_code.key({}, compute, save_tree)


def test_applications_have_results_of_their_own(compute: Counting) -> None:
    def simulate(spec: Spec) -> str:
        return "simulated"

    one, two = (ibid.Cache(app=app, code="v1") for app in ("one", "two"))
    assert one.key({}, simulate) != two.key({}, simulate)
    assert ibid.Cache(app="one").key({}, compute) != ibid.Cache(app="two").key({}, compute)
    with pytest.raises(ibid.UsageError, match="name of many functions"):
        ibid.Cache(code="v1").key({}, simulate)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"app": 3}, "`app` is 3, and takes a text"),
        ({"code": 1}, "`code` is 1"),
        ({"env": 1}, "`env` is 1"),
        ({"suffix": 3}, "`suffix` is 3"),
        ({"suffix": None}, "`suffix` is None"),
        ({"root": 3}, "`root` is 3, and takes a path"),
        ({"config": 3}, "`config` is 3"),
        ({"root": b"/x"}, "`root` is b'/x', and takes a path"),
        ({"root": "/x\0"}, "`root` is no path"),
        ({"versions": {"a": 1}}, r"`versions\['a'\]` is 1"),
        ({"versions": {1: "a"}}, "a name in `versions` is 1"),
        ({"mode": "bogus"}, "`mode` is 'bogus', which is unknown"),
        ({"unseen": "refused"}, "`unseen` is 'refused', which is unknown"),
        ({"unseen": None}, "`unseen` is None"),
        ({"ttl": -1}, "no duration"),
        ({"ttl": []}, "no duration"),
        ({"ttl": True}, "no duration"),
        ({"ttl": "\ud800"}, "cannot be written as UTF-8"),
        ({"ttl": "x"}, r"(?s)`ttl` takes a duration.*`x` is not a duration.*hint: `90s`"),
        ({"versions": [1]}, r"`versions` is \[1\], and takes a mapping"),
        ({"versions": {"a": "\ud800"}}, "cannot be written as UTF-8"),
        ({"strict": "x"}, "`strict` is 'x', and takes `True` or `False`"),
        ({"app": "\ud800"}, "`app` is .* cannot be written as UTF-8"),
        ({"root": "/\ud800"}, "`root` is .* cannot be given"),
        ({"suffix": "é" * 126}, "`suffix` is too long for the name of a file"),
    ],
)
def test_a_setting_that_is_none_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ibid.UsageError, match=told):
        ibid.Cache(**settings)


def test_a_duration_is_read_when_a_cache_is_made_as_it_is_by_its_first_call() -> None:
    def refusal(ask: Callable[[], object]) -> str | None:
        try:
            ask()
        except ibid.UsageError as error:
            return error.message
        return None

    before = ["", "1", "01", "-1", "1.5", "1h", "2w1d", "1s2", "1ms3", "\u00b2"]
    units = ["", "w", "d", "h", "m", "s", "ms", "us", "S", " s", "s\n"]
    texts = [f"{number}{unit}" for number in before for unit in units]
    cache = ibid.Cache(app="test", code="v1")
    taken = 0
    for text in texts:
        at_once = refusal(functools.partial(ibid.Cache, ttl=text))
        cache._ttl = text
        assert at_once == refusal(lambda: cache.key({}, Counting)), text
        taken += at_once is None
    assert 0 < taken < len(texts)


def test_a_suffix_that_is_no_text_is_refused(compute: Counting) -> None:
    with pytest.raises(ibid.UsageError, match="`suffix` is 3"):
        ibid.Cache().get_or_compute({"a": 1}, compute, suffix=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("items = []\nfor _ in range(5000): items = [items]", "`value` is nested too deep"),
        ("items = []\nitems.append({'a': items})", "does it contain itself"),
        ("items = [{'a': 10**5000}]", r"`value\[0\]\['a'\]` cannot be written down"),
    ],
)
def test_plain_data_that_cannot_be_written_down_is_refused(made: str, told: str) -> None:
    def compute(spec: Spec) -> Any:
        names: dict[str, Any] = {}
        exec(made, names)
        return names["items"]

    with pytest.raises(ibid.UsageError, match=told):
        ibid.Cache(app="a", code="1").get_or_compute({"made": made}, compute)


@pytest.mark.parametrize("suffix", ["", ".npz"])
def test_a_save_that_makes_another_name_is_told_its_suffix(compute: Counting, suffix: str) -> None:
    def save(value: list[int], path: Path) -> None:
        Path(f"{path}.npy").write_text(str(value))

    cache = ibid.Cache(unseen="ignore", suffix=suffix)
    told = rf"nothing at `value{suffix}`.*\n\nhint:.*`value{suffix}.npy`.*`suffix=\"{suffix}.npy\"`"
    with pytest.raises(ibid.UsageError, match=told):
        cache.get_or_compute({"a": 1}, compute, save, load_tree)


def test_what_cannot_be_seen_is_not_stored(
    compute: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    with open(os.devnull) as opened:
        pass

    def asks(spec: Spec) -> list[int]:
        return compute(spec) if opened else []

    for _ in range(2):
        assert ibid.Cache().get_or_compute({"a": 1}, asks) == [1, 2, 3]
    assert compute.calls == 2
    assert caplog.text.count("are not stored") == 1
    for _ in range(2):
        assert ibid.Cache(unseen="ignore").get_or_compute({"a": 1}, asks) == [1, 2, 3]
    assert compute.calls == 3


def test_a_key_and_a_place_are_told_without_making_anything(
    compute: Counting, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    place = view(compute)
    ibid.Cache().key({}, compute)
    ibid.Cache(mode="read-only").path({}, compute)
    assert sorted(tmp_path.rglob("*")) == before
    recall(compute)
    assert place == view(compute)
    assert load_tree(place) == [1, 2, 3]


def listing(folder: Path) -> list[Path]:
    """Lists everything below a folder."""
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("kind", ["read-only", "unwritable", "group", "off"])
def test_where_the_store_holds_no_views_results_are_read_elsewhere(
    kind: str, compute: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    if kind == "group":
        monkeypatch.setenv("IBID_SHARED", "group")
    recall(compute)
    if kind == "off":
        monkeypatch.setenv("IBID_MODE", "off")
    elif kind != "group":
        monkeypatch.setenv("IBID_MODE", "read-only")
    if kind == "unwritable":
        (tmp_path / "cache").chmod(0o555)
    before = listing(tmp_path / "cache/v1")
    try:
        for _ in range(2):
            assert recall(compute) == [1, 2, 3]
            assert recall(compute, 5) == [5, 6, 7]
        if kind != "group":
            assert listing(tmp_path / "cache/v1") == before
        path = view(compute)
        if kind == "off":
            assert compute.calls == 5
            assert listing(tmp_path / "tmp") == []
        else:
            assert path.is_relative_to(tmp_path / "tmp")
            assert load_tree(path) == [1, 2, 3]
            (path / "0.chunk").write_text("77")
            assert recall(compute) == [1, 2, 3]
            assert path.parents[2].stat().st_mode & 0o777 == 0o700
    finally:
        (tmp_path / "cache").chmod(0o755)


def test_versions_and_a_text_stand_for_code(compute: Counting) -> None:
    def other(spec: Spec) -> list[int]:
        return [0, 0, spec["a"]]

    plain = ibid.Cache().key({}, compute)
    assert ibid.Cache(versions={"model": "2"}).key({}, compute) != plain
    assert ibid.Cache(code="v1").key({}, compute) != plain
    assert ibid.Cache(code="v1").key({}, compute) != ibid.Cache(code="v2").key({}, compute)
    assert ibid.Cache().key({}, other) != plain


def test_the_command_line_explains_a_function(
    project: Path, ibid_command: Ibid, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ibid")

    def scaled(factor: int) -> Callable[[Spec], Any]:
        return lambda spec: {"scaled": spec["a"] * factor}

    cache = ibid.Cache(app="study")
    for factor in (2, 3):
        cache.get_or_compute({"a": 1}, scaled(factor))
    assert "code changed" in caplog.text
    cache.get_or_compute({"a": 2}, scaled(3))
    text = ibid_command("why")
    assert "study/test_cache.test_the_command_line_explains_a_function" in text
    assert "spec" in text
    assert os.fspath(project) not in text
    ibid_command("fsck")


def test_links_within_a_result_lead_there_in_every_copy(compute: Counting) -> None:
    def save(value: list[int], path: Path) -> None:
        (path / "versions" / "1").mkdir(parents=True)
        (path / "versions" / "1" / "text").write_text(str(value))
        (path / "latest").symlink_to(path / "versions" / "1")
        (path / "versions" / "text").symlink_to("1/text")

    def load(path: Path) -> list[int]:
        assert os.readlink(path / "versions" / "text") == "1/text"
        return [len((path / "latest" / "text").read_text())]

    cache = ibid.Cache(unseen="ignore")
    call = functools.partial(cache.get_or_compute, {"a": 1}, compute, save)
    assert call(load) == [1, 2, 3]
    assert call(load) == [len("[1, 2, 3]")]
    assert compute.calls == 1


@pytest.mark.parametrize("is_in_folder", [False, True])
def test_a_link_out_of_a_result_is_refused(
    compute: Counting, project: Path, is_in_folder: bool
) -> None:
    def save(value: list[int], path: Path) -> None:
        (project / "elsewhere").write_text(str(value))
        if is_in_folder:
            path.mkdir()
            path /= "link"
        path.symlink_to(project / "elsewhere")

    cache = ibid.Cache(unseen="ignore")
    with pytest.raises(ibid.UsageError, match="is a link that leads elsewhere"):
        cache.get_or_compute({"a": 1}, compute, save, load_tree)
    assert (project / "elsewhere").read_text() == "[1, 2, 3]"
