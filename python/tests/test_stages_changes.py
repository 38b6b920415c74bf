"""`ibid.stages`: what changed while a stage ran, or since, is not recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibid.stages import mark_done, should_skip
from stages_bench import age, done, make, settle, stage, warnings, why


def test_an_input_that_changes_during_the_run_is_not_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage().run(out) as run:
        make(out)
        (out / "in").write_text("B")
    assert not run.recorded
    assert "`in` changed" in warnings(caplog)
    assert not should_skip(stage(), out)
    with stage().run(out) as run:
        make(out)
        (out / "in").write_text("C")
        (out / "in").write_text("B")
    assert not run.recorded, "it may have been read in between"


def test_mark_done_declines_an_input_that_is_younger_than_the_outputs(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settle(out)
    make(out)
    settle(out)
    (out / "in").write_text("B")
    mark_done(stage(), out)
    assert "`in` changed after the outputs were written" in warnings(caplog)
    assert "stage.run" in warnings(caplog)
    assert not should_skip(stage(), out)


def test_mark_done_is_not_deceived_by_a_stamp_that_is_set_back(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settle(out)
    make(out)
    settle(out)
    (out / "in").write_text("B")
    age(out / "in")
    mark_done(stage(), out)
    assert "`in` changed" in warnings(caplog)


def test_mark_done_looks_at_every_output_and_every_input(out: Path) -> None:
    (out / "data").mkdir()
    (out / "data/x").write_text("1")
    s = stage(inputs=("data",), outputs=("made", "second"))
    settle(out)
    make(out)
    settle(out)
    (out / "data/x").write_text("2")
    settle(out)
    (out / "second").write_text("written in time")
    mark_done(s, out)
    assert not s.record_path(out).exists()
    make(out)
    mark_done(s, out)
    assert should_skip(s, out)
    settle(out)
    (out / "data/x").unlink()
    mark_done(s, out)
    assert not should_skip(s, out)


def test_mark_done_looks_at_the_code_too(out: Path, code: Path) -> None:
    settle(out)
    make(out)
    settle(out)
    (code / "stagemod_b.py").write_text("LIMIT = 4\n")
    mark_done(stage(), out)
    assert not stage().record_path(out).exists()


@pytest.mark.parametrize("swap", ["link", "folder"])
def test_mark_done_looks_at_the_way_to_the_code(
    out: Path, tmp_path: Path, swap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("v1", "v2"):
        (tmp_path / "lib" / version).mkdir(parents=True)
        (tmp_path / "lib" / version / "stagemod_way.py").write_text(f"V = {version!r}\n")
    (tmp_path / "lib/now").symlink_to("v1")
    monkeypatch.syspath_prepend(str(tmp_path / "lib/now"))
    s = stage(module="stagemod_way")
    settle(out)
    make(out)
    settle(out)
    if swap == "link":
        (tmp_path / "lib/now").unlink()
        (tmp_path / "lib/now").symlink_to("v2")
    else:
        (tmp_path / "lib/v1").rename(tmp_path / "lib/old")
        (tmp_path / "lib/v2").rename(tmp_path / "lib/v1")
    mark_done(s, out)
    assert not s.record_path(out).exists()
    make(out)
    mark_done(s, out)
    assert should_skip(s, out)


def test_mark_done_looks_at_the_way_to_the_inputs(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("data", "data2"):
        (out / name).mkdir()
        (out / name / "f").write_text(name)
    s = stage(inputs=("data/f",))
    settle(out)
    make(out)
    settle(out)
    (out / "data").rename(out / "old")
    (out / "data2").rename(out / "data")
    mark_done(s, out)
    assert "`data` changed after the outputs were written" in warnings(caplog)
    assert not s.record_path(out).exists()


def test_mark_done_declines_a_folder_whose_stamp_cannot_tell(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (out / "gone").write_text("x")
    s = stage(inputs=("./",))
    settle(out)
    make(out)
    settle(out)
    (out / "gone").unlink()
    mark_done(s, out)
    assert "stage.run" in warnings(caplog)
    assert not s.record_path(out).exists()


def test_mark_done_knows_what_should_skip_saw(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not should_skip(stage(), out)
    (out / "in").write_text("B")
    settle(out)
    make(out, "made of what was read before")
    mark_done(stage(), out)
    assert "`input/in` changed since `should_skip` was asked" in warnings(caplog)
    assert not should_skip(stage(), out)
    make(out)
    mark_done(stage(), out)
    assert should_skip(stage(), out)
    (out / "in").unlink()
    assert not should_skip(stage(), out)
    (out / "in").write_text("C")
    settle(out)
    make(out)
    mark_done(stage(), out)
    assert should_skip(stage(), out), "what was asked before the last question is forgotten"


def test_a_link_on_the_way_that_leads_elsewhere_is_a_change(out: Path) -> None:
    for name in ("v1", "v2"):
        (out / name).mkdir()
        (out / name / "x").write_text(name)
    (out / "now").symlink_to("v1")
    s = stage(inputs=("now/x",))
    settle(out)
    make(out)
    settle(out)
    (out / "now").unlink()
    (out / "now").symlink_to("v2")
    mark_done(s, out)
    assert not s.record_path(out).exists()


def test_mark_done_cannot_tell_when_a_stage_without_outputs_ran(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    s = stage(outputs=())
    mark_done(s, out)
    assert "no output that tells when" in warnings(caplog)
    with s.run(out) as run:
        pass
    assert run.recorded
    assert should_skip(s, out)


def test_a_failed_stage_is_not_recorded(out: Path) -> None:
    done(out)
    (out / "in").write_text("B")

    def fail() -> None:
        make(out)
        raise KeyError

    run = stage().run(out)
    with pytest.raises(KeyError), run:
        fail()
    assert not run.recorded
    assert why(out) == ("inputs",)


def test_a_run_that_is_entered_again_begins_anew(out: Path) -> None:
    run = stage().run(out)
    with run:
        make(out)
    assert run.recorded
    (out / "in").unlink()
    with pytest.raises(KeyError), run:
        raise KeyError
    assert not run.recorded
    assert run.key is None


def test_a_run_that_leaves_an_output_out_is_not_recorded(
    out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage(outputs=("made", "second")).run(out) as run:
        make(out)
    assert not run.recorded
    assert "`second` is missing" in warnings(caplog)
