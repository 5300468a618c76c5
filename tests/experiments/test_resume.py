"""Nothing is lost: runners that are killed, interrupted, doubled, or told to go on further."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from suggestion.controller.lock import Busy, Lock
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.runner import runner
from suggestion.runtimes.process import session as process
from tests.experiments.support import Machine, alive, document, environment, stored, write

pytestmark = pytest.mark.integration

OK = "echo loss=${trialParameters.x}"


#: For whatever a runner is waited for, in seconds: no measurement.
LIMIT = 300


class Runner:
    """``suggest run`` as a process, in a session of its own.

    Attributes:
        begun: All of them so far, for `end_all`.
    """

    begun: ClassVar[list[Runner]] = []

    def __init__(self, machine: Machine, folder: Path, made: Any, *more: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "suggestion", "run", str(write(folder, made))]
        command += ["--directory", str(folder / "state"), "--plain", "--grace", "0.5s"]
        if "own servers" not in more:
            command += ["--target", machine.target, "--db-manager", machine.database]
        command += [word for word in more if word != "own servers"]
        self.out = (folder / "out").open("ab")
        self.process = subprocess.Popen(
            command, stdout=self.out, stderr=subprocess.STDOUT, env=environment()
        )
        self.begun.append(self)

    @classmethod
    def end_all(cls) -> None:
        """End those that still run, which would go on in the tests that follow."""
        for one in cls.begun:
            one.kill()
        cls.begun.clear()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.out.close()

    def wait(self) -> int:
        status = self.process.wait(LIMIT)
        self.out.close()
        return status

    def interrupt(self, number: signal.Signals) -> int:
        """Sends a signal until the process ends: two at once may arrive as one."""
        for _ in range(5):
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                break
        return self.wait()

    def until(self, condition: Callable[[list[Trial]], bool]) -> list[Trial]:
        """Waits for a state."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(FileNotFoundError):  # it has not come so far
                trials = stored(self.folder)
                if condition(trials):
                    return trials
            time.sleep(0.05)
        raise AssertionError((self.folder / "out").read_text())


@pytest.fixture
def runners(machine: Machine, tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    def start(made: Any, *more: str) -> Runner:
        return Runner(machine, tmp_path, made, *more)

    yield start
    Runner.end_all()
    if (tmp_path / "state" / "state.db").exists():
        for trial in stored(tmp_path):
            if trial.handle is not None:
                process.orphans(identity_of(trial))


def identity_of(trial: Trial) -> process.Identity:
    handle = trial.handle
    assert handle is not None
    return process.Identity(handle["pid"], handle["started"], handle["boot"])


def running(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.condition is Condition.RUNNING]


def test_killed_again_and_again(
    machine: Machine, tmp_path: Path, runners: Callable[..., Runner]
) -> None:
    """Every suggestion is tried exactly once, and they are those of an undisturbed run."""
    (tmp_path / "undisturbed").mkdir()
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    name = "$SUGGEST_TRIAL_NAME"
    command = f"echo {name} >>{begun}; sleep 0.3; {OK}; echo {name} >>{ended}"
    made = document(command, parallelTrialCount="3", maxTrialCount="15")
    machine.run(tmp_path / "undisturbed", document(OK, parallelTrialCount="3", maxTrialCount="15"))
    chance = random.Random(7)
    killed = 0
    while killed < 6:
        one = runners(made)
        before = (tmp_path / "ended").read_text().count("\n") if ended.exists() else 0
        # Somewhere between its first step and a few trials later.
        one.until(lambda trials, before=before: len(trials) > min(before, 14))  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.4))
        if one.process.poll() is not None:
            break
        one.kill()
        killed += 1
    assert killed >= 3
    last = runners(made)
    assert last.wait() == 0, (tmp_path / "out").read_text()
    trials = stored(tmp_path)
    assert [t.number for t in trials] == list(range(15))
    assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    assert all(t.series["loss"].latest == t.assignment["x"] for t in trials)
    assert all(t.series["loss"].count == 1 for t in trials)
    assert [t.assignment for t in trials] == [
        t.assignment for t in stored(tmp_path / "undisturbed")
    ]
    # Trials outlive the runner: none was begun twice, none ended twice.
    assert Counter(begun.read_text().split()) == {t.name: 1 for t in trials}
    assert Counter(ended.read_text().split()) == {t.name: 1 for t in trials}


def undelivered(directory: Path) -> Sequence[tuple[int, int]]:
    store = Store(directory / "state")
    try:
        return store.undelivered()
    finally:
        store.close()


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_crashes_at_any_transaction(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    written: bool,
) -> None:
    """Whichever step it is that does not get written, or after which nothing more is done."""
    whole = Store.transaction
    chance = random.Random(seed)
    crashes = 0

    @contextmanager
    def crashing(self: Store) -> Iterator[None]:
        nonlocal crashes
        if self._db.in_transaction:
            yield
            return
        # Several events share a transaction, so there are few: most of them must be hit.
        now = chance.random() < 0.6
        crashes += now
        with whole(self):
            yield
            if now and not written:
                raise Crash
        if now:
            raise Crash

    ended = tmp_path / "ended"
    command = f"{OK}; echo loss=2; echo $SUGGEST_TRIAL_NAME >>{ended}"
    made = document(command, maxTrialCount="6", resumePolicy="LongRunning")
    monkeypatch.setattr(Store, "transaction", crashing)
    for _ in range(300):
        try:
            controller = machine.run(tmp_path, made)
        except Crash:
            continue
        # A run that ends before the DB manager has answered leaves the rest to the next one.
        if controller.experiment.done and not undelivered(tmp_path):
            break
    monkeypatch.undo()
    trials = stored(tmp_path)
    assert [t.number for t in trials] == list(range(6))
    assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    assert all(t.series["loss"].min == t.assignment["x"] for t in trials)
    assert all(t.series["loss"].count == 2 for t in trials)
    assert Counter(ended.read_text().split()) == {t.name: 1 for t in trials}
    assert crashes >= 5
    assert undelivered(tmp_path) == []


def test_a_running_trial_is_adopted(tmp_path: Path, runners: Callable[..., Runner]) -> None:
    flag = tmp_path / "flag"
    command = f"echo loss=2; while [ ! -e {flag} ]; do sleep 0.05; done; echo loss=1; exit 0"
    made = document(command, parallelTrialCount="1", maxTrialCount="1")
    first = runners(made)
    trial = running(first.until(lambda trials: any("loss" in t.series for t in trials)))[0]
    first.kill()
    assert trial.handle is not None
    assert alive(trial.handle["pid"])
    second = runners(made)
    second.until(lambda _: "adopted" in (tmp_path / "out").read_text())
    flag.touch()
    assert second.wait() == 0
    (done,) = stored(tmp_path)
    assert (done.condition, done.attempt) == (Condition.SUCCEEDED, 1)
    assert (done.series["loss"].min, done.series["loss"].count) == ("1", 2)


@pytest.mark.parametrize(("code", "condition"), [(0, Condition.SUCCEEDED), (4, Condition.FAILED)])
def test_one_that_ended_meanwhile_is_judged(
    tmp_path: Path, runners: Callable[..., Runner], code: int, condition: Condition
) -> None:
    flag = tmp_path / "flag"
    command = f"while [ ! -e {flag} ]; do sleep 0.05; done; echo loss=1; exit {code}"
    made = document(command, parallelTrialCount="1", maxTrialCount="1")
    first = runners(made)
    trial = first.until(lambda trials: bool(running(trials)))[0]
    first.kill()
    flag.touch()
    assert trial.handle is not None
    for _ in range(200):
        if not alive(trial.handle["pid"]):
            break
        time.sleep(0.05)
    # Without one value it ends with status 1.
    assert runners(made).wait() == (1 if code else 0)
    (done,) = stored(tmp_path)
    assert (done.condition, done.attempt) == (condition, 1)
    assert done.series["loss"].latest == "1"


def test_one_that_was_killed_with_its_runner_runs_again(
    tmp_path: Path, runners: Callable[..., Runner]
) -> None:
    flag = tmp_path / "flag"
    command = (
        f"echo loss=9; if [ ! -e {flag} ]; then touch {flag}; exec sleep 1000; fi; echo loss=1"
    )
    made = document(command, parallelTrialCount="1", maxTrialCount="1")
    first = runners(made)
    trial = first.until(lambda trials: any("loss" in t.series for t in trials))[0]
    first.kill()
    assert trial.handle is not None
    process.orphans(identity_of(trial))
    assert runners(made).wait() == 0
    (done,) = stored(tmp_path)
    assert (done.condition, done.attempt) == (Condition.SUCCEEDED, 2)
    assert done.series["loss"].count == 2  # of the second attempt only


def test_nothing_runs_that_is_not_written_down(tmp_path: Path) -> None:
    """A runner that dies between starting a process and noting it leaves nothing behind."""
    mark = tmp_path / "mark"
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from suggestion.runtimes.process import session as process\n"
        "from suggestion.runtimes.process.nursery import Nursery\n"
        f"begun = process.start(Nursery(), ['touch', {str(mark)!r}], dict(os.environ), Path('/'),\n"
        f"    Path({str(tmp_path / 'out')!r}), Path({str(tmp_path / 'status')!r}))\n"
        "print(begun.identity.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    for _ in range(100):
        if not alive(int(done.stdout)):
            break
        time.sleep(0.02)
    assert not alive(int(done.stdout))
    assert not mark.exists()


def test_a_number_given_to_another_process_is_not_adopted(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as other:
        real = process.identify(other.pid)
        assert real is not None
        stale = process.Identity(real.pid, real.started - 1, real.boot)
        assert process.adopt(stale, tmp_path / "status") is None
        rebooted = process.Identity(real.pid, real.started, "another boot")
        assert process.adopt(rebooted, tmp_path / "status") is None
        process.orphans(rebooted)
        assert alive(other.pid)
        other.kill()


def test_ctrl_c_once_lets_trials_finish(tmp_path: Path, runners: Callable[..., Runner]) -> None:
    flag = tmp_path / "flag"
    command = f"while [ ! -e {flag} ]; do sleep 0.05; done; {OK}"
    made = document(command, maxTrialCount="4")
    one = runners(made)
    one.until(lambda trials: len(running(trials)) == 2)
    one.process.send_signal(signal.SIGINT)  # which its only thread handles before any trial's end
    flag.touch()
    assert one.wait() == 3
    assert [t.condition for t in stored(tmp_path)] == [Condition.SUCCEEDED] * 2
    assert runners(made).wait() == 0
    trials = stored(tmp_path)
    assert [(t.condition, t.attempt) for t in trials] == [(Condition.SUCCEEDED, 1)] * 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_twice_stops_them(
    tmp_path: Path, runners: Callable[..., Runner], number: signal.Signals
) -> None:
    """SIGTERM does at once what the second Ctrl-C does."""
    flag = tmp_path / "flag"
    made = document(f"if [ ! -e {flag} ]; then exec sleep 1000; fi; {OK}", maxTrialCount="3")
    one = runners(made)
    before = running(one.until(lambda trials: len(running(trials)) == 2))
    one.process.send_signal(number)
    assert (one.interrupt(number) if number == signal.SIGINT else one.wait()) == 3
    assert not any(alive(t.handle["pid"]) for t in before if t.handle)
    assert [(t.condition, t.attempt) for t in stored(tmp_path)] == [(Condition.CREATED, 2)] * 2
    flag.touch()
    assert runners(made).wait() == 0
    assert {t.condition for t in stored(tmp_path)} == {Condition.SUCCEEDED}


def test_a_second_runner_is_refused(tmp_path: Path, runners: Callable[..., Runner]) -> None:
    made = document("sleep 1000")
    first = runners(made)
    first.until(lambda trials: bool(running(trials)))
    second = runners(made)
    assert second.wait() == 1
    said = (tmp_path / "out").read_text()
    assert f"another runner is at work here, process {first.process.pid}" in said
    assert first.process.poll() is None


def test_nobody_reads_what_it_prints(
    machine: Machine, tmp_path: Path, runners: Callable[..., Runner]
) -> None:
    """``suggest run … | head -1``: the experiment goes on."""
    path = write(tmp_path, document(OK))
    command = [sys.executable, "-m", "suggestion", "run", str(path), "--plain"]
    command += ["--directory", str(tmp_path / "state")]
    command += ["--target", machine.target, "--db-manager", machine.database]
    read, written = os.pipe()
    one = subprocess.Popen(command, stdout=written, stderr=subprocess.PIPE, env=environment())
    os.close(written)
    os.close(read)
    one.communicate(timeout=60)
    assert {t.condition for t in stored(tmp_path)} == {Condition.SUCCEEDED}
    assert len(stored(tmp_path)) == 4


def children(pid: int) -> set[int]:
    """Processes that a process has started, and that are there."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(stat.parent.name))
    return found


def test_all_but_trials_goes_with_the_runner(
    tmp_path: Path, runners: Callable[..., Runner]
) -> None:
    """However it ends: the two servers, and the process that starts trials."""
    one = runners(document("exec sleep 1000", maxTrialCount="1"), "own servers")
    (trial,) = running(one.until(lambda trials: bool(running(trials))))
    assert trial.handle is not None
    others = children(one.process.pid)
    assert len(others) == 3
    assert trial.handle["pid"] not in others
    one.kill()
    for _ in range(200):
        if not any(alive(pid) for pid in others):
            break
        time.sleep(0.05)
    assert not any(alive(pid) for pid in others)
    assert alive(trial.handle["pid"])


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(Busy, match=f"process {os.getpid()}"):
        Lock(tmp_path)
    lock.release()
    Lock(tmp_path).release()


def test_an_ended_experiment_stays_ended(machine: Machine, tmp_path: Path) -> None:
    machine.run(tmp_path, document(OK))
    again = machine.run(tmp_path, document(OK), target="127.0.0.1:1", database="127.0.0.1:1")
    assert again.experiment.done
    assert len(stored(tmp_path)) == 4


def test_going_on_to_more_trials(machine: Machine, tmp_path: Path) -> None:
    machine.run(tmp_path, document(OK, resumePolicy="LongRunning"))
    more = document(OK, resumePolicy="LongRunning", maxTrialCount="7", parallelTrialCount="3")
    controller = machine.run(tmp_path, more)
    assert [t.number for t in stored(tmp_path)] == list(range(7))
    types = {entry["type"]: entry["status"] for entry in controller.experiment.conditions}
    assert types == {
        "Created": "True",
        "Restarting": "False",
        "Running": "False",
        "Succeeded": "True",
    }


def test_never_means_never(machine: Machine, tmp_path: Path) -> None:
    machine.run(tmp_path, document(OK))
    with pytest.raises(runner.ExperimentRefused, match="resumePolicy is Never"):
        machine.run(tmp_path, document(OK, maxTrialCount="7"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"algorithm": {"algorithmName": "sobol"}}, "spec.algorithm differs"),
        ({"parameters": []}, "spec.parameters differs"),
        ({"objective": {"type": "maximize", "objectiveMetricName": "loss"}}, "spec.objective"),
    ],
)
def test_another_experiment_does_not_go_on_from_it(
    machine: Machine, tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    made = document("echo loss=1")
    machine.run(tmp_path, made)
    with pytest.raises(runner.ExperimentRefused, match=text):
        machine.run(tmp_path, {**made, "spec": {**made["spec"], **change}})
    with pytest.raises(runner.ExperimentRefused, match="holds the experiment 'study', not 'other'"):
        machine.run(tmp_path, {**made, "metadata": {"name": "other"}})
