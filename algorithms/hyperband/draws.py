"""New configurations: independent draws, each a function of its suggestion's index."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from suggestion.algorithms.hyperband.rungs import Key, Subspace
from suggestion.numerics import sampling, streams
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

# Number of draws for one suggestion; in one of 3000 cases none has the required mark.
_ATTEMPTS: Final = 256
# Number of draws that are decoded together.
_DECODED: Final = 32
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
        self._check = study.deadline.check
        self._subspace = subspace
        self._unmarked: streams.Independent | None = None
        if not marked and subspace.space is not None:  # on a small space, without replacement
            oldest = study.first_index - min(invisible(study), _FARTHEST)
            self._unmarked = streams.Independent(study, subspace.space, oldest)

    def of(self, index: int) -> Iterator[Assignment]:
        """Yield the draws for suggestion `index`, in order of preference."""
        space = self._subspace.space
        if space is None:
            yield {}
        elif self._unmarked is not None:
            yield self._unmarked[index]
        else:
            for first in range(0, _ATTEMPTS, _DECODED):
                self._check()
                start = index * _ATTEMPTS + first
                yield from sampling.draws(
                    space, self._seed, start, _DECODED, "configurations", check=self._check
                )

    def new(self, index: int, mark: int, taken: Collection[Key]) -> Assignment | None:
        """Return a configuration for suggestion `index` that is not `taken`; None if all are."""
        subspace = self._subspace
        size = subspace.size
        if size is not None and len(taken) >= size:
            return None
        first = None
        for assignment in self.of(index):
            key = subspace.key(assignment)
            if key not in taken:
                if self._unmarked is not None or subspace.mark(key) == mark:
                    return assignment
                first = first or assignment
        if first is not None:
            return first
        assert subspace.space is not None, "its only configuration is taken"
        visited = sampling.Visited(subspace.space, check=self._check)
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
