"""Reads a request's headers and body, as the bytes come."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

from grpc import StatusCode

from suggestion.api.http.statuses import Refusal

_TIMEOUT: Final = re.compile(r"(\d{1,8}(?:\.\d{1,9})?)(ms|s|m|h)?")
_TIMEOUT_UNITS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GRPC_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])")
_GRPC_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def timeout_of(headers: Mapping[str, str]) -> float:
    """Return how many seconds the caller waits: the shorter of both headers, else infinity.

    Raises:
        Refusal: If a header cannot be read.
    """
    found = [float("inf")]
    if (text := headers.get("x-request-timeout")) is not None:
        if (match := _TIMEOUT.fullmatch(text.strip())) is None:
            raise _bad_timeout("X-Request-Timeout", "a time like 5s, 500ms or 1.5m", text)
        found.append(float(match[1]) * _TIMEOUT_UNITS[match[2] or "s"])
    if (text := headers.get("grpc-timeout")) is not None:
        if (match := _GRPC_TIMEOUT.fullmatch(text.strip())) is None:
            raise _bad_timeout("Grpc-Timeout", "digits and one of H, M, S, m, u, n", text)
        found.append(float(match[1]) * _GRPC_UNITS[match[2]])
    return min(found)


def _bad_timeout(header: str, rule: str, got: str) -> Refusal:
    text = f"header {header}: must be {rule}, got {got[:80]!r}"
    return Refusal(StatusCode.INVALID_ARGUMENT, text)


def check_content_type(headers: Mapping[str, str]) -> None:
    """Accept JSON alone; also, a page in a browser cannot send it to another site unasked.

    Raises:
        Refusal: If the body is something else.
    """
    given = headers.get("content-type", "")
    kind, _, rest = given.partition(";")
    charset = rest.replace(" ", "").lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Refusal(
            StatusCode.INVALID_ARGUMENT,
            f"header Content-Type: must be application/json in UTF-8, got {given[:80]!r}; "
            f"curl --json sends it",
            status=415,
        )


# -------------------------------------------------------------------- the body


class _Decoder(Protocol):
    def take(self, chunk: bytes, most: int) -> bytes:
        """At most `most` bytes of what `chunk` stands for.

        Raises:
            zlib.error: If it is malformed.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether the data may end here."""
        ...


class _Identity:
    complete = True

    def take(self, chunk: bytes, most: int) -> bytes:
        return chunk[:most]


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inner = zlib.decompressobj(window)

    def take(self, chunk: bytes, most: int) -> bytes:
        return self._inner.decompress(chunk, most)

    @property
    def complete(self) -> bool:
        return self._inner.eof


def _decoder(encoding: str) -> _Decoder:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Zlib(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
    text = f"header Content-Encoding: must be gzip, deflate or identity, got {encoding[:80]!r}"
    raise Refusal(StatusCode.INVALID_ARGUMENT, text, status=415)


async def read_body(
    headers: Mapping[str, str], chunks: AsyncIterator[bytes], limit: int, advice: str
) -> bytes:
    """Return the body, decompressed; no more than `limit` bytes are ever kept.

    Args:
        headers: Names in lower case.
        chunks: The body as it comes.
        limit: Of the decompressed body.
        advice: What allows larger ones.

    Raises:
        Refusal: If it is larger, or compressed in a way that this server does not read.
    """
    decoder = _decoder(headers.get("content-encoding", ""))
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > 2 * limit:
        raise too_large(limit, advice)
    body = bytearray()
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if len(body) <= limit:
            try:
                # Never 0, which would be no bound.
                body += decoder.take(chunk, limit - len(body) + 1)
            except zlib.error as error:
                text = f"the request is not valid {headers['content-encoding']}: {error}"
                raise Refusal(StatusCode.INVALID_ARGUMENT, text) from error
        # A client that still sends may miss an answer: what is a little too large is read.
        if received > 2 * limit:
            break
    if len(body) > limit:
        raise too_large(limit, advice)
    if not decoder.complete:
        text = f"the request is not valid {headers['content-encoding']}: it ends too early"
        raise Refusal(StatusCode.INVALID_ARGUMENT, text)
    return bytes(body)


def too_large(limit: int, advice: str) -> Refusal:
    """Return the refusal of a body of more than `limit` bytes."""
    return Refusal(
        StatusCode.RESOURCE_EXHAUSTED,
        f"the request has more than the {limit} bytes that this server accepts; {advice}",
        status=413,
    )
