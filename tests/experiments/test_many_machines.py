"""What is common to runtimes on many machines: lost trials, leases, options, what is refused."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from suggestion import runtimes
from suggestion.cli.main import main
from suggestion.client import demand, document
from suggestion.client.demand import quantity
from suggestion.controller import commands as c
from suggestion.controller import events as e
from suggestion.controller import lock, machine, schema
from suggestion.controller.context import Fatal
from suggestion.controller.experiment import Experiment
from suggestion.controller.lock import LEASE, Busy, Lock
from suggestion.controller.runtime import Asked, Option
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition, Trial
from suggestion.runner import runner
from suggestion.runtimes import here
from tests.experiments.support import Machine, Recorder, stored, write
from tests.experiments.support import document as experiment
from tests.experiments.test_machine import Played

OK = "echo loss=${trialParameters.x}"


# ------------------------------------------------------------------ lost trials


def test_a_lost_trial_runs_again_and_fails_in_the_end() -> None:
    play = Played(trials=2, parallel=1, lost_retries=2, retries=5).begun()
    for losses in (1, 2):
        commands = play.step((e.Lost, 0, True, "node n1 failed"))
        assert c.Launch(0, 0) in commands
        trial = play.state.active[0]
        assert (trial.losses, trial.failures, trial.attempt) == (losses, 0, losses + 1)
        assert trial.assignment == {"x": "0"}
        play.step((e.Launched, 0, {}))
    play.step((e.Lost, 0, True, "node n2 failed"))
    assert play.last is not None
    trial = next(known for known in play.last.changes.trials if known.number == 0)
    assert (trial.condition, trial.losses, trial.failures) == (Condition.FAILED, 3, 0)
    assert trial.reason == "lost 3 times, the last time: node n2 failed"


def test_failures_and_losses_are_counted_apart() -> None:
    play = Played(trials=2, parallel=1, lost_retries=1, retries=1).begun()
    play.step((e.Lost, 0, True, ""))
    play.step((e.Launched, 0, {}))
    play.step((e.Exited, 0, 1))
    play.step((e.Collected, 0))
    trial = play.state.active[0]
    assert (trial.losses, trial.failures, trial.attempt) == (1, 1, 3)


def test_the_reason_of_an_exit_says_more_than_its_status() -> None:
    play = Played(trials=1, parallel=1).begun()
    play.step((e.Exited, 0, 143, "ran longer than the time limit of its job"))
    play.step((e.Collected, 0))
    assert play.state.tally.failed == 1
    assert play.last is not None
    assert play.last.changes.trials[0].reason == "ran longer than the time limit of its job"


def test_a_queued_trial_has_no_time_limit_before_it_runs() -> None:
    play = Played(trials=1, parallel=1, queues=True, trial_timeout=10.0).begun()
    assert machine.deadline(play.policy, play.state) is None
    play.seconds = 1000.0
    assert c.Stop(0) not in play.step((e.Timer,))
    play.step((e.Started, 0))
    assert machine.deadline(play.policy, play.state) == 1010.0
    play.seconds = 1010.0
    assert c.Stop(0) in play.step((e.Timer,))


def test_a_trial_that_is_adopted_in_the_queue_waits_on() -> None:
    play = Played(trials=1, parallel=1, queues=True, trial_timeout=10.0).begun()
    play.step((e.Opened, 0.0))
    play.step((e.Adopted, 0, 0.0, True))
    assert machine.deadline(play.policy, play.state) is None
    play.seconds = 50.0
    play.step((e.Started, 0, 4.0))
    assert machine.deadline(play.policy, play.state) == 56.0


def test_lost_attempts_are_shown(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    made = Experiment("study", experiment(OK)).mark("Created", "", "", "2026-01-01T00:00:00Z")
    store.save_experiment(made)
    lost = Trial(1, "study-b", {"x": "1"}, {}, [], losses=2)
    store.commit(c.Changes(trials=[Trial(0, "study-a", {"x": "0"}), lost]))
    assert store.trials()[1] == lost
    store.close()
    shown = CliRunner().invoke(main, ["status", str(tmp_path)]).output
    assert "Lost attempts: 2, of study-b" in shown
    listed = CliRunner().invoke(main, ["trials", "--csv", str(tmp_path)]).output
    head, *rows = listed.splitlines()
    column = head.split(",").index("lost")
    assert [row.split(",")[column] for row in rows] == ["0", "2"]


def test_a_directory_of_version_2_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    later = {made for step, all_ in schema._MIGRATIONS.items() if step >= 2 for made in all_}
    for statement in schema._SCHEMA:
        if statement not in later:
            db.execute(statement)
    db.execute("PRAGMA user_version = 2")
    db.execute(
        "INSERT INTO trials VALUES (0, 't', '{}', '{}', '[]', 'Failed', 'why', 1, 1, '', 'null', "
        "NULL, 'null', 'null', '{}', 'null', 0, '', '', '')"
    )
    db.commit()
    db.close()
    before = (tmp_path / FILE).read_bytes()
    store = Store(tmp_path)
    assert [(trial.name, trial.losses) for trial in store.trials()] == [("t", 0)]
    store.close()
    assert (tmp_path / FILE).read_bytes() == before
    store = Store(tmp_path, create=True)
    store.commit(c.Changes(trials=[Trial(0, "t", {}, losses=4)]))
    store.close()
    store = Store(tmp_path)
    assert [trial.losses for trial in store.trials()] == [4]
    store.close()


# ---------------------------------------------------------------- the directory


def test_a_runner_of_another_machine_is_alive_until_its_lease_ends(tmp_path: Path) -> None:
    """Its disk may keep locks to each machine, as this test does by taking none."""
    path = tmp_path / "lock"
    path.write_text("17 far-away\n")
    with pytest.raises(Busy, match=r"process 17 on far-away; if it has ended, try again in \d+ s"):
        Lock(tmp_path)
    assert lock.held(tmp_path)
    seen = time.time() - LEASE - 1
    os.utime(path, (seen, seen))
    assert not lock.held(tmp_path)
    Lock(tmp_path).release()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lock"]


def test_a_runner_that_has_ended_leaves_no_lease(tmp_path: Path) -> None:
    Lock(tmp_path, host="far-away").release()
    Lock(tmp_path).release()


def test_a_killed_runner_of_this_machine_leaves_no_lease(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"17 {os.uname().nodename}\n")
    Lock(tmp_path).release()


def test_a_runner_that_was_suspended_leaves_its_trials_to_the_next(
    machine: Machine, tmp_path: Path
) -> None:
    """Its lease has run out, and another machine has let a runner in meanwhile."""
    note = f"echo $SUGGEST_TRIAL_NAME >>{tmp_path}/ran; "
    waits = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; "
    made = experiment(note + waits + OK, maxTrialCount="4")
    path = tmp_path / "state" / "lock"
    view = Recorder()

    def ran() -> list[str]:
        return (tmp_path / "ran").read_text().split() if (tmp_path / "ran").exists() else []

    def suspended(controller: object) -> None:
        if len(ran()) == 2:
            path.write_text("17 far-away\n")

    view.on_refresh = suspended
    stops = "another runner is at work here now, process 17 on far-away"
    try:
        with pytest.raises(Fatal, match=stops):
            machine.run(tmp_path, made, view=view)
        assert path.read_text() == "17 far-away\n"
        assert {trial.condition for trial in stored(tmp_path)} == {Condition.RUNNING}
    finally:
        (tmp_path / "go").touch()
    Lock(path.parent, host="far-away").release()  # that one ends
    machine.run(tmp_path, made)
    assert {(trial.condition, trial.attempt) for trial in stored(tmp_path)} == {
        (Condition.SUCCEEDED, 1)
    }
    assert sorted(ran()) == sorted(trial.name for trial in stored(tmp_path))


def test_trials_of_another_machine_are_not_run_twice(machine: Machine, tmp_path: Path) -> None:
    made = experiment(OK, maxTrialCount="1")
    machine.run(tmp_path, made)
    store = Store(tmp_path / "state", create=True)
    (trial,) = store.trials()
    handle = {"pid": 1, "started": 1, "boot": "another", "host": "far-away"}
    running = Trial(
        0, trial.name, trial.assignment, condition=Condition.RUNNING, attempt=2, handle=handle
    )
    known = store.experiment()
    assert known is not None
    again = known.mark("Running", "ExperimentRunning", "", known.started)
    store.commit(c.Changes(again, trials=[running]))
    store.close()
    with pytest.raises(runner.ExperimentRefused, match=f"{trial.name} may still run on far-away"):
        machine.run(tmp_path, made)
    machine.run(tmp_path, made, lost_hosts=["far-away"])
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.attempt, trial.losses) == (Condition.SUCCEEDED, 3, 1)


# ----------------------------------------------------------- runtimes and their options


def elsewhere(monkeypatch: pytest.MonkeyPatch, opened: list[Any]) -> None:
    """Register a runtime ``elsewhere`` that runs processes of this machine."""
    from suggestion.runtimes import process  # noqa: PLC0415

    class Place(here.Here):
        def __init__(self, chosen: Any = None) -> None:
            super().__init__(
                here=False, options=(Option("queue", "NAME", "Where to wait."),), host_bound=False
            )
            object.__setattr__(self, "chosen", chosen or {})

        def configured(self, chosen: Any) -> Any:
            return Place(chosen)

        def refusals(self, asked: Any) -> Any:
            return ["--gpus: names GPUs of this machine"] if asked.gpus else []

        def check(self, asked: Any) -> None:
            """It is always there."""

        def open(self, whose: Any) -> Any:
            opened.append((dict(self.chosen), whose))  # type: ignore[attr-defined]
            return process.ProcessRuntime()

    monkeypatch.setitem(runtimes.RUNTIMES, "elsewhere", "tests.nowhere")
    found = runtimes.place

    def place(name: str, chosen: Any = None) -> Any:
        return Place(chosen) if name == "elsewhere" else found(name, chosen)

    monkeypatch.setattr(runtimes, "place", place)


def test_a_resume_uses_the_runtime_of_the_directory(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    elsewhere(monkeypatch, opened)
    made = experiment(OK, maxTrialCount="1", resumePolicy="LongRunning")
    machine.run(tmp_path, made, runtime="elsewhere", runtime_options={"queue": "long"})
    made["spec"]["maxTrialCount"] = "2"
    machine.run(tmp_path, made)
    made["spec"]["maxTrialCount"] = "3"
    machine.run(tmp_path, made, runtime_options={"queue": "short"})
    assert [chosen for chosen, _ in opened] == [
        {"queue": "long"}, {"queue": "long"}, {"queue": "short"},
    ]  # fmt: skip
    assert len({whose.id for _, whose in opened}) == 1
    assert opened[0][1].id
    assert opened[0][1].directory == (tmp_path / "state").absolute()
    made["spec"]["maxTrialCount"] = "4"
    machine.run(tmp_path, made, runtime="process")
    assert len(opened) == 3
    assert len(stored(tmp_path)) == 4


def test_what_a_runtime_cannot_honour_is_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, [])
    with pytest.raises(
        runner.ExperimentRefused, match="--runtime elsewhere: --gpus: names GPUs of this machine"
    ):
        machine.run(tmp_path, experiment(OK), runtime="elsewhere", gpus=["0"])
    assert not (tmp_path / "state").exists()


DATABASE = "collector Push: needs --db-manager HOST:PORT with"


@pytest.mark.parametrize("database", ["", "127.0.0.1:6789"])
def test_a_container_does_not_reach_this_machine_by_loopback(tmp_path: Path, database: str) -> None:
    asked = Asked(document.load(write(tmp_path, experiment(OK))), pushed=True, database=database)
    (text,) = runtimes.place("docker").refusals(asked)
    assert "an address that the trials' machines can reach" in text
    assert not runtimes.place("process").refusals(asked)


@pytest.mark.parametrize("name", [n for n in runtimes.RUNTIMES if not runtimes.place(n).here])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"gpus": True}, ["--gpus, --gpus-per-trial: "]),
        ({"gpus_each": 2, "cpus_each": 3}, ["--gpus, --gpus-per-trial: ", "--cpus-per-trial: "]),
        ({"pushed": True}, [DATABASE]),
        ({"pushed": True, "database": "head:6789"}, []),
        ({"pushed": True, "database": "localhost.example:6789"}, []),
        ({"pushed": True, "database": "localhost:6789"}, ["--db-manager: "]),
        ({"pushed": True, "database": "ipv4:127.0.0.1:6789"}, ["--db-manager: "]),
        ({"pushed": True, "database": "unix:/tmp/socket"}, ["--db-manager: "]),
    ],
)  # fmt: skip
def test_what_no_other_machine_can_honour(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    asked: dict[str, Any],
    expected: list[str],
) -> None:
    monkeypatch.setenv("PATH", "")  # no sbatch is asked
    loaded = document.load(write(tmp_path, experiment(OK)))
    before = runtimes.place(name).refusals(Asked(loaded))
    found = [text for text in runtimes.place(name).refusals(Asked(loaded, **asked))
             if text not in before]  # fmt: skip
    assert [text.startswith(begin) for text, begin in zip(found, expected, strict=True)] == (
        [True] * len(expected)
    )


def test_an_option_of_another_runtime_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, [])
    ran = CliRunner().invoke(
        main, ["run", str(write(tmp_path, experiment(OK))), "--queue", "long", "--runtime=process"]
    )
    assert ran.exit_code == 1
    assert "--queue: needs --runtime elsewhere, got --runtime process" in ran.output


def test_the_help_lists_options_by_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch, [])
    shown = CliRunner().invoke(main, ["run", "--help"]).output
    own, _, theirs = shown.partition("Options of --runtime elsewhere:")
    assert "--queue NAME  Where to wait." in theirs
    assert "--queue" not in own
    assert "--lost-retries" in own


def test_no_two_runtimes_have_an_option_of_one_name() -> None:
    names = [option.name for name in runtimes.RUNTIMES for option in runtimes.place(name).options]
    assert len(names) == len(set(names))


def test_a_runtime_is_not_changed_under_running_trials(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, [])
    made = experiment(OK, maxTrialCount="1")
    machine.run(tmp_path, made)
    store = Store(tmp_path / "state", create=True)
    (trial,) = store.trials()
    running = Trial(0, trial.name, trial.assignment, condition=Condition.RUNNING, handle={"j": 1})
    store.commit(c.Changes(trials=[running]))
    store.close()
    with pytest.raises(runner.ExperimentRefused, match="may still run with --runtime process"):
        machine.run(tmp_path, made, runtime="elsewhere")
    assert [known.handle for known in stored(tmp_path)] == [{"j": 1}]


# ------------------------------------------------------------------------ resources


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("500m", 0.5), ("2", 2), ("1.5", 1.5), ("2Gi", 2**31), ("128M", 128e6), ("1e3", 1000)],
        *[("1E", 1e18), ("250u", 250e-6), ("5n", 5e-9), ("2E-3", 0.002), ("1Ei", 2**60)],
    ],
)
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "two", "-1", "1GiB", "1 Gi", "0x10"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="must be a quantity"):
        quantity(text)


def in_object(folder: Path, kind: str, spec: Any) -> demand.Demand:
    made = experiment("")
    trial = {"apiVersion": "kubeflow.org/v1", "kind": kind, "spec": spec}
    made["spec"]["trialTemplate"] = {
        "primaryContainerName": "c",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": trial,
    }
    examined = document.examine(write(folder, made))
    assert examined.loaded is not None, examined.errors
    return examined.loaded.template.demand


def pod(*words: str, **resources: Any) -> Any:
    command = ["train", "--x=${trialParameters.x}", *words]
    container = {"name": "c", "image": "i", "command": command, "resources": resources}
    return {"template": {"spec": {"containers": [container]}}}


def test_what_a_trial_needs(tmp_path: Path) -> None:
    limits = {"cpu": "1500m", "memory": "2Gi", "nvidia.com/gpu": "2"}
    found = in_object(tmp_path, "Job", pod(requests={"cpu": "1"}, limits=limits))
    assert found == demand.Demand(1.5, 2**31, 2)


def test_replicas_of_one_program(tmp_path: Path) -> None:
    replicas = {"Master": {"replicas": 1, **pod()}, "Worker": {"replicas": 3, **pod()}}
    found = in_object(tmp_path, "PyTorchJob", {"pytorchReplicaSpecs": replicas})
    assert (found.replicas, found.unmet) == (4, ())


def test_a_master_and_one_worker_are_two(tmp_path: Path) -> None:
    replicas = {"Master": pod(), "Worker": {"replicas": 1, **pod()}}
    assert in_object(tmp_path, "PyTorchJob", {"pytorchReplicaSpecs": replicas}).replicas == 2


def test_what_cannot_be_had_outside_a_cluster(tmp_path: Path) -> None:
    replicas = {"Master": pod(), "Worker": {"replicas": 3, **pod("--other")}}
    found = in_object(tmp_path, "PyTorchJob", {"pytorchReplicaSpecs": replicas})
    assert [rule for _, rule in found.unmet] == [
        "all replicas must run the same program there, got several"
    ]
    found = in_object(tmp_path, "Job", {"parallelism": 2, **pod(limits={"tpu": "1", "cpu": "x"})})
    assert [rule for _, rule in found.unmet] == [
        "must be a quantity such as 500m, 2 or 4Gi, got 'x'",
        "cannot be had there; cpu, memory and GPUs can",
        "only replicas of a PyTorchJob or TrainJob can be had there, got 2 in a Job",
    ]


@pytest.mark.parametrize(
    "specs", [[], {"Master": pod(), "Worker": []}, {"Master": pod(), "Worker": "2"}]
)
def test_replicas_that_are_no_mapping(tmp_path: Path, specs: Any) -> None:
    found = in_object(tmp_path, "PyTorchJob", {"pytorchReplicaSpecs": specs, "also": pod()})
    assert [rule.partition(", got")[0] for _, rule in found.unmet] == ["must be a mapping"]


def test_a_part_of_a_gpu_cannot_be_had(tmp_path: Path) -> None:
    found = in_object(tmp_path, "Job", pod(limits={"nvidia.com/gpu": "500m"}))
    (problem,) = found.unmet
    assert problem[0][-2:] == ("limits", "nvidia.com/gpu")
    assert problem[1] == "must be a whole number of GPUs, got 0.5"


def test_the_whole_object_is_rendered(tmp_path: Path) -> None:
    made = experiment("")
    labels = {"v": "${trialParameters.x}"}
    made["spec"]["trialTemplate"] = {
        "primaryContainerName": "c",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": {"kind": "Job", "metadata": {"labels": labels}, "spec": pod()},
    }
    loaded = document.load(write(tmp_path, made))
    rendered = loaded.template.render_object("study-1", {"x": "0.5"})
    assert rendered["metadata"]["labels"] == {"v": "0.5"}
    assert rendered["spec"]["template"]["spec"]["containers"][0]["command"][1] == "--x=0.5"
