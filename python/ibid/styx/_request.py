"""What counts of one call of a tool.

The command line counts as the tool gets it, with paths of inputs replaced by their positions;
inputs count by their content and how they were registered; then parameters, declared outputs, what
the runner's environment has of the variables that count, and the image or the program.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, NamedTuple

from ibid.styx import _params
from ibid.styx._hashing import ContentHasher
from ibid.styx._marks import Marks, known_marks
from ibid.styx._policy import CachePolicy
from ibid.styx._protocols import Metadata
from ibid.styx.backends import _resolvers

_FORMAT = 1
OUTPUT = "outputs"
"""The folder of a view that a tool fills."""


class Input(NamedTuple):
    """A file or folder that was registered."""

    given: str
    host: str
    local: str
    resolve_parent: bool
    mutable: bool
    is_folder: bool
    """Whether what counts was a folder when it was registered."""

    @property
    def with_parent(self) -> bool:
        """Whether all that lies beside it counts, too."""
        return self.resolve_parent and not self.mutable

    @property
    def path(self) -> str:
        """What counts by its content: the file or folder, or the folder that it lies in."""
        return os.path.dirname(self.host) if self.with_parent else self.host

    @property
    def real(self) -> str:
        """Where that lies, behind all links."""
        return os.path.realpath(self.path)

    @property
    def is_ambiguous(self) -> bool:
        """Whether it is another file to those who take `..` back before they follow links."""
        path = self.path
        return ".." in path.split("/") and self.real != os.path.realpath(os.path.normpath(path))

    @property
    def name(self) -> str:
        """What it is called in its folder."""
        return os.path.basename(self.host)


class Told(NamedTuple):
    """What others say of a call; it is asked for again when the tool has run."""

    image: str
    """What the image is known by; where none runs, its tag."""
    hashes: list[str] | None
    """What a hasher of one's own says of each input; `None` where content counts."""
    places: list[str]
    """Where inputs lie, if a hasher is asked: otherwise the engine watches their paths."""


class Call(NamedTuple):
    """One call of a tool, as far as it is known when it is to run."""

    metadata: Metadata
    policy: CachePolicy
    base: Any
    """The execution of the runner below."""
    params: dict[str, Any] | None
    inputs: list[Input]
    outputs: dict[str, bool]
    """Declared outputs: whether they may be missing."""

    @property
    def label(self) -> str:
        """What history calls the tool."""
        return f"{self.metadata.package}/{self.metadata.name}"

    def told(self) -> Told:
        """Returns what others say; `RuntimeError` says that nobody can tell."""
        self._refuse_ambiguous()
        image, hashes = self._image(), self._hashes()
        return Told(image, hashes, [] if hashes is None else [it.real for it in self.inputs])

    def request(self, cargs: list[str], told: Told) -> dict[str, Any]:
        """Returns what counts; `UsageError` says that something has no plain form."""
        image = told.image
        environ = self._environ()
        marks = self._local_marks()
        return {
            "label": self.label,
            "words": [marks.parts(_text(word)) for word in cargs],
            "inputs": [it.path for it in self.inputs] if told.hashes is None else [],
            "environ": None if environ is None else list(environ.items()),
            # `subprocess` looks for programs where `os.environ` says, which may be replaced.
            "path": (os.environ if environ is None else environ).get("PATH"),
            "env": ["LANG", "TZ", *self.policy.env_allowlist],
            "params": _params.Params(self.params or {}, self._host_marks()).text,
            "specs": self._specs(told),
            "versions": self._versions(image),
            "programs": cargs[:1] if self._container() is None else [],
            "image": None if self._container() is None else image,
            "output": OUTPUT,
        }

    def _image(self) -> str:
        container = self._container()
        resolver = self.policy.image_digest
        if container is None:
            tag = self.metadata.container_image_tag or ""
            return tag if resolver is None else resolver(tag)
        resolver = resolver or _resolvers.of_execution(self.base)
        if resolver is None:
            raise RuntimeError(f"nobody knows what the image `{container}` is: give `image_digest`")
        return resolver(container)

    def _hashes(self) -> list[str] | None:
        hasher = self.policy.hasher
        if type(hasher) is ContentHasher:
            return None
        # Whoever cleans a path has to come to the same file.
        paths = [it.real if it.is_ambiguous else it.path for it in self.inputs]
        hashes = [hasher.hash_path(path) for path in paths]
        for it in hashes:
            if not isinstance(it, str):
                raise TypeError(f"`hasher` gave a `{type(it).__qualname__}`, and no text")
        return hashes

    def _refuse_ambiguous(self) -> None:
        if self._container() is None:
            return
        for it in self.inputs:
            # Engines differ in what they mount there; a copy is made by the runner itself.
            if it.is_ambiguous and not it.mutable:
                raise RuntimeError(f"`{it.given}` has a `..` behind a link: give its real path")

    def _container(self) -> str | None:
        """Returns the tag of the image that really runs, if one does."""
        tag = getattr(self.base, "container_tag", None)
        return tag if isinstance(tag, str) else None

    def _environ(self) -> dict[str, str] | None:
        """Returns what the tool sees of variables, as far as that is known.

        `None` stands for those of this process, as its children get them.
        """
        own = getattr(self.base, "environ", None)
        if own is None:
            return None
        # Singularity adds to what its caller has; others start from nothing.
        if hasattr(self.base, "singularity_executable"):
            return {**os.environ, **own}
        # Where programs are looked for without one.
        return {"PATH": os.defpath, **own}

    def _versions(self, image: str) -> dict[str, str]:
        metadata = self.metadata
        versions = {
            "styx/id": metadata.id,
            "styx/name": metadata.name,
            "styx/package": str(metadata.package),
        }
        if self._container() is None:
            versions["styx/image"] = image
        for engine in ("docker", "podman", "singularity"):
            args = getattr(self.base, f"{engine}_extra_args", None)
            if args:
                versions["styx/extra_args"] = _params.as_json(list(map(str, args)))
        return versions | {f"extra/{name}": tag for name, tag in self.policy.extra.items()}

    def _specs(self, told: Told) -> str:
        base_names = self.policy.base_names
        inputs = tuple(
            (bool(it.mutable), it.name if it.with_parent else None, it.name if base_names else None)
            for it in self.inputs
        )
        outputs = tuple((name, bool(optional)) for name, optional in sorted(self.outputs.items()))
        if told.hashes is None:
            return _known_specs(inputs, outputs)
        kind = type(self.policy.hasher)
        return _specs(inputs, outputs, (f"{kind.__module__}.{kind.__qualname__}", told.hashes))

    def _local_marks(self) -> Marks:
        """Knows inputs as the command line names them."""
        spellings = []
        for at, it in enumerate(self.inputs):
            # The copy of a mutable input lies among the outputs, where its name counts.
            if it.mutable or not os.path.isabs(it.local):
                continue
            if not it.with_parent:
                spellings.append((it.local, at, it.is_folder))
            elif it.local.endswith(f"/{it.name}"):
                spellings.append((it.local[: -len(it.name) - 1], at, True))
        return known_marks(tuple(spellings))

    def _host_marks(self) -> Marks:
        """Knows inputs as parameters name them: in any spelling of their paths."""
        spellings = []
        paths: dict[str, int] = {}
        for at, it in enumerate(self.inputs):
            spellings += [(path, at, False) for path in (it.given, it.host, it.local)]
            paths.setdefault(os.path.abspath(it.host), at)
        return known_marks(tuple(spellings), tuple(paths.items()))


def _specs(
    inputs: tuple[tuple[bool, str | None, str | None], ...],
    outputs: tuple[tuple[str, bool], ...],
    hashing: tuple[str, list[str]] | None = None,
) -> str:
    """Returns how inputs were registered, and hashed if they were, and what was declared."""
    hasher, hashes = hashing or (None, [])
    told: list[dict[str, Any]] = []
    for at, (mutable, in_parent, name) in enumerate(inputs):
        how: dict[str, Any] = {"mutable": mutable, "in_parent": None}
        if in_parent is not None:
            how["in_parent"] = _params.text(in_parent)
        if name is not None:
            how["name"] = _params.text(name)
        if hashing is not None:
            how["hash"] = hashes[at]
        told.append(how)
    declared = [[_params.text(name), optional] for name, optional in outputs]
    return _params.as_json(
        [{"styx": _FORMAT, "hasher": hasher, "inputs": told}, {"outputs": declared}]
    )


# All that is asked with is texts and truths, and the same at each hit.
_known_specs = lru_cache(maxsize=64)(_specs)


def _text(word: object) -> str:
    if not isinstance(word, str):
        raise TypeError(f"the word {word!r} of the command is a `{type(word).__name__}`, no text")
    return word
