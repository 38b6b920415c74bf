"""`ibid.styx`: what goes wrong where the key leaves things out and the entry is the result."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ibid import bypass
from ibid._errors import UsageError
from styx_bench import PARENT, TOOL, Bench, Printed, call, is_held
from styxdefs import LocalRunner


@pytest.fixture
def bench(project: Path) -> Bench:
    """A tool that copies its first word to `out`."""
    bench = Bench(project)
    bench.tool('cat "${1:-/dev/null}" > out')
    return bench


def test_the_command_line_counts(bench: Bench) -> None:
    bench.tool('echo "$1" > out')
    for params in ({"same": 1}, None):
        for word in ("one", "two", "one"):
            root = call(bench.runner(), "t", word, params=params)
            assert (root / "out").read_text() == f"{word}\n"
    assert bench.calls == 4


def test_two_files_of_one_folder_are_told_apart(bench: Bench) -> None:
    one, two = bench.file("d/a.txt", "a"), bench.file("d/b.txt", "b")
    for path in (one, two, one):
        root = call(bench.runner(), "t", "{0}", inputs=[(path, PARENT)])
        assert (root / "out").read_text() == path.read_text()
    assert bench.calls == 2


def test_a_file_that_is_registered_twice_counts_both_ways(bench: Bench) -> None:
    path, sibling = bench.file("d/a"), bench.file("d/b", "one")
    bench.tool('cat "$(dirname "$1")/b" > out')
    for text in ("one", "two"):
        sibling.write_text(text)
        root = call(bench.runner(), "t", "{1}", inputs=[path, (path, PARENT)])
        assert (root / "out").read_text() == text


def test_declared_outputs_count(bench: Bench) -> None:
    bench.tool('cp "$1" "$(basename "$1" .nii)_out"')
    for name in ("a", "b"):
        path = bench.file(f"{name}.nii", "equal")
        root = call(bench.runner(), "t", "{0}", inputs=[path], outputs=[f"{name}_out"])
        assert (root / f"{name}_out").exists()
    bench.tool("touch out more")
    before = bench.calls
    for outputs in (["out"], ["out", "more"], ["more", "out", "more"]):
        call(bench.runner(), outputs=outputs)
    assert bench.calls == before + 2


def test_a_declared_output_that_is_missing_is_no_result(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool("touch out")
    for calls in (1, 2):
        root = call(bench.runner(), outputs=["out", "never"])
        assert (root / "out").exists()
        assert bench.calls == calls
    assert "p/t: `never` is declared and missing" in caplog.text
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            call(bench.runner(optional_outputs=("p/t/nev*",)), outputs=["out", "never"])
    assert bench.calls == 3


def test_a_deleted_output_is_brought_back(bench: Bench) -> None:
    path = bench.file("a")
    first = call(bench.runner(), "t", "{0}", inputs=[path])
    (first / "out").unlink()
    again = call(bench.runner(), "t", "{0}", inputs=[path])
    assert (again / "out").read_text() == "text"
    assert bench.calls == 1


def test_an_edited_output_is_never_served(bench: Bench) -> None:
    path = bench.file("a")
    first = call(bench.runner(), "t", "{0}", inputs=[path])
    assert (first / "out").stat().st_mode & 0o222 == 0
    (first / "out").chmod(0o644)
    (first / "out").write_text("EVIL")
    for _ in range(2):
        again = call(bench.runner(), "t", "{0}", inputs=[path])
        assert (again / "out").read_text() == "text"
        assert (again / "out").stat().st_mode & 0o222 == 0
    assert bench.calls == 1


def test_a_file_of_the_users_stays_as_it_is(bench: Bench) -> None:
    path = bench.file("a")
    bench.tool('ln "$1" out')
    before = path.stat().st_mode
    for _ in range(2):
        assert (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text() == "text"
    assert path.stat().st_mode == before


def test_damage_of_the_store_is_a_miss_that_heals(bench: Bench) -> None:
    path = bench.file("a")
    call(bench.runner(), "t", "{0}", inputs=[path])
    shutil.rmtree(bench.cache / "v1/keys")
    for _ in range(2):
        root = call(bench.runner(), "t", "{0}", inputs=[path])
        assert (root / "out").read_text() == "text"
    assert bench.calls == 2


_ELSEWHERE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from styx_bench import Bench, call
call(Bench(Path(sys.argv[1])).runner(), params={"set": set("abcdef")})
"""


def elsewhere(bench: Bench, seed: str = "0") -> int:
    """Makes a call in another process."""
    words = [sys.executable, "-c", _ELSEWHERE, str(bench.folder), str(Path(__file__).parent)]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(words, env=env, capture_output=True, check=False).returncode


def test_a_killed_run_leaves_nothing_for_ever(bench: Bench) -> None:
    bench.tool("touch out; kill -9 $PPID")
    assert elsewhere(bench) == -signal.SIGKILL
    bench.tool("echo whole > out")
    root = call(bench.runner())
    assert (root / "out").read_text() == "whole\n"
    assert len(bench.views()) == 2
    # What nobody holds is collected when it is old.
    assert [view for view in bench.views() if is_held(view)] == [root.parent]


def test_four_equal_misses_run_once(bench: Bench, project: Path) -> None:
    path = bench.file("a")
    bench.tool('sleep 0.2; cat "$1" > out')
    roots: list[Path] = []

    def one() -> None:
        roots.append(call(bench.runner(), "t", "{0}", inputs=[path]))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.calls == 1
    assert len(set(roots)) == 4
    assert {(root / "out").read_text() for root in roots} == {"text"}


def test_an_input_counts_as_it_is_when_the_tool_runs(bench: Bench) -> None:
    path = bench.file("a", "old")
    execution = bench.runner().start_execution(TOOL)
    local = execution.input_file(path)
    out = execution.output_file("out")
    path.write_text("new")
    execution.run(["t", local])
    assert out.read_text() == "new"
    path.write_text("old")
    root = call(bench.runner(), "t", "{0}", inputs=[path])
    assert (root / "out").read_text() == "old"


def test_an_input_that_changes_while_the_tool_runs_is_no_result(bench: Bench) -> None:
    path = bench.file("a", "old")
    bench.tool('cat "$1" > out; echo changed > "$1"')
    call(bench.runner(), "t", "{0}", inputs=[path])
    path.write_text("old")
    call(bench.runner(), "t", "{0}", inputs=[path])
    assert bench.calls == 2


def test_the_environment_of_the_runner_counts(bench: Bench) -> None:
    bench.tool('echo "${V-unset}" > out')
    for value in ("1", "2", "", None, "1"):
        environ = {} if value is None else {"V": value}
        root = call(bench.runner(environ=environ, env_allowlist=("V",)))
        assert (root / "out").read_text() == f"{'unset' if value is None else value}\n"
    assert bench.calls == 4


@pytest.mark.parametrize("name", ["LANG", "LC_ALL", "TZ"])
def test_locale_and_time_zone_count(bench: Bench, name: str) -> None:
    bench.tool("touch out")
    for value in ("C", "POSIX", "C"):
        call(bench.runner(environ={name: value}))
    assert bench.calls == 2


def test_no_text_can_be_taken_for_an_input(bench: Bench) -> None:
    bench.tool("touch out")
    path = bench.file("a")
    call(bench.runner(), inputs=[path], params={"a": str(path)})
    key = {"__ibid_type__": "input", "parts": [0]}
    call(bench.runner(), inputs=[path], params={"a": json.dumps(key)})
    assert bench.calls == 2
    for of in (b"x", "b'x'", b"x"):
        call(bench.runner(), params={"a": of})
    assert bench.calls == 4
    # A mapping that looks like one is refused.
    for _ in range(2):
        call(bench.runner(), inputs=[path], params={"a": key})
    assert bench.calls == 6


class Unknown:
    """Something without a plain form."""


@pytest.mark.parametrize(
    "params",
    [{1: "x"}, {1: "x", "a": "x"}, {"a": {1: "x"}}, {"a": [Unknown()]}],
    ids=str,
)
def test_what_has_no_plain_form_is_run_and_told(
    bench: Bench, params: dict[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool("touch out")
    for _ in range(2):
        assert (call(bench.runner(), params=params) / "out").exists()
    assert bench.calls == 2
    assert "not cached" in caplog.text
    assert "params" in caplog.text


def spelled(path: Path) -> list[str]:
    """Returns a path in several ways."""
    return [
        str(path),
        os.path.relpath(path),
        f"./{os.path.relpath(path)}",
        f"{path.parent}/./{path.name}",
    ]


def test_the_spelling_of_a_path_does_not_count(bench: Bench) -> None:
    path = bench.file("a")
    for spelling in spelled(path):
        call(bench.runner(), "t", "{0}", inputs=[spelling], params={"in": spelling})
        call(bench.runner(), "t", "{0}", inputs=[path], params={"in": Path(spelling)})
    assert bench.calls == 1


def test_paths_inside_of_texts_do_not_count(bench: Bench) -> None:
    bench.tool("touch out")
    for folder in ("one", "two"):
        path = bench.file(f"{folder}/a")
        words = ("t", "--in={0}", "-m", "MI[{0},{0},1]", "{0}[1..2]")
        call(bench.runner(), *words, inputs=[path], params={"in": f"--in={path}"})
    assert bench.calls == 1
    # What only contains the path is another one.
    call(bench.runner(), "t", "{0}x", inputs=[path])
    call(bench.runner(), "t", "{0}x", inputs=[bench.file("one/a")])
    assert bench.calls == 3


def test_sets_are_equal_in_all_processes(bench: Bench) -> None:
    bench.tool("touch out")
    for seed in "123":
        assert elsewhere(bench, seed) == 0
    assert bench.calls == 1
    call(bench.runner(), params={"set": list("abcdef")})
    assert bench.calls == 2


def _executable(folder: Path) -> None:
    (folder / "f").chmod(0o755)


def _empty_folder(folder: Path) -> None:
    (folder / "empty").mkdir()


def _link(folder: Path) -> None:
    (folder / "f").unlink()
    (folder / "f").symlink_to("g")


def _dangling(folder: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")


def _behind_link(folder: Path) -> None:
    (folder.parent / "outside/f").write_text("changed")


@pytest.mark.parametrize("change", [_executable, _empty_folder, _link, _dangling, _behind_link])
def test_everything_in_a_folder_counts(bench: Bench, change: Callable[[Path], None]) -> None:
    bench.tool("touch out")
    bench.file("outside/f")
    bench.file("d/f")
    bench.file("d/g")
    (bench.folder / "d/linked").symlink_to(bench.folder / "outside")
    folder = bench.folder / "d"
    call(bench.runner(), "t", "{0}", inputs=[folder])
    call(bench.runner(), "t", "{0}", inputs=[folder])
    change(folder)
    call(bench.runner(), "t", "{0}", inputs=[folder])
    assert bench.calls == 2


def test_what_is_no_file_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.tool("touch out")
    bench.file("d/f")
    os.mkfifo(bench.folder / "d/fifo")
    for _ in range(2):
        call(bench.runner(), "t", "{0}", inputs=[bench.folder / "d"])
    assert bench.calls == 2
    assert "fifo" in caplog.text


def test_names_need_not_be_utf8(bench: Bench) -> None:
    bench.tool('cp -r "$1" out')
    name = os.fsdecode(b"\xff")
    bench.file(f"d/{name}")
    for _ in range(2):
        root = call(
            bench.runner(),
            "t",
            "{0}",
            inputs=[bench.folder / "d"],
            outputs=["out", f"out/{name}"],
            params={"of": name},
        )
        assert os.listdir(os.fsencode(root / "out")) == [b"\xff"]
    assert bench.calls == 1


def test_no_path_in_outputs_dies(bench: Bench) -> None:
    bench.tool('echo text > target; ln -s "$(pwd)/target" link; pwd > out')
    first = call(bench.runner(), outputs=["out", "link"])
    assert Path((first / "out").read_text().strip()) == first
    assert os.readlink(first / "link") == "target"
    shutil.rmtree(first.parent)
    again = call(bench.runner(), outputs=["out", "link"])
    assert (again / "link").resolve() == (again / "target").resolve()
    assert bench.calls == 1


def test_the_folder_of_outputs_may_be_reached_by_a_link(bench: Bench) -> None:
    (bench.folder / "scratch").mkdir()
    (bench.folder / "linked").symlink_to("scratch")
    bench.cache = bench.folder / "linked/cache"
    bench.tool('echo text > target; ln -s "$(pwd -P)/target" out')
    for _ in range(2):
        root = call(bench.runner())
        assert (root / "out").resolve() == (root / "target").resolve()
    assert bench.calls == 1


def test_a_link_out_of_the_outputs_is_no_result(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    path = bench.file("a")
    bench.tool('ln -s "$1" out')
    for _ in range(2):
        assert (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text() == "text"
    assert bench.calls == 2
    assert "`out` is a link that leads elsewhere" in caplog.text


def test_a_way_back_behind_a_link_leads_out_of_the_outputs(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool("echo text > ../secret; ln -s . dd; ln -s dd/../secret out")
    for _ in range(2):
        assert (call(bench.runner()) / "out").read_text() == "text\n"
    assert bench.calls == 2
    assert "`out` is a link that leads elsewhere" in caplog.text


def test_a_link_that_comes_back_leads_to_the_output_beside_it(bench: Bench) -> None:
    bench.tool(
        'echo text > target; view=$(dirname "$(pwd -P)")\n'
        'ln -s "../../$(basename "$view")/outputs/./target" out; ln -s . here'
    )
    for _ in range(2):
        root = call(bench.runner())
        assert os.readlink(root / "out") == "target"
        assert os.readlink(root / "here") == "."
    assert bench.calls == 1


class Derived(LocalRunner):  # type: ignore[misc]
    """A runner of which nobody knows what it does."""


@pytest.mark.parametrize("kind", [LocalRunner, Derived])
def test_nothing_is_left_in_the_folder_of_the_runner_below(
    bench: Bench, kind: type[LocalRunner]
) -> None:
    bench.tool("touch out")
    for _ in range(3):
        base = kind(data_dir=bench.folder / "styx", environ=bench.environ)
        call(bench.runner(base=base))
        assert base.execution_counter == 1
    assert bench.calls == 1
    assert list(bench.folder.glob("styx/*")) == []


@pytest.mark.parametrize("of_instance", [False, True])
def test_a_runner_that_others_have_changed_does_all_that_it_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, of_instance: bool
) -> None:
    start = LocalRunner.start_execution

    def noted(self: Any, metadata: Any) -> Any:
        execution = start(self, metadata)
        (execution.output_dir / "note").write_text(metadata.name)
        self.last = metadata
        return execution

    base = LocalRunner(data_dir=bench.folder / "styx", environ=bench.environ)
    if of_instance:
        monkeypatch.setattr(base, "start_execution", lambda metadata: noted(base, metadata))
    else:
        monkeypatch.setattr(LocalRunner, "start_execution", noted)
    bench.tool("touch out")
    call(bench.runner(base=base))
    assert base.execution_counter == 1
    assert base.last is TOOL
    assert [path.name for path in bench.folder.glob("styx/*/*")] == ["note"]


@pytest.mark.parametrize("hash", [None, 1, "\udcff"])
def test_a_hash_that_is_no_text_is_told_and_the_tool_runs(
    bench: Bench, caplog: pytest.LogCaptureFixture, hash: Any
) -> None:
    class Odd:
        def hash_path(self, path: Any) -> Any:
            return hash

    for calls in (1, 2):
        root = call(bench.runner(hasher=Odd()), "t", "{0}", inputs=[bench.file("a")])
        assert (root / "out").read_text() == "text"
        assert bench.calls == calls
    assert "not cached: " in caplog.text


def test_a_word_that_is_no_text_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    execution = bench.runner().start_execution(TOOL)
    execution.output_file("out")
    # It is no less for the runner below to judge.
    with pytest.raises(TypeError):
        execution.run(["t", bench.file("a")])
    assert "is a `PosixPath`, no text" in caplog.text


def test_a_runner_that_has_changed_runs_as_it_is_then(bench: Bench) -> None:
    bench.tool('echo "$V" > out')
    base = LocalRunner(data_dir=bench.folder / "styx", environ={**bench.environ, "V": "one"})
    runner = bench.runner(base=base, env_allowlist=("V",))
    for value in ("one", "two", "one"):
        base.environ = {**bench.environ, "V": value}
        assert (call(runner) / "out").read_text() == f"{value}\n"
    assert bench.calls == 2
    # What is passed over lies where the runner puts it.
    with bypass():
        root = call(runner)
    assert root.parent == bench.folder / "styx"
    assert (root / "out").read_text() == "one\n"


def test_an_output_stays_in_its_folder(bench: Bench) -> None:
    for name in ("../../../esc", "..", "a/../../b"):
        execution = bench.runner().start_execution(TOOL)
        with pytest.raises(UsageError, match="outside"):
            execution.output_file(name)


def test_what_is_no_utf8_is_printed_and_replayed(bench: Bench) -> None:
    bench.tool(r"printf 'a\377b\r\rc\n\nlast' ; touch out")
    printed = [Printed(), Printed()]
    for heard in printed:
        call(bench.runner(), printed=heard)
    assert bench.calls == 1
    lines = [("out", os.fsdecode(b"a\xffb\r\rc")), ("out", ""), ("out", "last")]
    assert printed[0].lines == lines
    assert printed[1].lines == lines


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool("touch out")
    bench.cache.write_text("a file")
    for _ in range(2):
        assert (call(bench.runner()) / "out").exists()
    assert bench.calls == 2
    assert str(bench.cache) in caplog.text


def test_the_runner_below_is_what_styx_has(bench: Bench) -> None:
    assert isinstance(bench.runner().base, LocalRunner)
