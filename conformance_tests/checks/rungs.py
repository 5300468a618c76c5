"""Checks of rules that judge a trial at each of several rungs: asha and hyperband.

Losses are levels, so that every sensible share of the best third is the same: of nine trials at
1 to 9 the second continues, and the fifth does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.check import LADDERS, Failed, Level, Service, check
from suggestion.conformance.checks.validation import refused
from suggestion.conformance.early_session import EarlySession
from suggestion.conformance.messages import Status

_SERVICE: Final = Service.EARLY_STOPPING
#: Names the number of reports of the trial whose next rule is asked for.
LABEL: Final = "early-stopping.suggestion.katib.kubeflow.org/step"
_RUNGS: Final = (1, 3, 9, 27)
_SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "asha": {"r_min": "1", "eta": "3"},
    "hyperband": {"r_l": "81", "r_min": "1", "eta": "3"},
}


def _request(
    session: EarlySession, name: str, trials: Sequence[pb.Trial], *, maximize: bool = False
) -> pb.GetEarlyStoppingRulesRequest:
    request = session.request(name, trials, maximize=maximize)
    request.experiment.spec.early_stopping.CopyFrom(_spec(session))
    return request


def _spec(session: EarlySession, **more: str) -> pb.EarlyStoppingSpec:
    given = {**_SETTINGS[session.algorithm], **more}
    return pb.EarlyStoppingSpec(
        algorithm_name=session.algorithm,
        algorithm_settings=[pb.EarlyStoppingSetting(name=k, value=v) for k, v in given.items()],
    )


def _asking(session: EarlySession, name: str, log: Sequence[float], step: int) -> pb.Trial:
    """Make a running trial that has reported `log`, and asks at `step`."""
    (made,) = session.trials(f"{name}-own", [[repr(x) for x in log]], Status.RUNNING)
    made.status.ClearField("observation")
    made.spec.labels[LABEL] = str(step)
    return made


def _nine(
    session: EarlySession, name: str, reports: int = 1, order: Sequence[float] = range(1, 10)
) -> list[pb.Trial]:
    return session.trials(name, [[repr(float(x))] * reports for x in order])


def _between(
    session: EarlySession,
    request: pb.GetEarlyStoppingRulesRequest,
    low: float,
    high: float,
    what: str,
) -> pb.EarlyStoppingRule:
    """Return the one rule; raise `Failed` unless its value is in ``[low, high]``."""
    rule = session.rule(request, what)
    try:
        inside = low <= float(rule.value) <= high
    except ValueError:
        inside = False
    if not inside:
        raise Failed(
            f"{what}: the threshold must be from {low:g} to {high:g}, got {rule.value!r}",
            session.calls[-1],
        )
    return rule


@check("es-rung-settings", _SERVICE, Level.CONTRACT, rules=LADDERS)
def settings(session: EarlySession) -> None:
    """Settings that make no ladder are refused by name; otherwise the rule is not the one that the
    user asked for.
    """
    for name, value in (("eta", "1"), ("eta", "few"), ("r_min", "0"), ("r_min", "0.5")):
        refused(session.validate(_spec(session, **{name: value})), f"{name} = {value!r}", name)


@check("es-rung-first", _SERVICE, Level.CONTRACT, rules=LADDERS)
def first(session: EarlySession) -> None:
    """A request for the trials created next gets one rule at a rung; Katib's collector, which asks
    once, judges by it.
    """
    for number in (0, 9):
        trials = _nine(session, "rung-first")[:number]
        rule = session.rule(_request(session, "rung-first", trials), f"{number} trials")
        known = _RUNGS[:1] if session.algorithm == "asha" else (*_RUNGS, 81)
        if rule.start_step not in known:
            raise Failed(
                f"{number} trials: start_step must be one of {known}, got {rule.start_step}",
                session.calls[-1],
            )


@check("es-rung-share", _SERVICE, Level.CONTRACT, rules=LADDERS)
def share(session: EarlySession) -> None:
    """At a rung the best 1/eta of the trials continue, minimising and maximising; otherwise the
    best ones are stopped, or the budget is spent on the others.
    """
    for maximize, low, high in ((False, 2.0, 4.99), (True, 5.01, 8.0)):
        name = f"rung-share-{maximize}"
        trials = [*_nine(session, name), _asking(session, name, [], 0)]
        request = _request(session, name, trials, maximize=maximize)
        rule = _between(session, request, low, high, "nine trials at 1 to 9")
        wanted = pb.LESS if maximize else pb.GREATER
        if rule.comparison != wanted or rule.start_step != 1:
            raise Failed(
                f"the first rule must be {pb.ComparisonType.Name(wanted)} at report 1, got "
                f"{pb.ComparisonType.Name(rule.comparison)} at {rule.start_step}",
                session.calls[-1],
            )


@check("es-rung-next", _SERVICE, Level.CONTRACT, rules=LADDERS)
def following(session: EarlySession) -> None:
    """A trial that is among the best at its rung gets the rule of the next one; otherwise it is
    judged once, or at the same rung for ever.
    """
    trials = _nine(session, "rung-next", reports=9)
    for step, wanted in ((1, 3), (2, 3), (3, 9)):
        own = _asking(session, f"rung-next-{step}", [1.0] * step, step)
        rule = session.rule(_request(session, "rung-next", [*trials, own]), f"a trial at {step}")
        if rule.start_step != wanted:
            raise Failed(
                f"a good trial at report {step}: the rule must be for report {wanted}, got "
                f"{rule.start_step}",
                session.calls[-1],
            )


@check("es-rung-behind", _SERVICE, Level.CONTRACT, rules=LADDERS)
def behind(session: EarlySession) -> None:
    """A trial that is not among the best at its rung gets a rule that stops it there; otherwise it
    trains on to the next one.
    """
    trials = _nine(session, "rung-behind", reports=3)
    for step in (1, 3):
        own = _asking(session, f"rung-behind-{step}", [8.5] * step, step)
        request = _request(session, "rung-behind", [*trials, own])
        rule = _between(session, request, 2.0, 4.99, f"a trial at 8.5, at report {step}")
        if not 0 < rule.start_step <= step:
            raise Failed(
                f"a bad trial at report {step}: the rule must be for that report, got "
                f"{rule.start_step}",
                session.calls[-1],
            )


@check("es-rung-unfinished", _SERVICE, Level.CONTRACT, rules=LADDERS)
def unfinished(session: EarlySession) -> None:
    """Trials that run or were stopped early count at the rungs that they have reached, failed ones
    do not; otherwise a trial is compared with survivors alone.
    """
    name = "rung-unfinished"
    trials = _nine(session, name, order=(7, 8, 9))
    for condition, levels in (
        (Status.RUNNING, (1, 2, 3)),
        (Status.EARLYSTOPPED, (4, 5, 6)),
        (Status.FAILED, (-3, -2, -1)),
    ):
        logs = [[repr(float(x))] for x in levels]
        trials += session.trials(f"{name}-{condition}", logs, condition)
    trials.append(_asking(session, name, [], 0))
    what = "three trials each that run, were stopped, succeeded and failed"
    _between(session, _request(session, name, trials), 2.0, 4.99, what)


@check("es-rung-few", _SERVICE, Level.CONTRACT, rules=LADDERS)
def few(session: EarlySession) -> None:
    """The first trial at a rung is not stopped there, however bad; otherwise nothing is ever
    completed.
    """
    own = _asking(session, "rung-few", [1e300], 1)
    for rule in session.rules(_request(session, "rung-few", [own]), "the first trial"):
        if rule.start_step <= 1 or float(rule.value) < 1e300:
            raise Failed(
                f"the first trial at a rung: must go on, got a threshold of {rule.value} at report "
                f"{rule.start_step}",
                session.calls[-1],
            )


@check("es-rung-label", _SERVICE, Level.CONTRACT, rules=LADDERS)
def label(session: EarlySession) -> None:
    """A step that is no whole number, and a second trial that asks, are refused by name; otherwise
    a trial gets the rule of another one.
    """
    own = _asking(session, "rung-label", [1.0], 1)
    own.spec.labels[LABEL] = "soon"
    call = session.call(_request(session, "rung-label", [own]))
    refused(call, "a step 'soon'", LABEL)
    both = [_asking(session, f"rung-label-{k}", [1.0], 1) for k in range(2)]
    refused(session.call(_request(session, "rung-label", both)), "two trials that ask", LABEL)


@check("es-rung-order", _SERVICE, Level.STRICT, rules=LADDERS)
def order(session: EarlySession) -> None:
    """The order of trials in a request changes no rule; the controller sends them in none."""
    trials = [*_nine(session, "rung-order", order=(3, 1, 8, 2, 9, 5)), *_nine(session, "rung-more")]
    for step in (0, 1):
        own = _asking(session, f"rung-order-{step}", [2.5] * step, step)
        request, turned = (
            _request(session, "rung-order", some)
            for some in ([*trials, own], [own, *reversed(trials)])
        )
        if session.rules(request, "a request") != session.rules(turned, "the same request"):
            raise Failed(
                "the same trials in another order: must get the same rules, got others",
                session.calls[-1],
            )
