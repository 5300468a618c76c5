"""Connections on which the timeout of a request is for its whole answer.

urllib3 counts a timeout for each read: a server, or a proxy, that sends a byte now and then holds a
request, and the thread that waits for it, for ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError


class _Bounded(HTTPConnection):
    """Ends the connection if an answer is not there in time: its head, and its body if that is
    read at once.
    """

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        late = threading.Event()
        connected, timeout = self.sock, self.timeout

        def give_up() -> None:
            late.set()
            with suppress(OSError):  # it has ended by itself
                connected.shutdown(socket.SHUT_RDWR)

        if not isinstance(timeout, int | float):
            return super().getresponse()
        timer = threading.Timer(timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        except (OSError, HTTPException, HTTPError):
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():  # the end that was made may look like that of an answer
            raise TimeoutError  # which urllib3 calls a read that timed out
        return response


class _BoundedTLS(_Bounded, HTTPSConnection):
    """The same, encrypted."""


class _Pool(HTTPConnectionPool):
    """Reads each answer at once, to its end: the Kubernetes client would read its body later."""

    ConnectionCls = _Bounded

    def urlopen(self, *arguments: Any, **options: Any) -> BaseHTTPResponse:
        return super().urlopen(*arguments, **{**options, "preload_content": True})


class _PoolTLS(_Pool, HTTPSConnectionPool):
    """The same, encrypted."""

    ConnectionCls = _BoundedTLS


#: For ``PoolManager.pool_classes_by_scheme``.
POOLS: Final[Mapping[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _PoolTLS}
