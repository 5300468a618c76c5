"""Several objectives and constraints on metrics, from the file to what is shown and exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.client import document as documents
from suggestion.controller import objectives
from suggestion.controller.observation import Objective, Series
from suggestion.controller.state import Tally
from suggestion.controller.trials import Condition, Trial
from suggestion.views import export, status
from suggestion.views.view import Plain, ending
from suggestion.views.web import reading
from tests.experiments.support import Machine, document, stored, write

POINTS = (0.1, 0.4, 0.5, 0.6, 0.9)
# Infeasible, in the trade-off, dominated by the one before, in the trade-off, not measured.
COMMAND = (
    "awk -v x=${trialParameters.x} 'BEGIN { "
    'print "loss=" x; print "size=" (x == 0.5 ? 3 : 1 - x); if (x < 0.8) print "memory=" 10 * x }\''
)


def experiment(**settings: str) -> dict[str, Any]:
    given = {"initial_points": json.dumps([{"x": x} for x in POINTS]), **settings}
    return document(
        COMMAND,
        parallelTrialCount="1",
        maxTrialCount=str(len(POINTS)),
        objective={
            "type": "minimize",
            "objectiveMetricName": "loss",
            "additionalMetricNames": ["size", "memory"],
        },
        algorithm={
            "algorithmName": "random",
            "algorithmSettings": [{"name": k, "value": v} for k, v in given.items()],
        },
    )


@pytest.fixture(scope="module")
def made(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A directory, all lines of the plain view, and the last words."""
    folder = tmp_path_factory.mktemp("objectives")
    out = io.StringIO()
    both = experiment(objectives="size: minimize", metric_constraints="memory >= 3")
    controller = machine.run(folder, both, view=Plain(out))  # type: ignore[arg-type]
    return folder / "state", out.getvalue(), ending(controller, "state")


def by_x(directory: Path) -> Mapping[float, str]:
    _, trials = status.load(directory)
    return {float(trial.assignment["x"]): trial.name for trial in trials}


def command(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_the_best_trial_is_the_best_feasible_one(made: tuple[Path, str, str]) -> None:
    directory, lines, words = made
    names = by_x(directory)
    assert f"best trial {names[0.4]}: loss 0.4" in words
    assert "one of 2 trials that are the trade-off of loss, size" in words
    (first,) = (line for line in lines.splitlines() if line.startswith(f"{names[0.1]} Succeeded"))
    assert "loss=0.1 size=0.9 memory=1 infeasible" in first
    assert "best so far" in first  # nothing else was there
    (unknown,) = (line for line in lines.splitlines() if line.startswith(f"{names[0.9]} Succe"))
    assert "memory=- infeasible" in unknown


def test_status_lists_the_trade_off(made: tuple[Path, str, str]) -> None:
    directory, *_ = made
    names = by_x(directory)
    shown = command("status", directory)
    expected = [
        "Trade-off of loss, size: 2 trials",
        f"  {names[0.4]}: loss 0.4, size 0.6",
        f"  {names[0.6]}: loss 0.6, size 0.4",
    ]
    assert "\n".join(expected) in shown
    assert "infeasible" not in shown
    crd = json.loads(command("status", directory, "--output", "json"))["status"]
    assert crd["currentOptimalTrial"]["bestTrialName"] == names[0.4]
    assert crd["tradeOffTrialList"] == [names[0.4], names[0.6]]


def test_the_best_trials_are_ranked_by_domination(made: tuple[Path, str, str]) -> None:
    directory, *_ = made
    table = csv.DictReader(io.StringIO(command("trials", directory, "--best", 9, "--csv")))
    rows = [(float(row["x"]), row["feasible"]) for row in table]
    expected = [(0.4, "true"), (0.6, "true"), (0.5, "true"), (0.1, "false"), (0.9, "false")]
    assert rows == expected


def test_the_page_reads_objectives_constraints_and_front(made: tuple[Path, str, str]) -> None:
    directory, *_ = made
    page = reading.read(directory)
    assert page["objective"]["objectives"] == [
        {"metric": "loss", "maximize": False},
        {"metric": "size", "maximize": False},
    ]
    bound = {"metric": "memory", "atMost": False, "bound": 3.0, "strict": False}
    assert page["objective"]["constraints"] == [bound]
    assert page["front"] == [1, 3]
    assert [trial["feasible"] for trial in page["trials"]] == [False, True, True, True, False]
    violations = [trial["violations"] for trial in page["trials"]]
    assert violations == [[pytest.approx(2 / 3)], [0], [0], [0], [None]]
    json.dumps(page, allow_nan=False)


def test_optuna_gets_a_study_of_several_objectives(
    made: tuple[Path, str, str], tmp_path: Path
) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")
    url = f"sqlite:///{tmp_path / 'study.db'}"
    export.to_optuna(made[0], url)
    assert export.to_optuna(made[0], url)[1] == 0
    with export.closing_storage(url) as storage:
        study = optuna.load_study(study_name="study", storage=storage)
        trials, best = study.trials, study.best_trials
        assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
        assert study.metric_names == ["loss", "size"]
    assert [trial.values for trial in trials][1] == [0.4, 0.6]
    kept = [trial.system_attrs["constraints"] for trial in trials]
    assert kept == [[pytest.approx(2 / 3)], [0], [0], [0], [1e300]]
    assert [trial.params["x"] for trial in best] == [0.4, 0.6]


# ------------------------------------------------------------------ single parts


def objective(**more: str) -> Objective:
    return objectives.read(experiment(**more))


def trial(number: int, **metrics: float) -> Trial:
    series = {name: Series().plus(repr(value)) for name, value in metrics.items()}
    return Trial(number, f"t{number}", {}, condition=Condition.SUCCEEDED, series=series)


def test_an_infeasible_trial_does_not_reach_the_goal() -> None:
    judged = objective(metric_constraints="memory >= 3; size < 1")
    tally = Tally()
    for number, metrics in enumerate(
        (
            {"loss": 0.0, "memory": 0.0},
            {"loss": 0.1, "memory": 1.0, "size": 0.5},
            {"loss": 0.2, "memory": 2.0, "size": 0.5},
        )
    ):
        tally = tally.plus(trial(number, **metrics), judged)
        assert tally.best is not None
        assert (tally.best.number, tally.best_value) == (number, None)
    tally = tally.plus(trial(3, loss=9.0, memory=3.0, size=0.5), judged)
    assert tally.best_value == 9
    tally = tally.plus(trial(4, loss=0.0, memory=3.0, size=1.0), judged)
    assert tally.best_value == 9


def test_settings_of_another_server_declare_nothing() -> None:
    assert objective(objectives="whatever that is", metric_constraints="memory < 1").roles == ()


def findings(
    tmp_path: Path, main: str, strategies: list[dict[str, str]], **given: str
) -> list[str]:
    made = experiment(**given)
    made["spec"]["objective"] |= {"type": main, "metricStrategies": strategies}
    examined = documents.examine(write(tmp_path, made))
    own = [found for found in examined.findings if found.severity != "cluster"]
    return [f"{found.severity}: {found.text}" for found in own]


def test_an_objective_of_which_the_worst_report_would_count_is_refused(tmp_path: Path) -> None:
    given = {"objectives": "size: minimize; memory: maximize"}
    (found,) = findings(tmp_path, "maximize", [], **given)
    assert found == (
        "error: must have an entry for 'size', such as {name: size, value: min}: the setting "
        "'objectives' has it minimized, but without an entry the greatest of its reports counts, "
        "as loss is maximized"
    )
    (found,) = findings(tmp_path, "minimize", [], **given)
    assert "{name: memory, value: max}" in found
    assert not findings(tmp_path, "maximize", [{"name": "size", "value": "latest"}], **given)
    assert not findings(tmp_path, "maximize", [])


def test_a_constraint_that_is_judged_by_the_best_report_is_told(tmp_path: Path) -> None:
    given = {"metric_constraints": "memory <= 3; size > 2"}
    (found,) = findings(tmp_path, "minimize", [], **given)
    assert found == (
        "note: the constraint memory <= 3 is judged by the least report of a trial; if it reports "
        "more than one, add an entry for 'memory': min, max or latest"
    )
    (found,) = findings(tmp_path, "maximize", [], **given)
    assert "size > 2 is judged by the greatest report" in found
    assert not findings(tmp_path, "minimize", [{"name": "memory", "value": "min"}], **given)


def test_a_trial_without_a_further_objective_says_so(machine: Machine, tmp_path: Path) -> None:
    made = experiment(objectives="memory: minimize")
    machine.run(tmp_path, made)
    reasons = [trial.reason for trial in stored(tmp_path)]
    assert reasons == ["", "", "", "", "reported no memory: failed to the algorithm"]
    assert all(trial.condition is Condition.SUCCEEDED for trial in stored(tmp_path))
