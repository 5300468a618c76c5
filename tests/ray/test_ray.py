"""Experiments on Ray's own cluster, and what is done to it in the middle."""

from __future__ import annotations

import select
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.template import Invocation
from suggestion.controller.context import Options
from suggestion.controller.outcomes import TERMINATED
from suggestion.controller.runtime import (
    Exit,
    LaunchSpec,
    Loss,
    Output,
    Running,
    Runtime,
    RuntimeEvent,
    Started,
    TrialFiles,
    Whose,
)
from suggestion.controller.slots import Slot
from suggestion.controller.trials import Condition, Trial
from suggestion.runner import runner
from suggestion.runtimes.ray import PLACE
from suggestion.runtimes.ray.runtime import RayRuntime
from tests.experiments.support import Machine, Recorder, Stopping, document, serving, stored
from tests.experiments.test_resume import LIMIT, Runner

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.machines,
    # Ray leaves files and processes to the end of its own.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

NOTE = 'echo "$SUGGEST_TRIAL_NAME $SUGGEST_ATTEMPT $PPID" >>{folder}/ran; '
OK = NOTE + "cat data.txt; echo loss=${{trialParameters.x}}"
WAITING = NOTE + "while [ ! -e {folder}/go ]; do sleep 0.2; done; echo loss=${{trialParameters.x}}"


def experiment(folder: Path, command: str, **spec: Any) -> dict[str, Any]:
    (folder / "data.txt").write_text("from the working directory\n")
    return document(command.format(folder=folder), **spec)


def on(cluster: Any) -> dict[str, Any]:
    return {"runtime": "ray", "runtime_options": {"ray-address": cluster.address}}


def ran(folder: Path) -> list[list[str]]:
    path = folder / "ran"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def all_succeeded(folder: Path, count: int) -> list[Trial]:
    """Each of them once, with what it has reported."""
    trials = stored(folder)
    assert len(trials) == count
    for trial in trials:
        assert trial.condition is Condition.SUCCEEDED, trial.reason
        assert (trial.series["loss"].latest, trial.series["loss"].count) == (
            trial.assignment["x"],
            1,
        )
    attempts = Counter((name, attempt) for name, attempt, *_ in ran(folder))
    assert set(attempts.values()) == {1}, attempts
    return trials


def left_over(cluster: Any) -> list[str]:
    """Names of the actors that still live."""
    import ray  # noqa: PLC0415
    from ray.util import list_named_actors  # noqa: PLC0415

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        return [entry["name"] for entry in list_named_actors(all_namespaces=True)]
    finally:
        ray.shutdown()


def test_trials_to_the_end(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    made = experiment(tmp_path, OK, maxTrialCount="12", parallelTrialCount="6")
    machine.run(tmp_path, made, **on(cluster))
    for trial in all_succeeded(tmp_path, 12):
        output = tmp_path / "state" / "trials" / trial.name / "output-1.log"
        assert output.read_text() == f"from the working directory\nloss={trial.assignment['x']}\n"
    assert len({actor for *_, actor in ran(tmp_path)}) < 12  # one after another in the same
    assert left_over(cluster) == []


def test_a_metrics_file_of_another_machine(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    source = {"fileSystemPath": {"path": "/katib/train.log", "kind": "File"}}
    collector = {"collector": {"kind": "File"}, "source": source}
    command = NOTE + "echo loss=${{trialParameters.x}} >>/katib/train.log"
    made = experiment(tmp_path, command, metricsCollectorSpec=collector, maxTrialCount="2")
    machine.run(tmp_path, made, **on(cluster))
    all_succeeded(tmp_path, 2)


class RunnerOn(Runner):
    """``suggest run --runtime ray`` as a process."""

    def __init__(self, machine: Machine, folder: Path, made: Any, cluster: Any) -> None:
        super().__init__(
            machine, folder, made, "--runtime", "ray", "--ray-address", cluster.address
        )


def test_a_runner_is_killed_and_another_goes_on(
    cluster: Any, machine: Machine, tmp_path: Path
) -> None:
    made = experiment(tmp_path, WAITING, maxTrialCount="6", parallelTrialCount="3")
    first = RunnerOn(machine, tmp_path, made, cluster)
    first.until(lambda trials: len(ran(tmp_path)) == 3)
    first.kill()
    (tmp_path / "go").touch()
    assert RunnerOn(machine, tmp_path, made, cluster).wait() == 0, (tmp_path / "out").read_text()
    assert {trial.attempt for trial in all_succeeded(tmp_path, 6)} == {1}
    assert left_over(cluster) == []


def test_a_worker_dies(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    """Its trials are lost, and run again on the other one with the same parameters."""
    made = experiment(tmp_path, WAITING, maxTrialCount="6", parallelTrialCount="6")
    view = Recorder()
    killed: list[bool] = []

    def kill(controller: object) -> None:
        if not killed and len(ran(tmp_path)) == 6:
            killed.append(True)
            cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
        elif any(": lost" in note for note in view.notes):  # its trials may outlive it for a moment
            (tmp_path / "go").touch()

    view.on_refresh = kill
    machine.run(tmp_path, made, view=view, **on(cluster))
    trials = all_succeeded(tmp_path, 6)
    assert sum(trial.losses for trial in trials) in range(1, 5)
    assert {trial.failures for trial in trials} == {0}
    assert any("lost: its actor died" in note for note in view.notes)


def test_early_stopping(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    rule = api.EarlyStoppingRule(name="loss", value="0.5", comparison=api.GREATER, start_step=3)
    stopping = Stopping([rule])
    loop = "for i in 9 8 7 6; do echo loss=0.$i; done; : ${{trialParameters.x}}; exec sleep 600"
    made = experiment(tmp_path, NOTE + loop, maxTrialCount="1")
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    with serving(stopping) as early:
        machine.run(tmp_path, made, early_stopping=early, **on(cluster))
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.EARLY_STOPPED
    assert left_over(cluster) == []


def test_a_trial_that_ignores_the_signal_is_killed(
    cluster: Any, machine: Machine, tmp_path: Path
) -> None:
    deaf = "trap '' TERM; : ${{trialParameters.x}}; while :; do sleep 1; done"
    made = experiment(tmp_path, NOTE + deaf, maxTrialCount="1")
    options = Options(grace=1.0, trial_timeout=2.0)
    machine.run(tmp_path, made, options=options, **on(cluster))
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.reason) == (Condition.FAILED, "ran longer than 2 s")


def test_replicas_are_bundles(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    script = "echo rank=$RANK of $WORLD_SIZE at $MASTER_ADDR; echo loss=${trialParameters.x}"
    container = {
        "name": "pytorch",
        "image": "i",
        "command": ["sh", "-c", script],
        "resources": {"limits": {"cpu": "3"}},
    }
    pod = {"template": {"spec": {"containers": [container]}}}
    replicas = {"Master": {"replicas": 1, **pod}, "Worker": {"replicas": 1, **pod}}
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
    machine.run(tmp_path, made, **on(cluster))
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.SUCCEEDED, trial.reason
    output = tmp_path / "state" / "trials" / trial.name / "output-1.log"
    assert output.read_text().startswith("rank=0 of 2 at ")
    assert left_over(cluster) == []


def test_trials_get_gpus_of_their_node(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    """One node has two, as far as Ray can tell; trials that want one wait for them."""
    made = experiment(
        tmp_path, "echo gpu=$CUDA_VISIBLE_DEVICES; " + OK, maxTrialCount="3", parallelTrialCount="3"
    )
    limits = {"cpu": "1", "nvidia.com/gpu": "1"}
    made["spec"]["trialTemplate"]["resources"] = {"limits": limits}
    machine.run(tmp_path, made, **on(cluster))
    outputs = [
        (tmp_path / "state" / "trials" / trial.name / "output-1.log").read_text()
        for trial in all_succeeded(tmp_path, 3)
    ]
    assert {output.splitlines()[0] for output in outputs} <= {"gpu=0", "gpu=1"}


def of_a_test(folder: Path, trial: str, *command: str) -> LaunchSpec:
    own = folder / trial
    own.mkdir()
    files = TrialFiles(trial, own, own / "output", own / "status")
    invocation = Invocation(command or ("sleep", "600"), {}, None, "", True)
    return LaunchSpec(files, invocation, [], {}, "", False, Slot(0), folder, "")


def until(place: Runtime, kind: type[Started | Exit | Loss], *trials: str) -> list[RuntimeEvent]:
    """Wait for events of a kind of all of some trials; return all events until then."""
    seen: list[RuntimeEvent] = []
    missing, begun, bell = set(trials), time.monotonic(), place.fileno()
    assert bell is not None
    while missing:
        assert time.monotonic() - begun < LIMIT, seen
        select.select([bell], [], [], 0.1)
        new = place.events()
        seen += new
        missing -= {event.trial for event in new if isinstance(event, kind)}
    return seen


def die(place: Runtime) -> None:
    """End a session as SIGKILL does, without a chance to end actors."""
    assert isinstance(place, RayRuntime)
    place._disconnect()


def test_an_actor_that_nobody_knows_is_ended(cluster: Any, tmp_path: Path) -> None:
    """Its session died between making it and storing its handle."""
    place = PLACE.configured({"ray-address": cluster.address})
    whose = Whose("knows-nothing-of-it", "1", tmp_path, {})
    died = place.open(whose)
    spec = of_a_test(tmp_path, "a")
    handle = died.launch(spec)
    die(died)
    assert len(left_over(cluster)) == 1
    after = place.open(whose)
    found = after.adopt(spec.files, handle)  # or if it did not begin
    assert isinstance(found, Loss)
    assert not found.begun
    after.events()
    after.close()
    assert left_over(cluster) == []


def test_actors_end_without_the_head(cluster: Any, tmp_path: Path) -> None:
    """It is away when the last trial has ended; afterwards, nobody would come to end them."""
    place = PLACE.configured({"ray-address": cluster.address})
    last = place.open(Whose("ends-without-the-head", "1", tmp_path, {}))
    assert isinstance(last, RayRuntime)
    last.launch(of_a_test(tmp_path, "a", "true"))
    last.begin("a")
    until(last, Exit, "a")
    assert last._head is not None
    last._head._away = time.monotonic()  # what its thread notes
    last.close()
    begun = time.monotonic()
    while left_over(cluster):
        assert time.monotonic() - begun < LIMIT


def test_a_session_that_ends_at_its_start_ends_no_trial(cluster: Any, tmp_path: Path) -> None:
    """It has adopted one of two trials; the other is for the next session.

    One of them has the actor of a trial that has ended, whose end no session has stored.
    """
    place = PLACE.configured({"ray-address": cluster.address})
    whose = Whose("ends-at-its-start", "1", tmp_path, {})
    before = place.open(whose)
    specs = [of_a_test(tmp_path, "a", "echo", "a"), *(of_a_test(tmp_path, n) for n in ("b", "c"))]
    handles = []
    for spec in specs:
        handles.append(before.launch(spec))
        before.begin(spec.files.trial)
        if spec.files.trial == "a":
            first = until(before, Exit, "a")
            assert [e.data for e in first if isinstance(e, Output)] == [b"a\n"]
    until(before, Started, "b", "c")
    die(before)
    failing = place.open(whose)
    assert isinstance(failing.adopt(specs[1].files, handles[1]), Running)
    failing.close()
    assert len(left_over(cluster)) == 2
    after = place.open(whose)
    assert after.adopt(specs[0].files, handles[0]) == Exit("a", 0)
    for spec, handle in zip(specs[1:], handles[1:], strict=True):
        assert isinstance(after.adopt(spec.files, handle), Running)
    until(after, Started, "b", "c")
    for trial in ("b", "c"):
        after.stop(trial, 600.0)
    ends = [e for e in until(after, Exit, "b", "c") if isinstance(e, Exit)]
    assert {end.status for end in ends} == {TERMINATED}
    after.close()
    assert left_over(cluster) == []


def test_what_cannot_be_honoured(cluster: Any, machine: Machine, tmp_path: Path) -> None:
    made = experiment(tmp_path, OK)
    with pytest.raises(runner.ExperimentRefused, match="--gpus, --gpus-per-trial: a trial gets"):
        machine.run(tmp_path, made, gpus=["0"], **on(cluster))
    options = {"ray-address": "127.0.0.1:1"}
    with pytest.raises(runner.ExperimentRefused, match=r"no cluster answers at 127\.0\.0\.1:1"):
        machine.run(tmp_path, made, runtime="ray", runtime_options=options)
