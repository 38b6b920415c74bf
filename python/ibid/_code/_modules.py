"""What names may mean in a module.

Owns which members of a module count for a code that looks names up in it: of the project's all, of
an installed one what others put into it, since all else is the package's.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ibid._code import _homes
from ibid._code._plain import scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibid._code._walk import Walk
    from ibid._code._watch import Watch


def watch(module: types.ModuleType, names: set[str], places: Watch) -> None:
    """Notes that names are looked up in a module."""
    namespace = vars(module)
    for name in names:
        places.name(namespace, name)
    if "__getattr__" in namespace and _homes.of_module(module) is None:
        places.end()


def members(path: str, module: types.ModuleType, names: set[str]) -> list[tuple[str, Any]]:
    """Returns what names may mean in a module of the project."""
    namespace = vars(module)
    found = [(f"{path}.{name}", namespace[name]) for name in sorted(names) if name in namespace]
    if "__getattr__" in namespace:
        found.append((f"{path}.__getattr__", namespace["__getattr__"]))
        for name in sorted(names - namespace.keys()):
            try:
                found.append((f"{path}.{name}", getattr(module, name)))
            except Exception:  # It has no such name, whatever it says of that.
                continue
    return found


def constants(path: str, module: types.ModuleType, names: set[str]) -> list[str]:
    """Returns the numbers and texts of an installed module, which anybody may have set."""
    values = [(name, vars(module)[name]) for name in sorted(names) if name in vars(module)]
    texts = [(name, scalar(value)) for name, value in values]
    return [f"{path}.{name} = {text}" for name, text in texts if text is not None]


def patches(
    path: str,
    module: types.ModuleType,
    names: set[str],
    entered: set[int],
    walk: Walk,
) -> Iterator[tuple[str, Any]]:
    """Finds what others put into an installed module, and into modules within it."""
    for name in sorted(names):
        if name not in vars(module):
            continue
        value, inner = vars(module)[name], f"{path}.{name}"
        if not isinstance(value, types.ModuleType):
            is_class = isinstance(value, type)
            if is_class and not value.__flags__ & _homes.IMMUTABLE:
                walk.watch.end()
            elif isinstance(value, types.FunctionType):
                walk.watch.code(value)
            if _homes.is_foreign(value) or (is_class and walk.replaced(value)):
                yield inner, value
        elif _homes.of_module(value) is None:
            yield inner, value
        elif id(value) not in entered:
            # That it is there counts for nothing: packages load modules when they are asked.
            entered.add(id(value))
            watch(value, names, walk.watch)
            yield from patches(inner, value, names, entered, walk)
