"""Which modules a source imports, as far as its text tells.

Owns the reading of import statements, wherever they stand, and of calls that import a module by a
name that is written out. Blocks that only type checkers see do not count.
"""

from __future__ import annotations

import ast

_BY_NAME = frozenset({"__import__", "import_module", "run_module"})
_BY_OTHER_MEANS = frozenset(
    {
        "entry_points",
        "exec_module",
        "iter_modules",
        "load_module",
        "run_path",
        "spec_from_file_location",
        "walk_packages",
    }
)
_OF_TEXT = frozenset({"eval", "exec"})


class Imports(ast.NodeVisitor):
    """Gathers the imports of one module.

    `modules` are imported by their names. `members` are names in packages that may be modules, each
    as a package and a path of names in it, where `*` is all of them. `dynamic` says what cannot
    be told.
    """

    def __init__(self, name: str, *, is_package: bool) -> None:
        self._package = name if is_package else name.rpartition(".")[0]
        self._bound: dict[str, set[str]] = {}
        self._chains: set[tuple[str, ...]] = set()
        self._members: set[tuple[str, tuple[str, ...]]] = set()
        self.modules: set[str] = set()
        self.dynamic: list[str] = []

    @property
    def members(self) -> list[tuple[str, tuple[str, ...]]]:
        """The members, those included that are reached by attributes of what is imported."""
        reached = {
            (module, chain[1:])
            for chain in self._chains
            for module in self._bound.get(chain[0], ())
        }
        return sorted(self._members | reached)

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
        for inner in node.orelse if name == "TYPE_CHECKING" else [*node.body, *node.orelse]:
            self.visit(inner)
        self.visit(test)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.modules.add(alias.name)
            top = alias.name.partition(".")[0]
            self._bind(alias.asname or top, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._resolve("." * node.level + (node.module or ""))
        if module is None:
            self._note(node, "a relative import that leaves its package")
            return
        self.modules.add(module)
        for alias in node.names:
            self._members.add((module, (alias.name,)))
            self._bind(alias.asname or alias.name, f"{module}.{alias.name}")

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        is_attribute = isinstance(function, ast.Attribute)
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in _BY_NAME:
            self._by_name(node, name)
        elif name in _BY_OTHER_MEANS or (name in _OF_TEXT and not is_attribute):
            self._note(node, f"`{name}`")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names: list[str] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            names.append(part.attr)
            part = part.value
        if isinstance(part, ast.Name):
            self._chains.add((part.id, *reversed(names)))
        else:
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name == "__getattr__" and node.col_offset == 0:
            self._note(node, "what `__getattr__` of the module gives")
        self.generic_visit(node)

    def _by_name(self, node: ast.Call, function: str) -> None:
        named = node.args[0] if node.args else None
        text = named.value if isinstance(named, ast.Constant) else None
        module = self._resolve(text) if isinstance(text, str) else None
        if module is None:
            self._note(node, f"`{function}`")
        else:
            self.modules.add(module)

    def _bind(self, name: str, module: str) -> None:
        self._bound.setdefault(name, set()).add(module)

    def _resolve(self, name: str) -> str | None:
        """Returns the whole name of a module, which may be relative."""
        absolute = name.lstrip(".")
        level = len(name) - len(absolute)
        if level == 0:
            return absolute or None
        parts = self._package.split(".") if self._package else []
        if level > len(parts):
            return None
        above = parts[: len(parts) - level + 1]
        return ".".join([*above, absolute] if absolute else above)

    def _note(self, node: ast.AST, what: str) -> None:
        self.dynamic.append(f"line {getattr(node, 'lineno', 0)}, {what}")
