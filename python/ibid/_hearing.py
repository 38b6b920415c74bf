"""What is heard while a request is under way: logged, shown, kept for the result.

Lines that the command line prints go to the logger `ibid`: those that nobody should miss as
warnings, the others as information. What the command itself prints goes where Python prints.
"""

from __future__ import annotations

import codecs
import functools
import json
import sys
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    Progress = Callable[..., "Bar"] | bool | None


class Bar(Protocol):
    """A progress bar, as tqdm's."""

    n: Any
    total: Any

    def update(self, n: int = 1, /) -> object: ...
    def set_description(self, desc: str | None = None, /) -> object: ...
    def close(self) -> object: ...


class Hearing:
    """Hears a request; `told_lines` are the lines, `events` those events that are asked for."""

    def __init__(
        self,
        *,
        progress: Progress = None,
        echo: bool = True,
        keep_output: bool = False,
        keep_events: frozenset[str] = frozenset(),
    ) -> None:
        self.told_lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.streams: tuple[list[bytes], list[bytes]] = ([], [])
        self._echo = _Echo() if echo else None
        self._keep_output = keep_output
        self._keep_events = keep_events
        factory = _factory(progress)
        self._bars = _Bars(factory)
        # Each event takes the GIL, so nobody is told one for nothing.
        self.wants_events = factory is not None or bool(keep_events)

    @property
    def text(self) -> str:
        """What was told, in lines."""
        return "\n".join(self.told_lines)

    def event(self, event: str) -> None:
        fields: dict[str, Any] = json.loads(event)
        self._bars.event(fields)
        if fields["event"] in self._keep_events:
            self.events.append(fields)

    def output(self, is_stderr: bool, data: bytes) -> None:
        if self._keep_output:
            self.streams[is_stderr].append(data)
        if self._echo is not None:
            self._echo.write(is_stderr, data)

    def told(self, is_warning: bool, lines: str) -> None:
        self.told_lines.append(lines)
        (_logger().warning if is_warning else _logger().info)("%s", lines)

    def progress(self, verb: str, done: int, total: int) -> None:
        self._bars.bytes(verb, done, total)

    def close(self) -> None:
        """Nothing more is heard."""
        self._bars.close()
        if self._echo is not None:
            self._echo.close()


@functools.cache
def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("ibid")


class _Echo:
    """Writes bytes to Python's own streams, which in a notebook are no files."""

    def __init__(self) -> None:
        utf8 = codecs.getincrementaldecoder("utf-8")
        self._decoders = (utf8("replace"), utf8("replace"))

    def write(self, is_stderr: bool, data: bytes) -> None:
        stream: TextIO | None = sys.stderr if is_stderr else sys.stdout
        if stream is None:
            return
        binary = getattr(stream, "buffer", None)
        if binary is None:
            stream.write(self._decoders[is_stderr].decode(data))
        else:
            stream.flush()
            binary.write(data)
            binary.flush()

    def close(self) -> None:
        for decoder, stream in zip(self._decoders, (sys.stdout, sys.stderr), strict=True):
            rest = decoder.decode(b"", final=True)
            if rest and stream is not None:
                stream.write(rest)


def _factory(progress: Progress) -> Callable[..., Bar] | None:
    if progress is None or progress is False:
        return None
    if progress is True:
        from tqdm.auto import tqdm

        made: Callable[..., Bar] = tqdm
        return made
    return progress


class _Bars:
    """Moves one bar for the steps of a run, and one for the bytes that are being read or copied."""

    def __init__(self, factory: Callable[..., Bar] | None) -> None:
        self._factory = factory
        self._steps: Bar | None = None
        self._bytes: Bar | None = None

    def event(self, event: dict[str, Any]) -> None:
        if self._factory is None:
            return
        match event["event"]:
            case "began":
                self._steps = self._factory(total=event["steps"], unit="step")
            case "finished":
                if self._steps is not None:
                    self._steps.set_description(event["step"])
                    self._steps.update(1)
                self._close_bytes()
            case "work" | "prepared" | "running" | "ended":
                self._close_bytes()

    def bytes(self, verb: str, done: int, total: int) -> None:
        if self._factory is None:
            return
        if self._bytes is None:
            self._bytes = self._factory(
                total=total, unit="B", unit_scale=True, desc=verb, leave=False
            )
        bar = self._bytes
        bar.total = max(total, done)
        if done > bar.n:
            bar.update(done - bar.n)

    def _close_bytes(self) -> None:
        if self._bytes is not None:
            self._bytes.close()
            self._bytes = None

    def close(self) -> None:
        self._close_bytes()
        if self._steps is not None:
            self._steps.close()
            self._steps = None
