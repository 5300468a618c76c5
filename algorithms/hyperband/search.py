"""Answer one request: what is known, what is due, and a reply of exactly the requested size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from suggestion.algorithms.hyperband.draws import Draws, invisible
from suggestion.algorithms.hyperband.plan import Plan
from suggestion.algorithms.hyperband.rungs import (
    MARKS,
    Configuration,
    Key,
    Promotion,
    Subspace,
    extensions,
    passed_over,
    read,
)
from suggestion.numerics import randomness, sampling, streams
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

Pool: TypeAlias = tuple[int, int]
#: Returns a configuration for a suggestion's index, with a mark, that is not taken.
Sampler: TypeAlias = Callable[[int, int, set[Key]], Assignment | None]

# A finite space has marks only if no mark can run out of configurations.
_ROUNDS_IN_SPACE = 8 * MARKS


class Search:
    """The trials of a request under a plan.

    Hyperband's rounds are distinguished by a mark: a number below `MARKS` that is a function of a
    configuration's values. A new configuration of round k is drawn such that its mark is k modulo
    `MARKS`. So the bracket of a trial is known from its configuration's least resource, and its
    round from its mark: in any order, without names or labels, after a restart, and after an edit
    of the seed or the space. Rounds `MARKS` apart share their rungs, and so do all rounds in a
    small finite space.
    """

    def __init__(self, study: Study, resource_name: str, plan: Plan, *, marked: bool) -> None:
        self.study = study
        self.plan = plan
        self.subspace = Subspace.of(study, resource_name)
        size = self.subspace.size
        self.marks = MARKS
        if not marked or (size is not None and size < _ROUNDS_IN_SPACE * plan.configurations):
            self.marks = 1
        self._resource_name = resource_name
        self.found = read(study, self.subspace, resource_name, plan.resources)
        self.draws = Draws(study, self.subspace, marked=self.marks > 1)

    @cached_property
    def pools(self) -> dict[Pool, list[Configuration]]:
        """Configurations by the level at which they began and their mark."""
        pools: dict[Pool, list[Configuration]] = {}
        for configuration in self.found.values():
            if configuration.levels:
                mark = self.subspace.mark(configuration.key) if self.marks > 1 else 0
                pools.setdefault((configuration.start, mark), []).append(configuration)
        return pools

    @property
    def used_up(self) -> bool:
        """Whether every configuration of a finite space was tried."""
        size = self.subspace.size
        return size is not None and len(self.found) >= size

    @cached_property
    def in_flight(self) -> int:
        """Upper bound on the number of suggestions that may still become trials."""
        return self.draws.in_flight(self.study, self.found)

    @cached_property
    def vanished(self) -> int:
        """Number of suggestions that are not and will never be trials."""
        return invisible(self.study) - self.in_flight

    def perhaps_lost(self, configuration: Configuration, odds: int = 2) -> bool:
        """Return whether to skip the promotion of `configuration` this time.

        A promoted trial that vanished looks like one that was never promoted, and would be
        suggested forever. While there are vanished trials that `passed_over` does not account for,
        each promotion is made with probability 1/`odds` at each suggestion.
        """
        if not self._unexplained:
            return False
        text = f"{self.study.seed} {self.study.first_index} {configuration.key!r}"
        return randomness.seed_of(text) % odds != 0

    @cached_property
    def _unexplained(self) -> bool:
        if not self.vanished:
            return False
        explained = sum(
            len(passed_over((c for c in members if level in c.levels), level))
            for members in self.pools.values()
            for level in range(self.plan.top)
        )
        return self.vanished > explained

    def answer(
        self,
        count: int,
        promotions: Iterable[Promotion],
        openings: Iterator[Pool],
        sample: Sampler,
    ) -> list[Assignment]:
        """Return exactly `count` points: promotions, then new configurations, then others.

        While suggestions may be in flight, nothing is promoted, since one of them could be the same
        promotion; new configurations differ by the index of the suggestion. The first openings are
        taken by the suggestions in flight.

        Args:
            promotions: All promotions that are due, the most urgent first.
            openings: Levels and marks of new configurations; infinite.
        """
        reply = _Reply(self.study, self._resource_name)
        if not self.in_flight:
            for promotion in islice(promotions, count):
                self._promote(reply, promotion)
        taken = set(self.found)
        size = self.subspace.size
        for level, mark in islice(openings, self.in_flight, None):
            all_taken = size is not None and len(taken) + self.in_flight >= size
            if len(reply) == count or all_taken:
                break
            assignment = sample(self.study.first_index + len(reply), mark, taken)
            if assignment is None:
                break
            taken.add(self.subspace.key(assignment))
            reply.add(assignment, self.plan.resources[level])
        if len(reply) < count:
            self._fill(reply, count)
        return reply.assignments

    def _promote(self, reply: _Reply, promotion: Promotion) -> None:
        resource = self.plan.resources[promotion.level]
        reply.add(promotion.configuration.assignment, resource)

    def _fill(self, reply: _Reply, count: int) -> None:
        """Goes on where every configuration of a finite space was tried."""
        # Suggestions on their way were answered with the configurations that have no trial, and
        # then with the first of what follows.
        size = self.subspace.size
        assert size is not None, "a continuum is never used up"
        given = max(0, self.in_flight - (size - len(self.found)))
        ahead = list(islice(self._further(size), given + count - len(reply)))
        for assignment, level in ahead[given:] + ahead[:given]:
            if len(reply) < count:
                reply.add(assignment, self.plan.resources[level])
        reply.fill_up(count)

    def _further(self, size: int) -> Iterator[tuple[Assignment, int]]:
        """Yield configurations and levels at which they have no trial, for the time after the plan.

        First all possible promotions, due or not, from the highest rung, best first; then the other
        levels of every configuration, highest first.
        """
        for promotion in extensions(self.found, self.plan.top):
            yield promotion.configuration.assignment, promotion.level
        tried = {(c.key, level) for c in self.found.values() for level in c.levels}
        order = randomness.Permutation(size, self.study.seed, "configurations")
        for level in range(self.plan.top, -1, -1):
            for index in range(size):
                self.study.deadline.check()
                assignment = self.subspace.point(order(index))
                if (self.subspace.key(assignment), level) not in tried:
                    yield assignment, level


class _Reply:
    """Assignments that all differ as long as the space allows."""

    def __init__(self, study: Study, resource_name: str) -> None:
        self._study = study
        self._resource_name = resource_name
        self._own = sampling.Visited(study.space, check=study.deadline.check)
        self.assignments: list[Assignment] = []

    def __len__(self) -> int:
        return len(self.assignments)

    def add(self, configuration: Assignment, resource: float | int | str) -> None:
        """Add an assignment unless it is there already."""
        assignment = {**configuration, self._resource_name: resource}
        if assignment not in self._own:
            self._own.add(assignment)
            self.assignments.append(assignment)

    def fill_up(self, count: int) -> None:
        """Add points of the whole space: first such that were not tried, then any."""
        visited = streams.visited(self._study)
        for assignment in self.assignments:
            visited.add(assignment)
        while len(self) < count:
            self._study.deadline.check()
            again = self._own if visited.used_up else visited
            index = self._study.first_index + len(self)
            assignment = again.unvisited(self._study.seed, "again", index)
            visited.add(assignment)
            self._own.add(assignment)
            self.assignments.append(assignment)
