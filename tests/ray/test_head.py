"""The head of a cluster of Ray is away, comes back, or does not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from suggestion.controller.context import Fatal
from suggestion.controller.trials import Condition
from suggestion.runtimes.ray import head
from tests.experiments.support import Machine, Recorder, stored
from tests.ray.conftest import cluster_of
from tests.ray.test_ray import WAITING, experiment, on, ran

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.machines,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def kill(cluster: Any) -> None:
    """End a cluster as a machine that loses its power: nothing says goodbye."""
    for node in [*cluster.workers, cluster.head_node]:
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)


def test_a_head_that_comes_back_without_its_state(machine: Machine, tmp_path: Path) -> None:
    """Its trials are lost, and run again there with the same parameters."""
    made = experiment(tmp_path, WAITING, maxTrialCount="4", parallelTrialCount="2")
    view = Recorder()
    clusters: list[Any] = []
    with cluster_of(1) as first:
        port = int(first.address.rpartition(":")[2])

        def fail(controller: object) -> None:
            if not clusters and len(ran(tmp_path)) == 2:
                kill(first)
                clusters.append(cluster_of(1, port=port))
                clusters[0].__enter__()
                (tmp_path / "go").touch()

        view.on_refresh = fail
        try:
            machine.run(tmp_path, made, view=view, seconds=600, **on(first))
        finally:
            for each in clusters:
                each.__exit__(None, None, None)
    trials = stored(tmp_path)
    assert [trial.condition for trial in trials] == [Condition.SUCCEEDED] * 4
    assert sorted((trial.losses, trial.failures) for trial in trials) == [(0, 0)] * 2 + [(1, 0)] * 2
    assert any("has come back without its state" in note for note in view.notes)


def test_a_head_that_is_away_is_waited_for_but_not_for_ever(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is silent, and answers again; then it is gone."""
    monkeypatch.setattr(head, "LONGEST", 20.0)
    made = experiment(tmp_path, WAITING, maxTrialCount="2", parallelTrialCount="2")
    view = Recorder()
    done: list[str] = []
    with cluster_of(1) as cluster:
        process = cluster.head_node.all_processes["gcs_server"][0].process

        def fail(controller: object) -> None:
            if not done and len(ran(tmp_path)) == 2:
                os.kill(process.pid, signal.SIGSTOP)
                done.append("silent")
            elif done == ["silent"] and any("does not answer" in note for note in view.notes):
                os.kill(process.pid, signal.SIGCONT)
                done.append("back")
            elif done == ["silent", "back"] and any("again" in note for note in view.notes):
                kill(cluster)
                done.append("gone")

        view.on_refresh = fail
        with pytest.raises(Fatal, match=r"the head at .* has not answered for 20 s"):
            machine.run(tmp_path, made, view=view, seconds=600, **on(cluster))
    assert done == ["silent", "back", "gone"]
    assert [trial.condition.active for trial in stored(tmp_path)] == [True, True]
