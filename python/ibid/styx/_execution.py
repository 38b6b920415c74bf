"""One run of a tool by a runner of Styx, or its earlier result.

Owns the order of the protocol and the paths that are handed out. They lie in the view of this
execution from the first: there the tool runs on a miss, and on a hit the view leads to its result,
so that no path changes. Whatever goes wrong in the cache, the tool is run, once.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import posixpath
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibid import _ibid
from ibid._errors import Error, UsageError
from ibid._hearing import Hearing
from ibid._place import place
from ibid.styx import _outputs, _views
from ibid.styx._protocols import Handler, Metadata, StrPath
from ibid.styx._request import OUTPUT, Call, Input, Told
from ibid.styx._streams import Lines, Recorded

if TYPE_CHECKING:
    from ibid.styx._runner import CachingRunner


class CachingExecution:
    """An execution of Styx that asks the cache first."""

    def __init__(self, base: Any, runner: CachingRunner, metadata: Metadata) -> None:
        self._base = base
        self._runner = runner
        self._metadata = metadata
        self._params: dict[str, Any] | None = None
        self._inputs: list[Input] = []
        self._outputs: dict[str, bool] = {}
        self._elsewhere: list[str] = []
        # The view, and the folder in it where outputs stand.
        self._view: str | None = None
        self._filled = ""
        self._has_run = False

    def params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Takes the parameters, as the runner below hands them back."""
        normalised: dict[str, Any] = self._base.params(params)
        self._params = normalised
        return normalised

    def input_file(
        self, host_file: StrPath, resolve_parent: bool = False, mutable: bool = False
    ) -> str:
        """Registers an input, and returns its path for the command line."""
        if self._view is not None or self._has_run:
            raise RuntimeError(
                "inputs are registered before outputs are asked for, and before `run`"
            )
        host = _absolute(host_file)
        if os.path.basename(host) == "..":
            # What it lies in does not stand before it.
            host = os.path.realpath(host)
        given = os.fspath(host_file)
        try:
            counts = os.stat(os.path.dirname(host) if resolve_parent and not mutable else host)
        except (OSError, ValueError):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), given) from None
        local: str = self._base.input_file(
            host_file, resolve_parent=resolve_parent, mutable=mutable
        )
        is_folder = stat.S_ISDIR(counts.st_mode)
        self._inputs.append(Input(given, host, local, resolve_parent, mutable, is_folder))
        return local

    def output_file(self, local_file: str, optional: bool = False) -> Path:
        """Declares an output, and returns where it will stand."""
        folder = self._place_of_outputs()
        if os.path.isabs(local_file):
            # The tool writes it where it is told to; nobody could bring it back there.
            self._elsewhere.append(f"its output `{local_file}` does not lie in its own folder")
            return Path(local_file)
        name = posixpath.normpath(local_file)
        if name == ".." or name.startswith("../"):
            raise UsageError(
                f"the output `{local_file}` would lie outside of the folder of outputs",
                hint="a tool writes below its own folder, or to an absolute path",
            )
        if not optional and self._runner.policy.optional_outputs:
            tool = f"{self._metadata.package}/{self._metadata.name}"
            optional = self._runner.policy.may_be_missing(tool, name)
        if name != ".":
            # An output that is declared twice must meet both.
            self._outputs[name] = self._outputs.get(name, True) and optional
        return Path(posixpath.join(folder, name))

    def mutable_copy(self, host_file: StrPath) -> Path:
        """Returns where the edited copy of a mutable input will stand."""
        copy: Path = self._base.mutable_copy(host_file)
        below = getattr(self._base, "output_dir", None)
        if below is None:
            return copy
        return self.output_file(os.path.relpath(copy, below))

    def run(
        self,
        cargs: list[str],
        handle_stdout: Handler = None,
        handle_stderr: Handler = None,
    ) -> None:
        """Runs the tool, or brings its earlier result back: outputs, and what it printed."""
        if self._has_run:
            raise RuntimeError("an execution runs once: start another one")
        self._has_run = True
        try:
            self._check_base()
            making = _Making(self, cargs, (handle_stdout, handle_stderr))
            self._ask(making)
            if not making.has_run and not making.is_cited:
                making.run_plainly()
        except BaseException:
            if self._view is not None:
                _views.remove(self._view)
            raise

    def _check_base(self) -> None:
        try:
            self._base.output_dir = self._base.output_dir
        except AttributeError:
            raise RuntimeError(
                "the runner below has to let its outputs be put elsewhere: "
                f"`{type(self._base).__name__}` has no `output_dir` that can be set"
            ) from None

    def _ask(self, making: _Making) -> None:
        """Asks the cache; where it does not answer, the tool has not run."""
        call = making.call_of_tool
        try:
            if self._elsewhere:
                raise UsageError(self._elsewhere[0])
            making.told_before = call.told()
            request = call.request(making.cargs, making.told_before)
        except Exception as error:
            # Resolvers and hashers of others may raise anything.
            _tell_once(call.label, _in_words(error))
            return
        execution = {"force": False, "mode": None, "link": None, "strict": False}
        self._place_of_outputs()
        request |= {"view": self._view, "execution": execution}
        try:
            _ibid.run_tool(place(None, self._runner.cache_dir), request, making)
        except Exception as error:
            # What the tool has made stands; if it has not run, it will.
            _tell_once(call.label, _in_words(error))
            return
        finally:
            if making.raised is not None:
                raise making.raised
        making.is_cited = not making.has_run
        making.lines.close()

    def _place_of_outputs(self) -> str:
        """Returns where outputs stand, once it is known what they are."""
        if self._view is None:
            self._view = _views.name(self._runner.cache_dir, self._metadata.name)
            self._filled = posixpath.join(self._view, OUTPUT)
        return self._filled

    def _call(self) -> Call:
        return Call(
            metadata=self._metadata,
            policy=self._runner.policy,
            base=self._base,
            params=self._params,
            inputs=self._inputs,
            outputs=self._outputs,
        )


class _Making(Hearing):
    """Runs the tool when it is asked for, and hears what an earlier run printed."""

    def __init__(
        self, execution: CachingExecution, cargs: list[str], handlers: tuple[Handler, Handler]
    ) -> None:
        super().__init__(echo=False)
        self.cargs = cargs
        self.call_of_tool = execution._call()
        self.told_before: Told | None = None
        self.lines = Lines(*handlers)
        self.raised: BaseException | None = None
        self.has_run = False
        self.is_cited = False
        self._base = execution._base
        self._filled = execution._place_of_outputs()
        self._handlers = handlers

    def told(self, is_warning: bool, lines: str) -> None:
        """Says of which tool it is told."""
        super().told(is_warning, f"{self.call_of_tool.label}: {lines}")

    def output(self, is_stderr: bool, data: bytes) -> None:
        """Hands on what an earlier run printed."""
        self.lines.feed(is_stderr, data)

    def execute(self, root: Path, record: Callable[[bool, bytes], object]) -> list[str] | None:
        """Runs the tool. Returns why the result is not to be stored; `None` if there is none."""
        self.has_run = True
        try:
            recorded = Recorded(record)
            is_whole = self._run(functools.partial(recorded.run, self._base.run))
        except BaseException as error:
            self.raised = error
            return None
        try:
            return self._unfit(is_whole)
        except Exception as error:
            # The tool has done its work all the same.
            return [_in_words(error)]

    @functools.cached_property
    def _folder(self) -> Path:
        """The folder of outputs."""
        return Path(self._filled)

    def _unfit(self, is_whole: bool) -> list[str]:
        """Returns why what the tool made is not to be stored."""
        call = self.call_of_tool
        unfit = [] if is_whole else ["what it printed is not known to its end"]
        if call.told() != self.told_before:
            unfit.append("its image or its inputs changed while it ran")
        return unfit + _outputs.settle(self._folder, call.outputs)

    def run_plainly(self) -> None:
        """Runs the tool without the cache, where its outputs are looked for."""
        self.has_run = True

        def plainly(cargs: list[str], stdout: Handler, stderr: Handler) -> None:
            self._base.run(cargs, handle_stdout=stdout, handle_stderr=stderr)

        self._run(plainly)

    def _run(self, run: Callable[..., Any]) -> Any:
        if self._folder.parent.is_symlink():
            # What it leads to is others' as well.
            self._folder.parent.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.makedirs(self._folder.parent, mode=0o700, exist_ok=True)
        self._folder.mkdir()
        earlier = self._base.output_dir
        self._base.output_dir = self._place_of_base()
        try:
            return run(self.cargs, *self._handlers)
        finally:
            self._base.output_dir = earlier

    def _place_of_base(self) -> Path:
        """Returns the folder of outputs. Engines of containers name a run by it."""
        if getattr(self._base, "container_tag", None) is None:
            return self._folder
        view = self._folder.parent
        link = view / f"{view.parent.name[-16:]}-{view.name}"
        link.symlink_to(OUTPUT)
        return link


def _absolute(path: StrPath) -> str:
    """Returns a path that starts at the root.

    Not cleaned: behind a link, `..` goes back from where the link leads.
    """
    text = os.fspath(path)
    if text.startswith("/") and ".." not in text and "\0" not in text:
        return posixpath.normpath(text)
    return os.fspath(Path(text).absolute())


def _in_words(error: Exception) -> str:
    if isinstance(error, Error):
        return error.message
    return str(error) or type(error).__name__


@functools.cache
def _tell_once(label: str, why: str) -> None:
    logging.getLogger("ibid").warning("%s: not cached: %s", label, why)
