"""The machine's decisions, one event at a time: no process, server, file or clock is there."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import suggestion.controller
from suggestion.controller import commands as c
from suggestion.controller import events as e
from suggestion.controller import machine, observation
from suggestion.controller.draft import Transition
from suggestion.controller.experiment import Experiment, Limits
from suggestion.controller.moments import Moment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.requests import (
    Action,
    Enqueue,
    Pause,
    Resume,
    SetLimits,
    StopTrial,
    Unknown,
)
from suggestion.controller.rules import GREATER, Rule
from suggestion.controller.state import Policy, State
from suggestion.controller.trials import Condition, Stopping, trial_name
from tests.experiments.simulation import document

START = datetime(2026, 1, 1, tzinfo=UTC)


class Played:
    """A state and the steps that led to it."""

    def __init__(self, trials: int = 4, parallel: int = 2, **policy: Any) -> None:
        made = document(trials, parallel)
        self.policy = Policy(Objective.of(made), parallel, **policy)
        self.state = State(Experiment("study", made).mark("Created", "", "", ""))
        self.last: Transition | None = None
        self.seconds = 0.0

    def at(self) -> Moment:
        return Moment(START + timedelta(seconds=self.seconds), self.seconds)

    def step(self, *made: tuple[Any, ...]) -> tuple[c.Command, ...]:
        """Steps are pure: the state before is as it was, and the same step gives the same."""
        happened = [kind(self.at(), *fields) for kind, *fields in made]
        before = repr(self.state)
        step = machine.step(self.policy, self.state, happened)
        assert repr(self.state) == before
        assert machine.step(self.policy, self.state, happened) == step
        self.state, self.last = step.state, step
        return step.commands

    def begun(self, *rules: Rule) -> Played:
        """With as many trials running as there are slots."""
        (ask,) = self.step((e.Opened, 0.0))
        assert isinstance(ask, c.Ask)
        made = [e.Suggestion({"x": str(number)}) for number in range(ask.count)]
        self.step((e.Suggested, made, {}, rules))
        self.step(*((e.Launched, number, {"job": number}) for number in range(ask.count)))
        return self


def report(value: str, time: str = "") -> Report:
    return Report("loss", value, time)


def test_from_the_first_question_to_running_trials() -> None:
    play = Played()
    assert play.step((e.Opened, 0.0)) == (c.Ask(2, 2),)
    commands = play.step(
        (e.Suggested, [e.Suggestion({"x": "1"}), e.Suggestion({"x": "2"}, "own")], {"k": "v"}, ())
    )
    assert commands == (c.Launch(0, 0), c.Launch(1, 1))
    assert play.last is not None
    # The decision to launch is written with the trial, before anything is launched.
    assert [trial.slot for trial in play.last.changes.trials] == [0, 1]
    assert [trial.name for trial in play.last.changes.trials][1] == "own"
    assert play.last.changes.experiment is not None
    assert play.last.changes.experiment.overlay == {"k": "v"}
    commands = play.step((e.Launched, 0, {"job": "a"}))
    assert commands[0] == c.Begin(0)
    assert play.state.active[0].handle == {"job": "a"}
    assert play.state.active[0].condition is Condition.RUNNING
    assert play.state.active[1].condition is Condition.CREATED


def test_a_slot_is_given_on_with_the_end_of_its_trial() -> None:
    play = Played().begun()
    play.step((e.Reported, 1, [report("0.5")], 7))
    play.step((e.Exited, 1, 0))
    commands = play.step((e.Collected, 1))
    assert c.Ask(1, 3) in commands
    assert play.step((e.Suggested, [e.Suggestion({"x": "3"})], {}, ())) == (c.Launch(2, 1),)
    assert play.state.tally.best is not None
    assert play.state.tally.best.number == 1


def test_events_of_one_step_are_one_change() -> None:
    play = Played().begun()
    play.step((e.Exited, 0, 0), (e.Reported, 0, [report("1")], 3), (e.Collected, 0))
    assert play.last is not None
    (trial,) = (t for t in play.last.changes.trials if t.number == 0)
    assert trial.condition is Condition.SUCCEEDED
    assert [batch.number for batch in play.last.changes.batches] == [1]


def test_reports_keep_their_order_whatever_the_clock_does() -> None:
    play = Played().begun()
    play.seconds = 100
    play.step((e.Reported, 0, [report("1"), report("2")], 1))
    play.seconds = 50
    play.step((e.Reported, 0, [report("3")], 2))
    assert play.last is not None
    (batch,) = play.last.changes.batches
    assert batch.reports[0].time == "2026-01-01T00:01:40.000002Z"


def test_a_rule_stops_a_running_trial_only() -> None:
    rule = Rule("loss", 1.0, GREATER, 1)
    play = Played(stops_early=True).begun(rule)
    assert c.Stop(0) in play.step((e.Reported, 0, [report("2")], 1))
    assert play.state.active[0].stopping is Stopping.EARLY
    # It had ended before this was read.
    assert c.Stop(1) not in play.step((e.Exited, 1, 0), (e.Reported, 1, [report("2")], 1))
    assert c.Observe(1, pushed=False, stopped=False) in play.step((e.Collected, 1))
    assert c.Observe(0, pushed=False, stopped=True) in play.step(
        (e.Exited, 0, 143), (e.Collected, 0)
    )
    play.step((e.Observed, 0), (e.Observed, 1))
    assert play.last is not None
    ended = {t.number: t.condition for t in play.last.changes.trials if not t.condition.active}
    assert ended == {0: Condition.EARLY_STOPPED, 1: Condition.SUCCEEDED}


def test_what_a_failed_attempt_reported_is_forgotten() -> None:
    play = Played(retries=1).begun()
    play.step((e.Reported, 0, [report("1")], 1))
    commands = play.step((e.Exited, 0, 3), (e.Collected, 0))
    assert play.last is not None
    assert play.last.changes.forgotten == ((0, -1),)
    assert c.Deliver(0, -1) in commands
    assert commands[-1] == c.Launch(0, 0)
    fresh = play.state.active[0]
    assert (fresh.attempt, fresh.failures, dict(fresh.series)) == (2, 1, {})
    # The confirmation of the first attempt's report comes late, and counts for nothing.
    play.step((e.Delivered, 0, 1))
    assert play.state.undelivered == {0: (-1,)}
    play.step((e.Delivered, 0, -1))
    assert play.state.undelivered == {}
    play.step((e.Launched, 0, {}))
    play.step((e.Reported, 0, [report("5")], 1))
    assert play.last.changes.batches[0].number == 2


@pytest.mark.parametrize(("begun", "attempt", "forgotten"), [(True, 2, ((0, -1),)), (False, 1, ())])
def test_lost(begun: bool, attempt: int, forgotten: object) -> None:
    """A trial that may have begun is another attempt; one that did not is launched as it was."""
    play = Played().begun()
    commands = play.step((e.Lost, 0, begun))
    assert c.Launch(0, 0) in commands
    assert play.last is not None
    assert play.last.changes.forgotten == forgotten
    assert (play.state.active[0].attempt, play.state.active[0].failures) == (attempt, 0)


def test_an_open_session_takes_up_what_is_stored() -> None:
    play = Played().begun()
    play.step((e.Reported, 0, [report("1")], 4))
    stored = replace(play.state, asking=False)
    play.state = stored
    commands = play.step((e.Opened, 0.0))
    assert commands == (c.Deliver(0, 1), c.Adopt(0), c.Adopt(1))
    play.step((e.Adopted, 0), (e.Exited, 1, 0))
    assert play.state.attempts[0].runs
    assert not play.state.attempts[1].runs


def test_a_trial_that_cannot_be_started_fails_alone() -> None:
    play = Played(retries=1)
    play.step((e.Opened, 0.0))
    play.step((e.Suggested, [e.Suggestion({"x": "1"}), e.Suggestion({"x": "2"})], {}, ()))
    play.step((e.Launched, 1, {}))
    commands = play.step((e.LaunchFailed, 0, "Argument list too long"))
    assert c.Launch(0, 0) in commands  # another attempt
    commands = play.step((e.LaunchFailed, 0, "Argument list too long"))
    assert c.Ask(1, 3) in commands
    assert play.last is not None
    (trial,) = play.last.changes.trials
    assert trial.condition is Condition.FAILED
    assert trial.reason == "cannot be started: Argument list too long"
    assert 1 in play.state.attempts


def test_a_trial_whose_metrics_cannot_be_read_is_stopped_and_fails() -> None:
    play = Played().begun()
    assert c.Stop(0) in play.step((e.Unreadable, 0, "m.log must be a file, got a folder"))
    assert play.step((e.Unreadable, 0, "again")) == ()
    play.step((e.Exited, 0, 143), (e.Collected, 0))
    # One that had ended by itself when it was read.
    commands = play.step((e.Exited, 1, 0), (e.Unreadable, 1, "no"), (e.Collected, 1))
    assert not any(isinstance(command, c.Stop) for command in commands)
    assert play.state.tally.failed == 2
    assert [t.reason for t in play.last.changes.trials if t.number == 1] == ["no"]  # type: ignore[union-attr]


def test_the_time_of_an_adopted_trial_counts_from_its_start() -> None:
    play = Played(trial_timeout=60.0).begun()
    play.seconds = 1000.0
    play.step((e.Opened, 1000.0))
    play.step((e.Adopted, 0, 45.0), (e.Adopted, 1, 10.0))
    assert machine.deadline(play.policy, play.state) == 1015.0
    play.seconds = 1015.0
    assert play.step((e.Timer,)) == (c.Stop(0),)


def failing(play: Played, number: int) -> None:
    play.step((e.Exited, number, 1), (e.Collected, number))


def ending(play: Played) -> tuple[str, str]:
    condition = play.state.experiment.condition()
    return condition["type"], condition["reason"]


def limited(**spec: str | None) -> Played:
    """One trial at a time, with limits as in `spec`."""
    play = Played(parallel=1)
    made = dict(play.state.experiment.document["spec"]) | spec
    made = {key: value for key, value in made.items() if value is not None}
    play.state = replace(
        play.state, experiment=replace(play.state.experiment, document={"spec": made})
    )
    return play


def one_more(play: Played) -> None:
    number = play.state.made
    play.step((e.Suggested, [e.Suggestion({"x": "1"})], {}, ()))
    play.step((e.Launched, number, {}))


@pytest.mark.parametrize(("limit", "failures"), [("0", 1), ("1", 1), ("2", 2)])
def test_max_failed_trial_count_is_the_number_that_ends_it(limit: str, failures: int) -> None:
    """Before ``maxTrialCount`` is looked at."""
    play = limited(maxFailedTrialCount=limit, maxTrialCount=str(failures))
    play.step((e.Opened, 0.0))
    for number in range(failures):
        assert ending(play)[0] != "Failed"
        one_more(play)
        failing(play, number)
    assert ending(play) == ("Failed", "ExperimentFailed")


def test_trials_without_metrics_count_as_failed() -> None:
    play = limited(maxFailedTrialCount="1")
    play.step((e.Opened, 0.0))
    one_more(play)
    play.step((e.Exited, 0, 0), (e.Collected, 0))
    assert ending(play) == ("Failed", "ExperimentFailed")


def test_the_first_failures_end_what_has_no_limit() -> None:
    play = limited(maxTrialCount=None)
    play.policy = replace(play.policy, first_failures=5)
    play.step((e.Opened, 0.0))
    for number in range(5):
        assert ending(play)[0] != "Failed"
        one_more(play)
        failing(play, number)
    assert ending(play) == ("Failed", "ExperimentFailed")
    message = play.state.experiment.condition()["message"]
    assert message == "the first 5 trials failed, and none has succeeded"


def test_failures_after_a_success_end_nothing() -> None:
    play = limited(maxTrialCount=None)
    play.policy = replace(play.policy, first_failures=2)
    play.step((e.Opened, 0.0))
    for number in range(5):
        one_more(play)
        if number == 1:
            play.step((e.Reported, number, [report("1")], 1), (e.Exited, number, 0),
                      (e.Collected, number))  # fmt: skip
        else:
            failing(play, number)
    assert ending(play)[0] == "Running"


@pytest.mark.parametrize(
    ("limits", "asked", "first"),
    [
        (Limits(1, None, None), None, 5),
        (Limits(1, 10, None), None, None),
        (Limits(1, None, 3), None, None),
        (Limits(1, 10, None), 2, 2),
        (Limits(1, None, None), 0, None),
    ],
)
def test_how_many_first_failures(limits: Limits, asked: int | None, first: int | None) -> None:
    assert limits.first_failures(asked) == first


def test_the_latest_report_is_that_with_the_latest_time() -> None:
    play = Played().begun()
    late, early = "2026-01-01T00:00:02Z", "2026-01-01T00:00:01Z"
    play.step((e.Reported, 0, [report("1", late), report("2", early)], 1))
    assert play.state.active[0].series["loss"].latest == "1"
    play.step((e.Reported, 0, [report("3", "2026-01-01T02:00:02+02:00")], 2))  # the same moment
    series = play.state.active[0].series
    assert series["loss"].latest == "3"
    assert observation.load(observation.dump(series)) == series
    assert observation.load({"loss": ["1", "1", "1", 1]})["loss"].latest == "1"


def test_why_metrics_are_unavailable() -> None:
    play = Played().begun()
    play.step((e.Exited, 0, 0), (e.Collected, 0, "it printed nothing"))
    assert play.last is not None
    (trial,) = (t for t in play.last.changes.trials if t.number == 0)
    assert trial.condition is Condition.METRICS_UNAVAILABLE
    assert trial.reason == "reported no loss: it printed nothing"


def test_the_end_waits_for_deliveries_as_long_as_there_is_progress() -> None:
    play = Played(trials=2, grace=10.0).begun()
    play.step((e.Exited, 0, 0), (e.Reported, 0, [report("1")], 1), (e.Collected, 0))
    commands = play.step((e.Exited, 1, 0), (e.Reported, 1, [report("1")], 1), (e.Collected, 1))
    assert play.state.experiment.done
    assert not any(isinstance(command, c.End) for command in commands)
    assert machine.deadline(play.policy, play.state) == 10.0
    play.seconds = 9.0
    assert play.step((e.Delivered, 0, 1)) == ()
    assert machine.deadline(play.policy, play.state) == 19.0
    play.seconds = 19.0
    assert play.step((e.Timer,)) == (c.End(),)
    assert play.state.undelivered == {1: (1,)}


def test_a_reply_after_the_end_makes_no_trials() -> None:
    play = Played(trials=2, parallel=1).begun()
    play.step((e.Exited, 0, 0), (e.Reported, 0, [report("1")], 1), (e.Collected, 0))
    assert play.state.asking
    done = play.state.experiment.mark("Succeeded", "ExperimentGoalReached", "", "")
    play.state = replace(play.state, experiment=done)
    play.step((e.Suggested, [e.Suggestion({"x": "2"})], {}, ()))
    assert play.state.made == 1


def test_a_server_that_refuses_ends_the_session_and_nothing_else() -> None:
    play = Played().begun()
    before = play.state
    assert play.step((e.ServerFailed, "INTERNAL: no")) == (c.End("INTERNAL: no"),)
    assert play.state == before


@pytest.mark.parametrize("timeout", [0.1, 1 / 3, 60.0])
@pytest.mark.parametrize("begun", [0.7, 1e6 + 0.1])
def test_a_timer_at_the_deadline_has_an_effect(timeout: float, begun: float) -> None:
    """Else the driver would send timers without end: both must round alike."""
    play = Played(trial_timeout=timeout)
    play.seconds = begun
    play.begun()
    due = machine.deadline(play.policy, play.state)
    assert due is not None
    play.seconds = due
    assert c.Stop(0) in play.step((e.Timer,))


def test_pushed_metrics_are_those_of_the_log() -> None:
    play = Played(pushed=True).begun()
    commands = play.step((e.Exited, 0, 0), (e.Collected, 0))
    assert commands == (c.Observe(0, pushed=True, stopped=False),)
    play.step((e.Observed, 0, {"loss": Series().plus("0.25")}))
    assert play.state.tally.best_value == 0.25


@pytest.mark.parametrize("why", ["interrupted", "goal"])
def test_what_is_still_being_launched_waits_for_the_next_session(why: str) -> None:
    """Trials that report by themselves are launched once the DBManager is there."""
    play = Played(pushed=True)
    play.policy = replace(play.policy, objective=replace(play.policy.objective, goal=1.0))
    play.step((e.Opened, 0.0))
    play.step((e.Suggested, [e.Suggestion({"x": "0"}), e.Suggestion({"x": "1"})], {}, ()))
    play.step((e.Launched, 0, {}))
    assert set(play.state.attempts) == {0, 1}
    if why == "interrupted":
        play.step((e.Interrupted,))
        assert play.state.active[1].slot is None
    else:
        play.step((e.Exited, 0, 0), (e.Collected, 0))
        play.step((e.Observed, 0, {"loss": Series().plus("0.5")}))
        assert play.state.active == {}
    assert 1 not in play.state.attempts


def asked(play: Played, *actions: Action) -> list[tuple[bool, str]]:
    """What is answered to requests that come in one step."""
    play.step(*((e.Requested, number, action) for number, action in enumerate(actions, 1)))
    assert play.last is not None
    assert [answer.request for answer in play.last.changes.answers] == [*range(1, len(actions) + 1)]
    return [(answer.done, answer.text) for answer in play.last.changes.answers]


def test_a_trial_is_stopped_by_a_user() -> None:
    play = Played(retries=2, stops_early=True).begun()
    play.step((e.Reported, 0, [report("0.5")], 1))
    commands = play.step((e.Requested, 1, StopTrial(0)))
    assert c.Stop(0) in commands
    # It is written before anything is stopped, and survives what ends the session.
    assert play.state.active[0].stopping is Stopping.USER
    assert asked(play, StopTrial(0)) == [
        (False, f"trial 0, {trial_name('study', 0)}: is being stopped")
    ]
    play.step((e.Exited, 0, 143), (e.Collected, 0))
    assert play.last is not None
    (ended,) = (t for t in play.last.changes.trials if t.number == 0)
    assert (ended.condition, ended.reason) == (Condition.KILLED, "stopped by the user")
    assert (play.state.tally.completed, play.state.tally.failed, play.state.tally.best) == (
        1,
        0,
        None,
    )
    assert asked(play, StopTrial(0), StopTrial(99)) == [
        (False, "trial 0: has ended"), (False, "trial 99: is not made"),
    ]  # fmt: skip


def test_a_stopped_trial_that_is_lost_does_not_run_again() -> None:
    play = Played().begun()
    play.step((e.Requested, 1, StopTrial(0)), (e.Lost, 0))
    play.step((e.Collected, 0))
    assert 0 not in play.state.active
    # One that is stopped since the session ends would run again, unless a user has stopped it.
    play.step((e.Interrupted,), (e.Interrupted,))
    assert play.state.active[1].stopping is Stopping.INTERRUPT
    assert c.Stop(1) not in play.step((e.Requested, 2, StopTrial(1)))
    play.step((e.Exited, 1, 143), (e.Collected, 1))
    assert play.state.active == {}


@pytest.mark.parametrize("by_user", [True, False])
def test_a_stopped_trial_that_never_began(by_user: bool) -> None:
    """A user's stop holds for a trial that was queued; that of a session ends with the session."""
    play = Played(queues=True).begun()
    if by_user:
        play.step((e.Requested, 1, StopTrial(0)))
    else:
        play.step((e.Interrupted,), (e.Interrupted,))
    play.step((e.Lost, 0, False), (e.Collected, 0))
    if by_user:
        assert 0 not in play.state.active
    else:
        again = play.state.active[0]
        assert (again.condition, again.stopping) == (Condition.CREATED, Stopping.NO)


def test_a_point_takes_the_next_index() -> None:
    play = Played(trials=4, parallel=3).begun()
    play.step((e.Exited, 0, 0), (e.Reported, 0, [report("1")], 1), (e.Collected, 0))
    play.step((e.Suggested, [e.Suggestion({"x": "9"})], {}, ()))
    assert play.state.made == 4
    (refused,) = asked(play, Enqueue({"x": "0.5"}))
    assert refused == (False, "maxTrialCount is 4, and all these trials are made; raise it first")
    (_, done) = asked(play, SetLimits(trials=6), Enqueue({"x": "0.5"}))
    assert done == (True, f"the point is trial 4, {trial_name('study', 4)}")
    assert play.state.active[4].assignment == {"x": "0.5"}
    assert asked(play, Enqueue({"y": "1"})) == [(False, "a point must have the parameters x")]
    # It runs when there is a place, before anything is asked for; then the algorithm goes on.
    commands = play.step((e.Exited, 1, 0), (e.Reported, 1, [report("2")], 1), (e.Collected, 1))
    assert c.Launch(4, 1) in commands
    assert not [command for command in commands if isinstance(command, c.Ask)]
    play.step((e.Launched, 4, {}))
    commands = play.step((e.Exited, 2, 0), (e.Reported, 2, [report("2")], 1), (e.Collected, 2))
    assert c.Ask(1, 6) in commands


def test_limits_are_changed() -> None:
    play = Played(trials=4, parallel=2)
    play.policy = replace(play.policy, slots=3)
    play.begun()
    assert asked(play, SetLimits(parallel=9)) == [
        (True, "parallelTrialCount is 9; there is room for 3 at a time")
    ]
    assert play.last is not None
    assert [command for command in play.last.commands if isinstance(command, c.Ask)] == [
        c.Ask(1, 3)
    ]
    assert play.state.experiment.changed == {"parallelTrialCount": ("2", 9)}
    asked(play, SetLimits(parallel=2, trials=2))
    assert play.state.experiment.changed == {
        "parallelTrialCount": ("2", 2), "maxTrialCount": ("4", 2),
    }  # fmt: skip
    play.step((e.Suggested, [e.Suggestion({"x": "9"})], {}, ()))
    for number in (0, 1):
        play.step((e.Exited, number, 0), (e.Reported, number, [report("1")], 1))
        play.step((e.Collected, number))
    assert play.state.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    (refused,) = asked(play, Pause())
    assert refused == (False, "the experiment has ended: maxTrialCount 2 is reached")


def test_a_pause_begins_nothing_and_ends_nothing() -> None:
    play = Played().begun()
    asked(play, Pause())
    assert play.last is not None
    assert play.last.changes.experiment is not None
    for number in (0, 1):
        play.step((e.Exited, number, 0), (e.Reported, number, [report("1")], 1))
        commands = play.step((e.Collected, number))
        assert {type(command) for command in commands} <= {c.Show, c.Deliver}
    assert asked(play, Enqueue({"x": "1"}))[0][0]
    assert play.state.active[2].slot is None
    commands = play.step((e.Requested, 9, Resume()))
    assert c.Launch(2, 0) in commands
    assert c.Ask(1, 4) in commands


def test_a_request_of_another_version_is_refused() -> None:
    assert asked(Played().begun(), Unknown("dance"))[0][0] is False


PURE = (
    "actions", "commands", "draft", "events", "experiment", "machine", "moments", "observation",
    "outcomes", "progress", "reporter", "requests", "rules", "scheduler", "state", "trials",
)  # fmt: skip
#: Of other layers, what computes and no more.
COMPUTING = ("suggestion.client.parameters", "suggestion.problem.standing")
ALLOWED = {
    "__future__", "collections", "contextlib", "dataclasses", "datetime", "enum", "functools",
    "hashlib", "math", "signal", "time", "typing",
}  # fmt: skip


@pytest.mark.parametrize("module", PURE)
def test_the_machine_and_what_it_is_made_of_do_nothing(module: str) -> None:
    """They import each other and what computes: no process, server, file or database."""
    path = Path(suggestion.controller.__file__).parent / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if node.module == "suggestion.controller":
                names = [f"suggestion.controller.{alias.name}" for alias in node.names]
        for name in names:
            if name in COMPUTING:
                continue
            if name.startswith("suggestion."):
                assert name.removeprefix("suggestion.controller.") in PURE, name
            else:
                assert name.split(".")[0] in ALLOWED, name


def test_every_event_has_a_handler() -> None:
    kinds = {
        kind for kind in vars(e).values() if isinstance(kind, type) and issubclass(kind, e.Event)
    }
    assert kinds - {e.Event, e.TrialEvent} == set(machine._HANDLERS)
