"""The walk from a function to everything that it consists of, to a fixed point.

Owns labels, and what a name may mean. Functions, classes, modules that are handed about and values
that a name leads to get a label when they are met first, and who refers to them says so by the
label: two functions whose parts are the same and are put together in another way differ. A module
of the project that is only looked into counts by the names that are looked up in it; one that is
handed to somebody counts whole. Invariant: labels and texts come in the order in which names lead
to things, so they are the same in every process.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from typing import TYPE_CHECKING, Any

from ibid._code import _homes, _imports, _modules
from ibid._code._compiled import IMPORTERS, Compiled, compiled, words
from ibid._code._packages import Package, closed, digest_of, process_start
from ibid._code._plain import called, known_as, scalar
from ibid._code._values import Values, items
from ibid._code._watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibid._code import Code

Found = list[tuple[str, Any]]

# What modules say of themselves, where they lie, and which warnings they have shown.
_PASSED = {"__builtins__", "__spec__", "__loader__", "__cached__", "__file__", "__path__"}
_PASSED |= {"__warningregistry__"}
# Caches that singledispatch fills.
_CACHES = {"dispatch_cache", "cache_token", "_clear_cache"}
# What no method runs as a text.
_NO_TEXT = (type, types.FunctionType, types.ModuleType)
_BUILTIN = {types.BuiltinFunctionType, bool, type(None), type(...), type(NotImplemented)}


class Walk:
    """One walk."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.watch = Watch()
        # What is waited for is also remembered, and stays alive: no other gets its id.
        self._labels: dict[int, tuple[str, Any]] = {}
        self._counts: dict[str, int] = {}
        self._waiting: deque[tuple[str, Callable[[], list[str]]]] = deque()
        self._here = ""
        self._lines: dict[str, list[str]] = {}
        # What is closed over at the end: names by which anything is looked up, and in what.
        self._names: set[str] = set()
        self._is_by_text = False
        self._partly: dict[int, types.ModuleType] = {}
        # By identity, which a class may have redefined.
        self._classes: dict[int, type] = {}
        self._replaced: dict[int, tuple[type, Found]] = {}
        self._values = Values(self)

    def start(self, role: str, root: Any) -> None:
        """Walks from a root, which has a role."""
        self._here = role
        self._lines.setdefault(role, []).extend(self._text(lambda: [self.refer(root)]))

    def finish(self) -> Code:
        """Returns what was found, when nothing more is."""
        while True:
            while self._waiting:
                self._here, text = self._waiting.popleft()
                self._lines.setdefault(self._here, []).extend(self._text(text))
            if not self._partly and "__subclasses__" not in self._names:
                break
            before = sum(map(len, self._lines.values()))
            self._text(self._close)
            if not self._waiting and before == sum(map(len, self._lines.values())):
                break
        for label, lines in self._lines.items():
            self.code.texts[label] = "\n".join(lines).encode("utf-8", "surrogatepass")
        self.code.unseen = sorted(set(self.code.unseen))
        return self.code

    def _text(self, text: Callable[[], list[str]]) -> list[str]:
        try:
            return text()
        except Exception as error:  # Strangers' code was asked, and may raise whatever it likes.
            self.unseen(f"what raised `{type(error).__name__}`")
            return []

    def unseen(self, what: str) -> None:
        """Notes what has no form."""
        self.watch.end()
        self.code.unseen.append(f"{what} in `{self._here}`")

    def refer(self, value: Any, name: str | None = None) -> str:
        """Returns plain data itself, and of all else a label under which its text stands."""
        text = scalar(value)
        if text is not None:
            return text
        known = self._labels.get(id(value))
        if known is not None:
            return known[0]
        kind = type(value)
        told = _modules.brings(value)
        if told is not None:
            self.unseen(told)
        if value is sys.modules:
            self.unseen(_modules.BY_VALUE)
            return "all modules"
        if issubclass(kind, types.FunctionType):
            return self._refer_function(value)
        if issubclass(kind, type):
            return self._refer_class(value)
        if issubclass(kind, types.ModuleType):
            return self._refer_module(value)
        if issubclass(kind, types.BuiltinFunctionType):
            if not isinstance(value.__self__, types.ModuleType):
                self.watch.end()
            return self._values.inline(value)
        if kind is not tuple or not all(map(scalar, value)):
            self.watch.end()
        if name is None:
            return self._values.inline(value)
        return self.label(name, value, lambda: [self._values.inline(value)])

    def label(self, name: str, value: Any, text: Callable[[], list[str]]) -> str:
        """Gives a value a label, under which its text will stand."""
        count = self._counts[name] = self._counts.get(name, 0) + 1
        label = name if count == 1 else f"{name} ({count})"
        self._labels[id(value)] = (label, value)
        self._waiting.append((label, text))
        return label

    def by(self, home: _homes.Home | None) -> None:
        """Notes that a home stands for something."""
        if not isinstance(home, Package):
            return
        if f"package/{home.name}" in self.code.versions:
            return
        for package in closed(home):
            self.watch.package(package)
            self.code.versions[f"package/{package.name}"] = package.version
            doubt = package.doubt()
            if doubt is not None:
                self.code.unseen.append(doubt)

    def by_module(self, name: str | None) -> None:
        """Notes what stands for something without code that says it is of a module."""
        module = sys.modules.get(name or "")
        if isinstance(module, types.ModuleType):
            home = _homes.of_module(module)
            if home is None:
                self._extension(module)
            else:
                self.by(home)

    def replaced(self, kind: type) -> Found:
        """Returns what an installed class has that others gave it."""
        known = self._replaced.get(id(kind))
        if known is None:
            known = self._replaced[id(kind)] = (kind, _homes.replaced(kind))
        return known[1]

    def _brought(
        self, path: str, value: Any, code: Compiled, around: dict[str, Any]
    ) -> Found | None:
        """Returns what is brought in by what a name leads to; `None` if that brings in nothing."""
        told = _modules.brings(value)
        if told is None:
            return None
        name = path.rpartition(".")[2]
        if (name in IMPORTERS and name in code.called) or name in code.methods:
            # It was told by its name.
            return []
        self.watch.end()
        found: Found = []
        for each in code.called.get(name) or [None]:
            if each is None or value.__name__ not in IMPORTERS:
                self.unseen(told)
            else:
                found += _imports.found(each, code, around, self)
        return found

    def look_up(self, names: set[str]) -> None:
        """Notes names that may be looked up in anything."""
        self._names |= names

    def _extension(self, module: types.ModuleType) -> None:
        """Notes the digest of a module that was compiled to a library."""
        file = vars(module).get("__file__")
        if not isinstance(file, str) or not file.endswith((".so", ".pyd", ".dylib")):
            return
        self.watch.end()
        name = f"extension/{module.__name__}"
        if name not in self.code.versions:
            self.code.versions[name], changed = _imports.extension(file, digest_of)
            if changed > process_start():
                self.code.unseen.append(f"`{module.__name__}`, built after this process had begun")

    def _refer_function(self, function: types.FunctionType) -> str:
        homes = _homes.stands_for(function)
        for home in homes:
            self.by(home)
        if homes:
            self.watch.code(function)
            return f"installed {function.__module__}.{function.__qualname__}"
        name = f"{known_as(function.__globals__.get('__name__'))}.{function.__qualname__}"
        return self.label(name, function, lambda: self._function(function))

    def _refer_class(self, kind: type) -> str:
        name = called(kind)
        is_new = id(kind) not in self._classes
        self._classes[id(kind)] = kind
        homes = _homes.stands_for(kind)
        if not homes:
            self.watch.end()
            return self.label(name, kind, lambda: self._class(kind))
        for home in homes:
            self.by(home)
        replaced = self.replaced(kind)
        if is_new and not kind.__flags__ & _homes.IMMUTABLE:
            self.watch.answer(lambda: _installed(kind), (name, homes, []))
        if replaced:
            self.watch.end()
            return self.label(name, kind, lambda: self.members(replaced))
        return f"installed {name}"

    def _refer_module(self, module: types.ModuleType) -> str:
        """Refers to a module that is handed about: any name may be looked up in it."""
        name = known_as(module.__name__)
        self.watch.end()
        home = _homes.of_module(module)
        if home is not None:
            self.by(home)
            return self._module(module)
        self._extension(module)
        return self.label(
            f"module {name}", module, lambda: [self._module(module), *self._whole(vars(module))]
        )

    def _module(self, module: types.ModuleType) -> str:
        kind = type(module)
        if kind is types.ModuleType or not _homes.is_foreign(kind):
            return f"module {known_as(module.__name__)}"
        return f"module {known_as(module.__name__)} of {self.refer(kind)}"

    def _whole(self, namespace: dict[str, Any]) -> list[str]:
        names = sorted(name for name, _ in items(namespace) if name not in _PASSED)
        return [self._within(namespace, name) for name in names]

    def _within(self, namespace: dict[str, Any], name: str) -> str:
        """Says what a name means in something that any name may be looked up in."""
        value = namespace.get(name)
        if isinstance(value, types.ModuleType):
            self._partly[id(value)] = value
            return f"{name} = {self._module(value)}"
        of = known_as(namespace.get("__name__"))
        return f"{name} = {self.refer(value, f'{of}.{name}')}"

    def _close(self) -> list[str]:
        """Looks every name up in every module that any name may be looked up in."""
        for module in list(self._partly.values()):
            home = _homes.of_module(module)
            if home is not None:
                self.by(home)
                continue
            if self._is_by_text:
                self.refer(module)
                continue
            self._extension(module)
            label = f"names in {known_as(module.__name__)}"
            lines = self._lines.setdefault(label, [])
            for name in sorted(n for n in self._names if n in vars(module)):
                line = self._within(vars(module), name)
                if line not in lines:
                    lines.append(line)
        if "__subclasses__" in self._names:
            for kind in list(self._classes.values()):
                self._subclasses(kind)
        return []

    def _subclasses(self, kind: type) -> None:
        """Notes the classes of the project that one finds by asking a class for them."""
        if kind.__module__ == "builtins":
            return
        subclasses: list[type] = type.__subclasses__(kind)
        found = [sub for sub in subclasses if _homes.is_foreign(sub)]
        lines = self._lines.setdefault(f"subclasses of {called(kind)}", [])
        for sub in sorted(found, key=called):
            line = self.refer(sub)
            if line not in lines:
                lines.append(line)

    def _function(self, function: types.FunctionType) -> list[str]:
        code = compiled(function.__code__)
        self.watch.function(function)
        lines = [code.form]
        around = function.__globals__
        home = _homes.of_namespace(around)
        passed = _CACHES if around.get("__name__") == "functools" else ()
        found: Found = []
        for variable, cell in _homes.cells(function):
            if variable in passed:
                continue
            try:
                found.append((variable, cell.cell_contents))
                self.watch.cell(cell, cell.cell_contents)
            except ValueError:
                lines.append(f"{variable} is unbound")
                self.watch.end()
        if function.__defaults__ is not None:
            lines.append(f"defaults {self.refer(function.__defaults__)}")
        if function.__kwdefaults__ is not None:
            lines.append(f"keyword defaults {self.refer(function.__kwdefaults__)}")
        noted = vars(function)
        lines += self.members([(name, noted[name]) for name in sorted(noted) if name not in passed])
        if home is not None:
            # What it names is the package's, too.
            self.by(home)
            return lines + self._follow(found, code, around)
        lines += self._annotations(function, code, found)
        self._names |= code.attributes
        self._is_by_text |= code.is_by_text
        if code.imports or "__subclasses__" in code.attributes:
            self.watch.end()
        for name in code.ordered:
            self.watch.name(around, name)
        found += [(name, around[name]) for name in code.ordered if name in around]
        found += self._replaced_builtins(function, code)
        for each in code.imports:
            found += _imports.found(each, code, around, self)
        given = [around.get(name) for name in code.given]
        if code.names_all or not all(isinstance(value, _NO_TEXT) for value in given):
            lines.append(self._refer_around(around))
        if code.imports_any:
            self.unseen(_modules.BY_VALUE)
        if code.looks_elsewhere:
            self.unseen("what other code has around it,")
        return lines + self._follow(found, code, around)

    def _annotations(self, function: Any, code: Compiled, found: Found) -> list[str]:
        try:
            annotations = function.__annotations__
        except Exception:  # Since Python 3.14 they are computed, and may name what is not there.
            return [f"annotations {self.refer(function.__annotate__)}"]
        if not annotations:
            return []
        texts = [word for text in annotations.values() if type(text) is str for word in words(text)]
        around = function.__globals__
        for name in texts:
            self.watch.name(around, name)
        # A dictionary, each name of which is watched.
        was_steady = self.watch.is_steady
        found += [(n, around[n]) for n in texts if n in around and n not in code.globals]
        lines = [f"annotations {self.refer(annotations)}"]
        self.watch.is_steady = was_steady and all(map(_is_steady, annotations.values()))
        return lines

    def _refer_around(self, around: dict[str, Any]) -> str:
        module = sys.modules.get(around.get("__name__", ""))
        if isinstance(module, types.ModuleType) and vars(module) is around:
            return self.refer(module)
        known = self._labels.get(id(around))
        if known is not None:
            return known[0]
        return self.label("names of no module", around, lambda: self._whole(around))

    def _replaced_builtins(self, function: types.FunctionType, code: Compiled) -> Found:
        """Returns what others made known everywhere."""
        builtins = getattr(function, "__builtins__", {})
        for name in code.ordered:
            if name not in function.__globals__:
                self.watch.name(builtins, name)
        return [
            (name, builtins[name])
            for name in code.ordered
            if name in builtins
            and name not in function.__globals__
            and type(builtins[name]) not in _BUILTIN
            and (type(builtins[name]) is not type or builtins[name].__module__ != "builtins")
        ]

    def _follow(self, found: Found, code: Compiled, around: dict[str, Any]) -> list[str]:
        """Says what the names in a code may mean, also as members of modules."""
        lines: list[str] = []
        of = known_as(around.get("__name__"))
        entered: set[int] = set()
        queue = deque(found)
        while queue:
            path, value = queue.popleft()
            if not isinstance(value, types.ModuleType):
                brought = self._brought(path, value, code, around)
                if brought is None:
                    lines.append(f"{path} = {self.refer(value, f'{of}.{path}')}")
                    if isinstance(value, type) and _homes.stands_for(value):
                        lines += self._constants(path, value, code.attributes)
                else:
                    queue.extend(brought)
                continue
            lines.append(f"{path} = {self._module(value)}")
            if value is sys and path.rpartition(".")[2] in code.asked:
                self.unseen(_modules.BY_VALUE)
            if path.rpartition(".")[2] in code.handed:
                self.refer(value)
            if id(value) in entered:
                continue
            entered.add(id(value))
            home = _homes.of_module(value)
            _modules.watch(value, code.attributes, self.watch)
            if home is None:
                self._extension(value)
                queue.extend(_modules.members(path, value, code.attributes))
            else:
                self.by(home)
                if "." not in path:
                    # What it imports when it is called may not be there yet.
                    is_deep = not code.imports
                    lines += _modules.constants(path, value, code.attributes, is_deep)
                queue.extend(_modules.patches(path, value, code.attributes, entered, self))
        return lines

    def _constants(self, path: str, kind: type, names: set[str]) -> list[str]:
        """Says what an installed class has under the names that are plain data."""

        def ask() -> list[str]:
            return list(_modules.of_class(path, kind, names))

        lines = ask()
        self.watch.answer(ask, lines)
        return lines

    def members(self, members: list[tuple[str, Any]]) -> list[str]:
        """Says what something has under its names."""
        return [f"{name} = {self.refer(value)}" for name, value in members]

    def _class(self, kind: type) -> list[str]:
        self.by_module(kind.__module__)
        lines = [f"base {self.refer(base)}" for base in kind.__bases__]
        lines.append(f"of {self.refer(type(kind))}")
        return lines + self.members(self._values.of_class(kind))


def _installed(kind: type) -> tuple[str, list[_homes.Home], Found]:
    """Returns all that is asked of a class that a package stands for."""
    return called(kind), _homes.stands_for(kind), _homes.replaced(kind)


def _is_steady(value: Any) -> bool:
    """Says whether an annotation is nothing that could change."""
    if isinstance(value, type):
        return bool(value.__flags__ & _homes.IMMUTABLE)
    return scalar(value) is not None
