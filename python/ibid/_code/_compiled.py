"""Compiled code: a form that says what it does and not where it stands, and what it names.

Owns the reading of bytecode, and knows nothing of what names mean. What is found is remembered by
the code object: it never changes, and the memory keeps it alive, so its id is nobody else's.
Invariant: whatever is not understood widens what is named, and never narrows it.
"""

from __future__ import annotations

import re
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from ibid._code._plain import constant, digest

if TYPE_CHECKING:
    import dis
    from collections.abc import Iterator


class Import(NamedTuple):
    """One import: of a module, in which names are looked up, and what its modules are called."""

    module: str
    level: int
    names: tuple[str, ...]
    bound: frozenset[str]


class Compiled:
    """What a code, with all that is nested in it, is and names."""

    def __init__(self) -> None:
        self.form = ""
        # Names that are looked up around it, and those that are looked up in something.
        self.globals: set[str] = set()
        self.ordered: list[str] = []
        self.attributes: set[str] = set()
        # Names of what is used other than by one of its attributes.
        self.handed: set[str] = set()
        self.imports: list[Import] = []
        # What each name would import if it were what imports by a text; `None` is anything.
        self.called: dict[str, list[Import | None]] = {}
        # It looks things up by texts, maybe around itself; it imports what only a value names.
        self.is_by_text = False
        self.names_all = False
        self.imports_any = False
        self.looks_elsewhere = False
        # What runs texts as its methods, and around itself; global names of what they are given.
        self.methods: set[str] = set()
        self.given: set[str] = set()
        # What has modules by their names, of which it asks for one that only a value names.
        self.asked: set[str] = set()


_known: dict[int, tuple[types.CodeType, Compiled]] = {}
_MANY = 8192

# What looks things up by a text, what does so around the code itself, and what imports by one.
_BY_TEXT = {"getattr", "attrgetter", "methodcaller", "getattr_static", "__getattribute__"}
_BY_TEXT |= {"vars", "__dict__", "modules", "__getattr__"}
_AROUND = {"globals", "eval", "exec"}
# Methods of tables that run a text around whoever calls them, and what marks a name in one.
_RUNNING = {"query", "eval"}
_MARKED = re.compile(r"@\s*([^\W\d]\w*)(\s*\.)?")
IMPORTERS = {"import_module", "__import__"}
# What brings code from where no name leads to.
_BRINGERS = {"run_path", "run_module", "exec_module", "load_module", "entry_points"}
_BRINGERS |= {"spec_from_file_location", "SourceFileLoader"}
# What leads to names that are around other code.
_OTHERS = {"__globals__", "f_globals", "f_locals", "f_back", "f_lineno", "tb_lineno"}

# What an import by a text is bound to.
_ANY = frozenset({"*"})
# Attributes by which all others can be had.
_WHOLE = {"__dict__", "__getattribute__"}

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*").fullmatch
_WORD = re.compile(r"[^\W\d]\w*")


def words(text: str) -> list[str]:
    """Returns what could be names in a text."""
    return _WORD.findall(text)


def compiled(code: types.CodeType) -> Compiled:
    """Returns what a code is and names."""
    known = _known.get(id(code))
    if known is not None:
        return known[1]
    found = Compiled()
    texts: set[str] = set()
    found.form = f"code {digest(chr(10).join(_lines(code, found, texts)))}"
    named = found.globals | found.attributes
    if named & _AROUND:
        for text in sorted(texts):
            _note_text(text, found)
    found.imports_any |= bool(named & _BRINGERS)
    if named & (_BY_TEXT | _AROUND):
        found.is_by_text = True
        by_text = {word for text in texts if _DOTTED(text) for word in text.split(".")}
        found.globals |= by_text
        found.attributes |= by_text
        found.names_all |= bool(by_text & _RUNNING)
    if found.attributes & _RUNNING:
        for text in sorted(texts):
            _note_marked(text, found)
    if "modules" in named:
        found.imports += [Import(text, 0, (), _ANY) for text in sorted(texts) if _DOTTED(text)]
    found.looks_elsewhere = bool(found.attributes & _OTHERS)
    found.ordered = sorted(found.globals)
    found.names_all |= bool(found.globals & _AROUND) or {"modules", "__name__"} <= named
    if len(_known) >= _MANY:
        _known.clear()
    _known[id(code)] = (code, found)
    return found


def _lines(code: types.CodeType, found: Compiled, texts: set[str]) -> Iterator[str]:
    inner: list[types.CodeType] = []
    yield f"code {code.co_name}"
    yield f"arguments {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}"
    yield f"flags {code.co_flags:#x}"
    yield f"variables {code.co_varnames} {code.co_cellvars} {code.co_freevars}"
    yield f"names {code.co_names}"
    for index, const in enumerate(code.co_consts):
        if isinstance(const, types.CodeType):
            inner.append(const)
            yield "const a code that stands below"
        elif type(const) is int and _is_salted(code):
            continue
        else:
            if index > 0 or not _is_documented(code):
                texts.update(_texts(const))
            yield f"const {constant(const)}"
    yield from _steps(code, found)
    for nested in inner:
        yield from _lines(nested, found, texts)
    yield f"end of {code.co_name}"


def _is_documented(code: types.CodeType) -> bool:
    """Says whether the first constant is a text about the code."""
    if sys.version_info >= (3, 13):
        return bool(code.co_flags & 0x4000000)
    return not code.co_name.startswith("<")


def _is_salted(code: types.CodeType) -> bool:
    """Says whether attrs made a code, into which it puts a number that differs in each process."""
    return code.co_name == "__hash__" and code.co_filename.startswith("<attrs generated ")


def _texts(const: Any) -> Iterator[str]:
    if isinstance(const, str):
        yield const
    elif isinstance(const, (tuple, frozenset)):
        for item in const:
            yield from _texts(item)


def _steps(code: types.CodeType, found: Compiled) -> Iterator[str]:
    """Writes bytecode down with targets counted in steps: neither padding nor layout is in it."""
    import dis

    bytecode = dis.Bytecode(code)
    steps: list[dis.Instruction] = []
    at: dict[int, int] = {}
    for step in bytecode:
        at[step.offset] = len(steps)
        if step.opname not in ("NOP", "CACHE", "EXTENDED_ARG"):
            steps.append(step)
    _note_names(steps, found)
    jumps = {*dis.hasjrel, *dis.hasjabs}
    for step in steps:
        if step.opcode in jumps:
            yield f"{step.opname} to {at.get(step.argval, step.argval)}"
        else:
            yield f"{step.opname} {step.arg}"
    for entry in getattr(bytecode, "exception_entries", ()):
        # A range may end where the code does, which is at no step.
        start, end = at.get(entry.start, entry.start), at.get(entry.end, len(steps))
        target = at.get(entry.target, entry.target)
        yield f"except {start} {end} to {target} {entry.depth} {entry.lasti}"


def _note_names(steps: list[dis.Instruction], found: Compiled) -> None:
    import dis

    loads = {*dis.hasname, *dis.haslocal, *dis.hasfree}
    for index, step in enumerate(steps):
        name, following = step.opname, steps[index + 1 : index + 2]
        if name == "IMPORT_NAME":
            found.imports.append(_import(steps, index))
            continue
        is_attribute = "ATTR" in name or "METHOD" in name or name == "IMPORT_FROM"
        if step.opcode in dis.hasname:
            into = found.attributes if is_attribute else found.globals
            into.add(str(step.argval))
        if is_attribute and step.argval in _RUNNING and _is_called(steps, index):
            _note_method(steps, index, found)
        if is_attribute and step.argval == "modules" and not _is_told(steps[index + 1 : index + 3]):
            found.asked.update(str(each.argval) for each in steps[index - 1 : index])
        if "LOAD" in name and step.opcode in loads:
            each = _imported_by(steps[index + 1 : index + 3])
            if step.argval in IMPORTERS:
                found.imports += [each] if each else []
                found.imports_any |= each is None
            is_looked_into = any(
                ("ATTR" in after.opname or "METHOD" in after.opname) and after.argval not in _WHOLE
                for after in following
            )
            loaded = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            found.handed.update(map(str, loaded[:-1] if is_looked_into else loaded))
            for called in map(str, loaded):
                found.called.setdefault(called, []).append(each)


def _is_called(steps: list[dis.Instruction], index: int) -> bool:
    """Says whether what is looked up in something is called at once."""
    step = steps[index]
    if step.opname == "LOAD_METHOD":
        return True
    if step.opname != "LOAD_ATTR":
        return False
    # Which form there is hangs on the version, and on whether a module is looked into.
    if sys.version_info >= (3, 13):
        return bool((step.arg or 0) & 1) or steps[index + 1].opname == "PUSH_NULL"
    if sys.version_info >= (3, 12) and (step.arg or 0) & 1:
        return True
    ready, of = steps[index - 2 : index]
    return ready.opname == "PUSH_NULL" or (of.opname == "LOAD_GLOBAL" and bool((of.arg or 0) & 1))


def _note_method(steps: list[dis.Instruction], index: int, found: Compiled) -> None:
    """Notes a method that runs the text it is given, which may be made of anything."""
    found.methods.add(str(steps[index].argval))
    following = [step for step in steps[index + 1 :] if step.opname != "PUSH_NULL"]
    constants = 0
    while following[constants].opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
        constants += 1
    called = ("PRECALL", "CALL", "KW_NAMES")
    if following[constants].opname.startswith(called):
        return
    if following[0].opname == "LOAD_GLOBAL" and following[1].opname.startswith(called):
        found.given.add(str(following[0].argval))
    else:
        found.names_all = True


def _note_marked(text: str, found: Compiled) -> None:
    """Notes names of what stands around whoever runs a text on a table."""
    for name, is_looked_into in _MARKED.findall(text):
        found.globals.add(name)
        found.attributes.update(words(text))
        if not is_looked_into:
            found.handed.add(name)


def _is_told(following: list[dis.Instruction]) -> bool:
    """Says whether a module is asked for by a text that stands right there, or for the own one."""
    if following and following[0].argval in ("get", "pop", "setdefault"):
        del following[0]
    if not following:
        return False
    step = following[0]
    is_text = step.opname == "LOAD_CONST" and isinstance(step.argval, str)
    return is_text or step.opname == "CONTAINS_OP" or step.argval == "__name__"


def _note_text(text: str, found: Compiled) -> None:
    """Notes what a text names that may be run."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(text, "<text>", "exec")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    for _ in _lines(code, found, set()):
        pass


def _imported_by(following: list[dis.Instruction]) -> Import | None:
    """Returns what is imported by a text that stands right behind what imports by it."""
    for step in following:
        if isinstance(step.argval, str) and step.opname == "LOAD_CONST":
            name = step.argval.lstrip(".")
            level = len(step.argval) - len(name)
            return Import(name, level, (), _ANY)
        if step.opname != "PUSH_NULL":
            break
    return None


def _import(steps: list[dis.Instruction], index: int) -> Import:
    level, names = (step.argval for step in steps[index - 2 : index])
    bound: set[str] = set()
    for step in steps[index + 1 :]:
        if step.opname.startswith("STORE_"):
            bound.update(step.argval if isinstance(step.argval, tuple) else (step.argval,))
        elif step.opname not in ("IMPORT_FROM", "SWAP", "POP_TOP", "COPY"):
            break
    return Import(
        str(steps[index].argval),
        level if isinstance(level, int) else 0,
        names if isinstance(names, tuple) else (),
        frozenset(map(str, bound)),
    )
