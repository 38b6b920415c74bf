"""Packages that tests ask: without them a test is skipped by name, and fails in CI."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest


def needed(module: str) -> Any:
    """Returns a module that the tests' requirements list, or skips the tests that ask for it."""
    require(module)
    return importlib.import_module(module)


def require(module: str) -> None:
    """Does the same, and does not import it."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI") in ("true", "1"):
            raise ModuleNotFoundError(f"{module} is not installed")
        pytest.skip(f"{module} is not installed", allow_module_level=True)
