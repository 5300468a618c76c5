"""From what a handler raises to the status that the caller sees."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import grpc

from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import (
    Cancelled,
    Denied,
    Exhausted,
    Invalid,
    Missing,
    TimedOut,
    TooLarge,
    Unreachable,
    Unready,
    Violation,
)
from suggestion.problem.locations import dotted
from suggestion.server.limits import DETAILS_BYTES, MESSAGE_BYTES, encoded_size, shortened

Metadata: TypeAlias = tuple[tuple[str, bytes], ...]

_CODES: Final[Mapping[type[Exception], grpc.StatusCode]] = {
    Exhausted: grpc.StatusCode.OUT_OF_RANGE,
    Unready: grpc.StatusCode.FAILED_PRECONDITION,
    Missing: grpc.StatusCode.NOT_FOUND,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
    TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class Outcome(NamedTuple):
    """What became of a call.

    Attributes:
        code: Its status.
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


def of_exception(error: Exception, method: str, deadline: Deadline) -> Outcome:
    """Return the status for what the handler of `method` has raised.

    Args:
        error: What it has raised; called while it is handled.
        method: Its name.
        deadline: Of the call.
    """
    match error:
        case Invalid():
            return of_violations(error.violations)
        case Cancelled() if deadline.remaining() <= 0:
            return Outcome(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                message=f"{method} did not finish before the call's deadline",
            )
        case Cancelled():
            return Outcome(grpc.StatusCode.CANCELLED, message="the caller has gone")
        case grpc.RpcError():  # of a call that the handler made itself
            return Outcome(error.code(), message=shortened(str(error.details())))
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return Outcome(code, message=shortened(str(error)))
    return Outcome(
        grpc.StatusCode.INTERNAL,
        message=shortened(f"a bug in this server: {type(error).__name__}: {error}"),
        trace=traceback.format_exc(),
    )


def of_violations(violations: Sequence[Violation]) -> Outcome:
    """Return INVALID_ARGUMENT with the violations as text, and as ``google.rpc.BadRequest``."""
    # Only here, since most servers never need them.
    from google.rpc import code_pb2, error_details_pb2, status_pb2  # noqa: PLC0415
    from grpc_status import rpc_status  # noqa: PLC0415

    texts: list[str] = []
    size = 0
    for violation in violations:
        text = shortened(violation.description, 600)
        size += encoded_size(text) + 2
        if texts and size > MESSAGE_BYTES - 100:
            texts.append(f"and {len(violations) - len(texts)} more")
            break
        texts.append(text)
    message = shortened("; ".join(texts))

    details = error_details_pb2.BadRequest()
    for violation in violations:
        details.field_violations.add(
            field=shortened(dotted(violation.location), 300),
            description=shortened(violation.description, 600),
        )
        if details.ByteSize() > DETAILS_BYTES:
            del details.field_violations[-1]
            break
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=shortened(message, 600))
    status.details.add().Pack(details)
    metadata = tuple(
        (key, value)
        for key, value in rpc_status.to_status(status).trailing_metadata
        if isinstance(value, bytes)
    )
    return Outcome(
        grpc.StatusCode.INVALID_ARGUMENT,
        message=message,
        metadata=metadata,
        violations=tuple(violations),
    )
