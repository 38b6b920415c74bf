"""Plain data as texts that differ where the data does.

Owns the form of single values, and what classes are called; what contains others is `_values`'s.
Invariant: no text depends on where a value lies, on the order of a set, or on anything but the
value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Longer bytes count by their digest.
_LONG = 256


def _bytes(value: bytes) -> str:
    return f"bytes {value!r}" if len(value) <= _LONG else f"bytes {digest(value)}"


_FORMS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "None",
    type(...): lambda _: "Ellipsis",
    type(NotImplemented): lambda _: "NotImplemented",
    bool: lambda value: f"bool {value}",
    # Python refuses to write long numbers in tens.
    int: lambda value: f"int {value:x}",
    float: lambda value: f"float {value!r}",
    complex: lambda value: f"complex {value!r}",
    str: lambda value: f"str {value!r}",
    bytes: _bytes,
    range: lambda value: f"range {value.start:x} {value.stop:x} {value.step:x}",
}


def scalar(value: Any) -> str | None:
    """Returns a value that contains no other as a text; `None` for all else."""
    form = _FORMS.get(type(value))
    return None if form is None else form(value)


def constant(value: Any) -> str:
    """Returns a constant of compiled code, in which only tuples and frozen sets contain others."""
    kind = type(value)
    if kind is tuple:
        return f"tuple ({', '.join(map(constant, value))})"
    if kind is frozenset:
        return f"frozenset ({', '.join(sorted(map(constant, value)))})"
    return scalar(value) or f"{kind.__name__} {value!r}"


def known_as(module: object) -> str:
    """Returns the name of a module, which is one for a script and for workers that it starts."""
    return "__main__" if module == "__mp_main__" else str(module)


def called(kind: type) -> str:
    """Returns the name of a class, with its module."""
    return f"{known_as(kind.__module__)}.{kind.__qualname__}"


def member(kind: type, name: str) -> Any:
    """Returns what a class has by a name, as it is: nothing is bound; `None` if it has none."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def digest(data: Any) -> str:
    """Returns the digest of a text, of bytes, or of any buffer."""
    import hashlib

    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()
