"""What goes between the protocols and the server that computes their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import grpc

from suggestion.problem.errors import Violation

Metadata: TypeAlias = tuple[tuple[str, bytes], ...]


#: What a caller says about its trace, for the call that runs; headers of W3C's Trace Context.
TRACE_CONTEXT: Final[ContextVar[Mapping[str, str]]] = ContextVar(
    "TRACE_CONTEXT", default=MappingProxyType({})
)
#: The protocol of the call that runs, as traces name it: ``grpc`` or ``http``.
RPC_SYSTEM: Final[ContextVar[str]] = ContextVar("RPC_SYSTEM", default="grpc")


def keep_trace_context(headers: Iterable[tuple[str, str | bytes]], system: str = "grpc") -> None:
    """Keep what the headers of a call say about its caller's trace, for the call that runs.

    Args:
        system: The protocol by which it came.
    """
    RPC_SYSTEM.set(system)
    # Also nothing: a server may begin a call in the context of the one before on its connection.
    TRACE_CONTEXT.set(
        {
            key: value
            for key, value in headers
            if key in ("traceparent", "tracestate") and isinstance(value, str)
        }
    )


class Request(NamedTuple):
    """A request as it came.

    Attributes:
        raw: Its bytes.
        release: Called once they are accounted for elsewhere.
    """

    raw: bytes
    release: Callable[[], None]


class Outcome(NamedTuple):
    """What became of a call.

    Attributes:
        code: Its status, the same in every protocol.
        reply: The bytes of the reply, if the status is OK.
        message: What the caller is told, if it is not.
        metadata: Further details of the error.
        trace: A traceback for the log, if the server has a bug.
        violations: All of the broken rules, if the status is INVALID_ARGUMENT.
    """

    code: grpc.StatusCode
    reply: bytes = b""
    message: str = ""
    metadata: Metadata = ()
    trace: str = ""
    violations: tuple[Violation, ...] = ()


class CallRefused(Exception):
    """A call that is refused before it is computed.

    Args:
        outcome: What the caller is told.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome: Final = outcome
