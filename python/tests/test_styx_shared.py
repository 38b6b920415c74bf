"""What equal calls of `ibid.styx` come to stands once; each path handed out leads there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ibid.styx
import pytest
from conftest import Ibid
from ibid import _ibid
from ibid.styx import _views
from styx_bench import TOOL, Bench, Printed, call, is_held
from styxdefs import LocalRunner


@pytest.fixture(params=["trust", "auto", "off"])
def bench(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A tool that copies its first word to `out`.

    Its hits are over at once, or take a thread, or the one or the other while files are new.
    """
    monkeypatch.setenv("IBID_STAT_CACHE", request.param)
    bench = Bench(project)
    bench.tool('echo printed; cat "$1" > out')
    bench.file("a", "text")
    os.sync()
    return bench


def hit(bench: Bench, printed: Printed | None = None) -> Path:
    """Makes the call that was made before. Returns the folder of outputs."""
    runs = bench.calls
    root = call(bench.runner(), "t", "{0}", inputs=[bench.folder / "a"], printed=printed)
    assert bench.calls == runs
    assert (root / "out").read_text() == "text"
    return root


@pytest.fixture(autouse=True)
def ran(bench: Bench) -> Path:
    """The call was made once."""
    return call(bench.runner(), "t", "{0}", inputs=[bench.folder / "a"])


def test_hits_lead_to_one_copy_which_is_not_that_of_the_run(bench: Bench, ran: Path) -> None:
    one, *others = [hit(bench) for _ in range(9)]
    assert len({ran, one, *others}) == 10
    assert all(one.samefile(other) for other in others)
    assert not one.samefile(ran)
    assert not os.access(one / "out", os.W_OK) or os.geteuid() == 0
    assert (one / "out").stat().st_mode & 0o222 == 0


def test_a_copy_that_is_too_young_to_be_known_is_read_and_not_made_again(bench: Bench) -> None:
    # Nothing that this hangs on is young.
    ran, one, *others = [call(bench.runner(), "sh", "-c", "echo text > out") for _ in range(9)]
    assert not one.samefile(ran)
    assert all(one.samefile(other) for other in others)


@pytest.mark.parametrize("edit", ["write", "delete", "add", "replace", "delete all"])
def test_who_edits_a_hit_edits_nobody_elses_to_come(bench: Bench, edit: str) -> None:
    one = hit(bench)
    out = one / "out"
    if edit == "write":
        out.chmod(0o644)
        out.write_text("TEXT")
    elif edit == "delete":
        out.unlink()
    elif edit == "add":
        (one / "beside").write_text("more")
    elif edit == "replace":
        bench.file("b", "TEXT").rename(out)
    else:
        shutil.rmtree(one)
    before = sorted((path.name, path.read_text()) for path in one.glob("*"))
    other = hit(bench)
    assert [path.name for path in other.iterdir()] == ["out"]
    # What somebody has made of it stays theirs.
    assert sorted((path.name, path.read_text()) for path in one.glob("*")) == before
    assert hit(bench).samefile(other)


@pytest.mark.parametrize("moved", ["outputs", "copy"])
def test_what_somebody_moved_away_and_linked_is_no_copy(bench: Bench, moved: str) -> None:
    outputs = hit(bench).resolve()
    folder = outputs if moved == "outputs" else outputs.parent
    away = bench.folder / "away"
    folder.rename(away)
    folder.symlink_to(away)
    # It may be changed at any time by those whose folder it is.
    assert not hit(bench).resolve().is_relative_to(away)


def test_a_copy_that_cannot_be_shown_stays_for_whom_it_was_made(bench: Bench) -> None:
    current = hit(bench).resolve().parent.parent / "current"
    current.unlink()
    current.mkdir()
    one, other = hit(bench), hit(bench)
    assert not one.samefile(other)
    assert (one / "out").read_text() == "text"


def test_a_tool_that_runs_after_all_does_not_run_in_the_copy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hit(bench)
    real = _ibid.run_tool

    def late(*args: Any) -> None:
        real(*args)
        raise ibid.Error("late")

    monkeypatch.setattr(_ibid, "run_tool", late)
    before = (one / "out").stat()
    root = call(bench.runner(), "t", "{0}", inputs=[bench.folder / "a"])
    assert bench.calls == 2
    assert not root.samefile(one)
    assert (one / "out").stat() == before


def test_another_process_is_led_to_the_same_copy(bench: Bench) -> None:
    one = hit(bench)
    code = (
        "import sys; from pathlib import Path; from styx_bench import Bench, call\n"
        "bench = Bench(Path(sys.argv[1]))\n"
        "print(call(bench.runner(), 't', '{0}', inputs=[bench.folder / 'a']).resolve())"
    )
    paths = [os.fspath(Path(ibid.__file__).parent.parent), os.path.dirname(__file__)]
    done = subprocess.run(
        [sys.executable, "-c", code, bench.folder],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == os.fspath(one.resolve())
    assert bench.calls == 1


def test_a_collection_takes_no_copy_that_a_path_of_a_live_process_leads_to(
    bench: Bench, ibid_command: Ibid
) -> None:
    first = hit(bench)
    shutil.rmtree(first)
    # The first one has a copy of its own from now on, which is not the current one.
    second = hit(bench)

    copies = bench.cache / "v1/views"

    def prune() -> None:
        for copy in copies.iterdir():
            # What was used just now stays anyway; a stamp of days to come is no stamp.
            os.utime(copy, (9e9, 9e9))
        ibid_command("--cache-dir", os.fspath(bench.cache), "prune", "--max-size", "1K")

    prune()
    assert (second / "out").read_text() == "text"
    assert first.parent.is_dir()
    # As if the process had ended.
    _views._folders.clear()
    prune()
    assert not second.exists()
    assert list(copies.iterdir()) == []


def test_a_folder_that_was_made_again_by_a_run_is_not_that_of_later_hits(bench: Bench) -> None:
    execution = bench.runner().start_execution(TOOL)
    given = execution.input_file(bench.folder / "a")
    out = execution.output_file("out")
    shutil.rmtree(bench.cache)
    execution.run(["t", given])
    # Nobody holds that one, so a collection may take it.
    assert not (out.parents[3] / "lock").exists()
    later = hit(bench)
    assert later.parent.is_symlink()
    assert is_held(later.parent)


def test_a_cache_that_was_emptied_after_the_path_was_handed_out_is_none(bench: Bench) -> None:
    for _ in range(2):
        runner = bench.runner()
        execution = runner.start_execution(TOOL)
        given = execution.input_file(bench.folder / "a")
        out = execution.output_file("out")
        shutil.rmtree(bench.cache)
        execution.run(["t", given])
        assert out.read_text() == "text"
    assert bench.calls == 3


def test_a_hit_that_is_interrupted_leaves_the_copy_and_no_path(bench: Bench) -> None:
    one = hit(bench)
    before = bench.views()

    class Interrupting(Printed):
        def stdout(self, line: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hit(bench, Interrupting())
    assert bench.views() == before
    assert (one / "out").read_text() == "text"


def test_another_path_of_programs_than_the_tool_sees_is_not_cached(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = LocalRunner(data_dir=bench.folder / "styx")
    monkeypatch.setenv("PATH", bench.environ["PATH"])
    other = bench.folder / "other"
    other.mkdir()
    (other / "t").write_text("#!/bin/sh\necho other > out\n")
    (other / "t").chmod(0o755)
    with pytest.MonkeyPatch.context() as replaced:
        replaced.setattr(os, "environ", {**os.environ, "PATH": f"{other}:/usr/bin:/bin"})
        root = call(bench.runner(base=base), "t", "{0}", inputs=[bench.folder / "a"])
        assert (root / "out").read_text() == "other\n"
    root = call(bench.runner(base=base), "t", "{0}", inputs=[bench.folder / "a"])
    assert (root / "out").read_text() == "text"


@pytest.mark.parametrize("name", ["COUNTED", "LC_ALL"])
def test_variables_count_as_the_tool_gets_them(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.tool(f'echo "${{{name}-none}}" > out')
    monkeypatch.setenv("PATH", bench.environ["PATH"])
    monkeypatch.delenv(name, raising=False)

    def seen() -> str:
        base = LocalRunner(data_dir=bench.folder / "styx")
        return (call(bench.runner(base=base, env_allowlist=("COUNTED",))) / "out").read_text()

    assert seen() == "none\n"
    # Past `os.environ`.
    os.putenv(name, "C")
    assert seen() == "C\n"
    os.unsetenv(name)
    assert seen() == "none\n"
    monkeypatch.setenv(name, "POSIX")
    assert seen() == "POSIX\n"


def test_the_copy_of_a_mutable_input_is_brought_back_like_any_output(bench: Bench) -> None:
    bench.tool('echo more >> "$1"', name="edit")
    path = bench.folder / "a"
    roots = []
    for _ in range(3):
        execution = bench.runner().start_execution(TOOL)
        local = execution.input_file(path, mutable=True)
        copy = execution.mutable_copy(path)
        execution.run(["edit", local])
        assert copy.read_text() == "textmore\n"
        roots.append(copy)
    assert roots[1].samefile(roots[2])
    assert path.read_text() == "text"
    assert bench.calls == 2


def test_a_child_that_was_forked_while_a_view_was_named_names_its_own(bench: Bench) -> None:
    with _views._lock:
        child = os.fork()
        if child == 0:
            # Whoever waits for ever is ended.
            signal.alarm(20)
            status = 1
            try:
                hit(bench)
                status = 0
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
