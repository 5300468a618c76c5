"""The gRPC server on one address: its health, reflection, and the end of it.

One event loop accepts calls and answers health checks; the work is done in a pool of threads, so
that a busy server still answers health checks. Requests arrive as bytes and are parsed in the pool:
what is malformed becomes INVALID_ARGUMENT, and a parser never holds up the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from suggestion.api.service import Service
from suggestion.server.calls import Calls, method_handler
from suggestion.server.limits import channel_options
from suggestion.server.options import ServeOptions
from suggestion.server.reflection import Reflection
from suggestion.server.tls import credentials

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING


class GrpcServer:
    """A gRPC server on one address, a `suggestion.server.lifecycle.Listener`.

    Args:
        address: ``HOST:PORT`` or ``unix:PATH``; port 0 picks a free one.
        services: What it serves; at least one.
        options: How it runs.
    """

    def __init__(self, address: str, services: Sequence[Service], options: ServeOptions) -> None:
        self._address = address
        self._options = options
        self._services = tuple(services)
        pool = ThreadPoolExecutor(max_workers=options.workers, thread_name_prefix="suggest-worker")
        self._calls = Calls(pool, options.max_message_bytes)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._server: grpc.aio.Server | None = None

    @property
    def calls(self) -> Calls:
        """What computes its calls; a server of another protocol may share it."""
        return self._calls

    def _made(self) -> grpc.aio.Server:
        """Return the server, not listening yet; gRPC wants an event loop that runs."""
        server = grpc.aio.server(options=channel_options(self._options.max_message_bytes))
        for service in self._services:
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(method_handler(name, rpc, self._calls))
                for name, rpc in service.rpcs.items()
            }
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service.full_name, handlers),)
            )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*(service.full_name for service in self._services), health.SERVICE_NAME)
        server.add_generic_rpc_handlers((Reflection(names),))
        return server

    async def start(self) -> str:
        """Listen, and return the address, with the port that was picked.

        Raises:
            OSError: If it cannot be bound.
        """
        address = self._address
        self._server = self._made()
        tls = self._options.tls
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials(tls))
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        if not port and not address.startswith("unix:"):
            raise OSError(f"cannot listen on {address}")
        await self._server.start()
        for service in self._services:
            for name in service.health_names:
                await self._health.set(name, _SERVING)
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def drain(self) -> None:
        """Report NOT_SERVING at once; wait for calls in flight, at most the grace period.

        Calls that come later, or take longer, are told UNAVAILABLE.
        """
        await self._health.enter_graceful_shutdown()
        await self._calls.drain(self._options.grace)

    async def close(self) -> None:
        """End at once."""
        if self._server is not None:
            await self._server.stop(None)
        self._calls.pool.shutdown(wait=False, cancel_futures=True)
