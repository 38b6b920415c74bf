"""What a tool prints: taken as bytes and in order, handed on in lines, told again later.

Runners of Styx read text: a byte that is no UTF-8 ends a stream for them, and a carriage return
ends a line. So their own `run` is given a `Popen` whose pipes are read here first. Only a newline
ends a line; bytes that are no UTF-8 are handed on as `os.fsdecode` does it.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import subprocess
import threading
from collections.abc import Callable
from types import FunctionType, TracebackType
from typing import IO, Any

from ibid.styx._protocols import Handler

Print = Callable[[bool, bytes], object]
_PIECE = 1 << 16


class Lines:
    """Hands bytes of two streams to handlers, line by line."""

    def __init__(self, handle_stdout: Handler, handle_stderr: Handler) -> None:
        self._handlers = [handle_stdout, handle_stderr]
        self._rest = [b"", b""]

    def feed(self, is_stderr: bool, data: bytes) -> None:
        """Takes what came on a stream."""
        handler = self._handlers[is_stderr]
        if handler is None:
            return
        *lines, self._rest[is_stderr] = (self._rest[is_stderr] + data).split(b"\n")
        for line in lines:
            try:
                handler(line.decode("utf-8", "surrogateescape"))
            except Exception as error:
                # As where a tool runs: its outputs stand, and who raises hears no more of it.
                self._handlers[is_stderr] = None
                told = "a handler of what a tool printed raised %s: %s; it hears no more of it"
                logging.getLogger("ibid").warning(told, type(error).__name__, error)
                return

    def close(self) -> None:
        """Nothing more comes: what is left is a line."""
        for is_stderr in (False, True):
            if self._rest[is_stderr]:
                self.feed(is_stderr, b"\n")


class Recorded:
    """Runs a tool by the base's own `run`, and takes what it prints."""

    def __init__(self, record: Print) -> None:
        self._record = record
        self._is_whole = False
        self._lock = threading.Lock()

    def run(
        self, run: Callable[..., None], cargs: list[str], stdout: Handler, stderr: Handler
    ) -> bool:
        """Runs it; says whether all that it printed is known."""
        recorded = _with_popen(run, functools.partial(self._popen, (stdout, stderr)))
        if recorded is not None:
            recorded(cargs, handle_stdout=stdout, handle_stderr=stderr)
            return self._is_whole
        # What hands on lines only is taken at its word.
        run(cargs, handle_stdout=self._tee(False, stdout), handle_stderr=self._tee(True, stderr))
        return True

    def _tee(self, is_stderr: bool, handler: Handler) -> Callable[[str], None]:
        def take(line: str) -> None:
            self._take(is_stderr, line.encode("utf-8", "surrogateescape") + b"\n")
            if handler is not None:
                handler(line)

        return take

    def _take(self, is_stderr: bool, data: bytes) -> None:
        # Order across streams is that of arrival.
        with self._lock:
            self._record(is_stderr, data)

    def _popen(self, handlers: tuple[Handler, Handler], *args: Any, **options: Any) -> Any:
        for name in ("text", "universal_newlines", "encoding", "errors"):
            options.pop(name, None)
        popen = _Popen(*args, **options)
        pipes = []
        for is_stderr in (False, True):
            pipe = popen.stderr if is_stderr else popen.stdout
            if pipe is None:
                continue
            pipes.append(_Pipe(pipe, functools.partial(self._take, is_stderr)))
            # Whoever logs lines cannot encode half a letter.
            errors = "backslashreplace" if handlers[is_stderr] is None else "surrogateescape"
            text = io.TextIOWrapper(
                io.BufferedReader(pipes[-1]), encoding="utf-8", errors=errors, newline="\n"
            )
            if is_stderr:
                popen.stderr = text
            else:
                popen.stdout = text
        popen.pipes = pipes
        popen.on_end = self._ended
        return popen

    def _ended(self) -> None:
        self._is_whole = True


def _with_popen(run: Callable[..., None], popen: Callable[..., Any]) -> Callable[..., None] | None:
    """Returns a method that starts processes by another `Popen`, if it is one that could."""
    function = getattr(run, "__func__", None)
    if not isinstance(function, FunctionType):
        return None
    if function.__globals__.get("Popen") is not subprocess.Popen:
        return None
    own = FunctionType(
        function.__code__,
        {**function.__globals__, "Popen": popen},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    own.__kwdefaults__ = function.__kwdefaults__
    return functools.partial(own, getattr(run, "__self__", None))


class _Popen(subprocess.Popen[Any]):
    """A process whose pipes are read to their end, whoever reads them."""

    pipes: list[_Pipe]
    on_end: Callable[[], None]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            for pipe in self.pipes:
                pipe.drain()
            self.on_end()
        super().__exit__(kind, error, traceback)


class _Pipe(io.RawIOBase):
    """The end of a pipe: what comes is recorded first, and a last line ends as all do."""

    def __init__(self, pipe: IO[bytes], record: Callable[[bytes], None]) -> None:
        super().__init__()
        self._pipe = pipe
        self._record = record
        self._last = b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._pipe.fileno(), len(buffer))
        if data:
            self._record(data)
        elif self._last != b"\n":
            data = b"\n"
        buffer[: len(data)] = data
        self._last = data[-1:] or self._last
        return len(data)

    def drain(self) -> None:
        """Reads what nobody else has read."""
        if not self._pipe.closed:
            while self.readinto(bytearray(_PIECE)):
                pass

    def close(self) -> None:
        self._pipe.close()
        super().close()
