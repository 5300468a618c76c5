"""Options that runtimes declare: read when the command is used, not when commands are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

_PREFIX: Final = "runtime__"


class RuntimeCommand(click.Command):
    """A command that takes the options of every runtime, and lists them by runtime in its help."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own, *(option for options in _declared().values() for option in options)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        declared = _declared()
        theirs = {option.name for options in declared.values() for option in options}
        own = (p.get_help_record(ctx) for p in self.get_params(ctx) if p.name not in theirs)
        with formatter.section("Options"):
            formatter.write_dl([record for record in own if record is not None])
        for name, options in declared.items():
            records = (option.get_help_record(ctx) for option in options)
            with formatter.section(f"Options of --runtime {name}"):
                formatter.write_dl([record for record in records if record is not None])


def _declared() -> Mapping[str, list[click.Option]]:
    return {name: made for name in _names() if (made := list(_of(name)))}


def _names() -> list[str]:
    from suggestion.runtimes import RUNTIMES  # noqa: PLC0415

    return list(RUNTIMES)


def _of(runtime: str) -> Iterator[click.Option]:
    from suggestion import runtimes  # noqa: PLC0415

    for option in runtimes.place(runtime).options:
        yield click.Option(
            [f"--{option.name}", _PREFIX + option.name.replace("-", "_")],
            metavar=option.metavar,
            help=option.help,
            multiple=option.repeatable,
        )


def chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of runtimes' options that were given, by the names of the options."""
    return {
        name.removeprefix(_PREFIX).replace("_", "-"): list(value)
        if isinstance(value, tuple)
        else value
        for name, value in given.items()
        if value not in (None, ())
    }
