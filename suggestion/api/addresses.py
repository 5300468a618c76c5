"""Where servers listen unless they are told otherwise."""

from __future__ import annotations

from typing import Final

DEFAULT_ADDRESS: Final = "127.0.0.1:6789"


def port_below(address: str) -> str:
    """Return the address of early stopping beside another: 6788 beside 6789, 0 beside 0."""
    if address.startswith("unix:"):
        return f"{address}.early-stopping"
    host, _, port = address.rpartition(":")
    return f"{host}:{max(int(port) - 1, 0)}" if port.isdecimal() else address
