"""`ibid.run`: what `ibid exec` does, and nothing to the process that it is called in."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import ibid
import pytest
from conftest import Ibid


def test_a_command_runs_once_and_is_cited(project: Path) -> None:
    (project / "in").write_text("b\na\n")

    def sort() -> ibid.Result:
        return ibid.run("sort in > out", inputs="in", outputs="out")

    first = sort()
    assert first.ran
    assert first.stored
    assert first.triggers == ("new",)
    assert sort().decision == "up-to-date"
    (project / "out").unlink()
    assert sort().decision == "restored"
    assert (project / "out").read_text() == "a\nb\n"
    (project / "in").write_text("c\n")
    changed = sort()
    assert changed.ran
    assert changed.changes == ("input/in",)
    assert changed.key != first.key


def test_one_action_has_one_key_and_one_run_by_every_door(
    project: Path, ibid_command: Ibid
) -> None:
    (project / "in").write_text("b\na\n")
    words = ["sh", "-c", "echo ran >> runs; sort in > out"]
    (project / "ibid.toml").write_text(
        f"[steps.sorted]\nrun = {json.dumps(words)}\ninputs = ['in']\noutputs = ['out']\n"
        "[steps.sorted.metadata]\nnever = 'keyed'\n"
    )
    of_exec = json.loads(ibid_command("key", "--json", "-i", "in", "-o", "out", "--", *words))
    of_python = ibid.key(words, inputs="in", outputs="out")
    assert of_python.key == of_exec["key"]
    assert of_python.data["components"] == of_exec["components"]
    ibid_command("exec", "-i", "in", "-o", "out", "--", *words)
    assert ibid.run(words, inputs="in", outputs="out").decision == "up-to-date"
    step = ibid.Pipeline.load().run().steps["sorted"]
    assert (step.key, step.decision) == (of_exec["key"], "up-to-date")
    assert (project / "runs").read_text() == "ran\n"


def test_every_argument_reaches_the_key_as_its_flag_does(project: Path, ibid_command: Ibid) -> None:
    for name in ("in", "other", "code.py"):
        (project / name).write_text(name)
    (project / "spec.json").write_text('{"alpha": 1.0}')
    (project / "data").mkdir()
    (project / "data/kept").write_text("kept")
    (project / "data/left.tmp").write_text("left")
    of_python = ibid.key(
        ["cat", "in", "other"],
        inputs=["in", Path("data")],
        inputs_by_content="other",
        exclude="*.tmp",
        outputs=["out", "dir/"],
        optional_outputs="maybe",
        params={"alpha": 0.5, "many": [1, 1.0, "x", None, True], "big": 2**70, "deep": {"é": {}}},
        specs="spec.json",
        env={"GIVEN": "a=b", "HOME": None},
        env_mode="strict",
        tools="sort",
        code="code.py",
        packages="none",
        versions={"model": "2"},
        versions_from="sort --version",
        salt=["one", "two"],
        stdin=b"\xff\x00",
    )
    flags = [
        "-i",
        "in",
        "-i",
        "data",
        "--input-by-content",
        "other",
        "--exclude",
        "*.tmp",
        "-o",
        "out",
        "-o",
        "dir/",
        "--optional-output",
        "maybe",
        "--param",
        "alpha=0.5",
        "--spec",
        "spec.json",
        "-e",
        "GIVEN=a=b",
        "-e",
        "HOME",
        "--env-mode",
        "strict",
        "--tool",
        "sort",
        "--code",
        "code.py",
        "--packages",
        "none",
        "--version-tag",
        "model=2",
        "--salt",
        "one",
        "--salt",
        "two",
        "--stdin",
    ]
    spaced = [
        "--versions-from=sort --version",
        f"--param=big={2**70}",
        '--param=many=[1, 1.0, "x", null, true]',
        '--param=deep={"é": {}}',
    ]
    words = [ibid_command.program, "key", "--json", *flags, *spaced, "--", "cat", "in", "other"]
    done = subprocess.run(words, input=b"\xff\x00", capture_output=True, check=True)
    assert of_python.data["components"] == json.loads(done.stdout)["components"]
    assert of_python.key == json.loads(done.stdout)["key"]


def test_a_text_is_for_a_shell_and_a_list_is_words(project: Path) -> None:
    words = ibid.run(["echo", "a  b", "$HOME"], inputs=[], capture_output=True)
    assert words.stdout == b"a  b $HOME\n"
    text = ibid.run("echo a  b; exit 0", inputs=[], capture_output=True)
    assert text.stdout == b"a b\n"
    bash = ibid.run("false | true", inputs=[], shell="bash", check=False)
    assert bash.returncode == 1
    with pytest.raises(ibid.UsageError, match="list of words"):
        ibid.run(["true"], inputs=[], shell="bash")


@pytest.mark.parametrize("value", [1, 1.0, "1", True, None, [1], {"1": 1}, -0.0, 0.0])
def test_params_of_other_types_are_other_params(value: object) -> None:
    others = [1, 1.0, "1", True, None, [1], {"1": 1}, -0.0, 0.0]
    same = [
        other
        for other in others
        if ibid.key("true", inputs=[], params={"p": other})
        == ibid.key("true", inputs=[], params={"p": value})
    ]
    assert [repr(other) for other in same] == [repr(value)]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (float("nan"), r"params\['p'\]. is nan"),
        ({"a": [0, object()]}, r"params\['p'\]\['a'\]\[1\]. is a .object"),
        ({1: "x"}, "the name 1"),
        (b"x", "is a .bytes"),
    ],
)
def test_what_has_no_plain_form_is_refused_by_its_place(value: object, named: str) -> None:
    with pytest.raises(ibid.UsageError, match=named):
        ibid.key("true", inputs=[], params={"p": value})


@pytest.mark.parametrize("cited", [False, True])
def test_what_a_command_prints_is_kept_byte_for_byte(cited: bool) -> None:
    def printing() -> ibid.Result:
        return ibid.run(r"printf '\377\000\r'; echo err >&2", inputs=[], capture_output=True)

    if cited:
        assert printing().ran
    result = printing()
    assert result.ran is not cited
    assert result.stdout == b"\xff\x00\r"
    assert result.stderr == b"err\n"


def test_what_a_command_prints_goes_where_python_prints(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = r"printf '\303\251\377'; echo err >&2"
    ibid.run(command, inputs=[])
    assert capfdbinary.readouterr() == (b"\xc3\xa9\xff", b"err\n")
    # A notebook's stream takes text only.
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    ibid.run(command, inputs=[])
    assert (out.getvalue(), err.getvalue()) == ("é\ufffd", "err\n")


def test_a_failing_command_raises_with_its_result() -> None:
    with pytest.raises(ibid.CommandFailed, match="exit code 3") as raised:
        ibid.run("exit 3", inputs=[])
    assert raised.value.exit_code == 3
    assert not raised.value.result.stored
    assert ibid.run("exit 3", inputs=[], check=False).returncode == 3
    assert ibid.run("exit 3", inputs=[], ok_exit=3).returncode == 3
    killed = ibid.run("kill -9 $$", inputs=[], check=False)
    assert killed.returncode == -9


def test_errors_have_the_text_and_the_hints_of_the_command_line(ibid_command: Ibid) -> None:
    with pytest.raises(ibid.UsageError) as raised:
        ibid.run(["true"])
    done = subprocess.run(
        [ibid_command.program, "exec", "--", "true"], capture_output=True, text=True, check=False
    )
    assert f"error: {raised.value}\n" == done.stderr
    assert raised.value.exit_code == done.returncode == 2
    assert raised.value.message == "nothing is declared that the result depends on"
    assert raised.value.hints[0].startswith("add `--input PATH`")
    with pytest.raises(ibid.NotRunnable) as missing:
        ibid.run(["no-such-program"], inputs=[])
    assert missing.value.exit_code == 127
    with pytest.raises(ibid.Error, match="absent"):
        ibid.run(["true"], inputs="absent")


def test_bypassed_nothing_is_looked_up_and_nothing_is_stored(project: Path) -> None:
    def count() -> int:
        ibid.run("echo ran >> runs", inputs=[])
        return len((project / "runs").read_text().splitlines())

    with ibid.bypass():
        assert ibid.is_bypassed()
        assert count() == 1
    assert count() == 2
    assert count() == 2
    with ibid.bypass():
        assert count() == 3
        with ibid.enabled():
            assert count() == 3
        seen: list[bool] = []
        other = threading.Thread(target=lambda: seen.append(ibid.is_bypassed()))
        other.start()
        other.join()
        assert seen == [False]
    assert not ibid.is_bypassed()


def test_what_the_command_line_says_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ibid")
    ibid.run("true", inputs=[])
    assert [(r.name, r.levelname) for r in caplog.records] == [("ibid", "INFO")]
    assert "no earlier run" in caplog.text


def test_a_result_has_its_text_however_quiet_the_command_line_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IBID_QUIET", "true")
    assert "no earlier run" in ibid.run("true", inputs=[]).text


def test_a_cache_that_cannot_be_used_costs_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    result = ibid.run("true", inputs=[], cache_dir=tmp_path / "file")
    assert result.ran
    assert "WARNING" in {record.levelname for record in caplog.records}
    with pytest.raises(ibid.Error) as raised:
        ibid.run("true", inputs=[], cache_dir=tmp_path / "file", strict=True)
    assert raised.value.exit_code == 125


def test_a_call_sees_the_environment_and_the_folder_of_its_time(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(cwd: Path | None = None) -> bytes | None:
        # Where the root lies does not count, so a hit would tell of another folder.
        command = "echo $SEEN; pwd"
        done = ibid.run(command, inputs=[], env="SEEN", capture_output=True, cwd=cwd, force=True)
        return done.stdout

    monkeypatch.setenv("SEEN", "one")
    assert shown() == f"one\n{project}\n".encode()
    (project / "below").mkdir()
    monkeypatch.setenv("SEEN", "two")
    monkeypatch.chdir(project / "below")
    assert shown() == f"two\n{project}/below\n".encode()
    assert shown(cwd=project) == f"two\n{project}\n".encode()
    assert Path.cwd() == project / "below"


def test_a_command_is_told_the_folder_that_it_runs_in(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> bytes | None:
        command = ["printenv", "PWD"]
        return ibid.run(command, inputs=[], pass_env="PWD", capture_output=True, force=True).stdout

    (project / "below").mkdir()
    (project / "linked").symlink_to("below")
    monkeypatch.setenv("PWD", str(project))
    monkeypatch.chdir(project / "below")
    assert told() == f"{project}/below\n".encode()
    monkeypatch.setenv("PWD", str(project / "linked"))
    assert told() == f"{project}/linked\n".encode()


def test_the_process_is_left_as_it_was(project: Path) -> None:
    def handler(*_: object) -> None:
        raise AssertionError("no child of the caller's ends here")

    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE]
    previous = signal.signal(signal.SIGCHLD, handler)
    try:
        before = [signal.getsignal(it) for it in signals], os.getcwd(), dict(os.environ)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ibid.run("true", inputs=[])
        assert before == ([signal.getsignal(it) for it in signals], os.getcwd(), dict(os.environ))
        with open("/proc/self/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt"))
        assert not int(caught.split()[1], 16) & (1 << (signal.SIGTERM - 1))
    finally:
        signal.signal(signal.SIGCHLD, previous)


def test_other_children_keep_their_exit_status() -> None:
    child = subprocess.Popen(["sh", "-c", "exit 7"])
    # It has ended by then, and is not reaped yet.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    ibid.run("true", inputs=[])
    assert child.wait() == 7


def test_other_threads_go_on_while_a_command_runs(project: Path) -> None:
    fifo = project / "fifo"
    os.mkfifo(fifo)
    feeder = threading.Thread(target=lambda: fifo.write_text("fed\n"))
    feeder.start()
    result = ibid.run("cat fifo", inputs=[], ignore_args="fifo", capture_output=True, timeout=60)
    feeder.join()
    assert result.stdout == b"fed\n"


def test_ctrl_c_ends_a_command_and_what_it_started(project: Path) -> None:
    os.mkfifo(project / "started")
    pids: list[int] = []

    def interrupt() -> None:
        pids.append(int((project / "started").read_text()))
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    command = "sleep 1000 & echo $! > started; wait"
    with pytest.raises(KeyboardInterrupt):
        ibid.run(command, inputs=[], ignore_args="started", timeout=100)
    watcher.join()
    assert not _is_alive(pids[0])


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # Nobody reaps orphans where the first process of a container does not.
    return state not in "ZX"


def test_ctrl_c_ends_a_long_hashing(project: Path) -> None:
    # Hours of zeros, which take no place.
    with open(project / "large", "wb") as large:
        large.truncate(1 << 43)

    class Bar:
        n = 0
        total = 0

        def __init__(self, **said: object) -> None:
            assert said["desc"] == "hashing"
            os.kill(os.getpid(), signal.SIGINT)

        def update(self, n: int = 1, /) -> None:
            self.n += n

        def set_description(self, desc: str | None = None, /) -> None:
            raise AssertionError(desc)

        def close(self) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        ibid.run("true", inputs="large", progress=Bar)


def test_an_exception_of_the_caller_ends_the_request(project: Path) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("full")

    before = sys.stdout
    sys.stdout = Full()
    try:
        with pytest.raises(OSError, match="full"):
            ibid.run("echo one; sleep 1000", inputs=[], timeout=100)
    finally:
        sys.stdout = before
    assert ibid.run("true", inputs=[]).ran


FORKS = """
import ibid, os, signal, sys, threading

def size(spec):
    return {"size": os.path.getsize("large")}

def sizes(spec):
    return [ibid.Cache().get_or_compute({"at": at}, size) for at in range(spec["many"])]

def used():
    ran = ibid.run("cat large | wc -c", inputs="large", capture_output=True)
    assert ran.stdout == b"4194304\\n"
    assert ibid.Cache().get_or_compute({}, size) == {"size": 4194304}

def nested(many):
    assert len(ibid.Cache(unseen="ignore").get_or_compute({"many": many}, sizes)) == many

used()
os.utime("large", (1, 1))
pid = os.fork()
if pid == 0:
    # Whatever hangs ends by this.
    signal.alarm(60)
    used()
    # Each waits for others that are asked for within.
    several = [threading.Thread(target=nested, args=(many,)) for many in range(1, 5)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    try:
        ibid.Pipeline.load().run()
    except RuntimeError as error:
        os._exit(0 if "forked" in str(error) else 1)
    os._exit(2)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_process_waits_for_no_thread_of_its_parent(project: Path) -> None:
    (project / "large").write_bytes(bytes(4 << 20))
    (project / "ibid.toml").write_text("[steps.one]\nrun = 'true'\n")
    env = {**os.environ, "RAYON_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", FORKS], check=True, env=env)


def test_results_are_shown_in_notebooks_without_markup_of_others() -> None:
    result = ibid.run("exit 0", inputs=[], label="<b>")
    assert result.key in result._repr_html_()
    assert "<table>" in result._repr_html_()
    key = ibid.key(["echo", "<script>"], inputs=[])
    assert "&lt;script&gt;" in key._repr_html_()
    assert "<script>" not in key._repr_html_()
