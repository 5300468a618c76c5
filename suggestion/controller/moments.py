"""Points in time: the date, which can jump, and seconds that only ever grow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened.

    Attributes:
        date: As far as this machine knows; only written down.
        seconds: By a monotonic clock; durations are differences of these.
    """

    date: datetime
    seconds: float

    @property
    def text(self) -> str:
        """The date in RFC 3339."""
        return rfc3339(self.date)


class Timekeeper(Protocol):
    """A clock, real or virtual."""

    def now(self) -> datetime:
        """Return the date, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that are never less than before."""
        ...


class Clock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def moment(clock: Timekeeper) -> Moment:
    """Return the present moment of `clock`."""
    return Moment(clock.now(), clock.monotonic())


def rfc3339(date: datetime) -> str:
    """Write `date` as ``2026-11-21T22:10:03.123456Z``."""
    return date.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime | None:
    """Read a date with a time zone; return None if `text` is none, or UTC has no such year."""
    try:
        date = datetime.fromisoformat(text)
        return date.astimezone(UTC) if date.tzinfo else None
    except (ValueError, OverflowError):
        return None
