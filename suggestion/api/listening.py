"""Listening on an address, and in words why that is not possible."""

from __future__ import annotations

import errno
import re
import socket
from typing import Any, Final

_ADDRESS: Final = re.compile(r"(?:\[(?P<inner>[^\[\]]+)\]|(?P<host>[^\[\]]+)):(?P<port>[0-9]{1,5})")
_REASONS: Final = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not listen on that port",
}


def bind(address: str, *, backlog: int) -> socket.socket:
    """Return a socket that listens on `address`, ``HOST:PORT``; on IPv4 too if it is ``[::]``.

    Args:
        address: Where to listen; port 0 picks a free one.
        backlog: Connections that may wait to be accepted.

    Raises:
        OSError: If there is none, with the reason.
    """
    family, where = _resolved(address)
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of a server that has just ended do not count.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        reason = _REASONS.get(error.errno or 0, error.strerror)
        raise OSError(f"cannot listen on {address}: {reason}") from error
    return listening


def require_free(address: str) -> None:
    """Listen on `address`, ``HOST:PORT`` or ``unix:PATH``, for a moment.

    gRPC itself says only that it cannot, and takes other forms for addresses of its own choice.
    Whether a Unix socket can be made is left to it.

    Raises:
        OSError: If it cannot be bound, with the reason.
    """
    if not address.startswith("unix:"):
        bind(address, backlog=1).close()


def _resolved(address: str) -> tuple[socket.AddressFamily, Any]:
    matched = _ADDRESS.fullmatch(address)
    if matched is None or int(matched["port"]) > 65535:
        raise OSError(
            f"address: must be HOST:PORT with a port from 0 to 65535, got {address[:200]!r}"
        )
    host, port = matched["inner"] or matched["host"], int(matched["port"])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, ValueError) as error:  # no host's name is so long, or so spelt
        raise OSError(
            f"cannot listen on {address[:200]!a}: there is no address of this host"
        ) from error
    family, _, _, _, where = found[0]
    return family, where
