"""The command ``suggest serve``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suggestion.api.addresses import DEFAULT_ADDRESS
from suggestion.cli import server_tls
from suggestion.cli.shared import FILE, db_manager_tls

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--address",
    default=None,
    show_default=f"{DEFAULT_ADDRESS}; 127.0.0.1:6788 for early stopping alone",
    envvar="SUGGEST_ADDRESS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 picks a free one and prints it.",
)
@click.option(
    "--early-stopping-address",
    show_default="the port below that of --address",
    envvar="SUGGEST_EARLY_STOPPING_ADDRESS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Where early stopping listens beside other services.",
)
@click.option(
    "--http-address",
    envvar="SUGGEST_HTTP_ADDRESS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Serve everything as JSON over HTTP here too; needs 'suggestion-servers[http]'.",
)
@click.option(
    "--metrics-address",
    envvar="SUGGEST_METRICS_ADDRESS",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Serve metrics for Prometheus here; needs 'suggestion-servers[metrics]'.",
)
@click.option(
    "--database",
    default="sqlite:///observations.db",
    show_default=True,
    envvar="SUGGEST_DATABASE",
    metavar="URL",
    help="Where dbmanager keeps observation logs: sqlite:///FILE, or postgresql:// or mysql:// "
    "with USER:PASSWORD@HOST:PORT/DATABASE.",
)
@click.option(
    "--trial-status",
    type=click.Choice(["kubernetes", "database", "none"]),
    show_default="kubernetes in a cluster, else database",
    envvar="SUGGEST_TRIAL_STATUS",
    show_envvar=True,
    help="Where early stopping marks trials as stopped.",
)
@click.option(
    "--namespace",
    show_default="the server's own",
    envvar="SUGGEST_NAMESPACE",
    show_envvar=True,
    help="Kubernetes namespace of the trials.",
)
@click.option(
    "--db-manager",
    default="katib-db-manager.kubeflow:6789",
    show_default=True,
    envvar="SUGGEST_DB_MANAGER",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Where early stopping in Kubernetes reads the observation of a stopped trial; empty for "
    "nowhere.",
)
@db_manager_tls
@click.option(
    "--workers",
    default=4,
    show_default=True,
    type=click.IntRange(1, 256),
    envvar="SUGGEST_WORKERS",
    show_envvar=True,
    help="Calls computed at a time, by each process; further ones wait.",
)
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    envvar="SUGGEST_PROCESSES",
    show_envvar=True,
    help="Processes that compute suggestions, each for about one processor; with 1 the server does "
    "so itself.",
)
@click.option(
    "--max-calls",
    show_default="2 for each MiB of memory, 64 to 1000",
    type=click.IntRange(1, 100_000),
    envvar="SUGGEST_MAX_CALLS",
    show_envvar=True,
    help="Calls in flight, those that wait included; further ones are refused.",
)
@click.option(
    "--max-deadline",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1, 86400),
    envvar="SUGGEST_MAX_DEADLINE",
    show_envvar=True,
    help="Seconds that a call may take, whatever its own deadline.",
)
@click.option(
    "--max-message-mib",
    default=64,
    show_default=True,
    type=click.IntRange(1, 1000),
    envvar="SUGGEST_MAX_MESSAGE_MIB",
    show_envvar=True,
    help="Largest request, decompressed, and longest observation log, in MiB; less where the "
    "memory limit of the container leaves no room for it.",
)
@click.option(
    "--grace",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    envvar="SUGGEST_GRACE",
    show_envvar=True,
    help="Seconds that calls in flight are given on SIGTERM.",
)
@click.option(
    "--tls-cert",
    type=FILE,
    envvar="SUGGEST_TLS_CERT",
    show_envvar=True,
    help="Certificate chain (PEM); without it the server does not encrypt.",
)
@click.option(
    "--tls-key", type=FILE, envvar="SUGGEST_TLS_KEY", show_envvar=True, help="Its key (PEM)."
)
@click.option(
    "--tls-client-ca",
    type=FILE,
    envvar="SUGGEST_TLS_CLIENT_CA",
    show_envvar=True,
    help="Accept only clients with a certificate signed by this CA (PEM).",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="SUGGEST_LOG_FORMAT",
    show_envvar=True,
    help="One line a call, on standard error.",
)
def serve(
    names: Sequence[str],
    address: str | None,
    early_stopping_address: str | None,
    http_address: str | None,
    metrics_address: str | None,
    database: str,
    trial_status: str | None,
    namespace: str | None,
    db_manager: str,
    workers: int,
    processes: int,
    max_calls: int | None,
    max_deadline: float,
    max_message_mib: int,
    grace: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    log_format: str,
    db_manager_tls: ClientTLS | None,
) -> None:
    """Serve each NAME: an algorithm, an early-stopping rule, or dbmanager.

    A rule that has the name of an algorithm is called earlystopping/NAME.

    Without a name: all algorithms and rules that are installed. One server serves any number of
    experiments at once and keeps nothing between calls, except for dbmanager, which keeps what
    trials report. It stops on SIGTERM or SIGINT, after the calls in flight.
    """
    # Until the server handles it: for the first process of a container SIGTERM has no effect of
    # its own, and a stop during the start would wait for the kill.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from suggestion.engine.algorithm import Unavailable  # noqa: PLC0415
    from suggestion.problem.errors import Invalid, Unreachable, Unready  # noqa: PLC0415
    from suggestion.server import (  # noqa: PLC0415
        ServeOptions,
        ServiceOptions,
        compose,
        log_to_stderr,
        run,
    )

    options = ServeOptions(
        workers=workers,
        processes=processes,
        max_calls=max_calls,
        max_deadline=max_deadline,
        max_message_bytes=max_message_mib * 2**20,
        grace=grace,
        tls=server_tls.read(tls_cert, tls_key, tls_client_ca),
    )
    service_options = ServiceOptions(
        database=database,
        trial_status=trial_status,
        namespace=namespace,
        max_message_bytes=options.max_message_bytes,
        db_manager=db_manager,
        db_manager_tls=db_manager_tls,
    )
    log_to_stderr(log_format)
    try:
        served = compose(
            names,
            address,
            early_stopping_address,
            http_address,
            options,
            service_options,
            metrics_address,
        )
    except (Unavailable, Invalid) as error:
        raise click.UsageError(str(error)) from error
    except (Unready, Unreachable, OSError) as error:
        raise click.ClickException(str(error)) from error

    def ready(addresses: Sequence[str]) -> None:
        for each, where in zip(served, addresses, strict=True):
            click.echo(f"serving {', '.join(each.names)} on {where}")
        sys.stdout.flush()

    try:
        run([each.listener for each in served], ready)
    except OSError as error:
        raise click.ClickException(str(error)) from error
