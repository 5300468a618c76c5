"""Parameters that are active under conditions only: what a space makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.trial_messages import read_trials
from suggestion.numerics import randomness
from suggestion.problem.conditions import Condition
from suggestion.problem.errors import Invalid
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Suggestion
from tests.support.requests import trial

PARAMETERS = (
    Double("nesterov_decay", 0.1, 1),  # before its parent: the order of parameters is free
    Categorical("optimizer", ("adam", "sgd")),
    Double("momentum", 0.5, 0.9),
    Int("layers", 1, 9),
    Discrete("units3", ("16", "8")),
)
CONDITIONS = (
    Condition("nesterov_decay", "momentum", range(1)),  # never: no momentum is 0
    Condition("momentum", "optimizer", ("sgd",)),
    Condition("units3", "layers", range(3, 10)),
    Condition("units3", "optimizer", ("sgd",)),
)
SPACE = SearchSpace(PARAMETERS, CONDITIONS)
ADAM: Assignment = {"optimizer": "adam", "layers": 5}
SGD: Assignment = {"optimizer": "sgd", "momentum": 0.7, "layers": 5, "units3": 8.0}
FLAT: Assignment = {"nesterov_decay": 0.4, "momentum": 0.6, "units3": 16.0}


def test_points_are_the_same_if_their_active_parts_are() -> None:
    assert SPACE.active({**FLAT, **ADAM}) == ADAM
    assert SPACE.active({**FLAT, **SGD}) == SGD
    assert SPACE.key({**FLAT, **ADAM}) == SPACE.key(ADAM) != SPACE.key(SGD)
    assert SPACE.inactive(ADAM) == {"nesterov_decay", "momentum", "units3"}
    assert SPACE.inactive({**SGD, "layers": 2}) == {"nesterov_decay", "units3"}


def test_a_nested_condition_needs_an_active_parent() -> None:
    space = replace(SPACE, conditions=(*CONDITIONS[1:], Condition("layers", "momentum", (0.7,))))
    assert space.active({**FLAT, **SGD}) == {**FLAT, **SGD}
    inactive = {"momentum", "layers", "units3"}
    assert space.inactive({"optimizer": "adam", "momentum": 0.7, "layers": 5}) == inactive


@pytest.mark.parametrize(
    ("assignment", "inside"),
    [
        (ADAM, True),
        (SGD, True),
        ({**FLAT, **ADAM}, True),
        ({**ADAM, "momentum": 0.1}, False),
        ({**ADAM, "other": 1}, False),
        ({"optimizer": "adam"}, False),
        ({**ADAM, "optimizer": "sgd"}, False),
        ({"optimizer": "sgd", "momentum": 0.7, "layers": 2}, True),
        (None, False),
    ],
)
def test_what_lies_in_the_space(assignment: object, inside: bool) -> None:
    assert (assignment in SPACE) is inside


def test_the_unit_cube_has_no_coordinate_of_an_inactive_parameter() -> None:
    points = SPACE.encode([{**FLAT, **ADAM}, SGD])
    assert np.isnan(points).tolist() == [[True, False, True, False, True], [True] + [False] * 4]
    assert [*map(SPACE.key, SPACE.decode(points))] == [SPACE.key(ADAM), SPACE.key(SGD)]
    snapped = SPACE.snap(points)
    assert (np.isnan(snapped) == np.isnan(points)).all()
    assert snapped[1, 4] == points[1, 4]


@given(st.integers(0, 2**32))
def test_what_is_decoded_is_a_point(seed: int) -> None:
    for assignment in SPACE.decode(randomness.uniforms(seed, 0, 4, SPACE.dimension)):
        assert assignment in SPACE
        assert SPACE.is_complete(assignment)
        assert SPACE.parse(SPACE.format(assignment)) == assignment
        filled = SPACE.filled(assignment)
        assert filled.keys() == {parameter.name for parameter in PARAMETERS}
        assert SPACE.active(filled) == assignment


def test_v1beta1_writes_a_placeholder_and_ignores_it_when_it_comes_back() -> None:
    reply = wire.write_reply([Suggestion(ADAM)], SPACE)
    texts = {a.name: a.value for a in reply.parameter_assignments[0].assignments}
    assert texts == {
        "nesterov_decay": "0.1",
        "optimizer": "adam",
        "momentum": "0.5",
        "layers": "5",
        "units3": "8",
    }
    problem = Problem("e", SPACE, (Metric("loss"),))
    lacking = {"optimizer": "sgd", "layers": "1"}
    history = read_trials([trial("t", texts, "1"), trial("u", lacking, "2")], problem)
    assert [t.assignment for t in history.observations] == [ADAM]
    assert [t.trial for t in history.out_of_space] == ["u"]


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        (
            [Condition("units", "layers", (3,))],
            "condition of parameter 'units': must be about parameters of the space, got 'units'",
        ),
        ([Condition("units3", "layer", (3,))], "of the space, got 'layer'"),
        ([Condition("layers", "layers", (3,))], "must be on another parameter, got itself"),
        (
            [Condition("units3", "layers", (3,)), Condition("layers", "units3", (8.0,))],
            "conditions must not be circular, got 'layers', 'units3'",
        ),
    ],
)
def test_a_condition_that_nothing_can_meet_is_refused(
    conditions: list[Condition], text: str
) -> None:
    with pytest.raises(Invalid) as caught:
        SearchSpace(PARAMETERS, tuple(conditions))
    (violation,) = caught.value.violations
    assert text in violation.description
    assert violation.location[0] == "conditions"
