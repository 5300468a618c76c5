"""The trial that is recommended under noise, in ``suggest status`` and in a result."""

from __future__ import annotations

import json
import random
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import suggestion as sg
from suggestion.cli.main import main
from suggestion.client.numbers import short
from suggestion.controller.observation import Series
from suggestion.controller.trials import Condition, Trial
from suggestion.views import recommended, status
from tests.web.support import experiment, store, trial

X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "-5", "max": "5"}}
SPEC: dict[str, Any] = {"parameters": [X], "algorithm": {"algorithmName": "random"}}


def noisy(count: int = 40, noise: float = 4.0) -> list[Trial]:
    """Trials of (x - 1)^2 under noise."""
    draws = random.Random(11)
    made = []
    for number in range(count):
        x = draws.uniform(-5, 5)
        value = (x - 1) ** 2 + draws.gauss(0, noise)
        made.append(replace(trial(number, value), assignment={"x": repr(x)}))
    return made


def off(one: Trial) -> float:
    return abs(float(one.assignment["x"]) - 1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise") / "study"
    running = replace(trial(40, None), condition=Condition.RUNNING, assignment={"x": "1.0"})
    return store(folder, experiment(**SPEC), [*noisy(), running], reports=False)


def shown(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["status", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_status_names_it(directory: Path) -> None:
    trials = status.load(directory)[1]
    found = json.loads(shown(directory, "--output", "json"))["status"]
    named = {one.name: one for one in trials}
    best = named[found["currentOptimalTrial"]["bestTrialName"]]
    better = named[found["recommendedTrial"]["trialName"]]
    assert off(better) < off(best)
    estimate, deviation = (
        found["recommendedTrial"][key] for key in ("estimate", "standardDeviation")
    )
    assert abs(estimate - off(better) ** 2) < 3 * deviation < 6
    (line,) = re.findall("Recommended trial: .*", shown(directory))
    observed = re.escape(short(best.series["loss"].min))
    assert re.fullmatch(
        rf"Recommended trial: {better.name}, estimated loss \S+ ± \S+; the best observed, "
        rf"{observed}, is within the noise",
        line,
    )


def test_a_result_has_it(directory: Path) -> None:
    result = sg.load_result(directory)
    found = json.loads(shown(directory, "--output", "json"))["status"]
    assert result.recommended.name == found["recommendedTrial"]["trialName"]
    assert result.recommended != result.best


def test_the_objective_may_be_maximised() -> None:
    negative = [repr(-float(one.series["loss"].min)) for one in noisy()]
    turned = [
        replace(one, series={"loss": Series(text, text, text, 1)})
        for one, text in zip(noisy(), negative, strict=True)
    ]
    goal = {"type": "maximize", "objectiveMetricName": "loss"}
    least = recommended.find(experiment(**SPEC), noisy())
    most = recommended.find(experiment(**SPEC, objective=goal), turned)
    assert least is not None
    assert most is not None
    assert most.trial.name == least.trial.name
    assert most.estimate == pytest.approx(-least.estimate)
    assert most.deviation == pytest.approx(least.deviation)


@pytest.mark.parametrize(
    "spec",
    [
        {"algorithm": {"algorithmName": "of-a-server-elsewhere"}},
        {"algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "g", "value": "1"}]}},
    ],
)
def test_an_algorithm_that_is_not_installed_recommends_nothing(spec: dict[str, Any]) -> None:
    made = experiment(**{**SPEC, **spec})
    assert recommended.find(made, noisy()) is None
    assert "Recommended" not in status.text(made, noisy())


def test_status_needs_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert recommended.find(experiment(**SPEC), noisy()) is None


def test_the_best_trial_is_not_named_twice() -> None:
    made = experiment(**SPEC)
    for trials in ([], noisy(9), noisy(40, noise=0.0)):
        assert recommended.find(made, trials) is None
    assert "recommendedTrial" not in status.crd(made, noisy(40, noise=0.0))["status"]


def test_what_the_algorithm_does_not_learn_from_is_no_luck() -> None:
    """The best trial is from before the space was edited: nothing is known about its noise."""
    edited = replace(trial(40, -100.0), assignment={"x": "7"})
    assert recommended.find(experiment(**SPEC), [*noisy(), edited]) is None


def test_an_equal_trial_is_no_better() -> None:
    """The first one is the best for people; the algorithm has them in the order of names."""
    best = replace(trial(0, 0.0), name="z", assignment={"x": "1.0"})
    equal = replace(trial(41, 0.0), assignment={"x": "1.0"})
    assert recommended.find(experiment(**SPEC), [best, *noisy(noise=0.0)[1:], equal]) is None
