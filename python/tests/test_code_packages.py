"""Packages count by what was recorded of them; where that may not be what is loaded, it is told."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ibid import _code
from ibid._code import _homes, _packages
from projects import Files, code, differs, imported, installed, write

MAIN = {"main.py": "import lib\ndef compute(s): return lib.go()\n"}
LIB = {**installed("lib"), "site-packages/lib/__init__.py": "def go(): return 1\n"}


@pytest.fixture(autouse=True)
def _older_than_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes what the tests install for older than the process that they run in."""
    monkeypatch.setattr(_packages, "process_start", lambda: float("inf"))


def version(folder: Path, files: Files) -> str:
    """Returns what stands for the package `lib`."""
    # What is known of packages is known for the life of a process.
    for known in (_packages._package, _packages._closed, _packages._infos_at):
        known.cache_clear()
    _homes._known.clear()
    found = code(folder, {**MAIN, **files})
    assert found.unseen == []
    return found.versions["package/lib"]


def test_name_version_and_recorded_digests_count(project: Path) -> None:
    first = version(project, LIB)
    assert version(project, {**LIB, **installed("lib", record="other")}) != first
    shutil.rmtree(project / "site-packages/lib-1.0.dist-info")
    assert version(project, {**LIB, **installed("lib", "1.1")}).startswith("1.1 ")


def test_where_and_by_whom_it_was_installed_does_not_count(project: Path) -> None:
    first = version(project, LIB)
    record = "site-packages/lib-1.0.dist-info/RECORD"
    more = "../../../bin/lib,sha256=x,1\nlib-1.0.dist-info/INSTALLER,sha256=y,4\nlib/a.pyc,,\n"
    assert version(project, {**LIB, record: LIB[record] + more}) == first


def test_files_without_a_recorded_digest_count_by_what_is_in_them(project: Path) -> None:
    record = "lib/__init__.py,,\n"
    files = {**LIB, "site-packages/lib-1.0.dist-info/RECORD": record}
    first = version(project, files)
    files["site-packages/lib/__init__.py"] = "def go(): return 2\n"
    assert version(project, files) != first


def test_a_package_of_the_system_has_no_record_and_counts_by_its_files(project: Path) -> None:
    files = {**LIB, "site-packages/lib-1.0.dist-info/RECORD": ""}
    files["site-packages/lib-1.0.dist-info/top_level.txt"] = "lib\n"
    first = version(project, files)
    files["site-packages/lib/__init__.py"] = "def go(): return 2\n"
    assert version(project, files) != first


def test_what_a_package_requires_counts_and_what_it_only_offers_does_not(project: Path) -> None:
    needs = "The_Base>=1 ; python_version > '3'\nRequires-Dist: extra ; extra == 'more'"
    files = {
        **LIB,
        **installed("lib", requires=needs),
        **installed("the.base", "3.0", requires="lib"),
        **installed("extra"),
    }
    version(project, files)
    versions = code(project, {**MAIN, **files}).versions
    assert versions["package/the.base"].startswith("3.0 ")
    assert "package/extra" not in versions


def test_a_project_beside_what_its_installer_noted_is_a_project(project: Path) -> None:
    # As a checkout that is installed in place.
    files = {
        "lib.egg-info/PKG-INFO": "Name: lib\nVersion: 1.0\n",
        "lib.egg-info/top_level.txt": "lib\n",
        "lib/__init__.py": "def go(): return 1\n",
        **MAIN,
    }
    assert differs(project, files, "return 1", "return 2")


def test_a_package_that_is_replaced_while_it_is_loaded_is_told(project: Path) -> None:
    write(project, {**LIB, **MAIN})
    with imported(project) as main:
        before = _code.of(main.compute)
        assert before.unseen == []
        info = project / "site-packages/lib-1.0.dist-info"
        # Its time is that of its last change, whatever anybody sets.
        os.utime(info, (0, 0))
        info.chmod(0o700)
        after = _code.of(main.compute)
    assert "installed anew" in after.unseen[0]


def test_a_package_that_is_younger_than_the_process_is_told(project: Path) -> None:
    write(project, LIB)
    words = (
        "import sys; sys.dont_write_bytecode = True\n"
        "from ibid import _code\n"
        "sys.path.insert(0, 'site-packages')\n"
        "import lib\n"
        "if len(sys.argv) > 1: open('site-packages/lib-1.0.dist-info/NEW', 'w').close()\n"
        "def compute(s): return lib.go()\n"
        "print(_code.of(compute).unseen)\n"
    )
    # It has to be seen to be older by a clock that ticks a hundred times a second.
    os.utime(project / "site-packages/lib-1.0.dist-info")

    def told(*more: str) -> str:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        script = [sys.executable, "-c", words, *more]
        return subprocess.run(script, env=env, capture_output=True, text=True, check=True).stdout

    assert told() == "[]\n"
    assert "after this process had begun" in told("renew")


def test_a_forked_process_has_the_modules_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _packages.process_start.cache_clear()
    ours = _packages.process_start()
    child = os.fork()
    if child == 0:
        _packages.process_start.cache_clear()
        os._exit(abs(_packages.process_start() - ours) > 1e-3)
    assert os.waitpid(child, 0)[1] == 0


def test_a_library_that_the_project_compiled_counts_by_its_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import math

    # Any extension will do that is none of an installed package.
    names = ("_json", "_heapq", "_bisect", "_csv")
    files = [getattr(importlib.import_module(name), "__file__", None) for name in names]
    file = next((Path(file) for file in files if file), None)
    if file is None:
        pytest.skip("every extension of this Python is built in")
    name = file.name.partition(".")[0]
    shutil.copy(file, project / file.name)
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(project)
    module = importlib.import_module(name)
    assert module.__file__ == str(project / file.name)

    def compute(spec: object) -> object:
        return module, math

    first = _code.of(compute).versions[f"extension/{name}"]
    with open(project / file.name, "ab") as library:
        library.write(b"more")
    assert _code.of(compute).versions[f"extension/{name}"] != first
