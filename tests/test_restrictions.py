"""Conditions, constraints and initial points: every algorithm, played as a controller does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.engine.algorithm import Ability, algorithms
from suggestion.problem.errors import Exhausted, Invalid
from suggestion.problem.study import History
from tests.support.cases import NAMES, case_of, prepare, suggest, validate
from tests.support.play import play
from tests.support.requests import (
    ask_for,
    categorical,
    discrete,
    double,
    experiment,
    integer,
    points_of,
    trial,
)

RANDOM_LIKE = ("random", "sobol", "grid")


def with_settings(name: str, parameters: object, **settings: str) -> api.Experiment:
    message = case_of(name).experiment(parameters)  # type: ignore[arg-type]
    assert message is not None, f"{name} refuses the parameters"
    for key, value in settings.items():
        message.spec.algorithm.algorithm_settings.add(name=key, value=value)
    return message


def refusals(message: api.Experiment) -> list[str]:
    with pytest.raises(Invalid) as error:
        validate(message)
    return [violation.description for violation in error.value.violations]


def able(ability: Ability) -> list[str]:
    return [name for name in NAMES if ability in getattr(algorithms().load(name), "abilities", ())]


# ----------------------------------------------------------------- constraints

NETWORK = (
    integer("width", "1", "4096", prior=api.LOG_UNIFORM),
    integer("depth", "1", "64"),
    double("low", "0", "1", step="0.01"),
    double("high", "0", "1", step="0.01"),
    categorical("optimizer", "adam", "sgd"),
)
CONSTRAINTS = "width * depth <= 4096; low < high; not (optimizer == 'sgd' and width > 1000)"


def feasible(values: Mapping[str, str]) -> bool:
    width, depth = int(values["width"]), int(values["depth"])
    return (
        width * depth <= 4096
        and float(values["low"]) < float(values["high"])
        and not (values["optimizer"] == "sgd" and width > 1000)
    )


@pytest.mark.parametrize("name", able(Ability.PARAMETER_CONSTRAINTS))
def test_every_suggestion_meets_the_constraints(name: str) -> None:
    message = with_settings(name, NETWORK, parameter_constraints=CONSTRAINTS)
    points, _ = play(message, [4, 1, 8, 1])
    assert all(map(feasible, points))
    assert len({json.dumps(point) for point in points}) == len(points)


def test_all_algorithms_take_constraints_on_parameters() -> None:
    assert able(Ability.PARAMETER_CONSTRAINTS) == list(NAMES)


@pytest.mark.parametrize("name", RANDOM_LIKE)
def test_a_stream_does_not_depend_on_batches_or_trials(name: str) -> None:
    message = with_settings(name, NETWORK, parameter_constraints=CONSTRAINTS)
    together = points_of(suggest(ask_for(message, 12)))
    assert together == [points_of(suggest(ask_for(message, 1, k + 1)))[0] for k in range(12)]


CONTINUOUS = tuple(double(f"x{k}", "0", "1") for k in range(8))


@pytest.mark.parametrize(
    "constraints",
    [
        "x0 < 1e-5",
        pytest.param("x0 < x1 < x2 < x3 < x4 < x5 < x6 < x7", marks=pytest.mark.long),
        "; ".join(f"abs(x{k} - 0.5) < 0.1" for k in range(8)),
        "abs(x0 ** 2 + x1 ** 2 - 1) < 1e-5",
        pytest.param("exp(x0) * sqrt(x1) < 0.003 or x2 > 1 - 1e-6", marks=pytest.mark.long),
    ],
)
def test_spaces_of_which_little_is_feasible(constraints: str) -> None:
    message = experiment("random", CONTINUOUS, settings={"parameter_constraints": constraints})
    points = points_of(suggest(ask_for(message, 20)))
    assert len({json.dumps(point) for point in points}) == 20
    prepared = prepare(message)
    space = prepared.problem.space
    assert all(space.parse(point) in space for point in points)


def test_the_points_of_a_reply_differ_however_many() -> None:
    specs = [integer("a", "0", "299"), integer("b", "0", "299")]  # 45,150 feasible points
    message = with_settings("random", specs, parameter_constraints="a + b < 300")
    points = points_of(suggest(ask_for(message, 5000, 9000)))
    assert len({(point["a"], point["b"]) for point in points}) == 5000


def test_draws_follow_the_prior_on_the_feasible_part() -> None:
    message = experiment("random", CONTINUOUS[:2], settings={"parameter_constraints": "x0 < x1"})
    points = points_of(suggest(ask_for(message, 1000)))
    assert sum(float(point["x0"]) for point in points) / 1000 == pytest.approx(1 / 3, abs=0.05)
    assert sum(float(point["x1"]) for point in points) / 1000 == pytest.approx(2 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ("x0 + x1 > 3", "no point of the search space meets them, got 'x0 + x1 > 3'"),
        ("x0 == x1 + 1 / 3", "points that were tried meets them, got"),
    ],
)
def test_a_space_without_a_feasible_point_is_refused(constraints: str, expected: str) -> None:
    message = experiment("tpe", CONTINUOUS[:2], settings={"parameter_constraints": constraints})
    (refusal,) = refusals(message)
    assert refusal.startswith("setting 'parameter_constraints': no")
    assert expected in refusal


LARGE = tuple(integer(f"i{k}", "0", "999") for k in range(3))


def test_a_grid_has_each_feasible_point_once() -> None:
    message = experiment(
        "grid",
        [integer("a", "0", "9"), integer("b", "0", "9"), categorical("c", "x", "y")],
        settings={"parameter_constraints": "a + b == 9; a != 3 or c == 'x'"},
    )
    points = points_of(suggest(ask_for(message, 19)))
    assert len({json.dumps(point) for point in points}) == 19
    assert all(int(p["a"]) + int(p["b"]) == 9 for p in points)
    with pytest.raises(Exhausted, match="the grid of 19 points is used up"):
        suggest(ask_for(message, 1, 20))
    message.spec.max_trial_count = 20
    expected = "max_trial_count must not exceed the 19 points of the grid, got 20"
    assert refusals(message) == [expected]


@pytest.mark.parametrize(
    ("constraints", "number"),
    [
        ("i0 < i1 < i2", 40),
        pytest.param("i0 + i1 + i2 == 1500 and i0 * i1 == 250000", 3, marks=pytest.mark.long),
    ],
)
def test_a_large_grid_is_walked_lazily(constraints: str, number: int) -> None:
    message = experiment("grid", LARGE, settings={"parameter_constraints": constraints})
    points = points_of(suggest(ask_for(message, number)))
    assert len({json.dumps(point) for point in points}) == number
    space = prepare(message).problem.space
    assert all(space.parse(point) in space for point in points)


@pytest.mark.long
@pytest.mark.parametrize("name", RANDOM_LIKE)
def test_a_finite_space_may_have_more_parameters_than_an_array_has_axes(name: str) -> None:
    constants = [integer(f"c{k}", "1", "1") for k in range(70)]
    message = with_settings(
        name,
        [integer("a", "0", "2"), *constants, integer("b", "0", "2")],
        parameter_constraints="a != b",
    )
    points = points_of(suggest(ask_for(message, 6)))
    assert {(point["a"], point["b"]) for point in points} == {
        (str(a), str(b)) for a in range(3) for b in range(3) if a != b
    }


@pytest.mark.long
def test_a_grid_whose_points_cannot_be_found_ends() -> None:
    parameters = [integer(f"i{k}", "0", "999") for k in range(4)]
    hidden = "(i0 * 7919 + i1 * 104729 + i2 * 1299709 + i3 * 31) / 1000003 == 5"
    message = experiment("grid", parameters, settings={"parameter_constraints": hidden})
    with pytest.raises((Exhausted, Invalid)):
        suggest(ask_for(message, 10))


# ------------------------------------------------------------------ conditions

HIERARCHY = (
    categorical("optimizer", "adam", "sgd"),
    double("momentum", "0.5", "0.9", step="0.1"),
    double("nesterov", "0", "1", step="0.25"),
    integer("layers", "1", "3"),
    discrete("units3", "8", "16", "1e2"),
    integer("width", "1", "20"),
)
CONDITIONS = "momentum if optimizer == 'sgd'; nesterov if momentum > 0.6; units3 if layers >= 3"


def canonical(values: Mapping[str, str]) -> bool:
    """Whether inactive parameters have their placeholder."""
    momentum = values["optimizer"] == "sgd"
    nesterov = momentum and float(values["momentum"]) > 0.6
    return (
        (momentum or values["momentum"] == "0.5")
        and (nesterov or values["nesterov"] == "0.0")
        and (int(values["layers"]) >= 3 or values["units3"] == "8")
    )


@pytest.mark.parametrize("name", able(Ability.CONDITIONS))
def test_inactive_parameters_have_their_placeholder(name: str) -> None:
    message = with_settings(
        name, HIERARCHY, conditions=CONDITIONS, parameter_constraints="units3 * width <= 180"
    )
    points, trials = play(message, [4, 1, 8, 1])
    assert all(map(canonical, points))
    assert len({json.dumps(point) for point in points}) == len(points)
    for point in points:
        assert int(point["layers"]) < 3 or float(point["units3"]) * int(point["width"]) <= 180
    # What comes back in place of an inactive parameter is ignored.
    changed = [api.Trial.FromString(each.SerializeToString()) for each in trials]
    for each in changed:
        for item in each.spec.parameter_assignments.assignments:
            values = {a.name: a.value for a in each.spec.parameter_assignments.assignments}
            if item.name == "momentum" and values["optimizer"] == "adam":
                item.value = "0.9"
    total = len(points) + 3
    assert suggest(ask_for(message, 3, total, changed)) == suggest(
        ask_for(message, 3, total, trials)
    )


def test_who_takes_conditions() -> None:
    assert set(NAMES) - set(able(Ability.CONDITIONS)) == {"cmaes"}
    message = with_settings("cmaes", HIERARCHY, conditions=CONDITIONS)
    (refusal,) = refusals(message)
    assert refusal.startswith(
        "algorithm 'cmaes' does not support conditions between parameters, got 'momentum', "
        "'nesterov', 'units3'; those that do: anneal, asha, "
    )


def test_a_grid_has_each_combination_of_active_parameters_once() -> None:
    message = experiment(
        "grid",
        [categorical("a", "x", "y"), integer("b", "1", "5"), integer("c", "1", "4")],
        settings={"conditions": "b if a == 'y'; c if b >= 4"},
    )
    number = 1 + 3 + 2 * 4
    points = points_of(suggest(ask_for(message, number)))
    assert len({json.dumps(point) for point in points}) == number
    with pytest.raises(Exhausted, match=f"the grid of {number} points is used up"):
        suggest(ask_for(message, 1, number + 1))


# -------------------------------------------------------------- initial points

POINTS: list[dict[str, Any]] = [
    {"width": 8, "depth": "2", "low": 0.1, "high": 0.2, "optimizer": "sgd"},
    {"width": 16},
    {},
    {"optimizer": "adam", "low": "0.5"},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constraints", ["", CONSTRAINTS])
def test_initial_points_come_first_and_in_order(name: str, constraints: str) -> None:
    more = {"parameter_constraints": constraints} if constraints else {}
    message = with_settings(name, NETWORK, initial_points=json.dumps(POINTS), **more)
    points = points_of(suggest(ask_for(message, 8)))
    for point, given in zip(points, POINTS, strict=False):
        for key, value in given.items():
            assert float(point[key]) == float(value) if key != "optimizer" else point[key] == value
    assert len({json.dumps(point) for point in points}) == 8
    if constraints:
        assert all(map(feasible, points))
    # The same points one by one, each request with the trials so far.
    running: list[api.Trial] = []
    for index in range(len(POINTS)):
        reply = suggest(ask_for(message, 1, index + 1, running))
        assert points_of(reply) == points[index : index + 1]
        named = reply.parameter_assignments[0].trial_name or f"exp-{index}"
        running.append(trial(named, points[index]))


@pytest.mark.parametrize("name", RANDOM_LIKE)
def test_a_finite_space_has_each_point_once_initial_ones_included(name: str) -> None:
    given = [{"a": 3, "c": "x"}, {"a": 4, "c": "y"}, {"a": 1}]
    message = experiment(
        name,
        [integer("a", "0", "4"), categorical("c", "x", "y")],
        settings={"initial_points": json.dumps(given)},
    )
    points = points_of(suggest(ask_for(message, 10)))
    assert points[:2] == [{"a": "3", "c": "x"}, {"a": "4", "c": "y"}]
    assert len({json.dumps(point) for point in points}) == 10
    again = [points_of(suggest(ask_for(message, 1, k + 1)))[0] for k in range(10)]
    assert again == points


@pytest.mark.parametrize("name", RANDOM_LIKE)
@pytest.mark.parametrize("constraints", ["", "a >= 0"])
def test_there_may_be_more_initial_points_than_a_space_has(name: str, constraints: str) -> None:
    settings = {"initial_points": json.dumps([{}, {"a": 1}, {}, {}])}
    if constraints:
        settings["parameter_constraints"] = constraints
    message = experiment(name, [integer("a", "0", "2")], settings=settings)
    points = [point["a"] for point in points_of(suggest(ask_for(message, 3)))]
    assert points[1] == "1"
    assert {*points} == {"0", "1", "2"}
    if name == "grid":
        with pytest.raises(Exhausted, match="the grid of 3 points is used up"):
            suggest(ask_for(message, 1, 5))
        return
    assert points_of(suggest(ask_for(message, 4)))[3]["a"] in points
    again = points_of(suggest(ask_for(message, 3, 7)))
    assert {point["a"] for point in again} == {*points}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", "must be a JSON list of objects: Expecting value: line 1 column 2"),
        ("{}", "must be a JSON list of objects, got '{}'"),
        ("[1]", "must be a JSON list of objects, got '[1]'"),
        ("[" * 100_000, "must be a JSON list of objects: it is nested too deeply, got '[["),
        ('[{"width": ' + "9" * 5000 + "}]", "a number has too many digits, got '[{"),
        ('[{"widht": 3}]', ", point 1: must name parameters ('width', 'depth', "),
        ('[{"width": 0}]', ", point 1: parameter 'width' must be a whole number from 1 to 4096, "),
        ('[{"width": 1.5}]', ", point 1: parameter 'width' must be a whole number from 1 to 4096"),
        (
            '[{"width": true}]',
            "must be a whole number from 1 to 4096, got 'true'",
        ),
        ('[{"width": NaN}]', "must be a whole number from 1 to 4096, got 'NaN'"),
        ('[{"low": 0.005}]', "parameter 'low' must be a number from 0.0 to 1.0 in steps of 0.01"),
        ('[{"optimizer": "sdg"}]', "parameter 'optimizer' must be one of adam, sgd, got 'sdg'"),
        ('[{"width": 3, "width": 4}]', ", point 1: a parameter must not be named twice"),
        (
            '[{"width": 4096, "depth": 2}]',
            ", point 1: must be a part of a feasible point, and none was found among 1024",
        ),
        (
            '[{"width": 1, "depth": 1, "low": 0.5, "high": 0.5, "optimizer": "sgd"}]',
            ", point 1: must meet the constraint 'low < high', got low = 0.5, high = 0.5",
        ),
        (
            json.dumps([POINTS[0], {}, POINTS[0]]),
            ", point 3: points must differ, got point 1 again",
        ),
        ("[" + "{}," * 1000 + "{}]", "must hold at most 1000 points, got 1001"),
        (" " * 1_000_001 + "[]", "must have at most 1000000 characters, got 1000003"),
    ],
    ids=range(18),
)
def test_bad_initial_points_are_refused_by_name(text: str, expected: str) -> None:
    settings = {"parameter_constraints": CONSTRAINTS, "initial_points": text}
    (refusal,) = refusals(experiment("random", NETWORK, settings=settings))
    assert refusal.startswith("setting 'initial_points'")
    assert expected in refusal


def test_more_initial_points_than_trials_are_refused() -> None:
    message = experiment("random", NETWORK, settings={"initial_points": "[{}, {}]"}, max_trials=1)
    expected = "setting 'initial_points': must hold at most max_trial_count = 1 points, got 2"
    assert refusals(message) == [expected]


# ------------------------------------------------------------------- bad input


def test_everything_that_is_wrong_is_named_at_once() -> None:
    message = experiment(
        "tpe",
        HIERARCHY,
        settings={
            "gamma": "2",
            "conditions": "momentun if optimizer == 'sdg'; width if width > 3; units3 layers",
            "parameter_constraints": "widht < 3; layers <",
            "initial_points": '[{"layer": 3}]',
        },
    )
    found = refusals(message)
    expected = [
        "setting 'gamma' must be less than 1",
        "setting 'conditions', character 1 of ",
        "setting 'conditions', character 26 of ",
        "setting 'conditions', character 33 of ",
        "setting 'conditions', character 53 of ",
        "setting 'parameter_constraints', character 1 of ",
        "setting 'parameter_constraints', character 19 of ",
    ]
    assert [text[: len(start)] for text, start in zip(found, expected, strict=True)] == expected
    assert "nothing is called 'momentun'; did you mean 'momentum'?" in found[1]
    assert "parameter 'optimizer' has no value 'sdg'; did you mean 'sgd'?" in found[2]
    assert "the condition of parameter 'width' must be on others, got itself" in found[3]
    assert "a condition must read: NAME if CLAIM, got 'units3 layers'" in found[4]


def test_circles_are_refused() -> None:
    settings = {
        "conditions": "width if layers > 2; layers if momentum > 0.6; momentum if width > 3"
    }
    (refusal,) = refusals(experiment("random", HIERARCHY, settings=settings))
    assert refusal == (
        "setting 'conditions': conditions must not be circular, got 'layers', 'momentum', 'width'"
    )


def test_a_parameter_that_is_active_nowhere_is_refused() -> None:
    settings = {"conditions": "width if layers > 1000; momentum if width > 3 or layers > 1"}
    (refusal,) = refusals(experiment("random", HIERARCHY, settings=settings))
    assert refusal == (
        "setting 'conditions': no point of the search space meets that of parameter 'width', "
        "got 'width if layers > 1000; momentum if width > 3 or layers > 1'"
    )


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_the_resource_is_not_restricted(name: str) -> None:
    resource = dict(case_of(name).settings)["resource_name"]
    message = with_settings(
        name,
        NETWORK,
        parameter_constraints=f"{resource} * width < 1e9",
        conditions=f"width if {resource} > 2",
    )
    found = refusals(message)
    assert f"conditions must not be about the resource, got parameter '{resource}'" in found
    assert any(text.startswith("constraints must not be about the resource") for text in found)


def test_refusals_name_the_setting_in_the_request() -> None:
    message = experiment("random", HIERARCHY, settings={"seed": "1", "conditions": "a if b"})
    with pytest.raises(Invalid) as error:
        validate(message)
    path = ("experiment", "spec", "algorithm", "algorithm_settings", 1, "value")
    assert {violation.location for violation in error.value.violations} == {path}


def test_settings_that_are_empty_or_given_twice_are_refused() -> None:
    message = experiment("random", HIERARCHY, settings=[("conditions", " ")])
    assert refusals(message) == ["setting 'conditions' must not be empty, got ' '"]
    twice = experiment("random", HIERARCHY, settings=[("parameter_constraints", "width < 3")] * 2)
    assert refusals(twice) == ["setting 'parameter_constraints' is given twice; keep one"]


def test_an_empty_history_changes_nothing() -> None:
    prepared = prepare(experiment("tpe", HIERARCHY, settings={"conditions": CONDITIONS}))
    assert prepared.suggest(2) == prepared.suggest(2, trials=History())
