"""Where the cache and temporary files live: one answer for everything in this process.

`cache_dir()` and `temp_dir()` say it and create nothing. What `configure` was given counts first,
also for `ibid.run`, `ibid.Cache`, `ibid.Pipeline` and all others; then the variables
`IBID_CACHE_DIR` and `IBID_TMP_DIR`, the settings files, and what is usual on the platform. `~` is
expanded, an empty value is none. Another package asks for folders of its own by `Dirs`.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ibid import _folders, _ibid, _words
from ibid._errors import Error, UsageError
from ibid._hearing import Hearing
from ibid._place import place

if TYPE_CHECKING:
    from ibid._words import StrPath

    Folder = tuple[Path, str]
    Wish = StrPath | None

T = TypeVar("T")

__all__ = [
    "Dirs",
    "cache_dir",
    "configure",
    "configure_cache",
    "get_cache_dir",
    "get_tdi_cache_dir",
    "get_temp_base_dir",
    "get_temp_dir",
    "get_transform_cache_dir",
    "make_temp_file",
    "sources",
    "temp_dir",
]


class Dirs:
    """The folders of another package, found as those of ibid are.

    The cache is what `configure` was given, else `<env_prefix>_CACHE_DIR` or `<env_prefix>_CACHE`,
    else a folder named `app` where the platform keeps caches; temporary files go to what
    `configure` was given, else `<env_prefix>_TMP_DIR` or `<env_prefix>_TEMP_DIR`, else `tmp` in
    that cache. The settings of ibid do not count.
    """

    def __init__(self, app: str, env_prefix: str | None = None) -> None:
        is_long = len(_words.text(app, "the name of a program").encode()) > _words.LONGEST
        if not app or is_long or app in (".", "..") or any(letter in app for letter in "/\\\0"):
            raise UsageError(f"`{app}` is not the name of a folder", hint="such as `minisim`")
        if env_prefix is not None:
            _words.text(env_prefix, "`env_prefix`")
        self.app = app
        self.env_prefix = re.sub(r"\W", "_", app).upper() if env_prefix is None else env_prefix
        self._configured: tuple[str | None, str | None] = (None, None)

    def configure(self, cache_dir: Wish | Mapping[str, Any] = None, tmp_dir: Wish = None) -> None:
        """Sets both folders; what is `None` or empty is left to variables and platform.

        Instead of both, a mapping with the entries `cache_dir` and `tmp_dir` is taken.
        """
        self._configured = _wishes(cache_dir, tmp_dir)

    def cache_dir(self) -> Path:
        """Returns where the cache lies. Creates nothing."""
        return self._found()[0][0]

    def temp_dir(self) -> Path:
        """Returns where temporary files lie. Creates nothing."""
        return self._found()[1][0]

    def sources(self) -> dict[str, str]:
        """Returns where each folder came from, such as `environment, IBID_TMP_DIR`."""
        (_, cache), (_, tmp) = self._found()
        return {"cache_dir": cache, "tmp_dir": tmp}

    def get_temp_dir(self, prefix: str = "") -> Path:
        """Makes a folder that nobody else has or can read, and returns it. Nothing removes it."""
        _check_part("prefix", prefix)
        return Path(self._in_base(lambda base: tempfile.mkdtemp(prefix=prefix, dir=base)))

    def make_temp_file(
        self, suffix: str = "", prefix: str = "", delete: bool = False, mode: str = "w+b"
    ) -> IO[Any]:
        """Opens a new file, as `tempfile.NamedTemporaryFile` does; it stays unless `delete`."""
        _check_part("suffix", suffix)
        _check_part("prefix", prefix)
        return self._in_base(
            lambda base: tempfile.NamedTemporaryFile(
                mode=mode, suffix=suffix, prefix=prefix, dir=base, delete=delete
            )
        )

    def _in_base(self, make: Callable[[Path], T]) -> T:
        base = self._make_base()
        try:
            return make(base)
        except (FileExistsError, NotADirectoryError, PermissionError, FileNotFoundError) as error:
            raise self._unusable(base, error) from error

    def _make_base(self) -> Path:
        base = self.temp_dir()
        try:
            base.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(base, error) from error
        return base

    def _unusable(self, base: Path, error: OSError) -> Error:
        return Error(
            f"cannot make a temporary file or folder in `{base}`",
            causes=(f"{error.strerror}: `{error.filename}`",),
            hints=(f"`{self.env_prefix}_TMP_DIR` names a folder for temporary files",),
        )

    def _found(self) -> tuple[Folder, Folder]:
        cache, tmp = self._configured
        program = {
            "name": self.app,
            "env_prefix": self.env_prefix,
            "cache_dir": cache,
            "tmp_dir": tmp,
        }
        return _ibid.dirs_of(place(None), program, Hearing(echo=False))

    def __repr__(self) -> str:
        return f"<ibid.dirs.Dirs {self.app}>"


class _Own(Dirs):
    """The folders of ibid itself, which all of this process uses."""

    def configure(self, cache_dir: Wish | Mapping[str, Any] = None, tmp_dir: Wish = None) -> None:
        _folders.configured = _wishes(cache_dir, tmp_dir)

    def _make_base(self) -> Path:
        return _ibid.make_tmp_dir(place(None), Hearing(echo=False))

    def _found(self) -> tuple[Folder, Folder]:
        return _ibid.dirs(place(None), Hearing(echo=False))


_own = _Own("ibid", "IBID")


def configure(cache_dir: Wish | Mapping[str, Any] = None, tmp_dir: Wish = None) -> None:
    """Sets both folders for all of this process; what is `None` or empty is left to the settings.

    Instead of both, a mapping with the entries `cache_dir` and `tmp_dir` is taken, such as a part
    of a file of your own.
    """
    _own.configure(cache_dir, tmp_dir)


def cache_dir() -> Path:
    """Returns where the cache lies. Creates nothing."""
    return _own.cache_dir()


def temp_dir() -> Path:
    """Returns where temporary files lie: `tmp` in the cache, unless told otherwise.

    Creates nothing.
    """
    return _own.temp_dir()


def sources() -> dict[str, str]:
    """Returns where each folder came from, such as `environment, IBID_TMP_DIR`."""
    return _own.sources()


def get_temp_dir(prefix: str = "") -> Path:
    """Makes a folder that nobody else has or can read, and returns it. Nothing removes it."""
    return _own.get_temp_dir(prefix)


def make_temp_file(
    suffix: str = "", prefix: str = "", delete: bool = False, mode: str = "w+b"
) -> IO[Any]:
    """Opens a new file, as `tempfile.NamedTemporaryFile` does; it stays unless `delete`."""
    return _own.make_temp_file(suffix, prefix, delete, mode)


def get_tdi_cache_dir() -> Path:
    """Returns `tdi` in the cache, a folder for files of the caller's. Creates nothing."""
    return cache_dir() / "tdi"


def get_transform_cache_dir() -> Path:
    """Returns `transforms` in the cache, a folder for files of the caller's. Creates nothing."""
    return cache_dir() / "transforms"


configure_cache = configure
get_cache_dir = cache_dir
get_temp_base_dir = temp_dir


def _wishes(cache_dir: Wish | Mapping[str, Any], tmp_dir: Wish) -> tuple[str | None, str | None]:
    if not isinstance(cache_dir, Mapping):
        return _wish("cache_dir", cache_dir), _wish("tmp_dir", tmp_dir)
    if tmp_dir is not None:
        raise UsageError("a mapping says both folders", hint="put `tmp_dir` into it")
    unknown = [name for name in cache_dir if name not in ("cache_dir", "tmp_dir")]
    if unknown:
        raise UsageError(
            f"`{unknown[0]}` is no folder that can be set",
            hint="a mapping has `cache_dir` and `tmp_dir`",
        )
    return _wish("cache_dir", cache_dir.get("cache_dir")), _wish(
        "tmp_dir", cache_dir.get("tmp_dir")
    )


def _wish(name: str, value: Any) -> str | None:
    """Returns a path as it was typed; a relative one is meant from where it was given."""
    if value is None or value == "":
        return None
    path = _words.path(value, f"`{name}`")
    return path if path.startswith("~") else os.path.join(os.getcwd(), path)


def _check_part(name: str, value: str) -> None:
    """Refuses what would lead out of the folder."""
    if not isinstance(value, str):
        raise UsageError(f"`{name}` is {value!r}, and takes a text")
    _words.word(value, f"`{name}`")
    if "/" in value or os.sep in value or "\0" in value:
        raise UsageError(
            f"`{name}` is `{value}`, which is no part of a name", hint="leave out the separators"
        )
