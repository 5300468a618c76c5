"""A search for architectures on one machine, from the file to what people look at."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.client.document import examine
from suggestion.client.manifest import Severity
from suggestion.runner import runner
from suggestion.runner.points import examine as examine_point
from suggestion.tuning.result import load
from suggestion.views import export, status
from suggestion.views.web import reading
from suggestion.views.web.importance import importance
from tests.experiments.support import Machine, Recorder, stored
from tests.nas.support import read

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nas-enas.yaml"
#: Prints the number of skip connections, and fails unless the description fits.
TRIAL = """
import json, sys
layers, config = (json.loads(text.replace("'", '"')) for text in sys.argv[1:])
assert set(config["embedding"]) == {str(layer[0]) for layer in layers}
print(f"accuracy={sum(sum(layer[1:]) for layer in layers)}")
"""


def command(*arguments: object, code: int = 0) -> str:
    """What the command prints on standard output and error."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


def changed(folder: Path, **spec: Any) -> Path:
    """The example with another spec; a value of None takes a field away."""
    made = yaml.safe_load(EXAMPLE.read_text())
    made["metadata"]["name"] = "net"
    made["spec"] |= spec
    made["spec"] = {key: value for key, value in made["spec"].items() if value is not None}
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(made))
    return path


@pytest.fixture(scope="module")
def directory(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of eight networks that has ended."""
    folder = tmp_path_factory.mktemp("net")
    words = [f"${{trialParameters.{name}}}" for name in ("architecture", "nn_config")]
    template = {"command": ["python", "-c", TRIAL, *words]}
    request = runner.Request(
        changed(folder, trialTemplate=template, maxTrialCount=8),
        target=machine.target,
        database=machine.database,
        directory=folder / "state",
    )
    controller = runner.run(request, Recorder(), lambda _: None)
    assert controller.experiment.condition()["type"] == "Succeeded"
    return folder / "state"


def test_every_trial_gets_an_architecture(directory: Path) -> None:
    trials = stored(directory.parent)
    texts = {trial.assignment["architecture"] for trial in trials}
    assert len(texts) == 8
    assert {trial.condition.value for trial in trials} == {"Succeeded"}
    for trial in trials:
        skips = sum(sum(layer[1:]) for layer in read(trial.assignment["architecture"]))
        assert float(trial.series["accuracy"].latest) == skips


def test_the_table_shows_architectures_and_the_csv_all(directory: Path) -> None:
    trials = stored(directory.parent)
    table = command("trials", directory)
    assert "nn_config" not in table
    assert all(trial.assignment["architecture"] in table for trial in trials)
    rows = list(csv.DictReader(io.StringIO(command("trials", directory, "--csv"))))
    assert [{k: row[k] for k in ("architecture", "nn_config")} for row in rows] == [
        trial.assignment for trial in trials
    ]
    assert "\n    architecture = [[" in command("status", directory)
    json.dumps(reading.read(directory), allow_nan=False)
    command("plot", directory, "--output", directory / "plot.html")


def test_python_reads_it_back(directory: Path) -> None:
    result = load(directory)
    assert result.best.parameters["architecture"] == max(
        (trial.assignment["architecture"] for trial in stored(directory.parent)),
        key=lambda text: sum(sum(layer[1:]) for layer in read(text)),
    )


def test_importance_is_not_for_architectures(directory: Path) -> None:
    assert "one value" in importance(*status.load(directory))["error"]


def test_optuna_keeps_architectures_as_attributes(directory: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")
    url = f"sqlite:///{tmp_path / 'study.db'}"
    export.to_optuna(directory, url)
    with export.closing_storage(url) as storage:
        trials = optuna.load_study(study_name="net", storage=storage).trials
    assert [trial.user_attrs["architecture"] for trial in trials] == [
        trial.assignment["architecture"] for trial in stored(directory.parent)
    ]


def test_no_architecture_is_tried_next() -> None:
    """The parameters that a search has inside are not shown."""
    made = yaml.load(EXAMPLE.read_text(), yaml.BaseLoader)
    for texts in ({"architecture": "[[0]]"}, {"layer 1": "0"}):
        found = examine_point(made, texts)
        assert not found.assignment
        assert [*found.errors] == [""]
        assert "the setting initial_points has those to begin with" in found.errors[""]


# ------------------------------------------------------------------ the file


def errors(path: Path) -> list[str]:
    return [f"{found.field}: {found.text}" for found in examine(path).of(Severity.ERROR)]


def test_the_example_is_one_for_a_cluster_too() -> None:
    examined = examine(EXAMPLE)
    assert examined.loaded is not None
    assert examined.findings == ()


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"parameters": []}, "spec.nasConfig: an experiment has parameters or a nasConfig, got bo"),
        ({"nasConfig": None}, "spec: parameters is required, or nasConfig"),
        ({"nasConfig": {"graph": {}}}, "spec.nasConfig.graph: unknown field"),
        (
            {"nasConfig": {"graphConfig": {"numLayers": "two"}}},
            "spec.nasConfig.graphConfig.numLayers: must be a whole number",
        ),
        ({"nasConfig": {"operations": [{}]}}, "nasConfig.operations[0]: operationType is required"),
        (
            {"trialTemplate": {"command": "python x.py ${trialParameters.arch}"}},
            "must name a trial parameter (architecture, nn_config), got ${trialParameters.arch}",
        ),
        (
            {"trialTemplate": {"command": "python x.py {architecture}"}},
            "spec.nasConfig: no value of architecture and nn_config is used by the trial template",
        ),
    ],
)
def test_a_wrong_file(tmp_path: Path, spec: dict[str, Any], error: str) -> None:
    assert any(error in found for found in errors(changed(tmp_path, **spec))), errors(
        changed(tmp_path, **spec)
    )


def test_rules_of_the_graph_have_the_place_in_the_file(tmp_path: Path) -> None:
    network = yaml.safe_load(EXAMPLE.read_text())["spec"]["nasConfig"]
    network["graphConfig"]["numLayers"] = 65
    network["operations"][0]["parameters"][0]["feasibleSpace"] = {"min": "9", "max": "1"}
    path = changed(tmp_path, nasConfig=network)
    told = command("validate", path, code=1)
    assert "spec.nasConfig.graphConfig.numLayers: architecture: number of layers must" in told
    where = "spec.nasConfig.operations[0].parameters[0].feasibleSpace.min"
    assert f"{where}: parameter 'units': min must not exceed max" in told
