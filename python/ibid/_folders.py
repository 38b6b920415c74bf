"""Which folders this process was told to use, for every request that it makes.

Owns what `ibid.dirs.configure` was given last: one pair, replaced as a whole, so that no thread
sees the cache of one call with the temporary folder of another.
"""

from __future__ import annotations

configured: tuple[str | None, str | None] = (None, None)
"""The cache and the folder for temporary files; `None` where the settings say it."""
