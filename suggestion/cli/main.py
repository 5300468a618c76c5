"""The command ``suggest``: the group of all commands.

Each command is a module that is imported when the command is used, found through the entry points
``suggestion.commands``; other packages add commands there. A command imports what it needs in its
function, so that ``suggest --help`` is quick and a server loads only what it serves with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from suggestion.engine import installed

COMMANDS: Final = "suggestion.commands"

# The extra of this distribution that brings what a command needs, and packages that have their own.
_EXTRAS: Final[Mapping[str, str]] = {
    "artifacts": "experiments",
    "ask": "client",
    "check": "client",
    "convert": "client",
    "enqueue": "experiments",
    "export": "experiments",
    "logs": "experiments",
    "pause": "experiments",
    "plot": "experiments",
    "registration": "client",
    "resume": "experiments",
    "run": "experiments",
    "set": "experiments",
    "status": "experiments",
    "stop": "experiments",
    "top": "experiments",
    "trials": "experiments",
    "ui": "ui",
    "validate": "client",
}
_OWN_EXTRAS: Final = {"optuna": "optuna"}


class _Commands(click.Group):
    """A group whose commands are imported when they are used.

    A command whose packages are not installed says which extra brings them, and one of another
    package that is broken says so; the other commands, and the list of all, work without them.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(installed.every(COMMANDS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (reference := installed.find(COMMANDS, cmd_name)) is None:
            return None
        try:
            loaded: click.Command = installed.load(reference)
        except ModuleNotFoundError as error:
            needed = f"the package {error.name!r} is not installed"
            extra = f"needs the extra {_EXTRAS.get(cmd_name, 'all')!r}"
            return _unavailable(cmd_name, f"({extra}: {needed})", error)
        except Exception as error:
            if installed.is_ours(COMMANDS, cmd_name):
                raise
            module = reference.partition(":")[0]
            text = f"(cannot be loaded from {module}: {type(error).__name__}: {error})"
            return _unavailable(cmd_name, text, error)
        return loaded

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise _missing(ctx.invoked_subcommand, error) from error


def _unavailable(command: str, why: str, error: Exception) -> click.Command:
    """Return a stand-in for a command whose module cannot be imported; it raises `error`."""

    @click.command(command, help=why, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1)
    def unavailable(arguments: tuple[str, ...]) -> None:
        raise error

    return unavailable


def _missing(command: str | None, error: ModuleNotFoundError) -> Exception:
    """Return what tells the user which extra brings the package that `error` names."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "suggestion"):  # a bug of ours, not a package to install
        return error
    extra = _OWN_EXTRAS.get(package) or _EXTRAS.get(command or "", "all")
    return click.ClickException(
        f"this command needs the package {package!r}, which is not installed; "
        f"pip install 'suggestion-servers[{extra}]' brings it"
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="suggestion-servers", prog_name="suggest")
def main() -> None:
    """Tune hyperparameters: run experiments, and serve suggestion algorithms over gRPC."""
