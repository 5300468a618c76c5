"""Numbers as texts, in Experiment files and in what trials write."""

from __future__ import annotations

import math


def is_number(text: str) -> bool:
    """Return whether `text` is a number everywhere, nan and infinities included."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python's own spelling; 1_0 is no number elsewhere


def finite(text: str) -> float | None:
    """Return the finite number that `text` holds, or None."""
    value = float(text) if is_number(text) else math.nan
    return value if math.isfinite(value) else None
