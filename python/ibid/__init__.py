"""ibid: results that were computed once are cited, not computed again.

A command is run, or its earlier result is brought back, by `run`; the steps of an `ibid.toml` by
`Pipeline`. Everything is in the store that the command line `ibid` uses, under the same keys.
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ibid.stages import Stage

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
    "Stage",
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
    if _name not in ("Stage", "__version__"):
        globals()[_name].__module__ = "ibid"
del _name


def __getattr__(name: str) -> Any:
    """Imports what few callers need when it is first asked for."""
    import importlib

    if name == "Stage":
        return importlib.import_module("ibid.stages").Stage
    if name in ("dirs", "stages", "steps"):
        return importlib.import_module(f"ibid.{name}")
    raise AttributeError(f"module 'ibid' has no attribute {name!r}")
