"""Calls of actors whose answers come when they come: a thread of Ray notes them and rings."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

Then: TypeAlias = Callable[[Future[Any]], None]


class Calls:
    """Calls that have not been answered."""

    def __init__(self) -> None:
        self._bell, self._button = socket.socketpair()
        for end in (self._bell, self._button):
            end.setblocking(False)
        self._answers: queue.SimpleQueue[tuple[Then, Future[Any]]] = queue.SimpleQueue()

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are answers."""
        return self._bell.fileno()

    def follow(self, call: Any, then: Then) -> None:
        """Have `answered` call a function with the answer of a call."""
        answers = self._answers

        def note(answer: Future[Any]) -> None:
            answers.put((then, answer))
            self.ring()

        call.future().add_done_callback(note)

    def ring(self) -> None:
        """Have the descriptor readable, as if there were an answer."""
        with suppress(OSError):  # rung often enough, or closed
            self._button.send(b"\0")

    def answered(self) -> None:
        """Call the functions of all calls that have been answered."""
        with suppress(BlockingIOError):
            self._bell.recv(4096)
        answers = self._answers
        for _ in range(answers.qsize()):
            then, answer = answers.get()
            then(answer)

    def drop(self) -> None:
        """Follow none of the calls any more."""
        self._answers = queue.SimpleQueue()

    def close(self) -> None:
        """Follow none of them, and close the descriptor."""
        self.drop()
        self._button.close()
        self._bell.close()
