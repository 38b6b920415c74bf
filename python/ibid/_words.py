"""Values of a call as the words of the command line, which one reader understands for both.

Owns how Python's types become words: paths, names with values, durations, JSON. Whatever has no
plain form is refused, and never turned into its `repr`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ibid._errors import UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    StrPath = str | os.PathLike[str]
    Paths = StrPath | Iterable[StrPath]


def paths(value: Paths | None) -> list[str]:
    """Returns one path or many as a list."""
    if value is None:
        return []
    if isinstance(value, (str, bytes, os.PathLike)):
        value = [value]
    return [os.fsdecode(path) for path in value]


def names(value: str | Iterable[str] | None) -> list[str]:
    """Returns one name or many as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def variables(value: Mapping[str, str | None] | str | Iterable[str] | None) -> list[str]:
    """Returns variables as `NAME` and `NAME=VALUE`."""
    if isinstance(value, Mapping):
        return [name if text is None else f"{name}={text}" for name, text in value.items()]
    return names(value)


def tags(flag: str, value: Mapping[str, str] | None) -> list[str]:
    """Returns names with texts as `NAME=TEXT`."""
    return [f"{_name(flag, name)}={text}" for name, text in (value or {}).items()]


def params(value: Mapping[str, Any] | None) -> list[str]:
    """Returns names with typed data as `NAME=JSON`."""
    return [
        f"{_name('params', name)}={as_json(data, f'params[{name!r}]')}"
        for name, data in (value or {}).items()
    ]


def _name(flag: str, name: str) -> str:
    if not name or "=" in name:
        raise UsageError(f"`{name}` of `{flag}` is not a name")
    return name


def as_json(data: Any, where: str) -> str:
    """Returns data as JSON: `None`, truth values, numbers, texts, lists and mappings of them."""
    _check(data, where)
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _check(data: Any, where: str) -> None:
    # What only behaves like a text or a number, such as an enumeration, would come back as another.
    if data is None or type(data) in (bool, int):
        return
    if type(data) is str:
        try:
            data.encode()
        except UnicodeEncodeError:
            raise UsageError(f"`{where}` is a text that cannot be written as UTF-8") from None
        return
    if type(data) is float:
        if not math.isfinite(data):
            raise UsageError(f"`{where}` is {data}, which has no place in a key")
        return
    if type(data) in (list, tuple):
        for at, item in enumerate(data):
            _check(item, f"{where}[{at}]")
        return
    if type(data) is dict:
        for name, item in data.items():
            if type(name) is not str:
                raise UsageError(f"the name {name!r} in `{where}` is no text")
            _check(name, f"the name {name!r} in {where}")
            _check(item, f"{where}[{name!r}]")
        return
    raise UsageError(
        f"`{where}` is a `{type(data).__qualname__}`, which has no plain form",
        hint="give what counts of it: a number, a text, a list or a mapping of them",
    )


def duration(value: str | float | timedelta | None) -> str | None:
    """Returns a duration as a word; a number is seconds."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (int, float)) and not hasattr(value, "total_seconds"):
        raise UsageError(f"{value!r} is no duration")
    seconds = value if isinstance(value, (int, float)) else value.total_seconds()
    if not math.isfinite(seconds) or seconds < 0:
        raise UsageError(f"{value!r} is no duration")
    return f"{round(seconds * 1000)}ms"
