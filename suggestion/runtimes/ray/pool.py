"""Actors for trials of one process each, which are used again.

Ray starts a process of Python for each actor, which takes a second of a processor or more. So a
trial that waits takes the first actor that is there, and an actor whose trial has ended takes the
next one; without one, it is ended after a while, and its resources are free.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Sequence, Set
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeAlias

#: A function that has another one called with the answer of a call of an actor.
Follow: TypeAlias = Callable[[Any, Callable[[Future[Any]], None]], None]
# Without a trial, an actor is kept so long, in seconds.
_IDLE: Final = 10.0
# Actors that are to end are waited for so long, in seconds.
_DISMISSED: Final = 2.0


class Pool:
    """Actors without a trial.

    Args:
        ray: The module.
        make: Make an actor of a name.
    """

    def __init__(self, ray: Any, make: Callable[[str], Any], follow: Follow) -> None:
        self._ray = ray
        self._make = make
        self._follow = follow
        self._expected: dict[str, Any] = {}  # they are not there yet
        self._free: dict[str, tuple[Any, float]] = {}  # and since when
        self._enough_since: float | None = None
        self._failures: list[BaseException] = []

    @property
    def names(self) -> Set[str]:
        """Names of all of them."""
        return self._expected.keys() | self._free.keys()

    def provide(self, count: int) -> None:
        """Make actors until there are `count`."""
        for _ in range(count - len(self._expected) - len(self._free)):
            name = f"trials-{uuid.uuid4().hex[:12]}"
            self._expected[name] = self._make(name)
            self._expect(name)

    def _expect(self, name: str) -> None:
        call = self._expected[name].ready.remote()
        self._follow(call, lambda answer: self._answered(name, answer))

    def _answered(self, name: str, answer: Future[Any]) -> None:
        if name not in self._expected:
            return
        error = answer.exception()
        if isinstance(error, self._ray.exceptions.ActorUnavailableError):
            self._expect(name)
            return
        actor = self._expected.pop(name)
        if error is None:
            self.give(name, actor)
        else:
            self._failures.append(error)

    def failures(self) -> list[BaseException]:
        """Return why actors have died before they were there, each once."""
        seen, self._failures = self._failures, []
        return seen

    def take(self) -> tuple[str, Any] | None:
        """Return an actor that is there, and its name; None without one."""
        if not self._free:
            return None
        name, (actor, _) = self._free.popitem()  # the others may not be needed any more
        return name, actor

    def give(self, name: str, actor: Any) -> None:
        """Take an actor whose trial has ended."""
        self._free[name] = (actor, time.monotonic())

    def retire(self, waiting: int) -> None:
        """End actors that have been without a trial for long, and those that none waits for."""
        now = time.monotonic()
        ended = [name for name, (_, since) in self._free.items() if now - since > _IDLE]
        if len(self._expected) <= waiting:
            self._enough_since = None
        elif self._enough_since is None:
            self._enough_since = now
        elif now - self._enough_since > _IDLE:
            ended += list(self._expected)[waiting:]
        if ended:
            self._end(ended, answers=True)

    def close(self, *, answers: bool) -> None:
        """End all of them.

        Args:
            answers: Whether the head does: calls to it would wait.
        """
        self._end([*self.names], answers=answers)

    def _end(self, names: Sequence[str], *, answers: bool) -> None:
        free = [self._free.pop(name)[0] for name in names if name in self._free]
        # Without a head, those that come to be without a trial end themselves.
        expected = [self._expected.pop(name) for name in names if name in self._expected]
        dismiss(self._ray, free)
        for actor in [*free, *expected] if answers else ():
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)


def dismiss(ray: Any, actors: Collection[Any]) -> None:
    """Have actors remove what their trials have left, and end, as far as they answer soon."""
    calls = [actor.leave.remote() for actor in actors]
    if calls:
        ray.wait(calls, num_returns=len(calls), timeout=_DISMISSED)
