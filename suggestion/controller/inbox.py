"""What comes from outside, as events: answers of servers, and what runtimes say and users want."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from suggestion.controller import events as e
from suggestion.controller.context import Closed, ServerRefused, Workers
from suggestion.controller.moments import Moment, Timekeeper, moment
from suggestion.controller.requests import Enqueue, Request
from suggestion.controller.runtime import Exit, Loss, Running, Started
from suggestion.controller.store import Store


def event_of(seen: Running | Started | Exit | Loss, number: int, at: Moment) -> e.Event:
    """Return the event for what a runtime says of a trial; `Running` is said of an adopted one."""
    match seen:
        case Running():
            return e.Adopted(at, number, seen.seconds, seen.queued)
        case Started():
            return e.Started(at, number, seen.seconds)
        case Exit():
            return e.Exited(at, number, seen.status, seen.reason)
        case Loss():
            return e.Lost(at, number, seen.begun, seen.reason)


class Calls:
    """Calls of servers, made by workers; what comes of them is taken up in the loop.

    Args:
        ring: Wakes the loop.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._answers: deque[Callable[[], e.Event | None] | BaseException] = deque()

    @property
    def answered(self) -> bool:
        """Whether there is an answer that the loop has not taken up."""
        return bool(self._answers)

    def make(
        self,
        workers: Workers,
        call: Callable[[], Any],
        event: Callable[[Any], e.Event | None],
        wakes: Callable[[], bool] = lambda: True,
    ) -> None:
        """Have a worker make a call; `event` says in the loop what has happened by that, if any.

        Args:
            wakes: Asked once the call has succeeded, in the worker; False: what has happened is
                taken up the next time that the loop turns.
        """

        def work() -> None:
            try:
                result = call()
            except Closed:
                return
            except BaseException as error:
                self._answers.append(error)
            else:
                self._answers.append(lambda: event(result))
                if not wakes():
                    return
            self._ring()

        workers.submit(work)

    def answers(self, clock: Timekeeper) -> Iterator[e.Event]:
        """Yield what has happened by calls that have ended.

        Raises:
            BaseException: What a call has raised, unless a server has refused for good.
        """
        while self._answers:
            answer = self._answers.popleft()
            if isinstance(answer, BaseException):
                if not isinstance(answer, ServerRefused):
                    raise answer
                yield e.ServerFailed(moment(clock), str(answer))
            elif (event := answer()) is not None:
                yield event


class Wanted:
    """The requests of users that the machine has not answered yet."""

    def __init__(self, store: Store, clock: Timekeeper) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[Request] = []
        self._seen: int | None = None  # the mark of the state when requests were looked for

    def take(self, asking: bool) -> Iterator[e.Event]:
        """Yield what users ask for from outside.

        Args:
            asking: Suggestions are asked for: points wait, since their index is not known.
        """
        mark = self._store.change_mark()
        if mark != self._seen:
            self._seen = mark
            self._waiting = self._store.requests()
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            if asking and isinstance(request.action, Enqueue):
                self._waiting.append(request)
            else:
                yield e.Requested(moment(self._clock), request.number, request.action)
