"""What a module consists of, as it stands on disk: its source, and that of all it imports.

Nothing is imported, neither the module nor a package that it lies in: finders are asked where
modules are, one level after another. Modules of the project count by their source: the ones that
an import names, wherever it stands, the packages above them, and all that lies in the package
where that is what is asked about. Installed packages, with those that they require, count by name,
version and what is recorded of their files, the standard library by the version of Python. What is
imported by a name that only the run knows is listed in `unseen`.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.machinery
import os
import stat
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibid._code import _homes
from ibid._code._packages import Package, closed
from ibid._imports import Imports

if TYPE_CHECKING:
    from ibid._code._homes import Home

# Where nothing tells when the process started, this is what is known.
_IMPORTED = time.time()


class NoSource(Exception):
    """A module has no source that could be read."""


@dataclass
class Sources:
    """What a module consists of: texts and files by name, versions, and what is not seen.

    `stamps` are of the files when they were read: an edit that was taken back shows in them.
    """

    texts: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, tuple[int, ...]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """Where a module is: `origin` is its file, `locations` are the folders of a package."""

    name: str
    origin: str | None
    locations: tuple[str, ...] | None


def sources_of(module: str) -> Sources:
    """Returns what a module consists of; raises `NoSource` where it has none."""
    # A file that was just made is not in what finders remember of a folder.
    importlib.invalidate_caches()
    return _Walk().walk(module)


def edited_since_start(sources: Sources) -> list[str]:
    """Names the modules whose files this process has loaded, touched since it started.

    Which of the two states of the file is the loaded one nobody knows. A file may have been loaded
    by another name than the one that is asked about, as a script is.
    """
    loaded = _loaded()
    edited = []
    for name, file in sources.files.items():
        try:
            status = os.stat(file)
        except OSError:
            edited.append(name)
            continue
        is_loaded = (status.st_dev, status.st_ino) in loaded
        if is_loaded and max(status.st_mtime, status.st_ctime, _led(file)) >= _started():
            edited.append(name)
    return edited


def _led(file: str) -> float:
    """Returns when a link on the way to a file was made last."""
    made = 0.0
    folder = os.path.join(os.getcwd(), file)
    while folder != (above := os.path.dirname(folder)):
        try:
            status = os.lstat(folder)
        except OSError:
            return time.time()
        if stat.S_ISLNK(status.st_mode):
            made = max(made, status.st_ctime)
        folder = above
    return made


def _loaded() -> set[tuple[int, int]]:
    """Returns the files, by device and inode, that stand where modules were loaded from."""
    files = set()
    for module in list(sys.modules.values()):
        try:
            # To ask a module that is loaded lazily would load it.
            status = os.stat(object.__getattribute__(module, "__dict__")["__file__"])
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            continue
        files.add((status.st_dev, status.st_ino))
    return files


class _Walk:
    def __init__(self) -> None:
        self._sources = Sources()
        self._found: dict[str, _Found | None] = {}
        self._done: set[str] = set()

    def walk(self, module: str) -> Sources:
        asked = self._find(module)
        if asked is None:
            raise NoSource(f"the module `{module}` is not found")
        is_source = asked.origin is not None and asked.origin.endswith(".py")
        if not is_source and asked.locations is None:
            raise NoSource(f"the module `{module}` has no source file")
        version = ".".join(map(str, sys.version_info[:3]))
        self._sources.versions["python"] = f"{sys.implementation.name} {version}"
        pending = [module, *self._within(asked)]
        if asked.origin is not None and _home(asked) is not None:
            # The one that is asked about counts by its source, wherever it lies.
            pending += self._read(asked)
        while pending:
            name = pending.pop()
            if name not in self._done:
                self._done.add(name)
                pending += self._visit(name)
        if not self._sources.texts:
            raise NoSource(f"the package `{module}` has no source file")
        return self._sources

    def _visit(self, name: str) -> list[str]:
        """Takes a module in, and returns those that come with it."""
        parent = name.rpartition(".")[0]
        found = self._find(name)
        above = [parent] if parent else []
        home = None if found is None else _home(found)
        if isinstance(home, Package) and f"package/{home.name}" not in self._sources.versions:
            self._sources.versions |= _versions(home)
        if found is None or home is not None or found.origin is None:
            return above
        return above + self._read(found)

    def _read(self, found: _Found) -> list[str]:
        """Takes the file of a module in, and returns what it imports."""
        name, path = found.name, str(found.origin)
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                text = file.read()
        except OSError as error:
            raise NoSource(f"the module `{name}` cannot be read: {error}") from error
        self._sources.files[name] = path
        stamps = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        self._sources.stamps[name] = stamps
        if not path.endswith(".py"):
            import hashlib

            self._sources.texts[name] = f"sha256 {hashlib.sha256(text).hexdigest()}".encode()
            return []
        self._sources.texts[name] = text
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError) as error:
            self._sources.unseen.append(f"{name}: all that it imports ({error})")
            return []
        imports = Imports(name, is_package=found.locations is not None)
        imports.visit(tree)
        self._sources.unseen += [f"{name}: {what}" for what in imports.dynamic]
        return [*imports.modules, *self._members(imports)]

    def _members(self, imports: Imports) -> list[str]:
        """Returns those members of packages that are modules of the project."""
        members = []
        for package, path in imports.members:
            found = self._find(package)
            for part in path:
                if found is None or found.locations is None or _home(found) is not None:
                    break
                if part == "*":
                    members += self._within(found, depth=1)
                    break
                found = self._find(f"{found.name}.{part}")
                if found is not None:
                    members.append(found.name)
        return members

    def _within(self, package: _Found, depth: int | None = None) -> list[str]:
        """Returns all modules that lie in a package."""
        names = []
        for location in package.locations or ():
            for folder, folders, files in os.walk(location):
                below = os.path.relpath(folder, location)
                parts = [] if below == os.curdir else below.split(os.sep)
                folders[:] = sorted(one for one in folders if one.isidentifier())
                folders[:] = [one for one in folders if one != "__pycache__"]
                stems = {file.partition(".")[0] for file in files if file.endswith(_SUFFIXES)}
                inner = ([*parts, stem] for stem in sorted(stems) if stem.isidentifier())
                names += [".".join([package.name, *one]) for one in inner if one[-1] != "__init__"]
                names += [".".join([package.name, *parts, one]) for one in folders]
                if depth is not None and len(parts) + 1 >= depth:
                    folders.clear()
        return names

    def _find(self, name: str) -> _Found | None:
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def _look_for(self, name: str) -> _Found | None:
        if name == "__main__":
            file = getattr(sys.modules.get(name), "__file__", None)
            return _Found(name, os.path.abspath(file), None) if file else None
        parent, _, tail = name.rpartition(".")
        if not tail.isidentifier():
            return None
        path: list[str] | None = None
        if parent:
            around = self._find(parent)
            if around is None or around.locations is None:
                return None
            path = list(around.locations)
        for finder in list(sys.meta_path):
            spec = _ask(finder, name, tail, path)
            if spec is not None:
                inner = spec.submodule_search_locations
                origin = spec.origin if spec.has_location else None
                return _Found(name, origin, None if inner is None else tuple(inner))
        return None


_SUFFIXES = tuple(importlib.machinery.all_suffixes())


def _ask(finder: Any, name: str, tail: str, path: list[str] | None) -> Any:
    """Asks a finder for a module that lies in these folders."""
    if finder is importlib.machinery.PathFinder and path is not None:
        # By its whole name it would look for the packages above among those that are loaded.
        name = tail
    try:
        return finder.find_spec(name, path)
    except Exception:  # Whatever a stranger's finder raises: it has not found it.
        return None


def _home(found: _Found) -> Home | None:
    """Returns what stands for a module; `None` where its source counts."""
    if found.origin is not None:
        return _homes.of_file(found.origin, found.name)
    # What has neither a file nor folders is built in. A namespace is what lies in it.
    return _homes.PYTHON if found.locations is None else None


def _versions(package: Package) -> dict[str, str]:
    """Returns what tells a package, and those that it requires, from others, as they are now."""
    fresh = (Package(one.info) for one in closed(package))
    return {f"package/{one.name}": one.version for one in fresh}


@functools.cache
def _started() -> float:
    """Returns when this process started, or the one that it is a copy of, or a moment before."""
    multiprocessing = sys.modules.get("multiprocessing")
    parent = multiprocessing.parent_process() if multiprocessing is not None else None
    try:
        with open("/proc/uptime", "rb") as file:
            uptime = float(file.read().split()[0])
        since = min(_started_at(pid) for pid in (os.getpid(), getattr(parent, "pid", os.getpid())))
    except (OSError, ValueError, IndexError):
        return _IMPORTED
    # Both are told in hundredths.
    return time.time() - (uptime - since) - 0.01


def _started_at(pid: int) -> float:
    """Returns when a process started, in seconds since the machine did."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
