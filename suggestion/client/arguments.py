"""The command-line arguments of a script, read from its source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a script adds to a parser of ``argparse``.

    Attributes:
        flag: Its longest option string, ``--lr``; of a positional argument the name.
        kind: Name of its type: ``float``, ``int``, ``str``; else empty.
        default: None if it has none, or none that is a literal.
        choices: Literals; empty if there are none.
        action: ``store`` if it takes one value.
        help: One line.
        line: In the source, from 1.
    """

    flag: str
    kind: str = ""
    default: object = None
    choices: tuple[object, ...] = ()
    action: str = "store"
    required: bool = False
    help: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """The flag without dashes before it."""
        return self.flag.lstrip("-")

    @property
    def positional(self) -> bool:
        """Whether it is given without a flag."""
        return not self.flag.startswith("-")


def read_arguments(source: str) -> Sequence[Argument]:
    """Return what the calls of ``add_argument`` in `source` add, in their order.

    Raises:
        SyntaxError: If `source` is no Python.
    """
    found = [made for node in ast.walk(ast.parse(source)) for made in _argument(node)]
    by_flag = {argument.flag: argument for argument in sorted(found, key=lambda a: a.line)}
    return list(by_flag.values())


def _argument(node: ast.AST) -> Iterator[Argument]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    flags = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
    texts = [flag for flag in flags if isinstance(flag, str) and flag.strip("-")]
    if node.func.attr != "add_argument" or not texts:
        return
    given = {entry.arg: entry.value for entry in node.keywords if entry.arg is not None}
    choices = _literal(given.get("choices"))
    default = _literal(given.get("default"))
    action = given.get("action")
    listed = isinstance(choices, list | tuple | set | range)
    many = "nargs" in given
    yield Argument(
        flag=max(texts, key=lambda text: (text.startswith("--"), len(text))),
        kind=_name(given.get("type")) or (type(default).__name__ if _number(default) else ""),
        default=default,
        choices=tuple(choices) if listed else (),  # type: ignore[arg-type]
        action="nargs" if many else "store" if action is None else _action(action),
        required=_literal(given.get("required")) is True,
        help=" ".join(str(_literal(given.get("help")) or "").split()),
        line=node.lineno,
    )


def _action(node: ast.expr) -> str:
    text = _literal(node)
    return text if isinstance(text, str) else _name(node) or "unknown"


def _literal(node: ast.expr | None) -> object:
    """Return the value of a literal, or of ``range`` of literals; None for anything else."""
    if node is None:
        return None
    if isinstance(node, ast.Call) and _name(node.func) == "range":
        ends = [end for arg in node.args if isinstance(end := _literal(arg), int)]
        try:
            return range(*ends) if len(ends) == len(node.args) else None
        except (TypeError, ValueError):
            return None
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
