"""Early stopping by runners that ask again: real servers, real trials, a runner that is killed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.earlystopping_messages import STEP_LABEL
from suggestion.controller.rules import GREATER, Rule, Watch
from suggestion.controller.trials import Condition, Trial
from tests.experiments.support import (
    Machine,
    Recorder,
    Stopping,
    Suggesting,
    document,
    environment,
    serving,
    stored,
    write,
)

#: Reports its loss nine times, unless it is told to stop.
TRAINING = """
import sys, time
import suggestion as sg
for step in range(1, 10):
    sg.report(loss=float(sys.argv[1]), step=step)
    if sg.should_stop():
        print("told at", step)
        break
    time.sleep(float(sys.argv[2]))
"""
ASHA = {"algorithmName": "asha", "algorithmSettings": [{"name": "eta", "value": "2"}]}


def training(seconds: float = 0, **spec: Any) -> dict[str, Any]:
    command = [sys.executable, "-c", TRAINING, "${trialParameters.x}", str(seconds)]
    return document(command, earlyStopping=ASHA, **spec)


def run(machine: Machine, folder: Path, made: dict[str, Any], **request: Any) -> None:
    """Run an experiment whose trials have names of their own: tests share the DBManager."""
    made["metadata"]["name"] = name(folder)
    machine.run(folder, made, **request)


def name(folder: Path) -> str:
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return f"asking-{digest}"


def reports(trials: Sequence[Trial]) -> list[int]:
    return [trial.series["loss"].count for trial in trials]


class Choosing(Suggesting):
    """Suggests the values that it was made with, in order."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()

        def change(reply: api.GetSuggestionsReply, call: int) -> None:
            first = self.requests[-1].total_request_number - len(reply.parameter_assignments)
            for number, entry in enumerate(reply.parameter_assignments, first):
                entry.assignments[0].value = str(values[number])

        self.change = change


def test_asha_stops_trials_at_each_rung(machine: Machine, tmp_path: Path) -> None:
    """One after the other, so that the table can be calculated by hand.

    At rungs 1, 2, 4 and 8 a trial continues if it is among the better half of those there, itself
    included, rounded down; the first one always does.
    """
    losses = [0.5, 0.4, 0.6, 0.3, 0.45, 0.35, 0.2, 0.32]
    expected = [
        9,  # alone
        9,  # the best of two, everywhere
        1,  # 0.6 is the third of three, and one continues
        9,  # the best of all
        # Rung 1 has .5 .4 .6 .3, and with it two of five continue: .4 or less.
        1,
        # Rung 1: three of six, .35 is second. Rungs 2, 4, 8 have .5 .4 .3: two of four. 9 reports.
        9,
        9,  # the best of all
        # Rung 1: four of eight, .32 is third. Rungs 2, 4, 8: .5 .4 .3 .35 .2: three of six.
        9,
    ]
    made = training(parallelTrialCount="1", maxTrialCount="8")
    with serving(Choosing(losses)) as target:
        run(machine, tmp_path, made, target=target)
    trials = stored(tmp_path)
    assert reports(trials) == expected
    for trial, count in zip(trials, expected, strict=True):
        stopped = Condition.EARLY_STOPPED if count < 9 else Condition.SUCCEEDED
        assert trial.condition is stopped
    # The server that the runner started for the rule, not for the algorithm of the same name.
    assert (tmp_path / "state" / "servers" / "earlystopping-asha.log").exists()


@pytest.mark.integration
def test_several_at_a_time(machine: Machine, tmp_path: Path) -> None:
    """Trials that run side by side are stopped at rungs, and nowhere between them."""
    losses = [0.1 + 0.8 * (number * 5 % 16) / 16 for number in range(16)]
    made = training(parallelTrialCount="4", maxTrialCount="16")
    with serving(Choosing(losses)) as target:
        run(machine, tmp_path, made, target=target)
    trials = stored(tmp_path)
    counts = Counter(reports(trials))
    assert set(counts) <= {1, 2, 4, 8, 9}
    assert counts[9] < 16
    assert min(trials, key=lambda t: float(t.assignment["x"])).condition is Condition.SUCCEEDED
    for trial in trials:
        full = trial.series["loss"].count == 9
        assert (trial.condition is Condition.SUCCEEDED) == full


# ----------------------------------------------------------------------- the protocol


class Laddered(Stopping):
    """Lets trials pass steps 2 and 4, and stops them at 6."""

    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        steps = [t.spec.labels[STEP_LABEL] for t in request.trials if STEP_LABEL in t.spec.labels]
        step = int(steps[0]) if steps else 0
        following = step // 2 * 2 + 2
        value = "-1" if following == 6 else "9"
        rule = api.EarlyStoppingRule(
            name="loss", value=value, comparison=api.GREATER, start_step=following
        )
        return api.GetEarlyStoppingRulesReply(early_stopping_rules=[rule])


def labels(request: api.GetEarlyStoppingRulesRequest) -> list[tuple[str, str]]:
    return [(t.name, t.spec.labels[STEP_LABEL]) for t in request.trials if t.spec.labels]


def test_what_a_server_is_asked(machine: Machine, tmp_path: Path) -> None:
    stopping = Laddered()
    made = training(parallelTrialCount="1", maxTrialCount="1")
    with serving(stopping) as early:
        run(machine, tmp_path, made, early_stopping=early)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.series["loss"].count) == (Condition.EARLY_STOPPED, 6)
    assert list(map(labels, stopping.requests)) == [[], [(trial.name, "2")], [(trial.name, "4")]]
    assert stopping.stopped == [trial.name]
    for request in stopping.requests[1:]:
        (told,) = request.trials
        assert told.status.condition == api.TrialStatus.RUNNING
        assert request.db_manager_address == machine.database


def test_a_server_that_does_not_know_the_label_stops_as_before(
    machine: Machine, tmp_path: Path
) -> None:
    """It answers with its first rule again and again; the best value so far is compared with it."""
    rule = api.EarlyStoppingRule(name="loss", value="0.7", comparison=api.GREATER, start_step=3)
    stopping = Stopping([rule])
    with serving(stopping) as early, serving(Choosing([0.6, 0.8])) as target:
        made = training(parallelTrialCount="1", maxTrialCount="2")
        run(machine, tmp_path, made, early_stopping=early, target=target)
    assert reports(stored(tmp_path)) == [9, 3]


class Refusing(Laddered):
    """Answers for the trials created next, and for no other."""

    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        if labels(request):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "labels are not supported")
        return super().GetEarlyStoppingRules(request, context)


@pytest.mark.integration
def test_a_server_that_refuses_the_label_ends_no_experiment(
    machine: Machine, tmp_path: Path
) -> None:
    view = Recorder()
    with serving(Refusing()) as early:
        made = training(parallelTrialCount="1", maxTrialCount="1")
        run(machine, tmp_path, made, early_stopping=early, view=view)
    assert reports(stored(tmp_path)) == [9]
    assert [note for note in view.notes if "labels are not supported" in note]


@pytest.mark.integration
def test_a_runner_that_is_killed_asks_for_the_same(machine: Machine, tmp_path: Path) -> None:
    """It dies while a trial waits at a rung; the next one adopts the trial, and judges it."""
    made = training(parallelTrialCount="1", maxTrialCount="1")
    made["metadata"]["name"] = name(tmp_path)
    killing = Killing()
    with serving(killing) as early:
        path = write(tmp_path, made)
        command = [
            *(sys.executable, "-m", "suggestion", "run", str(path)),
            *("--directory", str(tmp_path / "state"), "--target", machine.target),
            *("--db-manager", machine.database, "--early-stopping", early),
        ]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            killing.pid = process.pid
            assert process.wait(60) == -signal.SIGKILL
        run(machine, tmp_path, made, early_stopping=early)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.series["loss"].count, trial.attempt) == (
        Condition.EARLY_STOPPED, 6, 1,
    )  # fmt: skip
    asked = [label for request in killing.requests for _, label in labels(request)]
    assert asked == ["2", "2", "4"]


class Killing(Laddered):
    """Kills the runner that asks for a trial's next rule, once."""

    pid = 0

    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        if labels(request) and self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = 0
        return super().GetEarlyStoppingRules(request, context)


# -------------------------------------------------------------------------- the watch


def test_a_watch_takes_the_next_rules() -> None:
    watch = Watch.over([Rule("loss", 0.5, GREATER, 1)], "loss", maximize=False, asks=True)
    assert not watch.due
    assert not watch.report("loss", 0.4)
    assert watch.due
    assert not watch.answer(1, [Rule("loss", 0.3, GREATER, 3)])
    assert not watch.due
    assert not watch.report("loss", 0.35)
    assert not watch.due
    assert watch.report("loss", 0.35)
    assert not watch.due


def test_a_rule_whose_step_has_passed_is_compared_at_once() -> None:
    watch = Watch.over([], "loss", maximize=False, asks=True)
    for value in (0.9, 0.4, 0.8):
        assert not watch.report("loss", value)
    assert watch.due
    assert not watch.answer(3, [Rule("loss", 0.4, GREATER, 2)])  # the best so far is 0.4
    assert not watch.due, "it has been asked for at this report"
    watch.report("loss", 1.0)
    assert watch.due
    assert watch.answer(4, [Rule("loss", 0.39, GREATER, 4)])


def test_no_rule_ends_the_asking() -> None:
    watch = Watch.over([], "loss", maximize=False, asks=True)
    watch.report("loss", 1.0)
    watch.answer(1, [])
    watch.report("loss", 1.0)
    assert not watch.due
    assert not watch.rules


def test_rules_of_other_metrics_stay_and_must_fire_too() -> None:
    own = Rule("time", 10.0, GREATER)
    watch = Watch.over([own, Rule("loss", 0.5, GREATER, 1)], "loss", maximize=False, asks=True)
    watch.report("loss", 0.4)
    assert not watch.answer(1, [Rule("loss", 0.1, GREATER, 1)])
    assert watch.rules == [own]
    assert not watch.due, "the objective has decided"
    assert watch.report("time", 11)


def test_a_rule_of_another_metric_that_comes_again_is_the_same_one() -> None:
    own = Rule("time", 10.0, GREATER, 3)
    watch = Watch.over([own, Rule("loss", 0.5, GREATER, 1)], "loss", maximize=False, asks=True)
    for step in (1, 2):
        watch.report("loss", 0.4)
        watch.report("time", 1.0)
        watch.answer(step, [own, Rule("loss", 0.5, GREATER, step + 1)])
        assert watch.rules.count(own) == 1
    assert watch.steps["time"] == 1


def test_a_watch_of_an_earlier_version_asks_for_nothing() -> None:
    state = {"rules": [["loss", 0.5, GREATER, 1]], "steps": {"loss": 0}, "best": 0.4}
    watch = Watch.load(state, "loss", maximize=False)
    watch.report("loss", 0.4)
    assert not watch.due
