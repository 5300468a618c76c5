"""Experiments on Slurm's own daemons, and what is done to them in the middle."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.controller.context import Options
from suggestion.controller.trials import Condition, Trial
from suggestion.runner import runner
from tests.experiments.support import Machine, Recorder, Stopping, document, serving, stored
from tests.experiments.test_resume import Runner
from tests.slurm.cluster import Cluster, until

pytestmark = [pytest.mark.integration, pytest.mark.machines]

# Each attempt leaves a line with its node; a trial may wait for the file `go`.
NOTE = 'echo "$SUGGEST_TRIAL_NAME $SUGGEST_ATTEMPT $SLURMD_NODENAME" >>{folder}/ran; '
OK = NOTE + "echo loss=${{trialParameters.x}}"
WAITING = NOTE + "while [ ! -e {folder}/go ]; do sleep 0.2; done; echo loss=${{trialParameters.x}}"
RUNTIME = ("--runtime", "slurm")


def experiment(folder: Path, command: str, **spec: Any) -> dict[str, Any]:
    made = document(command.format(folder=folder), **spec)
    made["spec"]["trialTemplate"]["resources"] = {"limits": {"cpu": "2"}}
    return made


def ran(folder: Path) -> list[list[str]]:
    path = folder / "ran"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def all_succeeded(folder: Path, count: int) -> list[Trial]:
    """Each of them once, with what it has reported; nothing is left running."""
    trials = stored(folder)
    assert len(trials) == count
    for trial in trials:
        assert trial.condition is Condition.SUCCEEDED, trial.reason
        assert trial.series["loss"].latest == trial.assignment["x"]
    attempts = Counter((name, attempt) for name, attempt, *_ in ran(folder))
    assert set(attempts.values()) == {1}, attempts
    return trials


def test_trials_on_two_nodes(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    made = experiment(tmp_path, OK, maxTrialCount="20", parallelTrialCount="8")
    machine.run(tmp_path, made, runtime="slurm")
    all_succeeded(tmp_path, 20)
    assert {node for *_, node in ran(tmp_path)} == {"n1", "n2"}
    until(lambda: not slurm.jobs(), "no job is left")


def test_a_runner_is_killed_and_another_goes_on(
    slurm: Cluster, machine: Machine, tmp_path: Path
) -> None:
    made = experiment(tmp_path, WAITING, maxTrialCount="8", parallelTrialCount="4")
    first = RunnerOn(machine, tmp_path, made)
    first.until(lambda trials: len(ran(tmp_path)) >= 2)
    first.kill()
    (tmp_path / "go").touch()
    second = RunnerOn(machine, tmp_path, made)
    assert second.wait() == 0, (tmp_path / "out").read_text()
    trials = all_succeeded(tmp_path, 8)
    assert {trial.attempt for trial in trials} == {1}
    until(lambda: not slurm.jobs(), "no job is left")


class RunnerOn(Runner):
    """``suggest run --runtime slurm`` as a process."""

    def __init__(self, machine: Machine, folder: Path, made: Any) -> None:
        super().__init__(machine, folder, made, *RUNTIME)


def test_a_node_is_drained(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    slurm.call("scontrol", "update", "nodename=n1", "state=drain", "reason=test", check=True)
    made = experiment(tmp_path, OK, maxTrialCount="6", parallelTrialCount="6")
    machine.run(tmp_path, made, runtime="slurm")
    all_succeeded(tmp_path, 6)
    assert {node for *_, node in ran(tmp_path)} == {"n2"}


def test_a_node_dies(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    """Its trials are lost, and run again on the other one with the same parameters."""
    made = experiment(tmp_path, WAITING, maxTrialCount="6", parallelTrialCount="6")
    view = Recorder()
    died: list[str] = []

    def kill(controller: object) -> None:
        if not died and len(ran(tmp_path)) == 6:
            died.extend(name for name, _, node in ran(tmp_path) if node == "n1")
            slurm.kill_node("n1")
            (tmp_path / "go").touch()

    view.on_refresh = kill
    machine.run(tmp_path, made, runtime="slurm", view=view)
    trials = all_succeeded(tmp_path, 6)
    assert died
    assert {trial.name for trial in trials if trial.losses == 1} == set(died)
    assert {trial.failures for trial in trials} == {0}
    assert any("lost: the node of its job failed" in note for note in view.notes)


def test_the_controller_is_away_for_a_while(
    slurm: Cluster, machine: Machine, tmp_path: Path
) -> None:
    made = experiment(tmp_path, WAITING, maxTrialCount="6", parallelTrialCount="3")
    view = Recorder()
    away: list[bool] = []

    def kill(controller: object) -> None:
        if not away and len(ran(tmp_path)) == 3:
            away.append(True)
            slurm.kill("slurmctld")
            (tmp_path / "go").touch()
        if away == [True] and any("does not answer" in note for note in view.notes):
            away.append(False)
            slurm.start_controller()

    view.on_refresh = kill
    machine.run(tmp_path, made, runtime="slurm", view=view)
    assert away == [True, False]
    assert "Slurm answers again" in view.notes
    trials = all_succeeded(tmp_path, 6)
    assert {trial.attempt for trial in trials} == {1}


def test_early_stopping(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    rule = api.EarlyStoppingRule(name="loss", value="0.5", comparison=api.GREATER, start_step=3)
    stopping = Stopping([rule])
    loop = "for i in 9 8 7 6; do echo loss=0.$i; done; : ${{trialParameters.x}}; exec sleep 600"
    made = experiment(tmp_path, NOTE + loop, maxTrialCount="1")
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    with serving(stopping) as early:
        machine.run(tmp_path, made, runtime="slurm", early_stopping=early)
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.EARLY_STOPPED
    assert stopping.stopped == [trial.name]
    until(lambda: not slurm.jobs(), "no job is left")


def test_a_trial_that_ignores_the_signal_is_killed(
    slurm: Cluster, machine: Machine, tmp_path: Path
) -> None:
    deaf = "trap '' TERM; : ${{trialParameters.x}}; while :; do sleep 1; done"
    made = experiment(tmp_path, NOTE + deaf, maxTrialCount="1")
    options = Options(grace=1.0, trial_timeout=2.0)
    machine.run(tmp_path, made, runtime="slurm", options=options)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.reason) == (Condition.FAILED, "ran longer than 2 s")
    until(lambda: not slurm.jobs(), "no job is left")


def test_cancelled_by_hand(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    made = experiment(tmp_path, WAITING, maxTrialCount="2", maxFailedTrialCount="5")
    view = Recorder()

    def cancel(controller: object) -> None:
        if len(ran(tmp_path)) == 2 and not (tmp_path / "go").exists():
            slurm.call("scancel", f"--name={ran(tmp_path)[0][0]}", check=True)
            (tmp_path / "go").touch()

    view.on_refresh = cancel
    machine.run(tmp_path, made, runtime="slurm", view=view)
    reasons = {trial.name: trial.reason for trial in stored(tmp_path)}
    assert reasons[ran(tmp_path)[0][0]] in ("its job was cancelled", ""), reasons
    assert sorted(reasons.values()) == ["", "its job was cancelled"]


def test_a_time_limit_and_a_signal_before_it(
    slurm: Cluster, machine: Machine, tmp_path: Path
) -> None:
    """The shortest limit of a job is a minute; an administrator can end it before."""
    told = "trap 'echo loss=7; touch {folder}/told' USR1; : ${{trialParameters.x}}; "
    made = experiment(
        tmp_path, NOTE + told + "while :; do sleep 0.2; done", maxTrialCount="1",
        maxFailedTrialCount="1",
    )  # fmt: skip
    view = Recorder()
    ended: list[str] = []
    sooner = iter((30, 1))

    def end(controller: object) -> None:
        done = [bool(ran(tmp_path)), (tmp_path / "told").exists()].count(True)
        if done > len(ended):
            job = slurm.call("squeue", "--noheader", "--states=RUNNING", "--format=%A").strip()
            ended.append(
                slurm.call("scontrol", "update", f"jobid={job}", f"endtime=now+{next(sooner)}")
            )

    view.on_refresh = end
    options = {"sbatch-option": ["--time=1:00", "--signal=B:USR1@59"]}
    machine.run(tmp_path, made, runtime="slurm", runtime_options=options, view=view)
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.FAILED, ended
    assert trial.reason == "ran longer than the time limit of its job", ended
    assert (tmp_path / "told").exists()


@pytest.mark.parametrize(("partition", "end"), [("main", ":"), ("spare", "exit 0")])
def test_a_job_that_is_preempted_is_lost(
    slurm: Cluster, machine: Machine, tmp_path: Path, partition: str, end: str
) -> None:
    """Where jobs are requeued, and where they are cancelled but may come to an end before."""
    trial = "[ $SUGGEST_ATTEMPT = 2 ] || while :; do sleep 0.2; done; "
    made = experiment(
        tmp_path, f"trap '{end}' TERM; " + NOTE + trial + "echo loss=${{trialParameters.x}}",
        maxTrialCount="1",
    )  # fmt: skip
    view = Recorder()
    urgent: list[str] = []

    def preempt(controller: object) -> None:
        if not urgent and ran(tmp_path):
            urgent.append("it")
            whole = ["--partition=urgent", "--nodes=2", "--exclusive", "--job-name=urgent"]
            slurm.call("sbatch", *whole, "--output=/dev/null", "--wrap=true", check=True)

    view.on_refresh = preempt
    options = {"partition": partition}
    machine.run(tmp_path, made, runtime="slurm", runtime_options=options, view=view)
    (only,) = all_succeeded(tmp_path, 1)
    assert (only.losses, only.failures, only.attempt) == (1, 0, 2), view.notes


def test_trials_get_gpus_of_their_node(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    """Each node has two."""
    said = "echo gpus=$CUDA_VISIBLE_DEVICES; "
    made = experiment(tmp_path, said + WAITING, maxTrialCount="4", parallelTrialCount="4")
    limits = {"cpu": "1", "nvidia.com/gpu": "1"}
    made["spec"]["trialTemplate"]["resources"] = {"limits": limits}
    view = Recorder()

    def go(controller: object) -> None:
        if len(ran(tmp_path)) == 4:
            (tmp_path / "go").touch()

    view.on_refresh = go
    machine.run(tmp_path, made, runtime="slurm", view=view)
    got = Counter(
        (tmp_path / "state" / "trials" / trial.name / "output-1.log").read_text().split()[0]
        for trial in all_succeeded(tmp_path, 4)
    )
    assert got == {"gpus=0": 2, "gpus=1": 2}


def test_interrupted_trials_are_cancelled_and_run_again(
    slurm: Cluster, machine: Machine, tmp_path: Path
) -> None:
    made = experiment(tmp_path, WAITING, maxTrialCount="2")
    first = RunnerOn(machine, tmp_path, made)
    first.until(lambda trials: len(ran(tmp_path)) == 2)
    first.process.send_signal(signal.SIGTERM)
    assert first.wait() == 3
    until(lambda: not slurm.jobs(), "no job is left")
    (tmp_path / "go").touch()
    assert RunnerOn(machine, tmp_path, made).wait() == 0
    assert {trial.attempt for trial in all_succeeded(tmp_path, 2)} == {2}


def test_replicas_are_tasks(slurm: Cluster, machine: Machine, tmp_path: Path) -> None:
    script = "echo rank=$RANK of $WORLD_SIZE at $MASTER_ADDR; echo loss=${trialParameters.x}"
    container = {"name": "pytorch", "image": "i", "command": ["sh", "-c", script]}
    pod = {"template": {"spec": {"containers": [container]}}}
    replicas = {"Master": {"replicas": 1, **pod}, "Worker": {"replicas": 2, **pod}}
    made = document("", maxTrialCount="1")
    made["spec"]["trialTemplate"] = {
        "primaryContainerName": "pytorch",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "spec": {"pytorchReplicaSpecs": replicas},
        },
    }
    options = {"sbatch-option": ["--nodes=2"]}
    machine.run(tmp_path, made, runtime="slurm", runtime_options=options)
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.SUCCEEDED, trial.reason
    assert trial.series["loss"].count == 1
    folder = tmp_path / "state" / "trials" / trial.name
    others = ["output-1.log", "output-1.log.1", "output-1.log.2"]
    said = [(folder / name).read_text().splitlines()[0].split(" at ")[0] for name in others]
    assert said == [f"rank={rank} of 3" for rank in range(3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partition": "nosuch"}, "--partition=nosuch: .*invalid partition"),
        ({"sbatch-option": ["--requeue"]}, "--sbatch-option: --requeue is not yours to set"),
        ({"sbatch-option": ["-Jname"]}, "--sbatch-option: -Jname is not yours to set"),
        ({"sbatch-option": ["time=1"]}, "--sbatch-option: must begin with a dash, got 'time=1'"),
    ],
)
def test_what_slurm_would_refuse_is_refused_first(
    slurm: Cluster, machine: Machine, tmp_path: Path, options: Any, words: str
) -> None:
    with pytest.raises(runner.ExperimentRefused, match=words):
        machine.run(tmp_path, experiment(tmp_path, OK), runtime="slurm", runtime_options=options)
    assert not (tmp_path / "state").exists()
