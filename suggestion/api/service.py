"""What a service of any API is to the server that serves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar

from google.protobuf.message import Message

from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Unreachable

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Call:
    """One call, as its handler sees it.

    Attributes:
        deadline: When the caller stops waiting, and whether it has gone.
        arrived: When it came, in seconds of `time.monotonic`; it may have waited for a thread.
        facts: What the log line says about the call.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.arrived: Final = time.monotonic()
        self.facts: dict[str, object] = {}

    def describe(self, **facts: object) -> None:
        """Add facts to the log line."""
        self.facts.update(facts)


class Lane(Executor):
    """Threads apart from those that compute, for calls that wait for something else.

    A database that is locked, or a server that is silent, then holds up only the calls that need
    it. The threads are made when they are first needed.

    Args:
        subject: What the calls wait for, for messages.
        threads: Calls handled at a time.
        waiting: Most calls that wait for a thread.
    """

    def __init__(self, subject: str, *, threads: int, waiting: int) -> None:
        self._subject = subject
        self._room = threading.BoundedSemaphore(threads + waiting)
        self._waiting = waiting
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="suggest-lane")

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have `fn` called by one of the threads.

        Raises:
            Unreachable: As many calls as may are waiting.
        """
        if not self._room.acquire(blocking=False):
            raise Unreachable(f"{self._subject}: {self._waiting} calls are waiting; try again")
        future = self._pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._room.release())
        return future


class Rpc(NamedTuple):
    """One method of a service.

    Attributes:
        request: Class of its request.
        handle: Computes the reply, or its bytes, in a thread; what it raises of
            `suggestion.problem.errors` becomes a status.
        lane: Where it is handled; None for the threads of the server.
        parse: Makes a request of the bytes that came; None for `request`'s own ``FromString``.
    """

    request: type[Message]
    handle: Callable[[Any, Call], Message | bytes]
    lane: Lane | None = None
    parse: Callable[[bytes], Message] | None = None


class Service(Protocol):
    """What a server serves."""

    @property
    def full_name(self) -> str:
        """With its package: ``api.v1.beta1.Suggestion``."""
        ...

    @property
    def health_names(self) -> tuple[str, ...]:
        """Names under which the health service answers for it, besides the empty one."""
        ...

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        """Its methods by name."""
        ...
