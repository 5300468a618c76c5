"""Distinct points for the workers of one storage, which share nothing else.

Each worker writes the point of its trial as a claim, reads the claims of the others, and confirms
its own or takes another point. Every worker writes before it reads, so that of two with one point
at least one sees the other; `decide` then leaves the point to one of them:

- a confirmed claim stays;
- of two that are not confirmed, the one with the higher number gives way at once, and the other
  waits until it has: the former may have read before the latter wrote, and confirm.

A worker that has died waiting holds up one that wants its very point until that gives way, too.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A point that a worker has written.

    Attributes:
        number: Of its trial.
        confirmed: Whether the worker keeps it.
    """

    number: int
    texts: Mapping[str, str]
    confirmed: bool


class Decision(enum.Enum):
    """What a worker does with a point that it has claimed."""

    CONFIRM = enum.auto()
    WAIT = enum.auto()
    GIVE_WAY = enum.auto()


def decide(number: int, texts: Mapping[str, str], others: Iterable[Claim]) -> Decision:
    """Return what the worker of trial `number` does, which has claimed the point `texts`.

    Args:
        others: The claims of all other workers, read after it wrote its own.
    """
    rivals = [other for other in others if other.texts == texts]
    if not rivals:
        return Decision.CONFIRM
    if any(rival.confirmed or rival.number < number for rival in rivals):
        return Decision.GIVE_WAY
    return Decision.WAIT
