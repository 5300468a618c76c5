"""Grid search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from suggestion.engine.algorithm import WITHOUT_PRIOR_STUDIES, Ability, register
from suggestion.numerics import streams
from suggestion.numerics.feasible import MOST_COMBINATIONS, FeasibleGrid
from suggestion.numerics.randomness import Order, Permutation
from suggestion.problem.errors import Exhausted, Violation, quote
from suggestion.problem.numeric import Double
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Study

#: Most combinations of values of a grid whose feasible points are too many to list.
_MOST_RESTRICTED: Final = 2**53


@register("grid")
@dataclass(frozen=True, kw_only=True)
class Grid:
    """Suggest every point of the product of all lattices and lists once, in an order fixed by the
    seed.

    The order is random, so an experiment that is stopped early has not spent its trials in one
    corner. It is computed, not stored: a grid of 10^12 points costs no more than one of 12. With
    constraints, a grid ends after half a million combinations of values if more are possible.
    """

    abilities: ClassVar[frozenset[Ability]] = WITHOUT_PRIOR_STUDIES

    def violations(self, study: Study) -> Iterator[Violation]:
        for parameter in study.space.parameters:
            if (
                isinstance(parameter, Double)
                and parameter.step is None
                and parameter.min != parameter.max
            ):
                yield Violation(
                    ("parameters", parameter.name, "step"),
                    f"parameter {quote(parameter.name)}: algorithm 'grid' needs a step for a "
                    f"double, got none",
                )
        if study.space.size is None:
            return
        points = _points(study, ())
        if not points.exact and points.size > _MOST_RESTRICTED:
            yield Violation(
                ("space",),
                f"a grid with conditions or constraints must have at most {_MOST_RESTRICTED} "
                f"combinations of values, got {points.size} or more",
            )
        if study.max_trial_count > points.size:
            what = "points" if points.exact else "combinations of values"
            yield Violation(
                ("max_trial_count",),
                f"max_trial_count must not exceed the {points.size} {what} of the grid, "
                f"got {study.max_trial_count}",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        before = len(study.initial_points)
        points = _points(study, streams.initial_points(study))
        first, size = study.first_index, points.size + before
        if first >= size:
            raise Exhausted(f"the grid of {size} points is used up")
        if first + count > size:
            raise Exhausted(
                f"the grid has {size - first} of its {size} points left, {count} were requested; "
                f"request at most {size - first}, or set max_trial_count to {size}"
            )
        found = points.points(first - before, count)
        if len(found) < count:
            raise Exhausted(
                f"the grid has {len(found)} points left among {MOST_COMBINATIONS} combinations of "
                f"values, {count} were requested; request fewer, or narrow the parameters' ranges"
            )
        return found


class _Points(Protocol):
    """The points of a grid in their order; `exact` tells whether `size` counts points."""

    @property
    def size(self) -> int: ...

    @property
    def exact(self) -> bool: ...

    def points(self, start: int, count: int) -> list[Assignment]: ...


def _points(study: Study, skip: Sequence[Assignment]) -> _Points:
    """Return the points of a finite space without those in `skip`."""
    if study.space.restricted:
        return FeasibleGrid(study.space, study.seed, study.deadline.check, skip)
    return _Whole(study.space, study.seed, skip)


class _Whole:
    """All points of a finite space without restrictions."""

    exact = True

    def __init__(self, space: SearchSpace, seed: int, skip: Sequence[Assignment]) -> None:
        assert space.size is not None, "checked by violations()"
        order = Permutation(space.size, seed, "grid")
        self._order = Order(lambda index: space.point(order(index)), space.size, space.key, skip)
        self.size = space.size - len(skip)

    def points(self, start: int, count: int) -> list[Assignment]:
        return [self._order(index) for index in range(start, start + count)]
