"""Between messages and the storage's rows: the only module here that reads or writes messages.

Reading collects every broken rule before it raises; locations are paths of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.observations.schema import LONGEST_VALUE
from suggestion.observations.storage import Point
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.parameters import LONGEST_NAME
from suggestion.problem.rfc3339 import canonical

_LOG: Final = ("observation_log", "metric_logs")


@dataclass(frozen=True, slots=True)
class Query:
    """What part of a log is asked for; as the arguments of `Storage.read`."""

    trial: str
    metric: str
    start: str
    end: str


def read_trial(name: str) -> str:
    """Return the name of a trial.

    Raises:
        Invalid: If it is none.
    """
    if rule := _name_rule(name):
        raise Invalid([Violation(("trial_name",), f"trial_name {rule}, got {quote(name)}")])
    return name


def read_report(message: api.ReportObservationLogRequest) -> tuple[str, list[Point]]:
    """Return the trial and its points, in the order of `message`; a missing time is empty.

    Raises:
        Invalid: With every broken rule.
    """
    found = Violations()
    try:
        read_trial(message.trial_name)
    except Invalid as error:
        found += error.violations
    points: list[Point] = []
    # Metrics repeat with every point, and times with every metric.
    good_names: set[str] = set()
    times: dict[str, str] = {"": ""}
    for index, entry in enumerate(message.observation_log.metric_logs):
        metric = entry.metric
        name, value, written = metric.name, metric.value, entry.time_stamp
        if name not in good_names:
            if rule := _name_rule(name):
                path = (*_LOG, index, "metric", "name")
                found.append(Violation(path, f"metric name {rule}, got {quote(name)}"))
            else:
                good_names.add(name)
        if len(value) > LONGEST_VALUE or "\0" in value:
            rule = f"must have at most {LONGEST_VALUE} characters, and no NUL"
            path = (*_LOG, index, "metric", "value")
            got = f"{len(value)} characters" if len(value) > LONGEST_VALUE else quote(value)
            found.append(Violation(path, f"value of metric {quote(name)} {rule}, got {got}"))
        time = times.get(written)
        if time is None:
            try:
                time = times[written] = canonical(written)
            except ValueError as error:
                text = f"time_stamp of metric {quote(name)} {error}, got {quote(written)}"
                found.append(Violation((*_LOG, index, "time_stamp"), text))
                continue
        points.append((time, name, value))
    if found:
        raise Invalid(found)
    return message.trial_name, points


def read_query(message: api.GetObservationLogRequest) -> Query:
    """Return what `message` asks for.

    Raises:
        Invalid: With every broken rule.
    """
    found: list[Violation] = []
    try:
        read_trial(message.trial_name)
    except Invalid as error:
        found += error.violations
    if message.metric_name and (rule := _name_rule(message.metric_name)):
        text = f"metric_name {rule}, got {quote(message.metric_name)}"
        found.append(Violation(("metric_name",), text))
    limits = {}
    for field in ("start_time", "end_time"):
        written = getattr(message, field)
        try:
            limits[field] = canonical(written) if written else ""
        except ValueError as error:
            found.append(Violation((field,), f"{field} {error}, got {quote(written)}"))
    if found:
        raise Invalid(found)
    return Query(message.trial_name, message.metric_name, limits["start_time"], limits["end_time"])


def _name_rule(name: str) -> str:
    """The rule that `name` breaks, if any."""
    if not name:
        return "must not be empty"
    if len(name) > LONGEST_NAME:
        return f"must have at most {LONGEST_NAME} characters"
    return "must not have a NUL character" if "\0" in name else ""


def write_log(points: Iterable[Sequence[str]]) -> bytes:
    """Return a GetObservationLogReply with `points`, encoded.

    Encoded replies can be joined: the reply that they make holds the points of each in turn.
    """
    reply = api.GetObservationLogReply()
    add = reply.observation_log.metric_logs.add
    for time, name, value in points:
        entry = add()
        entry.time_stamp = f"{time}Z"
        metric = entry.metric
        metric.name = name
        metric.value = value
    return reply.SerializeToString()
