"""What the suite knows about each algorithm, in one table.

An algorithm that is not in the table gets the generic profile, or with ``--profile`` that of a
similar one. Its parameters and settings come from ``--experiment`` and ``--setting``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.architectures import Architectures, Cells, Network
from suggestion.conformance.messages import categorical, double, integer
from suggestion.conformance.parameters import FINITE, LATTICE, STANDARD, Specs


@dataclass(frozen=True, slots=True)
class Unfit:
    """An experiment that the contract allows and the algorithm must refuse.

    Attributes:
        title: What is wrong with it.
        change: Makes a valid experiment unfit.
        culprits: Words of which the answer must contain at least one.
    """

    title: str
    change: Callable[[pb.Experiment], None]
    culprits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Describe an algorithm to the suite.

    Attributes:
        settings: Settings that every experiment must have.
        standard: Parameters of most experiments.
        extra: Parameters that every experiment must have in addition.
        good: Sets of further settings, each of which must be accepted.
        bad: Settings with a value that must be refused.
        unfit: Experiments that must be refused.
        seed: Name of the setting for the seed; empty if there is none.
        continuous: Whether it accepts doubles without a step.
        prior: Whether its first suggestions follow the parameters' distributions.
        distinct: Whether it never suggests a point twice.
        learns: Whether it learns from trials and beats random search with twice the trials.
        ends: Whether it answers OUT_OF_RANGE once a finite space is used up.
        resource: Name of the parameter that holds the resource; empty if there is none.
        maximum: The most resource that a trial gets.
        network: Reads the suggestions of an algorithm that searches a nasConfig; None if it
            searches parameters.
        abilities: Those of the settings ``conditions``, ``parameter_constraints``,
            ``initial_points``, ``objectives``, ``metric_constraints`` and ``prior_trials`` that it
            honours; the others must be refused.
        latency: Bound on the answer time at 1,000 trials, as a multiple of parsing the request.
        memory: Bound on the resident memory through an experiment of 1,000 trials, in MiB.
    """

    algorithm: str
    settings: Mapping[str, str] = field(default_factory=dict)
    standard: Specs = STANDARD
    extra: Specs = ()
    good: tuple[Mapping[str, str], ...] = ()
    bad: tuple[tuple[str, str], ...] = ()
    unfit: tuple[Unfit, ...] = ()
    seed: str = "random_state"
    continuous: bool = True
    prior: bool = True
    distinct: bool = True
    learns: bool = True
    ends: bool = False
    resource: str = ""
    maximum: int = 0
    network: type[Network] | None = None
    abilities: frozenset[str] = frozenset()
    latency: float = 2000.0
    memory: int = 100


# ------------------------------------------------------------------- experiments to be refused


def _without_setting(name: str) -> Unfit:
    def change(experiment: pb.Experiment) -> None:
        kept = [s for s in experiment.spec.algorithm.algorithm_settings if s.name != name]
        del experiment.spec.algorithm.algorithm_settings[:]
        experiment.spec.algorithm.algorithm_settings.extend(kept)

    return Unfit(f"setting {name!r} is missing", change, (name,))


def _with_setting(name: str, value: str) -> Unfit:
    def change(experiment: pb.Experiment) -> None:
        for setting in experiment.spec.algorithm.algorithm_settings:
            if setting.name == name:
                setting.value = value

    return Unfit(f"setting {name!r} is {value!r}", change, (name, value))


def _stepless(experiment: pb.Experiment) -> None:
    experiment.spec.parameter_specs.parameters.append(double("stepless", "0", "1"))


def _too_many_trials(experiment: pb.Experiment) -> None:
    del experiment.spec.parameter_specs.parameters[:]
    experiment.spec.parameter_specs.parameters.extend(FINITE)
    experiment.spec.max_trial_count = 13


def _one_number(experiment: pb.Experiment) -> None:
    del experiment.spec.parameter_specs.parameters[:]
    experiment.spec.parameter_specs.parameters.extend([STANDARD[0], STANDARD[-1]])


def _parameters(experiment: pb.Experiment) -> None:
    experiment.spec.ClearField("nas_config")
    experiment.spec.parameter_specs.parameters.extend(FINITE)


def _no_layers(experiment: pb.Experiment) -> None:
    experiment.spec.nas_config.graph_config.num_layers = 0


def _no_operations(experiment: pb.Experiment) -> None:
    del experiment.spec.nas_config.operations.operation[:]


def _two_filters(experiment: pb.Experiment) -> None:
    parameters = experiment.spec.nas_config.operations.operation[0].parameter_specs.parameters
    parameters.append(categorical("second_filter", "1", "2"))


_NETWORKS_UNFIT: Final = (
    Unfit("parameters in place of a nasConfig", _parameters, ("nas_config", "nasConfig")),
    Unfit("no layers", _no_layers, ("num_layers", "layers")),
    Unfit("no operations", _no_operations, ("operation",)),
)


# --------------------------------------------------------------------------------- the table

_TPE_GOOD: Final = (
    {"gamma": "0.1", "prior_weight": "0.5", "n_startup_trials": "5", "n_EI_candidates": "32"},
    {"n_ei_candidates": "16", "random_state": "7"},
)
_TPE_BAD: Final = (
    ("gamma", "1.5"),
    ("gamma", "much"),
    ("prior_weight", "0"),
    ("n_startup_trials", "-1"),
    ("n_EI_candidates", "0"),
)
#: What may be asked of algorithms that look at no trials' values, or at one objective only.
_OF_POINTS: Final = frozenset({"parameter_constraints", "initial_points"})
_OF_SPACES: Final = _OF_POINTS | {"conditions"}
_OF_METRICS: Final = _OF_SPACES | {"objectives", "metric_constraints"}
_EPOCHS: Final = integer("epochs", "1", "27")
_RUNGS: Final[dict[str, str]] = {"r_l": "27", "resource_name": "epochs", "eta": "3"}
_RUNGS_UNFIT: Final = (
    _without_setting("r_l"),
    _without_setting("resource_name"),
    _with_setting("resource_name", "epoch"),
    _with_setting("resource_name", "optimizer"),
)

PROFILES: Final[Mapping[str, Profile]] = {
    profile.algorithm: profile
    for profile in (
        Profile(
            "random",
            learns=False,
            latency=100.0,
            bad=(("random_state", "-1"),),
            abilities=_OF_METRICS,
        ),
        Profile(
            "grid",
            abilities=_OF_METRICS,
            standard=LATTICE,
            continuous=False,
            prior=False,
            learns=False,
            ends=True,
            latency=100.0,
            unfit=(
                Unfit("a double has no step", _stepless, ("stepless",)),
                Unfit("13 trials of 12 points", _too_many_trials, ("max_trial_count", "trial")),
            ),
        ),
        Profile(
            "sobol",
            learns=False,
            latency=100.0,
            bad=(("random_state", "x"),),
            abilities=_OF_METRICS,
        ),
        Profile(
            "nsga2",
            abilities=_OF_METRICS,
            learns=False,  # half of the check's 40 trials are its first generation, which is random
            good=({"population_size": "10", "eta_c": "5", "mutation_probability": "0.5"},),
            bad=(
                ("population_size", "1"),
                ("crossover_probability", "1.5"),
                ("mutation_probability", "0"),
                ("eta_m", "0"),
            ),
        ),
        Profile("tpe", good=_TPE_GOOD, bad=_TPE_BAD, abilities=_OF_METRICS | {"prior_trials"}),
        Profile(
            "multivariate-tpe",
            good=_TPE_GOOD,
            bad=_TPE_BAD,
            abilities=_OF_METRICS | {"prior_trials"},
        ),
        Profile(
            "bayesianoptimization",
            abilities=_OF_METRICS | {"prior_trials"},
            latency=5000.0,
            good=(
                {"base_estimator": "GP", "n_initial_points": "5", "acq_func": "EI"},
                {"acq_func": "LCB", "acq_optimizer": "sampling", "random_state": "10"},
            ),
            bad=(
                ("base_estimator", "GPX"),
                ("n_initial_points", "-1"),
                ("acq_func", "best"),
                ("acq_optimizer", "newton"),
            ),
        ),
        Profile(
            "cmaes",
            abilities=_OF_POINTS | {"metric_constraints"},
            prior=False,  # the first generation is a normal distribution around the middle
            good=({"sigma": "0.2", "restart_strategy": "ipop"}, {"restart_strategy": "none"}),
            bad=(("sigma", "0"), ("sigma", "wide"), ("restart_strategy", "always")),
            unfit=(Unfit("only one parameter is a number", _one_number, ("parameter",)),),
        ),
        Profile(
            "anneal",
            abilities=_OF_SPACES,
            good=({"avg_best_idx": "1.5", "shrink_coef": "0.2"},),
            bad=(("avg_best_idx", "0"), ("shrink_coef", "-1")),
            memory=250,  # hyperopt's own imports
        ),
        Profile(
            "hyperband",
            abilities=_OF_SPACES,
            settings=_RUNGS,
            extra=(_EPOCHS,),
            resource="epochs",
            maximum=27,
            learns=False,  # it spends less on each trial, so their number is no measure
            good=({"eta": "2"},),
            bad=(("eta", "1"), ("r_l", "0"), ("r_l", "many")),
            unfit=_RUNGS_UNFIT,
        ),
        Profile(
            "asha",
            abilities=_OF_SPACES,
            settings=_RUNGS,
            extra=(_EPOCHS,),
            resource="epochs",
            maximum=27,
            learns=False,
            good=({"r_min": "3", "brackets": "2"},),
            bad=(("eta", "1"), ("r_l", "0"), ("r_min", "0"), ("brackets", "0")),
            unfit=_RUNGS_UNFIT,
        ),
        Profile(
            "pbt",
            abilities=_OF_SPACES,
            settings={
                "suggestion_trial_dir": "/tmp/suggestion-conformance",
                "n_population": "10",
                "truncation_threshold": "0.25",
            },
            distinct=False,  # a member may keep its parent's values
            learns=False,
            good=({"resample_probability": "0.25"}, {"truncation_threshold": "0.5"}),
            bad=(
                ("n_population", "4"),
                ("truncation_threshold", "-0.1"),
                ("resample_probability", "2"),
            ),
            unfit=(
                _without_setting("suggestion_trial_dir"),
                _without_setting("n_population"),
                _without_setting("truncation_threshold"),
            ),
        ),
        Profile(
            "enas",
            network=Architectures,
            standard=(),
            prior=False,  # skip connections are as frequent as a setting says
            good=(
                {"controller_hidden_size": "32", "controller_skip_target": "0.2"},
                {"controller_temperature": "None", "controller_skip_weight": "None"},
            ),
            bad=(
                ("controller_hidden_size", "0"),
                ("controller_temperature", "-1"),
                ("controller_baseline_decay", "1.5"),
                ("controller_skip_target", "often"),
            ),
            unfit=_NETWORKS_UNFIT,
        ),
        Profile(
            "darts",
            network=Cells,
            standard=(),
            seed="",  # it suggests the same in every trial
            prior=False,
            distinct=False,
            learns=False,
            latency=100.0,
            good=({"num_epochs": "5", "batch_size": "None"}, {"w_lr": "0.1", "init_channels": "8"}),
            bad=(("num_epochs", "0"), ("w_lr", "-0.1"), ("batch_size", "0"), ("num_nodes", "two")),
            unfit=(
                *_NETWORKS_UNFIT,
                Unfit("an operation with two parameters", _two_filters, ("second_filter",)),
            ),
        ),
    )
}


def profile_of(
    algorithm: str,
    *,
    like: str | None = None,
    settings: Mapping[str, str] | None = None,
    parameters: Specs = (),
) -> Profile:
    """Return the profile of `algorithm`.

    Args:
        like: Name of the algorithm whose row of the table is used; its own if None. Without a row
            the profile is generic: a learning algorithm that has no settings.
        settings: Override those of the profile.
        parameters: Replace the standard ones, if given. In a multi-fidelity algorithm the settings
            `resource_name` and `r_l` say which of them is the resource, and its maximum.

    Raises:
        LookupError: `like` has no row.
    """
    if like is not None and like not in PROFILES:
        raise LookupError(f"there is no profile {like!r}; there is {', '.join(PROFILES)}")
    profile = PROFILES.get(like or algorithm, Profile(algorithm, seed=""))
    if algorithm != profile.algorithm:
        profile = dataclasses.replace(profile, algorithm=algorithm)
    if settings:
        profile = dataclasses.replace(profile, settings={**profile.settings, **settings})
    if parameters and profile.resource:
        resource = profile.settings.get("resource_name", profile.resource)
        profile = dataclasses.replace(
            profile,
            resource=resource,
            maximum=int(float(profile.settings.get("r_l", profile.maximum))),
            standard=tuple(p for p in parameters if p.name != resource),
            extra=tuple(p for p in parameters if p.name == resource),
        )
    elif parameters:
        profile = dataclasses.replace(profile, standard=parameters, extra=())
    return profile
