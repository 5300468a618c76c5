"""Signals that interrupt a session."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupts:
    """While it is entered, SIGINT interrupts once and SIGTERM twice.

    Args:
        interrupt: Called for each interruption, in a signal handler.
        register: Told of `interrupt` in place of signals; None: signals interrupt.
    """

    def __init__(
        self,
        interrupt: Callable[[], None],
        register: Callable[[Callable[[], None]], None] | None,
    ) -> None:
        self._interrupt = interrupt
        self._register = register
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if self._register is not None:
            self._register(self._interrupt)
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self._interrupt()
            if number == signal.SIGTERM:
                self._interrupt()

        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, handle)

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
