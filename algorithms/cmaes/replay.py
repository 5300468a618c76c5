"""The generations of a CMA-ES experiment, replayed from the trials of a request.

The generations are a function of the seed, the space, the settings and the outcomes of the trials.
The samples of a generation come from a random generator of its own, in a fixed and infinite
sequence; a trial belongs to the generation if it has the assignment of one of them. As soon as
enough have finished, their losses update the distribution of the next generation. Those that finish
later, or are more than enough, count for the next generation.
"""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from suggestion.algorithms.cmaes.coding import Coding
from suggestion.algorithms.cmaes.generation import Generation, Key, Sample
from suggestion.numerics import randomness
from suggestion.problem.study import Failed, Observation, Study
from suggestion.problem.tradeoffs import severity

Restart: TypeAlias = Literal["none", "None", "ipop", "bipop"] | None

#: Number of samples after the last one that is a trial that are searched for further trials.
_AHEAD: Final = 16
#: Number of successive generations that may consist of points that were tried before.
_MOST_FREE: Final = 20
#: Number of successive samples of a generation that may have been tried before.
_MOST_REPEATS: Final = 200
#: Number of choices that are tried if completion times do not say who finished first.
_MOST_CHOICES: Final = 32
#: A population grows to at most this many times the first one.
_MOST_GROWTH: Final = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a point.

    Attributes:
        loss: Infinite for a failed trial, None for a running one.
        ended: Completion time in seconds; minus infinity if unknown.
        severity: How far it is from meeting the constraints on metrics; infinite for a failed
            trial. See `suggestion.problem.tradeoffs.severity`.
    """

    loss: float | None
    ended: float = math.inf
    severity: tuple[float, ...] = ()


def outcomes(study: Study) -> dict[Key, Outcome]:
    """Return the outcome of every point that was tried; the first one, if it was tried twice."""
    key = study.space.key
    found = {key(trial.assignment): Outcome(None) for trial in study.pending}
    finished: list[tuple[Observation | Failed, float]]
    finished = [*zip(study.observations, study.losses[:, 0].tolist(), strict=True)]
    finished += [(trial, math.inf) for trial in study.failed]
    severities: list[tuple[float, ...]] = [()] * len(finished)
    if study.problem.constraints:
        rows = severity(study.violations_of(study.observations)).tolist()
        severities = [*map(tuple, rows), *[(math.inf, math.inf)] * len(study.failed)]
    ends = [-math.inf if trial.ended is None else trial.ended for trial, _ in finished]
    for place in sorted(range(len(finished)), key=ends.__getitem__, reverse=True):
        trial, loss = finished[place]
        found[key(trial.assignment)] = Outcome(loss, ends[place], severities[place])
    return found


@dataclass(slots=True)
class _Progress:
    """The state of the replay.

    Attributes:
        told: Points whose losses the optimizer has received.
        left: Members of the last generation that it has not received.
        run: Index of the run.
        large: The largest population so far.
        regime: Kind of a restarted run: ``large`` or ``small``.
        spent: Number of losses in each regime.
        free: Number of successive generations without a new point.
        over: Whether it has converged and is not restarted.
    """

    large: int
    told: set[Key] = field(default_factory=set)
    left: list[Sample] = field(default_factory=list)
    run: int = 0
    regime: str = ""
    spent: dict[str, int] = field(default_factory=lambda: {"": 0, "large": 0, "small": 0})
    free: int = 0
    over: bool = False

    def copy(self) -> _Progress:
        return replace(self, told=set(self.told), left=list(self.left), spent=dict(self.spent))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A replay up to a generation, and all that it depended on.

    Attributes:
        progress, optimizer, number: The replay, and the distribution and number of its generation.
        members: Trials of earlier generations, all of them finished.
        absent: Hashes of the points that were searched for among the trials and not found.
    """

    progress: _Progress
    optimizer: Any
    number: int
    members: dict[Key, Outcome]
    absent: set[int]

    def holds(self, known: Mapping[Key, Outcome]) -> bool:
        """Return whether a replay of `known` gives the same result."""
        return all(known.get(key) == outcome for key, outcome in self.members.items()) and (
            self.absent.isdisjoint(map(hash, known.keys() - self.members.keys()))
        )


class Memory:
    """Cache the latest snapshots of some experiments, which makes replies faster, never
    different.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._snapshots: OrderedDict[Hashable, _Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, identity: Hashable, known: Mapping[Key, Outcome]) -> _Snapshot | None:
        with self._lock:
            snapshot = self._snapshots.get(identity)
        return snapshot if snapshot is not None and snapshot.holds(known) else None

    def store(self, identity: Hashable, snapshot: _Snapshot) -> None:
        with self._lock:
            self._snapshots[identity] = snapshot
            self._snapshots.move_to_end(identity)
            while len(self._snapshots) > self._size:
                self._snapshots.popitem(last=False)


class Replay:
    """The generations of an experiment, replayed from its trials.

    Args:
        study: The study of the request.
        sigma: Initial standard deviation, in the unit cube.
        restart: What follows a converged run: runs with doubled populations (IPOP [Auger2005]_),
            with large and small ones in turn (BIPOP [Hansen2009]_), or nothing.
        memory: Cache of earlier replays.
    """

    def __init__(self, study: Study, sigma: float, restart: Restart, memory: Memory) -> None:
        self._study, self._sigma, self._restart = study, sigma, restart
        self._coding = Coding(study.space, study.deadline.check)
        self._known = outcomes(study)
        # Table 1 of [Hansen2016]_.
        self._first = 4 + math.floor(3 * math.log(max(self._coding.dimension, 1)))
        self._now = _Progress(self._first, over=self._coding.dimension == 0)
        if self._now.over:
            return
        self._members_so_far: dict[Key, Outcome] = {}
        self._absent: set[int] = set()
        constrained = bool(study.problem.constraints)
        identity = (study.seed, study.space, sigma, restart, constrained)
        snapshot = memory.recall(identity, self._known)
        if snapshot is None:
            centre = self._coding.centre
            self._generation = self._begin(self._coding.optimizer(self._first, centre, sigma), 0)
        else:
            self._now = snapshot.progress.copy()
            self._members_so_far = dict(snapshot.members)
            self._absent = set(snapshot.absent)
            self._generation = self._begin(copy.deepcopy(snapshot.optimizer), snapshot.number)
        self._replay(lambda latest: memory.store(identity, latest))

    def fresh(self) -> Iterator[Sample]:
        """Yield samples of the current generation that are not trials yet; all different.

        The sequence ends when the distribution hardly gives new points, and when the run is over.
        """
        seen: set[Key] = set()
        repeats = 0
        for index in itertools.count():
            if self._now.over or repeats > _MOST_REPEATS:
                return
            self._study.deadline.check()
            sample = self._generation[index]
            if sample.key in self._known or sample.key in seen:
                repeats += 1
                continue
            repeats = 0
            seen.add(sample.key)
            yield sample

    def _begin(self, optimizer: Any, number: int) -> Generation:
        return Generation(optimizer, self._coding, self._study, number)

    def _replay(self, store: Callable[[_Snapshot], None]) -> None:
        """Continue as far as the trials go.

        Args:
            store: Caches a snapshot; at once, so that a request that is repeated after its deadline
                goes on from there.
        """
        now = self._now
        settled = True
        taken = len(now.told)
        finished_trials = sum(outcome.loss is not None for outcome in self._known.values())
        while not now.over and now.free < _MOST_FREE:
            self._study.deadline.check()
            members = self._members()
            finished = self._finished(members)
            population = self._generation.population
            if len(finished) < population:
                break
            told, following, certain = self._choose(members, finished)
            settled = settled and certain and len(finished) == len(members)
            self._members_so_far.update((s.key, self._known[s.key]) for s in members)
            now.free = now.free + 1 if all(sample.key in now.told for sample in told) else 0
            now.told.update(sample.key for sample in told)
            # Members left over from an earlier generation are dropped.
            old = set(map(id, now.left))
            now.left = [s for s in members if s.key not in now.told and id(s) not in old]
            now.spent[now.regime] += len(told)
            self._generation = following
            if self._coding.numeric and following.optimizer.should_stop():
                self._next_run()
            # Snapshots are expensive: one from time to time, and those near the end.
            near = len(now.told) >= finished_trials - 3 * population
            if settled and (near or len(now.told) >= taken + 25 * population):
                taken = len(now.told)
                store(
                    _Snapshot(
                        now.copy(),
                        copy.deepcopy(self._generation.optimizer),
                        self._generation.number,
                        dict(self._members_so_far),
                        set(self._absent),
                    )
                )

    def _members(self) -> list[Sample]:
        """Return the samples that are trials: those left over from the last generation, then this
        one's.
        """
        told = self._now.told
        members = list(self._now.left)
        keys = {sample.key for sample in members}
        population = self._generation.population
        index = last = 0
        while index < max(population, last + _AHEAD):
            self._study.deadline.check()
            sample = self._generation[index]
            if sample.key in self._known:
                before = sample.key in told or sample.key in keys
                # The loss of a repeated point is known without a trial. After the first
                # `population` samples only trials of this generation count.
                if not before or index < population:
                    members.append(sample)
                if not before:
                    keys.add(sample.key)
                    last = index
            else:
                self._absent.add(hash(sample.key))
            index += 1
        return members

    def _finished(self, members: Sequence[Sample]) -> list[Sample]:
        """Return the finished samples among `members`, in the order of completion."""

        def ended(sample: Sample) -> float:
            return -math.inf if sample.key in self._now.told else self._known[sample.key].ended

        done = [sample for sample in members if self._known[sample.key].loss is not None]
        return sorted(done, key=ended)  # ties keep the order of the samples

    def _choose(
        self, members: Sequence[Sample], finished: Sequence[Sample]
    ) -> tuple[Sequence[Sample], Generation, bool]:
        """Return the members that make the next generation, that generation, and whether this is
        certain.

        They are the first to finish. If completion times are missing or equal, several choices are
        tried, and the one whose generation occurs among the trials is used.
        """
        population = self._generation.population
        told = finished[:population]
        surplus = len(finished) - population
        # If the surplus makes a whole generation, the next one need not be among the trials.
        if not 0 < surplus < population:
            return told, self._following(self._generation.optimizer, told), True
        seen = {sample.key for sample in members}
        others = self._known.keys() - self._members_so_far.keys() - seen
        if not others:
            return told, self._following(self._generation.optimizer, told), False
        skips = itertools.chain.from_iterable(
            itertools.combinations(range(population), number)
            for number in range(min(surplus, 2) + 1)
        )
        first: Generation | None = None
        for skip in itertools.islice(skips, _MOST_CHOICES):
            self._study.deadline.check()
            choice = [s for place, s in enumerate(finished) if place not in skip][:population]
            following = self._following(copy.deepcopy(self._generation.optimizer), choice)
            nominal = following.nominal
            if not nominal.isdisjoint(others):
                return choice, following, True
            self._absent.update(map(hash, nominal))
            first = first or following
        assert first is not None
        return told, first, False

    def _following(self, optimizer: Any, told: Sequence[Sample]) -> Generation:
        known = [self._known[sample.key] for sample in told]
        losses = _finite([each.loss for each in known])
        if self._study.problem.constraints:
            losses = _by_severity(losses, [each.severity for each in known])
        solutions = [sample.solution for sample in told]
        with np.errstate(all="ignore"):
            optimizer.tell(list(zip(solutions, losses, strict=True)))
        return self._begin(optimizer, self._generation.number + 1)

    def _next_run(self) -> None:
        """Start the run that follows a converged one."""
        now = self._now
        if self._restart not in ("ipop", "bipop"):
            now.over = True
            return
        now.left = []
        now.run += 1
        rng = randomness.generator(self._study.seed, "run", now.run)
        mean = rng.random(self._coding.numeric)
        share, narrowing = rng.random(2).tolist()
        if self._restart == "bipop" and now.spent["small"] < now.spent["large"]:
            # Section 2 of [Hansen2009]_; share is its U.
            now.regime = "small"
            grown = max(now.large / self._first / 2, 1.0)
            population = math.floor(self._first * grown ** (share * share))
            sigma = self._sigma * 10 ** (-2 * narrowing)
        else:
            now.regime = "large"
            now.large = min(2 * now.large, _MOST_GROWTH * self._first)
            population, sigma = now.large, self._sigma
        optimizer = self._coding.optimizer(population, mean, sigma)
        self._generation = self._begin(optimizer, self._generation.number)


def _by_severity(losses: Sequence[float], severities: Sequence[tuple[float, ...]]) -> list[float]:
    """Return the places of trials: feasible ones by their losses, then the others by severity.

    The update depends on the order of losses alone, so constraints need no penalty [Deb2000]_.

    .. [Deb2000] K. Deb. An efficient constraint handling method for genetic algorithms. Computer
       Methods in Applied Mechanics and Engineering 186, 2000.
    """
    order = np.lexsort((losses, *np.array(severities).T[::-1]))
    places = np.empty(len(losses))
    places[order] = np.arange(len(losses))
    return [float(place) for place in places]


def _finite(losses: Sequence[float | None]) -> list[float]:
    """Return finite losses in the same order; failed trials are the worst."""
    array = np.array(losses, dtype=np.float64)
    finite = array[np.isfinite(array)]
    if not len(finite):
        array[:] = 0.0
    elif np.max(finite) / 2 - np.min(finite) / 2 > 1e100:
        # The range overflows, so only their order is kept.
        array = np.searchsorted(np.sort(finite), array).astype(np.float64)
    else:
        array[~np.isfinite(array)] = np.max(finite)
    low, high = np.sort(array)[[len(array) // 4, 3 * len(array) // 4]]
    if low == high:
        # The package divides by this range.
        array += np.arange(len(array)) * 4 * np.spacing(np.abs(array).max())
    return [float(loss) for loss in array]
