"""Listening on an address, and in words why that is not possible."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from contextlib import closing
from typing import Any, Final

_ADDRESS: Final = re.compile(r"(?:\[(?P<inner>[^\[\]]+)\]|(?P<host>[^\[\]]+)):(?P<port>[0-9]{1,5})")
_REASONS: Final = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not listen on that port",
}
_OF_SOCKETS: Final = {
    errno.EADDRINUSE: "there is a file that is no socket",
    errno.ENOENT: "there is no such folder",
    errno.ENOTDIR: "there is no such folder",
    errno.EACCES: "this user may not make a socket there",
}
# A Unix socket's path, in bytes; Linux has one more, for the end of the text.
_LONGEST_PATH: Final = 107


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

    gRPC itself says only that it cannot, and takes other forms for addresses of its own choice. It
    would take a Unix socket away from a program that listens there.

    Raises:
        OSError: If it cannot be bound, with the reason.
    """
    if not address.startswith("unix:"):
        bind(address, backlog=1).close()
        return
    path = address.removeprefix("unix:")
    reason: str | None
    try:
        reason = _socket_trouble(path)
    except OSError as error:
        reason = _OF_SOCKETS.get(error.errno or 0, error.strerror)
    if reason:
        raise OSError(f"cannot listen on {address[:200]}: {reason}")


def _socket_trouble(path: str) -> str:
    """Return why no Unix socket can be made at `path`; empty if one can.

    Raises:
        OSError: If the system refuses it.
    """
    if not path or "\0" in path:
        return "must be unix:PATH"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        return f"the path must have at most {_LONGEST_PATH} bytes"
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            there = stat.S_ISSOCK(os.stat(path).st_mode)
        except OSError:
            there = False
        if not there:
            probe.bind(path)
            os.unlink(path)
            return ""
        probe.setblocking(False)  # a program that does not accept is one, too
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return ""  # of a program that has ended
        except BlockingIOError:
            pass
        return _REASONS[errno.EADDRINUSE]


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
