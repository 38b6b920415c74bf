"""Values that a function reaches, as texts that differ where the values do.

Owns the form of containers, of instances and of what classes have. An instance is what it would be
made of again: what it says when it is pickled, without pickling it. Code in it stands by its label,
what was met before by a number, so that what is shared, or contains itself, is told from what is
merely equal. Invariants: nothing is asked of a value that its class does not define; a value whose
state cannot be had is unseen, and never nothing.
"""

from __future__ import annotations

import sys
import threading
import types
import weakref
from typing import TYPE_CHECKING, Any

from ibid._code import _homes, _tables
from ibid._code._compiled import compiled
from ibid._code._plain import called, digest, known_as, member, scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibid._code._walk import Walk

# How deep texts nest before a value gets a text of its own.
_DEEP = 24

# Values of these types have no form, and change nothing that is computed.
_HARMLESS = {
    "_abc._abc_data",
    "_thread.RLock",
    "_thread.lock",
    "concurrent.futures.process.ProcessPoolExecutor",
    "concurrent.futures.thread.ThreadPoolExecutor",
}
# Whether two of these are one object makes no difference to anybody.
_UNCHANGING = {"decimal.Decimal", "fractions.Fraction", "uuid.UUID"}
_UNCHANGING |= {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta")}
_UNCHANGING |= {
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
}
# The generators of random numbers that a process has without being asked.
_GENERATORS = [("random", "_inst"), ("numpy.random.mtrand", "_rand")]
# What classes keep of themselves that follows from all else, or that Python and others note.
_PASSED = {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__slotnames__"}
_PASSED |= {"__static_attributes__", "__annotations_cache__", "__annotate_func__"}
_PASSED |= {"__signature__", "_value2member_map_", "__abstractmethods__"}
_COPIED = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__wrapped__"}
# Of what pydantic keeps in a class these say what it is; the rest is made of them, and differs in
# each process.
_PYDANTIC = {"__pydantic_decorators__", "__pydantic_fields__", "__pydantic_config__"}
# What attrs, pandas and enumerations note down of what follows from all else.
_KEPT = {"_attrs_cached_hash"}
_KEPT_BY = {"pandas": {"_item_cache", "_cacher", "_is_copy"}, "enum": {"_inverted_"}}
_DERIVED: dict[str, set[str]] = {
    "pydantic._internal._decorators.Decorator": {"cls_ref"},
    "pydantic.type_adapter.TypeAdapter": {"core_schema", "validator", "serializer"},
    "pydantic._internal._validate_call.ValidateCallWrapper": {
        "__pydantic_validator__",
        "__return_pydantic_validator__",
        "ns_resolver",
    },
}

_DESCRIPTORS = (
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)


class Values:
    """The values of one walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        # What has a number stays alive, so that no other gets its id.
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._depth = 0

    def inline(self, value: Any) -> str:
        """Returns what a value is, in one line."""
        known = self._numbers.get(id(value))
        if known is not None:
            return f"again {known[0]}"
        if self._depth > _DEEP:
            self._depth, depth = 0, self._depth
            label = self._walk.label(called(type(value)), value, lambda: [self.inline(value)])
            self._depth = depth
            return label
        self._depth += 1
        try:
            return self._form(value)
        except Exception as error:  # Whatever a stranger's class raises: it has no form then.
            return self._unseen(value, f"{type(error).__name__}")
        finally:
            self._depth -= 1

    def _form(self, value: Any) -> str:
        kind = type(value)
        if kind is tuple or kind is frozenset:
            texts = [scalar(item) for item in value]
            if None not in texts:
                found = filter(None, texts)
                return f"{kind.__name__} ({', '.join(found if kind is tuple else sorted(found))})"
        if called(kind) not in _UNCHANGING:
            self._numbers[id(value)] = (len(self._numbers), value)
        form = _CONTAINERS.get(kind)
        if form is not None:
            return form(self, value)
        for base, special in _SPECIAL:
            if issubclass(kind, base):
                return special(self, value)
        return self._instance(value)

    def _all(self, items: Iterable[Any]) -> str:
        refer = self._walk.refer
        return ", ".join([scalar(item) or refer(item) for item in items])

    def _sequence(self, value: Any) -> str:
        return f"{type(value).__name__} ({self._all(list(value))})"

    def _set(self, value: Any) -> str:
        items = list(value)
        texts = [scalar(item) for item in items]
        if None in texts:
            texts = [self._walk.refer(item) for item in sorted(items, key=_shape)]
        else:
            texts.sort(key=str)
        return f"{type(value).__name__} ({', '.join(filter(None, texts))})"

    def _mapping(self, value: Any) -> str:
        return f"{type(value).__name__} ({self._pairs(items(value))})"

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> str:
        refer = self._walk.refer
        return ", ".join([f"{refer(name)}: {refer(item)}" for name, item in pairs])

    def _method(self, value: types.MethodType) -> str:
        return f"method {self._walk.refer(value.__func__)} of {self._walk.refer(value.__self__)}"

    def _builtin(self, value: types.BuiltinFunctionType) -> str:
        bound = value.__self__
        if bound is None or isinstance(bound, types.ModuleType):
            module = bound.__name__ if bound is not None else value.__module__
            self._walk.by_module(module)
            return f"builtin {known_as(module)}.{value.__qualname__}"
        around = vars(sys.modules.get(value.__module__ or type(bound).__module__, types))
        if around.get(value.__name__) is value:
            # Such as `random.random`, whose state is Python's.
            return f"installed {value.__qualname__}"
        return f"builtin {value.__qualname__} of {self._walk.refer(bound)}"

    def _wrapper(self, value: Any) -> str:
        # It has copies of what the function says of itself.
        own = {name: item for name, item in vars(value).items() if name not in _COPIED}
        parts = [self._walk.refer(value.__func__), *([self._walk.refer(own)] if own else [])]
        return f"{called(type(value))} ({', '.join(parts)})"

    def _property(self, value: property) -> str:
        parts = [self._walk.refer(part) for part in (value.fget, value.fset, value.fdel)]
        return f"{called(type(value))} ({', '.join(parts)}) {self._dict(value)}"

    def _reference(self, value: Any) -> str:
        return f"a weak reference to {self._walk.refer(value())}"

    def _code(self, value: types.CodeType) -> str:
        # Whoever runs it looks its names up somewhere.
        found = compiled(value)
        self._walk.look_up(found.globals | found.attributes)
        return found.form

    def _cell(self, value: types.CellType) -> str:
        try:
            return f"a cell of {self._walk.refer(value.cell_contents)}"
        except ValueError:
            return "an empty cell"

    def _buffer(self, value: Any) -> str:
        view = memoryview(value)
        text = f"{view.format} {view.shape}"
        return f"buffer {text} {digest(view if view.c_contiguous else view.tobytes())}"

    def _local(self, value: threading.local) -> str:
        return f"{self._walk.refer(type(value))} with {self._walk.refer(vars(value))}"

    def _dict(self, value: Any) -> str:
        state = _homes.attributes_of(value)
        return f"with {self._walk.refer(dict(state))}" if state else ""

    def _instance(self, value: Any) -> str:
        kind = type(value)
        name = called(kind)
        if _is_harmless(value, name):
            return f"a {name}"
        if _homes.is_own(kind):
            # What ibid makes of functions computes what they do.
            return f"a {name} of {self._walk.refer(getattr(value, '__ibid_code__', None))}"
        special = _OPAQUE.get(name)
        if special is not None:
            return f"a {name} of {self._walk.refer(special(value))}"
        of = self._walk.refer(kind)
        try:
            reduced = _reduced(value)
        except Exception:
            return self._opaque(value, of)
        if isinstance(reduced, str):
            return f"{of} {self._named(value, reduced)}"
        state = reduced[2] if len(reduced) > 2 else None
        return f"{of} {self._made(kind, reduced)}{self._more(value, kind, state)}"

    def _named(self, value: Any, name: str) -> str:
        """Says what is pickled as a name is: it has to be what the name leads to."""
        module = getattr(value, "__module__", None) or type(value).__module__
        self._walk.by_module(module)
        held = self._dict(value)
        if not held and not _homes.leads(sys.modules.get(str(module)), name, value):
            return self._unseen(value, "no form")
        return f"named {known_as(module)}.{name} {held}"

    def _made(self, kind: type, reduced: tuple[Any, ...]) -> str:
        make, arguments, state, listed, mapped = (*reduced, None, None, None)[:5]
        parts = []
        if getattr(make, "__name__", "") == "__newobj__" and arguments and arguments[0] is kind:
            arguments = arguments[1:]
        else:
            parts.append(f"by {self._walk.refer(make)}")
        if arguments:
            parts.append(f"of ({self._all(arguments)})")
        if state is not None:
            parts.append(f"state {self._state(kind, state)}")
        if listed is not None:
            parts.append(f"items ({self._all(list(listed))})")
        if mapped is not None:
            parts.append(f"pairs ({self._pairs(list(mapped))})")
        return " ".join(parts)

    def _more(self, value: Any, kind: type, state: Any = None) -> str:
        """Says what an object has that it would be made again without."""
        more = _left_out(value, kind, state)
        if isinstance(value, BaseException) and value.__cause__ is not None:
            more["__cause__"] = value.__cause__
        return f" and also ({self._pairs(sorted(more.items()))})" if more else ""

    def _state(self, kind: type, state: Any) -> str:
        derived = _DERIVED.get(called(kind), set()) | _KEPT
        halves = _halves(state)
        if not all(half is None or type(half) is dict for half in halves):
            return self._walk.refer(state)
        pairs = [[pair for pair in items(half or {}) if pair[0] not in derived] for half in halves]
        return " and ".join(f"({self._pairs(half)})" for half in pairs)

    def _opaque(self, value: Any, of: str) -> str:
        """Says as much as can be had of a value that cannot be made again."""
        parts = [of, self._dict(value)]
        for base in (dict, list, tuple, set, frozenset):
            if isinstance(value, base):
                parts.append(_CONTAINERS[base](self, base(value)))
        parts.append(self._unseen(value, "no form"))
        return " ".join(parts)

    def _unseen(self, value: Any, why: str) -> str:
        name = called(type(value))
        self._walk.unseen(f"a `{name}`")
        return f"a {name} ({why})"

    def of_class(self, kind: type) -> list[tuple[str, Any]]:
        """Returns what a class has that says what it is."""
        members = []
        for name, value in items(vars(kind)):
            is_pydantic = name.startswith("__pydantic_") and name not in _PYDANTIC
            if name == "__doc__" and _is_generated(kind, value):
                continue
            if name not in _PASSED and not is_pydantic and not isinstance(value, _DESCRIPTORS):
                members.append((name, value))
        if "__annotate_func__" in vars(kind):
            members.append(("__annotate_func__", vars(kind)["__annotate_func__"]))
        registered = _registered(kind)
        return [*members, ("registered", registered)] if registered else members


def items(mapping: Any) -> list[tuple[Any, Any]]:
    """Returns what is in a mapping that another thread may be writing to."""
    for _ in range(9):
        try:
            return list(mapping.items())
        except RuntimeError:
            continue
    return list(mapping.copy().items())


def _reduced(value: Any) -> Any:
    """Returns what pickling would write."""
    import copyreg

    kind = type(value)
    registered = copyreg.dispatch_table.get(kind)
    if registered is not None:
        return registered(value)
    # Protocol 5 hands out large buffers as they are.
    return value.__reduce_ex__(5)


def _halves(state: Any) -> tuple[Any, ...]:
    """Returns what an object has by name, and what it has in slots."""
    return state if type(state) is tuple and len(state) == 2 else (state,)


def _left_out(value: Any, kind: type, state: Any) -> dict[str, Any]:
    """Returns what the project put into an object and the pickling that it inherits leaves out."""
    if _is_pickled_whole(kind) or _homes.stands_for(kind):
        return {}
    halves = [half for half in _halves(state) if type(half) is dict]
    held = _homes.attributes_of(value)
    given = {name for half in halves for name in half}
    if any(item is held for half in halves for item in half.values()):
        given.update(held)
    more = dict(items(held))
    for base in kind.__mro__:
        # What an installed class keeps in slots is what it is pickled as, or follows from that.
        slots = [] if _homes.stands_for(base) else items(vars(base))
        for name, slot in slots:
            if type(slot) is types.MemberDescriptorType:
                try:
                    more.setdefault(name, slot.__get__(value, kind))
                except AttributeError:
                    continue
    kept = {name for name in more if type(member(kind, name)).__name__ == "cached_property"}
    for base in kind.__mro__:
        kept |= _KEPT_BY.get(base.__module__.partition(".")[0], _KEPT)
    return {name: more[name] for name in more.keys() - given - kept - _KEPT}


def _is_pickled_whole(kind: type) -> bool:
    """Says whether it is pickled with all that it has, or as the project wants it."""
    members = [member(kind, name) for name in ("__reduce_ex__", "__reduce__")]
    if members == [object.__reduce_ex__, object.__reduce__]:
        members = [member(kind, "__getstate__")]
        if members == [object.__getstate__]:
            return True
    return any(map(_homes.is_foreign, members))


def _is_harmless(value: Any, name: str) -> bool:
    if name in _HARMLESS:
        return True
    for module, variable in _GENERATORS:
        if module in sys.modules and vars(sys.modules[module]).get(variable) is value:
            return True
    logging, io = sys.modules.get("logging"), sys.modules["io"]
    if logging and isinstance(value, (logging.Filterer, logging.LoggerAdapter)):
        return not _homes.is_foreign(type(value))
    if isinstance(value, io.IOBase) and not isinstance(value, (io.StringIO, io.BytesIO)):
        # What is only written to changes nothing that is computed.
        is_out = value in (sys.stdin, sys.stdout, sys.stderr) or not value.readable()
        return is_out and not _homes.is_foreign(type(value))
    return False


def _is_generated(kind: type, doc: Any) -> bool:
    """Says whether a dataclass wrote its own text, in which defaults are as they are printed."""
    is_signature = isinstance(doc, str) and doc.startswith(f"{kind.__name__}(")
    return is_signature and "__dataclass_fields__" in vars(kind)


def _registered(kind: type) -> list[Any]:
    """Returns the classes that count as subclasses of an abstract class since it was told so."""
    data = vars(kind).get("_abc_impl")
    if data is None:
        return []
    from importlib import import_module

    found = [reference() for reference in import_module("_abc")._get_dump(kind)[0]]
    return sorted(filter(None, found), key=_shape)


def _shape(value: Any, depth: int = 0) -> str:
    """Returns a text to sort by: the same in every process, and only mostly another's."""
    text = scalar(value)
    if text is not None:
        return text
    kind = type(value)
    if isinstance(value, (type, types.FunctionType)):
        return f"{known_as(value.__module__)}.{value.__qualname__}"
    if depth > 4:
        return called(kind)
    try:
        if kind in (tuple, list):
            return f"{kind.__name__} {[_shape(item, depth + 1) for item in value]}"
        if kind in (set, frozenset):
            return f"{kind.__name__} {sorted(_shape(item, depth + 1) for item in value)}"
        if kind is dict:
            return f"dict {[_shape(pair, depth + 1) for pair in items(value)]}"
        reduced = _reduced(value)
        return f"{called(kind)} {_shape(reduced[:3], depth + 1)}"
    except Exception:
        return called(kind)


_CONTAINERS: dict[type, Callable[[Values, Any], str]] = {
    tuple: Values._sequence,
    list: Values._sequence,
    set: Values._set,
    frozenset: Values._set,
    dict: Values._mapping,
    types.MappingProxyType: Values._mapping,
    type({}.keys()): Values._sequence,
    type({}.values()): Values._sequence,
    type({}.items()): Values._sequence,
}


_SPECIAL: list[tuple[type | tuple[type, ...], Callable[[Values, Any], str]]] = [
    (types.MethodType, Values._method),
    (types.BuiltinFunctionType, Values._builtin),
    ((staticmethod, classmethod), Values._wrapper),
    (property, Values._property),
    (weakref.ReferenceType, Values._reference),
    (types.CodeType, Values._code),
    (types.CellType, Values._cell),
    (memoryview, Values._buffer),
    (threading.local, Values._local),
]


def _referents(value: Any) -> Any:
    import gc

    return gc.get_referents(value)


def _current(value: Any) -> Any:
    try:
        return value.get()
    except LookupError:
        return "nothing"


# Values that do not say what they are made of when they are pickled, or say more.
_OPAQUE: dict[str, Callable[[Any], Any]] = {
    "numba.core.registry.CPUDispatcher": lambda value: (value.py_func, value.targetoptions),
    "functools.KeyWrapper": _referents,
    "_contextvars.ContextVar": _current,
    "typing.TypeVar": lambda value: (value.__name__, value.__bound__, value.__constraints__),
    "typing.ParamSpec": lambda value: value.__name__,
    "typing.TypeVarTuple": lambda value: value.__name__,
    "numpy.ndarray": _tables.array,
    **dict.fromkeys(("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"), _tables.masked),
    **dict.fromkeys(("pandas.DataFrame", "pandas.core.frame.DataFrame"), _tables.table),
    **dict.fromkeys(("pandas.Series", "pandas.core.series.Series"), _tables.table),
    "pickle.PickleBuffer": memoryview,
    "_pickle.PickleBuffer": memoryview,
}
