"""The methods of services over gRPC.

A method of one request is served as one of a stream of requests: on the wire they are the same, and
a request of a stream is read when it is asked for, that is, when there is memory for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc

from suggestion.api.exchange import CallRefused, Outcome, keep_trace_context
from suggestion.api.service import Rpc, Service
from suggestion.server.calls import Calls

#: What gRPC reads after the last request; its type stubs do not know it.
EOF: Final = grpc.aio.EOF  # type: ignore[attr-defined]


def handlers(service: Service, calls: Calls) -> grpc.GenericRpcHandler[Any, Any]:
    """Return what answers the methods of `service`."""
    methods = {
        name: grpc.stream_unary_rpc_method_handler(_method(name, rpc, calls))
        for name, rpc in service.rpcs.items()
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _method(
    name: str, rpc: Rpc, calls: Calls
) -> Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]:
    """Return the coroutine function that answers calls of `rpc`, the method `name`."""

    async def answered(context: Any) -> Outcome:
        at = calls.until(context.time_remaining())

        def when_sent(callback: Callable[[], None]) -> None:
            context.add_done_callback(lambda _: callback())

        try:
            async with (
                asyncio.timeout_at(at),
                calls.received(name, rpc, lambda: first(context)) as request,
            ):
                return await calls.perform(name, rpc, request, at, when_sent, compression=True)
        except CallRefused as refusal:
            return refusal.outcome
        except TimeoutError:
            return calls.too_late(name, rpc)

    async def serve(_: AsyncIterator[bytes], context: Any) -> bytes:
        # gRPC keeps what is raised here, and what is reachable from it, until the garbage
        # collector comes; so the request is not.
        keep_trace_context(context.invocation_metadata() or ())
        outcome = await answered(context)
        if outcome.code is not grpc.StatusCode.OK:
            await context.abort(outcome.code, outcome.message, outcome.metadata)
        return outcome.reply

    return serve


async def first(context: Any) -> bytes:
    """Return the first request of a call.

    The iterator that gRPC hands over would keep it until the garbage collector comes.

    Raises:
        CallRefused: If there is none.
    """
    request: bytes = await context.read()
    if request is EOF:
        message = "the call ended before its request had come whole"
        raise CallRefused(Outcome(grpc.StatusCode.INVALID_ARGUMENT, message=message))
    return request
