"""How a value is made: computed in this process, and saved where its result is to stand.

Owns what `save` may leave behind, what becomes of a value that cannot be saved, and what happens to
processes that a function forks. Must not know what a result is of, nor where results are.
Invariants: only what stands at the path that `save` was given becomes the result, and nothing in it
leads out of it; whoever called gets at each value that was computed.
"""

from __future__ import annotations

import json
import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ibid._errors import UsageError
from ibid._hearing import Hearing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

# The calls that are being computed around here, the outermost first.
computed: ContextVar[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = ContextVar(
    "computed", default=()
)


class Making(Hearing, Generic[T]):
    """Computes a value when it is asked for, and saves it where it is to stand."""

    def __init__(
        self,
        spec: Any,
        compute: Callable[[Any], T],
        save: Callable[[T, Path], object],
        output: str,
    ) -> None:
        super().__init__(echo=False)
        self.values: list[T] = []
        self.raised: BaseException | None = None
        # The place of the call, and the call: that which others must not ask for meanwhile.
        self.asked: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        self._spec = spec
        self._compute = compute
        self._save = save
        self._output = output

    def call(self, root: Path) -> bool:
        """Computes and saves below `root`. What is raised is kept: it is the caller's."""
        token = computed.set((*computed.get(), self.asked))
        try:
            value = _in_this_process(self._compute, self._spec)
            self.values.append(value)
            self._keep(value, root)
        except BaseException as error:
            self.raised = error
            return False
        finally:
            computed.reset(token)
        return True

    def result(self, label: str, *, strict: bool) -> T:
        """Returns what was computed, or raises what was raised.

        That the system does not let a value be saved is a warning, unless `strict`.
        """
        # By its traceback it leads back here: who has the value need not keep more than that.
        error, self.raised = self.raised, None
        if error is None:
            return self.values[0]
        if self.values and isinstance(error, (OSError, MemoryError)) and not strict:
            self.told(
                True,
                f"{label}: the value could not be saved ({type(error).__name__}: {error}); "
                "it counts, but was not stored",
            )
            return self.values[0]
        self.hand_back(error)
        raise error

    def hand_back(self, error: BaseException) -> None:
        """Gives an exception the value, if one was computed."""
        if self.values:
            vars(error)["unsaved"] = Unsaved(self.values[0])
            error.add_note("The value was computed: it is `unsaved.value` of this exception.")

    def _keep(self, value: T, root: Path) -> None:
        import shutil
        import tempfile
        from pathlib import Path

        from ibid import _links

        # `save` may make siblings and rename: only what stands at the path is the result.
        private = tempfile.mkdtemp(prefix=".saving-", dir=root)
        try:
            path = Path(private) / self._output
            _in_this_process(self._save, value, path)
            if not os.path.lexists(path):
                raise _nothing_made(path)
            leaving = _links.leaving(os.fspath(path))
            if leaving:
                raise UsageError(
                    f"what `save` made cannot be kept: {_links.told(leaving)}",
                    hint="save the bytes: what a link leads to can change, or go",
                )
            os.rename(path, os.path.join(root, self._output))
        finally:
            shutil.rmtree(private, ignore_errors=True)


class Unsaved:
    """A value that an exception hands back, and leaves behind when it goes to another process."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        # It may be large, and if it cannot be pickled, what was raised would not arrive.
        return str, ("a value, which stays in the process that computed it",)


def _nothing_made(path: Path) -> UsageError:
    """Says what `save` made in place of what it was asked for."""
    hint = None
    names = sorted(os.listdir(path.parent))
    longer = [name for name in names if name.startswith(path.name)]
    if longer:
        suffix = longer[0].removeprefix("value")
        hint = f"it made `{longer[0]}`: `suffix={json.dumps(suffix)}` asks for that"
    elif names:
        hint = f"it made `{names[0]}`, which stands beside it"
    return UsageError(f"`save` made nothing at `{path.name}`", hint=hint)


def _in_this_process(function: Callable[..., T], *arguments: Any) -> T:
    """Calls what may fork. A child ends here: the thread that waits for it is its parent's."""
    here = os.getpid()
    try:
        value = function(*arguments)
    except BaseException as error:
        if os.getpid() != here:
            _end_child(error)
        raise
    if os.getpid() != here:
        _end_child(RuntimeError("a child that was forked by a function of ibid.Cache came back"))
    return value


def _end_child(error: BaseException) -> NoReturn:
    """Ends this process as Python would, but for what only its parent may clean up."""
    status = 1
    try:
        code = error.code if isinstance(error, SystemExit) else 1
        if code is None or isinstance(code, int):
            status = (code or 0) & 0xFF
        elif isinstance(error, SystemExit):
            print(code, file=sys.stderr)
        if not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)
