"""What is raised: the failures of the command line, with its text and its hints.

A miss, a cache that cannot be written and a result that could not be stored are none: they are
told of by the logger `ibid`, and the work is done.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibid._pipeline import PipelineRun
    from ibid._run import Result


class Error(Exception):
    """ibid could not do what was asked.

    `message` is one line, `causes` what led to it, `hints` what to do; `exit_code` is that of the
    command line. As a text it has all of it.
    """

    def __init__(
        self,
        message: str,
        *,
        causes: tuple[str, ...] = (),
        hints: tuple[str, ...] = (),
        exit_code: int = 125,
        text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = causes
        self.hints = hints
        self.exit_code = exit_code
        self._text = text

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        lines = [self.message, *(f"caused by: {cause}" for cause in self.causes)]
        if self.hints:
            lines += ["", *(f"hint: {hint}" for hint in self.hints)]
        return "\n".join(lines)


class UsageError(Error, ValueError):
    """The request, or a file such as `ibid.toml`, is wrong. Nothing was run."""

    def __init__(self, message: str, *, hint: str | None = None, **known: object) -> None:
        hints = (hint,) if hint is not None else ()
        super().__init__(message, **{"exit_code": 2, "hints": hints, **known})  # type: ignore[arg-type]


class NotKnown(Error, LookupError):
    """What was asked about is not known: no run of a step, no such key."""


class NotRunnable(Error, OSError):
    """The program is not there, or cannot be executed."""


class CommandFailed(Error):
    """The command ended with an exit code that is no success; `result` says how it went."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message, exit_code=abs(result.returncode))
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.result), self.__dict__


class StepsFailed(Error):
    """Steps failed, or could not be tried; `run` says how each went."""

    def __init__(self, message: str, run: PipelineRun, exit_code: int) -> None:
        super().__init__(message, exit_code=exit_code)
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.run, self.exit_code), self.__dict__


_BY_EXIT_CODE: dict[int, type[Error]] = {
    1: NotKnown,
    2: UsageError,
    126: NotRunnable,
    127: NotRunnable,
}


def from_failure(failure: str, text: str) -> Error:
    """Makes the exception of a failure, of which `text` is what the command line prints."""
    fields = json.loads(failure)
    kind = _BY_EXIT_CODE.get(fields["exit_code"], Error)
    return kind(
        fields["message"],
        causes=tuple(fields["causes"]),
        hints=tuple(fields["hints"]),
        exit_code=fields["exit_code"],
        text=text.removeprefix("error: ").rstrip("\n"),
    )
