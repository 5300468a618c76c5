"""Between messages and domain objects: the only module here that reads or writes messages.

Reading collects every broken rule before it raises; locations are paths of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.earlystopping.rule import Threshold
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.locations import Location
from suggestion.problem.parameters import LONGEST_NAME

GET_OBSERVATION_LOG: Final = "/api.v1.beta1.DBManager/GetObservationLog"

_HOST_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Completed:
    """A trial that succeeded.

    Attributes:
        metric: Name of its objective metric.
        start, completion: As reported; may be empty.
        fingerprint: The serialised status; it differs for a new trial with an old name.
    """

    trial: str
    metric: str
    start: str
    completion: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What a request for rules says.

    Attributes:
        metric: The objective metric of the trials created next.
        maximize: Whether larger values of it are better.
        completed: The trials that succeeded, each once, by name.
        address: Of the DB manager: ``HOST:PORT``, or empty.
    """

    metric: str
    maximize: bool
    completed: tuple[Completed, ...]
    address: str


def read_request(message: api.GetEarlyStoppingRulesRequest) -> Request:
    """What `message` says, apart from the algorithm and its settings.

    Raises:
        Invalid: If the objective is missing, or the address is none.
    """
    found: list[Violation] = []
    objective = message.experiment.spec.objective
    path = ("experiment", "spec", "objective")
    if objective.type not in (api.MINIMIZE, api.MAXIMIZE):
        names = dict(zip(api.ObjectiveType.values(), api.ObjectiveType.keys(), strict=True))
        got = f"{names.get(objective.type, 'an undefined value')} ({objective.type})"
        text = f"objective: type must be minimize or maximize, got {got}"
        found.append(Violation((*path, "type"), text))
    if not objective.objective_metric_name:
        text = "objective: the objective metric name must not be empty"
        found.append(Violation((*path, "objective_metric_name"), text))
    # No DB manager has a log under a name with NUL, so asking again would not help.
    for place, name in _names(message):
        if "\0" in name:
            text = f"a name must not have a NUL character, got {quote(name)}"
            found.append(Violation(place, text))
    address = message.db_manager_address
    if address and not is_address(address):
        text = f"db_manager_address must be HOST:PORT, got {quote(address)}"
        found.append(Violation(("db_manager_address",), text))
    if found:
        raise Invalid(found)
    return Request(
        metric=objective.objective_metric_name,
        maximize=objective.type == api.MAXIMIZE,
        completed=_completed(message.trials, objective.objective_metric_name),
        address=address,
    )


def _names(message: api.GetEarlyStoppingRulesRequest) -> Iterator[tuple[Location, str]]:
    """Yield the location and the text of each name by which logs are asked for."""
    own = ("spec", "objective", "objective_metric_name")
    yield ("experiment", *own), message.experiment.spec.objective.objective_metric_name
    for index, trial in enumerate(message.trials):
        yield ("trials", index, "name"), trial.name
        yield ("trials", index, *own), trial.spec.objective.objective_metric_name


def is_address(text: str) -> bool:
    """Return whether `text` is ``HOST:PORT``."""
    match = _HOST_PORT.fullmatch(text)
    return match is not None and 0 < int(match[1]) < 2**16


def _completed(trials: Iterable[api.Trial], metric: str) -> tuple[Completed, ...]:
    found: dict[str, tuple[str, str, str, bytes]] = {}
    for trial in trials:
        status = trial.status
        if status.condition != api.TrialStatus.SUCCEEDED or not trial.name:
            continue
        own = trial.spec.objective.objective_metric_name or metric
        fingerprint = status.SerializeToString(deterministic=True)
        entry = (own, status.start_time, status.completion_time, fingerprint)
        # Of two trials of one name the same is taken whichever comes first.
        found[trial.name] = min(entry, found.get(trial.name, entry))
    return tuple(Completed(name, *found[name]) for name in sorted(found))


def read_settings(spec: api.EarlyStoppingSpec) -> tuple[RawSetting, ...]:
    """The settings of `spec`, in its order."""
    return tuple(RawSetting(item.name, item.value) for item in spec.algorithm_settings)


def read_trial_name(message: api.SetTrialStatusRequest) -> str:
    """The trial that `message` is about.

    Raises:
        Invalid: If the name is empty or too long, or has a NUL character.
    """
    name = message.trial_name
    if not 0 < len(name) <= LONGEST_NAME:
        rule = f"have 1 to {LONGEST_NAME} characters, got {len(name)}"
    elif "\0" in name:
        rule = f"not have a NUL character, got {quote(name)}"
    else:
        return name
    raise Invalid([Violation(("trial_name",), f"trial_name must {rule}")])


def write_reply(
    metric: str, maximize: bool, threshold: Threshold | None
) -> api.GetEarlyStoppingRulesReply:
    """The reply with the rule that stops a trial beyond `threshold`, or without a rule."""
    reply = api.GetEarlyStoppingRulesReply()
    if threshold is not None:
        # No -0.0; and repr, since its reader gets the same float back.
        value = (-threshold.loss if maximize else threshold.loss) + 0.0
        reply.early_stopping_rules.add(
            name=metric,
            value=repr(value),
            comparison=api.LESS if maximize else api.GREATER,
            start_step=threshold.step,
        )
    return reply


# ------------------------------------------------- observation logs, as a client


def write_log_request(trial: str, metric: str, end: str) -> bytes:
    """Asks for the reports of `metric` by `trial` up to the time `end`, or all if it is empty."""
    request = api.GetObservationLogRequest(trial_name=trial, metric_name=metric, end_time=end)
    return request.SerializeToString()


def read_log(raw: bytes, metric: str) -> tuple[Sequence[str], Sequence[str]]:
    """Times and values of the reports of `metric` in a GetObservationLogReply.

    Raises:
        DecodeError: If `raw` is none.
    """
    entries = api.GetObservationLogReply.FromString(raw).observation_log.metric_logs
    chosen = [entry for entry in entries if entry.metric.name == metric]
    return [entry.time_stamp for entry in chosen], [entry.metric.value for entry in chosen]
