"""Python programs with Ray Tune's own names in them, whatever the program calls them."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Final

from suggestion.conversion.definition import ConversionError, Loss

_MODULES: Final = ("ray", "ray.tune")
#: Most parts of expressions that names stand for, each counted as often as it is written out: a
#: program of a few lines could stand for gigabytes.
_MOST_PARTS: Final = 100_000


def plain(tree: ast.Module) -> ast.Module:
    """Return a program with names for Ray Tune, constants and ``dict(…)`` written out.

    ``from ray import tune as t``, ``LOW = 1e-4`` and ``dict(lr=t.loguniform(LOW, 0.1))`` become
    ``{"lr": ray.tune.loguniform(1e-4, 0.1)}``. The program is not run: a name counts as a constant
    if the module binds it once, to a literal.

    Raises:
        ConversionError: If its constants, written out, are too much.
    """
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    known: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            (target,) = node.targets
            if isinstance(target, ast.Name) and stored[target.id] == 1 and _literal(node.value):
                known[target.id] = node.value
    for imported in ast.walk(tree):
        if isinstance(imported, ast.Import):
            known |= {
                each.asname: _expression(each.name)
                for each in imported.names
                if each.asname and each.name in _MODULES
            }
        elif isinstance(imported, ast.ImportFrom) and imported.module in _MODULES:
            known |= {
                each.asname or each.name: _expression(f"{imported.module}.{each.name}")
                for each in imported.names
                if each.name != "*"
            }
    made = _Writer(known).visit(tree)
    assert isinstance(made, ast.Module)
    return made


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Writer(ast.NodeTransformer):
    """Puts what names stand for in their places."""

    def __init__(self, known: dict[str, ast.expr]) -> None:
        self._known = known
        self._parts = {name: sum(1 for _ in ast.walk(node)) for name, node in known.items()}
        self._left = _MOST_PARTS

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return what a name stands for."""
        if isinstance(node.ctx, ast.Load) and node.id in self._known:
            self._left -= self._parts[node.id]
            if self._left < 0:
                rule = (
                    f"constants must have at most {_MOST_PARTS} parts, where they are written out"
                )
                raise ConversionError([Loss(f"line {node.lineno}", f"{rule}, got {node.id!r}")])
            return self._known[node.id]
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return the mapping that ``dict`` makes of keywords; other calls as they are."""
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == "dict") or node.args:
            return node
        keys: list[ast.expr | None] = [k.arg and ast.Constant(k.arg) for k in node.keywords]  # type: ignore[misc]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])
