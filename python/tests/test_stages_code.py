"""`ibid.stages`: the code of a stage counts, as it stands in its files."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

import ibid
import pytest
from ibid.stages import compute_key, mark_done, should_skip
from stages_bench import MODULE, done, make, settle, stage, warnings, why


def test_what_the_module_imports_counts(out: Path, code: Path) -> None:
    done(out)
    (code / "stagemod_b.py").write_text("LIMIT = 2\n")
    assert why(out) == ("code",)
    assert "code/stagemod_b" in stage().explain(out).reason
    (code / "stagemod_b.py").write_text("LIMIT = 1\n")
    assert why(out) == ()
    (code / "unrelated.py").write_text("x = 1\n")
    assert why(out) == ()
    assert stage().explain(out).modules == (MODULE, "stagemod_b")


def test_a_package_counts_as_a_whole_and_nothing_is_imported(out: Path, code: Path) -> None:
    package = code / "stagepkg"
    (package / "inner").mkdir(parents=True)
    (package / "namespace").mkdir()
    trap = "raise SystemExit('imported')\n"
    (package / "__init__.py").write_text(trap)
    (package / "a.py").write_text(trap + "from . import b\nfrom .inner import c\n")
    (package / "b.py").write_text(trap)
    (package / "inner/__init__.py").write_text(trap)
    (package / "inner/c.py").write_text(trap + "def f():\n    from ..namespace import d\n")
    (package / "namespace/d.py").write_text(trap)
    (package / "__main__.py").write_text(trap)
    whole = stage(module="stagepkg").explain(out)
    names = {"", ".a", ".b", ".inner", ".inner.c", ".namespace.d", ".__main__"}
    assert set(whole.modules) == {f"stagepkg{name}" for name in names}
    one = stage(module="stagepkg.a").explain(out)
    assert set(one.modules) == {f"stagepkg{name}" for name in names - {".__main__"}}
    leaf = stage(module="stagepkg.namespace.d").explain(out)
    assert leaf.modules == ("stagepkg", "stagepkg.namespace.d")
    assert not any(name.startswith("stagepkg") for name in sys.modules)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"params": {1: 1}}, "a name in `params` is 1"),
        ({"params": [1]}, "`params` is .* takes a mapping"),
        ({"versions": {"a": 1}}, r"`versions\['a'\]` is 1"),
        ({"inputs": ("\ud800",)}, "cannot be given"),
        ({"inputs": (3,)}, "a path is 3"),
        ({"outputs": 3}, "3 stands where paths"),
        ({"env": ("\ud800",)}, "cannot be given"),
        ({"module": 3}, "`module` is 3"),
    ],
)
def test_a_field_that_is_none_is_refused(out: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ibid.UsageError, match=told):
        stage(**fields).should_skip(out)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import lib.sub.deep", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import lib.sub.deep as d", {"lib", "lib.sub", "lib.sub.deep"}),
        ("from lib import sub", {"lib", "lib.sub"}),
        ("from lib import name", {"lib"}),
        ("from lib.sub import *", {"lib", "lib.sub", "lib.sub.deep"}),
        ("def f():\n  import lib", {"lib"}),
        ("class C:\n  async def f(self):\n    from lib import sub", {"lib", "lib.sub"}),
        ("try:\n  import absent\nexcept ImportError:\n  import lib", {"lib"}),
        ("import lib\nlib.sub.deep.f()", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import lib as l\nx = l.sub.y", {"lib", "lib.sub"}),
        ("from lib import sub as s\ns.deep.f", {"lib", "lib.sub", "lib.sub.deep"}),
        ("import importlib\nimportlib.import_module('lib.sub')", {"lib", "lib.sub"}),
        ("__import__('lib')", {"lib"}),
        ("import runpy\nrunpy.run_module('lib.sub')", {"lib", "lib.sub"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import lib", set()),
        ("import typing\nif typing.TYPE_CHECKING:\n  import os\nelse:\n  import lib", {"lib"}),
        ("import os, json.decoder", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(
    out: Path, code: Path, source: str, expected: set[str]
) -> None:
    (code / "lib/sub").mkdir(parents=True)
    for name in ("lib/__init__", "lib/sub/__init__", "lib/sub/deep"):
        (code / f"{name}.py").write_text("name = 1\n")
    (code / "stagemod_c.py").write_text(source + "\n")
    found = stage(module="stagemod_c").explain(out)
    assert set(found.modules) == {"stagemod_c"} | expected
    assert found.unseen == ()


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module as load\nfrom importlib import import_module\n"
        "import_module(f'lib.{name}')",
        "__import__(name)",
        "exec(text)",
        "eval(text)",
        "import runpy\nrunpy.run_path('x.py')",
        "import importlib.util\nimportlib.util.spec_from_file_location('x', 'x.py')",
        "import pkgutil\npkgutil.walk_packages()",
        "def __getattr__(name): ...",
        "from ... import above",
    ],
)
def test_what_only_the_run_knows_is_listed(out: Path, code: Path, source: str) -> None:
    (code / "stagemod_c.py").write_text(source + "\n")
    (unseen,) = stage(module="stagemod_c").explain(out).unseen
    assert re.match(r"stagemod_c: line \d+, ", unseen)


def test_what_is_not_seen_is_told(out: Path, code: Path, caplog: pytest.LogCaptureFixture) -> None:
    (code / f"{MODULE}.py").write_text("__import__(name)\n")
    with caplog.at_level(logging.INFO, "ibid"):
        done(out)
        done(out)
    assert caplog.text.count("not seen by its key: stagemod_a: line 1, `__import__`") == 1


def test_an_optional_module_counts_once_it_is_there(out: Path, code: Path) -> None:
    (code / f"{MODULE}.py").write_text("try:\n  import stagemod_opt\nexcept ImportError: ...\n")
    done(out)
    (code / "stagemod_opt.py").write_text("")
    assert why(out) == ("code",)


def test_installed_packages_count_by_version(
    out: Path, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "venv/lib/python3/site-packages"
    (site / "stagedist").mkdir(parents=True)
    (site / "stagedist/__init__.py").write_text("import stagemod_b\n")
    info = site / "stagedist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stagedist\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("stagedist\n")
    monkeypatch.syspath_prepend(str(site))
    (code / f"{MODULE}.py").write_text("def f():\n    import stagedist.x\n")
    done(out)
    assert stage().explain(out).modules == (MODULE,)
    (site / "stagedist/__init__.py").write_text("# patched\n")
    assert why(out) == ("versions",), "nothing is recorded of its files, so they count themselves"
    done(out)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stagedist\nVersion: 1.1\n")
    assert why(out) == ("versions",)
    assert "version/package/stagedist" in stage().explain(out).reason
    found = stage(module="stagedist").explain(out)
    assert found.modules == ("stagedist",), "what is asked about counts by its source as well"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_module", "not found"),
        ("no_such.module", "not found"),
        ("sys", "no source"),
        ("_struct", "no source"),
        ("stagemod_a.below", "not found"),
        ("../stagemod_a", "not found"),
        ("", "not found"),
    ],
)
def test_a_module_without_source_is_never_skipped(
    out: Path, caplog: pytest.LogCaptureFixture, module: str, reason: str
) -> None:
    s = stage(module=module)
    make(out)
    assert compute_key(s, out) is None
    assert not should_skip(s, out)
    assert reason in s.explain(out).reason
    mark_done(s, out)
    assert reason in warnings(caplog)


def test_code_that_changes_during_the_run_is_not_recorded(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with stage().run(out) as run:
        make(out)
        (code / "stagemod_b.py").write_text("LIMIT = 3\n")
    assert not run.recorded
    assert "stagemod_b" in warnings(caplog)
    assert why(out) == ("new",)
    with stage().run(out) as run:
        make(out)
        (code / "stagemod_b.py").write_text("LIMIT = 4\n")
        (code / "stagemod_b.py").write_text("LIMIT = 3\n")
    assert not run.recorded, "what was loaded in between nobody knows"


def test_code_that_was_loaded_and_edited_since_is_not_recorded(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    importlib.import_module(MODULE)
    try:
        (code / f"{MODULE}.py").write_text("# what runs is what was loaded\n")
        with stage().run(out) as run:
            make(out)
        assert not run.recorded
        assert "edited since this process started" in warnings(caplog)
        monkeypatch.setitem(sys.modules, "__main__", sys.modules.pop(MODULE))
        with stage().run(out) as run:
            make(out)
        assert not run.recorded, "it runs as a script"
    finally:
        for name in (MODULE, "stagemod_b"):
            sys.modules.pop(name, None)


def test_code_that_was_loaded_by_another_name_is_the_earlier_one_too(
    out: Path, code: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    (code.parent / "stageother").symlink_to("code")
    monkeypatch.syspath_prepend(str(code.parent))
    other = "stageother.stagemod_b"
    importlib.import_module(other)
    try:
        (code / "stagemod_b.py").write_text("LIMIT = 2\n")
        with stage().run(out) as run:
            make(out)
        assert not run.recorded
        assert "`stagemod_b` was edited since this process started" in warnings(caplog)
    finally:
        for name in (other, "stageother"):
            sys.modules.pop(name, None)


def test_a_link_to_code_that_was_loaded_must_be_older_than_the_process(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "stagemod_link.py").write_text(f"V = {version!r}\n")
    (tmp_path / "now").symlink_to("v1")
    monkeypatch.syspath_prepend(str(tmp_path / "now"))
    settle(tmp_path)
    (tmp_path / "started").write_text("")
    started = (tmp_path / "started").stat().st_ctime
    monkeypatch.setattr("ibid._modules._started", lambda: started)
    importlib.import_module("stagemod_link")
    try:
        s = done(out, stage(module="stagemod_link"))
        settle(tmp_path)
        (tmp_path / "now").unlink()
        (tmp_path / "now").symlink_to("v2")
        with s.run(out) as run:
            make(out)
        assert not run.recorded
        assert "edited since this process started" in warnings(caplog)
    finally:
        sys.modules.pop("stagemod_link", None)
