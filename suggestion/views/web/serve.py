"""The web server of ``suggest ui``."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvicorn

from suggestion.api.listening import bind
from suggestion.views.web.app import application
from suggestion.views.web.watch import Watches

_LAST_SECONDS: Final = 1
_BACKLOG: Final = 128


def serve(folders: Sequence[Path], address: str, announce: Callable[[str], None]) -> None:
    """Serve the page at `address` until the process is interrupted.

    Args:
        folders: Whose experiments are shown.
        address: ``HOST:PORT``; port 0 picks a free one.
        announce: Told the URL to open.

    Raises:
        OSError: If the address cannot be listened on.
    """
    listening = bind(address, backlog=_BACKLOG)
    host, port = listening.getsockname()[:2]
    token = secrets.token_urlsafe(24)
    named = address.rpartition(":")[0].lower()
    hosts = None
    if _is_loopback(host):
        hosts = {f"{name}:{port}" for name in (named, "localhost", "127.0.0.1", "[::1]")}
        if port == 80:
            hosts |= {name.rpartition(":")[0] for name in hosts}
    watches = Watches()
    config = uvicorn.Config(
        application(folders, hosts, token, f"suggest-{port}", watches),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else named
    announce(f"http://{shown}:{port}/?token={token}")
    with listening:
        _Server(config, watches).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends the streams that browsers hold open first: it would wait for them."""

    def __init__(self, config: uvicorn.Config, watches: Watches) -> None:
        super().__init__(config)
        self._watches = watches

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watches.end()
        # What is still computed then is cut off, which uvicorn would report with a traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
