"""What a hit costs from Python, beside joblib and styxcache.

    python -m venv target/hits && target/hits/bin/pip install . -r python/bench/requirements.txt
    target/hits/bin/python python/bench/hits.py

Both sides run in this process, in turn, round after round, each round beginning with the other
one; what is compared is compared within a round. Each side keeps what it computed in a cache of its
own, on the same disk, and is asked for it again; at the end it must have been computed once. For
the import, a Python that does nothing and one that imports run in turn. All is prepared first,
and then left alone until it is two minutes old: a file that was changed a moment ago may be read
again at each look. `--help` says what can be chosen; `pip install .` builds what is worth timing.
With a load above the number of processors, processor time tells more than the wall does.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SETTLING = 125.0
# How long one side of a round takes, as far as that can be chosen, and how often it is asked.
SECONDS, MOST = 0.03, 50
KIB, MIB = 1 << 10, 1 << 20

Side = Callable[[], object]


class Workload(NamedTuple):
    """Two ways to one result, and what is wanted of them."""

    name: str
    # Of the ratio; of the difference in milliseconds, if that is wanted.
    goal: float
    ours: Side
    theirs: Side
    # Where each side notes that it computed.
    logs: tuple[Path, ...] = ()
    is_difference: bool = False

    def prepare(self) -> None:
        """Computes what is asked for from then on, and asks for it once: what that makes stays."""
        for side in (self.ours, self.theirs):
            side()
            side()

    def fault(self) -> str:
        """Says what is wrong with what was timed, if something is."""
        runs = [len(log.read_text().split()) for log in self.logs]
        return "" if all(run == 1 for run in runs) else f"computed {runs} times, not once"


def weight(noise: float) -> float:
    """Is something that the function calls."""
    return noise * SCALE


SCALE = 2.5


def simulate(spec: dict[str, object]) -> dict[str, object]:
    """Stands for a long computation."""
    with open(str(spec["log"]), "a") as log:
        log.write("computed\n")
    return {"mean": weight(0.1), "frames": list(range(10))}


def simulate_any(spec: dict[str, Any]) -> dict[str, Any]:
    """The same, but that its code names a class, which could change: it is looked at each time."""
    return simulate(spec)


def of_functions(folder: Path) -> Iterator[Workload]:
    """Compares with `joblib.Memory`: the same function, the same spec."""
    import ibid
    from joblib import Memory

    log, logs = folder / "joblib", [folder / name for name in ("cache", "class", "memoized")]
    caches = [ibid.Cache(folder / f"{log.name}-results") for log in logs]
    memoized = ibid.memoize(cache=caches[2])(simulate)
    remembered = Memory(folder / "joblib-results", verbose=0).cache(simulate)
    steps = [{"name": "blur", "sigma": 1.5}, {"name": "mask"}]
    # Sorted, since a memoized function may see the order of names.
    specs = [{"log": str(of), "noise": 0.1, "seed": 1, "steps": steps} for of in (*logs, log)]

    ours = {
        "cache-hit": lambda: caches[0].get_or_compute(specs[0], simulate),
        "cache-hit-class": lambda: caches[1].get_or_compute(specs[1], simulate_any),
        "memoize-hit": lambda: memoized(specs[2]),
    }
    for of, (name, side) in zip(logs, ours.items(), strict=True):
        yield Workload(name, 0.5, side, lambda: remembered(specs[3]), (of, log))


def of_tools(folder: Path) -> Iterator[Workload]:
    """Compares with styxcache: the same runner below, the same tool and input."""
    import ibid.styx
    import styxcache
    from styxdefs import LocalRunner, Metadata

    small, big, many = folder / "small", folder / "big", folder / "many"
    small.write_bytes(os.urandom(8 * KIB))
    with big.open("wb") as file:
        for _ in range(256):
            file.write(os.urandom(MIB))
    many.mkdir()
    for number in range(1000):
        (many / f"{number:04}").write_bytes(os.urandom(4 * KIB))

    def side(module: Any, of: Path) -> tuple[Side, Path]:
        """A call as wrappers make it."""
        home = folder / f"{module.__name__}-{of.name}"
        home.mkdir()
        log = home / "log"
        tool = home / "tool"
        tool.write_text(f"#!/bin/sh\necho ran >> '{log}'\necho printed\nprintf %8192s > out\n")
        tool.chmod(0o755)
        runner = module.CachingRunner(LocalRunner(data_dir=home / "styx"), home / "cache")
        metadata = Metadata(id="1", name="tool", package="bench", container_image_tag="tool:1")

        def call() -> Path:
            execution = runner.start_execution(metadata)
            execution.params({"input": str(of), "threshold": 0.5})
            given = execution.input_file(of)
            out: Path = execution.output_file("out")
            execution.run([str(tool), "--threshold", "0.5", given], handle_stdout=str)
            return out

        return call, log

    workloads = (("styx-8k", 1.0, small), ("styx-256m", 0.01, big), ("styx-folder", 0.1, many))
    for name, goal, of in workloads:
        (ours, our_log), (theirs, their_log) = side(ibid.styx, of), side(styxcache, of)
        yield Workload(name, goal, ours, theirs, (our_log, their_log))


def of_import(_: Path) -> Iterator[Workload]:
    """Compares with a Python that does nothing."""

    def python(code: str) -> Side:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    yield Workload("import", 40.0, python("import ibid"), python("pass"), is_difference=True)


class Cost(NamedTuple):
    """What a call takes, in seconds: on the wall, and of processors, children included."""

    wall: float
    processors: float


def spent() -> Cost:
    """Returns what was spent so far."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(time.perf_counter(), sum(of.ru_utime + of.ru_stime for of in used))


def timed(side: Side, times: int) -> Cost:
    """Returns what one call costs, as the mean of several."""
    before = spent()
    for _ in range(times):
        side()
    after = spent()
    return Cost(*((b - a) / times for a, b in zip(before, after, strict=True)))


def measured(workload: Workload, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Returns what a call costs in each round, of both sides."""
    sides = (workload.ours, workload.theirs)
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for side in sides:
        # The first may read what was made a moment ago when it was read last.
        timed(side, 3)
    times = [min(MOST, max(1, int(SECONDS / timed(side, 3).wall))) for side in sides]
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            costs[which].append(timed(sides[which], times[which]))
    return costs


def shown(values: Iterable[float], digits: int) -> str:
    """Returns the median, and the smallest and the largest value."""
    of = list(values)
    return f"{statistics.median(of):.{digits}f} ({min(of):.{digits}f}-{max(of):.{digits}f})"


def row(workload: Workload, rounds: int) -> str:
    """Returns the line of a workload."""
    costs = measured(workload, rounds)
    unit, digits = (" ms", 1) if workload.is_difference else ("", 3)

    def compared(seconds: Callable[[Cost], float]) -> list[float]:
        ours, theirs = ([seconds(cost) for cost in side] for side in costs)
        both = zip(ours, theirs, strict=True)
        if workload.is_difference:
            return [(a - b) * 1000 for a, b in both]
        return [a / b for a, b in both]

    reached = compared(lambda cost: cost.wall)
    verdict = "met" if statistics.median(reached) <= workload.goal else "**not met**"
    cells = [f"`{workload.name}`", f"≤ {workload.goal:g}{unit}", shown(reached, digits)]
    cells += [workload.fault() or verdict, shown(compared(lambda cost: cost.processors), digits)]
    cells += [shown((cost.wall * 1000 for cost in side), 2) for side in costs]
    return f"| {' | '.join(cells)} |"


def arguments() -> argparse.Namespace:
    """Reads what was chosen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workloads", nargs="*", help="beginnings of their names; all, if none")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--settle", type=float, default=SETTLING, help="seconds to wait before")
    parser.add_argument("--dir", help="where the work is done; else among temporary files")
    return parser.parse_args()


def chosen(folder: Path, names: list[str]) -> Iterator[Workload]:
    """Makes the workloads that were asked for."""
    for make in (of_functions, of_tools, of_import):
        place = folder / make.__name__
        place.mkdir()
        for workload in make(place):
            if not names or workload.name.startswith(tuple(names)):
                workload.prepare()
                yield workload


def main() -> None:
    """Prepares all, waits, and prints a table."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="ibid-hits-", dir=asked.dir) as name:
        folder = Path(name)
        # Nobody's settings, and nobody's cache. What is imported was compiled before.
        foreign = ("IBID_", "XDG_", "PYTHONDONTWRITEBYTECODE")
        for variable in [name for name in os.environ if name.startswith(foreign)]:
            del os.environ[variable]
        (folder / "home").mkdir()
        os.environ |= {"HOME": str(folder / "home"), "IBID_CACHE_DIR": str(folder / "cache")}
        # The runner below says of each run that it runs.
        logging.disable(logging.INFO)
        workloads = list(chosen(folder, asked.workloads))
        os.sync()
        time.sleep(asked.settle)
        print(
            "| workload | goal | reached, median (min-max) | | the same of processor time "
            "| ibid, ms | beside, ms |\n| --- | --- | --- | --- | --- | --- | --- |"
        )
        for workload in workloads:
            print(row(workload, asked.rounds), flush=True)
        print(f"\nload at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
