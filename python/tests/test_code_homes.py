"""A package stands for what a name in it leads to, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibid import _code
from projects import Files, code, differs, imported, installed, write

LIB = {
    **installed("lib"),
    "site-packages/lib/__init__.py": """
        LEAST = 1
        def build(alpha):
            def model(x): return x * alpha
            return model
        def deco(f):
            def w(s): return f(s)
            return w
        class Curve:
            def __init__(self, a): self.a = a
            def __call__(self, x): return self.a * x
        class Accessor:
            def __init__(self, kind): self.kind = kind
        def shout(x): return x
        """,
}


WRAP = """
def wrap(f):
    @functools.wraps(f)
    def w(*a): return [f(*a), 1]
    return w
"""


def project_with(main: str) -> Files:
    """Returns a project beside an installed package."""
    return {**LIB, "main.py": f"import functools, json\nimport lib\n{main}\n"}


@pytest.mark.parametrize(
    ("main", "old", "new"),
    [
        ("model = lib.build(alpha=1)\ndef compute(s): return model(2)", "alpha=1", "alpha=2"),
        (
            "@lib.deco\ndef helper(s): return 1\ndef compute(s): return helper(s)",
            "return 1",
            "return 2",
        ),
        ("@lib.deco\ndef compute(s): return 1", "return 1", "return 2"),
        ("C = lib.Curve(1)\ndef compute(s): return C(3)", "Curve(1)", "Curve(2)"),
        (
            "lib.Curve.__call__ = lambda self, x: 1\ndef compute(s): return lib.Curve(1)(3)",
            "x: 1",
            "x: 2",
        ),
        (
            "lib.Curve.__call__ = lambda self, x: 1\nC = lib.Curve(1)\ndef compute(s): return C(3)",
            "x: 1",
            "x: 2",
        ),
        ("lib.shout = lambda x: 1\ndef compute(s): return lib.shout(s)", "x: 1", "x: 2"),
        ("lib.LEAST = 1\ndef compute(s): return lib.LEAST", "lib.LEAST = 1", "lib.LEAST = 2"),
        (
            f"{WRAP}loads = wrap(json.loads)\ndef compute(s): return loads('5')",
            "f(*a), 1",
            "f(*a), 2",
        ),
        (
            f"{WRAP}lib.shout = wrap(lib.shout)\ndef compute(s): return lib.shout('5')",
            "f(*a), 1",
            "f(*a), 2",
        ),
        (
            "class Area:\n    def go(self): return 1\nlib.Curve.area = lib.Accessor(Area)\n"
            "def compute(s): return lib.Curve(1).area",
            "return 1",
            "return 2",
        ),
        (
            "import dataclasses\nA = dataclasses.make_dataclass('A', "
            "[('x', int, dataclasses.field(default=1))])\ndef compute(s): return A().x",
            "default=1",
            "default=2",
        ),
        (
            "class P(functools.partial):\n    def __call__(self, s): return 1\ncompute = P(print)",
            "return 1",
            "return 2",
        ),
        (
            "def mine(x): return 1\nlib.shout.__code__ = mine.__code__\n"
            "def compute(s): return lib.shout(s)",
            "return 1",
            "return 2",
        ),
    ],
)
def test_what_the_project_made_or_put_there_is_the_projects(
    project: Path, main: str, old: str, new: str
) -> None:
    assert differs(project, project_with(main), old, new)


def test_of_a_package_the_recorded_version_counts_and_not_its_code(project: Path) -> None:
    files = project_with("def compute(s): return lib.build(5)(1), lib.Curve(2), lib.shout")
    assert not differs(project, files, "x * alpha", "x + alpha")
    before = code(project, files)
    assert before.versions["package/lib"].startswith("1.0 ")
    assert not any("lib" in label for label in before.texts)
    with imported(project) as main:
        for of in (main.lib.build, main.lib.Curve):
            assert _code.of(of).versions == before.versions


def test_the_code_of_a_file_that_no_package_recorded_counts(project: Path) -> None:
    files = {
        "site-packages/loose.py": "def go(): return 1\n",
        "main.py": "import loose\ndef compute(s): return loose.go()\n",
    }
    assert differs(project, files, "return 1", "return 2")


def test_what_a_package_loads_when_it_is_asked_changes_nothing(project: Path) -> None:
    files = {
        **installed("lib"),
        "site-packages/lib/__init__.py": "def go():\n    import lib.late\n    return lib.late.x\n",
        "site-packages/lib/late.py": "x = 1\n",
        "main.py": """
            import lib
            def compute(s):
                import lib.late
                import wave
                return lib.go(), lib.late.x
            """,
    }
    write(project, files)
    with imported(project) as main:
        before = _code.of(main.compute)
        main.compute({})
        after = _code.of(main.compute)
        assert (before.texts, before.versions) == (after.texts, after.versions)


def test_nothing_installed_is_imported_to_make_a_key(project: Path) -> None:
    files = {
        **installed("heavy"),
        "site-packages/heavy/__init__.py": "raise SystemExit('imported')\n",
        "main.py": "def compute(s):\n    import heavy\n    return heavy.x\n",
    }
    assert code(project, files).versions["package/heavy"].startswith("1.0 ")


@pytest.mark.parametrize(
    ("setting", "body"),
    [
        ("argparse.HelpFormatter.kept = 1", "return argparse.HelpFormatter.kept"),
        ("HelpFormatter.kept = 1", "return HelpFormatter.kept"),
        ("argparse.HelpFormatter.kept = 1", "return HelpFormatter(s).kept"),
        ("xml.sax.saxutils.kept = 1", "return xml.sax.saxutils.kept"),
        ("xml.sax.handler.ContentHandler.kept = 1", "return xml.sax.handler.ContentHandler.kept"),
    ],
)
def test_numbers_that_the_project_puts_into_packages_count(
    project: Path, setting: str, body: str
) -> None:
    imports = "import argparse, xml.sax.saxutils\nfrom argparse import HelpFormatter\n"
    files = {"main.py": f"{imports}{setting}\ndef compute(s): {body}\n"}
    try:
        assert differs(project, files, "kept = 1", "kept = 2")
    finally:
        import argparse
        import xml.sax.handler
        import xml.sax.saxutils

        holders = (argparse.HelpFormatter, xml.sax.saxutils, xml.sax.handler.ContentHandler)
        for holder in holders:
            if hasattr(holder, "kept"):
                del holder.kept
