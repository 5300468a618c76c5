"""The command-line arguments of a script, read from its source without running it."""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_LARGEST: Final = 1000  # of numbers that are raised to a power, and of powers
_NUMBERS: Final[Mapping[str, Callable[[str], float]]] = {"int": int, "float": float}
#: Calls that give a part of a parser, whose arguments are the parser's.
_PARTS: Final = ("add_argument_group", "add_mutually_exclusive_group")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument that a script adds to a parser of ``argparse``.

    Attributes:
        flag: Its first long option string, ``--lr``, after which the script names the value; of a
            positional argument the name; empty if that is no literal.
        kind: Name of its type: ``float``, ``int``, ``str``; else empty.
        default: None if it has none, or none that is made of literals and constants.
        choices: Literals; empty if there are none.
        action: ``store`` if it takes one value.
        help: One line.
        line: In the source, from 1.
        subcommand: Of the script, which takes it; empty if the script itself does.
        group: Line of the group of which only one argument may be given; 0 without.
    """

    flag: str
    kind: str = ""
    default: object = None
    choices: tuple[object, ...] = ()
    action: str = "store"
    required: bool = False
    help: str = ""
    line: int = 0
    subcommand: str = ""
    group: int = 0

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
    tree = ast.parse(source)
    constants, subcommands = _constants(tree), _subcommands(tree)
    assigned = _assignments(tree)
    found = [
        _argument(node, node.func, constants, subcommands, assigned)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    ordered = sorted((each for each in found if each is not None), key=lambda each: each.line)
    by_flag = {(a.subcommand, a.flag or str(a.line)): a for a in ordered}
    return list(by_flag.values())


def _assignments(tree: ast.Module) -> Sequence[tuple[str, ast.expr]]:
    """Return the names that `tree` assigns something to, each with that, in their order."""
    found: list[tuple[int, str, ast.expr]] = []
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets = [node.target]
        value = getattr(node, "value", None)
        if isinstance(value, ast.expr):
            found += [(t.lineno, t.id, value) for t in targets if isinstance(t, ast.Name)]
    return [(name, value) for _, name, value in sorted(found, key=lambda entry: entry[0])]


def _constants(tree: ast.Module) -> Mapping[str, object]:
    """Return the literals that have a name which nothing else has."""
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    stored.update(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))
    constants: dict[str, object] = {}
    for name, value in _assignments(tree):
        if stored[name] == 1:
            constants[name] = _literal(value, constants)
    return constants


def _subcommands(tree: ast.Module) -> Mapping[str, str]:
    """Return the subcommand of each variable that holds its parser, or a part of that."""
    found: dict[str, str] = {}
    for name, value in _assignments(tree):
        found.pop(name, None)
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            continue
        owner = _name(value.func.value)
        if value.func.attr == "add_parser" and value.args:
            found[name] = str(_literal(value.args[0], {}) or "")
        elif value.func.attr in _PARTS and owner in found:
            found[name] = found[owner]
    return found


def _argument(
    node: ast.Call,
    function: ast.Attribute,
    constants: Mapping[str, object],
    subcommands: Mapping[str, str],
    assigned: Sequence[tuple[str, ast.expr]],
) -> Argument | None:
    flags = [_literal(arg, constants) for arg in node.args]
    texts = [flag for flag in flags if isinstance(flag, str) and flag.strip("-")]
    if not texts and None not in flags:
        return None
    long = [text for text in texts if text.startswith("--")]
    given = {entry.arg: entry.value for entry in node.keywords if entry.arg is not None}
    choices = _literal(given.get("choices"), constants)
    default = _literal(given.get("default"), constants)
    kind = _name(given.get("type")) or (type(default).__name__ if _number(default) else "")
    if isinstance(default, str) and kind in _NUMBERS:  # which argparse converts too
        default = _converted(default, _NUMBERS[kind])
    help_text = str(_literal(given.get("help"), constants) or "").replace("%%", "%")
    action = given.get("action")
    listed = isinstance(choices, list | tuple | set | range)
    many = "nargs" in given
    return Argument(
        flag=(long or texts or [""])[0],
        kind=kind,
        default=default,
        choices=tuple(choices) if listed else (),  # type: ignore[arg-type]
        action="nargs" if many else "store" if action is None else _action(action),
        required=_literal(given.get("required"), constants) is True,
        help=" ".join(help_text.split()),
        line=node.lineno,
        subcommand=subcommands.get(_name(function.value), ""),
        group=_group(function.value, assigned),
    )


def _group(owner: ast.expr, assigned: Sequence[tuple[str, ast.expr]]) -> int:
    """Return the line of the mutually exclusive group that `owner` is; 0 if it is none."""
    values = [value for name, value in assigned if name == _name(owner)]
    made = next((each for each in reversed(values) if each.lineno < owner.lineno), owner)
    call = made.func if isinstance(made, ast.Call) else None
    return made.lineno if _name(call) == "add_mutually_exclusive_group" else 0


def _converted(text: str, number: Callable[[str], float]) -> float | None:
    try:
        return number(text)
    except ValueError:
        return None


def _action(node: ast.expr) -> str:
    text = _literal(node, {})
    return text if isinstance(text, str) else _name(node) or "unknown"


def _literal(node: ast.expr | None, constants: Mapping[str, object]) -> object:
    """Return the value of a literal, also one with arithmetic and names of `constants`.

    None for anything else.
    """
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp):
        return _computed(node, constants)
    if isinstance(node, ast.JoinedStr):
        parts = [_part(part, constants) for part in node.values]
        return None if any(part is None for part in parts) else "".join(map(str, parts))
    if isinstance(node, ast.Call) and _name(node.func) == "range":
        ends = [end for arg in node.args if isinstance(end := _literal(arg, constants), int)]
        try:
            return range(*ends) if len(ends) == len(node.args) else None
        except (TypeError, ValueError):
            return None
    try:
        value: object = None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value


def _part(node: ast.expr, constants: Mapping[str, object]) -> object:
    """Return a part of an f-string; None where that is not what its value alone says."""
    if not isinstance(node, ast.FormattedValue):
        return _literal(node, constants)
    plain = node.conversion == -1 and node.format_spec is None
    return _literal(node.value, constants) if plain else None


def _computed(node: ast.BinOp, constants: Mapping[str, object]) -> object:
    compute = _ARITHMETIC.get(type(node.op))
    try:
        left, right = _literal(node.left, constants), _literal(node.right, constants)
        if (
            compute is None
            or not isinstance(left, int | float)
            or not isinstance(right, int | float)
        ):
            return None
        if isinstance(node.op, ast.Pow) and (abs(left) > _LARGEST or abs(right) > _LARGEST):
            return None
        made = compute(left, right)
        float(made)  # nothing complex, or too large to be written out
        return made
    except (ArithmeticError, RecursionError, TypeError):
        return None


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
