"""The gRPC server on one address: its health, reflection, and the end of it.

One event loop accepts calls and answers health checks; the work is done in threads, so that a busy
server still answers health checks. Requests arrive as bytes and are parsed in these threads: what
is malformed becomes INVALID_ARGUMENT, and a parser never holds up the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from suggestion.api.listening import require_free
from suggestion.api.service import Service
from suggestion.server import health
from suggestion.server.calls import Calls
from suggestion.server.control import Control
from suggestion.server.health import Health
from suggestion.server.limits import channel_options
from suggestion.server.methods import handlers
from suggestion.server.options import ServeOptions
from suggestion.server.reflection import Reflection
from suggestion.server.tls import credentials


class GrpcServer:
    """A gRPC server on one address, a `suggestion.server.lifecycle.Listener`.

    Args:
        address: ``HOST:PORT`` or ``unix:PATH``; port 0 picks a free one.
        services: What it serves; at least one.
        calls: What computes its calls; servers of one process share it.
        options: How it runs.
    """

    def __init__(
        self, address: str, services: Sequence[Service], calls: Calls, options: ServeOptions
    ) -> None:
        self._address = address
        self._options = options
        self._services = tuple(services)
        self._calls = calls
        control = Control(calls.capacity.received)
        names = [name for service in self._services for name in service.health_names]
        self._health = Health(names, calls, control)
        listed = (*(service.full_name for service in self._services), health.SERVICE_NAME)
        self._reflection = Reflection(listed, control)
        self._server: grpc.aio.Server | None = None

    def _made(self) -> grpc.aio.Server:
        """Return the server, not listening yet; gRPC wants an event loop that runs."""
        server = grpc.aio.server(options=channel_options(self._calls.capacity))
        answering = [handlers(service, self._calls) for service in self._services]
        server.add_generic_rpc_handlers((*answering, self._health.handlers, self._reflection))
        return server

    async def start(self) -> str:
        """Listen, and return the address, with the port that was picked.

        Raises:
            OSError: If it cannot be bound.
        """
        address = self._address
        await self._calls.start()
        self._server = self._made()
        tls = self._options.tls
        require_free(address)
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
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def drain(self) -> None:
        """Report NOT_SERVING at once; wait for calls in flight, at most the grace period.

        Calls that come later, or take longer, are told UNAVAILABLE.
        """
        self._health.drain()
        await self._calls.drain(self._options.grace)

    async def close(self) -> None:
        """End at once."""
        if self._server is not None:
            await self._server.stop(None)
        self._calls.shutdown()
