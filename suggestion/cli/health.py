"""The command ``suggest health``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from suggestion.api.addresses import DEFAULT_ADDRESS
from suggestion.cli.shared import Target, client_tls

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS


@click.command()
@click.argument("address", type=Target(), default=DEFAULT_ADDRESS, envvar="SUGGEST_ADDRESS")
@click.option("--service", default="", help="Name to ask the health service for.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait.")
@client_tls
def health(
    address: str,
    service: str,
    timeout: float,
    tls: ClientTLS | None,
) -> None:
    """Ask the server at ADDRESS whether it serves; exit status 0 if it does.

    An address of 0.0.0.0 or [::], where servers listen, is taken as this machine.
    """
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    from suggestion.api.v1beta1.channels import open_channel  # noqa: PLC0415

    target = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "localhost:")
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
