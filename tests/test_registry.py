"""What every registered algorithm must do, on every kind of space and history.

An algorithm is called through the servicer with the settings of its example; one that refuses a
space (grid refuses doubles without a step) is let off that space, by its own words alone.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.engine import installed
from suggestion.engine.algorithm import Unavailable, algorithms
from suggestion.problem.errors import Exhausted
from tests.support.cases import NAMES, WITH_EXAMPLE, Case, case_of, suggest, validate
from tests.support.play import LATTICE, history, play
from tests.support.requests import (
    CONDITION,
    MIXED,
    ask_for,
    categorical,
    double,
    integer,
    points_of,
    trial,
)
from tests.support.strategies import spaces

GOLDEN = Path(__file__).parent / "golden"

TINY = (integer("a", "1", "3"), integer("b", "1", "4"))
DEGENERATE = {
    "one point": (integer("a", "3", "3"), double("b", "0.5", "0.5")),
    "one category": (categorical("a", "only"), integer("b", "0", "9"), integer("c", "0", "9")),
    "one parameter": (integer("a", "0", "99"),),
    "narrow": (double("a", "1", "1.0000000000000009"), double("b", "0", "5e-324")),
    "extreme": (
        double("a", "-1.7e308", "1.7e308"),
        integer("b", str(-(2**63)), str(2**63 - 1)),
        double("c", "5e-324", "1e308", prior=api.LOG_UNIFORM),
    ),
    "forty": tuple(integer(f"p{k}", "0", "9") for k in range(40)),
}

every_algorithm = pytest.mark.parametrize("case", [case_of(n) for n in NAMES], ids=NAMES)


def size_of(message: api.Experiment) -> float:
    size = wire.read_problem(message).space.size
    return math.inf if size is None else size


def example(case: Case, parameters: tuple[api.ParameterSpec, ...] = LATTICE) -> api.Experiment:
    message = case.experiment(parameters)
    assert message is not None, "every algorithm must take the common space"
    return message


# ---------------------------------------------------------------- postconditions


@every_algorithm
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs=spaces(), batches=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_any_space_is_honoured(
    case: Case, specs: list[api.ParameterSpec], batches: list[int]
) -> None:
    message = case.experiment(specs)
    assume(message is not None)
    assert message is not None
    size = size_of(message)
    try:
        points, _ = play(message, batches)
    except Exhausted:
        assert sum(batches) > size
        return
    space = wire.read_problem(message).space
    for values in points:
        assert list(values) == [p.name for p in space.parameters]
        assignment = space.parse(values)
        assert assignment in space
        assert space.format(assignment) == values
    if sum(batches) <= size and not _repeats_on_purpose(message):
        assert len({tuple(values.values()) for values in points}) == len(points)


def _repeats_on_purpose(message: api.Experiment) -> bool:
    """Whether trials are named by the algorithm: a failed member may then be asked for again."""
    reply = suggest(ask_for(message, 1, 1))
    return bool(reply.parameter_assignments[0].trial_name)


@every_algorithm
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_spaces(case: Case, name: str) -> None:
    message = case.experiment(DEGENERATE[name])
    if message is None:
        return  # refused in its own words, before the first trial
    size = size_of(message)
    batches = [1, 2, 5, 3]
    try:
        points, _ = play(message, batches)
    except Exhausted:
        assert size < sum(batches)
    else:
        assert len(points) == sum(batches)


@every_algorithm
def test_a_finite_space_is_used_up_before_a_point_comes_again(case: Case) -> None:
    message = case.experiment(TINY)
    if message is None or _repeats_on_purpose(message):
        return
    size = int(min(size_of(message), 60))
    points, _ = play(message, [1, 2, 4] + [1] * (size - 7))
    assert len({tuple(values.values()) for values in points}) == size


# ---------------------------------------------------------- functions of the request


@every_algorithm
def test_the_same_request_gives_the_same_reply(case: Case) -> None:
    message = example(case)
    points, trials = play(message, [4, 3, 3, 4, 4, 4, 4])
    request = ask_for(message, 3, len(points) + 3, trials)
    first = suggest(request)
    other = ask_for(example(case, DEGENERATE["one category"]), 2, 2)
    suggest(other)
    assert suggest(request) == first


@every_algorithm
def test_the_order_of_trials_does_not_matter(case: Case) -> None:
    batches = [4, 3, 3, 4, 4, 4, 4]
    assert play(example(case), batches) == play(example(case), batches, shuffle=7)


@pytest.mark.integration
@every_algorithm
def test_another_process_gives_the_same_reply(case: Case, tmp_path: Path) -> None:
    message = example(case)
    points, trials = play(message, [4, 3, 3, 4, 4, 4, 4])
    request = ask_for(message, 5, len(points) + 5, trials)
    file = tmp_path / "request"
    file.write_bytes(request.SerializeToString())
    code = (
        "import sys; from suggestion.api.v1beta1 import api_pb2 as api;"
        "from tests.support.cases import suggest;"
        "r = api.GetSuggestionsRequest.FromString(open(sys.argv[1], 'rb').read());"
        "sys.stdout.buffer.write(suggest(r).SerializeToString(deterministic=True))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "99"}
    there = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, check=True, env=environment
    )
    assert there.stdout == suggest(request).SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", ["random", "sobol", "grid"])
def test_a_stream_does_not_depend_on_batches(name: str) -> None:
    message = example(case_of(name))
    expected, _ = play(message, [10])
    for batches in ([1] * 10, [3, 3, 4], [9, 1]):
        assert play(message, batches)[0] == expected


@every_algorithm
def test_a_total_without_this_request_is_the_same_question(case: Case) -> None:
    """OptimizationJob's controller sends the number of its trials so far, and all of them."""
    message = example(case)
    points, _ = play(message, [2, 2, 2, 2])
    got: list[dict[str, str]] = []
    for _ in range(4):
        trials = history([(f"t{k}", point) for k, point in enumerate(got)])
        reply = suggest(ask_for(message, 2, len(got), trials))
        assert reply == suggest(ask_for(message, 2, len(got) + 2, trials))
        got += points_of(reply)
    assert len({tuple(sorted(point.items())) for point in got}) == 8
    if case.name in ("random", "sobol", "grid"):
        assert got == points
    # One that has failed is among the trials too.
    failed = history([(f"t{k}", point) for k, point in enumerate(got[:3])])
    failed[0].status.condition = api.TrialStatus.TrialConditionType.FAILED
    failed[0].status.observation.ClearField("metrics")
    (fourth,) = points_of(suggest(ask_for(message, 1, 3, failed)))
    assert fourth not in got[:3]


@every_algorithm
def test_the_seed_decides(case: Case) -> None:
    if any(name in ("seed", "random_state") for name, _ in case.settings):
        pytest.fail("the example must not fix the seed; tests compare seeds")
    message, renamed = example(case), example(case)
    renamed.name = "another"
    seeded = [example(case), example(case)]
    for name, it in zip(("random_state", "seed"), seeded, strict=True):
        it.spec.algorithm.algorithm_settings.add(name=name, value="5")
    points = [points_of(suggest(ask_for(m, 8, 8))) for m in (message, renamed, *seeded)]
    assert points[0] != points[1]
    assert points[0] != points[2]
    assert points[2] == points[3]


# --------------------------------------------------------------------- trials


@every_algorithm
def test_trials_of_every_kind_are_survived(case: Case) -> None:
    message = example(case)
    points, trials = play(message, [6, 6])
    strange = [
        trial("s1", {"gone": "1"}, "0.5"),
        trial("s2", {**points[0], "layers": "9999"}, "0.5"),
        trial("s3", {"layers": "2"}, "0.1"),
        trial("s4", points[0], "1e308"),
        trial("s5", points[1], "-1e308"),
        trial("s6", points[2], "unavailable", CONDITION.METRICSUNAVAILABLE),
        trial("s7", {}, "1"),
        trial("", points[3], "0.3"),
        trial("", points[3], "0.3"),
        trials[0],
        trial("s8", points[4], None, 42),
    ]
    reply = suggest(ask_for(message, 4, 16, [*trials, *strange]))
    assert len(reply.parameter_assignments) == 4


@every_algorithm
@pytest.mark.parametrize("condition", [CONDITION.FAILED, CONDITION.RUNNING, CONDITION.SUCCEEDED])
def test_a_history_of_one_kind_is_survived(case: Case, condition: int) -> None:
    message = example(case)
    points, _ = play(message, [10, 10])
    trials = [trial(f"t{k}", values, "1.0", condition) for k, values in enumerate(points)]
    reply = suggest(ask_for(message, 6, 26, trials))
    assert len(reply.parameter_assignments) == 6


@every_algorithm
def test_points_handed_out_do_not_come_again(case: Case) -> None:
    message = example(case)
    if _repeats_on_purpose(message):
        return
    points, _ = play(message, [8] * 8)
    assert len({tuple(values.values()) for values in points}) == 64


# --------------------------------------------------------------------- golden


@every_algorithm
def test_suggestions_are_those_of_the_last_release(case: Case) -> None:
    """A difference is a changelog entry, "Suggestions change": run with UPDATE_GOLDEN=1."""
    message = example(case)
    message.spec.algorithm.algorithm_settings.add(name="random_state", value="1")
    points, _ = play(message, [2] * 9)
    file = GOLDEN / f"{case.name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(points, indent=1) + "\n")
    if not file.exists() and case.name not in WITH_EXAMPLE:
        pytest.skip("it has not been released: UPDATE_GOLDEN=1 stores its suggestions")
    assert json.loads(file.read_text()) == points


# ------------------------------------------------------------------ documents


@every_algorithm
def test_the_example_is_valid(case: Case) -> None:
    message = case.experiment(MIXED) or example(case)
    validate(message)


def test_the_extra_of_an_algorithm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(reference: str) -> object:
        raise ModuleNotFoundError(reference, name="cmaes")

    monkeypatch.setattr(installed, "load", load)
    with pytest.raises(Unavailable, match=r"; pip install 'suggestion-servers\[cmaes\]' brings it"):
        algorithms().load("cmaes")
