"""Health checks: whether this server answers, for the names of its services and the empty one.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2

from suggestion.api.exchange import CallRefused, Outcome
from suggestion.problem.errors import quote
from suggestion.server.calls import Calls
from suggestion.server.control import Control

SERVICE_NAME: Final = "grpc.health.v1.Health"
_STATUS: Final = health_pb2.HealthCheckResponse
#: How often the status is looked at for those who watch it, in seconds.
_LOOK_SECONDS: Final = 1.0


class Health:
    """Answers SERVING unless the server shuts down or is stuck.

    Args:
        names: Of the services that it answers for, besides the empty name.
        calls: What tells whether the server is stuck.
        control: Reads the requests.
    """

    def __init__(self, names: Iterable[str], calls: Calls, control: Control) -> None:
        self._names: Final = {"", *names}
        self._calls = calls
        self._control = control
        self._draining = asyncio.Event()

    @property
    def handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        """What answers the methods of the health service."""
        methods = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(SERVICE_NAME, methods)

    def drain(self) -> None:
        """Answer NOT_SERVING from now on."""
        self._draining.set()

    def _status(self, name: str) -> int:
        if name not in self._names:
            return int(_STATUS.SERVICE_UNKNOWN)
        fine = not self._draining.is_set() and not self._calls.stuck
        return int(_STATUS.SERVING if fine else _STATUS.NOT_SERVING)

    async def _check(self, _: AsyncIterator[bytes], context: Any) -> bytes:
        async with self._control.call(context):
            request = await self._control.only(context, health_pb2.HealthCheckRequest)
            status = self._status(request.service)
            if status == _STATUS.SERVICE_UNKNOWN:
                known = ", ".join(sorted(self._names - {""}))
                message = f"service: must be empty or one of {known}, got {quote(request.service)}"
                raise CallRefused(Outcome(grpc.StatusCode.NOT_FOUND, message=message))
            return _encoded(status)

    async def _watch(self, _: AsyncIterator[bytes], context: Any) -> None:
        async with self._control.call(context):
            request = await self._control.only(context, health_pb2.HealthCheckRequest)
            last = None
            while True:
                status = self._status(request.service)
                if status != last:
                    last = status
                    await context.write(_encoded(status))
                if self._draining.is_set():
                    await asyncio.Event().wait()  # until the connection ends
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._draining.wait()
                except TimeoutError:
                    continue


def _encoded(status: int) -> bytes:
    return bytes(_STATUS(status=status).SerializeToString())
