"""Tools behind runners of Styx: one that ran once on equal inputs is not run again.

`CachingRunner` goes around any runner whose executions have an `output_dir`; generated wrappers
call it like any other.
"""

from ibid._bypass import bypass, enabled, is_bypassed
from ibid.styx._hashing import ContentHasher
from ibid.styx._policy import CachePolicy, trust_tag
from ibid.styx._protocols import ImageDigestResolver, InputHasher
from ibid.styx._runner import CacheStore, CachingRunner

__all__ = [
    "CachePolicy",
    "CacheStore",
    "CachingRunner",
    "ContentHasher",
    "ImageDigestResolver",
    "InputHasher",
    "bypass",
    "enabled",
    "is_bypassed",
    "trust_tag",
]

for _made in (CachePolicy, CacheStore, CachingRunner, ContentHasher, InputHasher, trust_tag):
    # Where it is imported from is where it is found: in tracebacks, in help, in pickles.
    _made.__module__ = "ibid.styx"
del _made
