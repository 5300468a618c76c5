"""TLS of a server: its certificate, and which clients it accepts."""

from __future__ import annotations

from typing import NamedTuple

import grpc


class TLS(NamedTuple):
    """PEM contents.

    Attributes:
        certificate: The server's certificate chain.
        key: Its private key.
        client_ca: Clients must show a certificate that this authority signed; None accepts all.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


def credentials(tls: TLS) -> grpc.ServerCredentials:
    """Return what a gRPC server listens with."""
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)],
        root_certificates=tls.client_ca,
        require_client_auth=tls.client_ca is not None,
    )
