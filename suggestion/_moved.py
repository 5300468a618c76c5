"""Imports of earlier releases: warn once, and name the new place."""

from __future__ import annotations

import warnings


def warn(old: str, *new: str) -> None:
    """Warn the importer of the module `old` that its contents are in the modules `new` now."""
    names = " or ".join(repr(name) for name in new)
    warnings.warn(
        f"module {old!r} is deprecated and will be removed in the next release; import {names}",
        DeprecationWarning,
        stacklevel=3,  # past this function and the module: the line that imports it
    )
