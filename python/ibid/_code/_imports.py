"""What a function imports when it is called: it is a part of it before it has run.

Owns the looking up of modules by their names. Modules of the project are imported, since what is in
them counts; of installed ones it is enough to know which package they are in.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from ibid._code import _homes, _modules
from ibid._code._compiled import IMPORTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibid._code._compiled import Compiled, Import
    from ibid._code._walk import Walk


# Modules of Python that have such, of which none may be loaded before it is called.
_BRINGING = {"pickle", "pkgutil", "pydoc", "runpy", "shelve"}
_BRINGING |= {"builtins", "gc", "inspect", "logging.config", "sys", "traceback"}


def found(
    each: Import, code: Compiled, around: dict[str, Any], walk: Walk
) -> list[tuple[str, Any]]:
    """Returns what an import may bring, and has the walk note what stands for it."""
    name = _absolute(each, around)
    shown = f"import {name}"
    if name is None:
        return [("import", "." * each.level + each.module)]
    top = name.partition(".")[0]
    home = _home(top)
    if home is not None:
        walk.by(home)
        loaded = importlib.import_module(name) if name in _BRINGING else sys.modules.get(name)
        if not isinstance(loaded, types.ModuleType):
            return []
        if loaded is sys and (each.bound & code.asked or "modules" in each.names):
            walk.unseen(_modules.BY_VALUE)
        patches = list(_modules.patches(shown, loaded, code.attributes, set(), walk))
        # What is called by its own name is told by it.
        return patches + [
            (f"{shown}.{inner} under another name", vars(loaded)[inner])
            for inner in each.names
            if _modules.brings(vars(loaded).get(inner)) and inner not in each.bound & IMPORTERS
        ]
    try:
        module = importlib.import_module(name)
    except Exception as error:  # The function itself may catch it.
        return [(shown, type(error).__name__)]
    modules = [(shown, module)]
    if not each.names:
        modules.append((f"import {top}", sys.modules[top]))
    brought: list[tuple[str, Any]] = []
    for inner in each.names:
        value = vars(module).get(inner)
        if value is None and inner != "*":
            value = _inner(module, inner)
        brought.append((f"{shown}.{inner}", value))
    if each.bound & (code.handed | {"*"}):
        for _, value in modules + brought:
            if isinstance(value, types.ModuleType) and (value is not module or not each.names):
                walk.refer(value)
    return modules + brought


def _inner(module: types.ModuleType, name: str) -> Any:
    """Returns what `from module import name` brings where the module has no such name yet."""
    try:
        return getattr(module, name)
    except Exception:
        try:
            return importlib.import_module(f"{module.__name__}.{name}")
        except Exception as error:
            return type(error).__name__


def _absolute(each: Import, around: dict[str, Any]) -> str | None:
    if each.level == 0:
        return each.module or None
    package = around.get("__package__") or str(around.get("__name__", "")).rpartition(".")[0]
    parts = package.split(".")
    kept = parts[: len(parts) - each.level + 1]
    if not package or not kept:
        return None
    return ".".join([*kept, each.module]) if each.module else ".".join(kept)


def _home(top: str) -> _homes.Home | None:
    """Returns what stands for a module, without importing it."""
    module = sys.modules.get(top)
    if isinstance(module, types.ModuleType):
        return _homes.of_module(module)
    import importlib.util

    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.origin in ("built-in", "frozen"):
        return _homes.PYTHON
    return _homes.of_file(spec.origin, top) if spec.origin and spec.has_location else None


_extensions: dict[str, tuple[tuple[int, ...], str]] = {}


def extension(file: str, digest: Callable[[str], str]) -> tuple[str, float]:
    """Returns the digest of a library, and when it was written; read anew when it has changed."""
    try:
        now = os.stat(file)
    except OSError:
        return "none", float("inf")
    state = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    known = _extensions.get(file)
    if known is None or known[0] != state:
        known = _extensions[file] = (state, digest(file))
    return known[1], now.st_ctime
