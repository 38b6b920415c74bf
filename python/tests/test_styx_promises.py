"""`ibid.styx`: what callers of a runner of Styx rely on."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import ibid
import ibid.styx
import pytest
from conftest import Ibid
from ibid.styx import (
    CachePolicy,
    CachingRunner,
    ContentHasher,
    _views,
    bypass,
    enabled,
    is_bypassed,
)
from styx_bench import MUTABLE, PARENT, TOOL, Bench, Printed, call
from styxdefs import Execution, LocalRunner, Metadata, Runner, StyxRuntimeError


@pytest.fixture
def bench(project: Path) -> Bench:
    """A tool that copies its first word to `out`."""
    bench = Bench(project)
    bench.tool('cat "${1:-/dev/null}" > out')
    return bench


def test_an_equal_call_is_not_run_again(bench: Bench) -> None:
    path = bench.file("a")
    roots = [call(bench.runner(), "t", "{0}", inputs=[path], params={"n": 1}) for _ in range(3)]
    assert bench.calls == 1
    assert len(set(roots)) == 3
    for root in roots:
        assert root.is_relative_to(bench.cache)
        assert (root / "out").read_text() == "text"
        assert [it.name for it in root.iterdir()] == ["out"]


@pytest.mark.parametrize("change", [{"id": "2"}, {"name": "u"}, {"package": "q"}])
def test_what_a_wrapper_says_of_itself_counts(bench: Bench, change: dict[str, str]) -> None:
    call(bench.runner())
    call(bench.runner(), metadata=TOOL._replace(**change))
    call(bench.runner(), metadata=TOOL._replace(citations=["somebody"]))
    assert bench.calls == 2


def test_extra_texts_count(bench: Bench) -> None:
    for extra in ({}, {"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1"}):
        call(bench.runner(extra=extra))
    assert bench.calls == 4


def test_params_count_by_type(bench: Bench) -> None:
    values: list[Any] = [1, 1.0, True, "1", None, [1], (1,), {"a": 1}, 1]
    for value in values:
        call(bench.runner(), params={"n": value})
    # A tuple is a list, and the last is the first.
    assert bench.calls == len(values) - 2


def test_the_program_counts(bench: Bench) -> None:
    call(bench.runner())
    bench.tool("echo other > out")
    assert (call(bench.runner()) / "out").read_text() == "other\n"


def test_names_and_places_of_inputs_do_not_count(bench: Bench) -> None:
    bench.tool('cat "$1" > out')
    for path in ("a", "b", "d/a"):
        call(bench.runner(), "t", "{0}", inputs=[bench.file(path, "equal")])
    assert bench.calls == 1
    for path in ("a", "b", "d/a"):
        call(bench.runner(base_names=True), "t", "{0}", inputs=[bench.folder / path])
    assert bench.calls == 3


def test_the_order_of_inputs_counts(bench: Bench) -> None:
    a, b = bench.file("a", "1"), bench.file("b", "2")
    bench.tool('cat "$1" "$2" > out')
    for inputs in ([a, b], [b, a]):
        root = call(bench.runner(), "t", "{0}", "{1}", inputs=inputs)
        assert (root / "out").read_text() == "".join(it.read_text() for it in inputs)
    # Equal inputs at other places of the command line are another call.
    for words in (("{0}", "{1}"), ("{1}", "{0}")):
        call(bench.runner(), "t", *words, inputs=[a, b])
    assert bench.calls == 3


def test_the_executable_bit_of_an_input_counts(bench: Bench) -> None:
    path = bench.file("a")
    call(bench.runner(), "t", "{0}", inputs=[path])
    path.chmod(0o755)
    call(bench.runner(), "t", "{0}", inputs=[path])
    assert bench.calls == 2


def test_the_whole_folder_of_a_file_counts_wherever_it_lies(bench: Bench) -> None:
    bench.tool('cat "$1"_* > out')
    for folder in ("d", "e/f"):
        bench.file(f"{folder}/x_1", "one")
        bench.file(f"{folder}/x_2", "two")
        # What is named is the beginning of names: no file is called so.
        prefix = bench.folder / folder / "x"
        for _ in range(2):
            root = call(bench.runner(), "t", "{0}", inputs=[(prefix, PARENT)])
            assert (root / "out").read_text() == "onetwo"
    assert bench.calls == 1
    bench.file("d/y")
    call(bench.runner(), "t", "{0}", inputs=[(bench.folder / "d/x", PARENT)])
    assert bench.calls == 2


def test_the_cache_beside_an_input_does_not_count(bench: Bench) -> None:
    bench.file("up/d/a")
    bench.cache = bench.folder / "up/d/cache"
    (bench.folder / "linked").symlink_to("up")
    for folder in ("up/d", "linked/d", "up/d"):
        path = bench.folder / folder / "a"
        call(bench.runner(), "t", "{0}", inputs=[(path, PARENT)])
    assert bench.calls == 1


def test_outputs_of_one_call_are_inputs_of_the_next(bench: Bench) -> None:
    for _ in range(2):
        first = call(bench.runner(), "t", "{0}", inputs=[bench.file("a")])
        for how in ({}, PARENT):
            root = call(bench.runner(), "t", "{0}", inputs=[(first / "out", how)])
            assert (root / "out").read_text() == "text"
        root = call(bench.runner(), "t", "{0}/out", inputs=[first])
        assert (root / "out").read_text() == "text"
    # What it is called and where it came from does not count: one call is the first again.
    assert bench.calls == 3


def test_a_failing_tool_leaves_nothing(bench: Bench) -> None:
    bench.tool("touch out; echo why >&2; exit 3")
    for calls in (1, 2):
        printed = Printed()
        with pytest.raises(StyxRuntimeError) as failed:
            call(bench.runner(), printed=printed)
        assert failed.value.return_code == 3
        assert printed.lines == [("err", "why")]
        assert bench.calls == calls
    assert bench.views() == []


def test_an_interrupt_comes_through_and_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = bench.runner()
    execution = runner.start_execution(TOOL)
    execution.output_file("out")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execution._base, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execution.run(["t"])
    assert bench.views() == []
    call(runner)
    assert bench.calls == 1


def test_what_was_printed_is_replayed_in_order(bench: Bench) -> None:
    bench.tool("echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; touch out")
    printed = [Printed(), Printed()]
    for heard in printed:
        call(bench.runner(), printed=heard)
    assert printed[0].lines == [("out", "one"), ("err", "two"), ("out", "three")]
    assert printed[1].lines == printed[0].lines
    call(bench.runner())
    assert bench.calls == 1


def test_without_handlers_the_runner_below_logs_as_ever(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool(r"printf 'he\377re\n'; touch out")
    with caplog.at_level(logging.DEBUG):
        call(bench.runner())
    assert r"he\xffre" in caplog.messages


def test_what_a_handler_did_not_read_is_stored_all_the_same(bench: Bench) -> None:
    bench.tool("seq 3000; touch out")
    execution = bench.runner().start_execution(TOOL)
    execution.output_file(".")
    execution.output_file("out")

    def raises(line: str) -> None:
        raise ValueError(line)

    execution.run(["t"], handle_stdout=raises)
    heard = Printed()
    call(bench.runner(), printed=heard)
    assert heard.lines == [("out", str(number)) for number in range(1, 3001)]
    assert bench.calls == 1


def test_a_handler_that_raises_is_as_good_as_none_on_a_hit_too(bench: Bench) -> None:
    bench.tool("seq 3; echo error >&2; touch out")
    heard = []
    for at in range(3):
        printed = Printed()
        execution = bench.runner().start_execution(TOOL)
        out = execution.output_file("out")

        def raises(line: str, printed: Printed = printed) -> None:
            printed.stdout(line)
            raise ValueError(line)

        execution.run(["t"], handle_stdout=raises, handle_stderr=printed.stderr)
        assert out.exists(), at
        heard.append(sorted(printed.lines))
    assert heard == [[("err", "error"), ("out", "1")]] * 3
    assert bench.calls == 1


def test_the_cache_can_be_passed_over(bench: Bench) -> None:
    runner = bench.runner()
    assert ibid.styx.bypass is ibid.bypass
    with bypass():
        assert is_bypassed()
        call(runner)
        with enabled():
            call(runner)
        call(runner)
    call(runner)
    assert bench.calls == 3
    call(bench.runner(bypass_tools=frozenset({"p/t"})))
    call(bench.runner(bypass_tools=frozenset({"p/other", "t"})))
    assert bench.calls == 4


def test_what_is_passed_over_is_the_execution_of_the_runner_below(bench: Bench) -> None:
    runner = bench.runner(bypass_tools=frozenset({"p/other"}))
    with bypass():
        below = runner.start_execution(TOOL)
    assert type(below) is type(runner.base.start_execution(TOOL))
    assert type(runner.start_execution(TOOL._replace(name="other"))) is type(below)
    assert type(runner.start_execution(TOOL)) is not type(below)


def test_passing_over_is_of_a_thread_and_of_a_task() -> None:
    seen: list[bool] = []

    async def task(by: bool) -> None:
        if by:
            with bypass():
                await asyncio.sleep(0)
                seen.append(is_bypassed())
        else:
            seen.append(is_bypassed())

    async def both() -> None:
        await asyncio.gather(task(True), task(False))

    asyncio.run(both())
    with bypass():
        thread = threading.Thread(target=lambda: seen.append(is_bypassed()))
        thread.start()
        thread.join()
    assert sorted(seen) == [False, False, True]


def test_a_mutable_input_is_copied_and_its_edit_comes_back(bench: Bench) -> None:
    path = bench.file("data.nii", "original")
    bench.tool('echo edited >> "$1"')
    for _ in range(2):
        execution = bench.runner().start_execution(TOOL)
        local = execution.input_file(path, mutable=True)
        copy = execution.mutable_copy(path)
        execution.run(["t", local])
        assert copy.read_text() == "originaledited\n"
        assert path.read_text() == "original"
    assert bench.calls == 1
    path.write_text("other")
    call(bench.runner(), "t", "{0}", inputs=[(path, MUTABLE)], outputs=["data.nii"])
    assert bench.calls == 2


def test_how_an_input_is_registered_counts(bench: Bench) -> None:
    path = bench.file("d/a")
    bench.tool("touch out")
    for how in ({}, PARENT, MUTABLE):
        call(bench.runner(), inputs=[(path, how)])
    assert bench.calls == 3


@pytest.mark.parametrize("how", [{}, PARENT, MUTABLE], ids=str)
def test_a_missing_input_is_told_at_once(bench: Bench, how: dict[str, bool]) -> None:
    execution = bench.runner().start_execution(TOOL)
    with pytest.raises(FileNotFoundError):
        execution.input_file(bench.folder / "no/file", **how)
    assert bench.views() == []


def test_inputs_come_first(bench: Bench) -> None:
    path = bench.file("a")
    for end in ("output", "copy", "run"):
        execution = bench.runner().start_execution(TOOL)
        execution.input_file(path, mutable=True)
        if end == "output":
            execution.output_file("out")
        elif end == "copy":
            execution.mutable_copy(path)
        else:
            execution.run(["t"])
            with pytest.raises(RuntimeError, match="once"):
                execution.run(["t"])
        with pytest.raises(RuntimeError, match="before"):
            execution.input_file(path)


class Fixed:
    """An execution that puts its outputs where it wants to."""

    def __init__(self) -> None:
        self.runs = 0

    def params(self, params: dict[str, Any]) -> dict[str, Any]:
        return params

    def input_file(self, host_file: Any, **_: bool) -> str:
        return str(host_file)

    def run(self, cargs: list[str], **_: Any) -> None:
        self.runs += 1


class FixedRunner:
    """Starts one execution."""

    def __init__(self, execution: Fixed) -> None:
        self.execution = execution

    def start_execution(self, metadata: Metadata) -> Fixed:
        return self.execution


def test_the_runner_below_must_let_its_outputs_be_put_elsewhere(bench: Bench) -> None:
    fixed = Fixed()
    runner = CachingRunner(FixedRunner(fixed), bench.cache)
    with pytest.raises(RuntimeError, match="output_dir"):
        call(runner)
    assert fixed.runs == 0


class Settable(Fixed):
    """An execution that hands on lines, and starts no process."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.output_dir = folder

    def run(self, cargs: list[str], **handlers: Any) -> None:
        super().run(cargs)
        (self.output_dir / "out").write_text("made")
        handlers["handle_stderr"]("a line")


def test_any_runner_below_will_do(bench: Bench) -> None:
    printed = [Printed(), Printed()]
    runs = []
    for heard in printed:
        settable = Settable(bench.folder / "unused")
        runner = CachingRunner(FixedRunner(settable), bench.cache)
        root = call(runner, str(bench.bin / "t"), printed=heard)
        assert (root / "out").read_text() == "made"
        runs.append(settable.runs)
        assert settable.output_dir == bench.folder / "unused"
    assert runs == [1, 0]
    assert printed[0].lines == printed[1].lines == [("err", "a line")]


def test_an_output_that_lies_elsewhere_is_not_cached(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = bench.folder / "elsewhere"
    bench.tool('echo text > "$1"')
    for calls in (1, 2):
        execution = bench.runner().start_execution(TOOL)
        assert execution.output_file(str(elsewhere)) == elsewhere
        execution.run(["t", str(elsewhere)])
        assert elsewhere.read_text() == "text\n"
        assert bench.calls == calls
    assert caplog.text.count("does not lie in its own folder") == 1


@dataclasses.dataclass
class Sizes:
    """Takes a file for its size."""

    asked: list[str] = dataclasses.field(default_factory=list)

    def hash_path(self, path: Any) -> str:
        self.asked.append(os.fspath(path))
        return str(os.stat(path).st_size)


def test_a_runner_may_have_no_variables_at_all(bench: Bench) -> None:
    base = LocalRunner(data_dir=bench.folder / "styx", environ={})
    words = ("sh", "-c", "date +%N > out")
    made = [call(CachingRunner(base, bench.cache), *words) / "out" for _ in range(2)]
    assert made[0].read_text() == made[1].read_text()


def test_deleting_the_whole_cache_is_safe(bench: Bench) -> None:
    for calls in (1, 2):
        for _ in range(2):
            assert (call(bench.runner()) / "out").exists()
        assert bench.calls == calls
        shutil.rmtree(bench.cache)


def test_a_program_that_is_not_there_is_told_by_the_runner_below(bench: Bench) -> None:
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="no-such-tool"):
            call(bench.runner(), "no-such-tool")
    assert bench.views() == []


def test_a_hasher_of_ones_own_counts_in_place_of_the_content(bench: Bench) -> None:
    path = bench.file("a", "123")
    hasher = Sizes()
    call(bench.runner(hasher=hasher), "t", "{0}", inputs=[path])
    path.write_text("456")
    call(bench.runner(hasher=hasher), "t", "{0}", inputs=[path])
    assert bench.calls == 1
    path.write_text("4567")
    call(bench.runner(hasher=hasher), "t", "{0}", inputs=[path])
    call(bench.runner(), "t", "{0}", inputs=[path])
    assert bench.calls == 3
    assert set(hasher.asked) == {str(path)}


def test_content_has_a_digest(bench: Bench, ibid_command: Ibid) -> None:
    path = bench.file("d/a")
    for it, flags in ((path, []), (path.parent, ["--tree"])):
        printed = ibid_command("hash", *flags, str(it)).split()[0]
        assert ContentHasher().hash_path(it) == printed


def test_the_policy_is_a_plain_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "1")
    monkeypatch.delenv("UNSET", raising=False)
    policy = CachePolicy(env_allowlist=("UNSET", "SET"))
    assert policy.env_values() == [("SET", "1"), ("UNSET", "")]
    assert CachePolicy().extra == {}
    assert CachePolicy().image_digest is None


def test_the_runner_is_one_of_styx(bench: Bench) -> None:
    runner: Runner = bench.runner()
    execution: Execution = runner.start_execution(TOOL)
    assert execution.params({"a": 1}) == {"a": 1}
    caching = CachingRunner(LocalRunner(), "~/cache")
    assert caching.store.root == Path.home() / "cache"
    assert isinstance(caching.base, LocalRunner)
    assert not caching.store.root.exists()


def test_the_command_line_explains_a_call(bench: Bench, ibid_command: Ibid) -> None:
    path = bench.file("a")
    bench.tool('echo printed; cat "$1" > out')
    for fraction in (0.5, 0.6):
        call(bench.runner(), "t", "{0}", inputs=[path], params={"fraction": fraction})
    cached = ("--cache-dir", str(bench.cache))
    why = ibid_command("why", "p/t", *cached)
    assert "param/fraction" in why
    assert "0.5" in why
    assert ibid_command("output", "p/t", *cached) == "printed\n"


def test_a_secret_is_no_variable_that_counts(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    runner = bench.runner(environ={"API_TOKEN": "hidden"}, env_allowlist=("API_TOKEN",))
    assert (call(runner) / "out").exists()
    assert "API_TOKEN" in caplog.text
    assert "hidden" not in caplog.text


def test_a_cache_that_is_only_read_gives_hits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    call(bench.runner())
    monkeypatch.setenv("IBID_MODE", "read-only")
    monkeypatch.setenv("IBID_TMP_DIR", str(tmp_path))
    monkeypatch.setattr(_views, "_folders", {})
    before = sorted((bench.cache / "v1").rglob("*"))
    root = call(bench.runner())
    assert (root / "out").exists()
    assert not root.is_relative_to(bench.cache)
    assert sorted((bench.cache / "v1").rglob("*")) == before
    assert bench.calls == 1
    call(bench.runner(), "t", "/dev/null")
    call(bench.runner(), "t", "/dev/null")
    assert bench.calls == 3
