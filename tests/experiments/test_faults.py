"""Trials, servers, disks and clocks that misbehave."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from suggestion.client.launch import LocalServer
from suggestion.controller.context import Options
from suggestion.controller.driver import Controller
from suggestion.controller.moments import Clock
from suggestion.controller.servers import RemoteServers
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition
from suggestion.runner import runner
from suggestion.views import printed
from tests.experiments.support import (
    Machine,
    Recorder,
    Stopping,
    alive,
    document,
    serving,
    stored,
    write,
)

pytestmark = pytest.mark.integration

OK = "echo loss=${trialParameters.x}"


def one(machine: Machine, folder: Path, command: str, **more: object) -> Controller:
    """A single trial that runs `command`."""
    options = Options(grace=0.5, **more)  # type: ignore[arg-type]
    return machine.run(folder, document(command, maxTrialCount="1"), options=options)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo loss=1; exit 3", "exit status 3"),
        ("no-such-command", "exit status 127, command not found"),
        ("kill -9 $$", "exit status 137, killed by SIGKILL"),
        ("kill -SEGV $$", "exit status 139, killed by SIGSEGV"),
    ],
)
def test_failures(machine: Machine, tmp_path: Path, command: str, reason: str) -> None:
    one(machine, tmp_path, command)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.reason) == (Condition.FAILED, reason)


def test_a_command_that_is_not_there(machine: Machine, tmp_path: Path) -> None:
    made = document(["/no/such/program", "${trialParameters.x}"], maxTrialCount="1")
    machine.run(tmp_path, made)
    (trial,) = stored(tmp_path)
    assert trial.reason == "exit status 127, command not found"
    assert b"/no/such/program" in b"".join(printed.output_of(tmp_path / "state", trial))


def test_one_that_hangs(machine: Machine, tmp_path: Path) -> None:
    one(machine, tmp_path, "echo loss=1; sleep 1000", trial_timeout=0.3)
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.FAILED
    assert trial.reason == "ran longer than 0.3 s"


def test_the_deadline_of_the_job(machine: Machine, tmp_path: Path) -> None:
    container = {"name": "c", "command": ["sh", "-c", "sleep 1000", "${trialParameters.x}"]}
    pod = {"spec": {"containers": [container]}}
    job = {"kind": "Job", "spec": {"activeDeadlineSeconds": "1", "template": pod}}
    made = document("", maxTrialCount="1", trialTemplate={"trialSpec": job})
    machine.run(tmp_path, made)
    assert stored(tmp_path)[0].reason == "ran longer than 1 s"


@pytest.mark.parametrize("deaf", ["", "trap '' TERM HUP;"])
def test_children_end_with_their_trial(machine: Machine, tmp_path: Path, deaf: str) -> None:
    pids = tmp_path / "pids"
    child = f"({deaf} while :; do sleep 1; done) & echo $! >>{pids}; "
    one(machine, tmp_path, f"{child * 2} echo loss=1")
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.SUCCEEDED
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 2
    assert not any(alive(pid) for pid in numbers)


def test_children_end_with_a_trial_that_is_stopped(machine: Machine, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # The second is in a process group of its own; its session is the trial's.
    command = (
        f"(trap '' TERM; while :; do sleep 1; done) & echo $! >>{pids}; "
        f"bash -c 'set -m; sleep 1000 & echo $! >>{pids}; wait' & "
        f"while :; do sleep 1; done"
    )
    one(machine, tmp_path, command, trial_timeout=5.0)
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 2
    assert not any(alive(pid) for pid in numbers)


#: Ways out of a trial's session; each leaves its process id in the file that it is given.
ESCAPES = {
    "setsid": "setsid sh -c 'echo $$ >>{}; exec sleep 1000' &",
    "without the environment": "env -i PATH=$PATH setsid sh -c 'echo $$ >>{}; exec sleep 1000' &",
    "twice": "setsid sh -c 'setsid sh -c \"echo \\$\\$ >>{}; exec sleep 1000\" & exit' &",
    "deaf": "setsid sh -c 'trap \"\" TERM HUP INT; echo $$ >>{}; while :; do sleep 1; done' &",
}
WAIT = "while [ ! -s {} ]; do sleep 0.05; done; "


@pytest.mark.parametrize(
    ("end", "more"),
    [
        ("echo loss=1", {}),
        ("sleep 1000", {"trial_timeout": 10.0}),
        ("trap '' TERM; while :; do sleep 0.2; done", {"trial_timeout": 10.0}),
        ("exit 3", {}),
    ],
)
def test_sessions_of_their_own_end_with_their_trial(
    machine: Machine, tmp_path: Path, end: str, more: dict[str, Any]
) -> None:
    files = [tmp_path / f"pid-{number}" for number in range(len(ESCAPES))]
    begin = " ".join(text.format(file) for text, file in zip(ESCAPES.values(), files, strict=True))
    waits = "".join(WAIT.format(file) for file in files)
    one(machine, tmp_path, f"{begin} {waits}{end}", **more)
    pids = [int(file.read_text()) for file in files]
    assert [pid for pid in pids if alive(pid)] == []


def test_a_trial_that_kills_what_watches_over_it(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    begin = f"{ESCAPES['setsid'].format(file)} {WAIT.format(file)}"
    one(machine, tmp_path, f"{begin} kill -9 $PPID; sleep 1000")
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.FAILED
    assert not alive(int(file.read_text()))


def test_a_trial_that_stops_what_watches_over_it(machine: Machine, tmp_path: Path) -> None:
    """The runner would never learn that it has ended."""
    one(machine, tmp_path, "echo loss=2; kill -STOP $PPID")
    (trial,) = stored(tmp_path)
    assert trial.condition is Condition.SUCCEEDED


def test_a_script_without_an_interpreter(machine: Machine, tmp_path: Path) -> None:
    """As a shell runs it."""
    script = tmp_path / "script"
    script.write_text("echo loss=1\n")
    script.chmod(0o755)
    machine.run(tmp_path, document([str(script)], maxTrialCount="1"))
    assert stored(tmp_path)[0].condition is Condition.SUCCEEDED


def test_a_command_that_is_too_long(machine: Machine, tmp_path: Path) -> None:
    """Each trial fails by itself, with the reason."""
    made = document(["sh", "-c", ":", *["x" * 120_000] * 20], maxTrialCount="2")
    controller = machine.run(tmp_path, made)
    assert controller.experiment.done
    assert {t.reason for t in stored(tmp_path)} == {"exit status 126, command cannot be run"}
    for output in tmp_path.glob("**/output-*.log"):
        assert output.read_text() == "sh: Argument list too long\n"


def test_a_gigabyte_of_output(machine: Machine, tmp_path: Path) -> None:
    """All of it is read, little of it is kept, and nothing is lost on the way."""
    noise = f"yes {'x' * 999} | head -c 500000000"
    command = f"echo loss=0.5; {noise}; echo; echo loss=0.25; {noise}; echo; echo loss=0.75"
    machine.run(
        tmp_path,
        document(command, maxTrialCount="1"),
        options=Options(output_bytes=4 * 2**20),
    )
    (trial,) = stored(tmp_path)
    assert trial.series["loss"].count == 3
    assert trial.series["loss"].min == "0.25"
    output = tmp_path / "state" / "trials" / trial.name / "output-1.log"
    assert output.stat().st_size > 1_000_000_000
    assert output.stat().st_blocks * 512 < 40 * 2**20
    kept = b"".join(printed.output_of(tmp_path / "state", trial))
    assert kept.startswith(b"loss=0.5\nxxx")
    assert kept.endswith(b"xxx\n\nloss=0.75\n")
    assert re.search(rb"\n\[\.\.\. \d+ bytes are not kept \.\.\.\]\n", kept)
    assert b"\0" not in kept


def test_more_reports_than_are_kept(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suggestion.controller.reporter.MOST_REPORTS", 10)
    view = Recorder()
    made = document("for i in $(seq 50 -1 1); do echo loss=$i; done", maxTrialCount="1")
    machine.run(tmp_path, made, view=view)
    (trial,) = stored(tmp_path)
    assert (trial.series["loss"].min, trial.series["loss"].count) == ("1", 50)
    store = Store(tmp_path / "state")
    assert len(store.reports(0)) == 10
    store.close()
    assert len([note for note in view.notes if "more than 10 reports" in note]) == 1


def test_retries(machine: Machine, tmp_path: Path) -> None:
    """The second attempt succeeds, and what the first reported does not count."""
    flag = tmp_path / "flag"
    command = f"if [ -e {flag} ]; then echo loss=5; else touch {flag}; echo loss=1; exit 1; fi"
    one(machine, tmp_path, command, retries=1)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.attempt, trial.failures) == (Condition.SUCCEEDED, 2, 1)
    assert trial.series["loss"].min == "5"
    folder = tmp_path / "state"
    assert b"".join(printed.output_of(folder, trial, 1)) == b"loss=1\n"
    assert b"".join(printed.output_of(folder, trial)) == b"loss=5\n"


def test_retries_end(machine: Machine, tmp_path: Path) -> None:
    one(machine, tmp_path, "exit 1", retries=2)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.attempt) == (Condition.FAILED, 3)


def test_a_trial_does_not_read_the_terminal(machine: Machine, tmp_path: Path) -> None:
    one(machine, tmp_path, "read line && exit 9; echo loss=1")
    assert stored(tmp_path)[0].condition is Condition.SUCCEEDED


def test_the_servers_are_killed_in_the_middle(machine: Machine, tmp_path: Path) -> None:
    """They are started again, and the suggestions are those of an undisturbed run."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    made = document(f"{OK}; sleep 0.2", maxTrialCount="8")
    machine.run(tmp_path / "a", made)
    killed: list[int] = []

    def kill(controller: Controller) -> None:
        """Both servers, after two trials and again after five."""
        done = controller.counts.completed
        if done >= (2 if not killed else 5) and len(killed) < 4:
            servers = controller.rim.servers
            assert isinstance(servers, RemoteServers)
            for client in (servers.clients.suggestion, servers.clients.database):
                pid = client.server.pid if isinstance(client.server, LocalServer) else None
                if pid is not None and pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    view = Recorder(on_refresh=kill)
    controller = machine.run(tmp_path / "b", made, view=view, target=None, database=None)
    assert len(killed) >= 3
    assert controller.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    undisturbed = [t.assignment for t in stored(tmp_path / "a")]
    assert [t.assignment for t in stored(tmp_path / "b")] == undisturbed
    store = Store(tmp_path / "b" / "state")
    assert store.undelivered() == []
    store.close()


class Killing(Stopping):
    """Kills the DBManager while it is asked for rules, and needs it for its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.pid: int | None = None

    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        if self.pid is not None and len(self.requests) == 1:
            ended = os.pidfd_open(self.pid)
            os.kill(self.pid, signal.SIGKILL)
            select.select([ended], [], [], 60)
            os.close(ended)
        reply = super().GetEarlyStoppingRules(request, context)
        host, _, port = request.db_manager_address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), 1.0).close()
        except OSError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return reply


def test_the_db_manager_dies_while_rules_are_asked_for(machine: Machine, tmp_path: Path) -> None:
    """Nobody else would call it, and start it again."""
    made = document("sleep 0.5", parallelTrialCount="1", maxTrialCount="3")
    made["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "None"}}
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    killing = Killing()

    def look(controller: Controller) -> None:
        servers = controller.rim.servers
        assert isinstance(servers, RemoteServers)
        server = servers.clients.database.server
        if killing.pid is None and isinstance(server, LocalServer):
            killing.pid = server.pid

    with serving(killing) as early:
        view = Recorder(on_refresh=look)
        controller = machine.run(tmp_path, made, view=view, database=None, early_stopping=early)
    assert controller.experiment.done
    assert len(killing.requests) > 3
    assert len(stored(tmp_path)) == 3


class Jumping(Clock):
    """An hour forwards, two hours back, and so on."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return datetime.now(UTC) + timedelta(hours=(-1) ** self.looks * self.looks)


def test_a_clock_that_jumps(machine: Machine, tmp_path: Path) -> None:
    options = Options(trial_timeout=30, time_limit=30)
    made = document("for i in 3 2 1; do echo loss=$i; sleep 0.15; done")
    controller = machine.run(tmp_path, made, clock=Jumping(), options=options)
    assert controller.experiment.done
    store = Store(tmp_path / "state")
    for trial in store.trials():
        assert trial.condition is Condition.SUCCEEDED
        assert trial.started <= trial.completed
        reports = store.reports(trial.number)
        assert [r.value for r in reports] == ["3", "2", "1"]
        assert [r.time for r in reports] == sorted(r.time for r in reports)
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of its own with 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill, and not in every container")
    return folder


def test_a_full_disk(machine: Machine, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner waits for space, and goes on from what was written."""
    monkeypatch.setattr("suggestion.runner.control._DISK_PAUSE", 0.3)
    ballast = small_disk / "ballast"
    view = Recorder()
    filled = False

    def fill(controller: Controller) -> None:
        nonlocal filled
        if controller.counts.completed >= 3 and not filled:
            filled = True
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass

    def note(text: str) -> None:
        view.notes.append(text)
        if "cannot be written" in text:
            # After it has been tried again in vain.
            threading.Timer(1.0, lambda: ballast.unlink(missing_ok=True)).start()

    view.note = note  # type: ignore[method-assign]
    view.on_refresh = fill
    try:
        made = document(f"{OK}; sleep 0.05", maxTrialCount="12")
        controller = machine.run(small_disk, made, view=view)
        assert filled
        assert [text for text in view.notes if "full" in text]
        assert controller.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
        trials = stored(small_disk)
        assert [t.number for t in trials] == list(range(12))
        assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    finally:
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)


def test_64_at_a_time(machine: Machine, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    most = 0

    def look(controller: Controller) -> None:
        nonlocal most
        most = max(most, len(controller.running))
        if most == 64:
            flag.touch()

    command = f"while [ ! -e {flag} ]; do sleep 0.2; done; {OK}"
    made = document(command, parallelTrialCount="64", maxTrialCount="128")
    machine.run(tmp_path, made, view=Recorder(on_refresh=look))
    trials = stored(tmp_path)
    assert most == 64
    assert [t.number for t in trials] == list(range(128))
    assert all(t.series["loss"].latest == t.assignment["x"] for t in trials)


def test_a_damaged_state_is_said_to_be_one(machine: Machine, tmp_path: Path) -> None:
    machine.run(tmp_path, document(OK, maxTrialCount="1"))
    for path in (tmp_path / "state").glob(f"{FILE}*"):
        path.write_bytes(b"not a database" * 100)
    with pytest.raises(runner.ExperimentRefused, match="not a database"):
        machine.run(tmp_path, document(OK, maxTrialCount="1"))


def test_the_directory_cannot_be_made(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    request = runner.Request(
        write(tmp_path, document(OK)), target="127.0.0.1:1", directory=tmp_path / "file" / "state"
    )
    with pytest.raises(runner.ExperimentRefused, match="cannot be made"):
        runner.run(request, Recorder())


def test_the_directory_cannot_be_written(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "state" / "lock").mkdir(parents=True)  # the user of a test may write anywhere
    with pytest.raises(runner.ExperimentRefused, match="cannot be written, so that no trial"):
        machine.run(tmp_path, document(OK, maxTrialCount="1"))


def test_the_time_limit(machine: Machine, tmp_path: Path) -> None:
    begun = time.monotonic()
    options = Options(grace=0.5, time_limit=0.5)
    controller = machine.run(tmp_path, document("sleep 1000"), options=options)
    assert time.monotonic() - begun < 60
    assert not controller.experiment.done
    # They are to run again when the experiment goes on.
    assert {(t.condition, t.attempt) for t in stored(tmp_path)} == {(Condition.CREATED, 2)}


def test_a_db_manager_that_does_not_answer(machine: Machine, tmp_path: Path) -> None:
    """The experiment does without it; what it has not taken is kept for the next time."""
    view = Recorder()
    made = document(OK, maxTrialCount="2")
    options = Options(grace=0.3)
    controller = machine.run(tmp_path, made, database="127.0.0.1:1", view=view, options=options)
    assert controller.experiment.done
    assert [note for note in view.notes if note.startswith("DBManager at 127.0.0.1:1: UNAVAILABLE")]
    store = Store(tmp_path / "state")
    assert len(store.undelivered()) == 2
    machine.run(tmp_path, made)
    assert store.undelivered() == []
    store.close()


def test_rules_wait_for_the_db_manager(machine: Machine, tmp_path: Path) -> None:
    """Not for ever: the runner can be ended, and trials that have ended are judged later."""
    made = document(OK, maxTrialCount="2", earlyStopping={"algorithmName": "medianstop"})
    options = Options(grace=0.3, time_limit=1.0)
    with serving(Stopping()) as early:
        controller = machine.run(
            tmp_path, made, database="127.0.0.1:1", early_stopping=early, options=options
        )
        assert not controller.experiment.done
        assert {t.condition for t in stored(tmp_path)} == {Condition.RUNNING}
        machine.run(tmp_path, made, early_stopping=early)
    trials = stored(tmp_path)
    assert [(t.condition, t.attempt) for t in trials] == [(Condition.SUCCEEDED, 1)] * 2
    store = Store(tmp_path / "state")
    assert store.undelivered() == []
    store.close()
