"""Mistakes in the text of a setting, as violations of the request."""

from __future__ import annotations

from typing import Final

from suggestion.engine.settings import Setting
from suggestion.problem.errors import Violation, quote
from suggestion.problem.tokens import Mistake

_KEPT: Final = 60  # characters of a text that a message repeats


def violation(setting: Setting, place: int, text: str, mistake: Mistake) -> Violation:
    """Return a mistake as a violation, with the place in the text of the setting."""
    start = max(mistake.position - _KEPT // 2, 0)
    shown = " ".join(text[start : start + _KEPT].split())
    shown = f"{'...' if start else ''}{shown}{'...' if start + _KEPT < len(text) else ''}"
    return Violation(
        ("settings", place, "value"),
        f"setting {quote(setting.name)}, character {mistake.position + 1} of {quote(shown)}: "
        f"{mistake.rule}",
    )
