"""Arguments that are not plain data, as they stand in a spec.

Apart from what uses it because dataclasses take time to import.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Form:
    """The type of a value, and the digest of what it consists of."""

    of: str
    digest: str
