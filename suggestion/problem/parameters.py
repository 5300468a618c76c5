"""What a parameter is: its values, and their place in [0, 1].

Every parameter maps its values to one coordinate in [0, 1] such that its prior, whatever the
distribution, is uniform there. A parameter with finitely many values divides [0, 1] into one cell
a value, as wide as the value is probable; ``encode`` gives the middle of the cell, ``decode`` the
value in whose cell a coordinate lies. So ``decode(encode(v)) == v``, and an algorithm that works
in the unit cube honours distribution, step and list without knowing of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.errors import Violation, halved, quote

Array: TypeAlias = NDArray[np.float64]
Value: TypeAlias = float | int | str

#: A sign, 17 digits, a point and an exponent.
_NUMBER_BYTES: Final = 24
LONGEST_NAME: Final = 253  # characters; the limit of Kubernetes for names of objects


class Parameter(ABC):
    """One coordinate of the search space. Immutable; compared and hashed by its declaration."""

    __slots__ = ()

    name: str
    #: How many values there are; None if there is a continuum.
    levels: int | None
    #: Whether neighbouring coordinates mean similar values.
    ordered: bool = True
    #: Whether all values are equally probable.
    is_uniform: bool = True

    @property
    def text_bytes(self) -> int:
        """Most bytes of the text of a value, about."""
        return _NUMBER_BYTES

    @abstractmethod
    def encode(self, values: Sequence[Value]) -> Array:
        """Coordinates in [0, 1] of `values`, shape (n,)."""

    @abstractmethod
    def decode(self, units: Array) -> list[Value]:
        """The values at coordinates `units`, shape (n,); beyond [0, 1] the nearest one."""

    @abstractmethod
    def value(self, level: int) -> Value:
        """The `level`-th value, ``0 <= level < levels``, in ascending or listed order."""

    @abstractmethod
    def level(self, value: Value) -> int:
        """The inverse of `value`; for a number between two lattice points the nearer one."""

    def as_numbers(self, values: Sequence[Value]) -> Array:
        """Return `values` as expressions read them, shape (n,): a category as its position."""
        return np.array(values, dtype=np.float64)

    @abstractmethod
    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        """Lower and upper ends, in [0, 1], of the cells of `levels`; each of shape (n,)."""

    @abstractmethod
    def parse(self, text: str) -> Value | None:
        """The value that a trial's `text` stands for, or None if it is not in the range."""

    @abstractmethod
    def format(self, value: Value) -> str:
        """`value` as a trial receives it."""

    @abstractmethod
    def __contains__(self, value: object) -> bool:
        """Whether `value` may be suggested: in the range, on the lattice, of the right type."""


def name_violations(name: str) -> list[Violation]:
    """Return the rules that `name` breaks as the name of a parameter."""
    if not name:
        return [Violation(("name",), "parameter name must not be empty")]
    if len(name) > LONGEST_NAME:
        return [
            Violation(
                ("name",),
                f"parameter {quote(name)}: name must have at most {LONGEST_NAME} characters, "
                f"got {len(name)}",
            )
        ]
    if halved(name):
        rule = "name must be text that UTF-8 can hold"  # as no message is without
        return [Violation(("name",), f"parameter {quote(name)}: {rule}")]
    return []
