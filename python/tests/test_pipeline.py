"""`ibid.Pipeline`: the steps of a file, planned, run and explained."""

from __future__ import annotations

import json
from pathlib import Path

import ibid
import pytest
from conftest import Ibid

FILE = """
[params]
most = 2

[steps.short]
run = "head -n {params.most} in > short"
inputs = ["in"]
outputs = ["short"]

[steps.count]
matrix = { unit = ["c", "l"] }
run = "wc -{matrix.unit} < short > count-{matrix.unit}"
inputs = ["short"]
outputs = ["count-{matrix.unit}"]
"""

NAMES = ["short", "count@c", "count@l"]


@pytest.fixture
def pipeline(project: Path) -> ibid.Pipeline:
    """Three steps over a small file."""
    (project / "in").write_text("one\ntwo\nthree\n")
    (project / "ibid.toml").write_text(FILE)
    return ibid.Pipeline.load("ibid.toml")


def test_a_plan_says_what_a_run_does(pipeline: ibid.Pipeline, project: Path) -> None:
    plan = pipeline.plan()
    assert {name: step.expected for name, step in plan.steps.items()} == {
        "short": "run",
        "count@c": "unknown",
        "count@l": "unknown",
    }
    assert plan.steps["short"].triggers == ("new",)
    assert not plan.is_up_to_date
    assert sorted(path.name for path in project.iterdir()) == ["ibid.toml", "in"]
    run = pipeline.run()
    assert run.ok
    assert {name: step.decision for name, step in run.steps.items()} == dict.fromkeys(NAMES, "ran")
    assert (project / "count-l").read_text().strip() == "2"
    assert pipeline.plan().is_up_to_date
    again = pipeline.run()
    assert {step.decision for step in again.steps.values()} == {"up-to-date"}
    assert again.data["up_to_date"] == 3


def test_steps_are_chosen_and_forced(pipeline: ibid.Pipeline) -> None:
    assert sorted(pipeline.step_names()) == sorted(NAMES)
    assert list(pipeline.run("short").steps) == ["short"]
    pipeline.run()
    forced = pipeline.run("count@l", force=True)
    assert forced.steps["short"].decision == "up-to-date"
    assert forced.steps["count@l"].triggers == ("forced",)
    assert set(pipeline.run("short", downstream=True).steps) == set(NAMES)
    with pytest.raises(ibid.UsageError) as raised:
        pipeline.run("shirt")
    assert raised.value.hints == ("did you mean `short`?",)


def test_python_and_the_command_line_say_the_same(
    pipeline: ibid.Pipeline, project: Path, ibid_command: Ibid
) -> None:
    pipeline.run()
    (project / "ibid.toml").write_text(FILE.replace("most = 2", "most = 1"))
    assert pipeline.plan().text == ibid_command("plan")
    assert pipeline.plan().data.items() <= json.loads(ibid_command("plan", "--json")).items()
    run = pipeline.run()
    assert run.steps["short"].triggers == ("params", "code")
    assert "short: ran in" in run.text
    why = pipeline.why("count@l")
    assert why.text == ibid_command("why", "count@l")
    assert why.triggers == ("inputs",)
    assert why.changes[0]["component"] == "input/short"
    assert why.data["chain"] == json.loads(ibid_command("why", "--json", "count@l"))["chain"]
    assert {s.decision for s in pipeline.run().steps.values()} == {"up-to-date"}
    assert ibid_command("status") == "3 steps: all up to date\n"


def test_a_step_that_fails_is_told_with_what_it_printed(project: Path) -> None:
    (project / "ibid.toml").write_text(
        "[steps.bad]\nrun = 'echo told; exit 4'\noutputs = ['x']\n"
        "[steps.after]\nrun = 'cat x > y'\ninputs = ['x']\noutputs = ['y']\n"
        "[steps.other]\nrun = 'echo > z'\noutputs = ['z']\n"
    )
    pipeline = ibid.Pipeline.load()
    with pytest.raises(ibid.StepsFailed, match="bad") as raised:
        pipeline.run(keep_going=True)
    run = raised.value.run
    assert raised.value.exit_code == 1
    assert {name: step.state for name, step in run.steps.items()} == {
        "bad": "failed",
        "after": "skipped",
        "other": "done",
    }
    assert run.steps["bad"].output == "told\n"
    assert "told" in run.text
    assert not pipeline.run(check=False).ok


def test_a_mistake_in_the_file_is_told_with_its_line(project: Path) -> None:
    (project / "ibid.toml").write_text("[steps.one]\nrun = 'true'\ninpts = ['x']\n")
    with pytest.raises(ibid.UsageError) as raised:
        ibid.Pipeline.load()
    assert "ibid.toml:3:1" in raised.value.message
    assert "did you mean `inputs`?" in raised.value.hints
    assert "inpts = ['x']" in str(raised.value)
    with pytest.raises(ibid.UsageError, match="there is no"):
        ibid.Pipeline.load("elsewhere/ibid.toml")
    with pytest.raises(ibid.UsageError, match="not called"):
        ibid.Pipeline.load("steps.toml")


def test_a_pipeline_is_found_from_any_folder(
    pipeline: ibid.Pipeline, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pipeline.run().ok
    assert ibid.Pipeline.load(project).plan().is_up_to_date
    assert ibid.Pipeline.load("project/ibid.toml").root == str(project)


def test_a_bar_moves_with_the_steps(pipeline: ibid.Pipeline) -> None:
    bars: list[Bar] = []

    class Bar:
        """As much of tqdm as is used."""

        def __init__(self, *, total: int, unit: str, **_: object) -> None:
            self.total, self.unit, self.n, self.closed = total, unit, 0, False
            self.described: list[str | None] = []
            bars.append(self)

        def update(self, n: int = 1, /) -> None:
            assert not self.closed
            self.n += n

        def set_description(self, desc: str | None = None, /) -> None:
            self.described.append(desc)

        def close(self) -> None:
            self.closed = True

    pipeline.run(progress=Bar)
    (steps,) = [bar for bar in bars if bar.unit == "step"]
    assert (steps.total, steps.n, steps.closed) == (3, 3, True)
    assert sorted(filter(None, steps.described)) == sorted(NAMES)


def test_plans_and_runs_are_shown_in_notebooks(pipeline: ibid.Pipeline) -> None:
    plan = pipeline.plan()
    assert "<td>short</td><td>run</td><td>new</td>" in plan._repr_html_()
    assert repr(plan) == "<ibid.Plan: 1 of 3 steps will run>"
    run = pipeline.run("short")
    assert "<td>short</td><td>ran</td><td>new</td>" in run._repr_html_()
    assert "1 step in" in run._repr_html_()
    assert pipeline.why("short")._repr_html_().startswith("<pre>")


def test_the_command_line_explains_what_python_ran(project: Path, ibid_command: Ibid) -> None:
    (project / "in").write_text("one")
    ibid.run("cat in > out", inputs="in", outputs="out")
    (project / "in").write_text("two")
    ibid.run("cat in > out", inputs="in", outputs="out")
    text = ibid_command("why")
    assert "project/out ran" in text
    assert "inputs changed" in text
    assert ibid.why().text == text
    with pytest.raises(ibid.NotKnown):
        ibid.why("no-such-label")
