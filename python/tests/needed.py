"""What tests need: without it a test is skipped by name, and fails in CI."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any, NoReturn

import pytest


def needed(module: str) -> Any:
    """Returns a module that the tests' requirements list, or skips the tests that ask for it."""
    require(module)
    return importlib.import_module(module)


def require(module: str) -> None:
    """Does the same, and does not import it."""
    if importlib.util.find_spec(module) is None:
        lacking(f"{module} is not installed")


def lacking(why: str) -> NoReturn:
    """Skips a test, or the tests of a file that is being imported."""
    if os.environ.get("CI") in ("true", "1"):
        raise RuntimeError(why)
    pytest.skip(why, allow_module_level=True)
