"""Numbers as texts, in Experiment files and in what trials write."""

from __future__ import annotations

import math


def is_number(text: str) -> bool:
    """Return whether `text` is a number everywhere, nan and infinities included."""
    try:
        float(text)
    except ValueError:
        return False
    # Python's own spellings: 1_0 and digits of other scripts are no numbers elsewhere.
    return "_" not in text and text.isascii()


def short(text: str) -> str:
    """Return `text` with five significant digits, if it is a number with a fraction.

    For tables: whole numbers, and what is no number, stay as they are.
    """
    if not is_number(text) or text.strip().lstrip("+-").isdigit():
        return text
    return f"{float(text):.5g}"


def finite(text: str) -> float | None:
    """Return the finite number that `text` holds, or None."""
    value = float(text) if is_number(text) else math.nan
    return value if math.isfinite(value) else None
