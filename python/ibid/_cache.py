"""Results of functions by their specs: what is computed once is loaded from then on."""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from ibid import _code, _codecs, _ibid, _making, _spec, _words
from ibid._bypass import is_bypassed
from ibid._errors import Error, UsageError
from ibid._hearing import Hearing
from ibid._making import Making
from ibid._place import place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ibid._run import Duration, Mode
    from ibid._words import StrPath

T = TypeVar("T")

# So much of a file is read at once.
_PIECE = 1 << 14

# What of a request is in its key.
_OF_KEYS = ("name", "code", "spec", "versions", "output")


class Cache:
    """Results of functions, each known by its spec, the function's code and its packages.

    They are in the store of the command line: `root`, else the variable that `env` names, else the
    cache of the settings. `app` is what they belong to: another one has results of its own. A
    result is what `save` wrote to the path that it was given, named with `suffix`; without `save`
    and `load` it is plain data, kept as JSON.

    The code of the function counts, with that of the spec's classes, of `save` and of everything of
    the project that they name, and name and version of the installed packages that they use. Where
    some of it cannot be seen, nothing is stored, unless `unseen` is `"ignore"`. With `code` none of
    this counts, and that text does.
    """

    def __init__(
        self,
        root: StrPath | None = None,
        env: str | None = None,
        app: str | None = None,
        *,
        suffix: str = "",
        ttl: Duration | None = None,
        code: str | None = None,
        versions: Mapping[str, str] | None = None,
        mode: Mode | None = None,
        strict: bool = False,
        unseen: Literal["refuse", "ignore"] = "refuse",
        config: StrPath | None = None,
    ) -> None:
        for setting, given in (("env", env), ("app", app), ("code", code)):
            if given is not None:
                _words.text(given, f"`{setting}`")
        _refuse_unfit(suffix)
        for setting, path in (("root", root), ("config", config)):
            if path is not None:
                _words.path(path, f"`{setting}`")
        _refuse_unknown(unseen, "unseen", ("refuse", "ignore"))
        _refuse_unknown(mode, "mode", (None, "read-write", "read-only", "write-only", "off"))
        _words.truth(strict, "`strict`")
        _refuse_untimed(_words.duration(ttl))
        self._root = root
        self._env = env
        self._app = app
        self._suffix = suffix
        self._ttl = ttl
        self._code = code
        self._versions = _words.texts(versions, "versions")
        self._mode = mode
        self._strict = strict
        self._unseen = unseen
        self._config = config
        # Whoever asks it has what it found, and that hangs on this, not on where it looked.
        self.__ibid_code__ = (app, code, self._versions, suffix, unseen)

    @property
    def root(self) -> str | None:
        """Where results are kept, if this cache says so; `None` where the settings do."""
        if self._root is not None:
            return os.path.abspath(os.path.expanduser(self._root))
        named = os.environ.get(self._env, "") if self._env is not None else ""
        return os.path.abspath(os.path.expanduser(named)) if named else None

    def get_or_compute(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object] | None = None,
        load: Callable[[Path], T] | None = None,
        *,
        suffix: str | None = None,
        force: bool = False,
    ) -> T:
        """Returns what `compute(spec)` returned when it was called with this spec.

        On a miss it is called, `save(value, path)` is given a path that does not exist, and the
        value is returned as it is. On a hit `load(path)` is given a copy with the bytes that were
        saved; nobody takes it away, and ibid changes nothing in it, before `load` returns. If it
        raises, the result counts as missing: it is computed again and replaces the one that stands;
        with `strict` it raises. Processes that miss at the same time compute once.

        Where the system does not let the value be saved, it is returned all the same, with a
        warning; what else is raised then has it as `unsaved.value`.
        """
        if (save is None) is not (load is None):
            raise UsageError("`save` and `load` belong together", hint="give both, or none")
        _words.truth(force, "`force`")
        if is_bypassed() or self._mode == "off":
            return compute(spec)
        request, unseen = self._request(spec, compute, save, suffix)
        if unseen and self._unseen == "refuse":
            _tell_unseen(request["name"], unseen)
            return compute(spec)
        self._refuse_circle(request)
        made = Making(spec, compute, save or _save_json, request["output"])
        return self._attempt(made, load, request, force=force)

    def _refuse_circle(self, request: dict[str, Any]) -> None:
        """Refuses what is being computed by who asks for it, and would wait for itself."""
        for where, function in _making.computed.get():
            if any(function[part] != request[part] for part in _OF_KEYS):
                continue
            # Equal calls may be of two stores.
            asked = self._call(request, force=False)
            if _place_of(where, function) == _place_of(*asked):
                raise Error(f"`{request['name']}` asks for the very result that it computes")

    def _attempt(
        self,
        made: Making[T],
        load: Callable[[Path], T] | None,
        request: dict[str, Any],
        *,
        force: bool,
    ) -> T:
        where, function = made.asked = self._call(request, force=force)
        try:
            succeeded, path, view = _ibid.call(where, function, made)
        except BaseException as error:
            made.hand_back(error)
            raise
        try:
            if made.raised is not None or made.values:
                return made.result(request["label"], strict=self._strict)
            if not succeeded:
                raise Error(f"`{request['name']}` was not called, and there is no result of it")
            try:
                return _loaded(path, load, where)
            except Exception as error:
                if self._strict:
                    raise
                made.told(
                    True,
                    f"{request['label']}: the stored result could not be loaded "
                    f"({type(error).__name__}: {error}); it is computed again",
                )
        finally:
            view.release()
        return self._attempt(made, load, request, force=True)

    def key(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object] | None = None,
        *,
        suffix: str | None = None,
    ) -> str:
        """Returns the key of the result of a call with these arguments. Nothing is made."""
        return self._place_of(spec, compute, save, suffix)[0]

    def path(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object] | None = None,
        *,
        suffix: str | None = None,
    ) -> Path:
        """Returns where the result of a call with these arguments stands once it was made.

        It is known before, and leads to a copy, never the entry: when the call returns, the copy
        has the bytes that were saved. What is edited there never reaches the store, and the next
        call leads to another copy. `resolve()` names the present one.
        """
        return self._place_of(spec, compute, save, suffix)[1]

    def _place_of(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object] | None,
        suffix: str | None,
    ) -> tuple[str, Path]:
        request, _ = self._request(spec, compute, save, suffix)
        return _place_of(*self._call(request, force=False))

    def _call(
        self, request: dict[str, Any], *, force: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        execution = {"force": force, "mode": self._mode, "link": None, "strict": self._strict}
        return place(None, self.root, self._config), {**request, "execution": execution}

    def _request(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object] | None,
        suffix: str | None,
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Returns what is called, and what of it is not seen."""
        suffix = self._suffix if suffix is None else suffix
        _refuse_unfit(suffix)
        name = _code.name_of(compute)
        canonical = _spec.Canonical(spec)
        versions = {f"given/{name}": tag for name, tag in self._versions.items()}
        if self._app is not None:
            versions["app"] = self._app
        if self._code is not None:
            self._refuse_nameless(name)
            code = _code.Code()
            versions["code"] = self._code
        else:
            saving = {} if save is None else {"save": save}
            code = _code.of(compute, also=canonical.types, **saving)
            versions |= code.versions
        # A text stands for code, but not for what results look like.
        versions |= vars(type(compute)).get("__ibid_versions__", {})
        versions["saved by"] = "ibid, as JSON" if save is None else _code.name_of(save)
        request = {
            "name": name,
            "label": f"{self._app or 'python'}/{name}",
            "code": code.texts,
            "spec": canonical.text,
            "versions": versions,
            "output": f"value{suffix}",
            "ttl": _words.duration(self._ttl),
        }
        return request, tuple(code.unseen)

    def _refuse_nameless(self, name: str) -> None:
        """Refuses names that many functions have, where nothing else tells them apart."""
        shared = name.startswith("__main__.") or "<" in name
        if shared and self._app is None:
            raise UsageError(
                f"`{name}` is the name of many functions, and `code` says nothing of which it is",
                hint="`ibid.Cache(app=…, code=…)` says what it belongs to",
            )

    def __repr__(self) -> str:
        return f"<ibid.Cache {self.root or 'of the settings'}>"


def _place_of(where: dict[str, Any], function: dict[str, Any]) -> tuple[str, Path]:
    return _ibid.place_of_call(where, function, Hearing(echo=False))


def _refuse_unfit(suffix: object) -> None:
    """Refuses a suffix that no name can end in."""
    text = _words.text(suffix, "`suffix`")
    if len(f"value{text}".encode()) > _words.LONGEST:
        raise UsageError(
            f"`suffix` is too long for the name of a file: `{text[:20]}…`",
            hint="a suffix is something like `.zarr`",
        )


def _refuse_untimed(ttl: str | None) -> None:
    """Refuses a text that is no duration where it is given, and not by the first call."""
    import re

    # The engine reads it, and has the last word: on times that are too long, too.
    units = "".join(rf"(\d+{unit})?" for unit in ("w", "d", "h", "m", "s", "ms"))
    if ttl is not None and not re.fullmatch(f"(?=.){units}", ttl, re.ASCII):
        raise UsageError(
            "`ttl` takes a duration",
            hint="`90s`, `15m`, `12h`, `30d` or `1h30m`; a number is seconds",
            causes=(f"`{ttl}` is not a duration: write it like `90s`, `1h30m` or `30d`",),
        )


def _refuse_unknown(value: object, what: str, known: tuple[str | None, ...]) -> None:
    if value not in known:
        named = ", ".join(f"`{each}`" for each in known if each is not None)
        raise UsageError(f"`{what}` is {value!r}, which is unknown", hint=f"known: {named}")


@functools.cache
def _tell_unseen(name: str, unseen: tuple[str, ...]) -> None:
    """Tells once why results of a function are not kept."""
    import logging

    told = (
        "%s: results are not stored, because the key does not see %s; "
        '`unseen="ignore"` stores them all the same, `code="…"` is a text that stands for all code '
        '(a function of a script needs `app="…"` as well)'
    )
    logging.getLogger("ibid").warning(told, name, ", ".join(unseen))


def _save_json(value: Any, path: Path) -> None:
    text = _words.as_json(value, "value")
    if json.loads(text) != value:
        raise UsageError(
            "the value is not the same when it comes back from JSON",
            hint="give `save` and `load`",
        )
    path.write_text(text, encoding="utf-8")


def _loaded(path: str, load: Callable[[Path], T] | None, where: dict[str, Any]) -> T:
    if load is None:
        return cast("T", _read_json(path))
    from pathlib import Path

    chosen: Any = load
    if chosen is _codecs.load_pickle:
        # Who could have written it hangs on the store.
        (cache_dir, _), _ = _ibid.dirs(where, Hearing(echo=False))
        return cast("T", _codecs.load_pickle(Path(path), Path(cache_dir)))
    return load(Path(path))


def _read_json(path: str) -> Any:
    # This is all that many a hit loads: a file object would take as long as the rest.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(file, _PIECE)
        # Less than was asked for says nothing yet.
        if more := os.read(file, _PIECE):
            text = b"".join((text, more, *iter(functools.partial(os.read, file, _PIECE), b"")))
    finally:
        os.close(file)
    return json.loads(text.decode())
