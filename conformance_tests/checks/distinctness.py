"""Checks that no point is tried twice."""

from __future__ import annotations

import itertools

import grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, Service, check
from suggestion.conformance.messages import Status
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Play, Session

_SIXTY = (
    messages.integer("depth", "1", "5"),
    messages.integer("width", "10", "40", step="10"),
    messages.categorical("activation", "relu", "tanh", "gelu"),
)
_Exchange = tuple[pb.GetSuggestionsRequest, pb.GetSuggestionsReply]


def _distinct(profile: Profile) -> str | None:
    return None if profile.distinct else "it may give a trial the values of another"


def _play(session: Session, experiment: pb.Experiment, *batches: int) -> Play:
    play = Play(session, experiment)
    for count in batches:
        play.ask(count)
        waiting = [t for t in play.trials if t.status.condition == Status.RUNNING]
        # All but two finish; the first of them fails.
        for index, trial in enumerate(waiting[:-2]):
            if index:
                play.finish(trial, repr(play.loss(trial)))
            else:
                play.finish(trial, None, Status.FAILED)
    return play


def _exchanges(session: Session) -> list[_Exchange]:
    """Play two experiments in finite spaces; the smaller one uses up all its points."""

    def make() -> list[_Exchange]:
        if session.profile.resource:
            few, more = session.experiment("points-12"), session.experiment("points-60")
        else:
            few, more = session.finite("points-12"), session.experiment("points-60", _SIXTY)
        small = _play(session, few, 5, 3, 1, 3)
        large = _play(session, more, 8, 8, 1, 8, 8, 8)
        return [*small.replies, *large.replies]

    return session.once("distinct", make)


def _keys(
    session: Session, request: pb.GetSuggestionsRequest, pending: bool
) -> set[tuple[object, ...]]:
    space = session.space(request.experiment)
    return {
        space.key(messages.trial_assignment(trial))
        for trial in request.trials
        if (trial.status.condition == Status.RUNNING) is pending
    }


def _against(session: Session, pending: bool, what: str) -> None:
    for request, reply in _exchanges(session):
        space = session.space(request.experiment)
        taken = _keys(session, request, pending)
        for assignment in messages.assignments_of(reply):
            if space.key(assignment) in taken:
                raise Failed(
                    f"suggestion with {len(request.trials)} trials in a space of "
                    f"{space.size or 'infinitely many'} points: must not be {what}, got "
                    f"{assignment}"
                )


@check("distinct-in-call", Service.SUGGESTION, Level.STRICT, applies=_distinct)
def distinct_in_call(session: Session) -> None:
    """The suggestions of one reply differ from each other; otherwise parallel trials compute the
    same thing.
    """
    for request, reply in _exchanges(session):
        space = session.space(request.experiment)
        assignments = messages.assignments_of(reply)
        for one, other in itertools.combinations(assignments, 2):
            if space.key(one) == space.key(other):
                raise Failed(
                    f"{len(assignments)} suggestions of one reply: must all differ, got {one} twice"
                )


@check("distinct-from-pending", Service.SUGGESTION, Level.STRICT, applies=_distinct)
def distinct_from_pending(session: Session) -> None:
    """No running trial is suggested again; otherwise a worker computes what another one already
    computes.
    """
    _against(session, True, "one of the running trials")


@check("distinct-from-past", Service.SUGGESTION, Level.STRICT, applies=_distinct)
def distinct_from_past(session: Session) -> None:
    """No finished or failed trial is suggested again before a finite space is used up; otherwise
    time is spent on known results.
    """
    _against(session, False, "one of the finished trials")


@check("exhausted-space", Service.SUGGESTION, Level.STRICT)
def exhausted_space(session: Session) -> None:
    """When all points of a finite space have been tried, a request at once gets its full count
    again or OUT_OF_RANGE (grid: OUT_OF_RANGE); otherwise the experiment hangs or fails without a
    reason.
    """
    experiment = session.finite("exhausted")
    space = session.space(experiment)
    resource = session.profile.resource
    levels = [range(1 if p.name == resource else p.size or 1) for p in space.parameters]
    trials = []
    for index, point in enumerate(itertools.product(*levels)):
        shares = [(k + 0.5) / len(level) for k, level in zip(point, levels, strict=True)]
        objective = experiment.spec.objective
        made = messages.trial(
            f"all-{index:02d}", space.point(shares), str(index), objective=objective
        )
        trials.append(made)
    for count in (1, 3):
        call = session.send(messages.request(experiment, trials, count))
        if call.code is grpc.StatusCode.OUT_OF_RANGE:
            continue
        if session.profile.ends or not call.ok:
            allowed = "OUT_OF_RANGE" if session.profile.ends else "suggestions or OUT_OF_RANGE"
            raise Failed(
                f"all {len(trials)} points have been tried: the answer must be {allowed}, got "
                f"{call.status}",
                call,
            )
