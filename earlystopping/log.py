"""A learning curve from an observation log, whatever is in the log.

How each kind of malformed log is handled is written in docs/early-stopping.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from math import nan
from typing import Final

from suggestion.rfc3339 import canonical
from suggestion.space import parse_number

_EARLIEST: Final = ""
#: Part of a trial's duration that holds all reports that a rule looks at, usually.
_OPENING: Final = 1 / 16
_SHORT: Final = 60  # seconds


def opening(start: str, completion: str) -> str:
    """The end of the first sixteenth of a trial, RFC 3339; empty if its times do not tell.

    Rules look at the first reports only, and logs can be long. Of a trial of less than a minute
    the whole log is as good.
    """
    try:
        first, last = (datetime.fromisoformat(canonical(text)) for text in (start, completion))
    except ValueError:
        return ""
    duration = last - first
    if duration.total_seconds() < _SHORT:
        return ""
    return f"{(first + duration * _OPENING).isoformat()}Z"


def read_losses(
    times: Sequence[str], values: Sequence[str], *, maximize: bool, horizon: int
) -> tuple[float, ...]:
    """The first `horizon` losses of a log; none if none of them is finite.

    Args:
        times: RFC 3339, one a report, in the order of the log.
        values: The objective as it was reported, one a report.
        maximize: Whether larger values are better; they are turned round then.
        horizon: How many reports to look at, at least 1.
    """
    if not _in_order(times):
        order = _by_time(times)[:horizon]
        values = [values[index] for index in order]
    sign = -1.0 if maximize else 1.0
    losses = []
    finite = False
    for text in values[:horizon]:
        number = parse_number(text)
        finite = finite or number is not None
        losses.append(nan if number is None else sign * number)
    return tuple(losses) if finite else ()


def _in_order(times: Sequence[str]) -> bool:
    """Whether `times` are certainly in order; a shortcut for what is usual.

    Where all end in ``Z`` and have a ``T`` in its place, text order is time order; what is no
    time at all would keep its place in `_by_time` too.
    """
    if {text[-1:] for text in times} - {"Z"} or {text[10:11] for text in times} - {"T"}:
        return False
    bare = [text[:-1] for text in times]
    return bare == sorted(bare)


def _by_time(times: Sequence[str]) -> list[int]:
    """Indices in order of time, then of the log; what has no time stays behind its predecessor."""
    keys = []
    latest = _EARLIEST
    for text in times:
        with suppress(ValueError):
            latest = canonical(text)
        keys.append(latest)
    return sorted(range(len(times)), key=keys.__getitem__)
