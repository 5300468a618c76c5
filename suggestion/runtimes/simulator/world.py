"""A machine that is not there: its clock, and the trials on it."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Script:
    """What a trial does.

    Attributes:
        seconds: That it runs.
        status: Its exit status.
        reports: Seconds after its beginning, metric and value of what it reports, in order.
        deaf: Seconds that it takes to end when it is stopped; past the grace period it is killed.
    """

    seconds: float
    status: int
    reports: tuple[tuple[float, str, str], ...]
    deaf: float = 0.0


#: Makes the script of a trial of its name and attempt.
Play: TypeAlias = Callable[[str, int], Script]


def scripted(
    seed: int, metric: str = "loss", steps: int = 4, failing: float = 0.1, mean: float = 60.0
) -> Play:
    """Return random scripts: learning curves that fall towards a level of their own.

    Args:
        steps: Reports of a trial that runs to its end.
        failing: Probability that a trial fails, at a random moment.
        mean: Seconds that a trial runs on average.
    """

    def play(trial: str, attempt: int) -> Script:
        chance = random.Random(f"{seed}/{trial}/{attempt}")
        seconds = mean * chance.uniform(0.2, 1.8)
        level, start = chance.random(), chance.uniform(1.0, 3.0)
        fails = chance.random() < failing
        end = seconds * chance.random() if fails else seconds
        reports = tuple(
            (at, metric, f"{level + (start - level) * 0.5**step:.6f}")
            for step in range(1, steps + 1)
            if (at := seconds * step / (steps + 0.5)) <= end
        )
        return Script(end, 1 if fails else 0, reports, chance.expovariate(0.2))

    return play


class Virtual:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(slots=True)
class Simulated:
    """One trial in the world.

    Attributes:
        begun: When it was allowed to begin; None while it waits for that.
        ends: When it ends.
    """

    attempt: int
    script: Script
    begun: float | None = None
    ends: float = 0.0
    status: int = 0
    stopped: bool = False


@dataclass
class World:
    """A machine on which trials run by a virtual clock.

    Attributes:
        play: What each of them does.
        begun: Number of times that each trial has begun, by name and attempt.
    """

    play: Play
    clock: Virtual = field(default_factory=Virtual)
    trials: dict[str, Simulated] = field(default_factory=dict)
    begun: dict[tuple[str, int], int] = field(default_factory=dict)
    _due: list[tuple[float, str]] = field(default_factory=list)

    def launch(self, trial: str, attempt: int) -> None:
        """Make a trial ready, unless it is there."""
        known = self.trials.get(trial)
        if known is None or known.attempt != attempt or self.over(known):
            self.trials[trial] = Simulated(attempt, self.play(trial, attempt))

    def begin(self, trial: str) -> None:
        """Let a trial run."""
        made = self.trials[trial]
        if made.begun is not None:
            return
        now = self.clock.seconds
        made.begun = now
        made.ends, made.status = now + made.script.seconds, made.script.status
        for after, _, _ in made.script.reports:
            heapq.heappush(self._due, (now + after, trial))
        heapq.heappush(self._due, (made.ends, trial))
        key = (trial, made.attempt)
        self.begun[key] = self.begun.get(key, 0) + 1

    def stop(self, trial: str, grace: float) -> None:
        """End a trial soon."""
        made = self.trials.get(trial)
        if made is None or made.begun is None or made.stopped or self.over(made):
            return
        made.stopped = True
        end = self.clock.seconds + min(made.script.deaf, grace)
        if end < made.ends:
            made.ends = end
            made.status = 143 if made.script.deaf < grace else 137
            heapq.heappush(self._due, (end, trial))

    def over(self, made: Simulated) -> bool:
        """Return whether a trial has ended."""
        return made.begun is not None and self.clock.seconds >= made.ends

    def let_go(self) -> None:
        """End the trials that wait to begin: nobody is left to let them."""
        waiting = [name for name, made in self.trials.items() if made.begun is None]
        for name in waiting:
            del self.trials[name]

    def said(self, trial: str, attempt: int) -> tuple[tuple[float, str, str], ...]:
        """Return what a trial has reported so far."""
        made = self.trials.get(trial)
        if made is None or made.attempt != attempt or made.begun is None:
            return ()
        until = min(self.clock.seconds, made.ends) - made.begun
        reports = made.script.reports
        known = len(reports)
        while known and reports[known - 1][0] > until:
            known -= 1
        return reports[:known]

    def next_said(self, trial: str, attempt: int, position: int) -> float:
        """Return the second before which a trial does not report behind `position`."""
        made = self.trials.get(trial)
        if made is None or made.attempt != attempt or made.begun is None:
            return self.clock.seconds
        reports = made.script.reports
        return math.inf if position >= len(reports) else made.begun + reports[position][0]

    def advance(self, until: float | None) -> None:
        """Move the clock to the next thing that happens, but not beyond `until`.

        Raises:
            RuntimeError: If nothing will ever happen.
        """
        while self._due and self._due[0][0] <= self.clock.seconds:
            heapq.heappop(self._due)
        times = [due for due in (until, self._due[0][0] if self._due else None) if due is not None]
        if not times:
            raise RuntimeError("nothing will ever happen in this world")
        self.clock.seconds = max(min(times), self.clock.seconds)
