"""Open gRPC channels: the one place where clients of the API connect.

A channel sends and receives messages of any size, and never reaches this machine through a proxy:
gRPC honours ``http_proxy``, ``https_proxy`` and ``grpc_proxy`` for every target, also for
127.0.0.1, where no proxy can reach it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import grpc

_UNLIMITED: Final = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
}
#: ``dns:///``, ``dns://authority/``, ``ipv4:``, ``ipv6:``: what may stand before a host.
_SCHEME: Final = re.compile(r"(?:dns:(?://[^/]*/)?|ipv[46]:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """What a client needs to speak TLS; certificates and keys are PEM contents.

    Attributes:
        ca: The certificate authority that signed the server's certificate.
        certificate: The client's own, if the server wants one; `key` belongs to it.
        name: Name in the server's certificate, where the target is another.
    """

    ca: bytes
    certificate: bytes | None = None
    key: bytes | None = None
    name: str = ""


def is_loopback(target: str) -> bool:
    """Return whether a gRPC target such as ``localhost:6789`` is on this machine."""
    rest = unquote(_SCHEME.sub("", target, count=1))
    if rest.startswith("["):
        host = rest[1:].partition("]")[0]
    else:  # an IPv6 address may stand alone
        host = rest if rest.count(":") > 1 else rest.partition(":")[0]
    host = host.partition("%")[0].rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_channel(
    target: str, tls: ClientTLS | None = None, options: Iterable[tuple[str, Any]] = ()
) -> grpc.Channel:
    """Open a channel to `target`; the caller closes it.

    Args:
        target: ``HOST:PORT``, or another name that gRPC resolves.
        tls: None for a connection without encryption.
        options: gRPC's, which override those of this module.
    """
    chosen = dict(_UNLIMITED)
    if is_loopback(target):
        chosen["grpc.enable_http_proxy"] = 0
    if tls is not None and tls.name:
        chosen["grpc.ssl_target_name_override"] = tls.name  # type: ignore[assignment]
    chosen.update(options)
    if tls is None:
        return grpc.insecure_channel(target, list(chosen.items()))
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    return grpc.secure_channel(target, credentials, list(chosen.items()))
