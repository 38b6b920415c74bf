"""What a function consists of: its own code, and that of everything of the project that it names.

Owns what of a function is in its key. The code that is loaded counts, as the interpreter compiled
it: comments, formatting and what stands in an edited file do not; docstrings do. From a function it
goes on to what its code may mean by its names, to its closure and its defaults, to a fixed point
(`_walk`). It ends at what an installed package or the standard library stands for (`_homes`), of
which name, version and recorded files count (`_packages`).

A name is followed wherever it could lead. Too much makes a needless run, too little a false hit.
What has no form is listed in `unseen`: a result that depends on it is not for the store.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from ibid._code._plain import known_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibid._code._watch import Watch


_PYTHON = f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}"


class Code:
    """What a function consists of: texts by label, versions of packages, and what is not seen."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.versions: dict[str, str] = {"python": _PYTHON}
        self.unseen: list[str] = []

    def copy(self) -> Code:
        """Returns the same, to be changed at will."""
        code = Code()
        code.texts, code.versions = dict(self.texts), dict(self.versions)
        code.unseen = list(self.unseen)
        return code

    def digest(self) -> str:
        """Returns one digest of all of it."""
        from ibid._code._plain import digest

        texts = [f"{label} {digest(text)}" for label, text in sorted(self.texts.items())]
        versions = [f"{name} {version}" for name, version in sorted(self.versions.items())]
        return digest("\n".join(texts + versions))


# What was found, where it is as it was.
_known: dict[Any, tuple[Any, Watch, Code]] = {}
_MANY = 256


def of(
    function: Callable[..., Any], /, *, also: Iterable[type] = (), **others: Callable[..., Any]
) -> Code:
    """Returns what a function, a method or any other callable consists of.

    `also` are classes that it is given without naming them, such as those of its spec; `others` are
    functions that have a part in what is stored, each under its role.
    """
    if type(function).__module__ == "ibid._memoize":
        # Another object at each call.
        function = vars(function)["__ibid_code__"]
    roots = {"function": function, **others}
    kinds = list(also)
    if kinds:
        kinds = sorted(set(kinds), key=lambda kind: (kind.__module__, kind.__qualname__))
    asked = (tuple(roots), tuple(map(id, roots.values())), tuple(map(id, kinds)))
    known = _known.get(asked)
    if known is not None and known[1].is_as_it_was():
        return known[2].copy()
    from ibid._code._walk import Walk

    walk = Walk(Code())
    for role, root in roots.items():
        walk.start(f"the {role}", root)
    for kind in kinds:
        walk.start("the classes", kind)
    code = walk.finish()
    if walk.watch.is_steady and not code.unseen:
        if len(_known) >= _MANY:
            _known.clear()
        # What was asked about stays alive, so that its ids are nobody else's.
        _known[asked] = ((roots, kinds), walk.watch, code)
        return code.copy()
    return code


def of_value(value: Any) -> Code:
    """Returns what a value consists of, with the code of its classes and of functions in it."""
    from ibid._code._walk import Walk

    walk = Walk(Code())
    walk.start("the value", value)
    return walk.finish()


def name_of(function: Callable[..., Any]) -> str:
    """Returns what a callable is called."""
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{known_as(named.__module__)}.{named.__qualname__}"
