"""`ibid.stages`: stages are passed over exactly where nothing has changed."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibid
import pytest
from ibid.stages import Stage, compute_key, mark_done, restore, should_skip
from stages_bench import age, done, make, settle, stage, warnings, why


def test_the_fields_stand_in_the_order_that_callers_know() -> None:
    names = [field.name for field in dataclasses.fields(Stage)]
    assert names[:8] == [
        "name", "module", "description", "depends_on", "optional", "outputs", "inputs", "ttl",
    ]  # fmt: skip
    made = Stage("n", "m", "d", ("a",), True, ("o",), ("i",), 3)
    assert (made.depends_on, made.optional, made.outputs, made.inputs) == (
        ("a",),
        True,
        ("o",),
        ("i",),
    )
    assert Stage("n", "m", "d") == Stage("n", "m", "d", (), False, (), (), None)
    assert len({made, dataclasses.replace(made, params={"a": 1})}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "x"  # type: ignore[misc]
    assert ibid.Stage is Stage
    assert pickle.loads(pickle.dumps(made)) == made


def test_methods_and_functions_are_the_same(out: Path) -> None:
    s = stage()
    assert s.compute_key(out) == compute_key(s, str(out)) is not None
    assert s.should_skip(out) is should_skip(s, out) is False
    settle(out)
    make(out)
    s.mark_done(out)
    assert s.should_skip(out)
    s.invalidate(out)
    assert not should_skip(s, out)


def test_a_stage_without_inputs_takes_no_part(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    s = stage(inputs=())
    make(out)
    with s.run(out) as run:
        pass
    mark_done(s, out)
    assert not run.recorded
    assert (compute_key(s, out), should_skip(s, out), restore(s, out)) == (None, False, False)
    assert not (out / ".ibid").exists()
    assert caplog.text == ""


def test_the_first_time_is_new_and_then_it_is_skipped(out: Path) -> None:
    assert why(out) == ("new",)
    done(out)
    assert why(out) == ()
    record = stage().record_path(out)
    assert record == out / ".ibid/manifests/s.json"
    assert json.loads(record.read_text())["key"] == compute_key(stage(), out)
    record.unlink()
    assert why(out) == ("new",), "a record that is deleted by hand is gone"


def test_asking_writes_nothing(out: Path, tmp_path: Path) -> None:
    def all_files() -> list[Path]:
        return sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)

    before = all_files()
    assert not should_skip(stage(), out)
    assert all_files() == before
    done(out)
    (out / "made").unlink()
    before = all_files()
    assert why(out) == ("outputs",)
    assert all_files() == before, "what the store has is brought back on request only"


def test_only_what_counts_is_in_the_key(out: Path) -> None:
    key = compute_key(stage(), out)
    assert key is not None
    same: list[dict[str, Any]] = [
        {"name": "other"}, {"depends_on": ("x",)}, {"optional": True}, {"ttl": 5},
        {"inputs": ("./in",)}, {"inputs": (str(out / "in"),)}, {"inputs": ("in", "in")},
        {"outputs": ("./made",)},
    ]  # fmt: skip
    for fields in same:
        assert compute_key(stage(**fields), out) == key, fields
    assert compute_key(dataclasses.replace(stage(), description="x"), out) == key
    (out / "b").write_text("b")
    others: list[dict[str, Any]] = [
        {"outputs": ("made", "b")}, {"outputs": ("made/",)}, {"inputs": ("in", "b")},
        {"inputs": ("b",)}, {"params": {"a": 1}}, {"params": {"a": 1.0}}, {"params": {"a": "1"}},
        {"env": ("STAGE_V",)}, {"env": {"STAGE_V": "1"}}, {"versions": {"m": "1"}},
        {"module": "stagemod_b"},
    ]  # fmt: skip
    keys = [compute_key(stage(**fields), out) for fields in others]
    assert len({key, *keys}) == len(others) + 1
    assert None not in keys
    assert compute_key(stage(inputs=("b", "in")), out) == compute_key(
        stage(inputs=("in", "b")), out
    )


def test_parameters_and_variables_are_named_when_they_change(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE_V", "1")
    s = done(out, stage(params={"a": 1}, env=("STAGE_V",), versions={"m": "1"}))
    assert why(out, s) == ()
    monkeypatch.setenv("STAGE_V", "")
    assert why(out, s) == ("env",)
    monkeypatch.delenv("STAGE_V")
    assert why(out, s) == ("env",)
    monkeypatch.setenv("STAGE_V", "1")
    assert why(out, dataclasses.replace(s, params={"a": 2})) == ("params",)
    assert why(out, dataclasses.replace(s, versions={})) == ("versions",)
    with pytest.raises(ibid.UsageError):
        compute_key(stage(params={"a": object()}), out)


def test_a_key_has_a_frame(out: Path) -> None:
    (out / "a").write_text("a")
    (out / "b").write_text("b")
    import hashlib

    digest = hashlib.sha256(b"a").hexdigest()
    odd = f"a={digest}in:{out}"
    (out / odd.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (out / odd / "b").parent.mkdir(parents=True, exist_ok=True)
    (out / odd / "b").write_text("b")
    one = compute_key(stage(inputs=("a", "b")), out)
    assert one != compute_key(stage(inputs=(f"{odd}/b",)), out)


def test_a_changed_input_is_named(out: Path) -> None:
    done(out)
    (out / "in").write_text("B")
    assert why(out) == ("inputs",)
    found = stage().explain(out)
    assert [change["component"] for change in found.changes] == ["input/in"]
    assert "input/in" in str(found)


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: os.truncate(out / "made", 0),
        lambda out: (out / "made").unlink(),
        lambda out: (out / "made").chmod(0o755),
        lambda out: ((out / "made").unlink(), (out / "made").mkdir()),
    ],
)
def test_an_output_that_is_not_as_recorded_is_not_skipped(
    out: Path, damage: Callable[[Path], object]
) -> None:
    done(out)
    damage(out)
    assert why(out) == ("outputs",)
    assert "`made`" in stage().explain(out).reason


def test_an_output_that_ends_in_a_slash_is_a_folder(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(outputs=("odir/",))
    with s.run(out) as run:
        (out / "odir").write_text("a file")
    assert not run.recorded
    assert "odir" in warnings(caplog)
    assert not should_skip(s, out)
    (out / "odir").unlink()
    with s.run(out) as run:
        (out / "odir/deep").mkdir(parents=True)
        (out / "odir/deep/x").write_text("x")
        (out / "odir/empty").mkdir()
    assert run.recorded
    assert why(out, s) == ()
    (out / "odir/deep/x").write_text("y")
    assert why(out, s) == ("outputs",)
    (out / "odir/deep/x").write_text("x")
    (out / "odir/stray").write_text("")
    assert why(out, s) == ("outputs",)
    assert restore(s, out)
    assert not (out / "odir/stray").exists()
    assert why(out, s) == ()


def test_a_folder_is_an_input(out: Path) -> None:
    (out / "data/sub").mkdir(parents=True)
    (out / "data/sub/x").write_text("1")
    s = done(out, stage(inputs=("data",)))
    assert why(out, s) == ()
    (out / "data/sub/x").write_text("2")
    assert why(out, s) == ("inputs",)
    (out / "data/sub/x").write_text("1")
    assert why(out, s) == ()
    (out / "data/.dot").write_text("")
    assert why(out, s) == ("inputs",)
    assert compute_key(stage(inputs=("data/",)), out) == compute_key(s, out)
    assert compute_key(stage(inputs=("in/",)), out) is None, "a file is no folder"


def test_a_missing_input_is_named_and_nothing_is_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(inputs=("in", "absent.csv"))
    assert compute_key(s, out) is None
    assert not should_skip(s, out)
    assert "absent.csv" in s.explain(out).reason
    make(out)
    mark_done(s, out)
    assert "absent.csv" in warnings(caplog)
    with s.run(out) as run:
        pass
    assert not run.recorded
    assert not s.record_path(out).exists()


def test_an_age_of_exactly_the_ttl_is_stale_and_zero_always(out: Path) -> None:
    s = done(out, stage(ttl=0))
    assert why(out, s) == ("ttl",)
    assert why(out, dataclasses.replace(s, ttl=1000)) == ()
    assert why(out, dataclasses.replace(s, ttl=None)) == ()
    with pytest.raises(ibid.UsageError):
        compute_key(stage(ttl=-1), out)


def test_the_time_of_the_record_is_inside_it(out: Path) -> None:
    s = done(out, stage(ttl=0))
    record = s.record_path(out)
    future = time.time() + 1000
    for stamp in (future, time.time()):
        os.utime(record, (stamp, stamp))
        assert why(out, s) == ("ttl",), "touching a record renews nothing"
    copied = record.read_bytes()
    record.unlink()
    record.write_bytes(copied)
    age(record, 10_000)
    assert why(out, dataclasses.replace(s, ttl=1000)) == ()


def test_a_hit_does_not_renew_and_a_run_does(out: Path) -> None:
    s = done(out, stage(ttl=1000))
    record = s.record_path(out)
    first = record.read_bytes()
    assert should_skip(s, out)
    mark = json.loads(first)["finished"]
    assert record.read_bytes() == first
    done(out, s, "made anew")
    again = json.loads(record.read_text())
    assert again["finished"] > mark
    assert again["outputs"] != json.loads(first)["outputs"]
    assert should_skip(s, out)
    assert restore(s, out)
    assert (out / "made").read_text() == "made anew", "the later outputs are those of the key"
