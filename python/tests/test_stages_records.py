"""`ibid.stages`: records, and what the store knows beside them."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import ibid
import pytest
from conftest import Ibid
from ibid.stages import compute_key, invalidate, mark_done, restore, should_skip
from stages_bench import done, make, settle, stage, warnings, why


def made_a_pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.write_bytes(b"\xff\xfe"),
        lambda record: record.write_bytes(b""),
        lambda record: record.write_bytes(b"[" * 200_000),
        lambda record: os.truncate(record, record.stat().st_size // 2),
        lambda record: record.write_text(record.read_text().replace('"schema": 1', '"schema": 2')),
        lambda record: record.write_text(record.read_text().replace('"size": 9', '"size": 8')),
        lambda record: (record.unlink(), record.mkdir()),
        made_a_pipe,
        lambda record: (record.rename(record.with_suffix(".x")), record.symlink_to("s.x")),
    ],
)
def test_a_damaged_record_is_a_run_with_a_reason(
    out: Path, damage: Callable[[Path], object]
) -> None:
    s = done(out)
    damage(s.record_path(out))
    assert why(out) == ("new",)
    assert "cannot be used" in s.explain(out).reason


def test_a_record_lies_in_its_folder_whatever_its_name(out: Path, tmp_path: Path) -> None:
    names = ["../../../esc", "a/b", ".", "..", "a b", "ä", "x" * 300, "x" * 301, "\udcff"]
    made = [done(out, stage(name=name)) for name in names]
    records = {s.record_path(out) for s in made}
    assert len(records) == len(names)
    assert {record.parent for record in records} == {out / ".ibid/manifests"}
    assert all(record.exists() for record in records)
    assert all(should_skip(s, out) for s in made)
    assert not list(tmp_path.glob("**/esc*"))
    with pytest.raises(ibid.UsageError):
        compute_key(stage(name=""), out)


def test_a_whole_tree_may_move(out: Path, project: Path) -> None:
    (out / "sub").mkdir()
    (out / "sub/x").write_text("x")
    s = done(out, stage(inputs=("in", "sub/x")))
    out.rename(project / "moved")
    assert should_skip(s, project / "moved")
    absolute = stage(inputs=(str(project / "moved/in"), "sub/x"))
    assert should_skip(absolute, project / "moved")
    (project / "link").symlink_to("moved")
    assert should_skip(stage(inputs=(str(project / "link/in"), "sub/x")), project / "link")
    shutil.copytree(project / "moved", project / "copy")
    assert should_skip(s, project / "copy")


def test_paths_outside_of_the_folder_stay(out: Path, project: Path) -> None:
    (project / "raw").write_text("1")
    for path in ("../raw", str(project / "raw")):
        s = done(out, stage(inputs=(path,)))
        assert why(out, s) == ()
        (project / "raw").write_text("2")
        assert why(out, s) == ("inputs",)
        (project / "raw").write_text("1")


def test_outputs_of_inputs_that_are_back_can_be_restored(out: Path) -> None:
    s = done(out)
    (out / "in").write_text("B")
    done(out)
    assert (out / "made").read_text() == "made of B"
    (out / "in").write_text("A")
    assert why(out) == ("inputs",), "there is one record, and it is of B"
    assert s.restore(out)
    assert (out / "made").read_text() == "made of A"
    assert why(out) == ()
    (out / "made").unlink()
    assert restore(s, out)
    assert (out / "made").read_text() == "made of A"
    (out / "in").write_text("C")
    assert not restore(s, out), "nothing is known of C"
    assert (out / "made").read_text() == "made of A"


def test_a_restore_brings_outputs_to_a_fresh_copy(out: Path, project: Path) -> None:
    s = done(out)
    fresh = project / "fresh"
    fresh.mkdir()
    shutil.copy(out / "in", fresh)
    assert why(fresh, s) == ("new",)
    assert restore(s, fresh)
    assert (fresh / "made").read_text() == "made of A"
    assert should_skip(s, fresh)


def test_a_record_holds_without_the_cache(out: Path, tmp_path: Path) -> None:
    s = done(out)
    shutil.rmtree(tmp_path / "cache")
    assert why(out) == ()
    (out / "made").unlink()
    assert not restore(s, out)
    assert not (out / "made").exists()


def test_what_is_invalidated_runs_and_is_not_restored(out: Path) -> None:
    s = done(out)
    invalidate(s, out)
    assert not s.record_path(out).exists()
    assert why(out) == ("new",)
    assert not restore(s, out)
    invalidate(s, out)
    invalidate(s, out / "absent")
    done(out)
    assert why(out) == ()
    assert restore(s, out)


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda record: record.write_text("damaged")], ids=["gone", "damaged"]
)
def test_what_is_invalidated_without_its_record_is_not_restored(
    out: Path, damage: Callable[[Path], object]
) -> None:
    s = done(out)
    damage(s.record_path(out))
    invalidate(s, out)
    assert not s.record_path(out).exists()
    assert not restore(s, out)


def test_a_result_is_invalidated_though_its_folder_is_gone(out: Path, project: Path) -> None:
    (project / "raw").write_text("1")
    s = done(out, stage(inputs=(str(project / "raw"),)))
    shutil.rmtree(out)
    invalidate(s, out)
    assert not out.exists()
    out.mkdir()
    assert not restore(s, out)


def test_the_command_line_knows_stages(out: Path, ibid_command: Ibid) -> None:
    done(out)
    assert "out/s" in ibid_command("log")
    (out / "in").write_text("B")
    done(out)
    told = json.loads(ibid_command("why", "out/s", "--json"))
    assert told["triggers"] == ["inputs"]
    ibid_command("invalidate", "out/s")
    assert why(out) == ("forced",)
    assert "made" in ibid_command("cite", "out/made")


def test_nothing_is_skipped_or_recorded_in_a_bypass(out: Path) -> None:
    s = done(out)
    first = s.record_path(out).read_bytes()
    with ibid.bypass():
        assert why(out) == ("forced",)
        assert not restore(s, out)
        with s.run(out) as run:
            make(out, "other")
        mark_done(s, out)
    assert not run.recorded
    assert s.record_path(out).read_bytes() == first
    assert why(out) == ("outputs",)


def test_a_cache_that_is_off_records_nothing_quietly(
    out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done(out)
    monkeypatch.setenv("IBID_MODE", "off")
    assert why(out) == ("forced",)
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert warnings(caplog) == ""


def test_a_cache_that_cannot_be_written_is_a_warning(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file")
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert "cannot be written" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_a_folder_that_takes_no_record_has_none(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (out / ".ibid").write_text("a file")
    with stage().run(out) as run:
        make(out)
    assert not run.recorded
    assert "manifest" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_reasons_are_told(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ibid"):
        should_skip(stage(), out)
        done(out)
        assert not should_skip(stage(), out, force=True)
    assert "s: new: nothing is on record" in caplog.text
    assert "s: forced" in caplog.text


def test_stages_run_in_threads(out: Path) -> None:
    def work(name: str) -> None:
        s = stage(name=name, outputs=(name,))
        for _ in range(3):
            assert not s.should_skip(out)
            with s.run(out) as run:
                (out / name).write_text(name)
            assert run.recorded
            assert s.should_skip(out)
            assert s.restore(out)
            s.invalidate(out)

    failed: list[BaseException] = []

    def guarded(name: str) -> None:
        try:
            work(name)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(f"t{at}",)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_script_may_hold_its_stages(out: Path, project: Path) -> None:
    script = project / "pipeline.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom ibid import Stage\n"
        "s = Stage('s', __name__, '', inputs=('in',), outputs=('made',))\n"
        "out = Path('out')\n"
        "if s.should_skip(out): sys.exit(7)\n"
        "with s.run(out) as run: (out / 'made').write_text('x')\n"
        "assert run.recorded\n"
    )
    # Stamps have to tell that it was written before the process started.
    settle(project, 50_000_000)
    run = [sys.executable, str(script)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    codes = [subprocess.run(run, env=env, check=False).returncode for _ in range(2)]
    assert codes == [0, 7]
    script.write_text(script.read_text() + "# edited\n")
    settle(project, 50_000_000)
    assert subprocess.run(run, env=env, check=False).returncode == 0
