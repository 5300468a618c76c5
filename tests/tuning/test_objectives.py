"""Several objectives and constraints on metrics, in `Study` and in `tune`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import suggestion as sg
from suggestion.client import document
from suggestion.engine.algorithm import Ability, abilities_of, algorithms
from suggestion.views import export
from tests.support.servers import ServerProcess
from tests.tuning import functions

ABLE = sorted(
    set(abilities_of(algorithms(), Ability.SEVERAL_OBJECTIVES))
    & set(abilities_of(algorithms(), Ability.METRIC_CONSTRAINTS))
)
SPACE: Mapping[str, object] = {
    "x": sg.uniform(0, 1, step="0.001"),
    "y": sg.uniform(0, 1, step="0.001"),
}
GOALS: Mapping[str, Any] = {
    "objectives": {"cost": "minimize", "gain": "maximize"},
    "metric_constraints": ["size <= 5", "0.1 < gain"],
}


def play(study: sg.Study, count: int = 9) -> list[dict[str, object]]:
    """Points of some trials; one lacks an objective, and one the metric of a constraint."""
    seen = []
    for number in range(count):
        point = study.ask()
        seen.append(dict(point))
        metrics = functions.tradeoff(point.as_float("x"), point.as_float("y"))
        if number == 2:
            metrics["gain"] = math.inf
        if number == 4:
            del metrics["size"]
        study.tell(point, metrics)
    return seen


@pytest.mark.parametrize("name", ABLE)
def test_suggestions_are_the_servers(name: str, server: ServerProcess, tmp_path: Path) -> None:
    """In this process, at a server, and after a restart."""
    here = sg.Study(SPACE, algorithm=name, seed=1, **GOALS)
    there = sg.Study(SPACE, algorithm=name, seed=1, target=server.address, **GOALS)
    assert play(here) == play(there)
    here.save(tmp_path / "study.json")
    again = sg.Study.load(tmp_path / "study.json", target=server.address)
    assert again.trials == here.trials
    assert (again.best, again.front) == (here.best, here.front)
    assert dict(again.ask()) == dict(here.ask())


def test_the_best_trial_and_the_trade_off() -> None:
    study = sg.Study({"x": [*range(9)]}, algorithm="grid", **GOALS)

    def tell(cost: float, gain: float, **more: float) -> None:
        study.tell(study.ask(), {"cost": cost, "gain": gain, **more})

    with pytest.raises(sg.NoResult):
        _ = study.best
    tell(0, 1)
    assert (study.best.number, study.best.feasible) == (0, False)
    tell(1, 1, size=10)
    tell(1, 1, size=6)
    assert study.best.violations == {"size <= 5": 0.2, "gain > 0.1": 0.0}
    assert (study.best.number, study.front) == (2, [])
    tell(4, 3, size=5)
    tell(3, 2, size=5)
    tell(3, 1, size=5)  # dominated
    tell(math.inf, 1, size=5)
    tell(3, 2, size=1)
    assert study.best.objectives == {"cost": 3.0, "gain": 2.0}
    assert [trial.number for trial in study.front] == [3, 4, 7]
    assert study.best.number == 4
    assert (study.trials[6].state, study.trials[6].objectives) == (sg.State.FAILED, {})
    assert repr(study) == "<Study 'study': minimize cost, maximize gain, grid, 8 trials, best 3>"
    point = study.ask()
    for value in (1.0, {"cost": 1.0}):
        with pytest.raises(sg.InvalidArgument, match=r"^value: must hold 'gain', got cost$"):
            study.tell(point, value)
    one = sg.Study({"x": [1, 2]}, objectives={"loss": "maximize"})
    one.tell(one.ask(), 2.0)
    assert (one.best.objectives, one.front) == ({"loss": 2.0}, [one.best])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"objectives": {}}, "objectives: must map names of metrics to 'minimize' or 'maximize'"),
        ({"objectives": ["a"]}, "objectives: must map names of metrics to"),
        ({"objectives": {"a": "min"}}, "objectives['a']: must be 'minimize' or 'maximize', got"),
        ({"objectives": {"": "minimize"}}, "objectives['']: must be the name of a metric"),
        ({"objectives": {3: "minimize"}}, "objectives[3]: must be the name of a metric"),
        ({"objectives": {"x": "minimize"}}, "objectives['x']: must be the name of a metric, got"),
        ({"minimize": "x"}, "minimize: must be the name of a metric, got 'x', a parameter of"),
        (
            {"objectives": {f"m{n}": "minimize" for n in range(9)}},
            "objectives: character 99 of '...; m6: minimize; m7: minimize; m8: minimize': there "
            "must be at most 8",
        ),
        (
            {"objectives": {"a": "minimize"}, "maximize": "b"},
            "objectives: must not be given together with maximize, got 'b'",
        ),
        ({"metric_constraints": ""}, "metric_constraints: must hold a bound, got ''"),
        ({"metric_constraints": [1]}, "metric_constraints: must be a text, or a list of texts"),
        ({"metric_constraints": "x <= 1"}, "metric_constraints: must be about metrics, got 'x'"),
        ({"metric_constraints": "a <"}, "metric_constraints: "),
        (
            {"minimize": "a", "metric_constraints": "a < 1"},
            "metric_constraints: character 1 of 'a < 1': 'a' is the main objective",
        ),
        ({"metric_constraints": "a < 1; a > 2"}, "metric_constraints: character 8 of"),
        (
            {"settings": {"metric_constraints": "a < 1"}},
            "settings['metric_constraints']: must be given as the argument metric_constraints",
        ),
        (
            {"metric_constraints": "a < 1", "settings": {"metric_constraints": "a < 1"}},
            "metric_constraints: must not be given together with settings['metric_constraints']",
        ),
    ],
)
def test_what_is_wrong_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study(SPACE, **given)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_all_that_an_algorithm_cannot_do_is_said_at_once(server: ServerProcess) -> None:
    """Together with what is wrong otherwise."""
    for target in (None, server.address):
        with pytest.raises(sg.InvalidArgument) as caught:
            sg.Study(SPACE, algorithm="anneal", target=target, **GOALS)
        assert [rule.place for rule in caught.value.broken] == ["algorithm", "algorithm"]
        assert "'anneal' does not support several objectives, got 'gain'; those that do" in str(
            caught.value
        )
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study({"x": sg.uniform(1, 0)}, algorithm="anneal", objectives=GOALS["objectives"])
    assert [rule.place for rule in caught.value.broken] == ["space['x'].min", "algorithm"]
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study({"x": sg.uniform(1, 0)}, settings={"gama": 1}, metric_constraints="a < 1 < 2")
    assert [rule.place for rule in caught.value.broken] == [
        "space['x'].min",
        "settings['gama']",
        "metric_constraints",
    ]
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.tune(
            functions.tradeoff,
            SPACE,
            trials=1,
            objectives={"cost": "minimise", "step": "minimize"},
            metric_constraints="y < 1",
        )
    assert [rule.place for rule in caught.value.broken] == [
        "objectives['cost']",
        "objectives['step']",
        "metric_constraints",
    ]


def test_a_function_with_several_objectives_is_tuned(tmp_path: Path) -> None:
    """The result is that of a study that is told the same, and so is what is kept."""
    given: dict[str, Any] = {"algorithm": "nsga2", "seed": 1, **GOALS}
    folder = tmp_path / "run"
    result = sg.tune(functions.tradeoff, SPACE, trials=6, directory=folder, progress=False, **given)
    study = sg.Study(SPACE, name="tradeoff", **given)
    for trial in result.trials:
        point = study.ask()
        assert dict(point) == trial.parameters
        study.tell(point, functions.tradeoff(**point))  # type: ignore[arg-type]
    assert [t.number for t in result.front] == [t.number for t in study.front]
    assert result.best.objectives == study.best.objectives
    assert [t.violations for t in result.trials] == [t.violations for t in study.trials]
    assert result.objectives == {"cost": "minimize", "gain": "maximize"}
    assert result.constraints == ["size <= 5", "gain > 0.1"]
    assert sg.load_result(folder).front == result.front
    frame = result.dataframe()
    assert [*frame.columns] == [
        *("number", "state", "cost", "gain", "x", "y", "size", "feasible", "duration")
    ]
    assert frame["feasible"].tolist() == [trial.feasible for trial in result.trials]
    assert f"trade-off of cost, gain: {len(result.front)} trials" in repr(result)
    assert "<th>gain</th>" in result._repr_html_()
    assert export.to_optuna(folder, f"sqlite:///{tmp_path}/o.db") == ("tradeoff", 6)
    cluster = document.examine(result.experiment_file(tmp_path / "e.yaml", image="i"), runs=False)
    assert not cluster.errors

    with pytest.raises(
        sg.InvalidArgument, match=r"^directory: .* differs in .*, objectives or met"
    ):
        sg.tune(
            functions.tradeoff,
            SPACE,
            trials=7,
            directory=folder,
            progress=False,
            **{**given, "metric_constraints": "weight < 1"},
        )
    with pytest.raises(sg.InvalidArgument, match=r"differs in .*, seed, objectives or metr"):
        sg.tune(functions.tradeoff, SPACE, maximize="gain", trials=7, directory=folder, seed=1)
    more = sg.tune(functions.tradeoff, SPACE, trials=7, directory=folder, progress=False, **given)
    assert more.trials[:6] == result.trials


def test_a_trial_without_one_of_the_objectives_fails(tmp_path: Path) -> None:
    with pytest.raises(sg.TrialError, match=r"must return or report 'gain', got 'cost'"):
        sg.tune(
            functions.flat,
            {"x": [1, 2, 3]},
            trials=3,
            max_failures=1,
            objectives={"cost": "minimize", "gain": "maximize"},
            directory=tmp_path / "run",
            progress=False,
        )


def test_a_parameter_with_the_name_of_a_column(tmp_path: Path) -> None:
    result = sg.tune(
        functions.anything,
        {"value": [4, 5], "state": [1]},
        trials=2,
        directory=tmp_path / "run",
        progress=False,
    )
    frame = result.dataframe()
    assert frame["value"].tolist() == [2.0, 2.0]
    assert sorted(frame["parameter value"]) == [4, 5]
    assert frame["state"].tolist() == ["succeeded", "succeeded"]
