"""Points of a model that were not tried before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from suggestion.numerics.region import region_of
from suggestion.numerics.sampling import Visited
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace

_REPAIRED: Final = 8  # infeasible proposals that are moved


class Untried:
    """Picks points that were neither tried nor picked before, as long as there are any.

    Once every point of a finite space has been tried, it begins again, and keeps apart only what
    it has picked itself: the points of one reply.

    Args:
        space: Of the points.
        visited: The points tried before; changed by every pick.
        centres: Feasible points of the unit cube, shape (k, dimension), towards which infeasible
            proposals are moved; some of the region's own if k is 0.
    """

    def __init__(self, space: SearchSpace, visited: Visited, centres: Array | None = None) -> None:
        self._space = space
        self._centres = centres
        self._visited = visited
        self._picked = Visited(space, check=visited.check)

    def pick(self, proposals: Iterable[Assignment], seed: int, *stream: int | str) -> Assignment:
        """The first of `proposals` that is untried and feasible, else a random such point.

        Args:
            proposals: Looked at only as far as needed.
            seed, stream: As for `generator`; they decide about the random point.
        """
        if self._visited.used_up:
            self._visited = self._picked
        if self._visited.used_up:
            self._visited = self._picked = Visited(self._space, check=self._visited.check)
        infeasible: list[Assignment] = []
        for point in proposals:
            if point not in self._visited and self._space.feasible(point):
                break
            if point not in self._visited:
                infeasible.append(point)
        else:
            moved = self._moved(infeasible[:_REPAIRED])
            untried = [each for each in moved if each not in self._visited]
            point = untried[0] if untried else self._visited.unvisited(seed, *stream)
        self._visited.add(point)
        self._picked.add(point)
        return point

    def _moved(self, infeasible: Sequence[Assignment]) -> list[Assignment]:
        """Return feasible points near infeasible ones."""
        if not infeasible:
            return []
        space, region = self._space, region_of(self._space, self._visited.check)
        return space.decode(region.repaired(space.encode(infeasible), self._centres))
