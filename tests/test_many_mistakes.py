"""Requests of many small mistakes: to describe all of them would take more memory than there is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from suggestion.api.http import transcoding
from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.dbmanager_messages import read_report
from suggestion.api.v1beta1.earlystopping_messages import read_request
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.api.v1beta1.trial_messages import STUDY_LABEL
from suggestion.engine import prior_trials
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import NEVER
from suggestion.problem.errors import MOST_VIOLATIONS, Invalid
from suggestion.problem.space import MOST_ENTRIES, MOST_PARAMETERS
from tests.support.requests import ask_for, categorical, double, experiment, integer

MANY = MOST_VIOLATIONS + 500


def _suggest(message: api.Experiment) -> None:
    service = SuggestionService(algorithms())
    service.get_suggestions(ask_for(message), Call(NEVER))


def _settings() -> None:
    message = experiment()
    for _ in range(MANY):
        message.spec.algorithm.algorithm_settings.add(name="a", value="1")
    _suggest(message)


def _initial_points(entry: str) -> None:
    _suggest(experiment(settings={"initial_points": f"[{{{','.join([entry] * MANY)}}}]"}))


def _parameters() -> None:
    _suggest(experiment(parameters=[integer("", "2", "1") for _ in range(MANY)]))


def _report() -> None:
    message = api.ReportObservationLogRequest(trial_name="t")
    for _ in range(MANY):
        message.observation_log.metric_logs.add()
    read_report(message)


def _early_stopping() -> None:
    message = api.GetEarlyStoppingRulesRequest()
    for _ in range(MANY):
        message.trials.add(name="\0")
    read_request(message)


def _labels() -> None:
    request = ask_for(experiment())
    for _ in range(MANY):
        request.trials.add().spec.labels[STUDY_LABEL] = ""
    SuggestionService(algorithms()).get_suggestions(request, Call(NEVER))


def _prior_trials() -> None:
    entry = {"parameters": {f"p{k}": [[1]] for k in range(20)}, "values": [1]}
    text = json.dumps({f"s{k}": entry for k in range(100)})
    prior_trials.read({"prior_trials": (0, text)})


def _json() -> None:
    names = ",".join(f'"k{k}": 1' for k in range(MANY))
    transcoding.read(f"{{{names}}}".encode(), api.GetSuggestionsRequest)


@pytest.mark.parametrize(
    "send",
    [
        _settings,
        lambda: _initial_points('"nobody": 1'),
        lambda: _initial_points('"lr": 0.01'),
        _parameters,
        lambda: _suggest(experiment(parameters=[categorical("c", *[""] * MANY)])),
        lambda: _suggest(experiment("grid", [double(f"x{k}", "0", "1") for k in range(MANY)])),
        _report,
        _early_stopping,
        _labels,
        _prior_trials,
        _json,
    ],
    ids=[
        *("settings", "unknown-initial", "initial-twice", "parameters", "entries", "grid"),
        *("report", "early-stopping", "labels", "prior-trials", "json"),
    ],
)
def test_only_so_many_mistakes_are_described(send: Callable[[], None]) -> None:
    with pytest.raises(Invalid) as refused:
        send()
    assert MOST_VIOLATIONS <= len(refused.value.violations) <= MOST_VIOLATIONS + 2


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        (
            lambda: [integer(f"x{k}", "0", "9") for k in range(MOST_PARAMETERS + 1)],
            f"the search space must have at most {MOST_PARAMETERS} parameters, got 5001",
        ),
        (
            lambda: [categorical("c", *map(str, range(MOST_ENTRIES))), categorical("d", "e")],
            f"the lists of the search space must have at most {MOST_ENTRIES} entries together, "
            f"got 20001",
        ),
    ],
    ids=["parameters", "entries"],
)
def test_a_space_has_a_largest_size(
    parameters: Callable[[], list[api.ParameterSpec]], rule: str
) -> None:
    with pytest.raises(Invalid) as refused:
        _suggest(experiment(parameters=parameters()))
    assert [v.description for v in refused.value.violations] == [rule]
