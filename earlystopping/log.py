"""Read a learning curve from an observation log, whatever is in the log.

docs/early-stopping.md says how each kind of unusual log is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from math import nan
from typing import Final

from suggestion.problem.numbers import parse_number
from suggestion.problem.rfc3339 import canonical

_EARLIEST: Final = ""
#: Share of a trial's duration that usually holds all reports that a rule reads.
_OPENING: Final = 1 / 16
_SHORT: Final = 60  # seconds


def opening(start: str, completion: str) -> str:
    """Return the end of the first sixteenth of a trial, RFC 3339; empty if its times are unknown.

    Rules read only the first reports, and logs can be long. For a trial of less than a minute the
    whole log is read.
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
    """Return the first `horizon` losses of a log, or none if none of them is finite.

    Args:
        times: RFC 3339 times of the reports, in the order of the log.
        values: Values of the objective as they were reported.
        maximize: Whether larger values are better; losses are then negated.
        horizon: Number of reports to read, at least 1.
    """
    if not _in_order(times):
        order = by_time(times)[:horizon]
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
    """Whether `times` are certainly in order; a shortcut for the usual case.

    If all end in ``Z`` and have a ``T`` in its place, the order of the texts is that of the times;
    a text that is not a time would keep its place in `by_time` too.
    """
    if {text[-1:] for text in times} - {"Z"} or {text[10:11] for text in times} - {"T"}:
        return False
    bare = [text[:-1] for text in times]
    return bare == sorted(bare)


def by_time(times: Sequence[str]) -> list[int]:
    """Return indices of reports in order of time, then of the log.

    A text that is not a time follows its predecessor.
    """
    keys = []
    latest = _EARLIEST
    for text in times:
        with suppress(ValueError):
            latest = canonical(text)
        keys.append(latest)
    return sorted(range(len(times)), key=keys.__getitem__)
