"""From what a handler raises to the status that the caller sees."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Final

import grpc

from suggestion.api.exchange import Outcome
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

#: For methods that validate: what a client would take for a yes, and what it is told instead.
#: INVALID_ARGUMENT and UNKNOWN are a no, UNAVAILABLE is tried again a few times and then a no.
_NOT_VALID: Final[Mapping[grpc.StatusCode, grpc.StatusCode]] = {
    grpc.StatusCode.INTERNAL: grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED: grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.FAILED_PRECONDITION: grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.OUT_OF_RANGE: grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND: grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED: grpc.StatusCode.INVALID_ARGUMENT,
}

_CODES: Final[Mapping[type[Exception], grpc.StatusCode]] = {
    Exhausted: grpc.StatusCode.OUT_OF_RANGE,
    Unready: grpc.StatusCode.FAILED_PRECONDITION,
    Missing: grpc.StatusCode.NOT_FOUND,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
    TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def for_validation(outcome: Outcome) -> Outcome:
    """Return `outcome` with a code that no client takes for a yes, unless it is one."""
    return outcome._replace(code=_NOT_VALID.get(outcome.code, outcome.code))


def of_exception(error: BaseException, method: str, deadline: Deadline) -> Outcome:
    """Return the status for what the handler of `method` has raised.

    Args:
        error: What it has raised; called while it is handled.
        method: Its name.
        deadline: Of the call.
    """
    try:
        return _known(error, method, deadline) or _bug(f"{type(error).__name__}: {error}")
    except Exception:  # an error of somebody's algorithm that cannot even say what it is
        return _bug(type(error).__name__)


def _bug(what: str) -> Outcome:
    return Outcome(
        grpc.StatusCode.INTERNAL,
        message=shortened(f"a bug in this server: {what}"),
        trace=traceback.format_exc(),
    )


def _known(error: BaseException, method: str, deadline: Deadline) -> Outcome | None:
    """Return the status for what a handler may raise; None for a bug."""
    match error:
        case Invalid() if error.violations:
            return of_violations(error.violations)
        case Cancelled() if deadline.remaining() <= 0:
            return Outcome(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                message=f"{method} did not finish before the call's deadline",
            )
        case Cancelled() if deadline.passed():
            return Outcome(grpc.StatusCode.CANCELLED, message="the caller has gone")
        case grpc.RpcError() if isinstance(error, grpc.Call):  # the handler called somebody
            text = f"{error.code().name}: {error.details()}"
            return Outcome(grpc.StatusCode.UNAVAILABLE, message=shortened(text))
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return Outcome(code, message=shortened(str(error)))
    return None


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
