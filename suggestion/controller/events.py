"""What happens to an experiment. Each event says when; `machine` says what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggestion.controller.moments import Moment
from suggestion.controller.observation import Report, Series
from suggestion.controller.requests import Action, StopTrial, dump
from suggestion.controller.rules import Rule


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened.

    Attributes:
        at: When.
    """

    at: Moment

    def detail(self) -> Mapping[str, Any]:
        """Return what the journal keeps of it besides its kind, its time and its trial."""
        return {}


@dataclass(frozen=True, slots=True)
class Opened(Event):
    """A session has read the stored state and takes it up.

    Attributes:
        begun: When it began, in monotonic seconds; earlier than `at` if it had to read the state
            again.
        interruptions: Of this session so far.
    """

    begun: float
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggested trial; a trial without a name gets one by its number."""

    assignment: Mapping[str, str]
    name: str = ""
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Suggested(Event):
    """The algorithm has answered.

    Attributes:
        settings: To lay over the experiment's own.
        rules: Early-stopping rules of all these trials.
    """

    suggestions: Sequence[Suggestion]
    settings: Mapping[str, str]
    rules: Sequence[Rule]

    def detail(self) -> Mapping[str, Any]:
        return {"count": len(self.suggestions)}


@dataclass(frozen=True, slots=True)
class Exhausted(Event):
    """The algorithm has no more suggestions."""


@dataclass(frozen=True, slots=True)
class TrialEvent(Event):
    """Something that has happened to one trial.

    Attributes:
        trial: Its number.
    """

    trial: int


@dataclass(frozen=True, slots=True)
class Launched(TrialEvent):
    """The runtime has the trial; it begins once the handle is stored.

    Attributes:
        handle: What the runtime will find it by.
    """

    handle: Mapping[str, Any]

    def detail(self) -> Mapping[str, Any]:
        return {"handle": self.handle}


@dataclass(frozen=True, slots=True)
class Started(TrialEvent):
    """A trial that its runtime had queued runs.

    Attributes:
        seconds: That it has run so far.
    """

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LaunchFailed(TrialEvent):
    """The trial cannot be started.

    Attributes:
        reason: For people.
    """

    reason: str

    def detail(self) -> Mapping[str, Any]:
        return {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class Adopted(TrialEvent):
    """A trial that an earlier session launched still runs.

    Attributes:
        seconds: That it has run so far.
        queued: It waits for a place instead.
    """

    seconds: float = 0.0
    queued: bool = False

    def detail(self) -> Mapping[str, Any]:
        return {"seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Reported(TrialEvent):
    """The trial has reported metrics.

    Attributes:
        position: Where its collector continues.
    """

    reports: Sequence[Report]
    position: Any

    def detail(self) -> Mapping[str, Any]:
        return {"count": len(self.reports)}


@dataclass(frozen=True, slots=True)
class Trimmed(TrialEvent):
    """The middle of the trial's output, bytes `begin` to `end`, is not kept any more.

    Attributes:
        position: Where its collector continues.
    """

    begin: int
    end: int
    position: Any

    def detail(self) -> Mapping[str, Any]:
        return {"begin": self.begin, "end": self.end}


@dataclass(frozen=True, slots=True)
class Exited(TrialEvent):
    """The trial has ended; what it wrote may not all have been read.

    Attributes:
        status: As shells have it, 128 + n for signal n; None if nobody knows.
        reason: Why it has not succeeded, for people; empty: the status says it.
    """

    status: int | None
    reason: str = ""

    def detail(self) -> Mapping[str, Any]:
        return {"status": self.status} | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, slots=True)
class Lost(TrialEvent):
    """The trial is gone through no fault of its own, or nobody knows how it ended.

    Attributes:
        begun: Whether it may have begun to run.
        reason: For people; empty if nothing is known.
    """

    begun: bool = True
    reason: str = ""

    def detail(self) -> Mapping[str, Any]:
        return {"begun": self.begun} | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, slots=True)
class Unreadable(TrialEvent):
    """What the trial has left where its metrics belong cannot be read.

    Attributes:
        reason: For people.
    """

    reason: str

    def detail(self) -> Mapping[str, Any]:
        return {"reason": self.reason}


@dataclass(frozen=True, slots=True)
class Collected(TrialEvent):
    """All that a trial wrote before its end has been read.

    Attributes:
        found: What was read in place of the objective, for people; empty if that was reported.
    """

    found: str = ""


@dataclass(frozen=True, slots=True)
class Observed(TrialEvent):
    """The servers have all that they need to know of a trial that has ended.

    Attributes:
        series: What it reported to the DBManager by itself; None where it reports to us.
    """

    series: Mapping[str, Series] | None = None


@dataclass(frozen=True, slots=True)
class Ruled(TrialEvent):
    """The early-stopping server has answered for a running trial.

    Attributes:
        attempt: Of the trial, for which it was asked.
        step: Number of reports at which it was asked.
        rules: The next ones; none: it is not judged any more.
    """

    attempt: int
    step: int
    rules: Sequence[Rule]

    def detail(self) -> Mapping[str, Any]:
        rules = [[r.metric, r.value, r.comparison, r.start_step] for r in self.rules]
        return {"step": self.step, "rules": rules}


@dataclass(frozen=True, slots=True)
class Delivered(TrialEvent):
    """The DBManager has confirmed a batch, or the deletion that a batch below 0 stands for."""

    batch: int

    def detail(self) -> Mapping[str, Any]:
        return {"batch": self.batch}


@dataclass(frozen=True, slots=True)
class Timer(Event):
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The user wants the session to end: once after the running trials, twice at once."""


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """Somebody has asked for something from outside.

    A point comes only while no suggestion is asked for: it takes the index that is next.

    Attributes:
        request: Number of the request.
    """

    request: int
    action: Action

    @property
    def trial(self) -> int | None:
        """The trial that it is about, if there is one."""
        return self.action.trial if isinstance(self.action, StopTrial) else None

    def detail(self) -> Mapping[str, Any]:
        kind, fields = dump(self.action)
        return {"request": self.request, "action": kind, **fields}


@dataclass(frozen=True, slots=True)
class ServerFailed(Event):
    """A server has refused for good.

    Attributes:
        reason: In its words.
    """

    reason: str

    def detail(self) -> Mapping[str, Any]:
        return {"reason": self.reason}
