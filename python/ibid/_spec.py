"""Specs: what a function is called with, as canonical JSON.

Owns which types have a plain form. Equal data has equal text, whatever the order of names; what
differs for a program differs here: `1` and `1.0`, a text and a number, a list and a tuple, two
classes with equal fields. Whatever has no plain form, or holds more than its form would say, is
refused by its place. No object is asked to describe itself, since what it says of itself may leave
things out.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import types
from typing import TYPE_CHECKING, Any

from ibid import _words
from ibid._code._plain import called, member
from ibid._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TYPE = "__ibid_type__"

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True)

# What stands for itself. Most of a spec is, so its place is not even put into words.
_PLAIN = frozenset((type(None), bool, int, str))

# How deep a spec may nest: what is deeper contains itself, and could not be written down.
_DEEP = 64


class Canonical:
    """A spec as JSON, and the classes of what is in it: who is called with it calls their code."""

    _plain_types = _PLAIN
    _depth = 0

    def __init__(self, spec: Any) -> None:
        self.types: list[type] = []
        try:
            self.text = _ENCODER.encode(self._plain(spec, "spec"))
        except UsageError:
            raise
        except ValueError:
            # A number is too long for Python to write it down. Which, is only asked then.
            self._plain_types = _PLAIN - {int}
            self._depth = 0
            self._plain(spec, "spec")
            raise
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            near = error.object[max(0, error.start - 20) : error.end]
            raise UsageError(f"the spec has {near!r}, which cannot be written as UTF-8") from None

    def _plain(self, value: Any, where: str) -> Any:
        kind = type(value)
        if kind in self._plain_types:
            return value
        if kind is float:
            return _words.finite(value, where)
        if kind is int:
            return _words.short(value, where)
        if self._depth == _DEEP:
            raise UsageError(
                f"`{where[:40]}…` lies more than {_DEEP} deep", hint="does it contain itself?"
            )
        self._depth += 1
        if kind is list:
            plain: Any = self._items(value, where)
        elif kind is dict:
            plain = self._names(value, where)
        else:
            plain = self._of_class(value, where)
        self._depth -= 1
        return plain

    def _items(self, value: Iterable[Any], where: str) -> list[Any]:
        plain_types = self._plain_types
        return [
            item if type(item) in plain_types else self._plain(item, f"{where}[{at}]")
            for at, item in enumerate(value)
        ]

    def _names(self, value: dict[Any, Any], where: str) -> dict[str, Any]:
        if _TYPE in value:
            raise UsageError(f"`{where}` has the name `{_TYPE}`, which is taken")
        plain, plain_types = {}, self._plain_types
        for name, item in value.items():
            if type(name) is not str:
                raise UsageError(f"the name {name!r} in `{where}` is no text")
            is_plain = type(item) in plain_types
            plain[name] = item if is_plain else self._plain(item, f"{where}[{name!r}]")
        return plain

    def _of_class(self, value: Any, where: str) -> dict[str, Any]:
        kind = type(value)
        for form_of in (
            self._builtin,
            self._enumeration,
            self._dataclass,
            self._model,
            self._named_tuple,
            _number_of_numpy,
            _leaf,
        ):
            form = form_of(value, where)
            if form is not None:
                return {_TYPE: called(kind), **form}
        raise UsageError(
            f"`{where}` is a `{called(kind)}`, which has no plain form",
            hint="give what counts of it: a number, a text, a list or a mapping of them",
        )

    def _builtin(self, value: Any, where: str) -> dict[str, Any] | None:
        kind = type(value)
        if kind is tuple:
            return {"items": self._items(value, where)}
        if kind in (set, frozenset):
            return {"items": sorted(self._items(value, where), key=_ENCODER.encode)}
        if kind is bytes:
            return {"hex": value.hex()}
        if kind is complex:
            return {"parts": [_words.finite(part, where) for part in (value.real, value.imag)]}
        return None

    def _enumeration(self, value: Any, where: str) -> dict[str, Any] | None:
        enum = sys.modules.get("enum")
        if enum is None or not isinstance(value, enum.Enum):
            return None
        self._meet(type(value), where)
        form = {"name": value.name, "value": self._plain(value.value, f"{where}.value")}
        # What it was given by its class, or since then; names such as `_name_` are Python's.
        more = {
            name: self._plain(item, f"{where}.{name}")
            for name, item in _more(value, ()).items()
            if not (name.startswith("_") and name.endswith("_"))
        }
        return {**form, "more": more} if more else form

    def _dataclass(self, value: Any, where: str) -> dict[str, Any] | None:
        if not hasattr(type(value), "__dataclass_fields__"):
            return None
        import dataclasses

        self._meet(type(value), where)
        _refuse_data(value, where)
        names = [field.name for field in dataclasses.fields(value)]
        _refuse_more(value, names, where)
        return {"fields": self._fields(value, names, where)}

    def _model(self, value: Any, where: str) -> dict[str, Any] | None:
        fields = getattr(type(value), "model_fields", None)
        if not isinstance(fields, dict) or not hasattr(value, "__pydantic_fields_set__"):
            return None
        self._meet(type(value), where)
        _refuse_data(value, where)
        extra = getattr(value, "__pydantic_extra__", None) or {}
        private = getattr(value, "__pydantic_private__", None) or {}
        _refuse_more(value, [*fields, *extra], where)
        return {
            "fields": self._fields(value, [*fields, *extra], where),
            "private": {name: self._plain(v, f"{where}.{name}") for name, v in private.items()},
        }

    def _named_tuple(self, value: Any, where: str) -> dict[str, Any] | None:
        names = getattr(type(value), "_fields", None)
        if not isinstance(value, tuple) or names is None:
            return None
        self._meet(type(value), where)
        _refuse_more(value, [], where)
        if len(value) != len(names):
            raise UsageError(f"`{where}` has {len(value)} items, and names for {len(names)}")
        return {"fields": self._fields(value, names, where)}

    def _fields(self, value: Any, names: Iterable[str], where: str) -> dict[str, Any]:
        given = {}
        for name in names:
            if not hasattr(value, name):
                raise UsageError(f"`{where}.{name}` was never set")
            given[name] = self._plain(getattr(value, name), f"{where}.{name}")
        return given

    def _meet(self, kind: type, where: str) -> None:
        """Notes a class. In the text it stands by its name, so that has to be nobody else's."""
        if kind in self.types:
            return
        if called(kind) in map(called, self.types):
            raise UsageError(
                f"`{where}` is of another class than what came before it, also a `{called(kind)}`",
                hint="give classes names of their own, or make the objects anew of one of them",
            )
        self.types.append(kind)


def _refuse_data(value: Any, where: str) -> None:
    """Refuses an object that is data besides its fields, such as a list with fields."""
    for base in type(value).__mro__[:-1]:
        # What is made by other means than code of Python may hold what no name shows.
        if isinstance(vars(base).get("__new__"), types.BuiltinFunctionType):
            raise UsageError(
                f"`{where}` is a `{called(type(value))}`, which has fields and is a "
                f"`{base.__qualname__}` besides",
                hint="make what it is one of its fields, or give what counts as plain data",
            )


def _refuse_more(value: Any, names: Iterable[str], where: str) -> None:
    """Refuses an object that holds more than its fields, which a function might read."""
    for name in _more(value, names):
        raise UsageError(
            f"`{where}` is a `{called(type(value))}` and has `{name}`, which is none of its fields",
            hint="make it a field, or give what counts as plain data",
        )


def _more(value: Any, names: Iterable[str]) -> dict[str, Any]:
    """Returns what an object holds besides, by name."""
    kind = type(value)
    held = dict(getattr(value, "__dict__", ()))
    for base in kind.__mro__:
        for name, slot in vars(base).items():
            if type(slot) is not types.MemberDescriptorType:
                continue
            # A slot goes by the name that it has in the class, not by that which it was given:
            # Python changes private ones. Two classes may each have one of the same name.
            is_hidden = member(kind, name) is not slot
            with contextlib.suppress(AttributeError):
                held[f"{base.__qualname__}.{name}" if is_hidden else name] = slot.__get__(value)
    more = set(held).difference(names)
    return {
        name: held[name]
        for name in sorted(more)
        # What is computed from the fields, and kept, says nothing new.
        if not isinstance(getattr(kind, name, None), functools.cached_property)
        and not (name.startswith("__") and name.endswith("__"))
    }


def _number_of_numpy(value: Any, where: str) -> dict[str, Any] | None:
    """Returns the form of a scalar, or of an array without dimensions.

    Its type belongs to it: one wraps around at 256, and another does not. What has a unit, or is
    wider than a number of Python, has none.
    """
    if type(value).__module__ != "numpy" or getattr(value, "ndim", None) != 0:
        return None
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "kind", None) not in tuple("biufU"):
        return None
    item = value.item()
    if type(item) is float:
        _words.finite(item, where)
    return {"dtype": str(dtype), "value": item} if type(item) in (bool, int, float, str) else None


def _leaf(value: Any, where: str) -> dict[str, Any] | None:
    """Returns the form of a value whose text says all of it."""
    kind = type(value)
    write = _LEAVES.get((kind.__module__.partition(".")[0], kind.__name__))
    if write is None:
        return None
    try:
        return {"text": write(value)}
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"`{where}` cannot be written down: {error}") from None


def _moment(value: Any) -> str:
    return f"{value.isoformat()} {_zone(value)} {value.fold}"


def _zone(value: Any) -> str:
    """Says what a time zone is: two that go by one name may have different rules."""
    import datetime

    zone = value.tzinfo
    if zone is None:
        return "without a zone"
    if type(zone) is datetime.timezone:
        return f"at {zone.utcoffset(None)!r} called {zone.tzname(None)!r}"
    zoneinfo = sys.modules.get("zoneinfo")
    if zoneinfo is None or type(zone) is not zoneinfo.ZoneInfo:
        raise UsageError(f"the time zone of `{value}` is a `{called(type(zone))}`, without a form")
    try:
        zone.__reduce__()
    except Exception:
        # Only one that was made of its key can be made again of it.
        raise UsageError(
            f"the time zone of `{value}` was read from a file, which its name says nothing of",
            hint="`zoneinfo.ZoneInfo(key)` makes one that is known by its key",
        ) from None
    return f"in {zone.key!r}"


_LEAVES: dict[tuple[str, str], Callable[[Any], str]] = {
    ("datetime", "datetime"): _moment,
    ("datetime", "time"): _moment,
    ("datetime", "date"): str,
    ("datetime", "timedelta"): repr,
    ("decimal", "Decimal"): str,
    ("fractions", "Fraction"): str,
    ("uuid", "UUID"): str,
    ("ipaddress", "IPv4Address"): str,
    ("ipaddress", "IPv6Address"): str,
    ("pathlib", "PosixPath"): str,
    ("pathlib", "PurePosixPath"): str,
    ("pydantic", "AnyUrl"): str,
    ("pydantic", "HttpUrl"): str,
    ("pydantic_core", "Url"): str,
}
