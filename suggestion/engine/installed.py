"""What installed packages register under a name, through entry points."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from operator import attrgetter
from typing import Any, Final

_OURS: Final = __name__.partition(".")[0]


@cache
def every(group: str) -> Mapping[str, str]:
    """Return all references, ``module:attribute``, in `group` by name, in alphabetical order.

    A name of ours stays ours, whatever other packages register.
    """
    points = sorted(
        entry_points(group=group), key=lambda p: p.module.partition(".")[0] == _OURS
    )  # ours last: of two with one name, a dictionary keeps the last
    return dict(sorted({p.name: f"{p.module}:{p.attr}" for p in points}.items()))


def find(group: str, name: str) -> str | None:
    """Return the reference of `name` in `group`; None if it is not installed."""
    return every(group).get(name)


def is_ours(group: str, name: str) -> bool:
    """Return whether `name` in `group` is of this distribution."""
    return (find(group, name) or "").partition(".")[0] == _OURS


def qualified(service: str, name: str, algorithms: Collection[str]) -> str:
    """Return what users call `name` of a service: with the service in front where it is ambiguous.

    Args:
        service: Name of the service: ``earlystopping``.
        name: What the service calls it.
        algorithms: Names that stand for algorithms.
    """
    return f"{service}/{name}" if name in algorithms else name


def load(reference: str) -> Any:
    """Import the module of `reference`, and return the attribute that it refers to.

    Raises:
        ModuleNotFoundError: If a package that the module needs is not installed.
    """
    module, _, attribute = reference.partition(":")
    return attrgetter(attribute)(import_module(module))
