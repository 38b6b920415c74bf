"""`ibid.dirs`: one answer to where files live, which everything in the process uses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibid
import pytest
from conftest import Ibid
from ibid import dirs


@pytest.fixture(autouse=True)
def _nothing_is_configured() -> Iterator[None]:
    dirs.configure()
    yield
    dirs.configure()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing says where folders are; returns the home folder."""
    monkeypatch.delenv("IBID_CACHE_DIR")
    return tmp_path / "home"


def test_the_order_is_call_then_variable_then_files_then_platform(
    plain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert dirs.cache_dir() == plain / ".cache/ibid"
    assert dirs.sources()["cache_dir"] == "default"
    settings = plain / ".config/ibid/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'cache_dir = "{tmp_path}/by-file"\n')
    assert dirs.cache_dir() == tmp_path / "by-file"
    assert "config.toml:1" in dirs.sources()["cache_dir"]
    monkeypatch.setenv("IBID_CACHE_DIR", str(tmp_path / "by-variable"))
    assert dirs.cache_dir() == tmp_path / "by-variable"
    assert dirs.sources()["cache_dir"] == "environment, IBID_CACHE_DIR"
    dirs.configure(cache_dir=tmp_path / "by-call")
    assert dirs.cache_dir() == tmp_path / "by-call"
    assert dirs.sources()["cache_dir"] == "given"


def test_temporary_files_follow_the_same_order_and_lie_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert dirs.temp_dir() == tmp_path / "cache/tmp"
    dirs.configure(cache_dir=tmp_path / "other")
    assert dirs.temp_dir() == tmp_path / "other/tmp", "that of the cache that is configured"
    monkeypatch.setenv("IBID_TMP_DIR", str(tmp_path / "by-variable"))
    assert dirs.temp_dir() == tmp_path / "by-variable"
    dirs.configure(tmp_dir=str(tmp_path / "by-call"))
    assert dirs.temp_dir() == tmp_path / "by-call"
    assert dirs.sources()["tmp_dir"] == "given"


def test_each_call_sets_both_and_none_resets(tmp_path: Path) -> None:
    dirs.configure(cache_dir=tmp_path / "a", tmp_dir=tmp_path / "b")
    dirs.configure(tmp_dir=tmp_path / "c")
    assert (dirs.cache_dir(), dirs.temp_dir()) == (tmp_path / "cache", tmp_path / "c")
    dirs.configure()
    assert dirs.temp_dir() == tmp_path / "cache/tmp"


def test_text_path_and_mapping_are_taken_and_nothing_else(tmp_path: Path) -> None:
    dirs.configure("s")
    assert dirs.cache_dir() == Path.cwd() / "s"
    host = {"cache_dir": str(tmp_path / "yaml"), "tmp_dir": None}
    dirs.configure(host)
    assert (dirs.cache_dir(), dirs.temp_dir()) == (tmp_path / "yaml", tmp_path / "yaml/tmp")
    dirs.configure({"tmp_dir": "", "cache_dir": ""})
    assert dirs.cache_dir() == tmp_path / "cache", "an empty value is none"
    for wrong in ({"cachedir": "x"}, 3, ["x"], b"x", {"cache_dir": True}):
        with pytest.raises(ibid.UsageError):
            dirs.configure(wrong)  # type: ignore[arg-type]
    with pytest.raises(ibid.UsageError, match="both"):
        dirs.configure({"cache_dir": "x"}, "y")
    assert dirs.cache_dir() == tmp_path / "cache", "what was refused changed nothing"


def test_a_relative_path_is_meant_from_where_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dirs.configure("s")
    here = Path.cwd()
    monkeypatch.chdir(tmp_path)
    assert dirs.cache_dir() == here / "s"


def test_home_is_expanded_wherever_a_path_is_typed(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBID_CACHE_DIR", "~/c")
    assert dirs.cache_dir() == plain / "c"
    dirs.configure("~/d", Path("~/t"))
    assert (dirs.cache_dir(), dirs.temp_dir()) == (plain / "d", plain / "t")


def test_an_empty_variable_is_unset_and_a_relative_xdg_folder_is_ignored(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBID_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "relx")
    assert dirs.cache_dir() == plain / ".cache/ibid"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert dirs.cache_dir() == Path("/x/ibid")


def test_questions_create_nothing(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    for ask in (
        dirs.cache_dir,
        dirs.temp_dir,
        dirs.get_tdi_cache_dir,
        dirs.get_transform_cache_dir,
        dirs.sources,
        dirs.Dirs("other").cache_dir,
    ):
        ask()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_original_names_are_the_same_functions(tmp_path: Path) -> None:
    assert dirs.configure_cache is dirs.configure
    assert dirs.get_cache_dir is dirs.cache_dir
    assert dirs.get_temp_base_dir is dirs.temp_dir
    assert dirs.get_tdi_cache_dir() == tmp_path / "cache/tdi"
    assert dirs.get_transform_cache_dir() == tmp_path / "cache/transforms"


def test_what_is_configured_is_what_everything_uses(tmp_path: Path) -> None:
    Path("ibid.toml").write_text('[steps.b]\nrun = "echo b > b"\noutputs = ["b"]\n')
    dirs.configure(cache_dir=tmp_path / "mine", tmp_dir=tmp_path / "tmp")
    ibid.run("echo a > a", inputs=[], outputs="a")
    ibid.Pipeline.load("ibid.toml").run()
    ibid.Cache().get_or_compute({"a": 1}, lambda spec: spec["a"])
    assert ibid.why()
    assert (tmp_path / "mine/store.json").exists()
    assert not (tmp_path / "cache").exists()
    assert str(ibid.Cache().path({"a": 1}, len)).startswith(str(tmp_path / "mine"))
    dirs.configure()
    assert ibid.run("echo a > a", inputs=[], outputs="a").ran, "the other cache knows nothing"


def test_folders_of_callers_may_be_there_before_the_cache_and_are_left_alone(
    tmp_path: Path, ibid_command: Ibid
) -> None:
    kept = [dirs.get_tdi_cache_dir(), dirs.get_transform_cache_dir()]
    for folder in kept:
        folder.mkdir(parents=True)
        (folder / "x.npy").write_text("1")
    dirs.make_temp_file().close()
    assert ibid.run("echo a > a", inputs=[], outputs="a").stored
    own = dirs.cache_dir() / "mine"
    own.mkdir()
    (own / "y").write_text("2")
    ibid_command("gc")
    ibid_command("prune", "--max-age", "0s")
    ibid_command("fsck", "--repair")
    assert all((folder / "x.npy").read_text() == "1" for folder in kept)
    assert (own / "y").read_text() == "2"


def test_a_temporary_file_keeps_its_name_parts_and_stays(tmp_path: Path) -> None:
    with dirs.make_temp_file(suffix=".nii", prefix="a-") as file:
        file.write(b"x")
    path = Path(file.name)
    assert path.parent == tmp_path / "cache/tmp"
    assert path.name.startswith("a-")
    assert path.suffix == ".nii"
    assert path.read_bytes() == b"x"
    with dirs.make_temp_file(delete=True, mode="w") as file:
        file.write("x")
    assert not Path(file.name).exists()


def test_a_temporary_folder_is_unique_private_and_never_removed(tmp_path: Path) -> None:
    one, other = dirs.get_temp_dir("p-"), dirs.get_temp_dir("p-")
    assert one != other
    assert one.parent == tmp_path / "cache/tmp"
    assert one.name.startswith("p-")
    assert stat.S_IMODE(one.stat().st_mode) == 0o700


def test_no_part_of_a_name_leads_elsewhere(tmp_path: Path) -> None:
    for wrong in ("q/../../z", "/abs", "a/"):
        with pytest.raises(ibid.UsageError, match="no part of a name"):
            dirs.get_temp_dir(wrong)
        with pytest.raises(ibid.UsageError, match="no part of a name"):
            dirs.make_temp_file(prefix=wrong)
        with pytest.raises(ibid.UsageError, match="no part of a name"):
            dirs.make_temp_file(suffix=wrong)
    assert not (tmp_path / "cache").exists()


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    dirs.configure(tmp_path / "file")
    assert dirs.cache_dir() == tmp_path / "file", "a question is answered all the same"
    with pytest.raises(ibid.Error) as raised:
        dirs.make_temp_file()
    assert str(tmp_path / "file") in str(raised.value)
    assert raised.value.hints
    other = dirs.Dirs("other")
    other.configure(tmp_path / "file")
    with pytest.raises(ibid.Error) as raised:
        other.get_temp_dir()
    assert "OTHER_TMP_DIR" in raised.value.hints[0]


def test_another_package_has_folders_of_its_own(
    plain: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lacuna = dirs.Dirs(app="lacuna", env_prefix="LACUNA")
    dirs.configure(tmp_path / "of-ibid")
    monkeypatch.setenv("IBID_TMP_DIR", "/elsewhere")
    assert lacuna.cache_dir() == plain / ".cache/lacuna"
    assert lacuna.temp_dir() == plain / ".cache/lacuna/tmp"
    for name in ("LACUNA_CACHE", "LACUNA_CACHE_DIR"):
        monkeypatch.setenv(name, f"~/{name}")
        assert lacuna.cache_dir() == plain / name
        assert lacuna.sources()["cache_dir"] == f"environment, {name}"
    for name in ("LACUNA_TEMP_DIR", "LACUNA_TMP_DIR"):
        monkeypatch.setenv(name, f"/t/{name}")
        assert lacuna.temp_dir() == Path("/t") / name
    lacuna.configure({"cache_dir": tmp_path / "x", "tmp_dir": tmp_path / "y"})
    assert lacuna.cache_dir() == tmp_path / "x"
    with lacuna.make_temp_file(suffix=".x") as file:
        assert Path(file.name).parent == tmp_path / "y"
    assert dirs.cache_dir() == tmp_path / "of-ibid"


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\0", "\ud800", "é" * 128, 3, None])
def test_what_is_no_name_of_a_folder_is_refused(name: Any) -> None:
    with pytest.raises(ibid.UsageError):
        dirs.Dirs(name)
    with pytest.raises(ibid.UsageError):
        dirs.Dirs("a").configure(f"/{name}" if name == "\ud800" else 3)  # type: ignore[arg-type]


def test_the_prefix_of_variables_follows_the_name(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINI_SIM_CACHE", "/m")
    assert dirs.Dirs("mini-sim").cache_dir() == Path("/m")
    monkeypatch.setenv("MINI_SIM_CACHE", "")
    assert dirs.Dirs("mini-sim").cache_dir() == plain / ".cache/mini-sim", "empty is unset"
    for wrong in ("", "..", "a/b"):
        with pytest.raises(ibid.UsageError):
            dirs.Dirs(wrong)


def test_threads_see_both_folders_of_one_call(tmp_path: Path) -> None:
    import threading

    stop = threading.Event()

    def switch() -> None:
        while not stop.is_set():
            for name in "ab":
                dirs.configure(tmp_path / name, tmp_path / name)

    thread = threading.Thread(target=switch)
    dirs.configure(tmp_path / "a", tmp_path / "a")
    thread.start()
    try:
        for _ in range(200):
            assert dirs.sources() == {"cache_dir": "given", "tmp_dir": "given"}
    finally:
        stop.set()
        thread.join()


def test_it_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys, ibid; assert 'ibid.dirs' not in sys.modules and 'tempfile' not in sys.modules;"
        "ibid.dirs.cache_dir(); ibid.stages.Stage is ibid.Stage or 1/0; ibid.steps.hash_file"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
