"""Requests to servers, written from the state, and replies read: the client's side of v1beta1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.earlystopping_messages import STEP_LABEL
from suggestion.client import replies
from suggestion.client.replies import BadReply
from suggestion.controller.events import Suggestion
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report
from suggestion.controller.rules import EQUAL, GREATER, LESS, Rule
from suggestion.controller.trials import Condition, Trial
from suggestion.engine.declared import PRIOR_TRIALS

_CONDITIONS: Final = {
    Condition.CREATED: api.TrialStatus.CREATED,
    Condition.RUNNING: api.TrialStatus.RUNNING,
    Condition.SUCCEEDED: api.TrialStatus.SUCCEEDED,
    Condition.KILLED: api.TrialStatus.KILLED,
    Condition.FAILED: api.TrialStatus.FAILED,
    Condition.METRICS_UNAVAILABLE: api.TrialStatus.METRICSUNAVAILABLE,
    Condition.EARLY_STOPPED: api.TrialStatus.EARLYSTOPPED,
}
_COMPARISONS: Final = {api.EQUAL: EQUAL, api.LESS: LESS, api.GREATER: GREATER}


def experiment(state: Experiment) -> api.Experiment:
    """Write the experiment, with what it learns from, and settings of replies laid over its own."""
    message = wire.write_experiment(state.document)
    settings = message.spec.algorithm.algorithm_settings
    if PRIOR_TRIALS.name in state.options:
        settings.add(name=PRIOR_TRIALS.name, value=state.options[PRIOR_TRIALS.name])
    for name, value in state.overlay.items():
        known = next((setting for setting in settings if setting.name == name), None)
        if known is None:
            settings.add(name=name, value=value)
        else:
            known.value = value
    return message


def settings(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the algorithm settings of an Experiment document."""
    given = document["spec"]["algorithm"].get("algorithmSettings") or ()
    return {setting["name"]: setting["value"] for setting in given}


def trial(state: Trial, objective: Objective) -> api.Trial:
    """Write a trial as servers see it: without its labels, which stay with its object."""
    message = api.Trial(name=state.name)
    spec = message.spec
    spec.objective.type = api.MAXIMIZE if objective.maximize else api.MINIMIZE
    spec.objective.goal = objective.goal or 0
    spec.objective.objective_metric_name = objective.metric
    spec.objective.additional_metric_names.extend(objective.additional)
    for name, value in state.assignment.items():
        spec.parameter_assignments.assignments.add(name=name, value=value)
    status = message.status
    status.condition = _CONDITIONS[state.condition]
    status.start_time = seconds(state.started)
    status.completion_time = seconds(state.completed)
    if not state.condition.active:
        for name, value in objective.observed(state.series):
            status.observation.metrics.add(name=name, value=value)
    return message


def seconds(moment: str) -> str:
    """Return an RFC 3339 time as objects in a cluster have it: to the second."""
    return f"{moment.partition('.')[0].removesuffix('Z')}Z" if moment else ""


class Requests:
    """Requests for suggestions: what has not changed is written once, and sent with all later ones.

    That is a finished trial, and the experiment until users or replies change it.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._history = api.GetSuggestionsRequest()
        self._written: Experiment | None = None  # what the history has as its experiment

    def _written_with(self, state: Experiment) -> api.GetSuggestionsRequest:
        """Return the history, with `state` as its experiment."""
        if state is not self._written:
            self._written = state
            self._history.experiment.CopyFrom(experiment(state))
        return self._history

    def remember(self, finished: Trial) -> None:
        """Write a finished trial, if servers are told of such."""
        if finished.condition is Condition.METRICS_UNAVAILABLE:
            return
        stopped = finished.condition is Condition.EARLY_STOPPED
        if stopped and not self._objective.available(finished.series):
            return
        self._history.trials.append(trial(finished, self._objective))

    def write(
        self, state: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> api.GetSuggestionsRequest:
        """Write the request for `count` suggestions.

        Args:
            active: The trials that are not finished.
            total: Suggestions ever asked for, these included.
        """
        request = api.GetSuggestionsRequest()
        request.CopyFrom(self._written_with(state))
        request.trials.extend(trial(one, self._objective) for one in active)
        request.current_request_number = count
        request.total_request_number = total
        return request

    def write_rules(
        self, state: Experiment, active: Iterable[Trial], asking: str, step: int
    ) -> api.GetEarlyStoppingRulesRequest:
        """Write the request for the next rules of a running trial, without the DBManager's address.

        Args:
            active: The trials that are not finished, the one that asks included.
            asking: Its name.
            step: Number of reports that it has made.
        """
        known = self._written_with(state)
        request = api.GetEarlyStoppingRulesRequest(experiment=known.experiment, trials=known.trials)
        for one in active:
            message = trial(one, self._objective)
            if one.name == asking:
                message.spec.labels[STEP_LABEL] = str(step)
            request.trials.append(message)
        return request


def ask_for_fewer(request: api.GetSuggestionsRequest) -> bool:
    """Ask for one suggestion less; return False if only one was asked for."""
    if request.current_request_number == 1:
        return False
    request.current_request_number -= 1
    request.total_request_number -= 1
    return True


def rules_request(
    request: api.GetSuggestionsRequest, db_manager: str
) -> api.GetEarlyStoppingRulesRequest:
    """Write the request for the rules of the trials that come of `request`."""
    return api.GetEarlyStoppingRulesRequest(
        experiment=request.experiment, trials=request.trials, db_manager_address=db_manager
    )


def read_suggestions(
    reply: api.GetSuggestionsReply, count: int, parameters: Sequence[str]
) -> list[Suggestion]:
    """Read the suggestions of a reply; see `replies.read_suggestions`."""
    return [
        Suggestion(entry.assignment, entry.name, entry.labels)
        for entry in replies.read_suggestions(reply, count, parameters)
    ]


def read_settings(reply: api.GetSuggestionsReply) -> dict[str, str]:
    """Read the settings to lay over the experiment's own."""
    return {setting.name: setting.value for setting in reply.algorithm.algorithm_settings}


def read_rules(reply: Any) -> list[Rule]:
    """Read the early-stopping rules of a reply.

    Raises:
        BadReply: If a value is no number, or the comparison unknown.
    """
    rules = []
    for rule in reply.early_stopping_rules:
        try:
            value = float(rule.value)
            comparison = _COMPARISONS[rule.comparison]
        except (ValueError, KeyError) as error:
            raise BadReply(f"an early-stopping rule cannot be read: {error}") from error
        rules.append(Rule(rule.name, value, comparison, rule.start_step))
    return rules


def report(name: str, reports: Sequence[Report]) -> api.ReportObservationLogRequest:
    """Write one batch of a trial's reports."""
    request = api.ReportObservationLogRequest(trial_name=name)
    log = request.observation_log.metric_logs
    for entry in reports:
        log.add(time_stamp=entry.time, metric=api.Metric(name=entry.metric, value=entry.value))
    return request


def read_log(reply: api.GetObservationLogReply, metrics: Mapping[str, Any]) -> list[Report]:
    """Read what the DBManager has of a trial, of the metrics in `metrics`."""
    return [
        Report(entry.metric.name, entry.metric.value, entry.time_stamp)
        for entry in reply.observation_log.metric_logs
        if entry.metric.name in metrics
    ]
