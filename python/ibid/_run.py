"""One command, or its earlier result: what `ibid exec` does, for Python."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Literal

from ibid import _ibid, _words
from ibid._bypass import is_bypassed
from ibid._display import preformatted, seconds, table
from ibid._errors import CommandFailed, UsageError
from ibid._hearing import Hearing
from ibid._place import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from ibid._hearing import Progress
    from ibid._words import Paths, StrPath

    Command = str | Sequence[str | os.PathLike[str]]
    Variables = Mapping[str, str | None] | str | Iterable[str]
    Duration = str | float | timedelta
    Mode = Literal["read-write", "read-only", "write-only", "off"]
    Link = Literal["auto", "copy", "hardlink"]


class Result:
    """How a command went, in this run or in the one that is cited."""

    def __init__(self, data: dict[str, Any], hearing: Hearing, *, captured: bool) -> None:
        self.data = data
        """All that is known, as in the JSON of the command line."""
        self.text = hearing.text
        """What the command line prints about it."""
        self.stdout = b"".join(hearing.streams[0]) if captured else None
        """What the command printed, if `capture_output` was asked for."""
        self.stderr = b"".join(hearing.streams[1]) if captured else None
        """What it printed to standard error."""

    @property
    def key(self) -> str:
        """The key of what was asked for."""
        return str(self.data["key"])

    @property
    def returncode(self) -> int:
        """The exit code; the negative number of the signal, if one ended the command."""
        if "signal" in self.data:
            return -int(self.data["signal"])
        return int(self.data["exit_code"])

    @property
    def decision(self) -> str:
        """What was done: `ran`, `restored`, or `up-to-date`."""
        return str(self.data["decision"])

    @property
    def ran(self) -> bool:
        """Whether the command ran, instead of being cited."""
        return self.decision == "ran"

    @property
    def stored(self) -> bool:
        """Whether the result is in the cache."""
        return bool(self.data.get("stored", True))

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why it ran: `new`, `inputs`, `params`, `code` and so on."""
        return tuple(self.data.get("rerun", {}).get("triggers", ()))

    @property
    def changes(self) -> tuple[str, ...]:
        """The components that changed since the closest earlier run."""
        changes = self.data.get("rerun", {}).get("changes", ())
        return tuple(change["component"] for change in changes)

    @property
    def elapsed(self) -> float:
        """Seconds that it took here."""
        return float(self.data["elapsed_ns"]) / 1e9

    @property
    def saved(self) -> float:
        """Seconds that the cited run took."""
        return float(self.data.get("saved_ns", 0)) / 1e9

    def __repr__(self) -> str:
        return f"<ibid.Result: {self.text}>"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        row = [self.decision, str(self.returncode), seconds(self.data["elapsed_ns"]), self.key]
        return table(["decision", "exit code", "took", "key"], [row], self.text)


class Key:
    """The key of a command, and everything that it is made of."""

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        """All of it, as in the JSON of `ibid key`."""
        self.text = text
        """All of it, as `ibid key` prints it."""

    @property
    def key(self) -> str:
        """The key itself."""
        return str(self.data["key"])

    @property
    def components(self) -> list[dict[str, Any]]:
        """What counts, each with its `kind`, `name` and `value`."""
        return list(self.data["components"])

    def __str__(self) -> str:
        return self.key

    def __repr__(self) -> str:
        return f"<ibid.Key {self.key}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def _repr_html_(self) -> str:
        return preformatted(self.text)


def run(
    cmd: Command,
    *,
    inputs: Paths | None = None,
    outputs: Paths | None = None,
    params: Mapping[str, Any] | None = None,
    env: Variables | None = None,
    inputs_by_content: Paths | None = None,
    exclude: str | Iterable[str] | None = None,
    optional_outputs: Paths | None = None,
    code: Paths | None = None,
    tools: str | Iterable[str] | None = None,
    packages: Literal["python", "none"] | None = None,
    versions: Mapping[str, str] | None = None,
    versions_from: str | Iterable[str] | None = None,
    specs: Paths | None = None,
    salt: str | Iterable[str] | None = None,
    ignore_args: str | Iterable[str] | None = None,
    pass_env: str | Iterable[str] | None = None,
    secret_env: str | Iterable[str] | None = None,
    env_mode: Literal["strict", "loose"] | None = None,
    stdin: bytes | str | None = None,
    shell: str | None = None,
    label: str | None = None,
    ttl: Duration | None = None,
    timeout: Duration | None = None,
    ok_exit: int | Iterable[int] = (),
    cache_failures: bool = False,
    cwd: StrPath | None = None,
    root: StrPath | None = None,
    cache_dir: StrPath | None = None,
    config: StrPath | None = None,
    force: bool = False,
    mode: Mode | None = None,
    link: Link | None = None,
    strict: bool = False,
    check: bool = True,
    capture_output: bool = False,
    progress: Progress = None,
) -> Result:
    """Runs a command, or brings its earlier result back: outputs, printed text, exit code.

    A text is given to a shell, a list is a program and its words. `inputs` are the files, folders
    and patterns that it reads; an empty list says that it reads nothing. A number is seconds where
    a duration is asked for. With `check` a command that fails raises `CommandFailed`; with
    `capture_output` what it prints is kept in the result instead of being printed.

    Under the same root the same command has the same key here, by `ibid exec`, and as a step.
    """
    where, step = _request(locals())
    hearing = Hearing(progress=progress, echo=not capture_output, keep_output=capture_output)
    try:
        outcome = json.loads(_ibid.execute(where, step, hearing))
    finally:
        hearing.close()
    result = Result(outcome, hearing, captured=capture_output)
    accepted = {0, ok_exit} if isinstance(ok_exit, int) else {0, *ok_exit}
    if check and result.returncode not in accepted:
        raise CommandFailed(f"the command {_ended(result)}", result)
    return result


def key(
    cmd: Command,
    *,
    inputs: Paths | None = None,
    outputs: Paths | None = None,
    params: Mapping[str, Any] | None = None,
    env: Variables | None = None,
    inputs_by_content: Paths | None = None,
    exclude: str | Iterable[str] | None = None,
    optional_outputs: Paths | None = None,
    code: Paths | None = None,
    tools: str | Iterable[str] | None = None,
    packages: Literal["python", "none"] | None = None,
    versions: Mapping[str, str] | None = None,
    versions_from: str | Iterable[str] | None = None,
    specs: Paths | None = None,
    salt: str | Iterable[str] | None = None,
    ignore_args: str | Iterable[str] | None = None,
    pass_env: str | Iterable[str] | None = None,
    secret_env: str | Iterable[str] | None = None,
    env_mode: Literal["strict", "loose"] | None = None,
    stdin: bytes | str | None = None,
    shell: str | None = None,
    ttl: Duration | None = None,
    cwd: StrPath | None = None,
    root: StrPath | None = None,
    cache_dir: StrPath | None = None,
    config: StrPath | None = None,
) -> Key:
    """Returns the key that `run` would look for, and what it is made of; nothing is run."""
    where, step = _request(locals())
    data, text = _ibid.key(where, step, Hearing(echo=False))
    return Key(json.loads(data), text)


def _request(call: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns where a call is made, and its step, from the arguments that it was made with."""
    cwd = call["cwd"]
    where = place(cwd, call["cache_dir"], call["config"])
    command, shell = _command(call["cmd"], call["shell"])
    stdin = call["stdin"]
    inputs = _words.paths(call["inputs"])
    by_content = _words.paths(call["inputs_by_content"])
    code = _words.paths(call["code"])
    reads = bool(inputs or by_content or code) or stdin is not None
    ok_exit = call.get("ok_exit", ())
    step = {
        "command": command,
        "shell": shell,
        "inputs": inputs,
        "inputs_by_content": by_content,
        "exclude": _words.names(call["exclude"]),
        "outputs": _words.paths(call["outputs"]),
        "optional_outputs": _words.paths(call["optional_outputs"]),
        "params": _words.params(call["params"]),
        "specs": [os.path.join(where["dir"], path) for path in _words.paths(call["specs"])],
        "env": _words.variables(call["env"]),
        "pass_env": _words.names(call["pass_env"]),
        "secret_env": _words.names(call["secret_env"]),
        "env_mode": call["env_mode"],
        "tools": _words.names(call["tools"]),
        "code": code,
        "packages": call["packages"],
        "versions": _words.tags("versions", call["versions"]),
        "versions_from": _words.names(call["versions_from"]),
        "ignore_args": _words.names(call["ignore_args"]),
        "salts": _words.names(call["salt"]),
        "stdin": stdin.encode() if isinstance(stdin, str) else stdin,
        "no_input": call["inputs"] is not None and not reads,
        "label": call.get("label"),
        "ttl": _words.duration(call["ttl"]),
        "timeout": _words.duration(call.get("timeout")),
        "ok_exit": [str(code) for code in ([ok_exit] if isinstance(ok_exit, int) else ok_exit)],
        "cache_failures": call.get("cache_failures", False),
        "root": call["root"],
        "execution": execution(call),
    }
    return where, step


def execution(call: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how a call is to go about it."""
    return {
        "force": call.get("force", False),
        "mode": "off" if is_bypassed() else call.get("mode"),
        "link": call.get("link"),
        "strict": call.get("strict", False),
    }


def _command(cmd: Command, shell: str | None) -> tuple[list[str], str | None]:
    if isinstance(cmd, str):
        return [cmd], shell or ""
    if shell is not None:
        raise UsageError(
            "`shell` takes the command as one text, and this is a list of words",
            hint="leave out `shell`, or write the command as one text",
        )
    return [os.fsdecode(word) for word in cmd], None


def _ended(result: Result) -> str:
    if result.returncode < 0:
        return f"was ended by signal {-result.returncode}"
    return f"failed with exit code {result.returncode}"
