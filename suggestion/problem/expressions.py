"""The small language of conditions and constraints: ``width * depth <= 4096; lr_min < lr_max``.

=================  =================================================================================
names              ``lr``, or in back-quotes what is no identifier: `` `num-layers` ``
numbers            ``3``, ``0.5``, ``1e-3``; all are doubles
texts              ``'sgd'`` or ``"sgd"``, for the values of categorical parameters; no escapes
arithmetic         ``+ - * / **``, parentheses, ``min max abs log exp sqrt``
comparisons        ``< <= > >= == !=``, chained too: ``0 < a < b``; ``in (…)``, ``not in (…)``
claims             ``and or not``
=================  =================================================================================

Python's `ast` reads a source in which names and texts have been replaced; of its tree only what is
in the table is accepted, and nothing is evaluated as Python. Numbers are doubles throughout, so
``9**9**9`` is infinite and costs nothing. A comparison with an undefined number is false.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NoReturn, TypeAlias

import numpy as np

from suggestion.problem.errors import quote
from suggestion.problem.likely import meant
from suggestion.problem.parameters import Array, Value
from suggestion.problem.terms import (
    FUNCTIONS,
    All,
    Claim,
    Columns,
    Comparison,
    Either,
    Flags,
    Function,
    Name,
    Number,
    Operation,
    Ranges,
    Term,
    Truth,
)
from suggestion.problem.tokens import (
    DEEPEST,
    WORDS,
    Mistake,
    Mistakes,
    Statement,
    Token,
    statements,
    unbalanced,
)

#: Most terms and claims of one statement.
MOST_TERMS: Final = 250

#: What a name stands for: None for a number, else the texts of a category in their order.
Names: TypeAlias = Mapping[str, Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Expression:
    """A claim about named numbers.

    Attributes:
        text: As it was written.
        names: What it reads, in the order of their first use.
        claim: What it says.
        categories: The texts of those names that are categories.
    """

    text: str
    names: tuple[str, ...] = field(compare=False)
    claim: Claim = field(repr=False, compare=False)
    categories: Mapping[str, Sequence[str]] = field(repr=False, compare=False, default_factory=dict)

    def holds(self, columns: Columns) -> Flags:
        """Return where it is true.

        Args:
            columns: One array of shape (n,) for each of `names`: numbers, or positions of a text
                in its category.
        """
        with np.errstate(all="ignore"):
            return np.broadcast_to(self.claim.holds(columns), self._shape(columns))

    def at(self, assignment: Mapping[str, Value]) -> bool:
        """Return whether it is true at one point; a number that is lacking is not defined."""
        columns = {}
        for name in self.names:
            value = assignment.get(name, math.nan)
            number = self.categories[name].index(value) if isinstance(value, str) else value
            columns[name] = np.array([number], dtype=np.float64)
        return bool(self.holds(columns).all())

    def truth(self, ranges: Ranges) -> Truth:
        """Return in which boxes it holds surely, and in which never."""
        with np.errstate(all="ignore"):
            shape = np.broadcast_shapes(*(np.shape(each.low) for each in ranges.values()))
            surely, never = self.claim.truth(ranges)
            return Truth(np.broadcast_to(surely, shape), np.broadcast_to(never, shape))

    def distance(self, columns: Columns) -> Array:
        """Return how far it is from being true, 0 where it is; see `Claim.distance`."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(self.claim.distance(columns), self._shape(columns))

    @staticmethod
    def _shape(columns: Columns) -> tuple[int, ...]:
        return np.broadcast_shapes(*(np.shape(column) for column in columns.values()))


def parse(text: str, names: Names) -> tuple[Expression, ...]:
    """Return the claims of `text`, separated by semicolons.

    Args:
        text: As a user wrote it.
        names: What may be named, and what it stands for.

    Raises:
        Mistakes: With everything that is wrong, up to one mistake of syntax in each statement.
    """
    found: list[Mistake] = []
    made: list[Expression] = []
    try:
        for statement in statements(text):
            try:
                made.append(expression(text, statement, names))
            except Mistakes as error:
                found += error.found
    except Mistake as error:
        found.append(error)
    if found:
        raise Mistakes(found)
    return tuple(made)


def expression(text: str, statement: Statement, names: Names) -> Expression:
    """Return the claim that the tokens of `statement` make.

    Raises:
        Mistakes: With what is wrong: a mistake of syntax, else all others.
    """
    reader = _Reader(statement, names)
    claim = reader.read()
    if reader.found:
        raise Mistakes(reader.found)
    start = statement.tokens[0].start
    categories = {name: texts for name in reader.used if (texts := names[name]) is not None}
    return Expression(text[start : statement.end].strip(), tuple(reader.used), claim, categories)


class _Reader:
    """From the tokens of one statement to its claim; collects mistakes that are not of syntax."""

    def __init__(self, statement: Statement, names: Names) -> None:
        self.found: list[Mistake] = []
        self.used: dict[str, None] = {}
        self._names = names
        self._tokens = statement.tokens
        self._end = statement.end
        self._terms = 0
        #: By column in the source, as ast counts: the token.
        self._at: dict[int, Token] = {}

    def read(self) -> Claim:
        tree = self._tree()
        try:
            return self._claim(tree, 0)
        except Mistake as error:
            raise Mistakes([*self.found, error]) from error

    def _tree(self) -> ast.expr:
        """Return what `ast` makes of the tokens: ASCII words take the place of names and texts."""
        if broken := unbalanced(self._tokens):
            raise Mistakes([broken])
        words: list[str] = []
        column = 0
        for index, token in enumerate(self._tokens):
            word = token.text
            if token.kind in ("quoted", "text") or (token.kind == "name" and word not in WORDS):
                word = f"n{index}"
            elif token.kind == "number":
                word = "0."
            self._at[column] = token
            words.append(word)
            column += len(word) + 1
        try:
            tree = ast.parse(" ".join(words), mode="eval").body
        except SyntaxError as error:
            offset = max((error.offset or 1) - 1, 0)
            at = max((column for column in self._at if column <= offset), default=0)
            token = self._at[at]
            rule = f"cannot be read at {quote(token.text)}"
            raise Mistakes([Mistake(rule, token.start)]) from None
        except (ValueError, MemoryError, RecursionError):
            rule = f"is nested deeper than {DEEPEST} levels"
            raise Mistakes([Mistake(rule, self._tokens[0].start)]) from None
        return tree

    def _token(self, node: ast.expr) -> Token:
        return self._at[node.col_offset]

    def _refuse(self, rule: str, node: ast.expr) -> NoReturn:
        raise Mistake(rule, self._at.get(node.col_offset, self._tokens[0]).start)

    def _count(self, node: ast.expr, depth: int) -> None:
        self._terms += 1
        if depth > DEEPEST:
            self._refuse(f"is nested deeper than {DEEPEST} levels", node)
        if self._terms > MOST_TERMS:
            self._refuse(f"has more than {MOST_TERMS} terms", node)

    # ------------------------------------------------------------------ claims

    def _claim(self, node: ast.expr, depth: int) -> Claim:
        self._count(node, depth)
        match node:
            case ast.BoolOp(op, values):
                parts = tuple(self._claim(value, depth + 1) for value in values)
                return All(parts) if isinstance(op, ast.And) else Either(parts)
            case ast.UnaryOp(ast.Not(), operand):
                return self._claim(operand, depth + 1).negated()
            case ast.Compare(left, operators, rights):
                sides = [left, *rights]
                parts = tuple(
                    self._comparison(operator, sides[k], sides[k + 1], depth + 1)
                    for k, operator in enumerate(operators)
                )
                return parts[0] if len(parts) == 1 else All(parts)
        return self._refuse("must be a comparison, or several joined by and, or, not", node)

    def _comparison(
        self, operator: ast.cmpop, left: ast.expr, right: ast.expr, depth: int
    ) -> Claim:
        if isinstance(operator, ast.In | ast.NotIn):
            entries = right.elts if isinstance(right, ast.Tuple) else [right]
            if not entries:
                self._refuse("a list after 'in' must not be empty, got ()", right)
            equal = tuple(self._same("==", left, entry, depth) for entry in entries)
            found = Either(equal) if len(equal) > 1 else equal[0]
            return found.negated() if isinstance(operator, ast.NotIn) else found
        name = _OPERATORS.get(type(operator))
        if name is None:
            self._refuse("has a comparison other than < <= > >= == != in", right)
        if name in ("==", "!="):
            return self._same(name, left, right, depth)
        return Comparison(name, self._term(left, depth), self._term(right, depth))

    def _same(self, name: str, left: ast.expr, right: ast.expr, depth: int) -> Claim:
        """Return a comparison of two numbers, or of a category with a text."""
        for one, other in ((left, right), (right, left)):
            texts = self._category(one)
            if texts is None:
                continue
            token = self._token(other) if isinstance(other, ast.Name) else None
            own = self._token(one)
            if token is None or token.kind != "text":
                rule = f"parameter {quote(own.value)} is categorical: compare it with a quoted text"
                self._refuse(rule, other)
            self._count(other, depth)
            self.used[own.value] = None
            if token.value not in texts:
                rule = f"parameter {quote(own.value)} has no value {quote(token.value)}"
                raise Mistake(meant(rule, token.value, texts, "it has"), token.start)
            return Comparison(name, Name(own.value), Number(float(texts.index(token.value))))
        return Comparison(name, self._term(left, depth), self._term(right, depth))

    @cached_property
    def _written(self) -> Sequence[str]:
        """The names as they are written in an expression."""
        return [*map(_written, self._names)]

    def _category(self, node: ast.expr) -> Sequence[str] | None:
        if not isinstance(node, ast.Name) or self._token(node).kind == "text":
            return None
        return self._names.get(self._token(node).value)

    # ------------------------------------------------------------------- terms

    def _term(self, node: ast.expr, depth: int) -> Term:
        self._count(node, depth)
        match node:
            case ast.Constant():
                number = float(self._token(node).text)
                if not math.isfinite(number):
                    self._refuse(f"must be a finite number, got {self._token(node).text}", node)
                return Number(number)
            case ast.Name():
                return self._name(self._token(node))
            case ast.UnaryOp(ast.USub(), operand):
                inner = self._term(operand, depth + 1)
                return (
                    Number(-inner.number) if isinstance(inner, Number) else Function("neg", inner)
                )
            case ast.UnaryOp(ast.UAdd(), operand):
                return self._term(operand, depth + 1)
            case ast.BinOp(left, operator, right):
                name = _OPERATORS.get(type(operator))
                if name is None:
                    self._refuse("has an operator other than + - * / **", right)
                return Operation(name, self._term(left, depth + 1), self._term(right, depth + 1))
            case ast.Call(ast.Name() as function, arguments, []):
                return self._call(self._token(function), function, arguments, depth)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(ast.Not()):
                self._refuse("a comparison is no number", node)
        return self._refuse("must be a number", node)

    def _name(self, token: Token) -> Term:
        name = token.value
        if token.kind == "text":
            rule = f"a text is no number, got {token.text}"
            raise Mistake(f"{rule}; compare it with a categorical parameter", token.start)
        if name not in self._names:
            rule = f"nothing is called {quote(name)}"
            rule = meant(rule, name, self._written, "there is")
            self.found.append(Mistake(rule, token.start))
        elif self._names[name] is not None:
            rule = f"parameter {quote(name)} is categorical: it is compared by ==, != or in"
            self.found.append(Mistake(rule, token.start))
        self.used[name] = None
        return Name(name)

    def _call(
        self, token: Token, node: ast.expr, arguments: Sequence[ast.expr], depth: int
    ) -> Term:
        name = token.text
        if name not in _CALLS:
            rule = f"there is no function {quote(name)}"
            raise Mistake(meant(rule, name, _CALLS, "there is"), token.start)
        terms = [self._term(argument, depth + 1) for argument in arguments]
        if name in FUNCTIONS:
            if len(terms) != 1:
                self._refuse(f"{name} takes one number, got {len(terms)}", node)
            return Function(name, terms[0])
        if len(terms) < 2:
            self._refuse(f"{name} takes two numbers or more, got {len(terms)}", node)
        found = terms[0]
        for term in terms[1:]:
            found = Operation(name, found, term)
        return found


_CALLS: Final = (*(name for name in FUNCTIONS if name != "neg"), "min", "max")
_OPERATORS: Final[Mapping[type[ast.AST], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}


def _written(name: str) -> str:
    """Return `name` as it is written in an expression."""
    plain = name.isidentifier() and name not in WORDS and name.isascii()
    return name if plain else f"`{name}`"
