"""Compressed requests, decompressed here and not by gRPC, which knows no limit for what comes out.

gRPC does not say whether a message that it hands over is compressed, but its first bytes do: gzip's
first byte, 0x1f, begins no message, since protobuf has no wire type 7. What deflate begins with,
0x78, would be a varint in the unknown field 15; a message that begins so and is no valid stream
is taken as it stands.
"""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = b"\x1f\x8b"
#: A stream's first two bytes, as a number, are a multiple of this (RFC 1950).
_CHECK: Final = 31
_DEFLATE: Final = 0x78
_CHUNK: Final = 2**20


class Malformed(ValueError):
    """Compressed bytes that are damaged or end too early."""


class TooLong(ValueError):
    """More comes out than is accepted."""


def is_compressed(raw: bytes) -> bool:
    """Return whether `raw` may be compressed, with gzip or deflate."""
    if raw.startswith(_GZIP):
        return True
    return len(raw) > 2 and raw[0] == _DEFLATE and int.from_bytes(raw[:2], "big") % _CHECK == 0


def decompress(raw: bytes, limit: int) -> bytes:
    """Return `raw` decompressed; `raw` itself if it turns out not to be compressed.

    It never holds more than `limit` bytes of output and a chunk of 1 MiB.

    Args:
        raw: A request that may be compressed, see `is_compressed`.
        limit: Most bytes that may come out.

    Raises:
        TooLong: If more than `limit` bytes come out.
        Malformed: If gzip is damaged or ends too early.
    """
    gzip = raw.startswith(_GZIP)
    inner = zlib.decompressobj(16 + zlib.MAX_WBITS if gzip else zlib.MAX_WBITS)
    out = bytearray()
    try:
        rest = raw
        while not inner.eof:
            chunk = inner.decompress(rest, _CHUNK)
            rest = inner.unconsumed_tail
            out += chunk
            if len(out) > limit:
                raise TooLong
            if not chunk and not rest:
                break
    except zlib.error as error:
        return _as_it_stands(raw, gzip, str(error))
    if not inner.eof or inner.unused_data:
        return _as_it_stands(raw, gzip, "it ends too early" if not inner.eof else "bytes follow it")
    return bytes(out)


def _as_it_stands(raw: bytes, gzip: bool, reason: str) -> bytes:
    if gzip:
        raise Malformed(f"the request is not valid gzip: {reason}")
    return raw
