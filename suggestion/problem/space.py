"""The search space: parameters, and the unit cube that they span."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np

from suggestion.problem import conditions as conditioning
from suggestion.problem.conditions import Activation, When
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.expressions import Expression
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.parameters import Array, Parameter, Value
from suggestion.problem.terms import Flags

Assignment: TypeAlias = Mapping[str, Value]

#: Most parameters of a space, and entries of all of its lists: what takes about 10 MiB.
MOST_PARAMETERS: Final = 5_000
MOST_ENTRIES: Final = 20_000


def size_violations(parameters: int, entries: int) -> list[Violation]:
    """Return the rules that a space of so many parameters and entries of lists breaks."""
    found = []
    if parameters > MOST_PARAMETERS:
        rule = f"the search space must have at most {MOST_PARAMETERS} parameters"
        found.append(Violation(("parameters",), f"{rule}, got {parameters}"))
    if entries > MOST_ENTRIES:
        rule = f"the lists of the search space must have at most {MOST_ENTRIES} entries together"
        found.append(Violation(("parameters",), f"{rule}, got {entries}"))
    return found


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """A tuple of parameters with different names, what restricts them, and its unit cube.

    A parameter whose condition is not met is inactive: it is no part of a point, and assignments
    may lack it. A constraint that reads an inactive parameter holds.

    Raises:
        Invalid: No parameters or too many, a name used twice, or conditions that nothing can meet.
    """

    parameters: tuple[Parameter, ...]
    conditions: tuple[Activation, ...] = ()
    constraints: tuple[Expression, ...] = ()
    #: Number of points; None if any parameter is continuous. With conditions, the number of
    #: combinations of all parameters' values: those that differ only in inactive parameters are
    #: one point. With constraints, infeasible points count too.
    size: int | None = field(init=False, repr=False, compare=False, default=None)
    _values: Callable[[Assignment], Any] = field(init=False, repr=False, compare=False)
    conditional: tuple[tuple[str, tuple[Activation, ...]], ...] = field(
        init=False, repr=False, compare=False, default=()
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        object.__setattr__(self, "conditions", tuple(self.conditions))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        listed = (len(p.values) for p in self.parameters if isinstance(p, Discrete | Categorical))
        found = Violations(size_violations(len(self.parameters), sum(listed)))
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
        found += conditioning.violations(self.conditions, {p.name: p for p in self.parameters})
        if found:
            raise Invalid(found)
        object.__setattr__(self, "conditional", conditioning.ordered(self.conditions))
        object.__setattr__(self, "_values", itemgetter(*(p.name for p in self.parameters)))
        levels = [parameter.levels for parameter in self.parameters]
        if all(count is not None for count in levels):
            object.__setattr__(self, "size", math.prod(n for n in levels if n is not None))

    @property
    def dimension(self) -> int:
        """Number of parameters, and of columns in the unit cube."""
        return len(self.parameters)

    @property
    def text_bytes(self) -> int:
        """Most bytes of the texts of one point, names included, about."""
        return sum(len(p.name.encode()) + p.text_bytes for p in self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def inactive(self, assignment: Assignment) -> frozenset[str]:
        """Return the parameters whose conditions the values of `assignment` do not meet."""
        active = dict(assignment)
        found = set()
        for name, conditions in self.conditional:
            if not all(condition.holds(active) for condition in conditions):
                active.pop(name, None)
                found.add(name)
        return frozenset(found)

    @property
    def restricted(self) -> bool:
        """Whether not every combination of values is a point of its own."""
        return bool(self.conditions or self.constraints)

    def feasible(self, assignment: Assignment) -> bool:
        """Return whether `assignment` meets the constraints."""
        if not self.constraints:
            return True
        active = self.active(assignment)
        return all(
            expression.at(active)
            for expression in self.constraints
            if all(name in active for name in expression.names)
        )

    def active(self, assignment: Assignment) -> Assignment:
        """Return `assignment` without inactive parameters: what makes it a point."""
        if not self.conditions:
            return assignment
        inactive = self.inactive(assignment)
        return {name: value for name, value in assignment.items() if name not in inactive}

    def filled(self, assignment: Assignment) -> Assignment:
        """Return `assignment` with a value for inactive parameters too: the least or first one.

        For APIs in which every parameter must have a value; it is ignored when it comes back.
        """
        if not self.conditions:
            return assignment
        active = self.active(assignment)
        least = np.zeros(1)
        return {p.name: active.get(p.name, p.decode(least)[0]) for p in self.parameters}

    def is_complete(self, assignment: Assignment) -> bool:
        """Whether `assignment`, of parameters of this space, lacks none that is active."""
        if not self.conditions:
            return len(assignment) == self.dimension
        return len(assignment.keys() | self.inactive(assignment)) == self.dimension

    def encode(self, assignments: Sequence[Assignment]) -> Array:
        """Points of the unit cube, shape (n, dimension); NaN where an assignment lacks a name.

        Inactive parameters are lacking. Values between lattice points are taken at the nearest one.
        """
        assignments = [self.active(a) for a in assignments] if self.conditions else assignments
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
        """The assignments at `points`, shape (n, dimension): clamped, and on the lattice.

        They lack inactive parameters, which may be NaN.
        """
        if self.conditions:
            points = np.nan_to_num(points)
        names = [parameter.name for parameter in self.parameters]
        columns = [p.decode(points[:, k]) for k, p in enumerate(self.parameters)]
        rows = [*zip(*columns, strict=True)]
        if not self.conditions:
            return [dict(zip(names, row, strict=True)) for row in rows]
        active, _ = self.judge(dict(zip(names, columns, strict=True)))
        return [
            {
                name: value
                for name, value, is_active in zip(names, row, mask, strict=True)
                if is_active
            }
            for row, mask in zip(rows, active.tolist(), strict=True)
        ]

    def activity(self, points: Array) -> Flags:
        """Return which parameters are active at `points`, shape (n, dimension): the same shape."""
        points = np.nan_to_num(points)
        values: dict[str, Sequence[Value]] = {
            p.name: p.decode(points[:, k]) for k, p in enumerate(self.parameters)
        }
        return self.judge(values)[0]

    def judge(self, values: Mapping[str, Sequence[Value]]) -> tuple[Flags, Flags]:
        """Return which parameters are active, and which points are feasible.

        Args:
            values: n values of every parameter.

        Returns:
            Shapes (n, dimension) and (n,).
        """
        numbers = {p.name: p.as_numbers(values[p.name]) for p in self.parameters}
        return self.judge_numbers(numbers, values)

    def judge_numbers(
        self, numbers: Mapping[str, Array], values: Mapping[str, Sequence[Value]] | None = None
    ) -> tuple[Flags, Flags]:
        """Return what `judge` returns, from values as expressions read them.

        Args:
            numbers: n numbers of every parameter.
            values: The values; needed if a condition is no expression.
        """
        numbers = dict(numbers)
        active = np.ones((len(numbers[self.parameters[0].name]), self.dimension), dtype=bool)
        places = {p.name: column for column, p in enumerate(self.parameters)}
        for name, conditions in self.conditional:
            for condition in conditions:
                if isinstance(condition, When):
                    met = condition.expression.holds(numbers)
                else:
                    assert values is not None
                    met = self._row_by_row(condition, values, active)
                active[:, places[name]] &= met
            numbers[name] = np.where(active[:, places[name]], numbers[name], np.nan)
        feasible = np.ones(len(active), dtype=bool)
        for expression in self.constraints:
            absent = ~active[:, [places[name] for name in expression.names]].all(axis=1)
            feasible &= expression.holds(numbers) | absent
        return active, feasible

    def _row_by_row(
        self, condition: Activation, values: Mapping[str, Sequence[Value]], active: Flags
    ) -> Flags:
        """Return where a condition that is no expression holds, shape (n,)."""
        names = [parameter.name for parameter in self.parameters]
        rows = zip(*(values[name] for name in names), strict=True)
        return np.array(
            [
                condition.holds({n: v for n, v, on in zip(names, row, mask, strict=True) if on})
                for row, mask in zip(rows, active.tolist(), strict=True)
            ],
            dtype=bool,
        )

    def snap(self, points: Array) -> Array:
        """`points` moved to the middle of the cell they lie in; continuous columns are clamped.

        With conditions, NaN stays NaN.
        """
        lacking = np.isnan(points) if self.conditions else None
        snapped = np.clip(points if lacking is None else np.nan_to_num(points), 0.0, 1.0)
        for column, parameter in enumerate(self.parameters):
            if parameter.levels is not None:
                snapped[:, column] = parameter.encode(parameter.decode(snapped[:, column]))
        if lacking is not None:
            snapped[lacking] = np.nan
        return snapped

    def point(self, index: int) -> Assignment:
        """The `index`-th of all `size` points, the last parameter running fastest.

        With conditions, several indices may be one point.
        """
        values: dict[str, Value] = {}
        for parameter in reversed(self.parameters):
            assert parameter.levels is not None, "a continuous space cannot be enumerated"
            index, level = divmod(index, parameter.levels)
            values[parameter.name] = parameter.value(level)
        return self.active({p.name: values[p.name] for p in self.parameters})

    def key(self, assignment: Assignment) -> tuple[Value | None, ...]:
        """What two complete assignments have in common if they are the same point."""
        if self.conditions:
            active = self.active(assignment)
            return tuple(active.get(parameter.name) for parameter in self.parameters)
        values: Any = self._values(assignment)
        return values if len(self.parameters) > 1 else (values,)

    def __contains__(self, assignment: object) -> bool:
        """Whether it has an allowed value for every active parameter, nothing unknown, and meets
        the constraints.
        """
        if not isinstance(assignment, Mapping):
            return False
        own = [p for p in self.parameters if p.name in assignment]
        return (
            len(own) == len(assignment)
            and all(assignment[p.name] in p for p in own)
            and self.is_complete(assignment)
            and (not self.constraints or self.feasible(assignment))
        )

    def format(self, assignment: Assignment) -> dict[str, str]:
        """The texts that a trial receives, in the order of the parameters."""
        if self.conditions:
            own = [p for p in self.parameters if p.name in assignment]
        else:
            own = [*self.parameters]
        return {p.name: p.format(assignment[p.name]) for p in own}

    def parse(self, texts: Mapping[str, str]) -> Assignment:
        """Return the values of `texts` that fit the space.

        Names that the space lacks, values outside their range, and inactive parameters are left
        out.
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
            return self.active(values)

        return parse
