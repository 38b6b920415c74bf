"""Workers of multiprocessing: they know the script by another name, and share its results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

SCRIPT = """
import dataclasses, multiprocessing, sys
import ibid

@dataclasses.dataclass
class Point:
    x: int

@dataclasses.dataclass
class Sphere:
    of: Point

def helper(point):
    return point.x

@ibid.memoize
def memoized(point, near=Point(1)):
    return helper(point)

def compute(spec):
    return memoized(spec.of)

def keys(_=None):
    spec, cache = Sphere(Point(1)), ibid.Cache()
    of_code = ibid.Cache(app="study", code="v1")
    return [
        memoized.cache_key(Point(1)),
        cache.key(spec, memoized),
        of_code.key(spec, compute),
        ibid.Cache(code="v1", app="study").key(spec, helper),
    ]

def nameless(_=None):
    try:
        return ibid.Cache(code="v1").key({}, helper)
    except ibid.UsageError:
        return "refused"

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(1) as pool:
        assert pool.map(keys, [0]) == [keys()], (pool.map(keys, [0]), keys())
        assert pool.map(nameless, [0]) == [nameless()] == ["refused"]
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_has_the_keys_of_its_script(project: Path, method: str) -> None:
    (project / "script.py").write_text(dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, "script.py", method], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
