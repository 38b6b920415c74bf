"""Functions that keep what they returned: a decorator over `Cache`, keyed by arguments.

Owns how arguments become a spec. Plain data is in the spec as it is; every other argument by its
type and the digest of what it consists of, as a value that the function closed over would be.
Invariant: an argument that has no form is refused, never passed over.
"""

from __future__ import annotations

import functools
import math
import types
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from ibid import _code
from ibid._cache import Cache
from ibid._codecs import CODECS
from ibid._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from inspect import Signature
    from pathlib import Path

    from ibid._codecs import Codec

P = ParamSpec("P")
R = TypeVar("R")


@overload
def memoize(function: Callable[P, R], /) -> Memoized[P, R]: ...


@overload
def memoize(
    *,
    cache: Cache | None = None,
    codec: Literal["json", "npy", "parquet", "pickle"] | Codec = "json",
    ignore: Collection[str] = (),
) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...


def memoize(
    function: Callable[P, R] | None = None,
    /,
    *,
    cache: Cache | None = None,
    codec: Literal["json", "npy", "parquet", "pickle"] | Codec = "json",
    ignore: Collection[str] = (),
) -> Any:
    """Makes a function that is called once for equal arguments, and loads its result from then on.

    Results are in `cache`, else where `ibid.Cache()` keeps them. Values are saved by `codec`: plain
    data as JSON, arrays of numpy as `npy`, tables of pandas as `parquet`, anything by `pickle`,
    which is loaded only from a store that nobody else can write to; or by a pair of functions,
    `save(value, path)` and `load(path)`. Arguments in `ignore` count for nothing.
    """
    if function is None:
        return functools.partial(_memoized, cache=cache, codec=codec, ignore=ignore)
    return _memoized(function, cache, codec, ignore)


def _memoized(
    function: Callable[P, R], cache: Cache | None, codec: Any, ignore: Collection[str]
) -> Memoized[P, R]:
    import inspect

    if isinstance(function, (staticmethod, classmethod)):
        inner: Any = _memoized(function.__func__, cache, codec, ignore)
        return type(function)(inner)  # type: ignore[return-value]
    if not callable(function):
        raise UsageError(f"`{function!r}` is no function")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise UsageError(
            f"`{_code.name_of(function)}` returns before it has computed anything",
            hint="memoize a function that returns its result",
        )
    if isinstance(codec, str):
        chosen = CODECS.get(codec)
    else:
        is_pair = isinstance(codec, (tuple, list)) and len(codec) == 2
        chosen = ("", *codec) if is_pair and all(map(callable, codec)) else None
    if chosen is None:
        known = ", ".join(f"`{name}`" for name in CODECS)
        raise UsageError(f"`{codec}` is no codec", hint=f"{known}, or a pair of functions")
    try:
        signature = inspect.signature(_bare(function), follow_wrapped=False)
    except ValueError:
        raise UsageError(
            f"`{_code.name_of(function)}` does not say what its arguments are",
            hint="memoize a function of your own that calls it",
        ) from None
    unknown = sorted(set(ignore) - signature.parameters.keys())
    if unknown:
        is_around = hasattr(function, "__wrapped__")
        raise UsageError(
            f"`{_code.name_of(function)}` has no argument `{unknown[0]}` to ignore",
            hint="memoize what is decorated, below its decorators" if is_around else None,
        )
    return Memoized(function, cache or Cache(), chosen, (signature, frozenset(ignore)))


def _bare(function: Any) -> Any:
    """Returns what takes the arguments that a function itself takes.

    What a decorator copied from the function that it is around says what that one takes, and what
    it has where nothing is given: the decorator may change both.
    """
    if isinstance(function, types.FunctionType):
        code, defaults, closure = function.__code__, function.__defaults__, function.__closure__
        bare = types.FunctionType(code, {}, function.__name__, defaults, closure)
        bare.__kwdefaults__ = function.__kwdefaults__
        return bare
    if isinstance(function, types.MethodType):
        return types.MethodType(_bare(function.__func__), function.__self__)
    if isinstance(function, functools.partial):
        return functools.partial(_bare(function.func), *function.args, **function.keywords)
    if isinstance(function, (Memoized, functools._lru_cache_wrapper)):
        # They hand on what they are given.
        return _bare(function.__wrapped__)
    if isinstance(function, type):
        made = [getattr(function, name) for name in ("__new__", "__init__")]
        own = [each for each in made if isinstance(each, types.FunctionType)]
        if not own or len(own) > 1 or type(function).__call__ is not type.__call__:
            return _anything if own else function
        return _bare(types.MethodType(own[0], function))
    if isinstance(function, types.BuiltinFunctionType):
        return function
    called = type(function).__call__
    is_function = isinstance(called, types.FunctionType)
    return _bare(types.MethodType(called, function)) if is_function else _anything


def _anything(*args: Any, **kwargs: Any) -> None:
    """Takes whatever it is given, as it is given."""


class Memoized(Generic[P, R]):
    """A function that keeps what it returned; `__wrapped__` is the function itself."""

    def __init__(
        self,
        function: Callable[P, R],
        cache: Cache,
        codec: tuple[str, Any, Any],
        taken: tuple[Signature, frozenset[str]],
    ) -> None:
        functools.update_wrapper(self, function)
        self.__qualname__: str
        self.__wrapped__ = function
        self._signature, self.ignored = taken
        self._plain = _positional(self._signature)
        # Whoever calls it has what was loaded, and what that is hangs on all of this.
        self.__ibid_code__ = (function, *codec[1:], self.ignored, cache)
        self._name = _code.name_of(function)
        # Its key and its path hang on what saves it, but for JSON.
        self._cache: Any = cache
        self._suffix, save, self._load = codec
        self._saving = () if save is None else (save,)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns what the function returned for these arguments."""
        spec, call = self._bound(args, kwargs)
        loading = (*self._saving, self._load) if self._saving else ()
        found: R = self._cache.get_or_compute(spec, call, *loading, suffix=self._suffix)
        return found

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Binds it as a function is bound: `self` is an argument like all others."""
        return self if instance is None else types.MethodType(self, instance)

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Returns the key of the result for these arguments."""
        spec, call = self._bound(args, kwargs)
        key: str = self._cache.key(spec, call, *self._saving, suffix=self._suffix)
        return key

    def cache_path(self, *args: P.args, **kwargs: P.kwargs) -> Path:
        """Returns where the result for these arguments stands once it was made: a copy."""
        spec, call = self._bound(args, kwargs)
        path: Path = self._cache.path(spec, call, *self._saving, suffix=self._suffix)
        return path

    def _bound(self, args: Any, kwargs: Any) -> tuple[dict[str, Any], Call]:
        if self._plain is not None and not kwargs and len(args) == len(self._plain):
            # Binding takes as long as all the rest of a hit in Python.
            arguments = dict(zip(self._plain, args, strict=True))
        else:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = bound.arguments
        spec = {
            name: value if _is_plain(value, 0) else _form(value, f"{self._name}({name}=…)")
            for name, value in arguments.items()
            if name not in self.ignored
        }
        return spec, Call(self.__wrapped__, self._name, args, kwargs)

    def __reduce__(self) -> str:
        # As a function is: by its name.
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<memoized {self._name}>"


class Call:
    """One call of a function, which has its arguments: its spec only says what they are."""

    # The same function may be called with the same spec as its only argument.
    __ibid_versions__ = types.MappingProxyType({"called": "by its arguments"})

    def __init__(self, function: Callable[..., Any], name: str, args: Any, kwargs: Any) -> None:
        # What it is called, and what it consists of, are the function's.
        self.__module__, _, self.__qualname__ = name.rpartition(".")
        self.__ibid_code__ = function
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def __call__(self, _spec: Any) -> Any:
        """Calls the function."""
        return self._function(*self._args, **self._kwargs)


def _positional(signature: Signature) -> tuple[str, ...] | None:
    """Returns the names of arguments that are all given by their places, if there are no others."""
    names, parameters = tuple(signature.parameters), signature.parameters.values()
    are_plain = all(each.kind == each.POSITIONAL_OR_KEYWORD for each in parameters)
    return names if are_plain else None


def _form(value: Any, where: str) -> Any:
    """Returns what stands in a spec for a value that cannot stand there itself."""
    from ibid._form import Form

    code = _code.of_value(value)
    if code.unseen:
        raise UsageError(
            f"`{where}` has no form: {', '.join(code.unseen)}",
            hint="give what counts of it, or name the argument in `ignore`",
        )
    return Form(_code.name_of(type(value)), code.digest())


def _is_plain(value: Any, depth: int) -> bool:
    """Says whether a value can stand in a spec as it is. Each hit asks, of all that it is given."""
    kind = type(value)
    if kind is str:
        return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)
    if kind is float:
        return math.isfinite(value)
    if depth > 50:
        return False
    if kind is int or kind is bool or value is None:
        return True
    if kind is dict:
        # A spec has its names sorted, and a function may see their order.
        last = ""
        for name, item in value.items():
            if type(name) is not str or name < last or name.startswith("__ibid"):
                return False
            last = name
            if not _is_plain(item, depth + 1):
                return False
        return True
    if kind is list or kind is tuple:
        return all(_is_plain(item, depth + 1) for item in value)
    return False
