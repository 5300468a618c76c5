"""A study: all that one request says, as immutable domain objects with real numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from suggestion.problem.deadline import NEVER, Deadline, watched
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Problem
from suggestion.problem.space import Assignment, SearchSpace


@dataclass(frozen=True, slots=True)
class Observation:
    """A finished trial with a finite value of every objective.

    Attributes:
        trial: Its name; may be empty.
        assignment: Its parameters. In `Study.observations` all that are active, inside their ranges
            (a lattice may have changed since: values between its points are possible).
        metrics: Finite values by the name of the metric: of every objective, and of those other
            metrics of the problem that it reported.
        duration: Seconds from start to completion; None where either time is unknown.
        stopped_early: Whether early stopping ended it.
        ended: When it completed, in seconds since 1970, whole ones as a rule; None if unknown.
    """

    trial: str
    assignment: Assignment
    metrics: Mapping[str, float]
    duration: float | None = None
    stopped_early: bool = False
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A trial that is created or running: its point is taken, its metrics are unknown."""

    trial: str
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that failed, was killed, or finished without a finite value of some objective."""

    trial: str
    assignment: Assignment
    ended: float | None = None  # as of an observation


Trial: TypeAlias = Observation | Pending | Failed


class Record(NamedTuple):
    """A trial as an API has read it.

    Attributes:
        trial: The trial with those of its values that fit the space.
        started: When it started, as a text whose order is that of time; may be empty.
        texts: Its assignment as it was written, which tells trials without a name apart; may be
            empty for one that has a name.
    """

    trial: Trial
    started: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class History:
    """The trials of a request, each exactly once, in an order that the request's does not change.

    Observations, pending and failed trials hold complete assignments inside the ranges of the
    space. An out-of-space trial (the space was edited, or the point came from elsewhere) holds only
    those of its values that fit, at least one, whatever its condition; one that fits altogether
    is not out of space.
    """

    observations: tuple[Observation, ...] = ()
    pending: tuple[Pending, ...] = ()
    failed: tuple[Failed, ...] = ()
    out_of_space: tuple[Trial, ...] = ()

    @property
    def evaluated(self) -> tuple[Observation, ...]:
        """All trials with a finite value of every objective: the observations, then those of the
        out-of-space trials that are observations, whose assignments are partial.
        """
        partial = [trial for trial in self.out_of_space if isinstance(trial, Observation)]
        return (*self.observations, *partial)

    @classmethod
    def of(
        cls, records: Iterable[Record], problem: Problem, check: Callable[[], None] = NEVER.check
    ) -> History:
        """Return the history that `records` make.

        They are in the order of their start, then of their names. A trial named twice counts once,
        in the condition that is furthest; one of which nothing fits the space does not count.

        Args:
            check: Called between records; what it raises ends the work.
        """

        def losses(trial: Trial) -> tuple[float, ...]:
            if not isinstance(trial, Observation):
                return ()
            return tuple(metric.loss(trial.metrics[metric.name]) for metric in objectives)

        def progress(record: Record) -> tuple[object, ...]:
            trial = record.trial
            details = [getattr(trial, key, None) for key in ("duration", "stopped_early", "ended")]
            parts = (record.started, trial.assignment, losses(trial), *details)
            return (_PROGRESS[type(trial)], *map(repr, parts))

        def place(record: Record) -> tuple[object, ...]:
            trial = record.trial
            if trial.trial:
                return record.started, trial.trial
            return record.started, "", sorted(record.texts.items()), losses(trial)

        objectives = problem.objectives
        chosen: dict[object, Record] = {}
        for index, record in enumerate(watched(records, check)):
            if not record.trial.assignment:
                continue
            identity: object = record.trial.trial or index
            other = chosen.get(identity)
            chosen[identity] = record if other is None else max(other, record, key=progress)
        observations: list[Observation] = []
        pending: list[Pending] = []
        failed: list[Failed] = []
        out_of_space: list[Trial] = []
        kept = [*chosen.values()]
        places = [place(record) for record in watched(kept, check)]
        for index in watched(sorted(range(len(kept)), key=places.__getitem__), check):
            match kept[index].trial:
                case trial if not problem.space.is_complete(trial.assignment):
                    out_of_space.append(trial)
                case Observation() as trial:
                    observations.append(trial)
                case Pending() as trial:
                    pending.append(trial)
                case Failed() as trial:
                    failed.append(trial)
        return cls(tuple(observations), tuple(pending), tuple(failed), tuple(out_of_space))


_PROGRESS: Final[Mapping[type, int]] = {Pending: 0, Failed: 1, Observation: 2}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A point to try, where the trial gets a name or labels of the algorithm's choice.

    Attributes:
        trial: A DNS-1123 label of at most 63 characters, unique in the cluster's namespace; comes
            back with the trial. Empty: the controller names the trial.
        labels: For people to look at; they do not come back.
    """

    assignment: Assignment
    trial: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """All that one request says.

    Attributes:
        problem: What is to be optimised.
        seed: 64 bits, from the setting ``random_state`` or else from the name.
        first_index: Index of the first new suggestion among all of the experiment, from 0.
        trials: The history, or a function that reads it when it is first looked at: an algorithm
            that needs no trials does not pay for them.
        initial: Returns the points that are suggested before any others, complete. Their indices
            are the first ones; an algorithm is asked for what comes after them.
        prior: Earlier studies to learn from, on spaces of their own. Their trials never count as
            trials of this one.
        deadline: Of the call. It must not influence the reply, except that a computation that
            cannot finish in time may return its best so far.
    """

    problem: Problem
    seed: int = 0
    first_index: int = 0
    trials: History | Callable[[], History] = History()
    initial: Callable[[], tuple[Assignment, ...]] = tuple
    prior: tuple[Study, ...] = ()
    deadline: Deadline = NEVER

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.problem.name

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.problem.space

    @property
    def max_trial_count(self) -> int:
        """Trials that the experiment may have; 0 if it does not say."""
        return self.problem.max_trial_count

    @property
    def parallel_trial_count(self) -> int:
        """Trials that may run at the same time; 0 if it does not say."""
        return self.problem.parallel_trial_count

    @cached_property
    def initial_points(self) -> tuple[Assignment, ...]:
        """The points that are suggested before any others, made when they are first looked at."""
        return self.initial()

    @cached_property
    def history(self) -> History:
        """The trials, read when they are first looked at."""
        return self.trials if isinstance(self.trials, History) else self.trials()

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Finished trials."""
        return self.history.observations

    @property
    def pending(self) -> tuple[Pending, ...]:
        """Trials that are created or running."""
        return self.history.pending

    @property
    def failed(self) -> tuple[Failed, ...]:
        """Trials without a result."""
        return self.history.failed

    @property
    def out_of_space(self) -> tuple[Trial, ...]:
        """Trials of which not all values fit the space."""
        return self.history.out_of_space

    @property
    def evaluated(self) -> tuple[Observation, ...]:
        """Finished trials, then out-of-space ones with a value of every objective."""
        return self.history.evaluated

    @cached_property
    def losses(self) -> Array:
        """Objectives of the observations, lower is better; shape (n, number of objectives)."""
        return self.losses_of(self.observations)

    def losses_of(self, observations: Sequence[Observation]) -> Array:
        """Return the objectives of `observations`, in the form of `losses`."""
        return self.problem.losses([trial.metrics for trial in observations])

    def violations_of(self, observations: Sequence[Observation]) -> Array:
        """Return by how much `observations` violate the constraints: see `Problem.violations`."""
        return self.problem.violations([trial.metrics for trial in observations])
