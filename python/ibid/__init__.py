"""ibid: results that were computed once are cited, not computed again.

A command is run, or its earlier result is brought back, by `run`; the steps of an `ibid.toml` by
`Pipeline`. Everything is in the store that the command line `ibid` uses, under the same keys.
"""

from ibid._bypass import bypass, enabled, is_bypassed
from ibid._cache import Cache
from ibid._errors import (
    CommandFailed,
    Error,
    NotKnown,
    NotRunnable,
    StepsFailed,
    UsageError,
)
from ibid._ibid import __version__
from ibid._memoize import memoize
from ibid._pipeline import Pipeline, PipelineRun, Plan, PlannedStep, StepRun
from ibid._run import Key, Result, key, run
from ibid._why import Why, why

__all__ = [
    "Cache",
    "CommandFailed",
    "Error",
    "Key",
    "NotKnown",
    "NotRunnable",
    "Pipeline",
    "PipelineRun",
    "Plan",
    "PlannedStep",
    "Result",
    "StepRun",
    "StepsFailed",
    "UsageError",
    "Why",
    "__version__",
    "bypass",
    "enabled",
    "is_bypassed",
    "key",
    "memoize",
    "run",
    "why",
]

for _name in __all__:
    # Where it is imported from is where it is found: in tracebacks, in help, in pickles.
    if _name != "__version__":
        globals()[_name].__module__ = "ibid"
del _name
