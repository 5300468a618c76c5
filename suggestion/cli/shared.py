"""Options that several commands have: files, changes to them, durations, a client's TLS."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from suggestion.client.targets import TARGET_RULE, is_target

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(click.ParamType[float]):
    """``90``, ``90s``, ``15m``, ``2h``, ``1d``, ``1h30m``; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
        if not parts or "".join(a + b for a, b in parts) != text:
            self.fail(f"must be like 90s, 15m, 2h or 1h30m, got {text!r}", param, ctx)
        return sum(float(amount) * _UNITS[unit or "s"] for amount, unit in parts)


class Target(click.ParamType[str]):
    """Where a server listens: ``HOST:PORT``, ``unix:PATH``, ``dns:///HOST:PORT``."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        text = str(value).strip()
        if not is_target(text):
            self.fail(f"{TARGET_RULE}, got {text!a}", param, ctx)
        return text


_Command = TypeVar("_Command", bound=Callable[..., object])


def runtime_option(default: str) -> Callable[[_Command], _Command]:
    """Return what adds the option ``--runtime``, which says where trials run.

    Args:
        default: What applies without it, for the help.
    """
    from suggestion.runtimes import RUNTIMES  # noqa: PLC0415  (most commands need none)

    return click.option(
        "--runtime",
        type=click.Choice(list(RUNTIMES)),
        help=f"Where trials run: the container's command here (process), its image in Docker, or "
        f"on other machines.  [default: {default}]",
    )


def client_tls(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the TLS options of a client to `command`, which gets `tls`, a ClientTLS or None."""

    @functools.wraps(command)
    def with_tls(
        *arguments: Any,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_name: str | None,
        **options: Any,
    ) -> Any:
        tls = _client_tls(tls_ca, tls_cert, tls_key, tls_name or "")
        return command(*arguments, tls=tls, **options)

    made: Callable[..., Any] = with_tls
    for option in reversed(
        (
            click.option(
                "--tls-ca", type=FILE, help="Use TLS: CA that signed the server's certificate "
                "(PEM).",
            ),
            click.option("--tls-cert", type=FILE, help="The client's certificate (PEM)."),
            click.option("--tls-key", type=FILE, help="Its key (PEM)."),
            click.option("--tls-name", help="Name in the server's certificate, if it is another."),
        )
    ):  # fmt: skip
        made = option(made)
    return made


def _client_tls(
    ca: Path | None, certificate: Path | None, key: Path | None, name: str
) -> ClientTLS | None:
    """What the options of a client mean.

    Raises:
        click.ClickException: If a file is not what it should be, or they do not belong together.
    """
    if ca is None:
        if certificate or key or name:
            raise click.UsageError("--tls-cert, --tls-key and --tls-name need --tls-ca")
        return None
    from suggestion.api.v1beta1.channels import ClientTLS  # noqa: PLC0415
    from suggestion.cli.pem_options import certificates, key_of  # noqa: PLC0415

    authority = certificates("--tls-ca", ca)
    if certificate is None and key is None:
        return ClientTLS(authority, name=name)
    if certificate is None or key is None:
        lacking = "--tls-cert" if certificate is None else "--tls-key"
        raise click.UsageError(f"--tls-cert and --tls-key go together, got no {lacking}")
    own = certificates("--tls-cert", certificate)
    return ClientTLS(authority, own, key_of(certificate, "--tls-key", key), name)


def needs_server(tls: ClientTLS | None, **servers: str | None) -> None:
    """Check that options of TLS have somebody to speak it with: servers of our own speak plaintext.

    Args:
        servers: Options that name a server, and what they hold.

    Raises:
        click.UsageError: If there are such options, and no server is named.
    """
    if tls is not None and not any(servers.values()):
        names = " or ".join(f"--{name.replace('_', '-')}" for name in servers)
        raise click.UsageError(f"--tls-ca needs {names}; a server of this command speaks plaintext")


def file_changes(command: _Command) -> _Command:
    """Add the options ``--set`` and ``--command``, which change an Experiment file for once."""
    command = click.option("--command", help="The trial's command, in place of the container's.")(
        command
    )
    return click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="FIELD=VALUE",
        help="Change a field of the file: spec.maxTrialCount=20; null removes it. Repeatable.",
    )(command)
