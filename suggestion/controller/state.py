"""What the machine knows: the stored part of an experiment, and what only this session knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective
from suggestion.controller.reporter import NEVER
from suggestion.controller.trials import FAILED, JUDGED, Trial

#: Interruptions after which running trials go on and nothing new begins, and after which they are
#: stopped.
DRAIN: Final = 1
HALT: Final = 2
#: Times that a lost trial is run again, unless the user wants another number.
LOST_RETRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """How an experiment is run here; none of it changes while it runs.

    Attributes:
        slots: Trials that this machine has room for.
        retries: Times that a failed trial is run again.
        grace: Seconds that a trial has to stop, and a server to answer in the end.
        trial_timeout: Seconds after which a trial is stopped as failed; None: never.
        time_limit: Seconds after which a session stops its trials and ends; None: never.
        stops_early: An early-stopping server is told of trials that were stopped.
        pushed: Trials report their metrics to the DBManager themselves.
        first_failures: Number of trials that may fail before any has succeeded; with that many the
            experiment ends. None: any number.
        asks_again: The early-stopping rules of a running trial are asked for again and again.
        lost_retries: Times that a lost trial is run again.
        queues: Trials wait for a place after they are launched.
        announces: The runtime tells when a trial has written something.
    """

    objective: Objective
    slots: int
    retries: int = 0
    grace: float = 10.0
    trial_timeout: float | None = None
    time_limit: float | None = None
    stops_early: bool = False
    pushed: bool = False
    first_failures: int | None = None
    asks_again: bool = False
    lost_retries: int = LOST_RETRIES
    queues: bool = False
    announces: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What only this session knows of a trial that runs or is being launched.

    Attributes:
        begun: When it was launched, or adopted, in monotonic seconds.
        last: Time of its latest report.
        kept: Number of its reports that are stored.
        launched: The runtime has it.
        queued: It waits for a place, and does not run yet.
        ended, status, reason: It has ended, with this exit status; the reason, if there is one,
            tells more than that.
        judging: The servers are told what it has come to.
        asking: Its next rules have been asked for.
        found: What was read in place of the objective; empty if that was reported.
    """

    begun: float = 0.0
    last: datetime = NEVER
    kept: int = 0
    launched: bool = False
    ended: bool = False
    status: int | None = None
    judging: bool = False
    found: str = ""
    asking: bool = False
    queued: bool = False
    reason: str = ""

    @property
    def runs(self) -> bool:
        """Whether it can be stopped."""
        return self.launched and not self.ended

    @property
    def unread(self) -> bool:
        """Whether it has ended and the last of its output may be unread."""
        return self.ended and not self.judging


@dataclass(frozen=True, slots=True)
class Tally:
    """The trials that have ended, in short.

    Attributes:
        best: The first of the best ones: feasible if any is, else the least violated one.
        standing: What it is compared by, see `Objective.standing`; None without a best trial.
        best_value: Its value of the main objective if it is feasible.
    """

    completed: int = 0
    failed: int = 0
    best: Trial | None = None
    standing: tuple[float, ...] | None = None
    best_value: float | None = None

    def plus(self, trial: Trial, objective: Objective) -> Tally:
        """Return the tally with one more trial that has ended."""
        best, standing, best_value = self.best, self.standing, self.best_value
        own = objective.standing(trial.series) if trial.condition in JUDGED else None
        if own is not None and (standing is None or own < standing):
            feasible = objective.feasible(trial.series)
            best, standing = trial, own
            best_value = objective.value(trial.series) if feasible else None
        failed = self.failed + (trial.condition in FAILED)
        return Tally(self.completed + 1, failed, best, standing, best_value)


@dataclass(frozen=True, slots=True)
class State:
    """The state of an experiment.

    Attributes:
        active: Trials that have not ended, by number, in order of their numbers.
        tally: Those that have.
        made: Number of trials so far, and of the next one.
        attempts: Of trials that run or are being launched, by number.
        undelivered: Batches of reports that the DBManager has not confirmed, by trial.
        asking: Suggestions have been asked for.
        interruptions: Times that the user has interrupted the session.
        begun: When the session began, in monotonic seconds.
        waiting_since: Since when nothing is left but answers of servers; None before.
    """

    experiment: Experiment
    active: Mapping[int, Trial] = field(default_factory=dict)
    tally: Tally = Tally()
    made: int = 0
    attempts: Mapping[int, Attempt] = field(default_factory=dict)
    undelivered: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    asking: bool = False
    interruptions: int = 0
    begun: float = 0.0
    waiting_since: float | None = None
