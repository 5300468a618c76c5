"""An experiment's directory: private to its user, and readable where it cannot be written."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.client.template import Invocation
from suggestion.controller.context import Options
from suggestion.controller.experiment import Experiment
from suggestion.controller.lock import Lock
from suggestion.controller.runtime import LaunchSpec, TrialFiles
from suggestion.controller.slots import Slot
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition
from suggestion.runtimes.process import Plain
from tests.experiments.support import Machine, document, stored


def test_what_an_experiment_keeps_is_private(machine: Machine, tmp_path: Path) -> None:
    made = document("echo loss=1", maxTrialCount="1")
    before = os.umask(0o022)
    try:
        machine.run(tmp_path, made, database=None, options=Options(grace=60.0))
    finally:
        os.umask(before)
    state = tmp_path / "state"
    kept = [state, *state.rglob("*")]
    assert {"state.db", "lock", "observations.db", "output-1.log", "status-1", "dbmanager.log"} <= {
        path.name for path in kept
    }
    for path in kept:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_state_file_of_an_earlier_version_becomes_private(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(0o644)
    Store(tmp_path, create=True).close()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    Lock(tmp_path).release()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, to be mounted read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("killed", [False, True])
def test_a_read_only_directory_can_be_looked_at(
    machine: Machine, tmp_path: Path, disk: Path, killed: bool
) -> None:
    """Also after a runner was killed, which leaves its latest transactions beside the file."""
    machine.run(tmp_path, document("echo loss=1", maxTrialCount="1"))
    state, shown = tmp_path / "state", disk / "state"
    store = Store(state, create=killed)
    if killed:
        experiment = store.experiment()
        assert isinstance(experiment, Experiment)
        store.save_experiment(
            experiment.mark("Failed", "ExperimentFailed", "the last word", "2027")
        )
        assert (state / f"{FILE}-wal").stat().st_size
    shutil.copytree(state, shown)
    store.close()
    (shown / f"{FILE}-shm").unlink(missing_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    def suggest(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.SUCCEEDED
    assert ("the last word" in suggest("status", str(shown))) == killed
    assert trial.name in suggest("trials", str(shown))
    assert suggest("logs", str(shown), "0") == "loss=1\n"
    page = tmp_path / "page.html"
    suggest("plot", str(shown), "--output", str(page))
    assert trial.name in page.read_text()
    refused = CliRunner().invoke(main, ["plot", str(shown)])
    assert refused.exit_code == 1
    assert "plot.html: cannot be written: Read-only file system; --output" in refused.output


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "grpc_proxy"])
def test_no_proxy_stands_between_a_trial_and_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://192.0.2.1:3128")
    monkeypatch.setenv("no_proxy", "example.com")
    files = TrialFiles("t", tmp_path, tmp_path / "output", tmp_path / "status")
    invocation = Invocation(("true",), {}, None, "")
    env = Plain()(LaunchSpec(files, invocation, [], {}, "", False, Slot(0), tmp_path, "")).env
    assert env["no_proxy"] == env["NO_PROXY"] == "example.com,localhost,127.0.0.1,::1"
