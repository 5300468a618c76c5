"""What a trial has reported, summarised as Katib's controller does it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from suggestion.earlystopping.log import by_time
from suggestion.problem.deadline import Deadline

#: Times and values of the reports of one metric, in the order of the log.
Log: TypeAlias = tuple[Sequence[str], Sequence[str]]


class Observations(Protocol):
    """Read the observation logs of trials. Thread-safe."""

    def read(self, trial: str, metrics: Sequence[str], deadline: Deadline) -> Mapping[str, Log]:
        """Return the log of each of `metrics` of `trial`; without those that cannot be read.

        Raises:
            Unreachable, TimedOut: The logs cannot be read, now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of a trial: texts, as they were reported.

    Attributes:
        name: Of the metric.
        latest: The value with the latest time.
        min, max: The least and the greatest value.
    """

    name: str
    latest: str
    min: str
    max: str


def summarise(name: str, log: Log) -> Summary | None:
    """Return the summary of a log; None if it has no number.

    Values that are not numbers are left out. Of reports with equal times the last one counts.
    """
    times, values = log
    reported = [values[index] for index in by_time(times)]
    numbers = [(number, text) for text in reported if (number := _number(text)) is not None]
    if not numbers:
        return None
    # nan is neither less nor greater than anything, and stays if there is nothing else.
    ordered = [pair for pair in numbers if not math.isnan(pair[0])] or numbers
    least = min(ordered, key=lambda pair: pair[0])
    greatest = max(ordered, key=lambda pair: pair[0])
    return Summary(name, latest=numbers[-1][1], min=least[1], max=greatest[1])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
