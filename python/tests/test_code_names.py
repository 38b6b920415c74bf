"""Whatever a name may lead to counts: modules, imports, texts that are looked up."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from ibid import _code
from projects import Files, code, differs, imported, write

SETTINGS = {"settings.py": "ALPHA = 1\nOTHER = 1\n"}
HELPER = {"other.py": "def go(): return 1\n"}


@pytest.mark.parametrize(
    "body",
    [
        "def helper(cfg): return cfg.ALPHA\ndef compute(s): return helper(settings)",
        "def make(b):\n    def compute(s): return b.ALPHA\n    return compute\n"
        "compute = make(settings)",
        "B = {'x': settings}\ndef compute(s): return B['x'].ALPHA",
        "def compute(s, b=settings): return b.ALPHA",
        "def cfg(): return settings\ndef compute(s): return cfg().ALPHA",
        "def compute(s): return getattr(settings, 'ALPHA')",
        "def compute(s): return getattr(settings, s)",
        "def compute(s): return vars(settings)[s]",
        "def compute(s): return settings.__dict__[s]",
        "import pkg\ndef compute(s): return getattr(getattr(pkg, s), s)",
        "import sys\ndef compute(s): return sys.modules['settings'].ALPHA",
        "import builtins\nbuiltins.SHARED = [settings.ALPHA]\ndef compute(s): return SHARED",
        "def compute(s):\n    m = settings\n    return m.ALPHA",
        "class Holder:\n    of = settings\ndef compute(s): return Holder.of.ALPHA",
        "def read(m): return m.ALPHA\n"
        "def compute(s):\n    import settings as t\n    return read(t)",
        "import pkg\ndef read(m): return m.ALPHA\ndef compute(s): return read(pkg.inner)",
    ],
)
def test_a_module_that_is_a_value_counts_by_what_is_in_it(project: Path, body: str) -> None:
    files = {
        **SETTINGS,
        "pkg/__init__.py": "from pkg import inner\n",
        "pkg/inner.py": "ALPHA = 1\n",
        "main.py": f"import settings\n{body}\n",
    }
    assert differs(project, files, "ALPHA = 1", "ALPHA = 2")


def test_a_module_that_is_looked_into_counts_by_the_names(project: Path) -> None:
    files = {**SETTINGS, "main.py": "import settings\ndef compute(s): return settings.ALPHA\n"}
    assert differs(project, files, "ALPHA = 1", "ALPHA = 2")
    assert not differs(project, files, "OTHER = 1", "OTHER = 2")


def test_a_name_that_is_looked_up_in_something_is_no_global(project: Path) -> None:
    files = {"main.py": "total = 1\ndef compute(s): return s.total\n"}
    assert not differs(project, files, "total = 1", "total = 2")


@pytest.mark.parametrize(
    "body",
    [
        "def compute(s):\n    from pkg import helper\n    return helper.go()",
        "def compute(s):\n    import pkg.helper\n    return pkg.helper.go()",
        "def compute(s):\n    import pkg.helper as h\n    return h.go()",
        "def compute(s):\n    from pkg.helper import go\n    return go()",
        "import importlib\ndef compute(s): return importlib.import_module('pkg.helper').go()",
        "def compute(s):\n    from importlib import import_module\n"
        "    return import_module('pkg.helper').go()",
        "def compute(s): return __import__('pkg.helper').helper.go()",
        "from importlib import import_module as im\ndef compute(s): return im('pkg.helper').go()",
        "import lazy\ndef compute(s): return lazy.go()",
        "def compute(s): return eval('__import__(\"pkg.helper\").helper.go()')",
        "def compute(s):\n    names = {}\n"
        "    exec('from pkg.helper import go; x = go()', names)\n    return names['x']",
    ],
)
def test_what_is_imported_at_the_call_counts_before_it(project: Path, body: str) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/helper.py": "def go(): return 1\n",
        "lazy.py": """
            def __getattr__(name):
                import importlib
                if name == "go":
                    return importlib.import_module("pkg.helper").go
                raise AttributeError(name)
            """,
        "main.py": f"{body}\n",
    }
    assert differs(project, files, "return 1", "return 2")
    with imported(project) as main:
        before = _code.of(main.compute)
        assert main.compute({}) == 2
        assert _code.of(main.compute).texts == before.texts


def test_a_relative_import_of_a_long_function_is_followed(project: Path) -> None:
    numbers = "".join(f"    x{at} = {at + 1000}\n" for at in range(300))
    files = {
        "main.py": "from pkg.a import compute\n",
        "pkg/__init__.py": "",
        "pkg/a.py": f"def compute(s):\n{numbers}    from .other import go\n    return go()\n",
        "pkg/other.py": HELPER["other.py"],
    }
    assert differs(project, files, "return 1", "return 2")


@pytest.mark.parametrize(
    "expression",
    ["globals()['helper']()", "eval('helper()')", "getattr(sys.modules[__name__], s)()"],
)
def test_what_is_looked_up_around_a_function_counts(project: Path, expression: str) -> None:
    files = {
        "main.py": f"""
            import sys
            def helper(): return 1
            def compute(s): return {expression}
            """
    }
    assert differs(project, files, "return 1", "return 2")


@pytest.mark.parametrize(
    "call",
    [
        "s.query('a > @CUT')",
        "s.query('a > @ CUT', engine='python', inplace=True)",
        "s.query(expr='a > @limits.low')",
        "s.query('a > @limit()')",
        "s.query(f'{s} > @CUT')",
        "s.query('a > ' + s)",
        "s.query(s)",
        "s.query(TEXT)",
        "s.loc[0].eval('a * @CUT')",
        "s.eval(s)",
        "[t.query('a > @CUT') for t in s]",
        "operator.methodcaller('query', s)(s)",
        "builtins.eval(s)",
        "builtins.eval('limit() + 1')",
    ],
)
def test_what_a_text_names_that_is_run_on_a_table_counts(project: Path, call: str) -> None:
    files = {
        "limits.py": "low = 1\n",
        "main.py": f"""
            import builtins, limits, operator
            CUT = limits.low
            TEXT = f"a > {{CUT}}"
            def limit(): return CUT
            def compute(s): return {call}
            """,
    }
    assert differs(project, files, "low = 1", "low = 2")


@pytest.mark.parametrize(
    "call",
    [
        "s.query('a > 1')",
        "s.query('a > @s.x')",
        "s.eval('c = a + b', inplace=False)",
        "s.eval()",
        "s.query",
        "parse_qs(s.query)",
        "s.query(Model)",
        "1 if s.eval else 2",
        "s.eval or print(str(s))",
        "[s.modules[0], s.modules(), 'x' in sys.modules, sys.modules.get('x')]",
    ],
)
def test_what_runs_no_text_names_nothing_around_it(project: Path, call: str) -> None:
    files = {
        "main.py": f"""
            import sqlite3, sys
            from urllib.parse import parse_qs
            OTHER = 1
            OPEN = sqlite3.connect(":memory:")
            class Model: pass
            def compute(s): return {call}
            """
    }
    assert not differs(project, files, "OTHER = 1", "OTHER = 2")
    assert code(project, files).unseen == []


def test_warnings_that_were_shown_are_no_part_of_a_module(project: Path) -> None:
    write(project, {"main.py": "def compute(s): return eval(s)\n"})
    with imported(project) as main:
        before = _code.of(main.compute)
        vars(main)["__warningregistry__"] = {"version": 1}
        assert _code.of(main.compute).texts == before.texts


@pytest.mark.parametrize(
    "body",
    [
        "e = eval\ndef compute(s): return e(s)",
        "from builtins import eval as e\ndef compute(s): return e(s)",
        "E = {'e': exec}\ndef compute(s): return E['e'](s)",
        "def compute(s, e=eval): return e(s)",
        "class T:\n    e = eval\ndef compute(s): return T.e(s)",
        "import functools\ne = functools.partial(eval)\ndef compute(s): return e(s)",
        "g = globals\ndef compute(s): return g()[s]",
        "import builtins\ndef compute(s): return builtins.globals()[s]",
        "def compute(s):\n    import builtins\n    e = builtins.eval\n    return e(s)",
        "def compute(s):\n    from builtins import eval as e\n    return e(s)",
        "import sys\ndef compute(s): return sys.modules[s].x",
        "import sys\ndef compute(s): return sys.modules.get(s).x",
        "import sys\ndef compute(s): return sys.modules[s.__module__].x",
        "import sys as system\ndef compute(s): return system.modules[s].x",
        "from sys import modules as m\ndef compute(s): return m[s].x",
        "def compute(s):\n    import sys\n    return sys.modules[s].x",
        "def compute(s):\n    from sys import modules\n    return modules[s].x",
        "def compute(s): return s.__globals__['x']",
        "def compute(s): return getattr(s, '__globals__')['x']",
        "import sys\ndef compute(s): return sys._getframe(1)",
        "def compute(s):\n    from sys import _getframe as frame\n    return frame(1)",
        "import inspect\ndef compute(s): return inspect.currentframe()",
        "import inspect\ndef compute(s): return inspect.getmodule(s).x",
        "import gc\ndef compute(s): return gc.get_objects()",
        "from logging.config import BaseConfigurator\n"
        "def compute(s): return BaseConfigurator({}).resolve(s)",
    ],
)
def test_what_looks_around_others_under_any_name_is_told(project: Path, body: str) -> None:
    assert code(project, {"main.py": f"{body}\n"}).unseen


def test_functions_of_pandas_that_run_texts_are_told_as_values(project: Path) -> None:
    pytest.importorskip("pandas")
    bodies = [
        "from pandas import eval as run\ndef compute(s): return run(s)",
        "import pandas\nrun = pandas.DataFrame({'a': [1]}).query\ndef compute(s): return run(s)",
    ]
    for body in bodies:
        assert any("by a text" in told for told in code(project, {"main.py": body}).unseen)
    main = "import pandas as pd\nCUT = 1\ndef compute(s): return pd.eval('CUT * 2')\n"
    assert code(project, {"main.py": main}).unseen == []
    assert differs(project, {"main.py": main}, "CUT = 1", "CUT = 2")


@pytest.mark.parametrize(
    "body",
    [
        "import importlib\ndef compute(s): return importlib.import_module(s).go()",
        "import runpy\ndef compute(s): return runpy.run_path('other.py')",
        "from importlib.metadata import entry_points\ndef compute(s): return entry_points()",
        "from importlib import import_module as im\ndef compute(s): return im(s).go()",
        "from importlib import import_module as im\nB = {0: im}\ndef compute(s): return B[0](s)",
        "import importlib\ndef compute(s): return getattr(importlib, 'import_module')(s)",
        "def compute(s):\n    from importlib import import_module as im\n    return im(s).go()",
        "bring = __import__\ndef compute(s): return bring(s).go()",
        "import pkgutil\ndef compute(s): return pkgutil.resolve_name('other:go')()",
        "def compute(s):\n    from pkgutil import resolve_name\n    return resolve_name(s)()",
        "import functools, pkgutil\nbring = functools.partial(pkgutil.resolve_name, 'other:go')\n"
        "def compute(s): return bring()()",
    ],
)
def test_an_import_of_what_only_a_value_names_is_told(project: Path, body: str) -> None:
    assert "an import" in code(project, {"main.py": f"{body}\n"}).unseen[0]


@pytest.mark.parametrize(
    "body",
    [
        "import pickle\ndef compute(s): return pickle.loads(s)",
        "from pickle import load as take\ndef compute(s): return take(s)",
        "def compute(s):\n    import pickle\n    return pickle.Unpickler(s).load()",
        "def compute(s):\n    from pickle import loads as take\n    return take(s)",
        "import pickle\nclass Own(pickle.Unpickler): pass\ndef compute(s): return Own(s).load()",
    ],
)
def test_what_only_a_pickle_names_is_told(project: Path, body: str) -> None:
    assert any("a pickle" in told for told in code(project, {"main.py": f"{body}\n"}).unseen)


def test_what_is_named_as_what_unpickles_brings_in_nothing(project: Path) -> None:
    body = "import json\ndef compute(s): return json.loads(s)\n"
    assert code(project, {"main.py": body}).unseen == []


@pytest.mark.parametrize(
    "main",
    [
        "class M(types.ModuleType):\n    def go(self): return 1\n"
        "m = M('m')\ndef compute(s): return m.go()",
        "class M(types.ModuleType):\n    @property\n    def x(self): return 1\n"
        "import empty\nempty.__class__ = M\ndef compute(s): return empty.x",
    ],
)
def test_what_a_module_is_of_counts(project: Path, main: str) -> None:
    files = {"empty.py": "", "main.py": f"import types\n{main}\n"}
    assert differs(project, files, "return 1", "return 2")


def test_classes_that_register_themselves_count(project: Path) -> None:
    files = {
        "main.py": """
            class Base: pass
            class P(Base):
                def go(self): return 1
            def compute(s): return [kind().go() for kind in Base.__subclasses__()]
            """
    }
    assert differs(project, files, "return 1", "return 2")


@pytest.mark.parametrize("annotation", ["int", "'int'", "Kind", "'Kind'"])
def test_annotations_count_with_what_they_name(project: Path, annotation: str) -> None:
    files = {
        "main.py": f"""
            class Kind:
                size = 1
            def compute(s: {annotation}): return s
            """
    }
    assert differs(project, files, f"s: {annotation}", "s: float")
    assert differs(project, files, "size = 1", "size = 2") == ("Kind" in annotation)


def test_a_module_made_by_hand_and_a_namespace_of_nobody_count(project: Path) -> None:
    def texts(number: int) -> dict[str, bytes]:
        made = types.ModuleType("made")
        vars(made)["NUMBER"] = number
        names = {"made": made, "__name__": "nowhere"}
        exec("def compute(s): return made.NUMBER, eval(s)", names)
        return _code.of(names["compute"]).texts  # type: ignore[arg-type]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_a_project_may_be_called_as_a_library_is(project: Path) -> None:
    for name in ("code", "queue", "token"):
        files: Files = {f"{name}.py": "def compute(s): return 1\n"}
        files["main.py"] = f"from {name} import compute\n"
        assert differs(project, files, "return 1", "return 2"), name


def test_what_is_run_beside_a_function_counts_in_one_request(project: Path) -> None:
    main = """
        class Spec:
            def total(self): return 1
        def compute(spec): return spec.total()
        def save(value, path): path.write_text(str(value))
        """

    def texts(old: str = "", new: str = "") -> dict[str, bytes]:
        write(project, {"main.py": main.replace(old, new)})
        with imported(project) as of:
            both = _code.of(of.compute, also=[of.Spec, dict, of.Spec], save=of.save)
            assert both.texts == _code.of(of.compute, also={dict, of.Spec}, save=of.save).texts
            return both.texts

    assert {"the function", "the save"} <= texts().keys()
    for old, new in (("return 1", "return 2"), ("str(value)", "repr(value)")):
        assert texts(old, new) != texts()
