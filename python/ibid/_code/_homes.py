"""Where code is at home: in the project, in an installed package, or in Python itself.

Owns what may stand for code. The home of a function is the namespace that it looks names up in and
the file that it was compiled from, never what it says of itself: decorators copy that. A package
stands for an object only if that very object is what a name in the package leads to.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any, Final

from ibid._code._packages import SHARED, Package, owner


class Python:
    """The home of the standard library and of what is built in."""


class Own:
    """The home of this package, of which nothing depends on what is in it."""


PYTHON: Final = Python()
OWN: Final = Own()

Home = Python | Own | Package

_library = {
    os.path.dirname(os.path.realpath(os.__file__)) + os.sep,
    os.path.realpath(
        os.path.join(
            sys.base_exec_prefix,
            sys.platlibdir,
            f"python{sys.version_info[0]}.{sys.version_info[1]}",
        )
    )
    + os.sep,
}
_own = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
_known: dict[tuple[Any, Any], Home | None] = {}
# Files whose code is at home in something that stands for it, and types that are none of the
# project's: where something is at home does not change.
_installed_files: set[str] = set()
_installed_types: set[type] = set()


def of_module(module: types.ModuleType) -> Home | None:
    """Returns what stands for a module; `None` if its own code has to."""
    namespace = vars(module)
    file, name = namespace.get("__file__"), namespace.get("__name__")
    if (file, name) in _known and file is not None:
        return _known[file, name]
    spec = namespace.get("__spec__")
    if isinstance(file, str):
        # A module that is run is called `__main__`, and found by the name it was looked for.
        home = of_file(file, str(getattr(spec, "name", None) or name))
        _known[file, name] = home
        return home
    if getattr(spec, "origin", None) in ("built-in", "frozen") or name == "builtins":
        return PYTHON
    # Of a namespace, or made by hand: its code has nothing that stands for it.
    return None


def of_file(file: str, module: str) -> Home | None:
    """Returns what stands for the file of a module."""
    path = os.path.realpath(file)
    if path.startswith(_own):
        return OWN
    is_shared = not set(SHARED).isdisjoint(path.split(os.sep))
    if path.startswith(tuple(_library)) and not is_shared:
        return PYTHON
    return owner(path, module)


def of_namespace(namespace: dict[str, Any]) -> Home | None:
    """Returns what stands for code that looks names up here."""
    for name in (namespace.get("__name__"), getattr(namespace.get("__spec__"), "name", None)):
        module = sys.modules.get(name or "")
        if isinstance(module, types.ModuleType) and vars(module) is namespace:
            return of_module(module)
    return None


def of_code(function: types.FunctionType) -> Home | None:
    """Returns what stands for the code of a function: its file has to be the namespace's."""
    file = function.__code__.co_filename
    home = of_namespace(function.__globals__)
    if home is None:
        return None
    if file == function.__globals__.get("__file__") or file.startswith("<frozen "):
        _installed_files.add(file)
        return home
    return None


def stands_for(value: Any) -> list[Home]:
    """Returns the homes that stand for a function or a class; none if its own code has to."""
    module = sys.modules.get(str(getattr(value, "__module__", None)))
    home = of_module(module) if isinstance(module, types.ModuleType) else None
    if home is None or not _leads_to(module, value):
        return []
    if not isinstance(value, types.FunctionType):
        return [home]
    code = of_code(value)
    if code is None or not all(map(_is_of_others, _contents(value))):
        return []
    return [home] if code is home else [home, code]


def is_own(kind: type) -> bool:
    """Says whether a class is one of this package."""
    return OWN in stands_for(kind)


def is_foreign(value: Any) -> bool:
    """Says whether the code of a value is none of what is installed."""
    if isinstance(value, (types.MethodType, staticmethod, classmethod)):
        value = value.__func__
    value = getattr(value, "func", value) if type(value).__module__ == "functools" else value
    value = attributes_of(value).get("__wrapped__", value) if _is_cached(value) else value
    if isinstance(value, types.FunctionType):
        return _is_foreign_code(value)
    kind = value if isinstance(value, type) else type(value)
    module = sys.modules.get(str(kind.__module__))
    if not isinstance(module, types.ModuleType) or of_module(module) is not None:
        return False
    # Types that are written in C call themselves after modules that nobody wrote.
    return hasattr(module, "__file__") or _FUNCTION in map(type, vars(kind).values())


def replaced(kind: type) -> list[tuple[str, Any]]:
    """Returns what an installed class has that is not at home in what is installed."""
    found: list[tuple[str, Any]] = []
    for base in kind.__mro__:
        if base.__flags__ & IMMUTABLE:
            continue
        functions, around, others = [], [], []
        # There are hundreds of members, at each hit: most are told by their type or their file.
        for name, value in list(vars(base).items()):
            of = type(value)
            if of is _FUNCTION:
                functions.append((name, value))
            elif of in _AROUND_FUNCTIONS:
                if inner := _function_of(value):
                    around.append((name, inner))
            elif of not in _FAMILIAR:
                others.append((name, value))
        for name, function in functions + around:
            if function.__code__.co_filename not in _installed_files and _is_foreign_code(function):
                found.append((f"{base.__qualname__}.{name}", function))
        found += [(f"{base.__qualname__}.{n}", v) for n, v in others if _holds_foreign(v)]
    return found


def attributes_of(value: Any) -> dict[str, Any]:
    """Returns what an object has, without asking its class, which may answer anything."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except Exception:
        return {}
    return held if type(held) is dict else {}


def _holds_foreign(value: Any) -> bool:
    """Says whether a member of a class is of the project, or holds a class or function of it."""
    if isinstance(value, type):
        return is_foreign(value)
    kind = type(value)
    if kind not in _installed_types:
        if is_foreign(kind):
            return True
        _installed_types.add(kind)
    held = attributes_of(value)
    inner = [item for item in held.values() if isinstance(item, _CODE)] if held else []
    return any(map(is_foreign, inner))


_FUNCTION = types.FunctionType
_CODE = (types.FunctionType, type)
_FAMILIAR = {
    *(types.FunctionType, types.BuiltinFunctionType, staticmethod, classmethod, property),
    *(types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType),
    *(types.WrapperDescriptorType, types.ClassMethodDescriptorType),
    *(type(None), bool, int, float, str, tuple, list, dict, set, frozenset),
}
_AROUND_FUNCTIONS = {staticmethod, classmethod, property}
# The flag of types that nobody can put anything into.
IMMUTABLE = 1 << 8


def _is_foreign_code(function: types.FunctionType) -> bool:
    if of_code(function) is not None:
        return False
    if not function.__code__.co_filename.startswith("<"):
        return True
    # What was made of a text, in names of nobody's, was made by whom it was found at.
    namespace = function.__globals__
    module = sys.modules.get(str(namespace.get("__name__")))
    return vars(module) is namespace and of_namespace(namespace) is None if module else False


def _is_cached(value: Any) -> bool:
    return type(value).__name__ == "_lru_cache_wrapper"


def _function_of(value: Any) -> types.FunctionType | None:
    if isinstance(value, types.FunctionType):
        return value
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    return value if isinstance(value, types.FunctionType) else None


def _leads_to(module: Any, value: Any) -> bool:
    """Says whether a name that an object has leads to it."""
    for name in ("__qualname__", "__name__"):
        path = getattr(value, name, None)
        if isinstance(path, str) and leads(module, path, value):
            return True
    return False


def leads(module: Any, path: str, value: Any) -> bool:
    """Says whether a name in a module leads to this very object."""
    found = module
    for part in path.split("."):
        found = vars(found).get(part) if isinstance(found, _HOLDERS) else None
        if not isinstance(found, _CODE):
            found = _function_of(found) or found
    return found is value


_HOLDERS = (types.ModuleType, type)


def cells(function: types.FunctionType) -> list[tuple[str, types.CellType]]:
    """Returns what a function closes over, by name."""
    names, found = function.__code__.co_freevars, function.__closure__ or ()
    return list(zip(names, found, strict=False))


def _contents(function: types.FunctionType) -> list[Any]:
    contents = []
    for _, cell in cells(function):
        try:
            contents.append(cell.cell_contents)
        except ValueError:
            continue
    return contents


def _is_of_others(value: Any) -> bool:
    """Says whether what an installed function closes over is installed as well, or plain."""
    if value is None or isinstance(value, (str, int, float, types.ModuleType)):
        return True
    if isinstance(value, types.FunctionType):
        return of_code(value) is not None and all(map(_is_of_others, _contents(value)))
    return isinstance(value, type) and bool(stands_for(value))
