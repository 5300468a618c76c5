"""Several objectives and constraints on metrics, as settings of every algorithm."""

from __future__ import annotations

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.trial_messages import read_trials
from suggestion.engine.algorithm import Ability, algorithms
from suggestion.problem.errors import Invalid
from suggestion.problem.problem import Goal, Metric, Role
from tests.support.cases import NAMES, case_of, prepare, suggest, validate
from tests.support.play import LATTICE
from tests.support.requests import CONDITION, ask_for, double, experiment, points_of, trial

SPACE = (double("x", "0", "1"), double("y", "0", "1"))
ADDITIONAL = ("memory", "val-acc", "latency")
BOTH = {
    "objectives": "latency: minimize; val-acc: maximize",
    "metric_constraints": "memory <= 8e9; 0.1 < latency < 0.2",
}


def asked(name: str = "random", **settings: str) -> api.Experiment:
    message = experiment(name, SPACE, settings=settings)
    message.spec.objective.additional_metric_names.extend(ADDITIONAL)
    return message


def refusals(message: api.Experiment) -> list[str]:
    with pytest.raises(Invalid) as error:
        validate(message)
    return [violation.description for violation in error.value.violations]


def able(ability: Ability) -> list[str]:
    return [name for name in NAMES if ability in getattr(algorithms().load(name), "abilities", ())]


def test_settings_declare_roles_of_additional_metrics() -> None:
    problem = prepare(asked(**BOTH)).problem
    assert problem.objectives == (
        Metric("loss"),
        Metric("latency"),
        Metric("val-acc", Goal.MAXIMIZE),
    )
    assert problem.constraints == (
        Metric("memory", Goal.MINIMIZE, Role.CONSTRAINT, 8e9),
        Metric("latency", Goal.MAXIMIZE, Role.CONSTRAINT, 0.1, strict=True),
        Metric("latency", Goal.MINIMIZE, Role.CONSTRAINT, 0.2, strict=True),
    )
    assert len(problem.metrics) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory <= 1", [("memory", Goal.MINIMIZE, 1, False)]),
        ("-3 < memory", [("memory", Goal.MAXIMIZE, -3, True)]),
        ("1e3 >= memory; `val-acc` > +.5", [("memory", Goal.MINIMIZE, 1000, False),
                                            ("val-acc", Goal.MAXIMIZE, 0.5, True)]),
        ("9 > memory >= 2", [("memory", Goal.MINIMIZE, 9, True),
                             ("memory", Goal.MAXIMIZE, 2, False)]),
    ],
)  # fmt: skip
def test_bounds_may_be_reversed_and_chained(
    text: str, expected: list[tuple[str, Goal, float, bool]]
) -> None:
    problem = prepare(asked(metric_constraints=text)).problem
    assert [(m.name, m.goal, m.bound, m.strict) for m in problem.constraints] == expected


FORM = (
    "a bound must read NAME < NUMBER, NUMBER < NAME or NUMBER < NAME < NUMBER, with <, <=, > or >="
)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("memry < 1", 1, "nothing is called 'memry'; did you mean 'memory'? there is 'memory', "
         "'`val-acc`', 'latency'"),
        ("val-acc > 3 and 1 < 2", 1, "nothing is called 'val'; did you mean '`val-acc`'? there is "
         "'memory', '`val-acc`', 'latency'"),
        ("memory < latency", 10, f"{FORM}, got 'memory < latency'"),
        ("memory < 1; memory * 2 > 3", 20, f"{FORM}, got '*'"),
        ("memory == 3", 8, f"{FORM}, got '=='"),
        ("memory < 3 and latency < 2", 12, f"{FORM}, got 'and'"),
        ("not memory < 3", 1, f"{FORM}, got 'not'"),
        ("(memory) < 3", 1, f"{FORM}, got '('"),
        ("memory in (1, 2)", 8, f"{FORM}, got 'in'"),
        ("1 < 2", 1, f"{FORM}, got '1 < 2'"),
        ("-memory < 2", 2, f"{FORM}, got 'memory' after a sign"),
        ("1 < memory < 2 < 3", 1, f"{FORM}, got '1 < memory < 2 < 3'"),
        ("memory < 3 < 4", 1, f"{FORM}, got 'memory < 3 < 4'"),
        ("memory", 1, "must be a comparison, or several joined by and, or, not"),
        ("1 < memory <", 12, "ends after '<'"),
        ("memory < 1e999", 10, "must be a finite number, got 1e999"),
        ("loss < 3", 1, "'loss' is the main objective; bounds are for additional metrics"),
        ("memory < 3; memory <= 4", 13, "'memory' must have one bound on each side, got memory < 3 "
         "and memory <= 4"),
        ("memory < 1; memory > 2", 13, "no 'memory' meets both memory > 2 and memory < 1"),
        ("3 > memory >= 3", 1, "no 'memory' meets both memory >= 3 and memory < 3"),
        (";", 1, "must hold a bound, got none"),
        ("memory < 1 ? 2", 12, "'?' has no meaning here"),
    ],
)  # fmt: skip
def test_what_is_no_bound_is_refused_with_its_place(text: str, place: int, expected: str) -> None:
    rule = f"setting 'metric_constraints', character {place} of '{text}': {expected}"
    assert refusals(asked(metric_constraints=text))[0] == rule


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("latncy: minimize", 1, "no additional metric is called 'latncy'; did you mean 'latency'? "
         "there is 'memory', 'val-acc', 'latency'"),
        ("memory: minimize; latency: less", 27, "'latency' must be followed by minimize or "
         "maximize, got 'less'"),
        ("latency: min", 9, "'latency' must be followed by minimize or maximize, got 'min'; did "
         "you mean 'minimize'?"),
        ("latency", 1, "an objective must read NAME: minimize or NAME: maximize, got 'latency'"),
        (": minimize", 1, "an objective must read NAME: minimize or NAME: maximize, got "
         "': minimize'"),
        ("loss: minimize", 1, "objectives must be different metrics, got 'loss' again"),
        ("latency: minimize; latency: maximize", 20, "objectives must be different metrics, got "
         "'latency' again"),
        (";", 1, "must hold an objective, got none"),
    ],
)  # fmt: skip
def test_what_is_no_objective_is_refused_with_its_place(
    text: str, place: int, expected: str
) -> None:
    rule = f"setting 'objectives', character {place} of '{text}': {expected}"
    assert refusals(asked(objectives=text)) == [rule]


def test_names_in_back_quotes_may_hold_anything_else() -> None:
    message = asked(objectives="`a: b; c`: maximize; val-acc: maximize")
    message.spec.objective.additional_metric_names.append("a: b; c")
    names = [metric.name for metric in prepare(message).problem.objectives]
    assert names == ["loss", "a: b; c", "val-acc"]


def test_the_number_of_objectives_is_bounded() -> None:
    names = [f"m{k}" for k in range(8)]
    message = asked(objectives=";".join(f"{name}: minimize" for name in names))
    message.spec.objective.additional_metric_names.extend(names)
    (refusal,) = refusals(message)
    assert refusal.endswith(
        "there must be at most 8 objectives, the main one included, got 'm7' too"
    )
    (refusal,) = refusals(asked(objectives=" " * 6000 + "latency: minimize"))
    assert refusal.endswith("must have at most 5000 characters, got 6017")


def test_mistakes_of_all_settings_come_at_once() -> None:
    settings = {"objectives": "a: minimize; b", "metric_constraints": "c < 1; memory < d"}
    found = refusals(asked(conditions="x if z", **settings))
    assert len([text for text in found if text.startswith("setting 'conditions'")]) == 1
    assert len([text for text in found if text.startswith("setting 'objectives'")]) == 2
    assert len([text for text in found if text.startswith("setting 'metric_constraints'")]) == 2


@pytest.mark.parametrize("name", ["hyperband", "asha", "anneal", "pbt"])
def test_who_cannot_is_refused_by_name_with_those_that_can(name: str) -> None:
    message = case_of(name).experiment(LATTICE)
    assert message is not None
    message.spec.objective.additional_metric_names.append("latency")
    given = message.spec.algorithm.algorithm_settings
    given.add(name="objectives", value="latency: minimize")
    given.add(name="metric_constraints", value="latency < 1")
    found = [text for text in refusals(message) if "does not support" in text]
    for text, noun, ability in zip(
        found,
        ("several objectives", "constraints on metrics"),
        (Ability.SEVERAL_OBJECTIVES, Ability.METRIC_CONSTRAINTS),
        strict=True,
    ):
        who = ", ".join(able(ability))
        assert {"random", "grid", "sobol"} <= {*who.split(", ")}
        expected = f"algorithm '{name}' does not support {noun}, got 'latency'"
        assert text == f"{expected}; those that do: {who}"


# ---------------------------------------------------------------- observations


def test_a_trial_without_an_objective_has_failed() -> None:
    problem = prepare(
        asked(objectives="latency: minimize", metric_constraints="memory < 1")
    ).problem
    point = {"x": "0.5", "y": "0.5"}
    reported = {
        "whole": {"loss": "1", "latency": "2", "memory": "3", "val-acc": "nan"},
        "unmeasured": {"loss": "1", "latency": "2", "memory": "nan"},
        "broken": {"loss": "1", "latency": "inf", "memory": "3"},
        "lacking": {"latency": "2", "memory": "3"},
    }
    messages = []
    for name, metrics in reported.items():
        message = trial(name, point, condition=CONDITION.SUCCEEDED)
        for metric, text in metrics.items():
            message.status.observation.metrics.add(name=metric, value=text)
        messages.append(message)
    history = read_trials(messages, problem)
    assert [t.trial for t in history.observations] == ["unmeasured", "whole"]
    assert [t.trial for t in history.failed] == ["broken", "lacking"]
    finite = [dict(t.metrics) for t in history.observations]
    assert finite == [{"loss": 1, "latency": 2}, {"loss": 1, "latency": 2, "memory": 3}]
    assert problem.violations(finite).tolist() == [[float("inf")], [2]]


@pytest.mark.parametrize("name", ["random", "sobol", "grid"])
def test_without_a_model_nothing_changes(name: str) -> None:
    message = case_of(name).experiment(LATTICE)
    assert message is not None
    plain = points_of(suggest(ask_for(message, 4)))
    message.spec.objective.additional_metric_names.extend(ADDITIONAL)
    for key, value in BOTH.items():
        message.spec.algorithm.algorithm_settings.add(name=key, value=value)
    assert points_of(suggest(ask_for(message, 4))) == plain
