"""Installed packages: which of them a file belongs to, and what tells one from the next.

Owns the reading of what installers record. A package counts by its name, its version and the
digests of its files as they were recorded, and so do those that it requires. Nothing is imported.
Invariant: what is recorded stands for what is loaded; where it may not, since it is younger than
this process or has changed since it was read, that is said.
"""

from __future__ import annotations

import functools
import os
import re
import time
from typing import TYPE_CHECKING

from ibid._code._plain import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = ("site-packages", "dist-packages")


class Package:
    """An installed package, read once."""

    def __init__(self, info: str) -> None:
        self.info = info
        self.changed = _changed(info)
        self.stamp = max(self.changed, _changed(os.path.join(info, "RECORD")))
        headers = _headers(info)
        self.name = next((text for name, text in headers if name == "Name"), _stem(info))
        version = next((text for name, text in headers if name == "Version"), "")
        self.version = f"{version} {_digest(info)[:32]}"
        self.requires = _requires(info, headers)

    def doubt(self) -> str | None:
        """Says why what is recorded may not be what is loaded."""
        if self.stamp > process_start():
            return f"the package `{self.name}`, installed after this process had begun"
        if _changed(self.info) != self.changed:
            return f"the package `{self.name}`, installed anew since it was loaded"
        return None


def owner(file: str, module: str) -> Package | None:
    """Returns the package that a module's file belongs to."""
    parts = module.split(".")
    is_package = os.path.basename(file).startswith("__init__.")
    folder = functools.reduce(
        lambda path, _: os.path.dirname(path), parts[not is_package :], os.path.dirname(file)
    )
    if not file.startswith(folder + os.sep):
        return None
    inside = os.path.relpath(file, folder).replace(os.sep, "/")
    infos = _infos(folder)
    guess = infos.get(_normal(parts[0]))
    for info in [guess, *infos.values()] if guess else infos.values():
        record = _read(info, "RECORD")
        if f"\n{inside}," in f"\n{record}":
            return _package(info)
    if os.path.basename(folder) not in SHARED:
        return None
    for info in infos.values():
        # Packages of a distribution of Linux have no record.
        if not _read(info, "RECORD") and (info == guess or parts[0] in _tops(info)):
            return _package(info)
    return None


def closed(package: Package) -> tuple[Package, ...]:
    """Returns a package with all that it requires, as far as it is installed."""
    return _closed(package.info)


@functools.cache
def _closed(info: str) -> tuple[Package, ...]:
    found = {info: _package(info)}
    queue = [found[info]]
    while queue:
        for name in queue.pop().requires:
            needed = _installed(name)
            if needed is not None and needed not in found:
                found[needed] = _package(needed)
                queue.append(found[needed])
    return tuple(found.values())


@functools.cache
def _package(info: str) -> Package:
    return Package(info)


def _installed(name: str) -> str | None:
    import sys

    found = (_infos(os.path.realpath(folder)).get(name) for folder in sys.path if folder)
    return next(filter(None, found), None)


def _infos(folder: str) -> dict[str, str]:
    """Returns what installers wrote about the packages of a folder, by their names."""
    try:
        return _infos_at(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return {}


@functools.lru_cache(maxsize=256)
def _infos_at(folder: str, _changed: int) -> dict[str, str]:
    endings = (".dist-info", ".egg-info")
    names = sorted(name for name in os.listdir(folder) if name.endswith(endings))
    return {_normal(_stem(name)): os.path.join(folder, name) for name in names}


def _stem(info: str) -> str:
    return os.path.basename(info).split("-")[0].removesuffix(".egg")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(info: str, name: str) -> str:
    try:
        with open(os.path.join(info, name), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _headers(info: str) -> list[tuple[str, str]]:
    if os.path.isdir(info):
        text = _read(info, "METADATA") or _read(info, "PKG-INFO")
    else:
        text = _read(*os.path.split(info))
    lines = text.replace("\r\n", "\n").partition("\n\n")[0].split("\n")
    return [(name, rest.strip()) for name, _, rest in (line.partition(":") for line in lines)]


def _requires(info: str, headers: list[tuple[str, str]]) -> list[str]:
    """Returns what a package cannot do without, under normal names."""
    lines = [text for name, text in headers if name == "Requires-Dist"]
    lines += _read(info, "requires.txt").partition("\n[")[0].split("\n")
    names = (re.match(r"[\w.-]+", line) for line in lines if not re.search(r";.*\bextra\b", line))
    return [_normal(name[0]) for name in names if name]


def _tops(info: str) -> list[str]:
    return _read(info, "top_level.txt").split()


def _digest(info: str) -> str:
    """Returns the digest of what a package consists of, wherever and by whom it was installed."""
    folder, about = os.path.split(info)
    lines = []
    for line in _read(info, "RECORD").splitlines():
        path, _, rest = line.partition(",")
        if path.startswith(("../", "/", f"{about}/")) or path.endswith(".pyc"):
            # Scripts name the interpreter; what is about the package says who installed it.
            continue
        recorded = rest.partition(",")[0] or digest_of(os.path.join(folder, path))
        lines.append(f"{path} {recorded}")
    if not lines:
        tops = _tops(info) or [_stem(info)]
        lines = [f"{path} {digest_of(path)}" for top in tops for path in _files(folder, top)]
    return digest("\n".join(sorted(lines)))


def _files(folder: str, top: str) -> Iterator[str]:
    if os.path.isfile(os.path.join(folder, f"{top}.py")):
        yield os.path.join(folder, f"{top}.py")
    for path, _, names in os.walk(os.path.join(folder, top)):
        yield from (os.path.join(path, name) for name in names if not name.endswith(".pyc"))


def digest_of(path: str) -> str:
    """Returns the digest of a file; of none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            import hashlib

            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "none"


def _changed(path: str) -> float:
    """Returns when something was changed last: unlike its own time, nobody can set that."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0


@functools.cache
def process_start() -> float:
    """Returns when this process began to load modules: a forked one has those of its parent."""
    try:
        pid, words = os.getpid(), _words_of(os.getpid())
        while True:
            fields = _proc(pid, "stat").rpartition(b")")[2].split()
            parent, ticks = int(fields[1]), int(fields[19])
            if parent == 0 or _words_of(parent) != words:
                break
            pid = parent
        rate = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / rate
        # The clock of processes and that of files tick now and then.
        return time.time() - age + 2 / rate
    except (OSError, ValueError, IndexError, AttributeError):
        return _imported


def _words_of(pid: int) -> bytes:
    """Returns the words a process was started with, which one that was forked shares."""
    try:
        return _proc(pid, "cmdline")
    except OSError:
        return b""


def _proc(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()


_imported = time.time()
