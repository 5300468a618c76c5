"""The checks, by subject. Each module registers its own when it is imported."""

from __future__ import annotations

import importlib
from typing import Final

_MODULES: Final = (
    "health",
    "replies",
    "validation",
    "abilities",
    "trials",
    "load",
    "repetition",
    "fidelity",
    "distinctness",
    "priors",
    "learning",
    "earlystopping",
    "rungs",
    "dbmanager",
)


def import_all() -> None:
    """Import every module of checks, in the order of the reports."""
    for module in _MODULES:
        importlib.import_module(f"{__name__}.{module}")


def order(module: str) -> int:
    """Return the place of a module's checks in the reports."""
    return _MODULES.index(module)
