"""Parameters of tools as canonical JSON: typed, so that nothing can be taken for anything else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from ibid._errors import UsageError
from ibid._spec import _TYPE, Canonical
from ibid.styx._marks import Marks

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True)


def as_json(value: Any) -> str:
    """Returns data that is plain already."""
    return _ENCODER.encode(value)


def text(value: str) -> Any:
    """Returns a text that may stand for bytes that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return {_TYPE: "bytes", "hex": os.fsencode(value).hex()}
    return value


class Params(Canonical):
    """Parameters by name, as JSON. Whatever has no plain form is refused by its place."""

    # They lie in a mapping themselves.
    _depth = 1

    def __init__(self, params: Any, marks: Marks) -> None:
        self.types = []
        self._marks = marks
        if type(params) is not dict:
            raise UsageError(f"the parameters are a `{type(params).__qualname__}`, and no mapping")
        self.text = as_json(self._names(params, "params"))

    def _items(self, value: Iterable[Any], where: str) -> list[Any]:
        # No text stands for itself here: it may name an input.
        return [self._plain(item, f"{where}[{at}]") for at, item in enumerate(value)]

    def _names(self, value: dict[Any, Any], where: str) -> dict[str, Any]:
        if _TYPE in value:
            raise UsageError(f"`{where}` has the name `{_TYPE}`, which is taken")
        plain = {}
        for name, item in value.items():
            if type(name) is not str or text(name) is not name:
                raise UsageError(f"the name {name!r} in `{where}` is no text")
            plain[name] = self._plain(item, f"{where}[{name!r}]")
        return plain

    def _plain(self, value: Any, where: str) -> Any:
        if type(value) is str or isinstance(value, PurePath):
            return self._marked(os.fspath(value))
        if type(value) is tuple:
            # What a wrapper is given as either is a list for the tool.
            return self._items(value, where)
        return super()._plain(value, where)

    def _marked(self, value: str) -> Any:
        """Returns a text in which inputs are named by their positions."""
        parts = [text(it) if isinstance(it, str) else it for it in self._marks.parts(value)]
        if len(parts) == 1 and not isinstance(parts[0], int):
            return parts[0]
        return {_TYPE: "input", "parts": parts}
