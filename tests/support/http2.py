"""One gRPC call by hand, over HTTP/2: what no client library would send."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

import grpc

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_STATUS: Final = re.compile(rb"grpc-status.(\d{1,2})", re.DOTALL)
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

Header = tuple[bytes, bytes]


def framed(message: bytes, flag: int = 0) -> bytes:
    """`message` as gRPC sends it; the flag 1 says that it is compressed."""
    return struct.pack(">BI", flag, len(message)) + message


def call(
    address: str, path: str, body: bytes, headers: Iterable[Header] = (), timeout: float = 20
) -> grpc.StatusCode | None:
    """The status of a call; None if the server ended the stream or the connection without one.

    Args:
        address: ``HOST:PORT``.
        path: ``/package.Service/Method``.
        body: All that is sent after the headers, in one frame.
        headers: Further ones, as they are.
        timeout: Seconds to wait for each part of the answer.
    """
    with sent(address, path, body, headers, timeout) as connection:
        for kind, flags, payload in _frames(connection):
            if kind == _SETTINGS and not flags & _ACK:
                connection.sendall(_frame(_SETTINGS, _ACK, 0))
            if kind == _HEADERS and (found := _STATUS.search(payload)):
                return _CODES[int(found[1])]
            if kind in (_RESET, _GOAWAY):
                return None
    return None


def sent(
    address: str, path: str, body: bytes, headers: Iterable[Header] = (), timeout: float = 20
) -> socket.socket:
    """A connection with a call whose answer nobody has read; the parameters are those of `call`."""
    block = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode())]
    block += [(b":authority", b"x"), (b"te", b"trailers"), (b"content-type", b"application/grpc")]
    request = b"".join(_literal(*header) for header in (*block, *headers))
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout)
    connection.sendall(
        _PREFACE
        + _frame(_SETTINGS, 0, 0)
        + _frame(_HEADERS, _END_HEADERS, 1, request)
        + _frame(_DATA, _END_STREAM, 1, body)
    )
    return connection


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    buffer = b""
    while chunk := connection.recv(65536):
        buffer += chunk
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3]):
            end = 9 + int.from_bytes(buffer[:3])
            yield buffer[3], buffer[4], buffer[9:end]
            buffer = buffer[end:]


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\0" + _sized(name) + _sized(value)


def _sized(text: bytes) -> bytes:
    length = len(text)
    if length < 127:
        return bytes((length,)) + text
    out, length = [127], length - 127
    while length >= 128:
        out.append(length % 128 | 128)
        length //= 128
    return bytes((*out, length)) + text
