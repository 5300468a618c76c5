"""New configurations: independent draws, each a function of its suggestion's index."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from algorithms.hyperband.rungs import Key, Subspace
from suggestion import sampling
from suggestion.space import Assignment
from suggestion.study import Study

# Draws looked at for one suggestion; none of them has the right mark in one of 3000 cases.
_ATTEMPTS: Final = 256
# Suggestions that may be on their way at a time.
_FARTHEST: Final = 256


class Draws:
    """Draws from the prior for every index of a suggestion.

    No two suggestions share an index, so their draws differ even where the trial of one is not
    yet visible to the request of the other.

    Args:
        marked: Whether a draw is wanted for a mark; see `Subspace.mark`.
    """

    def __init__(self, study: Study, subspace: Subspace, *, marked: bool) -> None:
        self._seed = study.seed
        self._subspace = subspace
        self._marked = marked

    def of(self, index: int) -> list[Assignment]:
        """The draws that suggestion `index` prefers, in this order."""
        space = self._subspace.space
        if space is None:
            return [{}]
        if not self._marked:
            # On a small space: without replacement.
            return sampling.independent(space, self._seed, index, 1)
        rows = sampling.uniforms(
            self._seed, index * _ATTEMPTS, _ATTEMPTS, space.dimension, "configurations"
        )
        return space.decode(rows)

    def new(self, index: int, mark: int, taken: Collection[Key]) -> Assignment | None:
        """A configuration for suggestion `index` that is not `taken`; None if all are."""
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
        """At most how many suggestions were handed out whose trials may yet become visible.

        Suggestions that are no trials are either on their way or have vanished for good. They
        are handed out in the order of their indices, so none that came before a visible one is
        still on its way.

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
    """How many suggestions were handed out that are no trials of the request."""
    visible = (study.observations, study.pending, study.failed, study.foreign)
    return max(0, study.first_index - sum(len(trials) for trials in visible))
