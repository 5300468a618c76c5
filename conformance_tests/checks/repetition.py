"""Checks of repeated requests: to the same process, to another one, after a restart."""

from __future__ import annotations

from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, NotRun, Service, check
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Play, Session


@check("request-sent-again", Service.SUGGESTION, Level.CONTRACT)
def request_sent_again(session: Session) -> None:
    """A repeated request is answered; the controller repeats every request that timed out."""
    experiment = session.experiment("sent-again")
    for number in (0, 5):
        request = messages.request(experiment, session.history(experiment, number), 2)
        session.suggest(request, "a request")
        session.suggest(request, "a request that is sent again")


def _rounds(session: Session, kill: bool) -> list[list[dict[str, str]]]:
    """Play four rounds of an experiment on a fresh server, killed after the first two or not."""
    instance = session.launch()
    try:
        play = Play(
            session, session.experiment("restart"), client=session.connect(instance.address)
        )
        for index in range(4):
            what = "a request"
            if index == 2 and kill:
                assert play.client is not None
                play.client.close()
                instance.kill()
                instance.start()
                play.client = session.connect(instance.address)
                what = "the request after a restart of the server"
            for trial in play.ask(4, what):
                play.finish(trial, repr(play.loss(trial)))
        assert play.client is not None
        play.client.close()
        return [messages.assignments_of(reply) for _, reply in play.replies]
    finally:
        instance.kill()


@check("restart", Service.SUGGESTION, Level.CONTRACT, starts=True)
def restart(session: Session) -> None:
    """After `kill -9` and a restart the next request of a running experiment is answered; a pod can
    be moved at any time, and otherwise the experiment is lost.
    """
    session.once("restart", lambda: _rounds(session, kill=True))


@check("restart-changes-nothing", Service.SUGGESTION, Level.STRICT, starts=True)
def restart_changes_nothing(session: Session) -> None:
    """Suggestions after a restart are those of a server that was never killed, and two fresh
    servers suggest the same; otherwise no result can be reproduced.
    """
    try:
        killed = session.once("restart", lambda: _rounds(session, kill=True))
    except Failed as failure:
        raise NotRun(f"there is nothing to compare; see restart: {failure.rule}") from failure
    steady = _rounds(session, kill=False)
    for index, (after, before) in enumerate(zip(killed, steady, strict=True)):
        if after != before:
            where = "two fresh servers" if index < 2 else "a restart"
            raise Failed(
                f"{where}, request {index}: suggestions must be the same, got {before} from one "
                f"and {after} from the other"
            )


@check("same-call-twice", Service.SUGGESTION, Level.STRICT)
def same_call_twice(session: Session) -> None:
    """The same request gets the same reply; otherwise a repeated request leaves suggestions that
    nobody runs, and two replicas contradict each other.
    """
    experiment = session.experiment("twice")
    for number in (0, 5, 20):
        request = messages.request(experiment, session.history(experiment, number), 3)
        first = session.suggest(request, "a request")
        second = session.repeat(request)
        if first != second:
            raise Failed(
                f"the same request with {number} trials: must get the same reply "
                f"{messages.assignments_of(first)}, got {messages.assignments_of(second)}",
                session.calls[-1],
            )


@check("experiments-apart", Service.SUGGESTION, Level.STRICT)
def experiments_apart(session: Session) -> None:
    """A request of one experiment does not change the suggestions of another on the same server;
    otherwise a suggestion cannot be explained.
    """
    requests = []
    for name in ("apart-a", "apart-b"):
        experiment = session.experiment(name, maximize=name == "apart-b")
        requests.append(messages.request(experiment, session.history(experiment, 15), 3))
    first = [session.steady(request, "one of two experiments") for request in requests]
    for request, before in zip(requests, first, strict=True):
        after = session.repeat(request)
        if before != after:
            raise Failed(
                f"experiment {request.experiment.name!r} after a request of another one: must get "
                f"the same suggestions {messages.assignments_of(before)}, got "
                f"{messages.assignments_of(after)}",
                session.calls[-1],
            )


@check("order-of-trials", Service.SUGGESTION, Level.STRICT)
def order_of_trials(session: Session) -> None:
    """The order of the trials in a request does not change the suggestions; the controller sends
    them in any order.
    """
    experiment = session.experiment("order")
    trials = session.history(experiment, 20)
    straight = session.steady(messages.request(experiment, trials, 3), "a request")
    reverse = session.suggest(messages.request(experiment, trials[::-1], 3), "a request")
    if straight != reverse:
        raise Failed(
            f"trials in reverse order: suggestions must stay "
            f"{messages.assignments_of(straight)}, got {messages.assignments_of(reverse)}",
            session.calls[-1],
        )


def _seeded(profile: Profile) -> str | None:
    return None if profile.seed else "it has no setting for a seed"


@check("seed", Service.SUGGESTION, Level.STRICT, applies=_seeded)
def seed(session: Session) -> None:
    """The seed decides: another seed gives other suggestions, the same seed the same ones, whatever
    the experiment's name; otherwise an experiment cannot be repeated.
    """

    def ask(name: str, value: str) -> list[dict[str, str]]:
        experiment = session.experiment(name, settings={session.profile.seed: value})
        request = messages.request(experiment, (), 5)
        return messages.assignments_of(session.steady(request, f"a request with seed {value}"))

    one, same = ask("seed-a", "1"), ask("seed-b", "1")
    if one != same:
        raise Failed(
            f"{session.profile.seed} 1 under two names: suggestions must be the same {one}, got "
            f"{same}",
            session.calls[-1],
        )
    other = ask("seed-a", "2")
    if one == other:
        raise Failed(
            f"{session.profile.seed} 2 instead of 1: suggestions must differ, got {other} again",
            session.calls[-1],
        )
