"""Checks of the settings that every algorithm may have, for servers that declare them.

Settings that say more about a problem than ranges do: conditions between parameters, constraints on
them, points to begin with, further objectives, bounds on metrics, earlier trials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Failed, Level, NotRun, Service, check
from suggestion.conformance.checks.validation import refused
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Session
from suggestion.conformance.space import decimal

_SPECS: Final = (
    messages.integer("depth", "1", "4"),
    messages.integer("width", "1", "4"),
    messages.categorical("optimizer", "sgd", "adam"),
    messages.double("momentum", "0.1", "0.9", step="0.1"),
)
_METRIC: Final = "latency"
_INITIAL: Final = (
    {"depth": "2", "width": "3", "optimizer": "adam", "momentum": "0.3"},
    {"depth": "4", "width": "4"},
)
_LEARNED: Final = 24  # trials after which a model is used


@dataclass(frozen=True, slots=True)
class Ability:
    """A setting that says more about a problem.

    Attributes:
        value: What it is set to.
        subject: What it is about, which a refusal may name in place of the setting.
        wrong: A value that must be refused.
        culprit: What that refusal must name.
    """

    value: str
    subject: str
    wrong: str
    culprit: str


def _prior(reverse: bool = False) -> str:
    trials = range(20)
    values = [(19 - k if reverse else k) / 10 for k in trials]
    parameters = {
        "depth": [1 + k // 5 for k in trials],
        "width": [1 + k // 5 for k in trials],
        "momentum": [(1 + k // 3) / 10 for k in trials],
    }
    return json.dumps({"before": {"parameters": parameters, "values": values}})


ABILITIES: Final[Mapping[str, Ability]] = {
    "conditions": Ability(
        "momentum if optimizer == 'sgd'", "momentum", "momentum if optimiser == 'sgd'", "optimiser"
    ),
    "parameter_constraints": Ability("width + depth <= 4", "width", "widht + depth <= 4", "widht"),
    "initial_points": Ability(json.dumps(_INITIAL), "width", '[{"width": 9}]', "width"),
    "objectives": Ability(f"{_METRIC}: minimize", _METRIC, "latncy: minimize", "latncy"),
    "metric_constraints": Ability(f"{_METRIC} <= 1", _METRIC, "latncy <= 1", "latncy"),
    "prior_trials": Ability(
        _prior(),
        "before",
        '{"before": {"parameters": {"width": [1, 2]}, "values": [1]}}',
        "prior_trials",
    ),
}


def _declares(name: str) -> Callable[[Profile], str | None]:
    return lambda profile: None if name in profile.abilities else f"it does not declare {name}"


def _experiment(session: Session, name: str, value: str) -> pb.Experiment:
    made = session.experiment(f"ability-{name.replace('_', '-')}", _SPECS, {name: value})
    made.spec.objective.additional_metric_names.append(_METRIC)
    return made


def _trials(
    session: Session, experiment: pb.Experiment, count: int, latency: Callable[[int], float | None]
) -> list[pb.Trial]:
    """Make finished trials that report `latency` too, unless it is None."""
    made = session.history(experiment, count)
    for index, trial in enumerate(made):
        value = latency(index)
        if value is not None:
            trial.status.observation.metrics.add(name=_METRIC, value=repr(value))
    return made


def _suggested(session: Session, name: str) -> list[dict[str, str]]:
    """Return what is suggested without and with trials, when setting `name` is there.

    Suggestions that other checks find fault with are left out.
    """
    experiment = _experiment(session, name, ABILITIES[name].value)
    space = session.space(experiment)
    points: list[dict[str, str]] = []
    for count in (0, _LEARNED):
        trials = _trials(session, experiment, count, lambda k: k / 10)
        what = f"a request with the setting {name}, and {count} trials"
        points += messages.assignments_of(
            session.suggest(messages.request(experiment, trials, 8), what)
        )
    return [*filter(space.fits, points)]


def _different(
    session: Session, one: pb.GetSuggestionsRequest, two: pb.GetSuggestionsRequest, what: str
) -> None:
    """Raise `Failed` if a learning server gives two requests the same reply."""
    first = session.steady(one, f"a request with {what}")
    if first == session.suggest(two, f"a request with other {what}") and session.profile.learns:
        raise Failed(f"{what}: must change the suggestions of a server that learns, got the same")


@check("ability-conditions", Service.SUGGESTION, Level.STRICT, applies=_declares("conditions"))
def conditions(session: Session) -> None:
    """A parameter whose condition does not hold has a fixed value, and what a trial had there is
    ignored; otherwise points that are the same count as different.
    """
    points = _suggested(session, "conditions")
    inactive = {p["momentum"] for p in points if p["optimizer"] != "sgd"}
    if len(inactive) > 1:
        raise Failed(
            "parameter 'momentum', which is inactive: must have a fixed value, got "
            f"{', '.join(sorted(inactive))}"
        )
    experiment = _experiment(session, "conditions", ABILITIES["conditions"].value)
    trials = _trials(session, experiment, _LEARNED, lambda k: None)
    first = session.steady(messages.request(experiment, trials, 4), "a request with conditions")
    for trial in trials:
        values = {a.name: a for a in trial.spec.parameter_assignments.assignments}
        if values["optimizer"].value != "sgd":
            values["momentum"].value = "0.9" if values["momentum"].value == "0.1" else "0.1"
    if session.suggest(messages.request(experiment, trials, 4)) != first:
        raise Failed("the value of an inactive parameter in a trial: must be ignored")


@check(
    "ability-parameter-constraints",
    Service.SUGGESTION,
    Level.STRICT,
    applies=_declares("parameter_constraints"),
)
def parameter_constraints(session: Session) -> None:
    """Every suggestion meets the constraints on parameters; otherwise trials fail that were known
    to be impossible.
    """
    for point in _suggested(session, "parameter_constraints"):
        if sum(decimal(point[name]) or 0 for name in ("width", "depth")) > 4:
            got = f"width {point['width']}, depth {point['depth']}"
            raise Failed(f"a suggestion: must satisfy 'width + depth <= 4', got {got}")


@check(
    "ability-initial-points",
    Service.SUGGESTION,
    Level.STRICT,
    applies=_declares("initial_points"),
)
def initial_points(session: Session) -> None:
    """The first suggestions are the initial points in their order, whatever the batches; otherwise
    what a user knows is lost.
    """
    experiment = _experiment(session, "initial_points", ABILITIES["initial_points"].value)
    reply = session.suggest(messages.request(experiment, count=3), "a request for initial points")
    points = messages.assignments_of(reply)
    if len(points) < len(_INITIAL):
        raise NotRun("fewer suggestions than were asked for; see exact-count")
    running = messages.trial("first", points[0])
    later = session.suggest(messages.request(experiment, [running]), "the request after the first")
    for place, wanted in enumerate(_INITIAL):
        for point in (points[place], *(messages.assignments_of(later) if place else ())):
            for name, value in wanted.items():
                got = point.get(name, "")
                if (decimal(got) or got) != (decimal(value) or value):
                    rule = f"suggestion {place}: must have {name} = {value}"
                    raise Failed(f"{rule}, as the initial point, got {got!r}")


@check("ability-objectives", Service.SUGGESTION, Level.STRICT, applies=_declares("objectives"))
def objectives(session: Session) -> None:
    """A further objective matters as much as the first, and a trial that lacks it is no error;
    otherwise the trade-off that is asked for is not searched.
    """
    experiment = _experiment(session, "objectives", ABILITIES["objectives"].value)
    rising = _trials(session, experiment, _LEARNED, lambda k: k / 10 if k else None)
    falling = _trials(session, experiment, _LEARNED, lambda k: 9 - k / 10 if k else None)
    one, two = (messages.request(experiment, trials, 4) for trials in (rising, falling))
    _different(session, one, two, "values of a further objective")


@check(
    "ability-metric-constraints",
    Service.SUGGESTION,
    Level.STRICT,
    applies=_declares("metric_constraints"),
)
def metric_constraints(session: Session) -> None:
    """Which trials violate a bound on a metric decides what is suggested, and a trial that lacks
    the metric is no error; otherwise the best trial may be one that nobody can use.
    """
    experiment = _experiment(session, "metric_constraints", ABILITIES["metric_constraints"].value)
    rising = _trials(session, experiment, _LEARNED, lambda k: k / 10 if k else None)
    falling = _trials(session, experiment, _LEARNED, lambda k: 2.3 - k / 10 if k else None)
    # At points of the server's own: an evolution strategy learns from no others. How many there
    # are, and whether they are whole, is for other checks.
    reply = session.suggest(messages.request(experiment, (), _LEARNED))
    for trial, other, own in zip(rising, falling, messages.assignments_of(reply), strict=False):
        for each in (trial, other):
            for assignment in each.spec.parameter_assignments.assignments:
                assignment.value = own.get(assignment.name, assignment.value)
    one, two = (messages.request(experiment, trials, 4) for trials in (rising, falling))
    _different(session, one, two, "values of a bounded metric")


@check("ability-prior-trials", Service.SUGGESTION, Level.STRICT, applies=_declares("prior_trials"))
def prior_trials(session: Session) -> None:
    """Trials of an earlier study change the suggestions, before or after the server has enough
    trials to judge it by; otherwise it is of no use to give them.
    """
    what = "trials of an earlier study"
    changed = False
    for count in (2, 12):
        one, two = (
            messages.request(experiment, _trials(session, experiment, count, lambda k: None), 2)
            for experiment in (
                _experiment(session, "prior_trials", _prior(reverse)) for reverse in (False, True)
            )
        )
        first = session.steady(one, f"a request with {what}")
        changed |= first != session.suggest(two, f"a request with other {what}")
    if session.profile.learns and not changed:
        raise Failed(f"{what}: must change the suggestions of a server that learns, got the same")


@check(
    "ability-mistakes",
    Service.SUGGESTION,
    Level.STRICT,
    applies=lambda profile: None if profile.abilities else "it declares none of these settings",
)
def mistakes(session: Session) -> None:
    """A mistake in a setting that says more about a problem (a name that nothing has, a value out
    of its range) is refused by name; otherwise the problem is not the one that the user means.
    """
    for name in sorted(session.profile.abilities):
        ability = ABILITIES[name]
        call = session.validate(_experiment(session, name, ability.wrong))
        refused(call, f"setting {name} = {ability.wrong!r}", ability.culprit)


@check("refuse-undeclared-abilities", Service.SUGGESTION, Level.STRICT)
def undeclared(session: Session) -> None:
    """Conditions, constraints, further objectives and the like are refused by name where the
    algorithm cannot honour them; otherwise they silently have no effect.
    """
    for name, ability in ABILITIES.items():
        if name not in session.profile.abilities:
            call = session.validate(_experiment(session, name, ability.value))
            refused(call, f"setting {name}, which is not declared", name, ability.subject)
