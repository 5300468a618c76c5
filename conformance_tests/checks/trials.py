"""Checks with trials in every condition: running, failed, without a metric, with a strange one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, Service, check
from suggestion.conformance.messages import Status
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Session


def _answers(
    session: Session, name: str, kind: str, change: Callable[[int, pb.Trial], None]
) -> None:
    """Send some trials of a kind, once with good trials and once without.

    Args:
        kind: What the trials are like, for the message.
        change: Makes the i-th good trial one of the kind.
    """
    for good in (15, 0):
        experiment = session.experiment(f"{name}-{good}")
        trials = session.history(experiment, good + 6)
        for index, trial in enumerate(trials[good:]):
            change(index, trial)
        # In no particular order, and two at once.
        mixed = trials[1::2] + trials[0::2]
        what = f"a request with {good} good trials and 6 {kind}"
        session.suggest(messages.request(experiment, mixed, 2), what)


def _unfinished(trial: pb.Trial, condition: pb.TrialStatus.TrialConditionType) -> None:
    trial.status.Clear()
    trial.status.condition = condition
    if condition != Status.CREATED:
        trial.status.start_time = messages.STARTED


def _reported(values: Iterable[str]) -> Callable[[int, pb.Trial], None]:
    cycle = tuple(values)

    def change(index: int, trial: pb.Trial) -> None:
        trial.status.observation.metrics[0].value = cycle[index % len(cycle)]

    return change


@check("running-trials", Service.SUGGESTION, Level.CONTRACT)
def running_trials(session: Session) -> None:
    """Requests with created and running trials, which the controller sends too, are answered;
    otherwise nothing runs in parallel.
    """
    conditions = (Status.CREATED, Status.RUNNING, Status.UNKNOWN)
    _answers(
        session,
        "running",
        "that are created, running or in an unknown state",
        lambda index, trial: _unfinished(trial, conditions[index % 3]),
    )


@check("failed-trials", Service.SUGGESTION, Level.CONTRACT)
def failed_trials(session: Session) -> None:
    """Requests with failed and killed trials are answered; otherwise one crash of a trial ends the
    experiment.
    """

    def fail(index: int, trial: pb.Trial) -> None:
        trial.status.condition = (Status.FAILED, Status.KILLED)[index % 2]
        trial.status.ClearField("observation")

    _answers(session, "failed", "that failed or were killed", fail)


@check("early-stopped-trials", Service.SUGGESTION, Level.CONTRACT)
def early_stopped_trials(session: Session) -> None:
    """Requests with early-stopped trials are answered; otherwise early stopping ends the
    experiment.
    """

    def stop(index: int, trial: pb.Trial) -> None:
        trial.status.condition = Status.EARLYSTOPPED

    _answers(session, "early-stopped", "that were stopped early", stop)


@check("nan-metric", Service.SUGGESTION, Level.CONTRACT)
def nan_metric(session: Session) -> None:
    """Requests with objectives that are nan or infinite are answered; otherwise one diverged trial
    blocks the experiment permanently.
    """
    _answers(
        session,
        "nan",
        "whose objective is nan or infinite",
        _reported(("nan", "NaN", "inf", "-inf", "Infinity", "1e999")),
    )


@check("unavailable-metric", Service.SUGGESTION, Level.CONTRACT)
def unavailable_metric(session: Session) -> None:
    """Requests with objectives that are `unavailable`, empty or not numbers are answered; otherwise
    one missing line in a trial's output blocks the experiment permanently.
    """
    _answers(
        session,
        "unavailable",
        "whose objective is not a number",
        _reported(("unavailable", "", "n/a", " ", "0,5", "0x")),
    )


@check("missing-metric", Service.SUGGESTION, Level.CONTRACT)
def missing_metric(session: Session) -> None:
    """Requests with succeeded trials that have no observation, or only other metrics, are answered;
    otherwise a trial that reports nothing blocks the experiment permanently.
    """

    def drop(index: int, trial: pb.Trial) -> None:
        if index % 3 == 0:
            trial.status.ClearField("observation")
        elif index % 3 == 1:
            del trial.status.observation.metrics[:]
        else:
            trial.status.observation.metrics[0].name = "another"

    _answers(session, "missing", "that succeeded without the objective", drop)


@check("empty-times", Service.SUGGESTION, Level.CONTRACT)
def empty_times(session: Session) -> None:
    """Requests with trials whose start or completion time is empty are answered; the controller
    sends them, and a server that cannot parse them blocks the experiment.
    """

    def clear(index: int, trial: pb.Trial) -> None:
        if index % 3 != 0:
            trial.status.completion_time = ""
        if index % 3 != 1:
            trial.status.start_time = ""

    _answers(session, "times", "without times", clear)


@check("objective-of-trials", Service.SUGGESTION, Level.CONTRACT)
def objective_of_trials(session: Session) -> None:
    """Requests with trials that do not name the metric are answered; the experiment's objective
    applies.
    """

    def clear(index: int, trial: pb.Trial) -> None:
        trial.spec.ClearField("objective")

    _answers(session, "objective", "without an objective of their own", clear)


@check("total-request-number-0", Service.SUGGESTION, Level.CONTRACT)
def total_zero(session: Session) -> None:
    """Requests whose `total_request_number` is 0 are answered; simple clients do not count it."""
    experiment = session.experiment("total-0")
    for number in (0, 5):
        trials = session.history(experiment, number)
        session.suggest(
            messages.request(experiment, trials, 2, total=0),
            f"total_request_number 0 with {number} trials",
        )


@check("settings-of-replies", Service.SUGGESTION, Level.CONTRACT)
def settings_of_replies(session: Session) -> None:
    """Settings returned with a reply are accepted when the controller merges them into the
    experiment's own in later requests, as it always does; otherwise the second request fails.
    """
    experiment = session.experiment("settings-of-replies")
    # Fewer trials than suggestions: the latest suggestion may not be a trial yet.
    for number in (0, 2, 6):
        trials = session.history(experiment, number)
        what = f"request with {number} trials and the settings of earlier replies"
        reply = session.suggest(messages.request(experiment, trials, 4), what)
        own = experiment.spec.algorithm.algorithm_settings
        known = {setting.name: setting for setting in own}
        for setting in reply.algorithm.algorithm_settings:
            if setting.name in known:
                known[setting.name].value = setting.value
            else:
                own.append(setting)


@check("out-of-space-trials", Service.SUGGESTION, Level.STRICT)
def out_of_space_trials(session: Session) -> None:
    """Requests with trials that lack a parameter, have another one, or a value out of its range are
    answered; such points are added by hand or are older than an edit of the space.
    """

    def alter(index: int, trial: pb.Trial) -> None:
        assignments = trial.spec.parameter_assignments.assignments
        if index % 3 == 0:
            del assignments[0]
        elif index % 3 == 1:
            assignments.add(name="unheard-of", value="1")
        else:
            for assignment in assignments:
                assignment.value = "999999999"

    _answers(session, "out-of-space", "outside the search space", alter)


def _learns(profile: Profile) -> str | None:
    return None if profile.learns else "it does not look at metrics"


@check("right-metric", Service.SUGGESTION, Level.STRICT, applies=_learns)
def right_metric(session: Session) -> None:
    """Additional metrics do not change the suggestions, whatever their position; a server that
    takes the first metric optimises the wrong one.
    """
    experiment = session.experiment("right-metric")
    experiment.spec.objective.additional_metric_names.append("accuracy")
    trials = session.history(experiment, 15)
    plain = session.steady(messages.request(experiment, trials, 2), "a request")
    for index, trial in enumerate(trials):
        objective = messages.METRIC, trial.status.observation.metrics[0].value
        del trial.status.observation.metrics[:]
        for name, value in (("accuracy", str(index)), objective, ("epoch", "9")):
            trial.status.observation.metrics.add(name=name, value=value)
    call = session.send(messages.request(experiment, trials, 2))
    if not isinstance(call.reply, pb.GetSuggestionsReply):
        raise Failed(f"trials with additional metrics: must be answered, got {call.status}", call)
    before, after = messages.assignments_of(plain), messages.assignments_of(call.reply)
    if before != after:
        raise Failed(
            f"additional metrics: must not change the suggestions {before}, got {after}", call
        )
