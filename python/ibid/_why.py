"""Why a step ran: what changed, and what changed that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ibid import _ibid
from ibid._display import preformatted
from ibid._hearing import Hearing
from ibid._place import place

if TYPE_CHECKING:
    from ibid._words import StrPath


class Why:
    """Why a step ran, against the closest earlier run."""

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        """All of it, as in the JSON of `ibid why`."""
        self.text = text
        """All of it, as `ibid why` prints it."""

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why it ran: `new`, `inputs`, `params`, `code` and so on."""
        return tuple(self.data["triggers"])

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What changed, each with its `component`, `old` and `new`."""
        return list(self.data.get("changes", ()))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<ibid.Why {self.data['label']}: {', '.join(self.triggers)}>"

    def _repr_html_(self) -> str:
        return preformatted(self.text)


def why(
    of: str | None = None,
    *,
    cwd: StrPath | None = None,
    cache_dir: StrPath | None = None,
    config: StrPath | None = None,
) -> Why:
    """Says why a step, a label or a key ran; without one, the latest run of the cache."""
    where = place(cwd, cache_dir, config)
    data, text = _ibid.why(where, of, Hearing(echo=False))
    return Why(json.loads(data), text)
