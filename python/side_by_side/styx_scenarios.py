"""What users of Styx do with their tools, and what they want to see.

Each scenario is played with either package: tools are small shell scripts that count their runs.
As a script this is the other process of a scenario, which makes a call.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from styx_bench import PARENT, TOOL, Bench, Printed, call, is_held


def bench_of(package: str, folder: Path) -> Bench:
    """Returns tools and runners of a package, in a folder that stands."""
    return Bench(folder, importlib.import_module(package))


class Scenario(NamedTuple):
    """Something that users do, and what they want to see."""

    number: int
    what: str
    wanted: object
    play: Callable[[Bench], object]


SCENARIOS: list[Scenario] = []

Play = Callable[[Bench], object]


def defect(number: int, what: str, wanted: object) -> Callable[[Play], Play]:
    """Adds a scenario."""

    def add(play: Play) -> Play:
        SCENARIOS.append(Scenario(number, what, wanted, play))
        return play

    return add


def copying(bench: Bench) -> None:
    """Has the tool copy its first word to `out`."""
    bench.tool('cat "${1:-/dev/null}" > out')


@defect(1, "equal params, `t one`, then `t two`", ["one", "two"])
def command_line(bench: Bench) -> object:
    bench.tool('printf "$1" > out')
    roots = [call(bench.runner(), "t", word, params={"same": 1}) for word in ("one", "two")]
    return [(root / "out").read_text() for root in roots]


@defect(1, "a wrapper that never calls `params`, `t one`, then `t two`", ["one", "two"])
def command_line_alone(bench: Bench) -> object:
    bench.tool('printf "$1" > out')
    return [(call(bench.runner(), "t", word) / "out").read_text() for word in ("one", "two")]


@defect(2, "`resolve_parent` on `d/a`, then on `d/b`", ["a", "b"])
def two_of_one_folder(bench: Bench) -> object:
    copying(bench)
    files = [bench.file(f"d/{name}", name) for name in ("a", "b")]
    roots = [call(bench.runner(), "t", "{0}", inputs=[(file, PARENT)]) for file in files]
    return [(root / "out").read_text() for root in roots]


@defect(
    3, "a file registered twice, the second time with its folder; a sibling changes", ["1", "2"]
)
def registered_twice(bench: Bench) -> object:
    bench.tool('cat "$(dirname "$1")/b" > out')
    path, texts = bench.file("d/a"), []
    for text in ("1", "2"):
        bench.file("d/b", text)
        root = call(bench.runner(), "t", "{1}", inputs=[path, (path, PARENT)])
        texts.append((root / "out").read_text())
    return texts


@defect(4, "`a.nii` to `a_out`, then equal `b.nii` to `b_out`: do they exist?", [True, True])
def outputs_called_after_inputs(bench: Bench) -> object:
    bench.tool('cp "$1" "$(basename "$1" .nii)_out"')
    exist = []
    for name in ("a", "b"):
        path = bench.file(f"{name}.nii", "equal")
        root = call(bench.runner(), "t", "{0}", inputs=[path], outputs=[f"{name}_out"])
        exist.append((root / f"{name}_out").exists())
    return exist


@defect(5, "a declared output is never made, two calls: runs", 2)
def missing_output(bench: Bench) -> object:
    bench.tool("touch out")
    for _ in range(2):
        call(bench.runner(), outputs=["out", "never"])
    return bench.calls


@defect(5, "an output is deleted, call again: is it there?", True)
def deleted_output(bench: Bench) -> object:
    copying(bench)
    path = bench.file("a")
    (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").unlink()
    return (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").exists()


@defect(6, "an output is overwritten, call again", "text")
def edited_output(bench: Bench) -> object:
    copying(bench)
    path = bench.file("a")
    out = call(bench.runner(), "t", "{0}", inputs=[path]) / "out"
    out.chmod(0o644)
    out.write_text("EVIL")
    return (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text()


@defect(7, "what says that the entry is whole is removed, two calls: runs", "1 more, no error")
def damaged_entry(bench: Bench) -> object:
    bench.tool("touch out")
    call(bench.runner())
    for marker in bench.cache.glob("*/*/.styxcache.done"):
        marker.unlink()
    shutil.rmtree(bench.cache / "v1/keys", ignore_errors=True)
    errors = []
    for _ in range(2):
        try:
            call(bench.runner())
        except OSError as error:
            errors.append(error.strerror)
    return f"{bench.calls - 1} more, {errors[0] if errors else 'no error'}"


@defect(8, "`kill -9` during a run: is what it leaves told from what a live run uses?", True)
def killed_run(bench: Bench) -> object:
    bench.tool('pwd > "$0.killed"; kill -9 $PPID')
    elsewhere(bench)
    killed = Path((bench.bin / "t.killed").read_text().strip())
    bench.tool('pwd > "$0.lives"')
    call(bench.runner())
    lives = Path((bench.bin / "t.lives").read_text().strip())
    try:
        return not is_held(killed.parent) and is_held(lives.parent)
    except OSError:
        return not killed.exists()


@defect(9, "four equal calls at once: runs", 1)
def four_at_once(bench: Bench) -> object:
    bench.tool("sleep 0.3; touch out")
    threads = [threading.Thread(target=call, args=[bench.runner()]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return bench.calls


@defect(10, "an input changes between `input_file` and `run`, and back: what is served then", "old")
def changed_before_the_run(bench: Bench) -> object:
    copying(bench)
    path = bench.file("a", "old")
    execution = bench.runner().start_execution(TOOL)
    local = execution.input_file(path)
    execution.output_file("out")
    path.write_text("new")
    execution.run(["t", local])
    path.write_text("old")
    return (call(bench.runner(), "t", "{0}", inputs=[path]) / "out").read_text()


def backends_of(bench: Bench) -> Any:
    """Returns the resolvers of images."""
    return importlib.import_module(f"{bench.styx.__name__}.backends")


def engines(bench: Bench) -> Path:
    """Makes engines of containers that have one image, and returns what says which."""
    image = bench.file("image", "1" * 64)
    body = f"""
        test "$1" != image || {{ echo "sha256:$(cat '{image}')"; exit; }}
        for word; do
            case "$word" in type=bind,source=*,target=/styx_output*)
                to=${{word#type=bind,source=}}; cat '{image}' > "${{to%%,target*}}/out" ;;
            esac
        done"""
    for name in ("docker", "podman"):
        bench.tool(body, name)
    os.environ["PATH"] = bench.environ["PATH"]
    return image


@defect(
    11, "the image of a tag is replaced, default policy: which image made the result", ["1", "2"]
)
def moved_image(bench: Bench) -> object:
    from styxdocker import DockerRunner

    image, made = engines(bench), []
    for which in ("1", "2"):
        image.write_text(which * 64)
        base = DockerRunner(data_dir=bench.folder / "styx")
        made.append((call(bench.runner(base=base)) / "out").read_text()[0])
    return made


@defect(11, "the same with `docker_digest_resolver`: digests told", 2)
def moved_image_resolved(bench: Bench) -> object:
    image = engines(bench)
    resolve = backends_of(bench).docker_digest_resolver
    told = set()
    for which in ("1", "2"):
        image.write_text(which * 64)
        told.add(resolve(f"{bench.folder}:moved"))
    return len(told)


@defect(12, "`singularity_digest_resolver` without an engine", "RuntimeError")
def unresolved_image(bench: Bench) -> object:
    os.environ["PATH"] = str(bench.bin)
    return backends_of(bench).singularity_digest_resolver("docker://image:1")


@defect(12, "Docker and Podman have the same image: equal digests", True)
def two_engines(bench: Bench) -> object:
    engines(bench)
    backends = backends_of(bench)
    tag = f"{bench.folder}:1"
    return bool(backends.docker_digest_resolver(tag) == backends.podman_digest_resolver(tag))


@defect(13, 'the runner\'s `environ` has `V="1"`, then `"2"`; `V` is allow-listed', ["1", "2"])
def environment(bench: Bench) -> object:
    bench.tool('printf "$V" > out')
    runners = [bench.runner(environ={"V": value}, env_allowlist=("V",)) for value in ("1", "2")]
    return [(call(runner) / "out").read_text() for runner in runners]


@defect(14, "a param is a path, then the text that stands for it in the key: runs", 2)
def imitated_path(bench: Bench) -> object:
    bench.tool("touch out")
    path = bench.file("a")
    digest = bench.styx.ContentHasher().hash_path(path)
    for text in (str(path), f"__styx_input__:{digest}"):
        call(bench.runner(), inputs=[path], params={"of": text})
    return bench.calls


@defect(14, "a param is `b'x'`, then the text that stands for it in the key: runs", 2)
def imitated_value(bench: Bench) -> object:
    bench.tool("touch out")
    for of in (b"x", "__styx_repr__:bytes:b'x'"):
        call(bench.runner(), params={"of": of})
    return bench.calls


@defect(15, "params `{1: 'x'}`, then `{'1': 'x'}`: runs", 2)
def keys_of_mappings(bench: Bench) -> object:
    bench.tool("touch out")
    for params in ({1: "x"}, {"1": "x"}):
        call(bench.runner(), params=params)
    return bench.calls


@defect(15, "params `{1: 'x', 'a': 'x'}`: runs", 1)
def mixed_keys(bench: Bench) -> object:
    bench.tool("touch out")
    call(bench.runner(), params={1: "x", "a": "x"})
    return bench.calls


class Level:
    """Something without a plain form, whose text is its address."""

    def __init__(self, value: int) -> None:
        self.value = value


@defect(15, "twenty objects, one after the other, as params: runs", 20)
def reused_address(bench: Bench) -> object:
    bench.tool("touch out")
    for value in range(20):
        call(bench.runner(), params={"of": Level(value)})
        gc.collect()
    return bench.calls


@defect(16, "one input, its path relative, then absolute: runs", 1)
def spelling(bench: Bench) -> object:
    copying(bench)
    path = bench.file("a")
    with contextlib.chdir(bench.folder):
        for of in ("a", path):
            call(bench.runner(), "t", "{0}", inputs=[of], params={"in": path})
    return bench.calls


@defect(16, "one content at two places, named in the param `--in=/a`: runs", 1)
def path_in_text(bench: Bench) -> object:
    bench.tool("touch out")
    for folder in ("one", "two"):
        path = bench.file(f"{folder}/a")
        call(bench.runner(), "t", "--in={0}", inputs=[path], params={"in": f"--in={path}"})
    return bench.calls


@defect(16, "a set as a param, in three processes: runs", 1)
def sets(bench: Bench) -> object:
    bench.tool("touch out")
    for seed in "123":
        elsewhere(bench, seed)
    return bench.calls


def changed_folder(change: str) -> Play:
    """Makes a scenario in which a folder is an input, and is changed."""

    def play(bench: Bench) -> object:
        bench.tool("touch out")
        for name in ("outside/f", "d/f", "d/g"):
            bench.file(name)
        bench.file("d/sub/f")
        (bench.folder / "d/linked").symlink_to("../outside")
        for shell in ("true", change):
            subprocess.run(["sh", "-ec", shell], cwd=bench.folder / "d", check=True)
            call(bench.runner(), "t", "{0}", inputs=[bench.folder / "d"])
        return bench.calls

    return play


for _what, _change in (
    ("gets an empty folder", "mkdir empty"),
    ("has a file made executable", "chmod +x f"),
    ("has a file replaced by a link to an equal one", "ln -sf g f"),
    ("gets a link that leads nowhere", "ln -s nowhere dangling"),
    ("has a change behind a link to a folder", "echo more >> linked/f"),
    ("gets a named pipe", "mkfifo pipe"),
):
    SCENARIOS.append(
        Scenario(17, f"a folder as the input {_what}, two calls: runs", 2, changed_folder(_change))
    )


@defect(18, "a folder as the input holds a file called `b'\\xff'`, two calls: runs", 1)
def name_without_utf8(bench: Bench) -> object:
    bench.tool("touch out")
    bench.file("d/" + os.fsdecode(b"\xff"))
    for _ in range(2):
        call(bench.runner(), "t", "{0}", inputs=[bench.folder / "d"])
    return bench.calls


@defect(
    19, "the tool makes an absolute link to its output, two calls: does it lead there?", [True] * 2
)
def absolute_link(bench: Bench) -> object:
    bench.tool('touch target; ln -s "$(pwd)/target" out')
    return [(call(bench.runner()) / "out").exists() for _ in range(2)]


@defect(19, "the tool writes its own folder into `out`: does that exist after the run?", True)
def own_folder(bench: Bench) -> object:
    bench.tool("pwd > out")
    return Path((call(bench.runner()) / "out").read_text().strip()).exists()


@defect(20, "three calls: folders left in the runner's `data_dir`", 0)
def left_folders(bench: Bench) -> object:
    bench.tool("touch out")
    for _ in range(3):
        call(bench.runner())
    return len(list(bench.folder.glob("styx/*")))


@defect(21, "`output_file('../../../esc')`", "UsageError")
def escaping_output(bench: Bench) -> object:
    execution = bench.runner().start_execution(TOOL)
    path = execution.output_file("../../../esc").resolve()
    return "outside of the cache" if bench.cache not in path.parents else "outside of its entry"


@defect(22, "the tool prints `a\\xffb\\rc` and `d`: lines at the run and at the hit", [2, 2])
def stream_without_utf8(bench: Bench) -> object:
    bench.tool(r"printf 'a\377b\rc\nd\n'; touch out")
    printed = [Printed(), Printed()]
    for heard in printed:
        call(bench.runner(), printed=heard)
    return [len(heard.lines) for heard in printed]


@defect(23, "a cache that nobody may write to, without its empty folders", "hit")
def read_only_cache(bench: Bench) -> object:
    bench.tool("touch out")
    call(bench.runner())
    (bench.folder / "styx").mkdir(exist_ok=True)
    (bench.folder / "styx").chmod(0o777)
    (bench.folder / "calls").chmod(0o666)
    with contextlib.suppress(OSError):
        (bench.cache / ".incoming").rmdir()
    folders = [bench.cache, *(path for path in bench.cache.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    child = os.fork()
    if child == 0:
        as_somebody_else(lambda: call(bench.runner()))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for path in folders:
        path.chmod(0o755)
    return "an error" if ended else ("hit" if bench.calls == 1 else "run")


def as_somebody_else(act: Callable[[], object]) -> None:
    """Ends this process, after doing something as a user who is not root."""
    with contextlib.suppress(BaseException):
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        act()
        os._exit(0)
    os._exit(1)


def elsewhere(bench: Bench, seed: str = "0") -> None:
    """Makes a call in another process, which may be killed."""
    words = [sys.executable, __file__, bench.styx.__name__, str(bench.folder)]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run(words, env=env, capture_output=True, check=False)


if __name__ == "__main__":
    call(bench_of(sys.argv[1], Path(sys.argv[2])).runner(), params={"set": set("abcdef")})
