"""Asking a running experiment for something: from another process, with and without a runner."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.controller.requests import Enqueue, Pause, Resume, SetLimits, StopTrial
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.runner.asking import Refused, ask
from suggestion.runner.points import examine
from tests.experiments.support import Machine, document, stored

SETTINGS = [
    {"name": "conditions", "value": "momentum if optimizer == 'sgd'"},
    {"name": "parameter_constraints", "value": "width * depth <= 64"},
]
SPACE = [
    {"name": "width", "parameterType": "int",
     "feasibleSpace": {"min": "8", "max": "64", "step": "8"}},
    {"name": "depth", "parameterType": "discrete", "feasibleSpace": {"list": ["1", "2", "8"]}},
    {"name": "optimizer", "parameterType": "categorical",
     "feasibleSpace": {"list": ["sgd", "adam"]}},
    {"name": "momentum", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
]  # fmt: skip


def made(**spec: Any) -> dict[str, Any]:
    algorithm = {"algorithmName": "random", "algorithmSettings": SETTINGS}
    return document("echo loss=1", parameters=SPACE, algorithm=algorithm, **spec)


def test_a_point_is_what_a_suggestion_could_be() -> None:
    """All texts are as suggestions have them, and an inactive parameter has its least value."""
    point = examine(made(), {"width": "8.0", "depth": "2", "optimizer": "adam"})
    assert point.errors == {}
    assert point.assignment == {"width": "8", "depth": "2", "optimizer": "adam", "momentum": "0.0"}
    assert point.inactive == {"momentum"}


@pytest.mark.parametrize(
    ("texts", "errors"),
    [
        (
            {"width": "9", "depth": "3", "optimizer": "sgd", "colour": "red"},
            {
                "width": "must be a whole number from 8 to 64 in steps of 8, got '9'",
                "depth": "must be one of 1, 2, 8, got '3'",
                "colour": "must be one of 'width', 'depth', 'optimizer', 'momentum', got 'colour'",
                "momentum": "must be a number from 0.0 to 1.0, got none",
            },
        ),
        (
            {"width": "16", "depth": "1", "optimizer": "adam", "momentum": "0.5"},
            {"momentum": "is inactive with these values, and must have none"},
        ),
        (
            {"width": "16", "depth": "8", "optimizer": "adam"},
            {"": "must meet 'width * depth <= 64'"},
        ),
    ],
)  # fmt: skip
def test_what_is_no_point_is_refused_with_every_reason(
    texts: dict[str, str], errors: dict[str, str]
) -> None:
    assert examine(made(), texts).errors == errors


@contextmanager
def running(machine: Machine, folder: Path, **spec: Any) -> Iterator[Path]:
    """An experiment whose trials wait until the block ends; two of them run."""
    command = (
        f"echo loss=9; while [ ! -e {folder / 'go'} ]; do sleep 0.05; done; "
        "echo loss=${trialParameters.x}"
    )
    (folder / "go").unlink(missing_ok=True)
    thread = threading.Thread(target=machine.run, args=(folder, document(command, **spec)))
    thread.start()
    try:
        until = time.monotonic() + 60
        while (
            time.monotonic() < until
            and [t.condition for t in _stored(folder)] != [Condition.RUNNING] * 2
        ):
            time.sleep(0.05)
        yield folder / "state"
    finally:
        (folder / "go").touch()
        thread.join()


def _stored(folder: Path) -> list[Trial]:
    try:
        return stored(folder)
    except FileNotFoundError:
        return []


def test_a_running_experiment_is_asked(machine: Machine, tmp_path: Path) -> None:
    with running(machine, tmp_path) as directory:
        # The last two of its four trials are a user's.
        assert "trial 2" in ask(directory, Enqueue({"x": "0.125"})).text
        assert "trial 3" in ask(directory, Enqueue({"x": "0.250"})).text
        with pytest.raises(Refused, match="maxTrialCount is 4, and all these trials are made"):
            ask(directory, Enqueue({"x": "0.5"}))
        assert ask(directory, SetLimits(trials=5)).done
        assert "is being stopped" in ask(directory, StopTrial(1)).text
        with pytest.raises(Refused, match="trial 7: is not made"):
            ask(directory, StopTrial(7))
    trials = stored(tmp_path)
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert trials[1].condition is Condition.KILLED
    assert [t.assignment["x"] for t in trials[2:4]] == ["0.125", "0.25"]
    with pytest.raises(Refused, match="the experiment has ended: maxTrialCount 5 is reached"):
        ask(tmp_path / "state", Pause())


def test_new_limits_are_what_the_algorithm_allows(machine: Machine, tmp_path: Path) -> None:
    grid = {
        "parameters": [
            {"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "5"}}
        ],
        "algorithm": {"algorithmName": "grid"},
    }  # fmt: skip
    with (
        running(machine, tmp_path, **grid) as directory,
        pytest.raises(Refused, match="the 5 points"),
    ):
        ask(directory, SetLimits(trials=6))
    assert len(stored(tmp_path)) == 4


def test_a_pause_and_limits_outlive_the_runner(machine: Machine, tmp_path: Path) -> None:
    with running(machine, tmp_path) as directory:
        ask(directory, SetLimits(trials=3))
        ask(directory, Pause())
        # As after kill -9: the session ends, and what it has decided is stored.
        store = Store(directory)
        try:
            experiment = store.experiment()
        finally:
            store.close()
        assert experiment is not None
        assert experiment.paused
        assert experiment.limits.trials == 3
        ask(directory, Resume())
    assert len(stored(tmp_path)) == 3


def test_without_a_runner(machine: Machine, tmp_path: Path) -> None:
    """A point is kept for the next one; what makes no sense is refused, with the way to resume."""

    def unfinished(**options: Any) -> None:
        """Let it look as if its runner had been killed."""
        store = Store(tmp_path / "state", create=True)
        try:
            known = store.experiment()
            assert known is not None
            options = {**known.options, "command": "suggest run e.yaml", **options}
            store.save_experiment(replace(known, options=options, conditions=(), completed=""))
        finally:
            store.close()

    machine.run(tmp_path, document("echo loss=1", maxTrialCount="2", resumePolicy="LongRunning"))
    unfinished()
    directory = tmp_path / "state"
    with pytest.raises(
        Refused, match=r"nobody runs the experiment; resume it: suggest run e\.yaml$"
    ):
        ask(directory, StopTrial(0))
    with pytest.raises(Refused, match=r", with --set spec\.maxTrialCount=9$"):
        ask(directory, SetLimits(trials=9))
    kept = ask(directory, Enqueue({"x": "0.5"}))
    assert (kept.done, kept.text) == (
        False, "it is done when the experiment goes on; resume it: suggest run e.yaml",
    )  # fmt: skip
    machine.run(tmp_path, document("echo loss=1", maxTrialCount="4", resumePolicy="LongRunning"))
    given = [trial.number for trial in stored(tmp_path) if trial.labels]
    assert given == [2]
    assert len(stored(tmp_path)) == 4
    unfinished(paused=True)
    with pytest.raises(Refused, match="nobody runs"):
        ask(directory, Pause())
    assert not ask(directory, Resume()).done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["enqueue", "x"], "must be NAME=VALUE, got 'x'"),
        (["enqueue", "x=1", "x=2"], "x: must be named once, got it again"),
        (["set", "goal=3"], "must be one of maxTrialCount, parallelTrialCount, got 'goal'"),
        (["set", "maxTrialCount=many"], "must be a whole number from 1 to 2147483647, got 'many'"),
        (["set", "maxTrialCount=0"], "maxTrialCount: must be a whole number from 1 to 2147483647"),
        (["set", "maxTrialCount=2147483648"], "from 1 to 2147483647, got 2147483648"),
        (["set", f"maxTrialCount={'9' * 9000}"], "must be a whole number from 1 to 2147483647"),
        (["stop", "0"], "holds no experiment"),
    ],
)  # fmt: skip
def test_wrong_words(tmp_path: Path, words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, [words[0], str(tmp_path), *words[1:]])
    assert done.exit_code != 0
    assert said in done.output
