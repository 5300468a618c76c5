"""Between messages and domain objects: the only module here that reads or writes messages.

Reading collects every broken rule before it raises; locations are paths of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.trial_messages import divided
from suggestion.earlystopping.rule import MAX_STEP, Threshold
from suggestion.earlystopping.stepwise import Asking
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.locations import Location
from suggestion.problem.parameters import LONGEST_NAME

#: Label of the trial whose next rule is asked for: the number of reports that it has made.
STEP_LABEL: Final = "early-stopping.suggestion.katib.kubeflow.org/step"
GET_OBSERVATION_LOG: Final = "/api.v1.beta1.DBManager/GetObservationLog"

_STEP: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_HOST_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Logged:
    """A trial with an observation log.

    Attributes:
        metric: Name of its objective metric.
        start, completion: As reported; may be empty.
        fingerprint: The serialised status; it differs for a new trial with an old name.
        grows: Whether its log may still grow.
    """

    trial: str
    metric: str
    start: str
    completion: str
    fingerprint: bytes
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What a request for rules says.

    Attributes:
        metric: The objective metric of the trials that the rules are for.
        maximize: Whether larger values of it are better.
        succeeded: The trials that succeeded, each once, by name.
        unfinished: Likewise those that run, were stopped early, or ask.
        asking: The trial whose next rule is asked for; None: rules for the trials created next.
        address: Of the DB manager: ``HOST:PORT``, or empty.
    """

    metric: str
    maximize: bool
    succeeded: tuple[Logged, ...]
    unfinished: tuple[Logged, ...]
    asking: Asking | None
    address: str


def read_request(message: api.GetEarlyStoppingRulesRequest) -> Request:
    """Return what `message` says, apart from the algorithm and its settings.

    Raises:
        Invalid: If the objective is missing, the address is none, or a label of `STEP_LABEL` cannot
            be understood.
    """
    found = Violations()
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
    asking = _asking(message.trials, found)
    address = message.db_manager_address
    if address and not is_address(address):
        text = f"db_manager_address must be HOST:PORT, got {quote(address)}"
        found.append(Violation(("db_manager_address",), text))
    if found:
        raise Invalid(found)
    logged = _logged(divided(message.trials).own, objective.objective_metric_name)
    return Request(
        metric=objective.objective_metric_name,
        maximize=objective.type == api.MAXIMIZE,
        succeeded=tuple(trial for succeeded, trial in logged if succeeded),
        unfinished=tuple(trial for succeeded, trial in logged if not succeeded),
        asking=asking,
        address=address,
    )


def _asking(trials: Sequence[api.Trial], found: list[Violation]) -> Asking | None:
    """Return the trial whose next rule is asked for; add to `found` what is wrong with labels."""
    asking = None
    for index, trial in enumerate(trials):
        text = trial.spec.labels.get(STEP_LABEL)
        if text is None:
            continue
        place = ("trials", index, "spec", "labels", STEP_LABEL)
        if asking is not None:
            rule = f"label {quote(STEP_LABEL)}: one trial may have it, got {quote(asking.trial)}"
            found.append(Violation(place, f"{rule} and {quote(trial.name)}"))
        elif not (_STEP.fullmatch(text) and int(text) <= MAX_STEP):
            rule = f"must be a whole number from 0 to {MAX_STEP}, got {quote(text)}"
            found.append(Violation(place, f"label {quote(STEP_LABEL)} {rule}"))
        elif not trial.name:
            rule = f"the trial with label {quote(STEP_LABEL)} must have a name, got ''"
            found.append(Violation(("trials", index, "name"), rule))
        else:
            asking = Asking(trial.name, int(text))
    return asking


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


_LOGGED: Final = frozenset(
    {api.TrialStatus.SUCCEEDED, api.TrialStatus.EARLYSTOPPED, api.TrialStatus.RUNNING}
)


def _logged(trials: Iterable[api.Trial], metric: str) -> list[tuple[bool, Logged]]:
    """Return the trials that have a log, by name, each with whether it has succeeded."""
    found: dict[str, tuple[bool, str, str, str, bytes, bool]] = {}
    for trial in trials:
        status = trial.status
        asks = STEP_LABEL in trial.spec.labels
        if not (status.condition in _LOGGED or asks) or not trial.name:
            continue
        own = trial.spec.objective.objective_metric_name or metric
        fingerprint = status.SerializeToString(deterministic=True)
        entry = (
            status.condition != api.TrialStatus.SUCCEEDED,
            own,
            status.start_time,
            status.completion_time,
            fingerprint,
            asks or status.condition == api.TrialStatus.RUNNING,
        )
        # Of two trials of one name the same is taken whichever comes first.
        found[trial.name] = min(entry, found.get(trial.name, entry))
    return [(not entry[0], Logged(name, *entry[1:])) for name, entry in sorted(found.items())]


def read_settings(spec: api.EarlyStoppingSpec) -> tuple[RawSetting, ...]:
    """Return the settings of `spec`, in its order."""
    return tuple(RawSetting(item.name, item.value) for item in spec.algorithm_settings)


def read_trial_name(message: api.SetTrialStatusRequest) -> str:
    """Return the trial that `message` is about.

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
    """Return the reply with the rule that stops a trial beyond `threshold`, or without a rule."""
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
