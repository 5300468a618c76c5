"""Messages to domain objects and back: every enum member, every error text."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.trial_messages import read_trials
from suggestion.engine.engine import AlgorithmChoice
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.locations import dotted
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Goal, Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, Observation, Pending, Study, Suggestion
from tests.support.cases import validate
from tests.support.requests import (
    CONDITION,
    MIXED,
    ask_for,
    categorical,
    discrete,
    double,
    experiment,
    integer,
    points_of,
    trial,
)
from tests.support.studies import best, finished, loss_of

SPACE = SearchSpace((Double("x", 0, 1), Int("n", 1, 3)))
PROBLEM = Problem("e", SPACE, (Metric("loss"),))
POINT = {"x": "0.5", "n": "2"}
VALUES = {"x": 0.5, "n": 2}


# ---------------------------------------------------------------- experiment


def test_every_parameter_type_is_read() -> None:
    parameters = [double("d", "0", "1"), integer("i", "0", "4", "2"), discrete("l", "1"), MIXED[4]]
    space = wire.read_problem(experiment(parameters=parameters)).space
    assert space.parameters == (
        Double("d", 0, 1),
        Int("i", 0, 4, 2),
        Discrete("l", ("1",)),
        Categorical("optimizer", ("sgd", "adam", "ftrl")),
    )
    assert set(api.ParameterType.values()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("number", api.Distribution.values())
def test_every_distribution_is_read(number: int) -> None:
    read = wire.read_problem(experiment(parameters=[double("d", "1", "2", prior=number)]))
    expected = Distribution[api.Distribution.Name(number)] if number else Distribution.UNIFORM
    assert read.space.parameters[0] == Double("d", 1, 2, distribution=expected)


def test_a_problem_is_kept_by_all_that_its_experiment_says() -> None:
    """What is read of a message is never told of another; large ones are read at each call."""
    message = experiment(parameters=[double("x", "0", "1")])
    first = wire.read_problem(message)
    assert wire.read_problem(api.Experiment.FromString(message.SerializeToString())) is first
    feasible = message.spec.parameter_specs.parameters[0].feasible_space
    feasible.max = "2"
    assert wire.read_problem(message).space.parameters == (Double("x", 0, 2),)
    message.spec.objective.type = api.MAXIMIZE
    assert wire.read_problem(message).objectives[0].goal is Goal.MAXIMIZE
    feasible.min = "3"
    for _ in range(2):
        with pytest.raises(Invalid, match="min must not exceed max"):
            wire.read_problem(message)
    large = experiment(parameters=[double(f"x{n}", "0", "1") for n in range(300)])
    assert wire.read_problem(large) == wire.read_problem(large)
    assert wire.read_problem(large) is not wire.read_problem(large)


@pytest.mark.parametrize("maximize", [True, False])
def test_the_declaration_is_read(maximize: bool) -> None:
    message = experiment("tpe", settings={"seed": "1"}, maximize=maximize, max_trials=7)
    read = wire.read_problem(message)
    goal = Goal.MAXIMIZE if maximize else Goal.MINIMIZE
    assert (read.name, read.metrics, read.max_trial_count) == ("exp", (Metric("loss", goal),), 7)
    chosen = wire.read_algorithm(message.spec.algorithm)
    assert chosen == AlgorithmChoice("tpe", (RawSetting("seed", "1"),))


def _broken(**changes: object) -> api.Experiment:
    message = experiment()
    for path, value in changes.items():
        *parents, last = path.split("__")
        target: object = message
        for name in parents:
            target = getattr(target, name)
        setattr(target, last, value)
    return message


WRONG = [
    (_broken(name=""), "experiment.name", "experiment name must not be empty"),
    (_broken(name="x" * 10**6), "experiment.name", "name must have at most 253 characters, got 1"),
    (
        _broken(spec__objective__type=0),
        "experiment.spec.objective.type",
        "objective: type must be minimize or maximize, got UNKNOWN (0)",
    ),
    (
        _broken(spec__objective__type=9),
        "experiment.spec.objective.type",
        "objective: type must be minimize or maximize, got an undefined value (9)",
    ),
    (
        _broken(spec__objective__objective_metric_name=""),
        "experiment.spec.objective.objective_metric_name",
        "objective: the objective metric name must not be empty",
    ),
    (
        _broken(spec__algorithm__algorithm_name=""),
        "experiment.spec.algorithm.algorithm_name",
        "algorithm: the algorithm name must not be empty",
    ),
    (
        _broken(spec__max_trial_count=-1),
        "experiment.spec.max_trial_count",
        "max_trial_count must not be negative, got -1",
    ),
    (
        _broken(spec__parallel_trial_count=-3),
        "experiment.spec.parallel_trial_count",
        "parallel_trial_count must not be negative, got -3",
    ),
    (
        experiment(parameters=[]),
        "experiment.spec.parameter_specs",
        "the search space must have at least one parameter",
    ),
    (
        experiment(parameters=[api.ParameterSpec(name="x")]),
        "experiment.spec.parameter_specs.parameters[0].parameter_type",
        "type must be double, int, discrete or categorical, got UNKNOWN_TYPE (0)",
    ),
    (
        experiment(parameters=[*MIXED, double("lr", "0", "1")]),
        "experiment.spec.parameter_specs.parameters[5].name",
        "parameter 'lr': name must not be used twice",
    ),
    (
        experiment(parameters=[double("x", "0", "1", prior=17)]),
        "experiment.spec.parameter_specs.parameters[0].feasible_space.distribution",
        "distribution must be uniform, logUniform, normal or logNormal, got 17",
    ),
    (
        experiment(
            parameters=[
                api.ParameterSpec(
                    name="x",
                    parameter_type=api.CATEGORICAL,
                    feasible_space=api.FeasibleSpace(list=["a"], min="1"),
                )
            ]
        ),
        "experiment.spec.parameter_specs.parameters[0].feasible_space.min",
        "parameter 'x': a categorical has no min, got '1'",
    ),
    (
        experiment(
            parameters=[
                api.ParameterSpec(
                    name="x",
                    parameter_type=api.DISCRETE,
                    feasible_space=api.FeasibleSpace(list=["1"], distribution=api.LOG_UNIFORM),
                )
            ]
        ),
        "experiment.spec.parameter_specs.parameters[0].feasible_space.distribution",
        "distribution logUniform is for double and int, got it for a discrete",
    ),
    (
        experiment(
            parameters=[
                api.ParameterSpec(
                    name="x",
                    parameter_type=api.INT,
                    feasible_space=api.FeasibleSpace(min="1", max="2", list=["1"]),
                )
            ]
        ),
        "experiment.spec.parameter_specs.parameters[0].feasible_space.list",
        "a list is for discrete and categorical, got one for an int",
    ),
]


@pytest.mark.parametrize(("message", "field", "text"), WRONG, ids=[text for *_, text in WRONG])
def test_a_wrong_experiment_is_refused(message: api.Experiment, field: str, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate(message)
    (violation,) = caught.value.violations
    assert dotted(violation.location) == field
    assert text in violation.description
    assert len(violation.description) < 300


def test_all_violations_of_an_experiment_come_at_once() -> None:
    parameters = [
        double("lr", "0", "1", prior=api.LOG_UNIFORM),
        integer("lr", "5", "1"),
        discrete("d"),
        categorical("c", "a", "a"),
    ]
    message = experiment(parameters=parameters)
    message.spec.objective.objective_metric_name = ""
    with pytest.raises(Invalid) as caught:
        wire.read_problem(message)
    text = str(caught.value)
    for part in (
        "'lr': logUniform needs min > 0",
        "'lr': min must not exceed max",
        "'lr': name must not be used twice",
        "'d': list must not be empty",
        "'c': list entries must differ",
        "the objective metric name must not be empty",
    ):
        assert part in text


# --------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("count", "total", "trials", "first"),
    [
        (1, 1, 0, 0),
        (3, 10, 2, 7),
        (3, 0, 5, 5),
        (3, 2, 5, 5),
        (2, 2, 2, 2),
        (2, 6, 6, 6),
        (10_000, 10_000, 0, 0),
        (3, -(2**31), 5, 5),
    ],
)
def test_the_first_index(count: int, total: int, trials: int, first: int) -> None:
    assert wire.read_count(ask_for(experiment(), count, total), trials) == (count, first)


@pytest.mark.parametrize("count", [0, -1, 10_001, 2**31 - 1])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(Invalid, match=f"must be between 1 and 10000, got {count}"):
        wire.read_count(ask_for(experiment(), count), 0)


# --------------------------------------------------------------------- trials

OBSERVED = {CONDITION.SUCCEEDED, CONDITION.EARLYSTOPPED}
LOST = {CONDITION.FAILED, CONDITION.KILLED, CONDITION.METRICSUNAVAILABLE}
OPEN = {CONDITION.CREATED, CONDITION.RUNNING, CONDITION.UNKNOWN, 42}


@pytest.mark.parametrize("condition", [*CONDITION.values(), 42])
@pytest.mark.parametrize("loss", ["0.25", "nan", "inf", "unavailable", "", None])
def test_every_condition_is_read(condition: int, loss: str | None) -> None:
    history = read_trials([trial("t", POINT, loss, condition)], PROBLEM)
    assert condition in OBSERVED | LOST | OPEN
    if condition in OPEN:
        assert history.pending == (Pending("t", VALUES),)
    elif condition in LOST or loss != "0.25":
        assert history.failed == (Failed("t", VALUES),)
    else:
        stopped = condition == CONDITION.EARLYSTOPPED
        assert history.observations == (finished("t", VALUES, 0.25, stopped_early=stopped),)
    found = (history.observations, history.pending, history.failed, history.out_of_space)
    assert sum(map(len, found)) == 1


def test_a_maximised_objective_is_negated() -> None:
    maximising = Problem("e", SPACE, (Metric("loss", Goal.MAXIMIZE),))
    history = read_trials([trial("t", POINT, "0.25")], maximising)
    assert loss_of(history.observations[0]) == 0.25
    assert Study(maximising, trials=history).losses.tolist() == [[-0.25]]


def test_a_trial_may_name_its_own_metric() -> None:
    message = trial("t", POINT, "1")
    message.status.observation.metrics.add(name="other", value="7")
    message.spec.objective.objective_metric_name = "other"
    assert best(read_trials([message], PROBLEM).observations) == 7


@pytest.mark.parametrize(
    ("start", "completion", "seconds"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z", 90.0),
        ("2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00Z", 7200.0),
        ("", "2026-01-01T00:00:00Z", None),
        ("2026-01-01T00:00:00Z", "", None),
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z", None),
        ("yesterday", "today", None),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z", None),
    ],
)
def test_durations(start: str, completion: str, seconds: float | None) -> None:
    message = trial("t", POINT, "1", start_time=start, completion_time=completion)
    assert read_trials([message], PROBLEM).observations[0].duration == seconds


@pytest.mark.parametrize(
    ("completion", "ended"),
    [
        ("1970-01-01T00:01:40Z", 100.0),
        ("1970-01-01T01:01:40+01:00", 100.0),
        ("1970-01-01T00:01:40", 100.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("", None),
        ("yesterday", None),
    ],
)
def test_when_a_trial_ended(completion: str, ended: float | None) -> None:
    done = trial("a", POINT, "1", completion_time=completion)
    failed = trial("b", POINT, "nan", completion_time=completion)
    history = read_trials([done, failed], PROBLEM)
    assert [t.ended for t in history.observations] == [ended]
    assert [t.ended for t in history.failed] == [ended]


def test_out_of_space_trials_keep_what_fits() -> None:
    trials = [
        trial("more", {**POINT, "gone": "1"}, "1"),
        trial("less", {"x": "0.5"}, "2"),
        trial("outside", {"x": "7", "n": "2"}, "3"),
        trial("nothing", {"x": "7"}, "4"),
        trial("running", {"n": "1"}),
    ]
    history = read_trials(trials, PROBLEM)
    assert [t.trial for t in history.observations] == ["more"]
    assert {t.trial: dict(t.assignment) for t in history.out_of_space} == {
        "less": {"x": 0.5},
        "outside": {"n": 2},
        "running": {"n": 1},
    }
    assert isinstance(history.out_of_space[-1], Observation | Pending)


TRIALS = [
    trial("a", POINT, "1", start_time="2026-01-01T00:00:02Z"),
    trial("b", POINT, "2", start_time="2026-01-01T00:00:01Z"),
    trial("b", POINT),
    trial("b", POINT, "3", start_time="2026-01-01T00:00:01Z"),
    trial("c", POINT),
    trial("c", POINT, None, CONDITION.FAILED),
    trial("", {"x": "0.1", "n": "1"}, "5"),
    trial("", {"x": "0.1", "n": "1"}, "4"),
    trial("", {"x": "0.1", "n": "1"}),
    trial("d", {"x": "0.1"}, "5"),
]


def test_a_trial_named_twice_counts_once_in_its_furthest_condition() -> None:
    history = read_trials(TRIALS, PROBLEM)
    assert [t.trial for t in history.observations] == ["", "", "b", "a"]
    assert [*map(loss_of, history.observations)] == [4, 5, 3, 1]
    assert history.failed == (Failed("c", VALUES),)
    assert len(history.pending) == 1


@given(st.permutations(range(len(TRIALS))))
def test_the_order_of_trials_does_not_matter(order: list[int]) -> None:
    shuffled = read_trials([TRIALS[k] for k in order], PROBLEM)
    assert shuffled == read_trials(TRIALS, PROBLEM)


def test_many_trials_keep_their_order_when_shuffled() -> None:
    trials = [trial(f"t{k}", POINT, str(k % 7)) for k in range(500)]
    expected = read_trials(trials, PROBLEM)
    random.Random(1).shuffle(trials)
    assert read_trials(trials, PROBLEM) == expected


# ---------------------------------------------------------------------- reply


def test_the_reply_writes_values_as_the_user_wrote_them() -> None:
    space = wire.read_problem(experiment()).space
    point: Assignment = {
        "lr": 1e-5,
        "momentum": 0.7,
        "layers": 3,
        "batch": 100.0,
        "optimizer": "adam",
    }
    reply = wire.write_reply([Suggestion(point, "exp-g000-m00", {"k": "v"})], space)
    assert points_of(reply) == [
        {"lr": "1e-05", "momentum": "0.7", "layers": "3", "batch": "1e2", "optimizer": "adam"}
    ]
    assert reply.parameter_assignments[0].trial_name == "exp-g000-m00"
    assert dict(reply.parameter_assignments[0].labels) == {"k": "v"}


# ---------------------------------------------------------- the client's side


@pytest.mark.parametrize(
    ("kind", "prior"),
    [
        (kind, prior)
        for kind in ("double", "int")
        for prior in (None, "uniform", "logUniform", "normal", "logNormal")
    ],
)
def test_an_experiment_document_becomes_the_message(kind: str, prior: str | None) -> None:
    feasible = {"min": "1", "max": "9"} | ({"distribution": prior} if prior else {})
    document = {
        "metadata": {"name": "e"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss", "goal": "0.1"},
            "algorithm": {
                "algorithmName": "random",
                "algorithmSettings": [{"name": "seed", "value": "1"}],
            },
            "earlyStopping": {"algorithmName": "medianstop"},
            "maxTrialCount": "9",
            "parameters": [
                {"name": "x", "parameterType": kind, "feasibleSpace": feasible},
                {"name": "l", "parameterType": "discrete", "feasibleSpace": {"list": ["1e0"]}},
            ],
        },
    }
    message = wire.write_experiment(document)
    read = wire.read_problem(message)
    cls = Double if kind == "double" else Int
    distribution = Distribution(prior) if prior else Distribution.UNIFORM
    assert read.space.parameters == (
        cls("x", 1, 9, distribution=distribution),
        Discrete("l", ("1e0",)),
    )
    assert message.spec.objective.goal == 0.1
    assert message.spec.early_stopping.algorithm_name == "medianstop"
    assert (read.max_trial_count, read.metrics[0].goal) == (9, Goal.MINIMIZE)


@pytest.mark.parametrize("name", CONDITION.keys())
def test_a_trial_entry_becomes_the_message(name: str) -> None:
    entry = {"parameters": {"x": "1"}, "condition": name.capitalize(), "metrics": {"loss": "2"}}
    message = wire.write_trial(entry)
    assert message.status.condition == CONDITION.Value(name)
    assert message.status.observation.metrics[0].value == "2"
