"""Digests of images.

Nothing is remembered: a tag is asked for each time, because it may be moved. A digest does not say
which engine was asked. What cannot be resolved raises `RuntimeError`, and is never its own tag.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from typing import Any

from ibid._errors import Error
from ibid.styx._hashing import ContentHasher
from ibid.styx._protocols import ImageDigestResolver

_NONE = "image:none"
_PINNED = re.compile(r"@(sha256:[0-9a-f]{64})\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SECONDS = 60


def docker_digest_resolver(tag: str) -> str:
    """Returns the id of an image that Docker has: the digest of its configuration."""
    return _inspected("docker", tag)


def podman_digest_resolver(tag: str) -> str:
    """Returns the id of an image that Podman has: the digest of its configuration."""
    return _inspected("podman", tag)


def singularity_digest_resolver(tag: str) -> str:
    """Returns the digest of an image file, or the one that the tag itself ends in."""
    if not tag:
        return _NONE
    # With a scheme it names what has to be fetched, whatever lies here under that name.
    if _SCHEME.match(tag) is None and os.path.isfile(tag):
        try:
            return f"blake3:{ContentHasher().hash_path(tag)}"
        except Error as error:
            raise RuntimeError(f"the image `{tag}` cannot be read: {error.message}") from error
    pinned = _PINNED.search(tag)
    if pinned is not None:
        return pinned[1]
    raise RuntimeError(
        f"`{tag}` is no image file, and what it stands for is not known before it is fetched: "
        "name it by its digest (`name@sha256:…`)"
    )


def of_execution(execution: Any) -> ImageDigestResolver | None:
    """Returns the resolver of what runs a container; `None` where nobody knows one."""
    for engine in ("docker", "podman"):
        executable = getattr(execution, f"{engine}_executable", None)
        if isinstance(executable, str):
            return functools.partial(_inspected, executable)
    if hasattr(execution, "singularity_executable"):
        return singularity_digest_resolver
    return None


def _inspected(executable: str, tag: str) -> str:
    if not tag:
        return _NONE
    command = [executable, "image", "inspect", "--format", "{{.Id}}", tag]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_SECONDS, errors="replace"
        )
    except OSError as error:
        raise RuntimeError(f"`{executable}` cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"`{executable}` did not answer within {_SECONDS} seconds") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"`{executable}` has no image `{tag}`: {error.stderr.strip()}"
        ) from error
    digest = str(done.stdout).strip().removeprefix("sha256:")
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise RuntimeError(f"`{executable}` told no digest of the image `{tag}`: `{digest}`")
    return f"sha256:{digest}"
