"""What is registered under a name: by this project in a file, by other packages as entry points.

The file is where this project's own entry points are built from, too. Reading it spares a server
that is told its names `importlib.metadata`, which imports the parsers of mail and of zip archives
and takes a fifteenth of the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from functools import cache
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("entry_points.ini")


@cache
def _own() -> Mapping[str, Mapping[str, str]]:
    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(_FILE.read_text("utf-8"), str(_FILE))
    return {group: dict(parser[group]) for group in parser.sections()}


@cache
def every(group: str) -> Mapping[str, str]:
    """All references, ``module:attribute``, in `group` by name, in alphabetical order.

    A name of ours stays ours, whatever other packages register.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415  (see the module)

    points = entry_points(group=group)
    others = {point.name: f"{point.module}:{point.attr}" for point in points}
    return dict(sorted({**others, **_own().get(group, {})}.items()))


def find(group: str, name: str) -> str | None:
    """The reference of `name` in `group`; None if it is not installed."""
    return _own().get(group, {}).get(name) or every(group).get(name)


def load(reference: str) -> Any:
    """What `reference` refers to; imports its module.

    Raises:
        ModuleNotFoundError: If a package that the module needs is not installed.
    """
    module, _, attribute = reference.partition(":")
    return attrgetter(attribute)(import_module(module))
