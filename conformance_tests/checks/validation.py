"""Checks of ValidateAlgorithmSettings: what it accepts and what it refuses.

Only these messages reach the user: an error in GetSuggestions is seen in the controller's log only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.architectures import parameters_of
from suggestion.conformance.check import Call, Check, Failed, Level, NotRun, Service, add, check
from suggestion.conformance.profiles import Profile
from suggestion.conformance.session import Session

Change = Callable[[pb.Experiment], None]


def refused(call: Call, title: str, *culprits: str) -> None:
    """Raise `Failed` unless the call was refused with a text that names one of `culprits`."""
    if call.code is not grpc.StatusCode.INVALID_ARGUMENT:
        raise Failed(f"{title}: must be refused with INVALID_ARGUMENT, got {call.status}", call)
    text = call.details.lower()
    if not any(culprit.lower() in text for culprit in culprits):
        wanted = " or ".join(map(repr, culprits))
        raise Failed(f"{title}: the text must name {wanted}, got {call.details!r}", call)


@check("validate-good", Service.SUGGESTION, Level.CONTRACT)
def validate_good(session: Session) -> None:
    """Valid settings are accepted, including each of the algorithm's own; otherwise a correct
    experiment fails at once.
    """
    for index, settings in enumerate(({}, *session.profile.good)):
        call = session.validate(session.experiment(f"good-{index}", settings=settings))
        # UNIMPLEMENTED tells the controller that there is nothing to validate.
        if call.code not in (grpc.StatusCode.OK, grpc.StatusCode.UNIMPLEMENTED):
            shown = ", ".join(f"{k} = {v}" for k, v in settings.items()) or "the defaults"
            raise Failed(f"settings {shown}: must be accepted, got {call.status}", call)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An invalid experiment that must be refused.

    Attributes:
        change: Makes a valid experiment invalid.
        culprits: Words of which the answer must contain at least one.
    """

    id: str
    level: Level
    sentence: str
    change: Change
    culprits: tuple[str, ...]


def _parameter(spec: pb.ParameterSpec) -> Change:
    return lambda experiment: parameters_of(experiment).append(spec)


def _algorithm(experiment: pb.Experiment) -> None:
    experiment.spec.algorithm.algorithm_name = "no-such-algorithm"


def _setting(experiment: pb.Experiment) -> None:
    experiment.spec.algorithm.algorithm_settings.add(name="no_such_setting", value="1")


def _twice(experiment: pb.Experiment) -> None:
    parameters = parameters_of(experiment)
    copy = parameters.add()
    copy.CopyFrom(parameters[0])
    copy.name = "twin"
    parameters.append(copy)


def _no_parameters(experiment: pb.Experiment) -> None:
    experiment.spec.ClearField("parameter_specs")
    experiment.spec.ClearField("nas_config")


def _no_objective(experiment: pb.Experiment) -> None:
    experiment.spec.ClearField("objective")


def _no_direction(experiment: pb.Experiment) -> None:
    experiment.spec.objective.type = pb.UNKNOWN


def _no_metric(experiment: pb.Experiment) -> None:
    experiment.spec.objective.objective_metric_name = ""


def _unknown_type(experiment: pb.Experiment) -> None:
    parameters_of(experiment).add(
        name="typeless", feasible_space=pb.FeasibleSpace(min="0", max="1", step="1")
    )


def _nameless(experiment: pb.Experiment) -> None:
    parameters_of(experiment).append(messages.integer("", "1", "3"))


_CONTRACT: Final = Level.CONTRACT
_STRICT: Final = Level.STRICT

# Doubles have a step even where the step is not tested: grid requires one.
REFUSALS: Final = (
    Refusal(
        "refuse-unknown-algorithm",
        _CONTRACT,
        "An unknown algorithm is refused by name; otherwise a typing error runs another "
        "algorithm, or none.",
        _algorithm,
        ("no-such-algorithm",),
    ),
    Refusal(
        "refuse-unknown-setting",
        _CONTRACT,
        "An unknown setting is refused by name; otherwise a misspelt one silently has no effect.",
        _setting,
        ("no_such_setting",),
    ),
    Refusal(
        "refuse-bad-number",
        _CONTRACT,
        "A bound that is not a number is refused with the parameter's name; otherwise the first "
        "request fails where no user looks.",
        _parameter(messages.double("culprit", "ten", "20", step="1")),
        ("culprit",),
    ),
    Refusal(
        "refuse-min-above-max",
        _CONTRACT,
        "A range with min > max is refused with the parameter's name; otherwise values come from "
        "a range that nobody intended.",
        _parameter(messages.double("culprit", "3", "2", step="0.5")),
        ("culprit",),
    ),
    Refusal(
        "refuse-empty-list",
        _CONTRACT,
        "A categorical parameter without values is refused with its name; otherwise every "
        "suggestion fails.",
        _parameter(messages.categorical("culprit")),
        ("culprit",),
    ),
    Refusal(
        "refuse-zero-step",
        _CONTRACT,
        "A step of 0 is refused with the parameter's name; otherwise a server divides by it, or "
        "loops.",
        _parameter(messages.double("culprit", "0", "1", step="0")),
        ("culprit",),
    ),
    Refusal(
        "refuse-duplicate-name",
        _CONTRACT,
        "Two parameters of the same name are refused with it; otherwise one overwrites the other.",
        _twice,
        ("twin",),
    ),
    Refusal(
        "refuse-log-min-zero",
        _CONTRACT,
        "A logarithmic range from 0 is refused with the parameter's name; otherwise it is "
        "silently sampled in another way, or fails later.",
        _parameter(messages.double("culprit", "0", "1", "0.1", "logUniform")),
        ("culprit",),
    ),
    Refusal(
        "refuse-no-parameters",
        _CONTRACT,
        "An experiment without parameters is refused; otherwise all its trials are the same.",
        _no_parameters,
        ("parameter",),
    ),
    Refusal(
        "refuse-no-objective",
        _CONTRACT,
        "An experiment without an objective is refused; otherwise it is optimised in a direction "
        "that nobody has chosen.",
        _no_objective,
        ("objective",),
    ),
    Refusal(
        "refuse-no-direction",
        _STRICT,
        "An objective that is neither minimised nor maximised is refused; otherwise half of the "
        "users get the worst trials.",
        _no_direction,
        ("objective",),
    ),
    Refusal(
        "refuse-no-metric",
        _STRICT,
        "An objective without a metric's name is refused; otherwise no trial ever counts.",
        _no_metric,
        ("metric",),
    ),
    Refusal(
        "refuse-infinite-bound",
        _STRICT,
        "A bound of `inf` is refused with the parameter's name; values cannot be drawn from such "
        "a range.",
        _parameter(messages.double("culprit", "0", "inf", step="1")),
        ("culprit",),
    ),
    Refusal(
        "refuse-negative-step",
        _STRICT,
        "A step below 0 is refused with the parameter's name; otherwise the lattice leaves the "
        "range.",
        _parameter(messages.double("culprit", "0", "1", step="-0.5")),
        ("culprit",),
    ),
    Refusal(
        "refuse-wide-step",
        _STRICT,
        "A step larger than the range is refused with the parameter's name; otherwise the "
        "parameter never varies.",
        _parameter(messages.double("culprit", "0", "1", step="2")),
        ("culprit",),
    ),
    Refusal(
        "refuse-fractional-int",
        _STRICT,
        "A bound of an int that is not an integer is refused with the parameter's name; "
        "otherwise it is rounded, and nobody knows in which direction.",
        _parameter(messages.integer("culprit", "0.5", "3")),
        ("culprit",),
    ),
    Refusal(
        "refuse-duplicate-entry",
        _STRICT,
        "A value listed twice is refused with the parameter's name; otherwise it is tried twice "
        "as often as the others.",
        _parameter(messages.categorical("culprit", "a", "b", "a")),
        ("culprit",),
    ),
    Refusal(
        "refuse-discrete-text",
        _STRICT,
        "A discrete value that is not a number is refused with the parameter's name; otherwise "
        "the server fails when it sorts the list.",
        _parameter(messages.discrete("culprit", "1", "two")),
        ("culprit",),
    ),
    Refusal(
        "refuse-unknown-type",
        _STRICT,
        "A parameter without a type is refused with its name; otherwise it is missing from the "
        "trials.",
        _unknown_type,
        ("typeless",),
    ),
    Refusal(
        "refuse-nameless-parameter",
        _STRICT,
        "A parameter without a name is refused; no trial could use it.",
        _nameless,
        ("name",),
    ),
)


def _check_of(refusal: Refusal) -> Check:
    def run(session: Session) -> None:
        experiment = session.experiment(refusal.id)
        refusal.change(experiment)
        refused(session.validate(experiment), refusal.id, *refusal.culprits)

    return Check(refusal.id, Service.SUGGESTION, refusal.level, refusal.sentence, run)


for _refusal in REFUSALS:
    add(_check_of(_refusal))


def _has_bad(profile: Profile) -> str | None:
    return None if profile.bad else "no setting of its own is known"


@check("refuse-bad-setting", Service.SUGGESTION, Level.CONTRACT, applies=_has_bad)
def refuse_bad_setting(session: Session) -> None:
    """A setting whose value is not a number, or out of its range, is refused with the setting's
    name; otherwise the experiment runs with a value that the user did not choose.
    """
    for name, value in session.profile.bad:
        experiment = session.experiment("bad-setting", settings={name: value})
        refused(session.validate(experiment), f"setting {name} = {value!r}", name)


def _has_unfit(profile: Profile) -> str | None:
    return None if profile.unfit else "it accepts every experiment"


@check("refuse-unfit-experiment", Service.SUGGESTION, Level.CONTRACT, applies=_has_unfit)
def refuse_unfit_experiment(session: Session) -> None:
    """An experiment that the algorithm cannot run (a required setting is missing, a grid without
    steps) is refused before the first trial; later nobody is told.
    """
    for unfit in session.profile.unfit:
        experiment = session.experiment("unfit")
        unfit.change(experiment)
        refused(session.validate(experiment), unfit.title, *unfit.culprits)


@check("all-violations", Service.SUGGESTION, Level.STRICT)
def all_violations(session: Session) -> None:
    """Errors that are refused one by one are all named when they occur together; otherwise the user
    fixes and submits the experiment once for each of them.
    """
    faults: dict[str, Change] = {
        "first_culprit": _parameter(messages.integer("first_culprit", "3", "2")),
        "second_culprit": _parameter(messages.integer("second_culprit", "1", "many")),
        "third_culprit": _parameter(messages.categorical("third_culprit")),
        "fourth_culprit": lambda experiment: experiment.spec.algorithm.algorithm_settings.extend(
            [pb.AlgorithmSetting(name="fourth_culprit", value="1")]
        ),
    }
    known = []
    together = session.experiment("all-violations")
    for name, change in faults.items():
        alone = session.experiment("all-violations")
        change(alone)
        if name in session.validate(alone).details:
            known.append(name)
            change(together)
    if len(known) < 2:
        raise NotRun(f"the server names {len(known)} of {len(faults)} errors that occur alone")
    call = session.validate(together)
    missing = [name for name in known if name not in call.details]
    if missing:
        raise Failed(
            f"{len(known)} errors: one answer must name them all, got nothing of "
            f"{', '.join(missing)} in {call.status!r}",
            call,
        )
