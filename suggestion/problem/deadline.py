"""When the caller of a computation stops waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from suggestion.problem.errors import Cancelled

_T = TypeVar("_T")

#: How often a wait looks whether the caller has gone, in seconds.
LOOK_SECONDS: Final = 0.1
#: Items between two looks at the deadline: their work takes milliseconds.
_BETWEEN: Final = 256


class Deadline:
    """When the caller stops waiting.

    Args:
        at: In seconds of `time.monotonic`; infinite if it waits for ever.
        cancelled: Tells whether the caller has gone already.
    """

    def __init__(
        self, at: float = float("inf"), cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self._at = at
        self._cancelled = cancelled

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the one that passes `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def before(self, at: float) -> Deadline:
        """Return one that passes with this one, and at `at` at the latest."""
        return Deadline(min(self._at, at), self._cancelled)

    def remaining(self) -> float:
        """Return the seconds left; infinite without a deadline."""
        return self._at - time.monotonic()

    def passed(self) -> bool:
        """Return whether nobody waits for the result any more."""
        return self._cancelled() or self.remaining() <= 0

    def check(self) -> None:
        """Call between steps of a long computation.

        Raises:
            Cancelled: If nobody waits for the result any more.
        """
        if self.passed():
            raise Cancelled

    def acquire(self, lock: threading.Lock) -> bool:
        """Return whether `lock` was acquired before the deadline.

        Raises:
            Cancelled: If the caller has gone.
        """
        while not lock.acquire(timeout=min(max(self.remaining(), 0), LOOK_SECONDS)):
            if self.remaining() <= 0:
                return False
            self.check()
        return True


NEVER: Final = Deadline()


def watched(items: Iterable[_T], check: Callable[[], None], every: int = _BETWEEN) -> Iterator[_T]:
    """Yield `items`, calling `check` before the first of every few: a request can hold a million.

    Args:
        items: Of anything.
        check: As `Deadline.check`.
        every: Number of items between two calls.
    """
    for number, item in enumerate(items):
        if number % every == 0:
            check()
        yield item
