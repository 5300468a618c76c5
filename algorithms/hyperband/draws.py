"""New configurations: independent draws, each a function of its suggestion's index."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from suggestion.algorithms.hyperband.rungs import Key, Subspace
from suggestion.numerics import randomness, sampling
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

# Number of draws for one suggestion; in one of 3000 cases none has the required mark.
_ATTEMPTS: Final = 256
# Largest number of suggestions in flight.
_FARTHEST: Final = 256


class Draws:
    """Draw from the prior for every index of a suggestion.

    No two suggestions share an index, so their draws differ even if the trial of one is not yet
    visible to the request of the other.

    Args:
        marked: Whether a draw must have a mark; see `Subspace.mark`.
    """

    def __init__(self, study: Study, subspace: Subspace, *, marked: bool) -> None:
        self._seed = study.seed
        self._subspace = subspace
        self._marked = marked

    def of(self, index: int) -> list[Assignment]:
        """Return the draws for suggestion `index`, in order of preference."""
        space = self._subspace.space
        if space is None:
            return [{}]
        if not self._marked:
            # On a small space, without replacement.
            return sampling.independent(space, self._seed, index, 1)
        rows = randomness.uniforms(
            self._seed, index * _ATTEMPTS, _ATTEMPTS, space.dimension, "configurations"
        )
        return space.decode(rows)

    def new(self, index: int, mark: int, taken: Collection[Key]) -> Assignment | None:
        """Return a configuration for suggestion `index` that is not `taken`; None if all are."""
        subspace = self._subspace
        size = subspace.size
        if size is not None and len(taken) >= size:
            return None
        fresh = [a for a in self.of(index) if subspace.key(a) not in taken]
        for assignment in fresh:
            if not self._marked or subspace.mark(subspace.key(assignment)) == mark:
                return assignment
        if fresh:
            return fresh[0]
        assert subspace.space is not None, "its only configuration is taken"
        visited = sampling.Visited(subspace.space)
        for key in taken:
            visited.add(subspace.assignment(key))
        return visited.unvisited(self._seed, "configurations", index)

    def in_flight(self, study: Study, known: Collection[Key]) -> int:
        """Return an upper bound on the suggestions whose trials may still become visible.

        Suggestions that are not trials are either in flight or have vanished. They are given out in
        the order of their indices, so none that is older than a visible one is in flight.

        Args:
            known: The configurations that are visible.
        """
        missing = min(invisible(study), _FARTHEST)
        for age in range(missing):
            index = study.first_index - 1 - age
            if any(self._subspace.key(a) in known for a in self.of(index)):
                return age
        return missing


def invisible(study: Study) -> int:
    """Return the number of suggestions that are not trials of the request."""
    visible = (study.observations, study.pending, study.failed, study.out_of_space)
    return max(0, study.first_index - sum(len(trials) for trials in visible))
