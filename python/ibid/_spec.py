"""Specs: what a function is called with, as canonical JSON.

Owns which types have a plain form. Equal data has equal text, whatever the order of names; what
differs for a program differs here: `1` and `1.0`, a text and a number, two classes with equal
fields. Whatever has no plain form is refused by its place.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from ibid._errors import UsageError

_TYPE = "__ibid_type__"


def canonical(spec: Any) -> str:
    """Returns a spec as JSON: data, dataclasses, pydantic models, enumerations, numpy's numbers."""
    return json.dumps(_plain(spec, "spec"), ensure_ascii=False, allow_nan=False, sort_keys=True)


def _plain(value: Any, where: str) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        if not math.isfinite(value):
            raise UsageError(f"`{where}` is {value}, which has no place in a key")
        return value
    if kind in (list, tuple):
        return [_plain(item, f"{where}[{at}]") for at, item in enumerate(value)]
    if kind is dict:
        if _TYPE in value:
            raise UsageError(f"`{where}` has the name `{_TYPE}`, which is taken")
        return {_name(name, where): _plain(v, f"{where}[{name!r}]") for name, v in value.items()}
    return _of_class(value, where)


def _name(name: Any, where: str) -> str:
    if type(name) is not str:
        raise UsageError(f"the name {name!r} in `{where}` is no text")
    return name


def _of_class(value: Any, where: str) -> Any:
    kind = type(value)
    named = f"{kind.__module__}.{kind.__qualname__}"
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return {_TYPE: named, "name": value.name, "value": _plain(value.value, f"{where}.value")}
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is not None:
        of = {name: _plain(getattr(value, name), f"{where}.{name}") for name in fields}
        return {_TYPE: named, "fields": of}
    if callable(getattr(kind, "model_dump", None)):
        return {_TYPE: named, "fields": _plain(value.model_dump(mode="json"), where)}
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        item = value.item()
        if type(item) in (bool, int, float, str):
            return {_TYPE: named, "value": _plain(item, where)}
    raise UsageError(
        f"`{where}` is a `{named}`, which has no plain form",
        hint="give what counts of it: a number, a text, a list or a mapping of them",
    )
