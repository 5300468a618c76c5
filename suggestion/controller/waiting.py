"""Waiting for a runtime's descriptor, other threads and signal handlers."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from suggestion.controller.moments import Timekeeper

#: Metrics files are looked at this often.
POLL_SECONDS: Final = 0.1


class Bell:
    """Wait in a selector.

    Args:
        descriptor: Readable when a runtime has events; None without one.
        awake: Called after each wait, which may have taken longer than it should: the machine may
            have been suspended.
    """

    def __init__(
        self, clock: Timekeeper, descriptor: int | None, awake: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._awake = awake
        self._bell, self._button = socket.socketpair()
        for end in (self._bell, self._button):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._bell, selectors.EVENT_READ)
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ)

    def wait(self, until: float | None) -> None:
        seconds = POLL_SECONDS
        if until is not None:
            seconds = min(max(until - self._clock.monotonic(), 0.0), seconds)
        if self._selector.select(seconds):
            with suppress(BlockingIOError):
                self._bell.recv(4096)
        self._awake()

    def ring(self) -> None:
        with suppress(OSError):  # rung often enough, or for the last time
            self._button.send(b"\0")

    def close(self) -> None:
        self._selector.close()
        self._button.close()
        self._bell.close()
