"""What goes wrong with `simulate_cached` of minisim 1.0.3, and what `ibid.Cache` does there.

    python -m venv target/side
    target/side/bin/pip install . minisim==1.0.3
    target/side/bin/python python/side_by_side/defects_of_minisim.py

Each scenario is played by both, in a folder of its own: minisim really simulates, saves and loads,
and counts how often it simulates. A cell is what a caller got, call by call; `right` is what
`simulate` returns for that spec. For ibid, harm is done first to the copy that the caller sees,
then to it and to the store. Numbers of defects choose among them, and `--json` prints data. The
exit status says whether ibid did right everywhere.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ibid

minisim: Any = importlib.import_module("minisim")
original: Any = importlib.import_module("minisim.cache")

Harm = Callable[[Path], object]


def specification(seed: int = 1, seconds: float = 2.0) -> Any:
    """Returns the spec of a recording that takes milliseconds."""
    sensor = minisim.ImageSensor(n_px_height=32, n_px_width=32)
    acquisition = minisim.Acquisition(
        fps=20.0,
        duration_s=seconds,
        image_sensor=sensor,
        optics=minisim.Optics(),
        tissue=minisim.Tissue(),
    )
    steps = [
        minisim.PlaceNeurons(soma_radius_um=5.0),
        minisim.CellActivity(),
        minisim.CellOptics(),
        minisim.Composite(),
        minisim.Sensor(),
    ]
    return minisim.Spec(acquisition=acquisition, seed=seed, steps=steps)


def simulate(spec: Any) -> Any:
    """Simulates, and counts that."""
    with open(os.environ["SIMULATIONS"], "a") as count:
        count.write(".")
    return minisim.simulate(spec)


def simulate_changed(spec: Any) -> Any:
    """Simulates as a later edition of the code would: with another result."""
    recording = simulate(spec)
    recording.observed[:] += 1
    return recording


# It is an edit of the other one, which keeps its name.
simulate_changed.__qualname__ = simulate.__qualname__


class Side:
    """One of the two caches, in a folder of its own."""

    name: str

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.folder = folder
        self.root = root
        self._count = folder / "simulations"
        os.environ["SIMULATIONS"] = str(self._count)

    def simulations(self) -> int:
        """Returns how often was simulated."""
        return self._count.stat().st_size if self._count.exists() else 0

    def recording(self, spec: Any, compute: Callable[[Any], Any] = simulate) -> Any:
        """Asks for a recording."""
        raise NotImplementedError

    def overwrite(self, spec: Any) -> None:
        """Simulates what was simulated before, and keeps the result."""
        raise NotImplementedError

    def entry(self, spec: Any) -> Path:
        """Returns where a recording stands, for all that the caller sees."""
        raise NotImplementedError

    def after(self, spec: Any, harm: Harm) -> list[str]:
        """Does harm to a recording that stands, and returns what comes of it."""
        self.recording(spec)
        harm(self.entry(spec))
        return [outcome(self, spec)]

    def swapped(self, one: Any, other: Any) -> list[str]:
        """Puts each of two recordings in the place of the other, and asks for one."""
        self.recording(one), self.recording(other)
        swap(self.entry(one).resolve(), self.entry(other).resolve())
        return [outcome(self, one)]


class Original(Side):
    """`minisim.simulate_cached`."""

    name = "minisim"

    def recording(self, spec: Any, compute: Callable[[Any], Any] = simulate) -> Any:
        """Asks, with this function in the place of `simulate`."""
        original.simulate = compute
        return original.simulate_cached(spec, root=self.root)

    def overwrite(self, spec: Any) -> None:
        """Simulates, and keeps the result."""
        simulate(spec).save(self.entry(spec))

    def entry(self, spec: Any) -> Path:
        """Returns where a recording stands."""
        return Path(original.cache_path(spec, self.root))


class Ibid(Side):
    """`ibid.Cache`, with minisim's own functions to save and to load."""

    name = "ibid"

    def recording(self, spec: Any, compute: Callable[[Any], Any] = simulate) -> Any:
        """Asks, with this function in the place of `simulate`."""
        return self._asked(spec, compute)

    def overwrite(self, spec: Any) -> None:
        """Simulates, and keeps the result."""
        self._asked(spec, simulate, force=True)

    def _asked(self, spec: Any, compute: Callable[[Any], Any], *, force: bool = False) -> Any:
        how = (minisim.Recording.save, minisim.Recording.load)
        return self._cache().get_or_compute(spec, compute, *how, force=force)

    def entry(self, spec: Any) -> Path:
        """Returns where a recording stands."""
        return self._cache().path(spec, simulate, minisim.Recording.save)

    def _cache(self) -> ibid.Cache:
        return ibid.Cache(self.root, env="MINISIM_CACHE", app="minisim", suffix=".zarr")

    def after(self, spec: Any, harm: Harm) -> list[str]:
        """Does harm to the copy, then to it and to the store."""
        first = super().after(spec, harm)
        copy = self.entry(spec).resolve()
        self._harm_store(copy, harm)
        harm(copy)
        return [*first, outcome(self, spec)]

    def _harm_store(self, copy: Path, harm: Harm) -> None:
        """Does to the stored files what harm does to those of a copy."""
        harmed = self.folder / "harmed.zarr"
        shutil.copytree(copy, harmed)
        harm(harmed)
        assert self.root is not None
        stored = {blob.read_bytes(): blob for blob in self.root.glob("v1/blobs/*/*")}
        for file in filter(Path.is_file, copy.rglob("*")):
            before, after = file.read_bytes(), harmed / file.relative_to(copy)
            if not after.exists():
                stored[before].unlink(missing_ok=True)
            elif after.read_bytes() != before:
                stored[before].chmod(0o600)
                stored[before].write_bytes(after.read_bytes())

    def swapped(self, one: Any, other: Any) -> list[str]:
        """Swaps the copies, then what is recorded of them."""
        first = super().swapped(one, other)
        keys = [self._cache().key(spec, simulate, minisim.Recording.save) for spec in (one, other)]
        assert self.root is not None
        records = [next(self.root.glob(f"v1/keys/*/{key.split(':')[-1]}")) for key in keys]
        swap(*records)
        return [*first, outcome(self, one)]


def swap(one: Path, other: Path) -> None:
    """Lets two paths change places."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def outcome(side: Side, spec: Any, compute: Callable[[Any], Any] = simulate) -> str:
    """Asks for a recording, and says what came and from where."""
    before = side.simulations()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recording = side.recording(spec, compute)
    except Exception as error:
        return f"{type(error).__name__}"
    how = "simulated" if side.simulations() > before else "loaded"
    return f"{described(recording, spec, compute)}, {how}"


def described(recording: Any, spec: Any, compute: Callable[[Any], Any] = simulate) -> str:
    """Says whether that is the recording of this spec."""
    wanted, found = minisim.simulate(spec).observed, recording.observed
    if compute is simulate_changed:
        wanted = wanted + 1
    if recording.spec == spec and (found == wanted).all():
        return "right"
    if recording.spec != spec:
        return "that of another spec"
    if (found == found.flat[0]).all():
        return f"all {found.flat[0]:g}"
    return "other values"


class Scenario(NamedTuple):
    """Something that happens, and who does right if all that comes of it is right."""

    number: int
    what: str
    play: Callable[[Side], Sequence[str]]


SCENARIOS: list[Scenario] = []

Play = Callable[[Side], Sequence[str]]


def defect(number: int, what: str) -> Callable[[Play], Play]:
    """Adds a scenario."""

    def add(play: Play) -> Play:
        SCENARIOS.append(Scenario(number, what, play))
        return play

    return add


@defect(0, "nothing is wrong: asked twice")
def plain(side: Side) -> Sequence[str]:
    return [outcome(side, specification()) for _ in range(2)]


@defect(1, "the recordings of two specs change places")
def foreign(side: Side) -> Sequence[str]:
    return side.swapped(specification(1), specification(2))


@defect(2, "the code of `simulate` is changed")
def changed(side: Side) -> Sequence[str]:
    side.recording(specification())
    return [outcome(side, specification(), simulate_changed)]


@defect(2, "another version of minisim is installed")
def upgraded(side: Side) -> Sequence[str]:
    side.recording(specification())
    with Workers(1, upgraded_in(side.folder / "site")) as workers:
        (said,) = workers.ask(side, 1, 2.0)
    return [said if side.simulations() == 2 else "that of 1.0.3, loaded"]


@defect(3, "a chunk of `observed` is deleted")
def half(side: Side) -> Sequence[str]:
    return side.after(specification(), lambda entry: (entry / "observed/0.0.0").unlink())


@defect(4, "`observed[:] = 77` is written into the recording")
def edited(side: Side) -> Sequence[str]:
    zarr = importlib.import_module("zarr")

    def edit(entry: Path) -> None:
        zarr.open(str(entry), mode="r+")["observed"][:] = 77

    return side.after(specification(), edit)


@defect(5, "an empty folder stands in its place before it is made; asked twice")
def in_the_way(side: Side) -> Sequence[str]:
    side.entry(specification()).mkdir(parents=True)
    return [outcome(side, specification()) for _ in range(2)]


@defect(5, "all that is in it is gone; asked twice")
def emptied(side: Side) -> Sequence[str]:
    def empty(entry: Path) -> None:
        shutil.rmtree(entry)
        entry.mkdir()

    return [*side.after(specification(), empty), outcome(side, specification())]


@defect(6, "`spec.json` is cut; asked twice")
def cut(side: Side) -> Sequence[str]:
    def truncate(entry: Path) -> None:
        os.truncate(entry / "spec.json", 100)

    return [*side.after(specification(), truncate), outcome(side, specification())]


@defect(7, "`MINISIM_CACHE` is empty")
def empty_variable(side: Side) -> Sequence[str]:
    return [asked_at_home(side, MINISIM_CACHE="")]


@defect(8, "`XDG_CACHE_HOME` is set")
def xdg(side: Side) -> Sequence[str]:
    return [asked_at_home(side, XDG_CACHE_HOME=str(side.folder / "xdg"))]


@defect(9, "three processes ask at once, five times")
def at_once(side: Side) -> Sequence[str]:
    with Workers(3) as workers:
        said = [text for seed in range(5) for text in workers.ask(side, seed, 10.0)]
    failed = [text for text in said if not text.startswith("right")]
    simulations = side.simulations()
    told = f"{simulations} simulations, {len(failed)} of {len(said)} calls failed"
    return [f"right, {told}" if simulations == 5 and not failed else told]


@defect(10, "one reads while another overwrites, twenty times")
def overwritten(side: Side) -> Sequence[str]:
    spec, rounds = specification(), 20
    side.recording(spec)
    done = threading.Event()
    reads: list[bool] = []

    def read() -> None:
        while not done.is_set():
            try:
                reads.append(described(side.recording(spec), spec) == "right")
            except Exception:
                reads.append(False)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    raised = 0
    for _ in range(rounds):
        try:
            side.overwrite(spec)
        except Exception:
            raised += 1
    done.set()
    reader.join()
    extra = side.simulations() - rounds - 1
    if all(reads) and not raised and not extra:
        return ["right, at each read"]
    failed = reads.count(False)
    return [f"{failed} of {len(reads)} reads and {raised} writes failed, {extra} simulated again"]


def asked_at_home(side: Side, **variables: str) -> str:
    """Says where a recording lies if nobody says where it should."""
    home, here = side.folder / "home", side.folder / "here"
    for made in (home, here):
        made.mkdir()
    side.root = None
    with surroundings(here, HOME=str(home), **variables):
        came = outcome(side, specification())
    wanted = "xdg" if "XDG_CACHE_HOME" in variables else "home"
    used = [name for name in ("here", "home", "xdg") if any(side.folder.glob(f"{name}/**/*"))]
    names = {"here": "in the current folder", "home": "in ~/.cache", "xdg": "in XDG_CACHE_HOME"}
    where = " and ".join(names[name] for name in used)
    return f"{came}, {where}" if used == [wanted] else f"{where}"


@contextlib.contextmanager
def surroundings(here: Path, **variables: str) -> Iterator[None]:
    """Sets variables and the current folder for a while."""
    before, folder = dict(os.environ), Path.cwd()
    for name in list(os.environ):
        if name.startswith(("IBID_", "XDG_", "MINISIM_")):
            del os.environ[name]
    os.environ.update(variables)
    os.chdir(here)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


def upgraded_in(site: Path) -> Path:
    """Installs minisim once more, as another version."""
    package = Path(minisim.__file__).parent
    shutil.copytree(package, site / "minisim", ignore=shutil.ignore_patterns("notebooks", "test"))
    (record,) = package.parent.glob("minisim-*.dist-info")
    shutil.copytree(record, site / "minisim-1.0.4.dist-info")
    metadata = site / "minisim-1.0.4.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("\nVersion: 1.0.3", "\nVersion: 1.0.4"))
    return site


class Workers:
    """Processes that ask for the same recording at the same time."""

    def __init__(self, count: int, site: Path | None = None) -> None:
        path = os.pathsep.join(filter(None, (str(site or ""), os.environ.get("PYTHONPATH"))))
        self._processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
            )
            for _ in range(count)
        ]

    def __enter__(self) -> Workers:
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.readline()
        return self

    def ask(self, side: Side, seed: int, seconds: float) -> list[str]:
        """Returns what each of them says."""
        asked = json.dumps([side.name, str(side.folder), seed, seconds])
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(asked + "\n")
            process.stdin.flush()
        return [process.stdout.readline().strip() for process in self._processes if process.stdout]

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.communicate()


def work() -> None:
    """Answers questions until there are no more."""
    print("ready", flush=True)
    for line in sys.stdin:
        name, folder, seed, seconds = json.loads(line)
        side = made(name, Path(folder))
        print(outcome(side, specification(seed, seconds)), flush=True)


def made(name: str, folder: Path) -> Side:
    """Returns a side by its name."""
    return {"minisim": Original, "ibid": Ibid}[name](folder, folder / "cache")


def played(scenario: Scenario, name: str) -> list[str]:
    """Plays a scenario, and returns what came of it."""
    with tempfile.TemporaryDirectory() as folder, surroundings(Path.cwd()):
        # Where settings of whoever runs this are not found.
        os.environ["HOME"] = folder
        return list(scenario.play(made(name, Path(folder))))


def is_right(came: Sequence[str]) -> bool:
    """Says whether a caller got what was asked for, each time."""
    return all(text.startswith("right") for text in came)


def main(words: list[str]) -> int:
    """Plays what is chosen, and prints a table."""
    import logging

    logging.getLogger("ibid").setLevel(logging.ERROR)
    chosen = [int(word) for word in words if word.isdecimal()]
    rows, right = [], True
    for scenario in SCENARIOS:
        if chosen and scenario.number not in chosen:
            continue
        came = {side.name: played(scenario, side.name) for side in (Original, Ibid)}
        right = right and is_right(came["ibid"])
        rows.append({"number": scenario.number, "what": scenario.what, **came})
        if "--json" not in words:
            print(f"{scenario.number}. {scenario.what}")
            for name, texts in came.items():
                print(f"   {name:8} {'ok ' if is_right(texts) else 'BAD'} {'; '.join(texts)}")
    if "--json" in words:
        print(json.dumps(rows))
    return int(not right)


if __name__ == "__main__":
    if "--worker" in sys.argv:
        work()
    else:
        sys.exit(main(sys.argv[1:]))
