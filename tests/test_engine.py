"""The engine: the same answers in this process as behind gRPC, for every algorithm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import grpc
import numpy as np
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.engine.algorithm import Ability, missing, register
from suggestion.engine.engine import AlgorithmChoice, Prepared
from suggestion.engine.settings import RawSetting
from suggestion.problem.conditions import Condition
from suggestion.problem.errors import Invalid, Violation
from suggestion.problem.expressions import parse
from suggestion.problem.lists import Categorical
from suggestion.problem.locations import Location
from suggestion.problem.numeric import Double
from suggestion.problem.parameters import Array
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study, Suggestion
from tests.support.cases import ENGINE, NAMES, case_of, prepare
from tests.support.play import LATTICE
from tests.support.requests import MIXED, ask_for, points_of, trial
from tests.support.servers import ServerProcess
from tests.support.studies import finished

SPACE = SearchSpace((Double("x", 0, 1),))
PROBLEM = Problem("e", SPACE, (Metric("loss"),))


@pytest.mark.parametrize("name", NAMES)
def test_in_this_process_and_behind_grpc_it_suggests_the_same(
    server: ServerProcess, name: str
) -> None:
    message = case_of(name).experiment(LATTICE)
    assert message is not None
    prepared = prepare(message)
    made: list[Suggestion] = []
    for count in (3, 1, 4, 4):
        trials, observed, pending, failed = [], [], [], []
        names = {s.trial or f"t{k:03d}": s for k, s in enumerate(made)}
        for index, (trial_name, suggestion) in enumerate(sorted(names.items())):
            texts = prepared.problem.space.format(suggestion.assignment)
            if index % 5 == 3:
                trials.append(trial(trial_name, texts))
                pending.append(Pending(trial_name, suggestion.assignment))
            elif index % 5 == 4:
                trials.append(trial(trial_name, texts, "nan"))
                failed.append(Failed(trial_name, suggestion.assignment))
            else:
                loss = (index * 7) % 5 / 3
                trials.append(trial(trial_name, texts, repr(loss)))
                observed.append(finished(trial_name, suggestion.assignment, loss))
        history = History(tuple(observed), tuple(pending), tuple(failed))
        here = prepared.suggest(count, first_index=len(made), trials=history)
        request = ask_for(message, count, len(made) + count, trials[::-1])
        there = server.stub.GetSuggestions(request)
        assert [prepared.problem.space.format(s.assignment) for s in here] == points_of(there)
        replies = there.parameter_assignments
        assert [(s.trial, dict(s.labels)) for s in here] == [
            (r.trial_name, dict(r.labels)) for r in replies
        ]
        made += here


def test_what_is_wrong_is_named_the_same_behind_grpc(server: ServerProcess) -> None:
    choice = AlgorithmChoice("grid", (RawSetting("steps", "3"), RawSetting("random_state", "-1")))
    message = api.Experiment(name="e")
    message.CopyFrom(case_of("random").experiment(MIXED) or message)
    message.spec.algorithm.algorithm_name = choice.name
    for name, value in choice.settings:
        message.spec.algorithm.algorithm_settings.add(name=name, value=value)
    with pytest.raises(Invalid) as caught:
        ENGINE.prepare(wire.read_problem(message), choice)
    request = api.ValidateAlgorithmSettingsRequest(experiment=message)
    with pytest.raises(grpc.RpcError) as refused:
        server.stub.ValidateAlgorithmSettings(request)
    assert len(caught.value.violations) == 2
    assert refused.value.details() == str(caught.value)


def test_violations_of_the_reader_come_with_those_of_the_engine() -> None:
    read = Violation(("name",), "experiment name must not be empty")
    with pytest.raises(Invalid) as caught:
        ENGINE.prepare(None, AlgorithmChoice("tpe", (RawSetting("gama", "1"),)), [read])
    assert caught.value.violations[0] == read
    assert "did you mean" in caught.value.violations[1].description


def test_a_valid_choice_is_refused_for_a_problem_that_could_not_be_read() -> None:
    with pytest.raises(Invalid):
        ENGINE.prepare(None, AlgorithmChoice("random"), [Violation(("name",), "wrong")])


def test_the_seed_is_that_of_the_name_or_the_setting() -> None:
    named = ENGINE.prepare(PROBLEM, AlgorithmChoice("random"))
    renamed = ENGINE.prepare(replace(PROBLEM, name="7"), AlgorithmChoice("random"))
    seven = ENGINE.prepare(PROBLEM, AlgorithmChoice("random", (RawSetting("seed", "7"),)))
    seeds = {it.study().seed for it in (named, renamed, seven)}
    assert len(seeds) == 3


def test_metrics_have_goals_and_roles() -> None:
    bounded = Metric("latency", role=Role.CONSTRAINT, bound=0.1)
    problem = Problem("e", SPACE, (bounded, Metric("accuracy", Goal.MAXIMIZE)))
    assert [metric.name for metric in problem.objectives] == ["accuracy"]
    assert problem.constraints == (bounded,)
    assert problem.objectives[0].loss(0.9) == -0.9
    with pytest.raises(ValueError, match="a constraint, and only it, has a bound"):
        Metric("latency", role=Role.CONSTRAINT)
    with pytest.raises(ValueError, match="a constraint, and only it, has a bound"):
        Metric("loss", bound=1)
    with pytest.raises(ValueError, match="metrics must have different names"):
        Problem("e", SPACE, (Metric("loss"), Metric("loss", Goal.MAXIMIZE)))
    with pytest.raises(ValueError, match="needs an objective"):
        Problem("e", SPACE, (bounded,))


LATENCY = Metric("latency", role=Role.CONSTRAINT, bound=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_algorithm_does_not_declare_is_refused_by_name(name: str) -> None:
    message = case_of(name).experiment(LATTICE)
    assert message is not None
    choice = wire.read_algorithm(message.spec.algorithm)
    problem = wire.read_problem(message)
    first, *_, last = problem.space.parameters
    condition = Condition(last.name, first.name, (first.decode(np.zeros(1))[0],))
    asked = replace(
        problem,
        metrics=(*problem.metrics, Metric("size"), LATENCY),
        space=replace(problem.space, conditions=(condition,), constraints=parse("1 < 2", {})),
    )
    abilities: frozenset[Ability] = getattr(prepare(message).algorithm, "abilities", frozenset())
    needs: list[tuple[Ability, str, Location]] = [
        (Ability.SEVERAL_OBJECTIVES, "size", ("metrics",)),
        (Ability.METRIC_CONSTRAINTS, "latency", ("metrics",)),
        (Ability.CONDITIONS, last.name, ("conditions",)),
        (Ability.PARAMETER_CONSTRAINTS, "1 < 2", ("constraints",)),
        (Ability.PRIOR_STUDIES, "before", ("prior",)),
    ]
    # Architectures are a kind of space, and are in tests/nas.
    assert {ability for ability, *_ in needs} == set(Ability) - {Ability.ARCHITECTURES}
    expected = [
        Violation(place, f"algorithm '{name}' does not support {ability.value}, got '{what}'")
        for ability, what, place in needs
        if ability not in abilities
    ]
    refused: list[Violation] = []
    try:
        ENGINE.prepare(asked, choice, prior=[Study(replace(PROBLEM, name="before"))])
    except Invalid as error:
        refused = [
            replace(v, description=v.description.partition("; those that do: ")[0])
            for v in error.violations
            if "does not support" in v.description
        ]
    assert refused == expected


def test_metrics_that_are_only_reported_need_no_ability() -> None:
    shown = replace(PROBLEM, metrics=(Metric("loss"), Metric("epoch", role=Role.REPORTED)))
    assert ENGINE.prepare(shown, AlgorithmChoice("tpe")).problem == shown


def test_what_is_declared_is_accepted() -> None:
    able = SimpleNamespace(name="able", abilities=frozenset({Ability.METRIC_CONSTRAINTS}))
    bounded = replace(PROBLEM, metrics=(Metric("loss"), LATENCY))
    assert not list(missing(able, bounded))  # type: ignore[arg-type]
    asked = replace(bounded, metrics=(*bounded.metrics, Metric("size")))
    assert len(list(missing(able, asked))) == 1  # type: ignore[arg-type]


@register("able")
@dataclass(frozen=True, kw_only=True)
class Able:
    """Takes all that a problem can say, and learns from it in the simplest way."""

    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability)

    def suggest(self, study: Study, count: int) -> list[Assignment]:
        """The point with the least sum of losses anywhere, then points of its neighbours' cells."""
        known = [(float(row.sum()), o) for s in (study, *study.prior) for row, o in zip_losses(s)]
        best = min(known, key=lambda each: each[0])[1].assignment
        points = np.linspace(0, 1, count)[:, None] * study.space.encode([best])
        return study.space.decode(points)


def zip_losses(study: Study) -> list[tuple[Array, Observation]]:
    return list(zip(study.losses, study.observations, strict=True))


def test_an_algorithm_that_declares_everything_sees_everything() -> None:
    space = SearchSpace(
        (Categorical("optimizer", ("adam", "sgd")), Double("momentum", 0, 1)),
        (Condition("momentum", "optimizer", ("sgd",)),),
    )
    metrics = (Metric("loss"), Metric("accuracy", Goal.MAXIMIZE), LATENCY)
    problem = Problem("e", space, metrics)
    adam: Assignment = {"optimizer": "adam"}
    sgd: Assignment = {"optimizer": "sgd", "momentum": 0.5}
    poor = Observation("a", adam, {"loss": 2.0, "accuracy": 0.1, "latency": 0.2})
    good = Observation("b", sgd, {"loss": 1.0, "accuracy": 0.9})
    before = Study(replace(problem, name="before"), trials=History((good,)))
    prepared = Prepared(problem, "able", Able(), None, (before,))
    assert not list(missing(Able, problem, [before]))
    study = prepared.study(trials=History((poor,)))
    assert study.losses.tolist() == [[2.0, -0.1]]
    assert study.prior[0].losses.tolist() == [[1.0, -0.9]]
    suggested = [s.assignment for s in prepared.suggest(3, trials=History((poor,)))]
    assert suggested == [adam, adam, sgd]
