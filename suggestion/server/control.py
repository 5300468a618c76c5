"""Calls beside those of services, health checks and reflection: small requests, answered at once.

They share neither threads nor memory with the calls of services, so that they are answered while
those wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from suggestion.api.exchange import CallRefused, Outcome
from suggestion.server.compression import Malformed, TooLong, decompress, is_compressed
from suggestion.server.intake import Intake, TooSlow
from suggestion.server.methods import first

M = TypeVar("M", bound=Message)

#: Calls at a time, those that watch included.
_MOST: Final = 200
#: Bytes of a request.
_LARGEST: Final = 64 * 1024
#: How long a request may take to come while others wait, in seconds.
_SECONDS_TO_SEND: Final = 0.25


class Control:
    """Reads the requests of health checks and reflection, within limits of their own.

    Args:
        received: Bytes of the largest request that gRPC hands over.
    """

    def __init__(self, received: int) -> None:
        self._intake = Intake(received, received, _SECONDS_TO_SEND)
        self._entered = 0

    @asynccontextmanager
    async def call(self, context: Any) -> AsyncIterator[None]:
        """Count a call for the length of the block; what it refuses, ends the call."""
        self._entered += 1
        try:
            if self._entered > _MOST:
                self._intake.hurry()
                raise _refused(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"this server has {_MOST} health checks or the like in flight, which is the "
                    f"most that it accepts; repeat the call later",
                )
            yield
        except CallRefused as refusal:
            await context.abort(refusal.outcome.code, refusal.outcome.message)
        finally:
            self._entered -= 1

    async def only(self, context: Any, kind: type[M]) -> M:
        """Return the request of a call.

        Raises:
            CallRefused: If it does not come, or is no message of `kind`.
        """
        try:
            async with self._intake.request(lambda: first(context)) as request:
                raw = request.raw
        except TooSlow as error:
            raise _refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the request did not come within {_SECONDS_TO_SEND:g} s while others waited",
            ) from error
        return parsed(raw, kind)


def parsed(raw: bytes, kind: type[M]) -> M:
    """Return the message that `raw`, which may be compressed, encodes.

    Raises:
        CallRefused: If it is none, or too long.
    """
    try:
        plain = decompress(raw, _LARGEST) if is_compressed(raw) else raw
        if len(plain) > _LARGEST:
            raise TooLong
        return kind.FromString(plain)
    except TooLong as error:
        text = f"the request has more than the {_LARGEST} bytes that are accepted here"
        raise _refused(grpc.StatusCode.INVALID_ARGUMENT, text) from error
    except Malformed as error:
        raise _refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
    except DecodeError as error:
        text = f"the request is not a valid {kind.DESCRIPTOR.full_name}: malformed bytes"
        raise _refused(grpc.StatusCode.INVALID_ARGUMENT, text) from error


def _refused(code: grpc.StatusCode, message: str) -> CallRefused:
    return CallRefused(Outcome(code, message=message))
