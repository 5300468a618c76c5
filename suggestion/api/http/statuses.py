"""Statuses as HTTP responses, in the form of Google's APIs: ``{"error": {...}}``.

https://google.aip.dev/193, https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grpc import StatusCode
from starlette.responses import JSONResponse, Response

from suggestion.problem.errors import Violation
from suggestion.problem.locations import dotted

#: HTTP statuses, of ``google/rpc/code.proto``.
HTTP: Final[Mapping[StatusCode, int]] = {
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
}
BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_LONGEST_FIELD: Final = 300  # characters


class Refusal(Exception):
    """A request that is answered with an error before it is computed.

    Args:
        code: As other APIs say it.
        message: What is wrong.
        status: Of HTTP, where it is more precise than that of `code`.
    """

    def __init__(self, code: StatusCode, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def error(
    code: StatusCode,
    message: str,
    violations: Sequence[Violation] = (),
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response that says `code`.

    Args:
        message: What is wrong, for people.
        violations: Broken rules, as details of the type ``google.rpc.BadRequest``.
        status: Of HTTP; by default that of `code`.
        headers: Further ones.
    """
    number = status or HTTP[code]
    body: dict[str, Any] = {"code": number, "status": code.name, "message": message}
    if violations:
        fields = [
            {"field": dotted(v.location)[:_LONGEST_FIELD], "description": v.description}
            for v in violations
        ]
        body["details"] = [{"@type": BAD_REQUEST, "fieldViolations": fields}]
    return JSONResponse({"error": body}, number, headers)
