"""What a service of any API is to the server that serves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from google.protobuf.message import Message

from suggestion.api import footprint
from suggestion.problem.deadline import Deadline


class Call:
    """One call, as its handler sees it.

    Attributes:
        deadline: When the caller stops waiting, and whether it has gone.
        raw: The request as it came, if that was protobuf's bytes: a search of them takes a tenth of
            the time of a look at each message in them. None for others.
        arrived: When it came, in seconds of `time.monotonic`; it may have waited for a thread.
        facts: What the log line says about the call.
        model_seconds: Time that an algorithm took, for metrics and traces; None without one.
    """

    def __init__(self, deadline: Deadline, raw: bytes | None = None) -> None:
        self.deadline = deadline
        self.raw = raw
        self.arrived: Final = time.monotonic()
        self.facts: dict[str, object] = {}
        self.model_seconds: float | None = None

    def describe(self, **facts: object) -> None:
        """Add facts to the log line."""
        self.facts.update(facts)


class Lane(NamedTuple):
    """The threads that a method's calls run in, made when they are first needed.

    Methods that wait for something else have a lane of their own: a database that is locked, or a
    server that is silent, then holds up only the calls that need it. Equal lanes are one.

    Attributes:
        subject: What its calls wait for, for messages.
        threads: Calls that run at a time; None for the number of workers that the server was
            started with.
        waiting: Most calls that wait for a thread, further ones get UNAVAILABLE; None for any
            number.
    """

    subject: str
    threads: int | None = None
    waiting: int | None = None

    def when_full(self) -> str:
        """Return what a call is told that may not wait."""
        return f"{self.subject}: at most {self.waiting} calls may wait, and as many do; try again"


#: For what computes.
COMPUTING: Final = Lane("workers")


class Rpc(NamedTuple):
    """One method of a service.

    Attributes:
        request: Class of its request.
        handle: Computes the reply, or its bytes, in a thread; what it raises of
            `suggestion.problem.errors` becomes a status.
        lane: The threads that its calls run in.
        validates: Whether it answers whether something is valid. A client that asks so takes any
            error but INVALID_ARGUMENT, UNKNOWN and UNAVAILABLE for a yes, so it is told no other.
        parse: Makes a request of JSON; None for `request`'s own ``FromString`` of protobuf's bytes.
        portable: Whether any process can answer: it keeps nothing between calls, and it can be
            pickled.
        json_settings: Names of settings in its request whose values are JSON.
        suggests: Whether its request is for suggestions, whose reply can be large.
    """

    request: type[Message]
    handle: Callable[[Any, Call], Message | bytes]
    lane: Lane = COMPUTING
    validates: bool = False
    parse: Callable[[bytes], Message] | None = None
    portable: bool = False
    json_settings: tuple[bytes, ...] = ()
    suggests: bool = False

    def footprint(self, raw: bytes) -> int:
        """Estimate the memory that a call takes, in bytes, from its request as it came.

        The reply counts until it is made.
        """
        plain = self.parse is None
        estimate = footprint.of_protobuf if plain else footprint.of_json
        memory = estimate(raw, self.json_settings)
        if self.suggests:
            reply = footprint.of_suggestions if plain else footprint.of_suggestions_json
            memory += reply(raw)
        return memory


class Service(Protocol):
    """What a server serves."""

    @property
    def full_name(self) -> str:
        """Its name with its package: ``api.v1.beta1.Suggestion``."""
        ...

    @property
    def health_names(self) -> tuple[str, ...]:
        """Names under which the health service answers for it, besides the empty one."""
        ...

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        """Its methods by name."""
        ...
