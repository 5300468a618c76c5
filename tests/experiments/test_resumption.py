"""Experiments that have ended, and go on: raised limits, failed trials again, a fresh start."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from suggestion.cli.main import main
from suggestion.controller.context import Options
from suggestion.controller.experiment import Experiment
from suggestion.controller.resumption import CannotResume, resume
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from tests.experiments.support import Machine, Recorder, alive, document, stored, write


def ended(type: str, reason: str, **spec: str) -> Experiment:
    return Experiment("study", document("x", **spec)).mark(type, reason, "", "2026")


def trials(*conditions: Condition) -> list[Trial]:
    return [Trial(n, f"t{n}", {}, condition=c, attempt=2) for n, c in enumerate(conditions)]


FAILED, GOOD, NONE = Condition.FAILED, Condition.SUCCEEDED, Condition.METRICS_UNAVAILABLE


@pytest.mark.parametrize(
    ("limit", "first", "goes_on"),
    [("2", None, False), ("3", None, True), (None, None, True), (None, 2, False), (None, 3, True)],
)
def test_a_raised_limit_of_failures(limit: str | None, first: int | None, goes_on: bool) -> None:
    known = ended("Failed", "ExperimentFailed", maxFailedTrialCount="2")
    made = document("x", **({} if limit is None else {"maxFailedTrialCount": limit}))
    changes = resume(known, trials(FAILED, NONE), made, "2027", first)
    experiment = changes.experiment or known
    assert experiment.done != goes_on
    assert experiment.condition()["type"] == ("Restarting" if goes_on else "Failed")
    assert not changes.trials


def test_failed_trials_are_tried_again() -> None:
    known = ended("Succeeded", "ExperimentMaxTrialsReached", resumePolicy="Never")
    changes = resume(
        known, trials(FAILED, GOOD, NONE), known.document, "2027", None, retry_failed=True
    )
    assert [(t.number, t.condition, t.attempt, t.failures) for t in changes.trials] == [
        (0, Condition.CREATED, 3, 0),
        (2, Condition.CREATED, 3, 0),
    ]
    assert changes.forgotten == ((0, -2), (2, -2))
    assert changes.experiment is not None
    assert not changes.experiment.done


@pytest.mark.parametrize(
    ("in_file", "trials_then", "changed"),
    [("3", 9, {"maxTrialCount": ("3", 9)}), ("5", "5", {})],
)
def test_a_limit_that_a_user_changed_is_kept_unless_the_file_is_edited(
    in_file: str, trials_then: object, changed: dict[str, object]
) -> None:
    made = document("x", maxTrialCount="3", maxFailedTrialCount="2")
    limits = {**made, "spec": {**made["spec"], "maxTrialCount": 9}}
    options = {"changed": {"maxTrialCount": ["3", 9]}, "paused": True}
    known = Experiment("study", limits, options).mark("Running", "ExperimentRunning", "", "2026")
    again = document("x", maxTrialCount=in_file, maxFailedTrialCount="7")
    changes = resume(known, trials(GOOD), again, "2027", None)
    assert changes.experiment is not None
    spec = changes.experiment.document["spec"]
    assert (spec["maxTrialCount"], spec["maxFailedTrialCount"]) == (trials_then, "7")
    assert changes.experiment.changed == changed
    assert changes.experiment.paused


@pytest.mark.parametrize(
    ("conditions", "retry", "allowed"),
    [((FAILED, NONE), True, True), ((FAILED, GOOD), True, False), ((FAILED, NONE), False, False)],
)
def test_the_cause_may_be_fixed_in_the_file(
    conditions: tuple[Condition, ...], retry: bool, allowed: bool
) -> None:
    """As long as no trial has a result that another command or filter has made."""
    known = ended("Failed", "ExperimentFailed")
    fixed = document("y", metricsCollectorSpec={"collector": {"kind": "StdOut"}})
    if allowed:
        changes = resume(known, trials(*conditions), fixed, "", None, retry)
        assert changes.experiment is not None
        assert changes.experiment.document == fixed
    else:
        with pytest.raises(CannotResume, match="metricsCollectorSpec differs"):
            resume(known, trials(*conditions), fixed, "", None, retry)


def test_a_goal_stays_reached() -> None:
    known = ended("Succeeded", "ExperimentGoalReached")
    assert not resume(known, trials(FAILED, GOOD), known.document, "", None, retry_failed=True)


def test_another_experiment_is_refused() -> None:
    known = ended("Failed", "ExperimentFailed")
    with pytest.raises(CannotResume, match="--fresh"):
        resume(known, [], document("y"), "")


# ------------------------------------------------------------------- on this machine


def suggest(machine: Machine, folder: Path, made: dict[str, Any], *more: str) -> Result:
    arguments = ["run", str(write(folder, made)), "--directory", str(folder / "state"), "--plain"]
    servers = ["--target", machine.target, "--db-manager", machine.database]
    return CliRunner().invoke(main, [*arguments, *servers, *more])


def test_a_script_that_is_fixed(machine: Machine, tmp_path: Path) -> None:
    """A file without a limit ends after five failures, says why, and goes on when it is fixed."""
    script = tmp_path / "script.sh"
    made = document(f". {script}", parallelTrialCount="1")
    del made["spec"]["maxTrialCount"]
    made["spec"]["objective"]["goal"] = "0.5"
    script.write_text("printf '\\033[31moh\\033[0m no\\n' >&2; exit 7")
    done = suggest(machine, tmp_path, made)
    assert done.exit_code == 1, done.output
    assert len(stored(tmp_path)) == 5
    name = stored(tmp_path)[-1].name
    for said in (
        f"{name} Failed loss=- [5] (exit status 7: oh no)",
        "the first 5 trials failed, and none has succeeded",
        "no trial has a value of loss",
        f"suggest logs {tmp_path}/state {name}",
        "--retry-failed  to try the 5 failed trials again",
        "--give-up-after 0",
        "--fresh",
    ):
        assert said in done.output
    assert "\x1b" not in done.output
    logs = CliRunner().invoke(main, ["logs", str(tmp_path / "state"), name])
    assert logs.output == "oh no\n"
    raw = CliRunner().invoke(main, ["logs", str(tmp_path / "state"), name, "--raw"])
    assert raw.output == "\x1b[31moh\x1b[0m no\n"
    again = suggest(machine, tmp_path, made)
    assert (again.exit_code, len(stored(tmp_path))) == (1, 5)
    script.write_text("echo loss=0.25")
    fixed = suggest(machine, tmp_path, made, "--retry-failed")
    assert fixed.exit_code == 0, fixed.output
    assert stored(tmp_path)[0].condition is Condition.SUCCEEDED
    assert stored(tmp_path)[0].attempt == 2


def test_an_experiment_without_one_value_fails_for_scripts(
    machine: Machine, tmp_path: Path
) -> None:
    """Its condition is that of a cluster."""
    made = document("echo 'loss: 0.5'; echo done", maxTrialCount="2")
    done = suggest(machine, tmp_path, made)
    assert done.exit_code == 1
    assert "study succeeded after 2 trials" in done.output
    assert "no trial has a value of loss" in done.output
    reason = stored(tmp_path)[0].reason
    assert reason.startswith("reported no loss: 2 lines read, none matched the default filter")
    assert "line 1 holds the name: 'loss: 0.5'; this metricsFormat matches it: " in reason
    assert "--retry-failed" in done.output


def test_a_fresh_start(machine: Machine, tmp_path: Path) -> None:
    """What was there is kept, and what still runs of it ends."""
    pid = tmp_path / "pid"
    made = document(f"echo $$ >{pid}; echo loss=1; sleep 1000", maxTrialCount="1")
    command = [sys.executable, "-m", "suggestion", "run", str(write(tmp_path, made)), "--plain"]
    command += ["--directory", str(tmp_path / "state"), "--target", machine.target]
    runner = subprocess.Popen([*command, "--db-manager", machine.database])
    try:
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    number = int(pid.read_text())
    assert alive(number)
    (tmp_path / "state" / "mine").write_text("mine")
    view = Recorder()
    other = document("echo loss=2", maxTrialCount="1")
    machine.run(tmp_path, other, view=view, fresh=True)
    assert not alive(number)
    assert [note for note in view.notes if note.endswith("earlier-1")]
    assert [t.series["loss"].min for t in stored(tmp_path)] == ["2"]
    old = Store(tmp_path / "state" / "earlier-1")
    assert [t.condition for t in old.trials()] == [Condition.RUNNING]
    old.close()
    assert (tmp_path / "state" / "mine").read_text() == "mine"


def test_more_failures_are_allowed(machine: Machine, tmp_path: Path) -> None:
    made = document("exit 1", maxFailedTrialCount="1", maxTrialCount="9", parallelTrialCount="1")
    options = Options(grace=1.0)
    assert machine.run(tmp_path, made, options=options).counts.failed == 1
    controller = machine.run(
        tmp_path, made, options=options, changes=["spec.maxFailedTrialCount=3"]
    )
    assert controller.counts.failed == 3
    assert controller.experiment.condition()["type"] == "Failed"
