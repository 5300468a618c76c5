"""Numbers as users write them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

LONGEST_NUMBER: Final = 100  # characters

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def parse_number(text: str) -> float | None:
    """Return the finite number that `text` writes; None for ``inf``, ``nan``, ``1_000``."""
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def exact(number: str | float | int | Decimal) -> Fraction | None:
    """Return `number` without rounding; None if it is no finite number in the range of floats."""
    text = str(number)
    rounded = parse_number(text)
    if rounded is None:
        return None
    # Below the smallest float a fraction would need a denominator of any size.
    return Fraction(Decimal(text.strip())) if rounded else Fraction(0)
