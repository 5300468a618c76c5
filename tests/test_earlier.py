"""Earlier studies: how they are read, what of them counts, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.trial_messages import STUDY_LABEL, divided, read_earlier
from suggestion.engine import prior_trials
from suggestion.problem.conditions import When
from suggestion.problem.earlier import EarlierStudy, EarlierTrial, studies
from suggestion.problem.errors import Invalid
from suggestion.problem.expressions import parse
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace
from tests.support.cases import validate
from tests.support.requests import CONDITION, ask_for, double, experiment, trial
from tests.support.servers import serving

SPACE = SearchSpace(
    (
        Double("lr", "1e-4", "1e-1", None, Distribution.LOG_UNIFORM),
        Double("decay", "0", "1", "0.25"),
        Int("units", "16", "64", "16"),
        Discrete("batch", ("32", "64")),
        Categorical("optimizer", ("adam", "sgd")),
        Double("momentum", "0", "1"),
    ),
)
PROBLEM = Problem("now", SPACE, (Metric("loss"),))


def earlier(*rows: tuple[dict[str, str], float | None], **fields: Any) -> EarlierStudy:
    return EarlierStudy("before", [EarlierTrial(*row) for row in rows], **fields)


def test_a_study_has_a_space_of_its_own_that_holds_all_its_values() -> None:
    (study,) = studies(
        [
            earlier(
                ({"lr": "1e-6", "decay": "0.3", "units": "100", "batch": "16"}, 1.0),
                ({"lr": "1", "decay": "2", "units": "7", "batch": "6.4e1"}, 2.0),
                ({"lr": "0", "optimizer": "lion", "width": "3"}, 3.0),
            )
        ],
        PROBLEM,
    )
    assert study.space.parameters == (
        Double("lr", 1e-6, 1, None, Distribution.LOG_UNIFORM),
        Double("decay", 0, 2),
        Int("units", 7, 100),
        Discrete("batch", ("32", "64", "16")),
        Categorical("optimizer", ("adam", "sgd", "lion")),
    )
    assert study.observations == ()  # none has a value of every parameter
    values = [dict(each.assignment) for each in study.out_of_space]
    assert {"lr": 1e-6, "decay": 0.3, "units": 100, "batch": 16.0} in values
    assert {"lr": 1.0, "decay": 2.0, "units": 7, "batch": 64.0} in values
    assert {"optimizer": "lion"} in values  # 0 is no learning rate


def test_conditions_hold_between_the_parameters_that_both_have() -> None:
    names = {"optimizer": ("adam", "sgd"), "momentum": None}
    (claim,) = parse("optimizer == 'sgd'", names)
    space = SearchSpace(SPACE.parameters[4:], (When("momentum", claim),))
    problem = Problem("now", space, (Metric("loss"),))
    both = ({"optimizer": "adam", "momentum": "0"}, 1.0), ({"optimizer": "sgd"}, 2.0)
    (study,) = studies([earlier(*both)], problem)
    (complete,) = study.observations
    assert complete.assignment == {"optimizer": "adam"}  # momentum was a placeholder
    (alone,) = studies([earlier(({"momentum": "0.5"}, 1.0))], problem)
    assert alone.space.conditions == ()


def test_failed_trials_stay_failed_and_the_goal_is_the_study_s_own() -> None:
    rows = ({"lr": "0.01"}, 0.9), ({"lr": "0.001"}, 0.1), ({"lr": "0.1"}, None)
    (study,) = studies([earlier(*rows, goal=Goal.MAXIMIZE)], PROBLEM)
    assert study.losses[:, 0].tolist() == [-0.1, -0.9]
    assert len(study.failed) == 1
    (plain,) = studies([earlier(*rows)], PROBLEM)
    assert plain.losses[:, 0].tolist() == [0.1, 0.9]


def test_metrics_of_the_problem_are_kept() -> None:
    metrics = (Metric("loss"), Metric("size"), Metric("memory", role=Role.CONSTRAINT, bound=1.0))
    told = {"size": 3.0, "memory": 0.5, "other": 1.0}
    trial = EarlierTrial({"lr": "0.01"}, 0.9, metrics=told)
    (study,) = studies([EarlierStudy("before", [trial])], Problem("now", SPACE, metrics))
    (seen,) = study.observations or study.evaluated
    assert seen.metrics == {"loss": 0.9, "size": 3.0, "memory": 0.5}
    assert study.problem.objectives == metrics[:1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([earlier()], "earlier study 'before': must have a trial with a value of the objective"),
        ([earlier(({"lr": "0.1"}, None))], "got 1 without"),
        ([earlier(({"x": "0.1", "y": "2"}, 1.0))], "must have values that fit a parameter"),
        ([earlier(({"lr": "no"}, 1.0))], "must have values that fit a parameter"),
        ([earlier(({"lr": "0.1"}, None), ({"x": "1"}, 1.0))], "must have values that fit"),
        (
            [earlier(*[({"optimizer": f"o{k}", "batch": str(k)}, 1.0) for k in range(10_000)])],
            "earlier study 'before': the lists of the search space must have at most 20000 entries "
            "together, got 20002",
        ),
        ([earlier(({"lr": "0.1"}, 1.0))] * 2, "names of earlier studies must differ"),
        ([earlier(({"lr": "0.1"}, 1.0))] * 101, "there must be at most 100 of them, got 101"),
        ([earlier(*[({"lr": "0.1"}, 1.0)] * 10_001)], "at most 10000 of all studies, got 10001"),
    ],
)
def test_what_teaches_nothing_is_refused(given: list[EarlierStudy], expected: str) -> None:
    with pytest.raises(Invalid) as error:
        studies(given, PROBLEM)
    assert expected in str(error.value)


# --------------------------------------------------------------------- the setting


def test_the_setting_is_read_as_it_is_written() -> None:
    given = [
        earlier(({"lr": "0.01", "optimizer": "sgd"}, 0.5), ({"lr": "1e-3"}, None)),
        EarlierStudy("other", [EarlierTrial({"`x`": "größer"}, -1e300)], Goal.MAXIMIZE),
        EarlierStudy(
            "more",
            [
                EarlierTrial({"lr": "1"}, 1.0, metrics={"memory": 8e9}),
                EarlierTrial({"lr": "2"}, 2.0, metrics={"latency": 0.5}),
            ],
        ),
    ]
    text = prior_trials.write(given)
    read = prior_trials.read({"prior_trials": (3, text)})
    assert [(s.name, s.goal, list(s.trials)) for s in read] == [
        (s.name, s.goal, list(s.trials)) for s in given
    ]
    assert read[0].location == ("settings", 3, "value")


SOUND = {"parameters": {"lr": [0.1, "0.01"]}, "values": [1, 2.5]}
CASES = [
    ("", "must not be empty"),
    ("[1", "must be a JSON object of studies: Expecting"),
    ("[" * 100_000, "must be a JSON object of studies: it is nested too deeply, got '[["),
    ("[" * 300_000, "must hold at most 200000 lists and objects, got 300000"),
    (" " * 4_000_000 + "{}", "must have at most 4000000 characters, got 4000002"),
    ("[]", "must be a JSON object of studies, got '[]'"),
    ("{}", "must hold a study, got {}"),
    (json.dumps({"a": 1}), "study 'a': must be an object with 'parameters', 'values', got '1'"),
    (json.dumps({"a": {}}), "study 'a': must have 'parameters', got none"),
    (json.dumps({"a": {"value": []}}), "got 'value'; did you mean 'values'?"),
    (json.dumps({"a": {**SOUND, "goal": "max"}}), "goal must be minimize or maximize, got 'max'"),
    (json.dumps({"": SOUND}), "study '': its name must have 1 to 253 characters, got 0"),
    (json.dumps({"a": {**SOUND, "values": [1]}}), "'lr' must have as many entries as there are"),
    (json.dumps({"a": {**SOUND, "values": [1, float("nan")]}}), "value 2 must be a finite number"),
    (json.dumps({"a": {**SOUND, "values": [True, 1]}}), "value 1 must be a finite number, or null"),
    (json.dumps({"a": {**SOUND, "values": "12"}}), "values must be a list of numbers, got '12'"),
    (json.dumps({"a": {**SOUND, "parameters": {"lr": [[], 1]}}}), "entry 1 must be a finite"),
    (json.dumps({"a": {**SOUND, "parameters": {"lr": 3}}}), "'lr' must have a list of values"),
    (
        json.dumps({"a": {**SOUND, "goal": {"a": 1}}}),
        "minimize or maximize, got an object",
    ),
    (json.dumps({"a": {**SOUND, "metrics": [1]}}), "metrics must be an object of lists by name"),
    (json.dumps({"a": {**SOUND, "metrics": {"m": [1]}}}), "metric 'm' must have as many entries"),
    (json.dumps({"a": {**SOUND, "metrics": {"m": 3}}}), "metric 'm': values must be a list"),
    (json.dumps({"a": {**SOUND, "metrics": {"m": ["1", 2]}}}), "metric 'm': value 1 must be a"),
    ('{"a": {"metrics": {"m": [], "m": []}}}', "a metric must not be named twice, got 'm'"),
    (json.dumps({"a": {**SOUND, "parameters": [1]}}), "parameters must be an object of lists"),
    ('{"a": {"parameters": {"lr": [1e999]}, "values": [1]}}', "entry 1 must be a finite number"),
    ('{"a": {"parameters": {"lr": [1], "lr": [2]}, "values": [1]}}', "must not be named twice"),
    ('{"a": {"values": [1], "values": [1]}}', "a name must not come twice, got 'values'"),
    (f'{{"a": {{"parameters": {{"lr": [{"9" * 5000}]}}, "values": [1]}}}}', "too many digits, got"),
    (f'{{"a": {{"parameters": {{"lr": [1]}}, "values": [{"9" * 400}]}}}}', "value 1 must be"),
    (json.dumps({str(k): SOUND for k in range(101)}), "must hold at most 100 studies, got 101"),
    (json.dumps({"a": {"parameters": {"x": [1]}, "values": [1]}}), "must have values that fit"),
    ('{"a": {"parameters": {"lr": [1]}, "values": [1]}, "a": {}}', "must have 'parameters'"),
]


@pytest.mark.parametrize(
    ("text", "expected"), CASES, ids=[f"{k}: {expected}" for k, (_, expected) in enumerate(CASES)]
)
def test_what_is_wrong_with_the_setting_is_refused_by_name(text: str, expected: str) -> None:
    message = experiment("random", [double("lr", "0", "1")], settings={"prior_trials": text})
    with pytest.raises(Invalid) as error:
        validate(message)
    refused = [violation.description for violation in error.value.violations]
    assert any(expected in rule for rule in refused), refused
    assert all(
        rule.startswith(("setting 'prior_trials'", "algorithm 'random'")) for rule in refused
    )
    assert all(len(rule) < 400 for rule in refused)


def test_all_that_is_wrong_is_refused_at_once() -> None:
    given = {
        "a": {"parameters": {"lr": [None, True], "x": 1}, "values": [1, "2"], "goals": 1},
        "b": {"parameters": {}, "values": [1]},
    }
    message = experiment(
        "random", [double("lr", "0", "1")], settings={"prior_trials": json.dumps(given)}
    )
    with pytest.raises(Invalid) as error:
        validate(message)
    rules = [v.description.partition("study ")[2] for v in error.value.violations]
    assert [rule[:26] for rule in rules] == [
        "'a': has 'parameters', 'va",
        "'a': value 2 must be a fin",
        "'a': parameter 'lr', entry",
        "'a': parameter 'x' must ha",
        "'b': parameters must be an",
    ]


# ------------------------------------------------------------------ labelled trials


def labelled(name: str, study: str, **objective: Any) -> api.Trial:
    message = trial(name, {"lr": "0.1"}, "0.5")
    message.spec.labels[STUDY_LABEL] = study
    if objective:
        message.spec.objective.CopyFrom(api.ObjectiveSpec(**objective))
    return message


def test_labelled_trials_are_studies_by_name_and_no_trials_of_the_experiment() -> None:
    failed = labelled("c", "two")
    failed.status.condition = CONDITION.FAILED
    running = labelled("d", "two")
    running.status.condition = CONDITION.RUNNING
    mine = trial("mine", {"lr": "0.2"})
    message = experiment("random", [double("lr", "0", "1")])
    request = ask_for(message, 3, 0, [labelled("a", "one"), labelled("b", "two"), mine, failed])
    request.trials.append(running)
    trials = divided(request.trials)
    assert list(trials.own) == [mine]
    assert wire.read_count(request, len(trials.own)) == (3, 1)
    assert divided(request.trials, request.SerializeToString()) == trials
    read = read_earlier(trials.earlier, message.spec.objective)
    assert [(s.name, [(t.name, t.value) for t in s.trials]) for s in read] == [
        ("one", [("a", 0.5)]),
        ("two", [("b", 0.5), ("c", None)]),
    ]


def test_labelled_trials_tell_the_metrics_of_the_experiment() -> None:
    message = labelled("a", "one")
    for name in ("memory", "other"):
        message.status.observation.metrics.add(name=name, value="3")
    objective = api.ObjectiveSpec(objective_metric_name="loss", additional_metric_names=["memory"])
    (read,) = read_earlier([(0, message)], objective)
    assert [(t.value, t.metrics) for t in read.trials] == [(0.5, {"memory": 3.0})]


def test_a_labelled_trial_with_another_metric_has_its_own_goal() -> None:
    other = labelled("a", "one", objective_metric_name="acc", type=api.MAXIMIZE)
    other.status.observation.metrics[0].name = "acc"
    objective = api.ObjectiveSpec(objective_metric_name="loss", type=api.MINIMIZE)
    (read,) = read_earlier([(0, other)], objective)
    assert (read.goal, read.trials[0].value) == (Goal.MAXIMIZE, 0.5)
    same = labelled("b", "one", objective_metric_name="loss", type=api.MAXIMIZE)
    assert read_earlier([(0, same)], objective)[0].goal is None
    with pytest.raises(Invalid, match="earlier study 'one': its trials must have one goal"):
        read_earlier([(0, other), (1, same)], objective)
    with pytest.raises(Invalid, match="trial 'c': label 'suggestion/study' must name a study"):
        read_earlier([(0, labelled("c", ""))], objective)


def test_a_server_finds_labelled_trials_in_what_came() -> None:
    request = ask_for(experiment("random", [double("lr", "0", "1")]), 1, 0, [labelled("a", "one")])
    with serving("random") as server, pytest.raises(grpc.RpcError) as caught:
        server.stub.GetSuggestions(request, timeout=60)
    assert "earlier studies to learn from" in (caught.value.details() or "")
