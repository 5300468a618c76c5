"""What a job is: pure functions, without a Slurm."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from suggestion.client.demand import Demand
from suggestion.client.document import load
from suggestion.controller.runtime import Asked, Exit, Loss, TrialFiles
from suggestion.runtimes import place
from suggestion.runtimes.slurm import commands, script, states
from suggestion.runtimes.slurm.commands import Job
from suggestion.runtimes.slurm.states import Left
from tests.experiments.support import document, write


def test_what_squeue_prints() -> None:
    text = "12|RUNNING|1-02:03:04|None|suggest:a|b\n13|PENDING|0:00|Resources|\nrubbish\n"
    assert list(commands.parse_queue(text)) == [
        Job(12, "RUNNING", 93784.0, "None", "suggest:a|b"),
        Job(13, "PENDING", 0.0, "Resources", ""),
    ]


def test_what_sacct_prints() -> None:
    assert commands.parse_accounting("7|CANCELLED by 1000\n8|NODE_FAIL\n8.batch|FAILED\n") == {
        7: "CANCELLED",
        8: "NODE_FAIL",
    }


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, said: str, code: int) -> None:
    path.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {code}\n")
    path.chmod(0o700)


def test_accounting_that_is_away_is_asked_again(programs: Path) -> None:
    """What sacct of Slurm 22.05 says while slurmdbd is down, and where there is none."""
    assert commands.accounted([7]) is None
    program(programs / "sacct", "sacct: error: Problem talking to the database", 1)
    assert commands.accounted([7]) == {}
    program(programs / "sacct", "Slurm accounting storage is disabled", 1)
    assert commands.accounted([7]) is None


def test_a_command_that_cannot_be_started_is_waited_for(programs: Path) -> None:
    with pytest.raises(commands.Away, match="squeue: No such file or directory"):
        commands.queue()
    path = {"PATH": str(programs)}
    (programs / "sbatch").write_text("")
    with pytest.raises(commands.Away, match="sbatch: Permission denied"):
        commands.submit([], programs / "job", path)
    program(programs / "sbatch", "sbatch: fatal: Could not establish a configuration source", 1)
    with pytest.raises(commands.Away, match="configuration source"):
        commands.submit([], programs / "job", path)
    with pytest.raises(commands.Refused, match="sbatch: Argument list too long"):
        commands.submit(["x" * 10_000_000], programs / "job", path)


@pytest.mark.parametrize(
    ("option", "own"),
    [
        ("--requeue", True), ("-Jname", True), ("--wrap=x", True), ("--arra=1-9", True),
        ("--job-n=x", True), ("--exp=NONE", True), ("--time=1", False), ("--exclusive", False),
        ("--ntasks-per-node=2", False), ("--wait-all-nodes=1", False), ("-p=gpu", False),
    ],
)  # fmt: skip
def test_options_of_the_runtime_cannot_be_set(programs: Path, option: str, own: bool) -> None:
    """Programs take an option's name that is cut short."""
    slurm = place("slurm", {"sbatch-option": [option]})
    asked = Asked(load(write(programs, document("echo loss=${trialParameters.x}"))))
    assert [text.endswith("is not yours to set: the runtime needs it")
            for text in slurm.refusals(asked)] == [True] * own  # fmt: skip


@pytest.mark.parametrize(
    ("signal", "refused"),
    [
        ("B:USR1@60", False), ("B:SIGUSR2", False), ("RB:usr1@9", False),
        ("USR1@60", True), ("B:TERM@60", True), ("B:15", True), ("R:USR1", True),
    ],
)  # fmt: skip
def test_signals_that_never_reach_a_trial(programs: Path, signal: str, refused: bool) -> None:
    slurm = place("slurm", {"sbatch-option": [f"--signal={signal}"]})
    asked = Asked(load(write(programs, document("echo loss=${trialParameters.x}"))))
    said = [text.partition(",")[0] for text in slurm.refusals(asked)]
    rule = "--sbatch-option: --signal must be B:USR1@SECONDS or B:USR2@SECONDS"
    assert said == [rule] * refused


def test_the_environment_of_an_allocation_is_not_handed_on() -> None:
    env = {"SLURM_JOB_ID": "1", "SLURM_CONF": "/etc/slurm.conf", "HOME": "/root"}
    assert commands.environment(env) == {"SLURM_CONF": "/etc/slurm.conf", "HOME": "/root"}


LONG = "ran longer than the time limit of its job"
MEMORY = "used more memory than its job has"


@pytest.mark.parametrize(
    ("state", "known", "stopping", "expected"),
    [
        ("COMPLETED", Left(0, False), False, Exit("t", 0)),
        ("FAILED", Left(3, False), False, Exit("t", 3)),
        ("NODE_FAIL", Left(0, False), False, Exit("t", 0)),
        ("NODE_FAIL", None, False, Loss("t", reason="the node of its job failed")),
        ("PREEMPTED", Left(143, True), False, Loss("t", reason="its job was preempted")),
        # A program that ends well when it is told to has not come to its end.
        ("PREEMPTED", Left(0, True), False, Loss("t", reason="its job was preempted")),
        ("PREEMPTED", Left(0, True), True, Exit("t", 0)),
        ("TIMEOUT", Left(0, True), False, Exit("t", 0, LONG)),
        ("TIMEOUT", None, False, Exit("t", 143, LONG)),
        ("OUT_OF_MEMORY", Left(137, False), False, Exit("t", 137, MEMORY)),
        # In the grace period of a preemption.
        ("FAILED", Left(143, True), False, Loss("t", reason="its job was told to end")),
        ("COMPLETED", Left(0, True), False, Loss("t", reason="its job was told to end")),
        ("COMPLETED", Left(0, True), True, Exit("t", 0)),
        ("CANCELLED", None, False, Exit("t", 143, "its job was cancelled")),
        ("CANCELLED", None, True, Exit("t", 137)),
        ("FAILED", Left(139, False), False, Exit("t", 139)),
        ("FAILED", None, False, None),
    ],
)  # fmt: skip
def test_outcomes(state: str, known: Left | None, stopping: bool, expected: object) -> None:
    assert states.outcome("t", state, known, stopping) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0\n", Left(0, False)), (b"143 told\n", Left(143, True)),
        (b"", None), (b"14", None), (b"0\n1\n", None), (b"unbegun\n", None),
    ],
)  # fmt: skip
def test_status_files(data: bytes, expected: Left | None) -> None:
    assert states.left(data) == expected


def test_a_job_that_is_gone() -> None:
    assert states.vanished("t", "", begun=False) == Loss("t", begun=False)
    assert "does its node see" in states.vanished("t", "FAILED", begun=False).reason
    assert states.vanished("t", "", begun=True).begun


def test_resources() -> None:
    one = Demand(cpus=1.5, memory=3 * 2**30, gpus=2)
    assert script.resources(one) == [
        "--ntasks=1", "--cpus-per-task=2", "--gres=gpu:2", "--mem=3072M",
    ]  # fmt: skip
    four = Demand(cpus=2, memory=2**30, gpus=1, replicas=4)
    assert script.resources(four) == [
        "--ntasks=4", "--cpus-per-task=2", "--gpus-per-task=1", "--mem-per-cpu=512M",
    ]  # fmt: skip
    assert script.resources(Demand()) == ["--ntasks=1"]


def run(folder: Path, *argv: str, job: str = "7") -> tuple[bytes, bytes]:
    """Run the script of a job by a shell; its status file, and its output."""
    files = TrialFiles("t", folder, folder / "output-1.log", folder / "status-1")
    path = folder / "job-1.sh"
    path.write_text(script.text(files, 1, argv, folder, 1, threads=True))
    env = {**os.environ, "SLURM_JOB_ID": job, "SLURM_CPUS_PER_TASK": "3"}
    subprocess.run(["sh", str(path)], env=env, check=False)
    return files.status.read_bytes(), files.output.read_bytes()


def test_the_script_of_a_job(tmp_path: Path) -> None:
    words = "it's $HOME"
    status, output = run(tmp_path, "sh", "-c", 'echo "$0" $OMP_NUM_THREADS; exit 5', words)
    assert (status, output) == (b"5\n", b"it's $HOME 3\n")


def test_a_second_job_of_an_attempt_does_nothing(tmp_path: Path) -> None:
    run(tmp_path, "sh", "-c", "echo first")
    status, output = run(tmp_path, "sh", "-c", "echo second; exit 1", job="8")
    assert (status, output) == (b"0\n", b"first\n")
    assert (tmp_path / "job-1" / "id").read_text() == "7\n"


def test_a_job_that_is_told_to_end_says_so(tmp_path: Path) -> None:
    status, _ = run(tmp_path, "sh", "-c", "trap 'exit 0' TERM; kill -TERM $PPID $$; sleep 9")
    assert status == b"0 told\n"


@pytest.mark.parametrize("signal", ["USR1", "USR2"])
def test_a_signal_before_the_end_reaches_the_trial(tmp_path: Path, signal: str) -> None:
    """And ends neither it nor the script."""
    # Again and again: the first may come before the script knows whom it has started.
    trial = f"trap 'echo caught' {signal}; while :; do kill -{signal} $PPID; sleep 0.1; " \
        "grep -q caught output-1.log && break; done; exit 5"  # fmt: skip
    status, output = run(tmp_path, "sh", "-c", trial)
    assert (status, {*output.split()}) == (b"5\n", {b"caught"})
