"""The search space: parameters, and the unit cube that they span."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.parameters import Array, Parameter, Value

Assignment: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """A tuple of parameters with different names, and its unit cube.

    Raises:
        Invalid: No parameters, or a name used twice.
    """

    parameters: tuple[Parameter, ...]
    #: Number of points; None if any parameter is continuous.
    size: int | None = field(init=False, repr=False, compare=False, default=None)
    _values: Callable[[Assignment], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        found = []
        if not self.parameters:
            found.append(Violation(("space",), "the search space must have at least one parameter"))
        seen: set[str] = set()
        for index, parameter in enumerate(self.parameters):
            if parameter.name in seen:
                found.append(
                    Violation(
                        ("parameters", index, "name"),
                        f"parameter {quote(parameter.name)}: name must not be used twice",
                    )
                )
            seen.add(parameter.name)
        if found:
            raise Invalid(found)
        object.__setattr__(self, "_values", itemgetter(*(p.name for p in self.parameters)))
        levels = [parameter.levels for parameter in self.parameters]
        if all(count is not None for count in levels):
            object.__setattr__(self, "size", math.prod(n for n in levels if n is not None))

    @property
    def dimension(self) -> int:
        """Number of parameters, and of columns in the unit cube."""
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def encode(self, assignments: Sequence[Assignment]) -> Array:
        """Points of the unit cube, shape (n, dimension); NaN where an assignment lacks a name.

        Values between lattice points are taken at the nearest one.
        """
        points = np.full((len(assignments), self.dimension), np.nan)
        for column, parameter in enumerate(self.parameters):
            name = parameter.name
            try:
                points[:, column] = parameter.encode([a[name] for a in assignments])
            except KeyError:
                rows = [row for row, a in enumerate(assignments) if name in a]
                points[rows, column] = parameter.encode([assignments[row][name] for row in rows])
        return points

    def decode(self, points: Array) -> list[Assignment]:
        """The assignments at `points`, shape (n, dimension): clamped, and on the lattice."""
        names = [parameter.name for parameter in self.parameters]
        columns = [p.decode(points[:, k]) for k, p in enumerate(self.parameters)]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def snap(self, points: Array) -> Array:
        """`points` moved to the middle of the cell they lie in; continuous columns are clamped."""
        snapped = np.clip(points, 0.0, 1.0)
        for column, parameter in enumerate(self.parameters):
            if parameter.levels is not None:
                snapped[:, column] = parameter.encode(parameter.decode(points[:, column]))
        return snapped

    def point(self, index: int) -> Assignment:
        """The `index`-th of all `size` points, the last parameter running fastest."""
        values: dict[str, Value] = {}
        for parameter in reversed(self.parameters):
            assert parameter.levels is not None, "a continuous space cannot be enumerated"
            index, level = divmod(index, parameter.levels)
            values[parameter.name] = parameter.value(level)
        return {parameter.name: values[parameter.name] for parameter in self.parameters}

    def key(self, assignment: Assignment) -> tuple[Value, ...]:
        """What two complete assignments have in common if they are the same point."""
        values: Any = self._values(assignment)
        return values if len(self.parameters) > 1 else (values,)

    def __contains__(self, assignment: object) -> bool:
        """Whether `assignment` has an allowed value for every parameter, and nothing else."""
        return (
            isinstance(assignment, Mapping)
            and len(assignment) == self.dimension
            and all(p.name in assignment and assignment[p.name] in p for p in self.parameters)
        )

    def format(self, assignment: Assignment) -> dict[str, str]:
        """The texts that a trial receives, in the order of the parameters."""
        return {p.name: p.format(assignment[p.name]) for p in self.parameters}

    def parse(self, texts: Mapping[str, str]) -> Assignment:
        """Return the values of `texts` that fit the space.

        Names that the space lacks, and values outside their range, are left out.
        """
        return self.parser()(texts)

    def parser(self) -> Callable[[Mapping[str, str]], Assignment]:
        """`parse` for the trials of one request.

        It remembers the texts of lattices and lists, which come again and again.
        """
        parsers = [
            (p.name, p.parse if p.levels is None else cache(p.parse)) for p in self.parameters
        ]

        def parse(texts: Mapping[str, str]) -> Assignment:
            values: dict[str, Value] = {}
            for name, value_of in parsers:
                text = texts.get(name)
                if text is not None:
                    value = value_of(text)
                    if value is not None:
                        values[name] = value
            return values

        return parse
