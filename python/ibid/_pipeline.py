"""The steps of an `ibid.toml`: what a run would do, the run, and why."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Literal

from ibid import _ibid
from ibid._display import seconds, table
from ibid._errors import StepsFailed, UsageError
from ibid._hearing import Hearing
from ibid._place import place
from ibid._run import execution
from ibid._why import Why, why

if TYPE_CHECKING:
    from ibid._hearing import Progress
    from ibid._run import Link, Mode
    from ibid._words import StrPath


class _Step:
    """What is said of a step before and after a run."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        """All that is known, as in the JSON of `ibid plan` and `ibid run`."""

    @property
    def name(self) -> str:
        """The name of the step."""
        return str(self.data["step"])

    @property
    def key(self) -> str | None:
        """Its key, if it was tried; of a plan, if that can be told before others have run."""
        key = self.data.get("key")
        return None if key is None else str(key)

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why it ran, or would run."""
        return tuple(self.data.get("rerun", {}).get("triggers", ()))


class PlannedStep(_Step):
    """What a run would do about a step."""

    @property
    def expected(self) -> str:
        """What would be done: `up-to-date`, `hit`, `run`, `unknown` or `error`."""
        return str(self.data["expected"])

    def __repr__(self) -> str:
        return f"<ibid.PlannedStep {self.name}: {self.expected}>"


class Plan:
    """What a run would do; nothing was done."""

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        """All that is known, as in the JSON of `ibid plan`."""
        self.text = text
        """All of it, as `ibid plan` prints it."""
        self.steps = {step["step"]: PlannedStep(step) for step in data["steps"]}
        """The steps by their names, in an order in which they could run."""

    @property
    def is_up_to_date(self) -> bool:
        """Whether a run would do nothing."""
        return all(step.expected == "up-to-date" for step in self.steps.values())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        counts = self.data["totals"]
        return f"<ibid.Plan: {counts['run']} of {counts['steps']} steps will run>"

    def _repr_html_(self) -> str:
        rows = (
            [step.name, step.expected, ", ".join(step.triggers), seconds(step.data["predicted_ns"])]
            for step in self.steps.values()
        )
        return table(["step", "expected", "because of", "about"], rows)


class StepRun(_Step):
    """How a step went in a run."""

    def __init__(self, data: dict[str, Any], output: str | bytes) -> None:
        super().__init__(data)
        self.output = output
        """What it printed, as far as that is shown: its end, and only if it failed."""

    @property
    def state(self) -> str:
        """How it ended: `done`, `failed`, `error`, `skipped` or `not-started`."""
        return str(self.data["state"])

    @property
    def decision(self) -> str | None:
        """What was done: `ran`, `restored`, `up-to-date`; `None` if it was not tried."""
        decision = self.data.get("decision")
        return None if decision is None else str(decision)

    def __repr__(self) -> str:
        return f"<ibid.StepRun {self.name}: {self.decision or self.state}>"


class PipelineRun:
    """How a run of many steps went."""

    def __init__(self, hearing: Hearing, exit_code: int) -> None:
        self.text = hearing.text
        """What the command line prints about it."""
        self.exit_code = exit_code
        """What `ibid run` would have ended with."""
        self.data: dict[str, Any] = {}
        """How many steps ran, were restored, and so on, as in the JSON of `ibid run`."""
        self.steps: dict[str, StepRun] = {}
        """The steps by their names, in the order in which they were finished."""
        outputs: dict[str, str | bytes] = {}
        for event in hearing.events:
            match event["event"]:
                case "output":
                    outputs[event["step"]] = event.get("text") or bytes(event.get("bytes", b""))
                case "finished":
                    name = event["step"]
                    self.steps[name] = StepRun(event, outputs.get(name, ""))
                case "ended":
                    self.data = event

    @property
    def ok(self) -> bool:
        """Whether all steps are done."""
        return self.exit_code == 0

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<ibid.PipelineRun: {self.text.splitlines()[-1] if self.text else 'no steps'}>"

    def _repr_html_(self) -> str:
        rows = (
            [
                step.name,
                step.decision if step.decision and step.state == "done" else step.state,
                ", ".join(step.triggers),
                seconds(step.data.get("elapsed_ns")),
            ]
            for step in self.steps.values()
        )
        last = self.text.splitlines()[-1] if self.text else ""
        return table(["step", "what", "because of", "took"], rows, last)


class Pipeline:
    """The steps of a project's `ibid.toml`.

    The file is read at each call, so that what it says is what counts.
    """

    def __init__(
        self, path: StrPath, *, cache_dir: StrPath | None = None, config: StrPath | None = None
    ) -> None:
        path = os.path.realpath(os.path.expanduser(path))
        if os.path.isdir(path):
            path = os.path.join(path, "ibid.toml")
        if os.path.basename(path) != "ibid.toml":
            raise UsageError(
                f"`{path}` is not called `ibid.toml`",
                hint="a project has one `ibid.toml`, in its root; it can include other files",
            )
        if not os.path.isfile(path):
            raise UsageError(f"there is no `{path}`", hint="`ibid init` writes one")
        self.path = path
        """The file."""
        self._cache_dir = cache_dir
        self._config = config

    @classmethod
    def load(
        cls,
        path: StrPath = "ibid.toml",
        *,
        cache_dir: StrPath | None = None,
        config: StrPath | None = None,
    ) -> Pipeline:
        """Takes the file, or the one in a folder; a mistake in it raises `UsageError`."""
        pipeline = cls(path, cache_dir=cache_dir, config=config)
        pipeline.step_names()
        return pipeline

    @property
    def root(self) -> str:
        """The folder that paths are named from."""
        return os.path.dirname(self.path)

    def step_names(self) -> list[str]:
        """Returns the names of the steps, points of matrices one by one."""
        return _ibid.step_names(self._place(), Hearing(echo=False))

    def plan(
        self, *steps: str, only: bool = False, downstream: bool = False, force: bool = False
    ) -> Plan:
        """Says what a run of these steps, or of all, would do and why; changes nothing."""
        select = {"steps": list(steps), "only": only, "downstream": downstream}
        data, text = _ibid.plan(self._place(), select, force, Hearing(echo=False))
        return Plan(json.loads(data), text)

    def run(
        self,
        *steps: str,
        only: bool = False,
        downstream: bool = False,
        force: bool = False,
        parallel: int | None = None,
        keep_going: bool = False,
        show_output: Literal["never", "failed", "all"] | None = None,
        mode: Mode | None = None,
        link: Link | None = None,
        strict: bool = False,
        check: bool = True,
        progress: Progress = None,
    ) -> PipelineRun:
        """Does these steps and what they wait for, or all: those that need it.

        With `check` a run in which a step fails raises `StepsFailed`.
        """
        asked = {"force": force, "mode": mode, "link": link, "strict": strict}
        call = {
            "parallel": parallel,
            "keep_going": keep_going,
            "show_output": show_output,
            "execution": execution(asked),
        }
        select = {"steps": list(steps), "only": only, "downstream": downstream}
        events = frozenset({"output", "finished", "ended"})
        hearing = Hearing(progress=progress, echo=False, keep_events=events)
        try:
            exit_code = _ibid.run_steps(self._place(), select, call, hearing)
        finally:
            hearing.close()
        run = PipelineRun(hearing, exit_code)
        if check and not run.ok:
            failed = [s.name for s in run.steps.values() if s.state in ("failed", "error")]
            raise StepsFailed(f"steps failed: {', '.join(failed)}", run, exit_code)
        return run

    def why(self, step: str | None = None) -> Why:
        """Says why a step ran; without one, the latest run of the cache."""
        return why(step, cwd=self.root, cache_dir=self._cache_dir, config=self._config)

    def _place(self) -> dict[str, Any]:
        return place(self.root, self._cache_dir, self._config)

    def __repr__(self) -> str:
        return f"<ibid.Pipeline {self.path}>"
