"""Projects and installed packages, made for one test and forgotten after it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from ibid import _code

Files = dict[str, str]


def write(folder: Path, files: Files) -> None:
    """Writes files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text))


@contextmanager
def imported(folder: Path) -> Iterator[types.ModuleType]:
    """Imports the module `main` of a folder, and forgets whatever came along."""
    import importlib

    before = dict(sys.modules)
    paths = [str(folder), str(folder / "site-packages")]
    sys.path[:0] = paths
    # A file that is written twice within a second would be taken for what was compiled of it.
    sys.dont_write_bytecode, wrote = True, sys.dont_write_bytecode
    importlib.invalidate_caches()
    try:
        # What a project calls by a name of the standard library is the project's.
        for name in [path.stem for path in folder.iterdir()]:
            sys.modules.pop(name, None)
        yield importlib.import_module("main")
    finally:
        sys.dont_write_bytecode = wrote
        del sys.path[: len(paths)]
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
        sys.modules.update(before)


def code(folder: Path, files: Files) -> _code.Code:
    """Returns what `main.compute` of a project consists of."""
    write(folder, files)
    with imported(folder) as main:
        return _code.of(main.compute)


def differs(folder: Path, files: Files, old: str, new: str) -> bool:
    """Says whether an edit changes what `main.compute` consists of, and nothing else does."""
    assert any(old in text for text in files.values())
    first = code(folder, files)
    again = code(folder, files)
    assert (first.texts, first.versions) == (again.texts, again.versions)
    edited = code(folder, {name: text.replace(old, new) for name, text in files.items()})
    return (first.texts, first.versions) != (edited.texts, edited.versions)


def installed(name: str, version: str = "1.0", record: str = "", requires: str = "") -> Files:
    """Returns what an installer writes about a package of one file."""
    info = f"site-packages/{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    return {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n",
        f"{info}/RECORD": f"{name}/__init__.py,sha256={record},\n{info[14:]}/RECORD,,\n",
    }
