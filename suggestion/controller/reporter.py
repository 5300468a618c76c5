"""What a trial's reports come to: times, aggregates, early stopping, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from suggestion.controller.moments import parse, rfc3339
from suggestion.controller.observation import Objective, Report, Series, number
from suggestion.controller.rules import Rule, Watch
from suggestion.controller.trials import Trial

#: A trial that reports more than this is judged by all of it, but only so much is kept.
MOST_REPORTS: Final = 100_000
_TICK: Final = timedelta(microseconds=1)
#: Before any report.
NEVER: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Digest:
    """What some reports of a trial come to.

    Attributes:
        trial: The trial with its new aggregates.
        kept: The reports that are stored and delivered, each with its time.
        last: Time of the latest report.
        fired: Whether the last of the trial's early-stopping rules has fired.
        full: Whether these are the first reports of which some are not kept.
    """

    trial: Trial
    kept: Sequence[Report]
    last: datetime
    fired: bool
    full: bool


def digest(
    trial: Trial,
    reports: Sequence[Report],
    objective: Objective,
    now: datetime,
    last: datetime,
    known: int,
    asks: bool = False,
) -> Digest:
    """Add `reports` to what `trial` has reported.

    A report without a time gets `now`, or a microsecond more than the report before it: the order
    of reporting is kept whatever the clocks do.

    Args:
        last: Time of the report before these.
        known: Number of reports that are stored already.
        asks: Whether the early-stopping server is asked for further rules.
    """
    stamped = []
    series = dict(trial.series)
    watch = _watch(trial, objective, asks)
    fired = False
    for report in reports:
        last = parse(report.time) or max(now, _after(last))
        time = rfc3339(last)
        stamped.append(Report(report.metric, report.value, time))
        series[report.metric] = series.get(report.metric, Series()).plus(report.value, time)
        fired = watch.report(report.metric, number(report.value)) or fired
    room = max(MOST_REPORTS - known, 0)
    changed = replace(trial, series=series, watch=watch.dump())
    return Digest(changed, stamped[:room], last, fired, len(stamped) > room > 0)


def _after(moment: datetime) -> datetime:
    """Return the microsecond after `moment`; the calendar has a last one."""
    return moment if moment == _LAST else moment + _TICK


def asks_at(trial: Trial, objective: Objective) -> int | None:
    """Return the number of reports at which a trial's next rules are to be asked for, if now."""
    if trial.watch is None:
        return None
    watch = _watch(trial, objective)
    return watch.count if watch.due else None


def answered(
    trial: Trial, objective: Objective, step: int, rules: Sequence[Rule]
) -> tuple[Trial, bool]:
    """Return the trial with its next rules, and whether the last of them has fired at once."""
    watch = _watch(trial, objective)
    fired = watch.answer(step, rules)
    return replace(trial, watch=watch.dump()), fired


def _watch(trial: Trial, objective: Objective, asks: bool = False) -> Watch:
    if trial.watch is None:
        rules = [Rule(*fields) for fields in trial.rules]
        return Watch.over(rules, objective.metric, objective.maximize, asks)
    return Watch.load(trial.watch, objective.metric, objective.maximize)
