"""The command ``suggest check``."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from suggestion.conformance import document, evidence, report
from suggestion.conformance.check import Level, NotRun, Outcome, Result, Service, all_checks, select
from suggestion.conformance.checks.dbmanager import LogSession
from suggestion.conformance.early_session import EarlySession
from suggestion.conformance.profiles import Profile, profile_of
from suggestion.conformance.runner import run
from suggestion.conformance.session import Session
from suggestion.conformance.target import TLS, Client, ProcessLauncher


@dataclass(frozen=True, slots=True)
class Targets:
    """What to check, and how to reach or start it; a text that was not given is empty."""

    target: str = ""
    start: str = ""
    stop: str = ""
    status: str = ""
    early_stopping: str = ""
    early_stopping_algorithm: str = "medianstop"
    start_early_stopping: str = ""
    dbmanager: str = ""
    start_dbmanager: str = ""
    host: str = "127.0.0.1"
    connect_timeout: float = 10.0

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that there is a server of."""
        given = {
            Service.SUGGESTION: self.target or self.start,
            Service.EARLY_STOPPING: self.early_stopping or self.start_early_stopping,
            Service.DBMANAGER: self.dbmanager or self.start_dbmanager,
        }
        return tuple(service for service, where in given.items() if where)

    @contextlib.contextmanager
    def sessions(self, profile: Profile) -> Iterator[dict[Service, Any]]:
        """Open sessions of the services; close them and stop all started servers at the end.

        Raises:
            NotRun: A server cannot be reached or started.
        """
        with contextlib.ExitStack() as stack:

            def reach(address: str, command: str) -> tuple[str, ProcessLauncher | None]:
                launcher = ProcessLauncher(command, self.stop, self.status) if command else None
                if launcher is not None:
                    stack.callback(launcher.close)
                    # The server that most checks use is never killed.
                    address = address or launcher.launch().address
                client = Client(address)
                stack.callback(client.close)
                if not client.wait(self.connect_timeout):
                    raise NotRun(f"no server answers at {address}")
                return address, launcher

            made: dict[Service, Any] = {}
            if Service.SUGGESTION in self.services:
                address, launcher = reach(self.target, self.start)
                made[Service.SUGGESTION] = Session(profile, address, launcher)
            if Service.EARLY_STOPPING in self.services:
                address, launcher = reach(self.early_stopping, self.start_early_stopping)
                made[Service.EARLY_STOPPING] = EarlySession(
                    self.early_stopping_algorithm, address, launcher, self.host
                )
            if Service.DBMANAGER in self.services:
                address, launcher = reach(self.dbmanager, self.start_dbmanager)
                made[Service.DBMANAGER] = LogSession(address, launcher)
            for session in made.values():
                stack.callback(session.close)
            yield made

    def named(self, sessions: dict[Service, Any]) -> dict[Service, str]:
        """Return the addresses that were checked."""
        return {service: session.address for service, session in sessions.items()}


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--setting must be NAME=VALUE, got {text!r}")
        pairs[name] = value
    return pairs


def make_profile(
    algorithm: str, like: str | None, experiment: Path | None, settings: Sequence[str]
) -> Profile:
    """Return the profile that the options describe.

    Raises:
        click.UsageError: They contradict each other, or the file is not an Experiment.
    """
    given: dict[str, str] = {}
    parameters: tuple[Any, ...] = ()
    if experiment is not None:
        try:
            read = document.read(experiment)
        except document.Unreadable as error:
            raise click.UsageError(str(error)) from error
        given = {s.name: s.value for s in read.spec.algorithm.algorithm_settings}
        parameters = tuple(read.spec.parameter_specs.parameters)
        algorithm = algorithm or read.spec.algorithm.algorithm_name
    if not algorithm:
        raise click.UsageError("--algorithm or --experiment must name the algorithm to request")
    try:
        return profile_of(
            algorithm,
            like=like,
            settings={**given, **_pairs(settings)},
            parameters=parameters,
        )
    except LookupError as error:
        raise click.UsageError(str(error)) from error


class _ReportPath(click.Path):
    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if path.suffix not in report.FORMATS:
            self.fail(f"must end in {', '.join(report.FORMATS)}, got {str(path)!r}", param, ctx)
        return path


_PEM: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def read_tls(ca: Path | None, certificate: Path | None, key: Path | None, name: str) -> TLS | None:
    """Return what the TLS options mean.

    Raises:
        click.ClickException: If a file is not what it should be, or they do not belong together.
    """
    if ca is None:
        if certificate or key or name:
            raise click.UsageError("--tls-cert, --tls-key and --tls-name need --tls-ca")
        return None
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    _check_pem(ca, certificate, key)
    return TLS(
        ca.read_bytes(),
        certificate.read_bytes() if certificate else None,
        key.read_bytes() if key else None,
        name,
    )


def _check_pem(ca: Path, certificate: Path | None, key: Path | None) -> None:
    """Check what gRPC would call a server that cannot be reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    subject, rule = f"--tls-ca {ca}", "must hold certificates in PEM"
    try:
        context.load_verify_locations(ca)
        if certificate is not None and key is not None:
            subject = f"--tls-cert {certificate}"
            context.load_verify_locations(certificate)
            subject, rule = f"--tls-key {key}", "must hold a private key in PEM, without password"
            context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            rule = f"does not belong to the certificate {certificate}"
        raise click.ClickException(f"{subject}: {rule}") from error


@click.command()
@click.argument("target", required=False, default="", metavar="[HOST:PORT]")
@click.option("--algorithm", default="", help="Algorithm to request from the Suggestion server.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.CONTRACT.value,
    show_default=True,
    help="contract: what a controller relies on; strict: what a good server does beyond it.",
)
@click.option(
    "--start",
    default="",
    metavar="COMMAND",
    help="Command that starts the server on this machine; {port} in it is replaced by a free port. "
    "Checks that kill servers need it. Without HOST:PORT it starts the server for all checks.",
)
@click.option(
    "--stop",
    default="",
    metavar="COMMAND",
    help="Command that kills the server at {port}, if killing the start command is not enough.",
)
@click.option(
    "--status",
    default="",
    metavar="COMMAND",
    help="Command that prints /proc/PID/status of the server at {port}, if it is not a process of "
    "the start command.",
)
@click.option(
    "--early-stopping", default="", metavar="HOST:PORT", help="EarlyStopping server to check."
)
@click.option(
    "--early-stopping-algorithm",
    default="medianstop",
    show_default=True,
    help="Rule to request from it.",
)
@click.option("--start-early-stopping", default="", metavar="COMMAND", help="Like --start.")
@click.option("--dbmanager", default="", metavar="HOST:PORT", help="DBManager server to check.")
@click.option(
    "--start-dbmanager", default="", metavar="COMMAND", help="Like --start, with one database."
)
@click.option("--tls-ca", type=_PEM, help="Use TLS: CA that signed the certificates (PEM).")
@click.option("--tls-cert", type=_PEM, help="The client's certificate (PEM).")
@click.option("--tls-key", type=_PEM, help="Its key (PEM).")
@click.option("--tls-name", default="", help="Name in the server's certificate, if it is another.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Name under which an early-stopping server reaches this machine.",
)
@click.option(
    "--experiment",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An Experiment file whose algorithm, settings and parameters to use.",
)
@click.option(
    "--setting", "settings", multiple=True, metavar="NAME=VALUE", help="A setting that it requires."
)
@click.option(
    "--profile",
    "like",
    default=None,
    metavar="ALGORITHM",
    help="Treat the algorithm like this known one: 'grid' if it ends, 'random' if it does not "
    "learn, 'hyperband' if it is a multi-fidelity algorithm.",
)
@click.option("--only", multiple=True, metavar="ID", help="Run only this check. Repeatable.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=_ReportPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report as .md, .json or JUnit .xml. Repeatable.",
)
@click.option(
    "--evidence",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write request, reply and rule of each failure.",
)
@click.option("--list", "listing", is_flag=True, help="List all checks and exit.")
def check(
    target: str,
    algorithm: str,
    level: str,
    start: str,
    stop: str,
    status: str,
    early_stopping: str,
    early_stopping_algorithm: str,
    start_early_stopping: str,
    dbmanager: str,
    start_dbmanager: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_name: str,
    host: str,
    experiment: Path | None,
    settings: tuple[str, ...],
    like: str | None,
    only: tuple[str, ...],
    reports: tuple[Path, ...],
    folder: Path | None,
    listing: bool,
) -> None:
    """Check whether the server at HOST:PORT honours the v1beta1 contract.

    Any server can be checked, as a black box. Exit status 0: every check of the level passed; 1:
    one failed; 3: none failed, but some could not be run.
    """
    if listing:
        for known in all_checks():
            click.echo(f"{known.id} [{known.service.value}, {known.level.value}]: {known.sentence}")
        return
    Client.tls = read_tls(tls_ca, tls_cert, tls_key, tls_name)
    targets = Targets(
        target=target,
        start=start,
        stop=stop,
        status=status,
        early_stopping=early_stopping,
        early_stopping_algorithm=early_stopping_algorithm,
        start_early_stopping=start_early_stopping,
        dbmanager=dbmanager,
        start_dbmanager=start_dbmanager,
        host=host,
    )
    if not targets.services:
        raise click.UsageError("HOST:PORT, --start, --early-stopping or --dbmanager must be given")
    suggesting = Service.SUGGESTION in targets.services
    profile = make_profile(algorithm if suggesting else "random", like, experiment, settings)
    try:
        chosen = select(targets.services, Level(level), only, early_stopping_algorithm)
    except LookupError as error:
        raise click.UsageError(str(error)) from error
    try:
        with targets.sessions(profile) as sessions:
            results = run(chosen, sessions, profile, _progress)
            addresses = targets.named(sessions)
    except NotRun as error:
        raise click.ClickException(str(error)) from error
    made = report.Report(
        addresses, profile.algorithm if suggesting else "", Level(level), tuple(results)
    )
    report.print_text(made)
    for path in reports:
        report.write(made, path)
    if folder is not None:
        for result in results:
            if result.outcome is Outcome.FAILED:
                evidence.write(result, folder)
    sys.exit(made.status)


def _progress(result: Result) -> None:
    """Print one mark for each check if the output is a terminal."""
    if sys.stderr.isatty():
        mark = {Outcome.PASSED: ".", Outcome.FAILED: "F"}.get(result.outcome, "s")
        click.echo(mark, nl=False, err=True)
