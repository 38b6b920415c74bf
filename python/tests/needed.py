"""Packages that tests ask: without them a test is skipped by name, and fails in CI."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def needed(module: str) -> Any:
    """Returns a module that `tests/requirements.txt` lists, or skips the tests that ask for it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{module} is not installed", allow_module_level=True)
