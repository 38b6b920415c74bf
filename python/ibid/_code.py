"""What a function consists of: its own code, and that of everything of the project that it names.

The code that is loaded counts, as the interpreter compiled it: comments, formatting and what stands
in an edited file do not; docstrings do. From a function it goes on to what its code may mean by
its names: functions, classes and values of its module, of modules that it names or imports, of its
closure and its defaults. It ends at installed packages, of which name and version count, and at the
standard library, for which Python's version stands.

Everything that is not plain data gets a label when it is met first, and who refers to it says so by
the label: two functions whose parts are the same and are put together in another way differ.

A name is followed wherever it could lead. Too much makes a needless run, too little a false hit.
What is reached by neither name nor closure, such as `getattr(module, text)`, is not seen, nor
is what lies in a value that has no form, such as an open file: those are listed in `unseen`.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Code:
    """What a function consists of: texts by label, versions of packages, and what is not seen."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.versions: dict[str, str] = {
            "python": f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
        }
        self.unseen: list[str] = []


def of(
    function: Callable[..., Any], /, *, also: Iterable[type] = (), **others: Callable[..., Any]
) -> Code:
    """Returns what a function, a method or any other callable consists of.

    `also` are classes that it is given without naming them, such as those of its spec; `others` are
    functions that have a part in what is stored, each under its role.
    """
    walk = _Walk()
    walk.code.texts["the function"] = _encoded(walk.refer(function))
    for role, other in others.items():
        walk.code.texts[f"the {role}"] = _encoded(walk.refer(other))
    for kind in sorted(set(also), key=lambda kind: (kind.__module__, kind.__qualname__)):
        walk.refer(kind)
    return walk.code


def name_of(function: Callable[..., Any]) -> str:
    """Returns what a callable is called."""
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


class _Walk:
    def __init__(self) -> None:
        self.code = Code()
        # Objects that have labels stay alive, so that no other gets their ids.
        self._labels: dict[int, tuple[str, Any]] = {}
        self._counts: dict[str, int] = {}

    def refer(self, value: Any) -> str:
        """Returns plain data itself, and of all else a label under which its text stands."""
        text = _plain(value)
        if text is not None:
            return text
        if isinstance(value, types.ModuleType):
            self._version(value.__name__)
            return f"module {value.__name__}"
        if isinstance(value, (types.FunctionType, type)) and not _is_project(_module(value)):
            self._version(_module(value))
            return f"{_module(value)}.{value.__qualname__}"
        known = self._labels.get(id(value))
        if known is not None:
            return known[0]
        label = self._label(value)
        self._labels[id(value)] = (label, value)
        self.code.texts[label] = _encoded("\n".join(self._text(value, label)))
        return label

    def _label(self, value: Any) -> str:
        if isinstance(value, (types.FunctionType, type)):
            name = f"{_module(value)}.{value.__qualname__}"
        else:
            name = f"a {type(value).__module__}.{type(value).__qualname__}"
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return name if count == 1 else f"{name} ({count})"

    def _text(self, value: Any, label: str) -> list[str]:
        """Says what something consists of, in lines."""
        match value:
            case types.FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case types.MethodType():
                return [f"of {self.refer(value.__self__)}", self.refer(value.__func__)]
            case staticmethod() | classmethod():
                return [self.refer(value.__func__)]
            case property():
                return [self.refer(part) for part in (value.fget, value.fset, value.fdel)]
            case functools.partial():
                parts = (value.func, value.args, value.keywords)
                return [self.refer(part) for part in parts]
        kind = type(value)
        if kind in (list, tuple):
            return [self.refer(item) for item in value]
        if kind is dict:
            return [f"{self.refer(name)}: {self.refer(item)}" for name, item in value.items()]
        return self._instance(value, label)

    def _members(self, members: Iterable[tuple[str, Any]]) -> list[str]:
        return [f"{name} = {self.refer(value)}" for name, value in members]

    def _function(self, function: types.FunctionType) -> list[str]:
        code = function.__code__
        names: set[str] = set()
        imports: set[tuple[str, int]] = set()
        lines = _code_lines(code, names, imports)
        cells = zip(code.co_freevars, function.__closure__ or (), strict=False)
        lines += [f"{variable} = {self._cell(cell)}" for variable, cell in cells]
        lines.append(f"defaults = {self.refer(function.__defaults__)}")
        lines.append(f"keyword defaults = {self.refer(function.__kwdefaults__)}")
        lines += self._members(sorted(vars(function).items()))
        around = function.__globals__
        found = [(name, around[name]) for name in sorted(names & around.keys())]
        for module, level in sorted(imports):
            found += _imported(module, level, around)
        return lines + self._named(found, names)

    def _cell(self, cell: types.CellType) -> str:
        try:
            return self.refer(cell.cell_contents)
        except ValueError:
            return "unbound"

    def _named(self, found: list[tuple[str, Any]], names: set[str]) -> list[str]:
        """Says what the names in a code may mean, also as members of modules."""
        lines: list[str] = []
        entered: set[int] = set()
        while found:
            name, value = found.pop(0)
            lines.append(f"{name} = {self.refer(value)}")
            if not isinstance(value, types.ModuleType) or id(value) in entered:
                continue
            entered.add(id(value))
            is_project = _is_project(value.__name__)
            for member in sorted(names & vars(value).keys()):
                of_module = vars(value)[member]
                # Of a package its version stands for all, but for what others put into it.
                home = getattr(of_module, "__module__", None)
                is_foreign = isinstance(home, str) and _is_project(home)
                if is_project or is_foreign or isinstance(of_module, types.ModuleType):
                    found.append((f"{name}.{member}", of_module))
        return lines

    def _class(self, kind: type) -> list[str]:
        # What Python notes in a class, and pickling does.
        passed = {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__slotnames__"}
        skipped = (types.MemberDescriptorType, types.GetSetDescriptorType)
        members = [
            (name, value)
            for name, value in vars(kind).items()
            if name not in passed and not isinstance(value, skipped)
        ]
        lines = [f"base {self.refer(base)}" for base in kind.__bases__]
        return [*lines, f"of {self.refer(type(kind))}", *self._members(members)]

    def _instance(self, value: Any, label: str) -> list[str]:
        lines = [f"of {self.refer(type(value))}"]
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:
            lines.append(f"around {self.refer(wrapped)}")
        home = getattr(value, "__module__", None)
        if isinstance(value, types.BuiltinFunctionType):
            self._version(home or "builtins")
            return [f"{home}.{value.__qualname__}", self._self(value.__self__)]
        try:
            return [*lines, self._pickled(value)]
        except Exception:  # Whatever a stranger's class raises: it has no form then.
            state = getattr(value, "__dict__", None)
            if _is_project(type(value).__module__) and isinstance(state, dict):
                return [*lines, *self._members(state.items())]
        if type(value).__module__ not in _HARMLESS:
            self.code.unseen.append(label)
        return lines

    def _self(self, bound: Any) -> str:
        return "" if bound is None or isinstance(bound, types.ModuleType) else self.refer(bound)

    def _pickled(self, value: Any) -> str:
        """Returns the digest of a value's state, in which code stands by its labels."""
        import hashlib
        import io
        import pickle

        refer, out = self.refer, io.BytesIO()

        class Pickler(pickle.Pickler):
            def persistent_id(self, part: Any) -> str | None:
                by_label = (types.FunctionType, types.MethodType, types.ModuleType, type)
                return refer(part) if isinstance(part, by_label) else None

        Pickler(out, protocol=4).dump(value)
        return f"state {hashlib.sha256(out.getvalue()).hexdigest()}"

    def _version(self, module: str) -> None:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or _is_project(module):
            return
        for distribution in _distributions().get(top, ()):
            self.code.versions[f"package/{distribution}"] = _version(distribution)


# Types whose values have no form, and change nothing that is computed.
_HARMLESS = frozenset({"builtins", "logging", "_abc", "_io", "_thread", "threading", "typing"})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _module(value: Any) -> str:
    return getattr(value, "__module__", None) or "__main__"


def _plain(value: Any) -> str | None:
    """Returns plain data as a text that differs where the data does; `None` for all else."""
    kind = type(value)
    if value is None or value is ... or kind in (bool, int, float, complex, str, bytes, range):
        return f"{kind.__name__} {value!r}"
    if kind in (tuple, list):
        return _joined(kind, [_plain(item) for item in value])
    if kind in (set, frozenset):
        parts = [_plain(item) for item in value]
        return None if None in parts else _joined(kind, sorted(filter(None, parts)))
    if kind is dict:
        pairs = [_joined(tuple, [_plain(name), _plain(item)]) for name, item in value.items()]
        return _joined(kind, pairs)
    return None


def _joined(kind: type, parts: list[str | None] | list[str]) -> str | None:
    found = [part for part in parts if part is not None]
    return None if len(found) < len(parts) else f"{kind.__name__} ({', '.join(found)})"


def _code_lines(code: types.CodeType, names: set[str], imports: set[tuple[str, int]]) -> list[str]:
    """Writes a code down, without where it stands; gathers its names and imports."""
    names.update(code.co_names)
    imports.update(_imports(code))
    consts: list[str] = []
    inner: list[str] = []
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            consts.append("a code that stands below")
            inner += _code_lines(const, names, imports)
        else:
            consts.append(_plain(const) or f"{type(const).__name__} {const!r}")
    return [
        f"code {code.co_name}",
        f"arguments {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}",
        f"flags {code.co_flags:#x}",
        f"variables {code.co_varnames} {code.co_cellvars} {code.co_freevars}",
        f"names {code.co_names}",
        *(f"const {const}" for const in consts),
        f"bytecode {code.co_code.hex()}",
        f"exceptions {code.co_exceptiontable.hex()}",
        *inner,
        f"end of {code.co_name}",
    ]


def _imports(code: types.CodeType) -> set[tuple[str, int]]:
    """Returns the modules that a code imports, each with its level."""
    from opcode import opmap

    if opmap["IMPORT_NAME"] not in code.co_code[::2]:
        return set()
    import dis

    steps = list(dis.get_instructions(code))
    found = set()
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            levels = [s.argval for s in steps[max(0, at - 3) : at] if isinstance(s.argval, int)]
            found.add((str(step.argval), levels[-1] if levels else 0))
    return found


def _imported(name: str, level: int, around: dict[str, Any]) -> list[tuple[str, Any]]:
    """Imports what a function is about to import, since what it finds there is part of it."""
    import importlib

    shown = f"import {'.' * level}{name}"
    try:
        module = importlib.import_module("." * level + name, around.get("__package__"))
    except Exception as error:  # The function itself may catch it.
        return [(shown, f"{type(error).__name__}")]
    return [(shown, module), (f"{shown} (top)", sys.modules[module.__name__.partition(".")[0]])]


@functools.cache
def _folders() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns where packages are installed, and where the standard library lies."""
    import sysconfig

    def real(*paths: str | None) -> tuple[str, ...]:
        return tuple(sorted({os.path.realpath(path) + os.sep for path in paths if path}))

    path = sysconfig.get_path
    installed = real(path("purelib"), path("platlib"), path("purelib", f"{os.name}_user"))
    return installed, real(path("stdlib"), path("platstdlib"))


def _is_project(name: str) -> bool:
    """Says whether the code of a module counts: what is neither installed nor Python's own."""
    top = name.partition(".")[0]
    if top == "__main__":
        return True
    if top in sys.stdlib_module_names:
        return False
    module = sys.modules.get(name) or sys.modules.get(top)
    path = getattr(module, "__file__", None)
    if path is None:
        # Of a namespace, or made by hand: its code has nothing that stands for it.
        return True
    path = os.path.realpath(path)
    installed, library = _folders()
    shared = {"site-packages", "dist-packages"}
    if path.startswith(installed) or not shared.isdisjoint(path.split(os.sep)):
        # Without a version to tell one from the next, the code itself has to.
        return top not in _distributions()
    return not path.startswith(library)


@functools.cache
def _distributions() -> dict[str, tuple[str, ...]]:
    from importlib.metadata import packages_distributions

    return {top: tuple(sorted(set(names))) for top, names in packages_distributions().items()}


@functools.cache
def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)
