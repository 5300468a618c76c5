"""Inactive parameters in an experiment on this machine: what trials and people see of them."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.controller.activity import active_json, inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.trials import Trial
from suggestion.views import listing
from tests.experiments.support import Machine, document, stored

SPACE = [
    {"name": "a", "parameterType": "categorical", "feasibleSpace": {"list": ["x", "y"]}},
    {"name": "b", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}},
]
COMMAND = (
    'echo "$SUGGEST_PARAMETERS" > "$SUGGEST_TRIAL_DIR/active.json"; '
    "echo loss=${trialParameters.b} ${trialParameters.a}"
)
CONDITIONS = {"name": "conditions", "value": "b if a == 'y'"}


def test_trials_and_people_see_active_parameters_only(machine: Machine, tmp_path: Path) -> None:
    algorithm = {"algorithmName": "random", "algorithmSettings": [CONDITIONS]}
    made = document(COMMAND, algorithm=algorithm, parameters=SPACE, maxTrialCount="6")
    machine.run(tmp_path, made)
    directory = tmp_path / "state"
    trials = stored(tmp_path)
    assert {trial.assignment["a"] for trial in trials} == {"x", "y"}
    table = CliRunner().invoke(main, ["trials", str(directory)]).output
    text = CliRunner().invoke(main, ["trials", str(directory), "--csv"]).output
    rows = {row["trial"]: row for row in csv.DictReader(StringIO(text))}
    for trial in trials:
        active = {"a": trial.assignment["a"]}
        if active["a"] == "y":
            active["b"] = trial.assignment["b"]
        seen = (directory / "trials" / trial.name / "active.json").read_text()
        assert json.loads(seen) == active
        (line,) = (line.split() for line in table.splitlines() if trial.name in line)
        assert line[-2:] == [active["a"], active.get("b", "-")]
        assert rows[trial.name]["b"] == active.get("b", "")
    # Of the placeholder of b the loss is the least.
    best = CliRunner().invoke(main, ["status", str(directory)]).output.partition("optimal trial")[2]
    assert best.split()[2:8] == ["a", "=", "x", "b", "=", "-"]


def test_a_trial_without_an_active_value_is_sorted_last() -> None:
    algorithm = {"algorithmName": "random", "algorithmSettings": [CONDITIONS]}
    experiment = Experiment("study", document(COMMAND, algorithm=algorithm, parameters=SPACE))
    points = [{"a": "y", "b": "3"}, {"a": "x", "b": "1"}, {"a": "y", "b": "2"}]
    trials = [Trial(number, f"t{number}", point) for number, point in enumerate(points)]
    listed = listing.arranged(experiment, trials, sort="b")
    assert [trial.number for trial in listed] == [2, 0, 1]


def test_conditions_that_are_another_servers_make_nothing_inactive() -> None:
    made = document("true", parameters=SPACE)
    made["spec"]["algorithm"]["algorithmSettings"] = [{"name": "conditions", "value": "b: a=y"}]
    assert inactive_of(made)({"a": "x", "b": "1"}) == frozenset()
    del made["spec"]["algorithm"]["algorithmSettings"]
    inactive = inactive_of(made)
    assert json.loads(active_json({"a": "x", "b": "1"}, inactive)) == {"a": "x", "b": "1"}
