"""When the caller of a computation stops waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from suggestion.problem.errors import Cancelled


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
        """`seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; infinite without a deadline."""
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


NEVER: Final = Deadline()
