"""Manifests beside the outputs of steps: what a step was run with, and whether that still holds.

For callers that run their steps themselves and want to know which of them to pass over:

    hashes = hash_directory(raw)
    if not is_step_fresh("clean", out, hashes):
        clean(raw, out)
        save_step_manifest("clean", out, hashes)

A step is fresh where its manifest is whole, names the same inputs and versions, neither more nor
less, and everything that the step made stands with the bytes that it had. Timestamps decide
nothing. `explain_step` says why a step is not fresh. What the caller does not hash, such as
the code of the step, does not count: `ibid.stages` and `ibid.Pipeline` see to that themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibid import _record
from ibid._bypass import is_bypassed
from ibid._errors import UsageError
from ibid._listing import DirectoryHashes, hash_directory, hash_file
from ibid._outputs import absent, changed, matched, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MANIFEST_VERSION",
    "DirectoryHashes",
    "Freshness",
    "explain_step",
    "hash_directory",
    "hash_file",
    "is_step_fresh",
    "save_step_manifest",
]

MANIFEST_VERSION = "1.0.0"
"""The version of the form of manifests; those of another one are not fresh."""


@dataclass(frozen=True)
class Freshness:
    """Whether a step is fresh, and if not, why: `triggers` are words, `reasons` sentences."""

    step_name: str
    triggers: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether the step need not run."""
        return not self.triggers

    def __bool__(self) -> bool:
        return self.fresh

    def __str__(self) -> str:
        if self.fresh:
            return f"{self.step_name}: fresh"
        return f"{self.step_name}: {', '.join(self.triggers)}: {'; '.join(self.reasons)}"


def save_step_manifest(
    step_name: str,
    output_dir: Path,
    input_hashes: dict[str, str],
    *,
    artifact_versions: dict[str, str] | None = None,
    extra_metadata: dict[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
) -> Path:
    """Records what a step was run with and what it made, and returns the path of its manifest.

    `input_hashes` are those of before the run, so that what changes during it shows the next time.
    What the step made is all that lies below `output_dir`, or what `outputs` names: paths and
    patterns from there, needed where several steps write into one folder.
    """
    output_dir = Path(output_dir)
    path = _record.path_of(output_dir, step_name)
    manifest: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "step_name": step_name,
        "input_hashes": _texts("input_hashes", input_hashes),
    }
    if isinstance(input_hashes, DirectoryHashes):
        manifest["input_skipped"] = list(input_hashes.skipped)
    if artifact_versions:
        manifest["artifact_versions"] = _texts("artifact_versions", artifact_versions)
    if extra_metadata:
        manifest["extra_metadata"] = extra_metadata
    output_dir.mkdir(parents=True, exist_ok=True)
    manifest["outputs"] = recorded(output_dir, outputs)
    manifest["created_at"] = _now()
    # As it will be read: names of mappings are texts then.
    manifest = json.loads(_as_json(manifest, sort_keys=False))
    manifest["check"] = _check(manifest)
    _record.write(path, (_as_json(manifest, indent=2) + "\n").encode())
    return path


def is_step_fresh(
    step_name: str,
    output_dir: Path,
    current_input_hashes: dict[str, str],
    *,
    artifact_versions: dict[str, str] | None = None,
    required_outputs: list[str] | None = None,
    force: bool = False,
) -> bool:
    """Says whether a step need not run; why it must is told to the logger `ibid`.

    `required_outputs` are paths and patterns from `output_dir`: each has to be there, as it was
    when the manifest was saved. With `force` a step is never fresh.
    """
    found = explain_step(
        step_name,
        output_dir,
        current_input_hashes,
        artifact_versions=artifact_versions,
        required_outputs=required_outputs,
        force=force,
    )
    if not found:
        import logging

        logging.getLogger("ibid").info("%s", found)
    return found.fresh


def explain_step(
    step_name: str,
    output_dir: Path,
    current_input_hashes: dict[str, str],
    *,
    artifact_versions: dict[str, str] | None = None,
    required_outputs: list[str] | None = None,
    force: bool = False,
) -> Freshness:
    """Says whether a step need not run, and if it must, everything that speaks for it."""
    output_dir = Path(output_dir)
    path = _record.path_of(output_dir, step_name)
    _texts("current_input_hashes", current_input_hashes)
    versions = _texts("artifact_versions", artifact_versions or {})
    if force or is_bypassed():
        why = "asked to run" if force else "the cache is bypassed"
        return Freshness(step_name, ("forced",), (why,))
    try:
        manifest = _load(path, step_name)
    except FileNotFoundError:
        return Freshness(step_name, ("new",), (f"there is no manifest `{path}`",))
    except (OSError, ValueError, RecursionError) as error:
        return Freshness(step_name, ("new",), (f"the manifest `{path}` is unusable: {error}",))
    found = [
        ("inputs", _inputs(manifest, current_input_hashes)),
        ("versions", _differences("version", manifest.get("artifact_versions", {}), versions)),
        ("outputs", _outputs(output_dir, manifest["outputs"], required_outputs or [])),
    ]
    triggers = tuple(trigger for trigger, reasons in found if reasons)
    return Freshness(step_name, triggers, tuple(one for _, reasons in found for one in reasons))


def _outputs(output_dir: Path, outputs: dict[str, str], required: Sequence[str]) -> list[str]:
    """Says what is wrong with what a step made."""
    reasons = changed(output_dir, outputs)
    for pattern in required:
        found = matched(output_dir, pattern)
        if not found:
            reasons.append(f"nothing is at the required output `{pattern}`")
        for path in absent(found, outputs):
            reasons.append(f"the required output `{path}` was not there when the step was recorded")
    return reasons


def _inputs(manifest: dict[str, Any], hashes: dict[str, str]) -> list[str]:
    """Says what is different about the inputs, and about the rule by which a folder was read."""
    reasons = _differences("input", manifest["input_hashes"], hashes)
    old = manifest.get("input_skipped")
    if isinstance(hashes, DirectoryHashes) and old not in (None, list(hashes.skipped)):
        reasons.append("the inputs were looked for with another `skip_hidden`")
    return reasons


def _differences(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Compares both ways: what was there and is not, what is and was not, and what differs."""
    reasons = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            reasons.append(f"the {kind} `{name}` is gone")
        elif name not in old:
            reasons.append(f"the {kind} `{name}` is new")
        elif old[name] != new[name]:
            reasons.append(f"the {kind} `{name}` changed: `{old[name]}` is `{new[name]}` now")
    return reasons


def _load(path: Path, step_name: str) -> dict[str, Any]:
    """Reads a whole manifest of this step; whatever else stands there is a `ValueError`."""
    manifest = json.loads(_record.read(path).decode("utf-8"))
    if not isinstance(manifest, dict):
        raise ValueError("it is no mapping")
    if "schema" in manifest:
        raise ValueError("it is that of a stage of the same name; give one of them another")
    version = manifest.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise ValueError(f"its version is {version!r}, and {MANIFEST_VERSION!r} is read")
    if manifest.get("step_name") != step_name:
        raise ValueError(f"it is of the step {manifest.get('step_name')!r}")
    check = manifest.pop("check", None)
    if check != _check(manifest):
        raise ValueError("it was changed since it was written")
    for name in ("input_hashes", "outputs", "artifact_versions"):
        if not isinstance(manifest.get(name, {}), dict):
            raise ValueError(f"its `{name}` is no mapping")
    for name in ("input_hashes", "outputs"):
        if name not in manifest:
            raise ValueError(f"it has no `{name}`")
    return manifest


def _texts(name: str, value: Mapping[str, str | None]) -> dict[str, str | None]:
    """Checks names with texts, or with `None`, which differs from being absent."""
    if not isinstance(value, Mapping):
        raise UsageError(f"`{name}` is a `{type(value).__qualname__}`", hint="give a mapping")
    for key, text in value.items():
        if not isinstance(key, str) or not (text is None or isinstance(text, str)):
            raise UsageError(f"`{name}[{key!r}]` is {text!r}", hint="names and values are texts")
    return dict(value)


def _check(manifest: dict[str, Any]) -> str:
    """Returns a digest of all that stands in a manifest: it tells damage, not forgery."""
    return hashlib.sha256(_as_json(manifest).encode()).hexdigest()


def _as_json(data: Any, *, indent: int | None = None, sort_keys: bool = True) -> str:
    try:
        return json.dumps(data, sort_keys=sort_keys, allow_nan=False, indent=indent)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"what is to be recorded has no plain form: {error}",
            hint="`extra_metadata` holds numbers, texts, lists and mappings of them",
        ) from error


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()
