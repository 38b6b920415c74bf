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

# So long a name may be on the usual systems of files.
LONGEST = 255
# Numbers of so many bits can always be written down.
_SHORT = 2000


def text(value: object, what: str) -> str:
    """Returns a text that keys and records can hold."""
    if not isinstance(value, str):
        raise UsageError(f"{what} is {value!r}, and takes a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is {value!r}, which cannot be written as UTF-8") from None
    return value


def word(value: object, what: str) -> str:
    """Returns a path or a word as a text that the system can be given."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise UsageError(f"{what} is {value!r}, and takes a path or a text")
    decoded = os.fsdecode(value)
    try:
        os.fsencode(decoded)
    except UnicodeEncodeError:
        raise UsageError(f"{what} is {decoded!r}, which the system cannot be given") from None
    return decoded


def path(value: object, what: str) -> str:
    """Returns a path as it was typed; bytes are none."""
    if not isinstance(value, (str, os.PathLike)):
        hint = "give it as `str` or `Path`"
        raise UsageError(f"{what} is {value!r}, and takes a path", hint=hint)
    typed = word(value, what)
    if "\0" in typed:
        raise UsageError(f"{what} is no path: it holds a NUL")
    return typed


def truth(value: object, what: str) -> bool:
    """Returns a truth value; what is only taken for one may have been meant otherwise."""
    if not isinstance(value, bool):
        raise UsageError(f"{what} is {value!r}, and takes `True` or `False`")
    return value


def mapping(value: Any, what: str) -> Mapping[Any, Any]:
    """Returns a mapping, an empty one for `None`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} is {value!r}, and takes a mapping")
    return value


def texts(value: Mapping[str, str] | None, what: str) -> dict[str, str]:
    """Returns names with texts."""
    return {
        text(name, f"a name in `{what}`"): text(tag, f"`{what}[{name!r}]`")
        for name, tag in mapping(value, f"`{what}`").items()
    }


def paths(value: Paths | None) -> list[str]:
    """Returns one path or many as a list."""
    if isinstance(value, (str, bytes, os.PathLike)):
        value = [value]
    return [word(one, "a path") for one in _many(value, "paths")]


def names(value: str | Iterable[str] | None) -> list[str]:
    """Returns one name or many as a list."""
    many: Iterable[Any] = [value] if isinstance(value, str) else _many(value, "names")
    return [word(name, "a name") for name in many]


def _many(value: Any, what: str) -> Iterable[Any]:
    if value is None:
        return ()
    if not isinstance(value, Iterable):
        raise UsageError(f"{value!r} stands where {what} are asked for")
    return value


def variables(value: Mapping[str, str | None] | str | Iterable[str] | None) -> list[str]:
    """Returns variables as `NAME` and `NAME=VALUE`."""
    if isinstance(value, Mapping):
        value = [name if text is None else f"{name}={text}" for name, text in value.items()]
    return names(value)


def tags(flag: str, value: Mapping[str, str] | None) -> list[str]:
    """Returns names with texts as `NAME=TEXT`."""
    return names(
        f"{_name(flag, name)}={text}" for name, text in mapping(value, f"`{flag}`").items()
    )


def params(value: Mapping[str, Any] | None) -> list[str]:
    """Returns names with typed data as `NAME=JSON`."""
    return [
        f"{_name('params', name)}={as_json(data, f'params[{name!r}]')}"
        for name, data in mapping(value, "`params`").items()
    ]


def _name(flag: str, name: object) -> str:
    named = text(name, f"a name in `{flag}`")
    if not named or "=" in named:
        raise UsageError(f"`{named}` of `{flag}` is not a name")
    return named


def as_json(data: Any, where: str) -> str:
    """Returns data as JSON: `None`, truth values, numbers, texts, lists and mappings of them."""
    try:
        _check(data, where)
        return json.dumps(data, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise UsageError(
            f"`{where}` is nested too deep to be written down", hint="does it contain itself?"
        ) from None


def _check(data: Any, where: str) -> None:
    # What only behaves like a text or a number, such as an enumeration, would come back as another.
    if data is None or type(data) is bool:
        return
    if type(data) is int:
        short(data, where)
        return
    if type(data) is str:
        try:
            data.encode()
        except UnicodeEncodeError:
            raise UsageError(f"`{where}` is a text that cannot be written as UTF-8") from None
        return
    if type(data) is float:
        finite(data, where)
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


def finite(number: float, where: str) -> float:
    """Returns a number that JSON has a form for."""
    if not math.isfinite(number):
        raise UsageError(f"`{where}` is {number}, which has no place in a key")
    return number


def short(number: int, where: str) -> int:
    """Returns a number that Python writes down, which it refuses with very long ones."""
    if number.bit_length() > _SHORT:
        try:
            str(number)
        except ValueError as error:
            raise UsageError(f"`{where}` cannot be written down: {error}") from None
    return number


def duration(value: str | float | timedelta | None) -> str | None:
    """Returns a duration as a word; a number is seconds."""
    if value is None:
        return value
    if isinstance(value, str):
        return text(value, "a duration")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number and not hasattr(value, "total_seconds"):
        raise UsageError(f"{value!r} is no duration")
    seconds = value if isinstance(value, (int, float)) else value.total_seconds()
    if not math.isfinite(seconds) or seconds < 0:
        raise UsageError(f"{value!r} is no duration")
    return f"{round(seconds * 1000)}ms"
