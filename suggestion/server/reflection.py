"""Server reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import grpc

from suggestion.api.exchange import CallRefused, Outcome
from suggestion.server.control import Control, parsed
from suggestion.server.methods import EOF

_SERVICE_NAME: Final = "grpc.reflection.v1alpha.ServerReflection"
#: A caller that asks nothing for so long is disconnected.
_IDLE_SECONDS: Final = 30.0
#: Callers at a time: each may send a request of the largest size.
_MOST: Final = 2


class Reflection(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Server reflection, imported when somebody asks: it costs 3 MiB and a tenth of the start.

    Args:
        names: Of the services that it lists, besides itself.
        control: Reads the requests.
    """

    def __init__(self, names: Sequence[str], control: Control) -> None:
        self._names = names
        self._control = control
        self._entered = 0
        self._handlers: Mapping[str, Any] = {
            f"/{_SERVICE_NAME}/ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                self._answer
            )
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)

    async def _answer(self, _: AsyncIterator[bytes], context: Any) -> None:
        self._entered += 1
        try:
            async with self._control.call(context):
                if self._entered > _MOST:
                    text = f"reflection answers {_MOST} callers at a time; repeat the call later"
                    raise CallRefused(Outcome(grpc.StatusCode.RESOURCE_EXHAUSTED, message=text))
                await self._converse(context)
        finally:
            self._entered -= 1

    async def _converse(self, context: Any) -> None:
        from grpc_reflection.v1alpha import reflection, reflection_pb2  # noqa: PLC0415

        servicer = reflection.aio.ReflectionServicer(  # type: ignore[attr-defined]
            (*self._names, reflection.SERVICE_NAME)
        )

        async def messages() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    raw = await context.read()
                if raw is EOF:
                    return
                yield parsed(raw, reflection_pb2.ServerReflectionRequest)

        try:
            async for reply in servicer.ServerReflectionInfo(messages(), context):
                await context.write(reply.SerializeToString())
        except TimeoutError as error:
            text = f"no request came for {_IDLE_SECONDS:g} s"
            raise CallRefused(Outcome(grpc.StatusCode.DEADLINE_EXCEEDED, message=text)) from error
