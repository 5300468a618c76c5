"""Limits of gRPC itself, and sizes of errors, which travel in metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suggestion.server.memory import Capacity

# Clients accept 8 KiB of metadata; a longer error reaches them as RESOURCE_EXHAUSTED.
MESSAGE_BYTES: Final = 3000
DETAILS_BYTES: Final = 2400

#: gRPC cancels some of the calls that it has accepted and nobody has taken yet if they are more
#: than a thousand, without telling anybody.
_PENDING: Final = 100_000
#: Bytes of a request that are accepted before the server asks for it.
_AHEAD: Final = 16 * 1024


def channel_options(capacity: Capacity) -> Sequence[tuple[str, int]]:
    """Return the options of a gRPC server with the limits of `capacity`."""
    return [
        # Refused before it is read, from its length.
        ("grpc.max_receive_message_length", capacity.received),
        ("grpc.max_send_message_length", -1),
        # What is compressed is handed over as it came: gRPC would decompress without a limit.
        ("grpc.per_message_decompression", 0),
        # On one connection; the client keeps further calls until others have ended.
        ("grpc.max_concurrent_streams", capacity.calls),
        # It would refuse the next call of such a client while the last is being put away.
        ("grpc.http.overload_protection", 0),
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _PENDING),
        ("grpc.http2.lookahead_bytes", _AHEAD),
        # It would raise what is accepted ahead, to megabytes for each call.
        ("grpc.http2.bdp_probe", 0),
        # Two servers on one port would share its calls by chance.
        ("grpc.so_reuseport", 0),
        # Clients that ping every 10 s, as Go's do, are not disconnected.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ]


def encoded_size(text: str) -> int:
    """Return the bytes that `text` takes in a message.

    gRPC percent-encodes what is not plain ASCII.
    """
    return sum(map(_encoded, text))


def _encoded(character: str) -> int:
    plain = " " <= character <= "~" and character != "%"
    return 1 if plain else 3 * len(character.encode("utf-8", "replace"))


def shortened(text: str, limit: int = MESSAGE_BYTES) -> str:
    """Return `text`, or as much of it as takes `limit` bytes in a message.

    What UTF-8 cannot encode becomes a question mark.
    """
    text = text.encode("utf-8", "replace").decode()
    size = 0
    for index, character in enumerate(text):
        size += _encoded(character)
        if size > limit:
            return f"{text[: max(index - 3, 0)]}..."
    return text
