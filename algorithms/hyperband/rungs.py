"""What the trials of a request say about each configuration, and who is due for promotion."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from suggestion.space import Assignment, SearchSpace, Value
from suggestion.study import Failed, Observation, Pending, Study

Key: TypeAlias = tuple[Value, ...]

#: Values of the mark that tells the rounds of a bracket apart.
MARKS: Final = 32


@dataclass(frozen=True, slots=True)
class Subspace:
    """The search space without the resource, which may be no parameter at all."""

    space: SearchSpace | None

    @staticmethod
    def of(space: SearchSpace, resource_name: str) -> Subspace:
        """`space` without the parameter `resource_name`."""
        others = tuple(p for p in space.parameters if p.name != resource_name)
        return Subspace(SearchSpace(others) if others else None)

    @property
    def size(self) -> int | None:
        """Number of configurations; None if there is a continuum."""
        return 1 if self.space is None else self.space.size

    def key(self, assignment: Assignment) -> Key:
        """What assignments of one configuration have in common, whatever their resource."""
        return () if self.space is None else self.space.key(assignment)

    def assignment(self, key: Key) -> Assignment:
        """The inverse of `key`."""
        parameters = () if self.space is None else self.space.parameters
        return {p.name: value for p, value in zip(parameters, key, strict=True)}

    def holds(self, assignment: Assignment) -> bool:
        """Whether the configuration of `assignment` may be proposed: a lattice can be edited."""
        parameters = () if self.space is None else self.space.parameters
        return all(assignment[p.name] in p for p in parameters)

    def mark(self, key: Key) -> int:
        """A random-looking number below `MARKS`, a function of the values alone."""
        if self.space is None:
            return 0
        texts = [(p.name, p.format(v)) for p, v in zip(self.space.parameters, key, strict=True)]
        return hashlib.blake2b(repr(sorted(texts)).encode(), digest_size=1).digest()[0] % MARKS


@dataclass(slots=True)
class Configuration:
    """One configuration, and how its trials went.

    Attributes:
        assignment: Of one of its trials.
        losses: By level, of those trials that were observed: the mean if there are several.
        levels: Levels at which it has a trial, in any condition.
        pending: Levels at which it has one that has not finished, and none that was observed.
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
        """The highest one that it has reached."""
        return max(self.levels)

    def rank(self, level: int) -> tuple[float, Key]:
        """Sorts the observed configurations of one rung, best first, without ties."""
        return self.losses[level], tuple(map(str, self.key))


def read(
    study: Study, subspace: Subspace, resource_name: str, resources: Sequence[Value]
) -> dict[Key, Configuration]:
    """The configurations that were tried, whoever proposed them.

    A trial whose resource is none of `resources` makes its configuration known, but stands on no
    rung. A configuration that could not be proposed, its values being off the lattice, is left
    out.
    """
    level_of = {resource: level for level, resource in enumerate(resources)}
    found: dict[Key, Configuration] = {}
    losses: dict[tuple[Key, int], list[float]] = {}
    trials: Iterable[Observation | Pending | Failed]
    trials = (*study.observations, *study.pending, *study.failed)
    for trial in trials:
        if not subspace.holds(trial.assignment):
            continue
        key = subspace.key(trial.assignment)
        configuration = found.setdefault(key, Configuration(key, trial.assignment))
        level = level_of.get(trial.assignment[resource_name])
        if level is None:
            continue
        configuration.levels.add(level)
        if isinstance(trial, Observation):
            losses.setdefault((key, level), []).append(trial.loss)
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
    """Promotions that are due in one bracket, best first in each rung, lower rungs first.

    Each `sizes[i]` results of a rung entitle its best `sizes[i + 1]` configurations to the next
    one: while there are no more than that, as in one round, exactly [Li2018]_'s successive halving.
    Failed ones count as results, and are never promoted; where too few are left, the next rung
    is complete with those.

    Args:
        members: Those that began at level `start`.
        closed: No further members will come: a rung is complete when all of it has finished.
        vanished: How many trials may have vanished from the request. A configuration that was
            passed over by a worse one is taken for one of them; see `passed_over`.
        skip: Whether a configuration is left out this time.
    """
    missing = 0  # how many the rung below could not send, because too many had failed
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
    """Those that were observed at `level` and have gone no further, best first."""
    waiting = [c for c in entered if level in c.losses and c.level == level]
    return sorted(waiting, key=lambda c: c.rank(level))


def passed_over(entered: Iterable[Configuration], level: int) -> list[Configuration]:
    """Those in a rung that were not promoted although a worse one was.

    Promotions go out best first, so that these were promoted too and their trials have vanished
    from the request, as those without metrics do.
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
    """Promotions that are due at any time, highest rung first; [Li2020]_, algorithm 2, get_job.

    A configuration is promoted when it is among the best 1/eta of its rung, so far.

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
    """All that could be promoted, in or out of turn: from the highest rung, best first."""
    waiting = [c for c in found.values() if c.levels and c.level < top and c.level in c.losses]
    waiting.sort(key=lambda c: (-c.level, c.rank(c.level)))
    return [Promotion(c, c.level + 1) for c in waiting]
