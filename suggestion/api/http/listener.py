"""Listens for HTTP on one address, in the event loop of the server beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final, Protocol

import uvicorn

from suggestion.api.http.app import application
from suggestion.api.http.host import Host
from suggestion.api.listening import bind
from suggestion.api.service import Service

# For sending what is left of the last replies.
_LAST_SECONDS: Final = 1.0
# Connections that wait to be accepted, as by default in uvicorn.
_BACKLOG: Final = 2048


class TLS(Protocol):
    """PEM contents; with `client_ca`, clients must show a certificate that it signed."""

    @property
    def certificate(self) -> bytes:
        """The certificate chain."""
        ...

    @property
    def key(self) -> bytes:
        """Its private key."""
        ...

    @property
    def client_ca(self) -> bytes | None:
        """Who signs the certificates of clients; None if they need none."""
        ...


class HttpServer:
    """Serves `services` as JSON over HTTP, beside the servers of other protocols.

    Args:
        address: ``HOST:PORT``; port 0 picks a free one.
        services: What it serves.
        host: Computes the calls.
        tls: Plaintext if None.
        grace: Seconds that calls in flight are given when it drains.

    Raises:
        OSError: If the certificate or the key cannot be read.
    """

    def __init__(
        self,
        address: str,
        services: Sequence[Service],
        host: Host,
        tls: TLS | None,
        grace: float,
    ) -> None:
        context = None if tls is None else _context(tls)
        self._address = address
        self._host = host
        self._grace = grace
        config = uvicorn.Config(
            application(services, host),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_context_factory=None if context is None else lambda *_: context,
        )
        config.load()
        self._scheme = "http" if tls is None else "https"
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._sockets: list[socket.socket] = []
        self._ticking: asyncio.Task[Any] | None = None

    async def start(self) -> str:
        """Listen, and return the URL, with the port that was picked.

        `uvicorn.Server.serve` would do this and the following, and take over SIGTERM and SIGINT,
        which end the whole process here.

        Raises:
            OSError: If it cannot be bound.
        """
        listening = bind(self._address, backlog=_BACKLOG)
        self._sockets.append(listening)
        await self._server.startup(sockets=self._sockets)
        self._ticking = asyncio.create_task(self._server.main_loop())
        host = self._address.rpartition(":")[0]
        return f"{self._scheme}://{host}:{listening.getsockname()[1]}"

    async def drain(self) -> None:
        """Refuse new calls; return once the replies of those in flight are sent to their end."""
        await self._host.drain(self._grace)
        await self._shut(_LAST_SECONDS)

    async def close(self) -> None:
        """End at once."""
        await self._shut(0)

    async def _shut(self, seconds: float) -> None:
        if self._ticking is not None:
            self._server.should_exit = True
            await self._ticking
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.shutdown(sockets=self._sockets), seconds)


def _context(tls: TLS) -> ssl.SSLContext:
    """The context of `tls`.

    Raises:
        OSError: If the certificate or the key cannot be read.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # `ssl` reads keys from files alone; this one is in memory, never on a disk.
        with open(os.memfd_create("certificate"), "wb") as file:
            file.write(tls.key.rstrip() + b"\n" + tls.certificate)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        if tls.client_ca is not None:
            context.load_verify_locations(cadata=tls.client_ca.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        raise OSError(f"the TLS certificate or key cannot be read: {error}") from error
    return context
