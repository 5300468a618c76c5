"""The commands as a user types them, and what they print."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console

from suggestion.cli.main import _missing, main
from suggestion.client.numbers import short
from suggestion.controller.driver import Controller
from suggestion.views import export as exporting
from suggestion.views import live, view
from tests.experiments.support import Machine, Recorder, document, stored, write

COMMAND = "for i in 3 2; do echo loss=$i acc=0.$i; done; echo loss=${trialParameters.x} acc=0.5"
# Uses the other parameters of SPACE.
OTHERS = ": ${trialParameters.units} ${trialParameters.rate} '${trialParameters.kind}'"
OBJECTIVE = {
    "type": "minimize",
    "goal": "-1",
    "objectiveMetricName": "loss",
    "additionalMetricNames": ["acc"],
}
SPACE = [
    {
        "name": "x",
        "parameterType": "double",
        "feasibleSpace": {"min": "1e-3", "max": "1", "distribution": "logUniform"},
    },
    {
        "name": "units",
        "parameterType": "int",
        "feasibleSpace": {"min": "1", "max": "9", "step": "2"},
    },
    {"name": "rate", "parameterType": "discrete", "feasibleSpace": {"list": ["1e-3", "0.1"]}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["</script>", "b"]}},
]


def suggest(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def made(machine: Machine, tmp_path: Path) -> Path:
    """A directory with an experiment: five trials that succeeded, one that failed."""
    flag = tmp_path / "flag"
    command = f"if mkdir {flag} 2>/dev/null; then echo oh no; exit 4; fi; {COMMAND}; {OTHERS}"
    spec = document(command, objective=OBJECTIVE, parameters=SPACE, maxTrialCount="6")
    machine.run(tmp_path, spec)
    return tmp_path / "state"


def test_run(machine: Machine, tmp_path: Path) -> None:
    path = write(tmp_path, document(["false"], objective=OBJECTIVE))
    servers = ("--target", machine.target, "--db-manager", machine.database)
    words = "echo loss=${trialParameters.x}"
    done = suggest(
        "run", path, *servers, "--directory", tmp_path / "state", "--set", "spec.maxTrialCount=3",
        "--command", words,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    best = min(stored(tmp_path), key=lambda trial: float(trial.assignment["x"]))
    assert "study succeeded after 3 trials: maxTrialCount 3 is reached" in done.output
    assert f"best trial {best.name}: loss {short(best.assignment['x'])}\n" in done.output
    assert f"  echo loss={best.assignment['x']}\n" in done.output
    assert len(re.findall(r"^study-\w+ Succeeded loss=\S+ \[\d/3\]", done.output, re.M)) == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--time-limit", "soon"), "must be like 90s, 15m, 2h or 1h30m, got 'soon'"),
        (("--retries", "-1"), "-1 is not in the range x>=0"),
        (("--command", "'"), "--command: No closing quotation"),
        (("--set", "spec.maxTrialCount=many"), "must be a whole number, at least 1, got 'many'"),
        (("--gpus", "0", "--gpus-per-trial", "2"), "a trial needs 2 GPUs, got 1"),
    ],
)  # fmt: skip
def test_wrong_arguments(
    machine: Machine, tmp_path: Path, arguments: Sequence[str], text: str
) -> None:
    path = write(tmp_path, document("true"))
    servers = ("--target", machine.target, "--db-manager", machine.database)
    done = suggest("run", path, *servers, "--directory", tmp_path / "state", *arguments)
    assert done.exit_code != 0
    assert text in done.output


def test_status_in_the_shape_of_the_object(made: Path) -> None:
    done = suggest("status", made, "--output", "json")
    shown = json.loads(done.output)
    assert yaml.safe_load(suggest("status", made, "--output", "yaml").output) == shown
    status = shown.pop("status")
    assert shown == {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "study"},
    }
    trials = stored(made.parent)
    good = [trial.name for trial in trials if trial.condition == "Succeeded"]
    bad = [trial.name for trial in trials if trial.condition == "Failed"]
    assert (len(good), len(bad)) == (5, 1)
    best = min((t for t in trials if t.name in good), key=lambda t: float(t.assignment["x"]))
    assert {key: value for key, value in status.items() if key.startswith("trials")} == {
        "trials": 6,
        "trialsSucceeded": 5,
        "trialsFailed": 1,
    }
    assert status["succeededTrialList"] == good
    assert status["failedTrialList"] == bad
    assert status["currentOptimalTrial"] == {
        "bestTrialName": best.name,
        "parameterAssignments": [{"name": k, "value": v} for k, v in best.assignment.items()],
        "observation": {
            "metrics": [
                {"name": "loss", "min": best.assignment["x"], "max": "3",
                 "latest": best.assignment["x"]},
                {"name": "acc", "min": "0.2", "max": "0.5", "latest": "0.5"},
            ]
        },
    }  # fmt: skip
    conditions = {entry["type"]: entry for entry in status["conditions"]}
    assert conditions["Succeeded"]["status"] == "True"
    assert conditions["Succeeded"]["reason"] == "ExperimentMaxTrialsReached"
    assert conditions["Running"]["status"] == "False"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["completionTime"])


def test_status_for_people(made: Path) -> None:
    text = suggest("status", made).output
    assert "Objective:  minimize loss, goal -1" in text
    assert re.search(r"yes Succeeded .* ExperimentMaxTrialsReached", text)
    assert re.search(r"acc: min 0.2, max 0.5, latest 0.5", text)
    assert re.search(r"Failed 1: study-\w+\n", text)
    assert re.search(r"Last failure: study-\w+: exit status 4: oh no\n", text)
    assert f"suggest logs {made} study-" in text


def test_looking_while_it_runs(machine: Machine, tmp_path: Path) -> None:
    """Counts add up at every moment, and nobody is held up."""
    looks: list[dict[str, Any]] = []

    def look(controller: Controller) -> None:
        done = suggest("status", tmp_path / "state", "--output", "json")
        assert done.exit_code == 0, done.output
        looks.append(json.loads(done.output)["status"])
        assert suggest("trials", tmp_path / "state", "--csv").exit_code == 0

    machine.run(tmp_path, document(COMMAND), view=Recorder(on_refresh=look))
    for status in looks:
        counts = [status[key] for key in status if re.fullmatch(r"trials?[A-Z]\w+", key)]
        assert sum(counts) == status["trials"]
    assert any(status.get("trialsRunning") for status in looks)
    assert looks[-1]["trialsSucceeded"] == 4


def test_logs(made: Path) -> None:
    trials = stored(made.parent)
    failed = next(trial for trial in trials if trial.condition == "Failed")
    for name in (failed.name, failed.name[-6:], failed.number):
        assert suggest("logs", made, name).output == "oh no\n"
    done = suggest("logs", made, "nobody")
    assert done.exit_code == 1
    assert "nobody: no trial has this name" in done.output
    assert "more than one trial" in suggest("logs", made, "").output


def test_trials(made: Path) -> None:
    rows = list(csv.DictReader(StringIO(suggest("trials", made, "--csv").output)))
    assert [int(row["number"]) for row in rows] == list(range(6))
    for row, trial in zip(rows, stored(made.parent), strict=True):
        assert row["trial"] == trial.name
        assert {name: row[name] for name in trial.assignment} == trial.assignment
        if trial.condition == "Succeeded":
            assert (row["loss"], row["acc"]) == (trial.assignment["x"], "0.2")
            assert float(row["seconds"]) >= 0
        else:
            assert (row["loss"], row["reason"]) == ("", "exit status 4")
    table = suggest("trials", made).output
    assert all(row["trial"] in table for row in rows)


@pytest.mark.parametrize("command", ["status", "logs", "trials", "export", "plot"])
def test_a_directory_without_an_experiment(tmp_path: Path, command: str) -> None:
    more = {"logs": ["0"], "export": ["--optuna", "sqlite://"]}.get(command, [])
    done = suggest(command, tmp_path, *more)
    assert done.exit_code == 1
    assert "holds no experiment" in done.output
    assert not list(tmp_path.iterdir())


def test_optuna(made: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")
    url = f"sqlite:///{tmp_path / 'study.db'}"
    done = suggest("export", made, "--optuna", url)
    assert "added 6 trials to the study study" in done.output, done.output
    assert "added 0 trials" in suggest("export", made, "--optuna", url).output
    with exporting.closing_storage(url) as storage:
        study = optuna.load_study(study_name="study", storage=storage)
        direction, trials, best_trial = study.direction, study.trials, study.best_trial
    assert direction.name == "MINIMIZE"
    for theirs, trial in zip(trials, stored(made.parent), strict=True):
        assert theirs.user_attrs["suggest:trial"] == trial.name
        assert theirs.params["x"] == float(trial.assignment["x"])
        assert theirs.params["units"] == int(trial.assignment["units"])
        assert theirs.params["rate"] == float(trial.assignment["rate"])
        assert theirs.params["kind"] == trial.assignment["kind"]
        if trial.condition == "Succeeded":
            assert theirs.state.name == "COMPLETE"
            assert theirs.value == float(trial.assignment["x"])
            assert theirs.intermediate_values == {0: 3.0, 1: 2.0, 2: theirs.value}
        else:
            assert (theirs.state.name, theirs.value) == ("FAIL", None)
        assert theirs.datetime_complete >= theirs.datetime_start
    best = min(
        (t for t in stored(made.parent) if t.condition == "Succeeded"),
        key=lambda t: float(t.assignment["x"]),
    )
    assert best_trial.user_attrs["suggest:trial"] == best.name


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("study.db", "study.db: Could not parse SQLAlchemy URL"),
        ("nosuch://host/db", "nosuch://host/db: Can't load plugin: sqlalchemy.dialects:nosuch"),
        ("sqlite:////nosuch/study.db", "unable to open database file"),
        ("oracle://host/db", "oracle://host/db: No module named "),
    ],
)
def test_optuna_without_a_database(made: Path, url: str, why: str) -> None:
    pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")
    done = suggest("export", made, "--optuna", url)
    assert done.exit_code == 1
    assert why in done.output
    assert len(done.output.splitlines()) == 1


def test_optuna_is_not_given_whole_numbers_that_it_would_change() -> None:
    optuna = pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")
    space = {"n": optuna.distributions.IntDistribution(0, 2**60)}

    def trial(number: int) -> Any:
        return SimpleNamespace(name="t-1", assignment={"n": str(number)})

    exporting._refuse_unkept(space, [trial(2**53), trial(2**60)])
    with pytest.raises(ValueError, match=f"above 2.53, got {2**53 + 1} in trial t-1"):
        exporting._refuse_unkept(space, [trial(2**53 + 1)])


OK = "echo loss=${trialParameters.x}"


def test_the_live_view(machine: Machine, tmp_path: Path) -> None:
    """What it draws, at every moment of an experiment."""
    console = Console(file=StringIO(), force_terminal=True, width=160, height=40)
    rich = view.Rich(console)
    seen: list[str] = []

    flag = tmp_path / "flag"

    class Both(Recorder):
        def changed(self, trial: Any) -> None:
            rich.changed(trial)

        def refresh(self, controller: Controller) -> None:
            rich.refresh(controller)
            with console.capture() as capture:
                console.print(rich.render(controller))
            seen.append(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capture.get()))
            if re.search(r"Running\s+5\s+1 ", seen[-1]):  # the last report, and how many
                flag.touch()

    command = f"echo loss=5; while [ ! -e {flag} ]; do sleep 0.05; done; {OK}"
    with rich:
        rich.note("[bold]not markup")
        machine.run(tmp_path, document(command, parallelTrialCount="1"), view=Both())
    assert flag.exists()
    assert any(re.search(r"2/4 trials · \d+ s, about \d+ s left", text) for text in seen)
    best = min(stored(tmp_path), key=lambda trial: float(trial.assignment["x"]))
    assert f"best loss {short(best.assignment['x'])} " in seen[-1]
    assert "4/4 trials" in seen[-1]
    assert "[bold]not markup" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert live.duration(seconds) == text


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (("export", "--optuna", "sqlite:///study.db"), "optuna", "optuna"),
        (("status", "--output", "yaml"), "yaml", "experiments"),
    ],
)
def test_a_missing_package_names_the_extra_that_brings_it(
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    package: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    done = suggest(*arguments, made)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: this command needs the package {package!r}, which is not installed; "
        f"pip install 'suggestion-servers[{extra}]' brings it\n"
    )


def test_what_an_export_needs_besides_optuna() -> None:
    """To read an experiment takes more than the extra of what it is exported to."""
    error = str(_missing("export", ModuleNotFoundError(name="re2")))
    assert "'suggestion-servers[experiments]' brings it" in error
