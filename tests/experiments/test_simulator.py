"""Whole experiments by a virtual clock: whenever the process dies, the end is the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggestion.controller.context import Fatal
from suggestion.controller.driver import Controller
from suggestion.controller.observation import Report
from suggestion.controller.requests import Action, Enqueue, Pause, Resume, SetLimits, StopTrial
from suggestion.controller.runtime import LaunchSpec, RuntimeEvent
from suggestion.controller.slots import Slot
from suggestion.controller.trials import FAILED, Condition, Trial, trial_name
from suggestion.earlystopping.asha import Asha
from suggestion.runtimes.simulator import Script, SimulatedRuntime, SimulatedWorkspace, scripted
from tests.experiments.simulation import Crash, Simulation

#: Of few trials, some fail, and one is tried again.
PLAY = scripted(5, failing=0.3)
KINDS = {
    f"{side} {what}"
    for side in ("before", "after")
    for what in ("Ask", "Launch", "Begin", "Adopt", "Stop", "Deliver", "Observe", "Show", "Note")
} | {"before a step", "before a transaction", "after a transaction"}


@pytest.mark.long
def test_a_crash_at_every_moment(tmp_path: Path) -> None:
    """One crash in each of as many experiments as there are moments in one."""
    whole = Simulation(tmp_path / "whole", 8, 2, seed=5, play=PLAY).run()
    conditions = {trial.condition for trial in whole.ended()}
    assert {Condition.SUCCEEDED, Condition.EARLY_STOPPED, Condition.FAILED} <= conditions
    for moment in range(1, whole.points.count + 1):
        disturbed = Simulation(
            tmp_path / str(moment),
            8,
            2,
            seed=5,
            crash=lambda n, name, at=moment: n == at,  # type: ignore[misc]
            play=PLAY,
        ).run()
        assert disturbed.outcome() == whole.outcome(), f"crash {disturbed.points.crashes}"
        assert disturbed.sessions == 2


@pytest.mark.long
def test_crashes_over_and_over(tmp_path: Path) -> None:
    """A session gets no further than a few steps, many times, in the middle of recovery too."""
    whole = Simulation(tmp_path / "whole", 120, 4, seed=2).run()
    chance = random.Random(1)
    crash = lambda number, name: chance.random() < 0.05  # noqa: E731
    disturbed = Simulation(tmp_path / "disturbed", 120, 4, seed=2, crash=crash).run()
    assert disturbed.outcome() == whole.outcome()
    assert set(disturbed.points.crashes) >= KINDS


ACTIONS = st.one_of(
    st.builds(StopTrial, st.integers(0, 22)),
    st.builds(lambda x: Enqueue({"x": repr(x)}), st.floats(0, 1)),
    st.builds(SetLimits, st.integers(1, 7), st.integers(10, 25)),
    st.just(Pause()),
    st.just(Resume()),
)


@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    parallel=st.integers(1, 7),
    retries=st.integers(0, 2),
    crashes=st.sets(st.integers(1, 900), min_size=1, max_size=12),
    wanted=st.lists(st.tuples(st.floats(1, 400), ACTIONS), max_size=6),
)
def test_any_crashes(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    parallel: int,
    retries: int,
    crashes: set[int],
    wanted: list[tuple[float, Action]],
) -> None:
    folder = tmp_path_factory.mktemp("world")
    play = scripted(seed, failing=0.3)
    # Whatever is paused goes on in the end.
    more: dict[str, Any] = {
        "policy": {"retries": retries},
        "wanted": [*sorted(wanted, key=lambda one: one[0]), (500.0, Resume())],
    }
    whole = Simulation(folder / "whole", 20, parallel, seed, play=play, **more).run()
    crash = lambda number, name: number in crashes  # noqa: E731
    disturbed = Simulation(folder / "b", 20, parallel, seed, crash, play, **more).run()
    assert disturbed.outcome() == whole.outcome()


@pytest.mark.long
def test_asha_judges_at_each_rung_whatever_crashes(tmp_path: Path) -> None:
    """A session that is killed has stored the rules that it acts by, and asks for the others."""
    scripts = scripted(3, steps=9)

    def play(trial: str, attempt: int) -> Script:
        return replace(scripts(trial, attempt), deaf=0.0)

    def simulation(folder: str, crash: Callable[[int, str], bool]) -> Simulation:
        rule = Asha(eta=2)
        policy = {"asks_again": True}
        return Simulation(tmp_path / folder, 60, 4, 3, crash, play, policy=policy, rule=rule).run()

    whole = simulation("whole", lambda number, name: False)
    ends = Counter(
        trial.series["loss"].count
        for trial in whole.ended()
        if trial.condition is Condition.EARLY_STOPPED
    )
    assert set(ends) == {1, 2, 4, 8}, "stopped at each rung, and nowhere else"
    chance = random.Random(1)
    disturbed = simulation("disturbed", lambda number, name: chance.random() < 0.05)
    assert disturbed.outcome() == whole.outcome()
    asked = {f"{side} {what}" for side in ("before", "after") for what in ("AskRules", "TellRules")}
    assert set(disturbed.points.crashes) >= asked


@pytest.mark.long
def test_requests_of_users_whenever_the_process_dies(tmp_path: Path) -> None:
    """A crash at each moment around them: each is carried out once, with the same numbers."""
    play = scripted(4, failing=0.0)
    wanted: list[tuple[float, Action]] = [
        (20.1, StopTrial(1)), (25.2, Enqueue({"x": "0.125"})), (30.3, SetLimits(2, 9)),
        (31.4, Pause()), (150.5, Enqueue({"x": "0.25"})), (160.6, Resume()),
    ]  # fmt: skip
    whole = Simulation(tmp_path / "whole", 6, 3, seed=4, play=play, wanted=wanted).run()
    trials = whole.ended()
    assert [trial.number for trial in trials] == list(range(9))
    assert trials[1].condition is Condition.KILLED
    given = [trial.number for trial in trials if trial.labels]
    assert [trials[number].assignment["x"] for number in given] == ["0.125", "0.25"]
    assert not any(31.4 < seconds(trial.started) < 160.6 for trial in trials)
    # The others are what the algorithm suggests at their index, as without these points.
    alone = Simulation(tmp_path / "alone", 9, 3, seed=4, play=play).run().ended()
    assert all(t.assignment == alone[t.number].assignment for t in trials if t.number not in given)
    chance = random.Random(2)
    crash = lambda number, name: chance.random() < 0.08  # noqa: E731
    for number in range(6):
        disturbed = Simulation(
            tmp_path / str(number), 6, 3, seed=4, crash=crash, play=play, wanted=wanted
        ).run()
        assert disturbed.sessions > 3
        assert disturbed.outcome() == whole.outcome()


def seconds(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()


@pytest.mark.long
def test_many_trials_side_by_side(tmp_path: Path) -> None:
    """Every slot is always in use, and every trial runs exactly once."""
    whole = Simulation(tmp_path / "whole", 1500, 64)
    whole.run()
    trials = whole.ended()
    assert [trial.number for trial in trials] == list(range(1500))
    counts = Counter(trial.condition for trial in trials)
    assert counts[Condition.SUCCEEDED] > 100
    assert counts[Condition.EARLY_STOPPED] > 100
    assert 50 < counts[Condition.FAILED] < 200
    assert set(whole.world.begun.values()) == {1}
    assert len(whole.world.begun) == 1500
    assert set(whole.servers.stops) == {
        trial.name for trial in trials if trial.condition is Condition.EARLY_STOPPED
    }
    chance = random.Random(4)
    crash = lambda number, name: chance.random() < 0.0005  # noqa: E731
    disturbed = Simulation(tmp_path / "disturbed", 1500, 64, crash=crash).run()
    assert disturbed.sessions > 10
    assert disturbed.outcome() == whole.outcome()


def test_a_trial_that_is_gone_runs_again(tmp_path: Path) -> None:
    """The machine is switched off while trials run: they are lost, which is no failure."""
    crash = lambda number, name: number == 150  # noqa: E731
    one = Simulation(tmp_path, 12, 3, crash=crash, play=scripted(1, failing=0.0))
    with pytest.raises(Crash):
        one.session()
    one.world.trials.clear()
    one.run()
    trials = one.ended()
    assert [trial.attempt for trial in trials].count(2) in (2, 3)
    assert {trial.failures for trial in trials} == {0}
    assert {t.condition for t in trials} <= {Condition.SUCCEEDED, Condition.EARLY_STOPPED}
    for trial in trials:  # nothing of the first attempts counts
        assert len(one.servers.log[trial.name]) == trial.series["loss"].count


def test_retries(tmp_path: Path) -> None:
    """Each attempt begins from nothing, in the observation log too."""

    def play(trial: str, attempt: int) -> Script:
        return Script(10.0, 0 if attempt == 3 else 1, ((1.0, "loss", str(attempt)),))

    one = Simulation(tmp_path, 4, 2, play=play, policy={"retries": 2}).run()
    for trial in one.ended():
        assert (trial.condition, trial.attempt, trial.failures) == (Condition.SUCCEEDED, 3, 2)
        assert [report.value for report in one.servers.log[trial.name].values()] == ["3"]


class Poisoned(SimulatedWorkspace):
    """Some trials cannot be started, others leave what cannot be read."""

    def launch(self, trial: Trial, slot: Slot, variables: Mapping[str, str]) -> LaunchSpec:
        if trial.number % 5 == 1:
            raise ValueError("embedded null byte")
        return super().launch(trial, slot, variables)

    def source(self, trial: Trial) -> Any:
        said = super().source(trial)
        if trial.number % 5 == 3:
            read = said.read

            def broken(last: bool) -> list[Report]:
                if last:  # by then, the moment does not depend on when a session looks
                    raise RecursionError("too deep")
                return read(last)

            said.read = broken  # type: ignore[method-assign]
        return said


@pytest.mark.long
def test_poisoned_trials_fail_alone_whenever_the_process_dies(tmp_path: Path) -> None:
    play = scripted(3, failing=0.0)
    whole = Simulation(tmp_path / "whole", 40, 3, seed=3, play=play, workspace=Poisoned).run()
    trials = whole.ended()
    failed = {trial.number: trial.reason for trial in trials if trial.condition in FAILED}
    stopped = {t.number for t in trials if t.condition is Condition.EARLY_STOPPED}
    assert set(failed) == {n for n in range(40) if n % 5 in (1, 3)} - stopped
    assert failed[1] == "cannot be started: ValueError: embedded null byte"
    assert failed[3] == "its metrics cannot be read: RecursionError: too deep"
    chance = random.Random(6)
    crash = lambda number, name: chance.random() < 0.05  # noqa: E731
    disturbed = Simulation(
        tmp_path / "disturbed", 40, 3, seed=3, crash=crash, play=play, workspace=Poisoned
    ).run()
    assert disturbed.outcome() == whole.outcome()


def test_a_crash_gives_no_trial_more_time(tmp_path: Path) -> None:
    def play(trial: str, attempt: int) -> Script:
        return Script(1000.0, 0, ((1.0, "loss", "1"),), deaf=1.0)

    policy = {"trial_timeout": 60.0}
    crash = lambda number, name: number == 30  # noqa: E731
    one = Simulation(tmp_path, 4, 2, play=play, crash=crash, policy=policy).run()
    assert one.sessions == 2
    assert one.world.clock.seconds == 2 * (60 + 1)


def test_timeouts_and_the_time_limit(tmp_path: Path) -> None:
    def play(trial: str, attempt: int) -> Script:
        return Script(1000.0, 0, ((1.0, "loss", "1"),), deaf=100.0)

    one = Simulation(tmp_path / "a", 4, 2, play=play, policy={"trial_timeout": 60.0}).run()
    assert {trial.reason for trial in one.ended()} == {"ran longer than 60 s"}
    assert one.world.clock.seconds == pytest.approx(2 * (60 + 5))  # killed after the grace period
    two = Simulation(tmp_path / "b", 4, 2, play=play, policy={"time_limit": 60.0}).run()
    assert [(t.condition, t.attempt) for t in two.ended()] == [(Condition.CREATED, 2)] * 2


@pytest.mark.parametrize("times", [1, 2])
def test_interruptions(tmp_path: Path, times: int) -> None:
    """Once: what runs goes on to its end. Twice: it is stopped, to run again."""
    held: list[Controller] = []

    class Interrupting(SimulatedRuntime):
        """Interrupts when the first trial has ended."""

        def events(self) -> Sequence[RuntimeEvent]:
            seen = super().events()
            if seen:
                for _ in range(times - held[0].level):
                    held[0].interrupt()
            return seen

    def play(trial: str, attempt: int) -> Script:
        seconds = 5.0 if trial == trial_name("sim", 0) else 8.0
        return Script(seconds, 0, ((1.0, "loss", "1"),))

    one = Simulation(tmp_path, 6, 2, play=play, runtime=Interrupting)
    one.session(held.append)
    first, second, *more = one.ended()
    assert first.condition is Condition.SUCCEEDED
    assert not more
    if times == 1:
        assert (second.condition, one.world.clock.seconds) == (Condition.SUCCEEDED, 8.0)
    else:
        assert (second.condition, second.attempt) == (Condition.CREATED, 2)
        assert one.world.clock.seconds == 5.0
    one.runtime = SimulatedRuntime
    one.run()
    assert {trial.condition for trial in one.ended()} == {Condition.SUCCEEDED}
    assert len(one.ended()) == 6


def test_a_runtime_that_cannot_go_on_ends_the_session_and_no_trial(tmp_path: Path) -> None:
    class Hung(SimulatedRuntime):
        def launch(self, spec: LaunchSpec) -> Any:
            raise Fatal("docker rm: no answer")

    one = Simulation(tmp_path, 3, 1, runtime=Hung)
    with pytest.raises(Fatal, match="no answer"):
        one.session()
    one.runtime = SimulatedRuntime
    one.run()
    assert [trial.condition for trial in one.ended()] == [Condition.SUCCEEDED] * 3


def test_an_interruption_before_anything_has_begun(tmp_path: Path) -> None:
    one = Simulation(tmp_path, 6, 2)
    one.session(lambda controller: controller.interrupt())
    assert one.ended() == []
    assert len(one.run().ended()) == 6


def test_a_dbmanager_that_does_not_start_holds_up_nothing_else(tmp_path: Path) -> None:
    one = Simulation(tmp_path, 3, 2, policy={"pushed": True})
    held: list[Controller] = []

    class Silent:
        """A worker whose calls are never answered."""

        def submit(self, call: Callable[[], None], /) -> None:
            held[0].interrupt()

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            pass

    def begin(controller: Controller) -> None:
        controller.rim = replace(controller.rim, reporter=Silent())
        held.append(controller)

    one.session(begin)
    assert [trial.condition for trial in one.ended()] == [Condition.CREATED] * 2
