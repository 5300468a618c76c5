"""What the machine decides: changes to store, and then commands to carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Report
from suggestion.controller.requests import Answer
from suggestion.controller.trials import Trial


@dataclass(frozen=True, slots=True)
class Batch:
    """Reports that are delivered in one request.

    Attributes:
        trial: Number of the trial.
        number: From 1, over all attempts of the trial.
        reports: Each with its time.
    """

    trial: int
    number: int
    reports: Sequence[Report]


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows to write in one transaction.

    Attributes:
        forgotten: Trials whose reports so far do not count and are deleted, each with the number
            of the batch that has the DBManager delete them.
        trials: New or changed trials.
        batches: New reports, to be delivered.
        delivered: Trial and batch of confirmed deliveries.
        answers: To requests of users.
    """

    experiment: Experiment | None = None
    forgotten: Sequence[tuple[int, int]] = ()
    trials: Sequence[Trial] = ()
    batches: Sequence[Batch] = ()
    delivered: Sequence[tuple[int, int]] = ()
    answers: Sequence[Answer] = ()

    def __bool__(self) -> bool:
        return bool(
            self.experiment
            or self.forgotten
            or self.trials
            or self.batches
            or self.delivered
            or self.answers
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the algorithm for `count` suggestions, `total` with all that were made before."""

    count: int
    total: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Hand a trial to the runtime, in a slot. Answered by Launched."""

    trial: int
    slot: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Let a launched trial run, now that its handle is stored."""

    trial: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """Find a trial that an earlier session launched. Answered by Adopted, Exited or Lost."""

    trial: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a running trial, by force after the grace period. Answered by Exited."""

    trial: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tell the DBManager of a stored batch. Answered by Delivered.

    Attributes:
        batch: Its number; below 0, the DBManager is to delete what the trial has reported.
        reports: Of the batch; None: as stored.
    """

    trial: int
    batch: int
    reports: Sequence[Report] | None = None


@dataclass(frozen=True, slots=True)
class AskRules:
    """Ask the early-stopping server for a running trial's next rules. Answered by Ruled.

    Attributes:
        step: Number of reports of the objective that it has made.
    """

    trial: int
    step: int


@dataclass(frozen=True, slots=True)
class TellRules:
    """Let a running trial know its next rules."""

    trial: int


@dataclass(frozen=True, slots=True)
class Observe:
    """Settle with the servers what a trial has come to. Answered by Observed.

    Attributes:
        pushed: Its metrics are with the DBManager.
        stopped: The early-stopping server is told that it was stopped.
    """

    trial: int
    pushed: bool
    stopped: bool


@dataclass(frozen=True, slots=True)
class Show:
    """Show that a trial has begun, ended, or is to begin again."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Note:
    """Tell the user something."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """End the session.

    Attributes:
        failure: Why it cannot continue; empty if it has come to its end.
    """

    failure: str = ""


Command: TypeAlias = (
    Ask
    | Launch
    | Begin
    | Adopt
    | Stop
    | Deliver
    | AskRules
    | TellRules
    | Observe
    | Show
    | Note
    | End
)
