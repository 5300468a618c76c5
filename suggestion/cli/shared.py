"""Options that several commands have: files, changes to them, durations, a client's TLS."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from suggestion.client.targets import TARGET_RULE, is_target

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def write_output(path: Path, content: str | bytes, hint: str = "") -> None:
    """Write a file that a command makes.

    Args:
        path: The file.
        content: What it holds; text as UTF-8.
        hint: What the error ends with.

    Raises:
        click.ClickException: If it cannot be written.
    """
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}{hint}") from error


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
    return _with_tls(command, "")


def db_manager_tls(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the TLS options of a server that is a DB manager's client to `command`.

    It gets `db_manager_tls`, a ClientTLS or None. Each option has an environment variable too.
    """
    return _with_tls(command, "db-manager-", "SUGGEST_")


#: The parts of a client's TLS options, and what they say.
_TLS: Final[Mapping[str, str]] = {
    "ca": "Use TLS: CA that signed the server's certificate (PEM).",
    "cert": "The client's certificate (PEM).",
    "key": "Its key (PEM).",
    "name": "Name in the server's certificate, if it is another.",
}
_DB_MANAGER_TLS: Final[Mapping[str, str]] = {
    "ca": "Read DB managers over TLS: CA that signed their certificates (PEM).",
    "cert": "Certificate of early stopping as their client (PEM).",
    "key": "Its key (PEM).",
    "name": "Name in their certificates, if it is another than that of the address.",
}


def _with_tls(command: Callable[..., Any], prefix: str, variables: str = "") -> Callable[..., Any]:
    """Add the options ``--PREFIXtls-ca`` and so on to `command`, which gets ``PREFIXtls``.

    Args:
        prefix: Of the options, with its hyphen.
        variables: What the names of their environment variables begin with; none if empty.
    """
    stem = f"{prefix}tls"
    keyword = stem.replace("-", "_")
    texts = _DB_MANAGER_TLS if prefix else _TLS

    @functools.wraps(command)
    def with_tls(*arguments: Any, **options: Any) -> Any:
        ca, cert, key, name = (options.pop(f"{keyword}_{part}") for part in texts)
        made = _client_tls(f"--{stem}", ca, cert, key, name or "")
        return command(*arguments, **{keyword: made}, **options)

    made: Callable[..., Any] = with_tls
    for part in reversed(list(texts)):
        variable = f"{variables}{keyword}_{part}".upper() if variables else None
        made = click.option(
            f"--{stem}-{part}",
            type=None if part == "name" else FILE,
            envvar=variable,
            show_envvar=bool(variable),
            help=texts[part],
        )(made)
    return made


def _client_tls(
    stem: str, ca: Path | None, certificate: Path | None, key: Path | None, name: str
) -> ClientTLS | None:
    """What the options of a client mean, whose names begin with `stem`.

    Raises:
        click.ClickException: If a file is not what it should be, or they do not belong together.
    """
    if ca is None:
        if certificate or key or name:
            raise click.UsageError(f"{stem}-cert, {stem}-key and {stem}-name need {stem}-ca")
        return None
    from suggestion.api.v1beta1.channels import ClientTLS  # noqa: PLC0415
    from suggestion.cli.pem_options import certificates, key_of  # noqa: PLC0415

    authority = certificates(f"{stem}-ca", ca)
    if certificate is None and key is None:
        return ClientTLS(authority, name=name)
    if certificate is None or key is None:
        lacking = f"{stem}-cert" if certificate is None else f"{stem}-key"
        raise click.UsageError(f"{stem}-cert and {stem}-key go together, got no {lacking}")
    own = certificates(f"{stem}-cert", certificate)
    return ClientTLS(authority, own, key_of(certificate, f"{stem}-key", key), name)


def db_manager_variables() -> dict[str, str]:
    """Return the environment in which ``suggest serve`` reads DB managers as this command does.

    The command that runs has the options of `client_tls`.
    """
    given = click.get_current_context().params
    return {
        f"SUGGEST_DB_MANAGER_TLS_{part.upper()}": str(
            value if part == "name" else Path(value).resolve()
        )
        for part in _TLS
        if (value := given.get(f"tls_{part}"))
    }


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
