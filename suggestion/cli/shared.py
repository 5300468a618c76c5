"""Options that several commands have: files, changes to them, durations, a client's TLS."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

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


_Command = TypeVar("_Command", bound=Callable[..., object])


def client_tls(command: _Command) -> _Command:
    """Add the options ``--tls-ca``, ``--tls-cert`` and ``--tls-key`` of a client to `command`."""
    options = (
        click.option("--tls-ca", type=FILE, help="CA that signed the server's certificate (PEM)."),
        click.option("--tls-cert", type=FILE, help="The client's certificate (PEM)."),
        click.option("--tls-key", type=FILE, help="Its key (PEM)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
        help="Change a field of the file: spec.maxTrialCount=20. Repeatable.",
    )(command)
