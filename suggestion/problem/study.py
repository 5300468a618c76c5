"""A study: all that one request says, as immutable domain objects with real numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.space import Assignment, SearchSpace


@dataclass(frozen=True, slots=True)
class Observation:
    """A finished trial with a finite objective.

    Attributes:
        trial: Its name; may be empty.
        assignment: Its parameters. In `Study.observations` all of them, inside their ranges (a
            lattice may have changed since: values between its points are possible).
        loss: The objective, negated when maximising: lower is better. Finite.
        duration: Seconds from start to completion; None where either time is unknown.
        stopped_early: Whether early stopping ended it.
        ended: When it completed, in seconds since 1970, whole ones as a rule; None if unknown.
    """

    trial: str
    assignment: Assignment
    loss: float
    duration: float | None = None
    stopped_early: bool = False
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A trial that is created or running: its point is taken, its loss unknown."""

    trial: str
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Failed:
    """A trial that failed, was killed, or finished without a finite objective."""

    trial: str
    assignment: Assignment
    ended: float | None = None  # as of an observation


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
    out_of_space: tuple[Observation | Pending | Failed, ...] = ()


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
        name: Of the experiment.
        space: The search space.
        seed: 64 bits, from the setting ``random_state`` or else from the name.
        first_index: Index of the first new suggestion among all of the experiment, from 0.
        trials: The history, or a function that reads it when it is first looked at: an algorithm
            that needs no trials does not pay for them.
        max_trial_count, parallel_trial_count: As declared; 0 if not.
        deadline: Of the call. It must not influence the reply, except that a computation that
            cannot finish in time may return its best so far.
    """

    name: str
    space: SearchSpace
    seed: int = 0
    first_index: int = 0
    trials: History | Callable[[], History] = History()
    max_trial_count: int = 0
    parallel_trial_count: int = 0
    deadline: Deadline = NEVER

    @cached_property
    def history(self) -> History:
        return self.trials if isinstance(self.trials, History) else self.trials()

    @property
    def observations(self) -> tuple[Observation, ...]:
        return self.history.observations

    @property
    def pending(self) -> tuple[Pending, ...]:
        return self.history.pending

    @property
    def failed(self) -> tuple[Failed, ...]:
        return self.history.failed

    @property
    def out_of_space(self) -> tuple[Observation | Pending | Failed, ...]:
        return self.history.out_of_space
