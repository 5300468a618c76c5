"""What expressions are made of: vectorised over points, over boxes of points, and as distances.

A term is a number at every point, a claim is true or false there. Both read columns: one array of
numbers for each name. Over boxes they read ranges instead, and answer for all points of a box
together: a claim tells where it holds surely and where it surely does not. Sums, products and
quotients are rounded as those of single points are, so that their bounds are exact.

A number that is not defined (``0/0``, ``log(-1)``) is NaN, and a comparison with it is false.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

Flags: TypeAlias = NDArray[np.bool_]
Columns: TypeAlias = Mapping[str, Array]

#: Relative error of exp, log, sqrt and powers, which are not rounded the same way everywhere.
_ERROR: Final = 1e-12


class Range(NamedTuple):
    """The numbers of n boxes.

    Attributes:
        low, high: The least and the greatest one, shape (n,); may be infinite.
        undefined: Where a number may be NaN, shape (n,).
    """

    low: Array
    high: Array
    undefined: Flags


class Truth(NamedTuple):
    """Where a claim holds at all points of a box, and where at none; each of shape (n,)."""

    surely: Flags
    never: Flags


Ranges: TypeAlias = Mapping[str, Range]


class Term(ABC):
    """A number at every point."""

    __slots__ = ()

    @abstractmethod
    def values(self, columns: Columns) -> Array:
        """Return the numbers, shape (n,) or ()."""

    @abstractmethod
    def range(self, ranges: Ranges) -> Range:
        """Return bounds of the numbers in each box."""

    @property
    def constant(self) -> float | None:
        """The number, if it is the same everywhere."""
        return None


class Claim(ABC):
    """True or false at every point."""

    __slots__ = ()

    @abstractmethod
    def holds(self, columns: Columns) -> Flags:
        """Return where it is true, shape (n,) or ()."""

    @abstractmethod
    def truth(self, ranges: Ranges) -> Truth:
        """Return what is known of each box."""

    @abstractmethod
    def distance(self, columns: Columns) -> Array:
        """Return how far it is from being true, shape (n,) or (): 0 where it is true.

        The two sides of a comparison differ by so much, relative to a side that is constant. Of
        ``and`` it is the sum, of ``or`` the least. Infinite where a side is not defined.
        """

    @abstractmethod
    def negated(self) -> Claim:
        """Return the claim that is true where this one is false."""


# ----------------------------------------------------------------------- terms


@dataclass(frozen=True, slots=True)
class Number(Term):
    """The same number everywhere."""

    number: float

    def values(self, columns: Columns) -> Array:
        return np.asarray(self.number, dtype=np.float64)

    def range(self, ranges: Ranges) -> Range:
        number = np.asarray(self.number, dtype=np.float64)
        return Range(number, number, np.asarray(np.isnan(number)))

    @property
    def constant(self) -> float | None:
        return self.number


@dataclass(frozen=True, slots=True)
class Name(Term):
    """A column."""

    name: str

    def values(self, columns: Columns) -> Array:
        return columns[self.name]

    def range(self, ranges: Ranges) -> Range:
        return ranges[self.name]


@dataclass(frozen=True, slots=True)
class Function(Term):
    """A function of one number, monotone where it is defined, or the absolute value."""

    name: str
    argument: Term

    def values(self, columns: Columns) -> Array:
        return FUNCTIONS[self.name](self.argument.values(columns))

    def range(self, ranges: Ranges) -> Range:
        low, high, undefined = self.argument.range(ranges)
        function = FUNCTIONS[self.name]
        if self.name == "neg":
            return Range(-high, -low, undefined)
        if self.name == "abs":
            least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(abs(low), abs(high)))
            return Range(least, np.maximum(abs(low), abs(high)), undefined)
        if self.name in ("log", "sqrt"):
            undefined = undefined | (low < 0)
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        return _widened(function(low), function(high), undefined)


@dataclass(frozen=True, slots=True)
class Operation(Term):
    """A function of two numbers."""

    name: str
    left: Term
    right: Term

    def values(self, columns: Columns) -> Array:
        return OPERATIONS[self.name](self.left.values(columns), self.right.values(columns))

    def range(self, ranges: Ranges) -> Range:
        left, right = self.left.range(ranges), self.right.range(ranges)
        undefined = left.undefined | right.undefined
        if self.name == "+":
            return _whole_if_nan(left.low + right.low, left.high + right.high, undefined)
        if self.name == "-":
            return _whole_if_nan(left.low - right.high, left.high - right.low, undefined)
        if self.name in ("min", "max"):
            function = OPERATIONS[self.name]
            return Range(function(left.low, right.low), function(left.high, right.high), undefined)
        low, high = _corners(OPERATIONS[self.name], left, right)
        if self.name == "*":
            return _whole_if_nan(low, high, undefined)
        if self.name == "/":
            wild = (right.low <= 0) & (right.high >= 0)
            return _whole_if_nan(np.where(wild, np.nan, low), high, undefined)
        return _power(self.right.constant, left, right, (low, high), undefined)


def _corners(
    function: Callable[[Array, Array], Array], left: Range, right: Range
) -> tuple[Array, Array]:
    """Return the least and the greatest result of the ends; NaN where any is."""
    found = [function(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    shape = np.broadcast_shapes(*(np.shape(each) for each in found))
    corners = np.stack([np.broadcast_to(each, shape) for each in found])
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _power(
    exponent: float | None,
    left: Range,
    right: Range,
    corners: tuple[Array, Array],
    undefined: Flags,
) -> Range:
    """Return bounds of a power: the results at the corners, where it is monotone along edges."""
    low, high = corners
    spans = (left.low <= 0) & (left.high >= 0)
    if exponent is not None and exponent.is_integer():
        if exponent < 0:
            low = np.where(spans, np.nan, low)
        elif exponent % 2 == 0:
            low = np.where(spans, 0.0 if exponent else 1.0, low)
    else:
        positive = (left.low > 0) | ((left.low == 0) & (right.low > 0))
        low = np.where(positive, low, np.nan)
    bounds = _whole_if_nan(low, high, undefined)
    return _widened(*bounds)


def _whole_if_nan(low: Array, high: Array, undefined: Flags) -> Range:
    """Return bounds that know nothing where an end is NaN."""
    lost = np.isnan(low) | np.isnan(high)
    return Range(
        np.where(lost, -np.inf, low), np.where(lost, np.inf, high), np.asarray(undefined | lost)
    )


def _widened(low: Array, high: Array, undefined: Flags) -> Range:
    return Range(
        low - _ERROR * abs(np.where(np.isfinite(low), low, 0.0)),
        high + _ERROR * abs(np.where(np.isfinite(high), high, 0.0)),
        undefined,
    )


#: Functions of one number by name; "neg" is written as a minus sign.
FUNCTIONS: Final[Mapping[str, Callable[[Array], Array]]] = {
    "neg": np.negative,
    "abs": np.abs,
    "log": np.log,
    "exp": np.exp,
    "sqrt": np.sqrt,
}
#: Functions of two numbers by name; "min" and "max" are written as calls.
OPERATIONS: Final[Mapping[str, Callable[[Array, Array], Array]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "min": np.minimum,
    "max": np.maximum,
}

# ---------------------------------------------------------------------- claims

_NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_COMPARISONS: Final[Mapping[str, Callable[[Array, Array], Flags]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Comparison(Claim):
    """Two numbers compared; false if either is not defined.

    Attributes:
        otherwise: What it is where a number is not defined: true for one that is negated.
    """

    name: str
    left: Term
    right: Term
    otherwise: bool = False

    def holds(self, columns: Columns) -> Flags:
        left, right = self.left.values(columns), self.right.values(columns)
        defined = ~(np.isnan(left) | np.isnan(right))
        found = _COMPARISONS[self.name](left, right)
        return np.asarray(np.where(defined, found, self.otherwise))

    def truth(self, ranges: Ranges) -> Truth:
        left, right = self.left.range(ranges), self.right.range(ranges)
        undefined = left.undefined | right.undefined
        match self.name:
            case "<" | "<=":
                surely, never = _below(self.name, left, right)
            case ">" | ">=":
                surely, never = _below("<" if self.name == ">" else "<=", right, left)
            case _:
                apart = (left.high < right.low) | (left.low > right.high)
                same = (left.low == left.high) & (right.low == right.high)
                same = same & (left.low == right.low)
                surely, never = (same, apart) if self.name == "==" else (apart, same)
        if self.otherwise:
            return Truth(np.asarray(surely), np.asarray(never & ~undefined))
        return Truth(np.asarray(surely & ~undefined), np.asarray(never))

    def distance(self, columns: Columns) -> Array:
        left, right = self.left.values(columns), self.right.values(columns)
        unit = 1.0
        for side in (self.right.constant, self.left.constant):
            if side is not None:
                unit = abs(side) or 1.0
                break
        # Where both are infinite, their distance is not defined either.
        apart = np.maximum(abs(left - right) / unit, np.finfo(np.float64).tiny)
        return np.where(self.holds(columns), 0.0, np.where(np.isnan(apart), np.inf, apart))

    def negated(self) -> Claim:
        return Comparison(_NEGATED[self.name], self.left, self.right, not self.otherwise)


def _below(name: str, left: Range, right: Range) -> tuple[Flags, Flags]:
    """Return where ``left < right``, or ``<=``, holds surely, and where never."""
    if name == "<":
        return left.high < right.low, left.low >= right.high
    return left.high <= right.low, left.low > right.high


@dataclass(frozen=True, slots=True)
class All(Claim):
    """True where all of its claims are."""

    claims: tuple[Claim, ...]

    def holds(self, columns: Columns) -> Flags:
        return _every(claim.holds(columns) for claim in self.claims)

    def truth(self, ranges: Ranges) -> Truth:
        found = [claim.truth(ranges) for claim in self.claims]
        return Truth(
            _every(each.surely for each in found),
            _some(each.never for each in found),
        )

    def distance(self, columns: Columns) -> Array:
        found: Array = np.sum(_same_shape([c.distance(columns) for c in self.claims]), axis=0)
        return found

    def negated(self) -> Claim:
        return Either(tuple(claim.negated() for claim in self.claims))


@dataclass(frozen=True, slots=True)
class Either(Claim):
    """True where at least one of its claims is."""

    claims: tuple[Claim, ...]

    def holds(self, columns: Columns) -> Flags:
        return _some(claim.holds(columns) for claim in self.claims)

    def truth(self, ranges: Ranges) -> Truth:
        found = [claim.truth(ranges) for claim in self.claims]
        return Truth(
            _some(each.surely for each in found),
            _every(each.never for each in found),
        )

    def distance(self, columns: Columns) -> Array:
        found: Array = np.min(_same_shape([c.distance(columns) for c in self.claims]), axis=0)
        return found

    def negated(self) -> Claim:
        return All(tuple(claim.negated() for claim in self.claims))


def _every(flags: Iterable[Flags]) -> Flags:
    return np.asarray(_same_shape([*flags]).all(axis=0))


def _some(flags: Iterable[Flags]) -> Flags:
    return np.asarray(_same_shape([*flags]).any(axis=0))


def _same_shape(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    shape = np.broadcast_shapes(*(each.shape for each in arrays))
    return np.stack([np.broadcast_to(each, shape) for each in arrays])
