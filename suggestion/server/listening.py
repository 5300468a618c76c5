"""Why an address cannot be listened on, in words: gRPC itself says only that it cannot."""

from __future__ import annotations

import errno
import socket
from typing import Final

_REASONS: Final = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not listen on that port",
}


def require_free(address: str) -> None:
    """Bind `address`, ``HOST:PORT``, for a moment; other forms are left to gRPC.

    Raises:
        OSError: If it cannot be bound, with the reason.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or not host or host.startswith("unix"):
        return
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(f"cannot listen on {address}: there is no address of this host") from error
    family, kind, protocol, _, where = found[0]
    try:
        with socket.socket(family, kind, protocol) as tried:
            # Connections of a server that has just ended do not count.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where)
            tried.listen(1)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror)
        raise OSError(f"cannot listen on {address}: {reason}") from error
