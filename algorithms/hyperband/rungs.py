"""The configurations of a request and their results, and the promotions that are due."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from suggestion.numerics.region import region_of
from suggestion.problem.parameters import Value
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, Pending, Study, Trial

Key: TypeAlias = tuple[Value | None, ...]

#: Number of values of the mark that distinguishes the rounds of a bracket.
MARKS: Final = 32


@dataclass(frozen=True, slots=True)
class Subspace:
    """The search space without the resource.

    Attributes:
        space: The other parameters; None if nothing is left.
        check: Called while points are counted; may raise, see `Deadline.check`.
    """

    space: SearchSpace | None
    check: Callable[[], None] = field(compare=False)

    @staticmethod
    def of(study: Study, resource_name: str) -> Subspace:
        """Return the space of `study` without the parameter `resource_name`."""
        others = tuple(p for p in study.space.parameters if p.name != resource_name)
        space = replace(study.space, parameters=others) if others else None
        return Subspace(space, study.deadline.check)

    @property
    def size(self) -> int | None:
        """Number of configurations; None if continuous, or not known."""
        if self.space is None:
            return 1
        if self.space.restricted:
            listed = region_of(self.space, self.check).listed(self.check)
            return None if listed is None else len(listed)
        return self.space.size

    def point(self, index: int) -> Assignment:
        """Return one of `size` configurations."""
        if self.space is None:
            return {}
        if self.space.restricted:
            listed = region_of(self.space, self.check).listed(self.check)
            assert listed is not None
            return listed[index]
        return self.space.point(index)

    def key(self, assignment: Assignment) -> Key:
        """Return a key that is equal for assignments of one configuration, whatever their
        resource.
        """
        return () if self.space is None else self.space.key(assignment)

    def assignment(self, key: Key) -> Assignment:
        """Invert `key`."""
        parameters = () if self.space is None else self.space.parameters
        values = zip(parameters, key, strict=True)
        return {p.name: value for p, value in values if value is not None}

    def holds(self, assignment: Assignment) -> bool:
        """Whether the configuration of `assignment` may be suggested: a lattice can be edited."""
        if self.space is None:
            return True
        own = [p for p in self.space.parameters if p.name in assignment]
        return all(assignment[p.name] in p for p in own) and self.space.feasible(assignment)

    def mark(self, key: Key) -> int:
        """Return a hash below `MARKS`, a function of the values only."""
        if self.space is None:
            return 0
        values = zip(self.space.parameters, key, strict=True)
        texts = [(p.name, p.format(value)) for p, value in values if value is not None]
        return hashlib.blake2b(repr(sorted(texts)).encode(), digest_size=1).digest()[0] % MARKS


@dataclass(slots=True)
class Configuration:
    """One configuration and the results of its trials.

    Attributes:
        assignment: Assignment of one of its trials.
        losses: Losses of observed trials by level; the mean if there are several.
        levels: Levels with a trial in any condition.
        pending: Levels with a pending trial and no observed one.
    """

    key: Key
    assignment: Assignment
    losses: dict[int, float] = field(default_factory=dict)
    levels: set[int] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)

    @property
    def start(self) -> int:
        return min(self.levels)

    @property
    def level(self) -> int:
        """The highest level that it has reached."""
        return max(self.levels)

    def rank(self, level: int) -> tuple[float, Key]:
        """Return a sort key of the observed configurations of one rung, best first,
        without ties.
        """
        return self.losses[level], tuple(map(str, self.key))


def read(
    study: Study, subspace: Subspace, resource_name: str, resources: Sequence[Value]
) -> dict[Key, Configuration]:
    """Return the configurations that were tried, whoever suggested them.

    A trial whose resource is none of `resources` makes its configuration known, but is on no rung.
    A configuration that could not be suggested, because its values are off the lattice, is left
    out.
    """
    level_of = {resource: level for level, resource in enumerate(resources)}
    found: dict[Key, Configuration] = {}
    losses: dict[tuple[Key, int], list[float]] = {}
    trials: list[tuple[Trial, float | None]]
    trials = [*zip(study.observations, study.losses[:, 0].tolist(), strict=True)]
    others: tuple[Pending | Failed, ...] = (*study.pending, *study.failed)
    trials += [(trial, None) for trial in others]
    for number, (trial, loss) in enumerate(trials):
        if number % 1024 == 0:
            study.deadline.check()
        if not subspace.holds(trial.assignment):
            continue
        key = subspace.key(trial.assignment)
        configuration = found.setdefault(key, Configuration(key, trial.assignment))
        level = level_of.get(trial.assignment[resource_name])
        if level is None:
            continue
        configuration.levels.add(level)
        if loss is not None:
            losses.setdefault((key, level), []).append(loss)
        elif isinstance(trial, Pending):
            configuration.pending.add(level)
    for (key, level), values in losses.items():
        found[key].losses[level] = math.fsum(value / len(values) for value in values)
        found[key].pending.discard(level)
    return found


@dataclass(frozen=True, slots=True)
class Promotion:
    """`configuration` is due at `level`."""

    configuration: Configuration
    level: int


def halve(
    members: Sequence[Configuration],
    start: int,
    sizes: Sequence[int],
    *,
    closed: bool,
    vanished: int,
    skip: Callable[[Configuration], bool],
) -> Iterator[Promotion]:
    """Yield promotions that are due in one bracket, best first in each rung, lower rungs first.

    Each `sizes[i]` results of a rung entitle its best `sizes[i + 1]` configurations to the next
    rung. With no more results than that, as in one round, this is exactly the successive halving of
    [Li2018]_. Failed configurations count as results and are never promoted; if too few are left,
    the next rung is complete with those.

    Args:
        members: Configurations that began at level `start`.
        closed: Whether no further members will come, so that a rung is complete when all of it
            has finished.
        vanished: How many trials may have vanished from the request. A configuration that was
            passed over by a worse one counts as one of them; see `passed_over`.
        skip: Whether a configuration is left out this time.
    """
    missing = 0  # how many promotions the rung below lacked because too many trials had failed
    for i in range(len(sizes) - 1):
        level = start + i
        entered = [c for c in members if level in c.levels]
        finished = missing + sum(1 for c in entered if level not in c.pending)
        complete = finished // sizes[i]
        if closed and i == 0 and finished == len(entered):
            complete = -(-finished // sizes[i])
        quota = complete * sizes[i + 1]
        promoted = sum(1 for c in members if c.level > level)
        candidates = ranked(entered, level)
        if vanished:
            lost = {c.key for c in passed_over(entered, level)[:vanished]}
            candidates = [c for c in candidates if c.key not in lost]
        due = [c for c in candidates if not skip(c)][: max(0, quota - promoted)]
        yield from (Promotion(configuration, level + 1) for configuration in due)
        missing = max(0, quota - promoted - len(candidates))


def ranked(entered: Iterable[Configuration], level: int) -> list[Configuration]:
    """Return the configurations that were observed at `level` and have gone no further,
    best first.
    """
    waiting = [c for c in entered if level in c.losses and c.level == level]
    return sorted(waiting, key=lambda c: c.rank(level))


def passed_over(entered: Iterable[Configuration], level: int) -> list[Configuration]:
    """Return the configurations of a rung that were not promoted although a worse one was.

    Promotions are made best first, so these were promoted too, and their trials have vanished from
    the request, like trials without metrics.
    """
    entered = list(entered)
    promoted = [c.rank(level) for c in entered if c.level > level and level in c.losses]
    if not promoted:
        return []
    worst = max(promoted)
    return [c for c in ranked(entered, level) if c.rank(level) < worst]


def halve_asynchronously(
    members: Sequence[Configuration],
    start: int,
    top: int,
    eta: float,
    skip: Callable[[Configuration], bool],
) -> Iterator[Promotion]:
    """Yield promotions that are due at any time, highest rung first; [Li2020]_, algorithm 2,
    get_job.

    A configuration is promoted when it is among the best 1/eta of its rung so far.

    Args:
        skip: Whether a configuration is left out this time.
    """
    for level in range(top - 1, start - 1, -1):
        entered = [c for c in members if level in c.levels]
        finished = sum(1 for c in entered if level not in c.pending)
        observed = sorted((c for c in entered if level in c.losses), key=lambda c: c.rank(level))
        for configuration in observed[: int(finished / eta)]:
            if configuration.level == level and not skip(configuration):
                yield Promotion(configuration, level + 1)


def extensions(found: Mapping[Key, Configuration], top: int) -> list[Promotion]:
    """Return all possible promotions, due or not: from the highest rung, best first."""
    waiting = [c for c in found.values() if c.levels and c.level < top and c.level in c.losses]
    waiting.sort(key=lambda c: (-c.level, c.rank(c.level)))
    return [Promotion(c, c.level + 1) for c in waiting]
