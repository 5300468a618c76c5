"""Maximise an acquisition function over the points of a space that may be suggested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from suggestion.algorithms.bayesopt import search
from suggestion.algorithms.bayesopt.features import Features
from suggestion.numerics import sampling
from suggestion.numerics.region import region_of
from suggestion.numerics.sobol import sobol
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace

#: Finite spaces up to this size are searched exhaustively.
MOST_ENUMERATED: Final = 1024
#: Number of points around which others are tried.
INCUMBENTS: Final = 5


class Tracked(search.Criterion, Protocol):
    """A function to be maximised whose values at the candidates are known."""

    @property
    def tracked(self) -> Array:
        """Values at the candidates, shape (m,)."""
        ...


class Maximiser:
    """Search for the maximum of acquisition functions: among candidates, then around the best.

    Args:
        space: The search space.
        features: The map to what surrogates use.
        incumbents: The points that are best so far, shape (k, dimension).
        climbs: Whether acquisition functions have gradients that may be used.
        rng: Draws the candidates.
        go_on: Whether there is time for another step.
        check: Called between steps; what it raises ends the work.

    Attributes:
        candidates: The points that a search starts from, shape (m, dimension).
    """

    def __init__(
        self,
        space: SearchSpace,
        features: Features,
        incumbents: Array,
        climbs: bool,
        rng: np.random.Generator,
        go_on: Callable[[], bool],
        check: Callable[[], None],
    ) -> None:
        self._space, self._features = space, features
        self._climbs, self._go_on = climbs, go_on
        self._check = check
        self._region = region_of(space, check) if space.restricted else None
        #: Where moved points must be brought back to what constraints allow.
        self._bounded = self._region if space.constraints else None
        #: The feasible points of a restricted finite space, unless there are too many.
        self._listed: Sequence[Assignment] | None = None
        size = space.size
        if self._region is not None and size is not None:
            self._listed = self._region.listed(check)
            size = None if self._listed is None else len(self._listed)
        self._enumerated = size is not None and size <= MOST_ENUMERATED
        self.candidates = self._candidates(incumbents, rng)

    def _candidates(self, incumbents: Array, rng: np.random.Generator) -> Array:
        if self._enumerated:
            if self._listed is not None:
                return self._space.encode([*self._listed])
            return self._space.encode([self._space.point(k) for k in range(self._space.size or 0)])
        near = search.around(self._features, incumbents, search.LOCAL_CANDIDATES, rng)
        seed = int(rng.integers(2**62))
        even = sobol(seed, 0, search.SOBOL_CANDIDATES, self._space.dimension)
        if self._bounded is None:
            return np.vstack([incumbents, near, self._features.snap(even)])
        drawn = self._bounded.draw(
            seed, 0, search.LOCAL_CANDIDATES, "candidates", check=self._check
        )
        points = np.vstack([incumbents, near, drawn, self._features.snap(even)])
        return points[self._bounded.judge(points)]

    def best(
        self,
        criterion: Tracked,
        rng: np.random.Generator,
        effort: search.Effort,
        visited: sampling.Visited,
    ) -> Assignment | None:
        """Return the point with the highest value that is feasible and not `visited`, or None."""
        points, values = self._search(criterion, rng, effort)
        for row in np.argsort(-values, kind="stable").tolist():
            (assignment,) = self._space.decode(points[row : row + 1])
            if assignment not in visited and self._space.feasible(assignment):
                return assignment
        return None

    def _search(
        self, criterion: Tracked, rng: np.random.Generator, effort: search.Effort
    ) -> tuple[Array, Array]:
        """Return the candidates and improved points, shape (m, d), and their values, shape (m,)."""
        points, values = self.candidates, criterion.tracked
        if self._enumerated:
            return points, values
        if self._climbs:
            starts = points[search.choose(values, effort.starts, rng)]
            found, risen = search.refine(
                self._features, criterion, starts, rng, self._go_on, effort
            )
            if self._bounded is not None:
                found = self._bounded.repaired(found, starts)
                risen = criterion.values(self._features(found))
            points, values = np.vstack([found, points]), np.append(risen, values)
            if self._bounded is None:
                return points, values
        for _ in range(2):
            if not self._go_on():
                break
            best = points[np.argsort(-values, kind="stable")[:INCUMBENTS]]
            near = search.around(self._features, best, search.LOCAL_CANDIDATES, rng)
            if self._region is not None:
                near = self._region.repaired(near, best)
            points = np.vstack([near, points])
            values = np.append(criterion.values(self._features(near)), values)
        return points, values
