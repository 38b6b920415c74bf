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


BY_VALUE = "an import of what only a value names,"
_PICKLED = "what only a pickle names,"
_AROUND = "what is looked up by a text around whoever calls it,"
_FRAMES = "what stands around whoever called it,"
# What brings in code by what its arguments say, or by who calls it.
_BRINGERS = {
    **dict.fromkeys(("importlib.import_module", "builtins.__import__"), BY_VALUE),
    **dict.fromkeys(("importlib._bootstrap.__import__", "_frozen_importlib.__import__"), BY_VALUE),
    **dict.fromkeys(("pkgutil.resolve_name", "pydoc.locate"), BY_VALUE),
    **dict.fromkeys(("runpy.run_path", "runpy.run_module"), BY_VALUE),
    **dict.fromkeys(("_pickle.load", "_pickle.loads", "_pickle.Unpickler"), _PICKLED),
    **dict.fromkeys(("pickle._load", "pickle._loads", "pickle._Unpickler"), _PICKLED),
    **dict.fromkeys(("dill._dill.load", "dill._dill.loads", "shelve.open"), _PICKLED),
    **dict.fromkeys(("pandas.io.pickle.read_pickle", "pandas.read_pickle"), _PICKLED),
    **dict.fromkeys(("joblib.numpy_pickle.load", "torch.serialization.load"), _PICKLED),
    **dict.fromkeys(("builtins.eval", "builtins.exec", "builtins.globals"), _AROUND),
    **dict.fromkeys(("pandas.eval", "pandas.core.computation.eval.eval"), _AROUND),
    **dict.fromkeys(("pandas.DataFrame.eval", "pandas.core.frame.DataFrame.eval"), _AROUND),
    **dict.fromkeys(("pandas.DataFrame.query", "pandas.core.frame.DataFrame.query"), _AROUND),
    "numexpr.necompiler.evaluate": _AROUND,
    **dict.fromkeys(("sys._getframe", "inspect.currentframe", "inspect.stack"), _FRAMES),
    **dict.fromkeys(("traceback.extract_stack", "traceback.format_stack"), _FRAMES),
    **dict.fromkeys(("inspect.getmodule", "gc.get_objects", "gc.get_referrers"), BY_VALUE),
    "logging.config.BaseConfigurator": BY_VALUE,
    "logging.config.DictConfigurator": BY_VALUE,
}
_CALLED = (types.FunctionType, types.BuiltinFunctionType, type)


def brings(value: Any) -> str | None:
    """Returns what something brings in that no name leads to; `None` if it brings in nothing."""
    if not isinstance(value, _CALLED):
        return None
    return _BRINGERS.get(f"{value.__module__}.{value.__qualname__}")


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


def constants(path: str, module: types.ModuleType, names: set[str], is_deep: bool) -> Iterator[str]:
    """Finds the numbers and texts of an installed module, which anybody may have set.

    Those of its classes are among them, and, if `is_deep`, of modules within it. Whether a module
    is loaded that its package loads when it is asked for depends on what ran before, so such do not
    count.
    """
    entered = {id(module)}
    queue = [(path, module)]
    while queue:
        path, module = queue.pop()
        is_entered = is_deep and "__getattr__" not in vars(module)
        for name in sorted(names & vars(module).keys()):
            value, inner = vars(module)[name], f"{path}.{name}"
            text = scalar(value)
            if text is not None:
                yield f"{inner} = {text}"
            elif isinstance(value, type):
                yield from of_class(inner, value, names)
            elif not (is_entered and isinstance(value, types.ModuleType)):
                continue
            elif id(value) not in entered and _homes.of_module(value) is not None:
                entered.add(id(value))
                queue.append((inner, value))


def of_class(path: str, kind: type, names: set[str]) -> Iterator[str]:
    """Finds the numbers and texts of an installed class, which anybody may have set."""
    for name in sorted(names):
        base = next((base for base in kind.__mro__ if name in vars(base)), object)
        text = None if base.__flags__ & _homes.IMMUTABLE else scalar(vars(base)[name])
        if text is not None:
            yield f"{path}.{name} = {text}"


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
            if brings(value) or _homes.is_foreign(value) or (is_class and walk.replaced(value)):
                yield inner, value
        elif _homes.of_module(value) is None:
            yield inner, value
        elif id(value) not in entered:
            # That it is there counts for nothing: packages load modules when they are asked.
            entered.add(id(value))
            watch(value, names, walk.watch)
            yield from patches(inner, value, names, entered, walk)
