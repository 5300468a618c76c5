"""``learn_from`` of `tune` and `Study`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import suggestion as sg
from tests.tuning import functions

X = {"x": sg.uniform(0, 1)}
GP = "bayesianoptimization"


def told(name: str = "before", count: int = 8, **options: object) -> sg.Study:
    study = sg.Study(X, name=name, seed=1, algorithm="random", **options)  # type: ignore[arg-type]
    for point in study.ask(count):
        study.tell(point, (point.as_float("x") - 0.2) ** 2)
    return study


def test_a_study_begins_where_others_were_good(tmp_path: Path) -> None:
    before = told()
    study = sg.Study({"x": sg.uniform(0.1, 9)}, algorithm=GP, learn_from=before)
    point = study.ask()
    assert abs(point.as_float("x") - 0.2) < 0.2
    study.tell(point, 1.0)
    study.save(tmp_path / "study.json")
    loaded = sg.Study.load(tmp_path / "study.json")  # it has a copy
    assert loaded.ask() == study.ask()
    assert len(loaded) == len(study) == 2


def test_metrics_that_are_optimised_or_bounded_are_learned_from_too(tmp_path: Path) -> None:
    goals = {"loss": "minimize", "size": "minimize"}
    before = sg.Study(X, name="before", seed=1, algorithm="random", objectives=goals)
    for point in before.ask(3):
        before.tell(point, {"loss": point.as_float("x"), "size": 2, "memory": 3, "other": 4})
    result = sg.tune(
        functions.measured,
        X,
        trials=2,
        objectives=goals,
        directory=tmp_path / "a",
        progress=False,
        algorithm="random",
    )
    study = sg.Study(
        X,
        algorithm=GP,
        learn_from=[before, result],
        objectives=goals,
        metric_constraints="memory <= 8",
    )
    study.save(tmp_path / "study.json")
    kept = json.loads((tmp_path / "study.json").read_text())["settings"]["prior_trials"]
    told = {name: entry["metrics"] for name, entry in json.loads(kept).items()}
    assert told == {
        "before": {"size": [2, 2, 2], "memory": [3, 3, 3]},
        "measured": {"size": [1, 1], "memory": [5, 5]},
    }


def test_results_directories_and_studies_can_be_learned_from(tmp_path: Path) -> None:
    result = sg.tune(
        functions.square,
        X,
        algorithm="random",
        trials=2,
        seed=1,
        directory=tmp_path / "a",
        progress=False,
    )
    space = {"x": sg.uniform(0, 2)}
    options = {"algorithm": GP, "seed": 1, "progress": False}
    sources: list[object] = [told(), told(), result]
    options |= {"directory": tmp_path / "b", "learn_from": sources}
    first = sg.tune(functions.square, space, trials=1, **options)  # type: ignore[arg-type]
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(sg.InvalidArgument, match="differs in learn_from"):
        sg.tune(functions.square, space, trials=2, **{**options, "learn_from": told("x")})  # type: ignore[arg-type]
    again = sg.tune(functions.square, space, trials=2, **options)  # type: ignore[arg-type]
    assert again.trials[0].parameters == first.trials[0].parameters
    (alone,) = sg.tune(
        functions.square,
        space,
        trials=1,
        algorithm=GP,
        seed=1,
        progress=False,
        directory=tmp_path / "c",
    ).trials
    assert alone.parameters != first.trials[0].parameters


def test_what_teaches_nothing_is_refused_at_once(tmp_path: Path) -> None:
    other = sg.Study({"y": sg.uniform(0, 1)}, name="other")
    other.tell({"y": 0.5}, 1.0)
    loss, new = told(count=1, minimize="loss"), sg.Study(X, name="new")
    sources: list[Any] = [loss, new, other, tmp_path, 3]
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study(X, algorithm=GP, learn_from=sources)
    assert [str(rule) for rule in caught.value.broken] == [
        "learn_from[4]: must be a directory, a Result or a Study, or a list of them, got 3",
        "learn_from[0]: must have the objective 'value', got 'loss'",
        "learn_from[1]: must hold a trial with a value of 'value', got none",
        "learn_from[3]: holds no experiment",
        "learn_from[2]: earlier study 'other': must have values that fit a parameter of the space "
        "('x'), got 'y'",
    ]
    with pytest.raises(sg.InvalidArgument, match="does not support earlier studies"):
        sg.Study(X, algorithm="random", learn_from=told())
    with pytest.raises(sg.InvalidArgument, match="must not be given together with settings"):
        sg.Study(X, algorithm=GP, settings={"prior_trials": "{}"}, learn_from=told())
    with pytest.raises(sg.InvalidArgument, match="trials: must be a whole number"):
        sg.tune(functions.square, X, trials=0, learn_from=tmp_path)
