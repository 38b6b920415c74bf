"""What a walk looked at, so that the next one need not go where nothing has changed.

Owns when a walk may be remembered: where all that it reached was functions, numbers, texts, and
what is built into Python. Those are compared by identity, at the places where they were looked up,
names that were not there included. An identical number or text is the same one, since nobody can
change it; whatever could change without being another object, such as a list, an instance or a
class of the project, ends it. What a walk asks of an installed class is little, so it is asked
again. Invariant: what is doubted in any way is walked again.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibid._code._packages import Package

_NOTHING = object()


class Watch:
    """The places that one walk looked at."""

    def __init__(self) -> None:
        self.is_steady = True
        self._names: list[tuple[dict[str, Any], str, Any]] = []
        self._codes: list[tuple[types.FunctionType, types.CodeType]] = []
        self._functions: list[tuple[types.FunctionType, Any, Any, int]] = []
        self._cells: list[tuple[types.CellType, Any]] = []
        self._packages: list[Package] = []
        self._answers: list[tuple[Callable[[], Any], Any]] = []

    def end(self) -> None:
        """Notes something that may change and be the same object."""
        self.is_steady = False

    def name(self, namespace: dict[str, Any], name: str) -> None:
        """Notes that a name was looked up."""
        self._names.append((namespace, name, namespace.get(name, _NOTHING)))

    def code(self, function: types.FunctionType) -> None:
        """Notes that a package stood for a function."""
        self._codes.append((function, function.__code__))

    def function(self, function: types.FunctionType) -> None:
        """Notes that a function was looked at."""
        self.code(function)
        if function.__kwdefaults__ or function.__dict__ or sys.version_info >= (3, 14):
            self.end()
            return
        annotations = function.__annotations__
        self._functions.append((function, function.__defaults__, annotations, len(annotations)))
        for name in annotations:
            self.name(annotations, name)

    def cell(self, cell: types.CellType, value: Any) -> None:
        """Notes what a function closes over."""
        self._cells.append((cell, value))

    def package(self, package: Package) -> None:
        """Notes that a package stood for something."""
        self._packages.append(package)

    def answer(self, ask: Callable[[], Any], answer: Any) -> None:
        """Notes what came of a question, which asks for nothing that is not in the answer."""
        self._answers.append((ask, answer))

    def is_as_it_was(self) -> bool:
        """Says whether a walk would come to the same."""
        for namespace, name, value in self._names:
            if namespace.get(name, _NOTHING) is not value:
                return False
        for function, code in self._codes:
            if function.__code__ is not code:
                return False
        for function, defaults, named, count in self._functions:
            if function.__defaults__ is not defaults or function.__kwdefaults__:
                return False
            if function.__dict__ or function.__annotations__ is not named or len(named) != count:
                return False
        for cell, value in self._cells:
            try:
                if cell.cell_contents is not value:
                    return False
            except ValueError:
                return False
        if not all(package.doubt() is None for package in self._packages):
            return False
        try:
            return all(ask() == answer for ask, answer in self._answers)
        except Exception:  # Strangers' code was asked, and may raise whatever it likes.
            return False
