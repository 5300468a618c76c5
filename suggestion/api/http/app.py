"""The ASGI application: a POST path for each method, health, and the OpenAPI description."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from importlib import metadata
from typing import Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode
from h11 import LocalProtocolError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from suggestion.api import exchange
from suggestion.api.exchange import CallRefused, Outcome
from suggestion.api.http import openapi
from suggestion.api.http.host import Host
from suggestion.api.http.requests import check_content_type, read_body, timeout_of
from suggestion.api.http.statuses import Refusal, error
from suggestion.api.http.transcoding import as_json
from suggestion.api.service import Rpc, Service
from suggestion.engine.algorithm import Unavailable
from suggestion.problem.errors import quote

_WhenSent = Callable[[Callable[[], None]], object]
# A caller whose reply is an error while its body may still come: the connection ends with it.
_CLOSE: Final = {"Connection": "close"}
_CLOSING: Final = (
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
)


def application(services: Sequence[Service], host: Host) -> ASGIApp:
    """Return the application that serves `services`, whose calls `host` computes.

    Raises:
        Unavailable: If the descriptor of a method is in no ``.proto`` file that is loaded.
    """
    methods = {
        method: service.rpcs[method.name] for service in services for method in _methods(service)
    }
    routes = [
        Route(
            openapi.path_of(method),
            _Method(
                method.name,
                as_json(rpc, message_factory.GetMessageClass(method.output_type)),
                host,
            ),
            methods=["POST"],
        )
        for method, rpc in methods.items()
    ]
    document = openapi.describe(methods, metadata.version("suggestion-servers"))

    async def healthz(_: Request) -> Response:
        return _not_serving() if host.stuck else JSONResponse({"status": "SERVING"})

    async def readyz(_: Request) -> Response:
        if host.draining or host.stuck:
            return _not_serving()
        return JSONResponse({"status": "SERVING"})

    async def description(_: Request) -> Response:
        return JSONResponse(document)

    routes += [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/openapi.json", description),
    ]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        # A body that is no HTTP has been refused by uvicorn: nothing can be sent any more.
        with suppress(LocalProtocolError):
            await inner(scope, receive, send)

    return answering


def _not_serving() -> Response:
    return JSONResponse({"status": "NOT_SERVING"}, 503, _CLOSE)


def _methods(service: Service) -> Iterator[MethodDescriptor]:
    """Yield the descriptor of each method, which says what its messages are in JSON."""
    pool = descriptor_pool.Default()
    for name in service.rpcs:
        full_name = f"{service.full_name}.{name}"
        try:
            yield pool.FindMethodByName(full_name)
        except KeyError as error:
            raise Unavailable(
                f"method {quote(full_name)}: --http-address needs its protobuf descriptor, and no "
                f"module that is imported has it"
            ) from error


async def _http_error(request: Request, raised: Exception) -> Response:
    """What Starlette itself refuses: unknown paths and methods of HTTP."""
    assert isinstance(raised, HTTPException)
    path = request.url.path[:200]
    if raised.status_code == 405:
        allowed = (raised.headers or {}).get("Allow", "POST")
        text = f"{path} takes {allowed}, got {request.method[:20]}"
        return error(StatusCode.UNIMPLEMENTED, text, status=405, headers=raised.headers)
    text = f"nothing is served at {path}; GET /openapi.json describes what is"
    return error(StatusCode.NOT_FOUND, text)


class _Method:
    """One method, as an ASGI application of its own."""

    def __init__(self, name: str, rpc: Rpc, host: Host) -> None:
        self._name = name
        self._rpc = rpc
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as sent:  # after the last byte was handed over
            try:
                response = await self._respond(Request(scope, receive), sent.callback)
            except Refusal as refusal:
                response = error(
                    refusal.code, refusal.message, status=refusal.status, headers=_CLOSE
                )
            except ClientDisconnect:
                return
            await response(scope, receive, send)

    async def _respond(self, request: Request, when_sent: _WhenSent) -> Response:
        headers = request.headers
        exchange.keep_trace_context(headers.items(), "http")
        left = timeout_of(headers)
        check_content_type(headers)
        host = self._host
        at = host.until(None if left == float("inf") else left)

        async def body() -> bytes:
            return await read_body(headers, request.stream(), host.max_message_bytes, host.advice)

        try:
            async with asyncio.timeout_at(at), host.received(self._name, self._rpc, body) as read:
                outcome = await self._outcome(read, at, request, when_sent)
        except CallRefused as refusal:
            outcome = refusal.outcome
        except TimeoutError:
            outcome = host.too_late(self._name, self._rpc)
        if outcome.code is StatusCode.OK:
            return Response(outcome.reply, media_type="application/json")
        closing = _CLOSE if outcome.code in _CLOSING else None
        return error(outcome.code, outcome.message, outcome.violations, headers=closing)

    async def _outcome(
        self, read: exchange.Request, at: float, request: Request, when_sent: _WhenSent
    ) -> Outcome:
        """What became of the call.

        Raises:
            ClientDisconnect: If the caller has gone.
        """
        work = asyncio.ensure_future(self._host.perform(self._name, self._rpc, read, at, when_sent))
        gone = asyncio.ensure_future(_disconnected(request.receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
        await asyncio.wait((work,))
        if not work.cancelled():
            return work.result()
        raise ClientDisconnect


async def _disconnected(receive: Receive) -> None:
    """Return once the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
