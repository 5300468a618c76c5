"""Grid search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suggestion.engine.algorithm import register
from suggestion.numerics.randomness import Permutation
from suggestion.problem.errors import Exhausted, Violation, quote
from suggestion.problem.numeric import Double
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study


@register("grid")
@dataclass(frozen=True, kw_only=True)
class Grid:
    """Suggest every point of the product of all lattices and lists once, in an order fixed by the
    seed.

    The order is random, so an experiment that is stopped early has not spent its trials in one
    corner. It is computed, not stored: a grid of 10^12 points costs no more than one of 12.
    """

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
        size = study.space.size
        if size is not None and study.max_trial_count > size:
            yield Violation(
                ("max_trial_count",),
                f"max_trial_count must not exceed the {size} points of the grid, "
                f"got {study.max_trial_count}",
            )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        size = study.space.size
        assert size is not None, "checked by violations()"
        first = study.first_index
        if first >= size:
            raise Exhausted(f"the grid of {size} points is used up")
        if first + count > size:
            raise Exhausted(
                f"the grid has {size - first} of its {size} points left, {count} were requested; "
                f"request at most {size - first}, or set max_trial_count to {size}"
            )
        order = Permutation(size, study.seed, "grid")
        return [study.space.point(order(first + offset)) for offset in range(count)]
