"""The plan of a CMA-ES experiment: its generations, found again in the trials of a request.

The plan is a function of the seed, the space, the settings and the outcomes of the trials. The
samples of a generation come from a generator of random numbers of its own, in a fixed order and
without end; a trial belongs to it if it has the assignment of one of them. As soon as enough have
finished, their losses make the next generation's distribution. Those that finish later, or were
more than enough, count for the next generation.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from algorithms.cmaes.coding import Coding
from suggestion import sampling
from suggestion.space import Assignment, Value
from suggestion.study import Study

Key: TypeAlias = tuple[Value, ...]
Restart: TypeAlias = Literal["none", "None", "ipop", "bipop"] | None

#: Samples that come this far behind the last one that is a trial are not looked for.
_AHEAD: Final = 16
#: Generations in a row that may consist of points tried before.
_MOST_FREE: Final = 20
#: Points tried before that a generation may bring in a row.
_MOST_REPEATS: Final = 200
#: Choices of the first to finish that are tried where completion times do not tell.
_MOST_CHOICES: Final = 32
#: A population grows to at most this many times the first one.
_MOST_GROWTH: Final = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a point.

    Attributes:
        loss: Infinite if it failed; None while it is running.
        ended: When it finished, in seconds; minus infinity if that is unknown.
    """

    loss: float | None
    ended: float = math.inf


def outcomes(study: Study) -> dict[Key, Outcome]:
    """What is known of every point tried; of a point tried twice, what was known first."""
    key = study.space.key
    found = {key(trial.assignment): Outcome(None) for trial in study.pending}
    finished = [(trial, trial.loss) for trial in study.observations]
    finished += [(trial, math.inf) for trial in study.failed]  # type: ignore[misc]
    ends = [-math.inf if trial.ended is None else trial.ended for trial, _ in finished]
    for place in sorted(range(len(finished)), key=ends.__getitem__, reverse=True):
        trial, loss = finished[place]
        found[key(trial.assignment)] = Outcome(loss, ends[place])
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample and its point; `key` tells points apart."""

    solution: Any
    assignment: Assignment
    key: Key


class _Generation:
    """The samples of one distribution: a fixed sequence without end."""

    def __init__(self, optimizer: Any, coding: Coding, study: Study, number: int) -> None:
        self.optimizer = optimizer
        self._coding, self._study = coding, study
        self._samples: list[Sample] = []
        rng = sampling.generator(study.seed, "generation", number)
        optimizer.reseed_rng(int(rng.integers(2**32)))

    @property
    def population(self) -> int:
        return int(self.optimizer.population_size)

    def __getitem__(self, index: int) -> Sample:
        while len(self._samples) <= index:
            solutions = [self.optimizer.ask() for _ in range(self.population)]
            for solution, point in zip(solutions, self._coding.decode(solutions), strict=True):
                self._samples.append(Sample(solution, point, self._study.space.key(point)))
        return self._samples[index]


class Plan:
    """The generations of an experiment, replayed as far as its trials go.

    Args:
        study: What the request says.
        sigma: Initial standard deviation, in the unit cube.
        restart: What follows when a run has converged: runs with populations that double
            (IPOP [Auger2005]_), or large and small ones in turn (BIPOP [Hansen2009]_); or nothing.
    """

    def __init__(self, study: Study, sigma: float, restart: Restart) -> None:
        self._study, self._sigma, self._restart = study, sigma, restart
        self._coding = Coding(study.space)
        self._known = outcomes(study)
        self._told: set[Key] = set()
        self._left: list[Sample] = []  # members of the last generation that it was not told of
        # Hansen (2016), table 1.
        self._first = 4 + math.floor(3 * math.log(max(self._coding.dimension, 1)))
        self._runs = self._generations = 0
        self._large = self._first
        self._regime = ""
        self._spent = {"": 0, "large": 0, "small": 0}
        #: Whether it has converged for good.
        self.over = self._coding.dimension == 0
        if self.over:
            return
        centre = np.full(self._coding.numeric, 0.5)
        self._generation = self._begin(self._coding.optimizer(self._first, centre, sigma))
        self._replay()

    def fresh(self) -> Iterator[Sample]:
        """Samples of the current generation that are no trials yet; all different.

        They end where the distribution hardly brings new points any more, and when it is over.
        """
        seen: set[Key] = set()
        repeats = 0
        for index in itertools.count():
            if self.over or repeats > _MOST_REPEATS:
                return
            sample = self._generation[index]
            if sample.key in self._known or sample.key in seen:
                repeats += 1
                continue
            repeats = 0
            seen.add(sample.key)
            yield sample

    def _begin(self, optimizer: Any) -> _Generation:
        return _Generation(optimizer, self._coding, self._study, self._generations)

    def _replay(self) -> None:
        free = 0
        while not self.over and free < _MOST_FREE:
            self._study.deadline.check()
            members = self._members()
            finished = self._finished(members)
            if len(finished) < self._generation.population:
                return
            told, following = self._choose(members, finished)
            free = free + 1 if all(sample.key in self._told for sample in told) else 0
            self._told.update(sample.key for sample in told)
            # What was left over before is out of date by now.
            old = set(map(id, self._left))
            self._left = [s for s in members if s.key not in self._told and id(s) not in old]
            self._spent[self._regime] += len(told)
            self._generations += 1
            self._generation = following
            if self._coding.numeric and following.optimizer.should_stop():
                self._next_run()

    def _members(self) -> list[Sample]:
        """Samples that are trials: what the last generation left over, then this one's."""
        members = list(self._left)
        keys = {sample.key for sample in members}
        population = self._generation.population
        index = last = 0
        while index < max(population, last + _AHEAD):
            sample = self._generation[index]
            if sample.key in self._known:
                before = sample.key in self._told or sample.key in keys
                # The loss of a point that comes again is known without a trial. Behind the
                # population only trials of its own count, or chance would decide who does.
                if not before or index < population:
                    members.append(sample)
                if not before:
                    keys.add(sample.key)
                    last = index
            index += 1
        return members

    def _finished(self, members: Sequence[Sample]) -> list[Sample]:
        """Those of `members` that have finished, the first one first."""

        def ended(sample: Sample) -> float:
            return -math.inf if sample.key in self._told else self._known[sample.key].ended

        done = [sample for sample in members if self._known[sample.key].loss is not None]
        return sorted(done, key=ended)  # equal ones in the order of the samples

    def _choose(
        self, members: Sequence[Sample], finished: Sequence[Sample]
    ) -> tuple[Sequence[Sample], _Generation]:
        """The members that make the next generation, and that generation.

        They are the first to finish. Where completion times are missing or equal, the choice made
        back then is the one whose generation is found among the trials.
        """
        population = self._generation.population
        told = finished[:population]
        surplus = len(finished) - population
        others = self._known.keys() - self._told - {sample.key for sample in members}
        # With so many left over that they make a generation, it need not be among the trials.
        if not 0 < surplus < population or not others:
            return told, self._following(self._generation.optimizer, told)
        skips = itertools.chain.from_iterable(
            itertools.combinations(range(population), number)
            for number in range(min(surplus, 2) + 1)
        )
        first: _Generation | None = None
        for skip in itertools.islice(skips, _MOST_CHOICES):
            choice = [s for place, s in enumerate(finished) if place not in skip][:population]
            following = self._following(copy.deepcopy(self._generation.optimizer), choice)
            if any(following[index].key in others for index in range(population)):
                return choice, following
            first = first or following
        assert first is not None
        return told, first

    def _following(self, optimizer: Any, told: Sequence[Sample]) -> _Generation:
        losses = _finite([self._known[sample.key].loss for sample in told])
        solutions = [sample.solution for sample in told]
        with np.errstate(all="ignore"):
            optimizer.tell(list(zip(solutions, losses, strict=True)))
        return _Generation(optimizer, self._coding, self._study, self._generations + 1)

    def _next_run(self) -> None:
        """The run that follows one that has converged."""
        if self._restart not in ("ipop", "bipop"):
            self.over = True
            return
        self._left = []
        self._runs += 1
        rng = sampling.generator(self._study.seed, "run", self._runs)
        mean = rng.random(self._coding.numeric)
        share = float(rng.random())
        small = self._restart == "bipop" and self._spent["small"] < self._spent["large"]
        population, sigma = self._first, self._sigma
        if small:
            # Eq. (6) and (7) of [Hansen2009]_; share is U.
            self._regime = "small"
            grown = self._large / self._first / 2
            population = math.floor(self._first * max(grown, 1.0) ** (share * share))
            sigma = self._sigma * 10 ** (-2 * float(rng.random()))
        else:
            self._regime = "large"
            self._large = min(2 * self._large, _MOST_GROWTH * self._first)
            population = self._large
        optimizer = self._coding.optimizer(population, mean, sigma)
        self._generation = self._begin(optimizer)


def _finite(losses: Sequence[float | None]) -> list[float]:
    """Losses that arithmetic can be done with, in the same order; failed ones are the worst."""
    array = np.array(losses, dtype=np.float64)
    finite = array[np.isfinite(array)]
    if not len(finite):
        array[:] = 0.0
    elif finite.max() / 2 - finite.min() / 2 > 1e100:
        # Only their order survives.
        array = np.searchsorted(np.sort(finite), array).astype(np.float64)
    else:
        array[~np.isfinite(array)] = finite.max()
    low, high = np.sort(array)[[len(array) // 4, 3 * len(array) // 4]]
    if low == high:
        # The package divides by this range.
        array += np.arange(len(array)) * 4 * np.spacing(np.abs(array).max())
    return [float(loss) for loss in array]
