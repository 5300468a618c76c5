"""A trial as the store keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from suggestion.controller.observation import Series


class Condition(StrEnum):
    """The condition of a trial, named as in the CRD."""

    CREATED = "Created"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    KILLED = "Killed"
    FAILED = "Failed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    EARLY_STOPPED = "EarlyStopped"

    @property
    def active(self) -> bool:
        """Whether a trial in this condition is still to end."""
        return self in (Condition.CREATED, Condition.RUNNING)


#: Conditions that count against ``maxFailedTrialCount``.
FAILED: Final = frozenset({Condition.FAILED, Condition.METRICS_UNAVAILABLE})
#: Conditions in which a trial can be the best one.
JUDGED: Final = frozenset({Condition.SUCCEEDED, Condition.EARLY_STOPPED})


class Stopping(StrEnum):
    """Why a running trial is being stopped."""

    NO = ""
    EARLY = "early"
    TIMEOUT = "timeout"
    UNREADABLE = "unreadable"
    INTERRUPT = "interrupt"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial; a change is a new value, which the store writes before it has an effect.

    Attributes:
        number: Index of its suggestion, from 0.
        assignment: Texts by parameter, in the order of the reply.
        rules: Early-stopping rules: metric, value, comparison, start step.
        reason: Why it is in its condition, for people.
        attempt: From 1; a new one begins from nothing.
        failures: Attempts that failed.
        losses: Attempts that were lost: their node died, say. They are no failures.
        stopping: Why it is being stopped.
        handle: What its runtime finds it by, JSON that only the runtime reads; None before launch.
        slot: Number of the slot that it has; in a created trial, for which it is being launched.
        position: Where its collector continues, JSON that only the collector reads.
        watch: What its rules have seen, JSON.
        series: Aggregates by metric.
        cut: Begin and end of the part of its output that is not kept; None if all is.
        batch: Number of its latest batch of reports, over all attempts.
        created, started, completed: RFC 3339; empty before.
    """

    number: int
    name: str
    assignment: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Sequence[Any]] = ()
    condition: Condition = Condition.CREATED
    reason: str = ""
    attempt: int = 1
    failures: int = 0
    stopping: Stopping = Stopping.NO
    handle: Mapping[str, Any] | None = None
    slot: int | None = None
    position: Any = None
    watch: Mapping[str, Any] | None = None
    series: Mapping[str, Series] = field(default_factory=dict)
    cut: tuple[int, int] | None = None
    batch: int = 0
    created: str = ""
    started: str = ""
    completed: str = ""
    losses: int = 0

    def again(self, reason: str, failures: int, losses: int) -> Trial:
        """Return it back at the start, with nothing left of this attempt but its output."""
        return Trial(
            self.number,
            self.name,
            self.assignment,
            self.labels,
            self.rules,
            reason=reason,
            attempt=self.attempt + 1,
            failures=failures,
            batch=self.batch,
            created=self.created,
            losses=losses,
        )


def trial_name(experiment: str, number: int) -> str:
    """Name a trial that its algorithm did not name: a DNS label, the same whenever it is asked."""
    digest = hashlib.sha256(f"{experiment}/{number}".encode()).hexdigest()[:8]
    return f"{experiment[:54].replace('.', '-').rstrip('-')}-{digest}"
