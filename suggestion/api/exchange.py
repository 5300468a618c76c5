"""What goes between the protocols and the server that computes their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import grpc

from suggestion.problem.errors import Violation

Metadata: TypeAlias = tuple[tuple[str, bytes], ...]


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
