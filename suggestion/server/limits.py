"""Sizes: of requests, and of errors, which travel in metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# Clients accept 8 KiB of metadata; a longer error reaches them as RESOURCE_EXHAUSTED.
MESSAGE_BYTES: Final = 3000
DETAILS_BYTES: Final = 2400


def channel_options(max_message_bytes: int) -> Sequence[tuple[str, int]]:
    """Return the options of a gRPC server that accepts requests of `max_message_bytes`."""
    return [
        # Between this limit and twice it our own message says what to do.
        ("grpc.max_receive_message_length", 2 * max_message_bytes),
        ("grpc.max_send_message_length", -1),
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
    """Return `text`, or as much of it as takes `limit` bytes in a message."""
    size = 0
    for index, character in enumerate(text):
        size += _encoded(character)
        if size > limit:
            return f"{text[: max(index - 3, 0)]}..."
    return text
