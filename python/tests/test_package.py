"""The package as it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import ibid
import pytest

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_workspace() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert ibid.__version__ == workspace == project


def test_everything_public_is_of_the_package() -> None:
    for name in ibid.__all__:
        if name != "__version__":
            assert getattr(ibid, name).__module__ == "ibid", name


def test_importing_it_imports_little() -> None:
    code = "import ibid, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"asyncio", "dataclasses", "html", "inspect", "logging", "numpy", "pickle", "tqdm"}
    assert slow.isdisjoint(done.stdout.split())


def test_a_source_distribution_has_all_that_a_wheel_is_built_from(tmp_path: Path) -> None:
    pytest.importorskip("setuptools_rust")
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    kinds = ("*.rs", "Cargo.toml", "*.toml", "*.py", "*.pyi", "py.typed")
    needed = {
        str(path.relative_to(ROOT))
        for folder in ("crates", "xtask", "python/ibid")
        for kind in kinds
        for path in (ROOT / folder).rglob(kind)
    }
    assert needed - packed == set()
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md"} <= packed
    assert not {name for name in packed if name.endswith(".so") or name.startswith("target")}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with nothing but the wheel in it."""
    wheel = os.environ.get("IBID_TEST_WHEEL")
    if not wheel:
        pytest.skip("no wheel was built")
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip"]
    # What the tests themselves import would be taken for installed there.
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "install", "--quiet", "--no-index", wheel], check=True, env=env)
    return venv / "bin"


def test_one_wheel_brings_the_module_and_the_command(fresh: Path, project: Path) -> None:
    command = fresh / "ibid"
    # The program itself: no Python has to start before it.
    assert command.read_bytes()[:4] == b"\x7fELF"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.split() == ["ibid", ibid.__version__]
    snippet = _snippet((ROOT / "README.md").read_text())
    env = {**os.environ, "PYTHONPATH": ""}
    (project / "in.csv").write_text("b\na\n")
    for _ in range(2):
        subprocess.run([fresh / "python", "-c", snippet], check=True, env=env)
    why = subprocess.run([command, "why"], capture_output=True, text=True, check=True)
    assert "project/sorted.csv" in why.stdout


def _snippet(readme: str) -> str:
    """Returns the first Python of the page."""
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found
    return found[1]
