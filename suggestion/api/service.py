"""What a service of any API is to the server that serves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import Message

from suggestion.problem.deadline import Deadline


class Call:
    """One call, as its handler sees it.

    Attributes:
        deadline: When the caller stops waiting, and whether it has gone.
        facts: What the log line says about the call.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.facts: dict[str, object] = {}

    def describe(self, **facts: object) -> None:
        """Add facts to the log line."""
        self.facts.update(facts)


class Rpc(NamedTuple):
    """One method of a service.

    Attributes:
        request: Class of its request.
        handle: Computes the reply, or its bytes, in a thread; what it raises of
            `suggestion.problem.errors` becomes a status.
    """

    request: type[Message]
    handle: Callable[[Any, Call], Message | bytes]


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
