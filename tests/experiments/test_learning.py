"""Experiments that learn from earlier ones: what is sent, what is kept, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.engine.declared import PRIOR_TRIALS
from suggestion.problem.earlier import EarlierTrial
from suggestion.runner.errors import ExperimentRefused
from suggestion.runner.learning import CannotLearn, read, thinned
from tests.experiments.support import Machine, Recorder, Suggesting, X, document, serving, stored

LOSS = 'x=${trialParameters.x}; awk "BEGIN { printf \\"loss=%.9f\\n\\", ($x - 0.2)^2 }"'
GP = {"algorithm": {"algorithmName": "bayesianoptimization"}}


def folder(path: Path, name: str) -> Path:
    (path / name).mkdir(exist_ok=True)
    return path / name


def sent(experiment: api.Experiment) -> Any:
    """What an experiment tells of earlier ones."""
    settings = {s.name: s.value for s in experiment.spec.algorithm.algorithm_settings}
    return json.loads(settings[PRIOR_TRIALS.name])


def test_a_copy_of_the_trials_is_sent_with_each_request_and_kept(
    machine: Machine, tmp_path: Path
) -> None:
    machine.run(folder(tmp_path, "a"), document(LOSS))
    before = tmp_path / "a" / "state"
    trials = stored(tmp_path / "a")
    expected = {
        "study": {
            "parameters": {"x": [trial.assignment["x"] for trial in trials]},
            "values": [float(trial.series["loss"].min) for trial in trials],
        }
    }
    server = Suggesting()
    made = document(
        LOSS, **GP, maxTrialCount="2", parallelTrialCount="1", resumePolicy="LongRunning"
    )
    with serving(server) as target:
        machine.run(folder(tmp_path, "b"), made, target=target, learn_from=[before])
        shutil.rmtree(before)
        made["spec"]["maxTrialCount"] = "3"
        machine.run(folder(tmp_path, "b"), made, target=target, learn_from=[before])
        made["spec"]["maxTrialCount"] = "4"
        machine.run(folder(tmp_path, "b"), made, target=target)
        with pytest.raises(ExperimentRefused, match="--learn-from: the experiment in this direct"):
            machine.run(folder(tmp_path, "b"), made, target=target, learn_from=[tmp_path])
    told = [sent(request.experiment) for request in server.validated]
    told += [sent(request.experiment) for request in server.requests]
    assert told == [expected] * len(told)
    assert [request.total_request_number for request in server.requests] == [1, 2, 3, 4]
    assert [len(request.trials) for request in server.requests] == [0, 1, 2, 3]


def test_the_first_trial_is_where_earlier_ones_were_good(machine: Machine, tmp_path: Path) -> None:
    machine.run(folder(tmp_path, "a"), document(LOSS, maxTrialCount="10"))
    made = document(LOSS, **GP, maxTrialCount="1")
    made["spec"]["parameters"] = [
        {**X, "feasibleSpace": {"min": "0.1", "max": "2"}},
        {"name": "y", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    ]
    made["spec"]["trialTemplate"]["command"][-1] += "; : ${trialParameters.y}"
    machine.run(folder(tmp_path, "b"), made, learn_from=[tmp_path / "a" / "state"])
    (trial,) = stored(tmp_path / "b")
    assert abs(float(trial.assignment["x"]) - 0.2) < 0.2  # the middle is 1.05


def test_directories_that_teach_nothing_are_refused_before_the_first_trial(
    machine: Machine, tmp_path: Path
) -> None:
    machine.run(folder(tmp_path, "good"), document(LOSS, maxTrialCount="1"))
    accuracy = {"type": "minimize", "objectiveMetricName": "accuracy"}
    other = document("echo accuracy=1; : ${trialParameters.x}", objective=accuracy)
    machine.run(folder(tmp_path, "metric"), other)
    failing = document("exit 1; ${trialParameters.x}", maxTrialCount="1")
    machine.run(folder(tmp_path, "failed"), failing)
    names = ("empty", "metric", "failed", "good")
    made = document(LOSS.replace("x=$", "y=$").replace(".x}", ".y}"), **GP)
    made["spec"]["parameters"] = [{**X, "name": "y"}]
    with pytest.raises(ExperimentRefused) as error:
        machine.run(
            folder(tmp_path, "b"),
            made,
            view=Recorder(),
            learn_from=[folder(tmp_path, name) / "state" for name in names],
        )
    lines = str(error.value).splitlines()
    starts = [f"--learn-from {tmp_path / name / 'state'}: " for name in names]
    assert [line.removeprefix(start) for line, start in zip(lines, starts, strict=True)] == [
        "holds no experiment",
        "must have the objective 'loss', got 'accuracy'",
        "must hold a trial with a value of 'loss', got none",
        "must have values that fit a parameter of the space ('y'), got 'x'",
    ]
    assert not (tmp_path / "b" / "state" / "trials").exists()


def test_an_algorithm_that_cannot_learn_refuses_by_name(machine: Machine, tmp_path: Path) -> None:
    machine.run(folder(tmp_path, "a"), document(LOSS, maxTrialCount="1"))
    before = [tmp_path / "a" / "state"]
    with pytest.raises(ExperimentRefused) as error:
        machine.run(folder(tmp_path, "b"), document(LOSS), learn_from=before)
    assert "algorithm 'random' does not support earlier studies to learn from" in str(error.value)
    assert "those that do: bayesianoptimization" in str(error.value)
    both = {"name": "prior_trials", "value": "{}"}
    made = document(LOSS, algorithm={"algorithmName": "random", "algorithmSettings": [both]})
    with pytest.raises(ExperimentRefused, match="the file has the setting 'prior_trials'"):
        machine.run(folder(tmp_path, "b"), made, learn_from=before)


def test_of_many_trials_the_best_and_an_even_share_of_the_others_are_taken() -> None:
    trials = [EarlierTrial({"x": str(k)}, float(k % 100) if k % 3 else None) for k in range(100)]
    assert thinned(trials, False, 100) is trials
    kept = thinned(trials, False, 20)
    assert len(kept) == 20
    assert [trial.value for trial in kept[:10]] == [1, 2, 4, 5, 7, 8, 10, 11, 13, 14]
    assert thinned(trials, True, 20)[0].value == 98


def test_a_directory_without_a_state_is_said_to_hold_none(tmp_path: Path) -> None:
    with pytest.raises(CannotLearn, match="holds no experiment"):
        read(tmp_path, "loss")
    (tmp_path / "state.db").write_bytes(b"no database")
    with pytest.raises(CannotLearn, match="cannot be read"):
        read(tmp_path, "loss")
