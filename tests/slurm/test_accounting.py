"""What a runner learns of jobs that Slurm's controller has forgotten."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from suggestion.controller.trials import Condition
from suggestion.runtimes.slurm import commands
from tests.experiments.support import Machine, stored
from tests.slurm import accounting, cluster
from tests.slurm.cluster import until
from tests.slurm.test_slurm import WAITING, RunnerOn, experiment, ran

pytestmark = [pytest.mark.integration, pytest.mark.machines]


def test_a_job_that_was_cancelled_while_no_runner_was_there(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = [*cluster.missing(), *accounting.missing()]
    if lacking or os.getuid():
        pytest.skip(f"needs root, and {', '.join(lacking) or 'nothing else'}")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
        accounting.accounted(Path(folder)) as slurm,
    ):
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, slurm.env[name])
        made = experiment(tmp_path, WAITING, maxTrialCount="1")
        first = RunnerOn(machine, tmp_path, made)
        first.until(lambda trials: len(ran(tmp_path)) == 1)
        first.kill()
        # With all that runs in it, so that nothing is left that could tell how it ended.
        slurm.call("scancel", "--full", "--signal=KILL", "--user=root")
        slurm.call("scancel", "--user=root")
        until(lambda: not commands.queue(), "the controller has forgotten the job")
        RunnerOn(machine, tmp_path, made).wait()
    (trial, *_) = stored(tmp_path)
    assert (trial.condition, trial.reason) == (Condition.FAILED, "its job was cancelled")
