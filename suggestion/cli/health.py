"""The command ``suggest health``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suggestion.api.addresses import DEFAULT_ADDRESS
from suggestion.cli.shared import client_tls


@click.command()
@click.argument("address", default=DEFAULT_ADDRESS, envvar="SUGGEST_ADDRESS")
@click.option("--service", default="", help="Name to ask the health service for.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait.")
@client_tls
@click.option("--tls-name", help="Name in the server's certificate, if ADDRESS is another.")
def health(
    address: str,
    service: str,
    timeout: float,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_name: str | None,
) -> None:
    """Ask the server at ADDRESS whether it serves; exit status 0 if it does.

    An address of 0.0.0.0 or [::], where servers listen, is taken as this machine.
    """
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    from suggestion.api.v1beta1.channels import ClientTLS, open_channel  # noqa: PLC0415

    target = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "localhost:")
    if tls_ca is None and (tls_cert or tls_key or tls_name):
        raise click.UsageError("--tls-cert, --tls-key and --tls-name need --tls-ca")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    tls = None
    if tls_ca is not None:
        tls = ClientTLS(
            tls_ca.read_bytes(),
            tls_cert.read_bytes() if tls_cert else None,
            tls_key.read_bytes() if tls_key else None,
            tls_name or "",
        )
    with open_channel(target, tls) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        except grpc.RpcError as error:
            raise click.ClickException(f"{target}: {error.details()}") from error
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    click.echo(status)
    if status != "SERVING":
        sys.exit(1)
