"""An experiment handed to Optuna's storage, for its dashboard and its plots."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from suggestion.client.numbers import finite
from suggestion.client.parameters import is_listed, parameters_of
from suggestion.controller import objectives
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.views import status

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

_ATTRIBUTE: Final = "suggest:trial"
_VIOLATED: Final = 1e300  # in place of infinity, which databases do not keep


def to_optuna(directory: Path, url: str) -> tuple[str, int]:
    """Adds the finished trials that are not there yet.

    Returns:
        Name of the study, and the number of trials added.

    Raises:
        ModuleNotFoundError: If Optuna is not installed.
        ValueError: If there is no database at `url`, or in it a study of this name with other
            directions; or if a trial has a whole number above 2^53 that Optuna would change.
    """
    import optuna  # noqa: PLC0415
    from optuna.study import StudyDirection  # noqa: PLC0415

    experiment, trials = status.load(directory)
    objective = objectives.read(experiment.document)
    space = distributions(experiment)
    finished = [trial for trial in trials if not trial.condition.active]
    _refuse_unkept(space, finished)
    directions = [
        StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        for maximize in objective.directions
    ]
    with closing_storage(url) as storage:
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=experiment.name,
                directions=directions,
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(before)
        if study.directions != directions:
            has = ", ".join(direction.name.lower() for direction in study.directions)
            raise ValueError(f"{url}: the study {experiment.name} is to {has}")
        known = {trial.user_attrs.get(_ATTRIBUTE) for trial in study.get_trials(deepcopy=False)}
        store = Store(directory)
        try:
            fresh = [
                _frozen(trial, objective, space, store.reports(trial.number))
                for trial in finished
                if trial.name not in known
            ]
        finally:
            store.close()
        study.add_trials(fresh)
        if len(directions) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([*objective.objectives])
        study.set_user_attr("suggest:algorithm", experiment.document["spec"]["algorithm"])
    return experiment.name, len(fresh)


@contextmanager
def closing_storage(url: str) -> Iterator[RDBStorage]:
    """Optuna's storage at `url`; Optuna itself leaves its connections open.

    Raises:
        ValueError: If there is no database to be had at `url`.
    """
    from optuna.storages import RDBStorage  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        storage = RDBStorage(url)
    except (SQLAlchemyError, ImportError) as error:  # the latter: no driver
        why = str(error.__cause__ if isinstance(error, ImportError) and error.__cause__ else error)
        raise ValueError(f"{url}: {why.splitlines()[0]}") from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def distributions(experiment: Experiment) -> dict[str, BaseDistribution]:
    """The search space in Optuna's words; a discrete parameter is a choice of numbers.

    Parameters whose values cannot be listed are left out.
    """
    from optuna import distributions as of  # noqa: PLC0415

    space: dict[str, BaseDistribution] = {}
    for parameter in filter(is_listed, parameters_of(experiment.document)):
        feasible: Mapping[str, Any] = parameter["feasibleSpace"]
        log = feasible.get("distribution") in {"logUniform", "logNormal"}
        kind = parameter["parameterType"]
        made: BaseDistribution
        with warnings.catch_warnings():
            # "The range is not divisible by step": Optuna lowers the end to the last point.
            warnings.simplefilter("ignore")
            if kind == "categorical":
                made = of.CategoricalDistribution(tuple(feasible["list"]))
            elif kind == "discrete":
                made = of.CategoricalDistribution(tuple(float(text) for text in feasible["list"]))
            elif kind == "int":
                low, high = _whole(feasible["min"]), _whole(feasible["max"])
                step = _whole(feasible.get("step") or "1")
                made = of.IntDistribution(low, high, log, 1 if log else step)
            else:
                ends = float(feasible["min"]), float(feasible["max"])
                width = float(feasible["step"]) if feasible.get("step") else None
                made = of.FloatDistribution(*ends, log, None if log else width)
        space[parameter["name"]] = made
    return space


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # 3.0, 1e3
        return int(Decimal(text.strip()))


def _refuse_unkept(space: Mapping[str, BaseDistribution], trials: Sequence[Trial]) -> None:
    """Raise ValueError if a trial has a whole number that is no float, as Optuna keeps it."""
    from optuna.distributions import IntDistribution  # noqa: PLC0415

    names = [name for name, made in space.items() if isinstance(made, IntDistribution)]
    for trial in trials:
        for name in names:
            number = _whole(trial.assignment[name])
            if int(float(number)) != number:
                raise ValueError(
                    f"parameter {name!r}: Optuna's storage keeps numbers as floats, which would "
                    f"change a whole number above 2^53, got {number} in trial {trial.name}; "
                    "'suggest trials' lists them exactly"
                )


def _frozen(
    trial: Trial,
    objective: Objective,
    space: Mapping[str, BaseDistribution],
    reports: Sequence[Report],
) -> FrozenTrial:
    from optuna import distributions as of  # noqa: PLC0415
    from optuna.trial import TrialState, create_trial  # noqa: PLC0415

    parameters: dict[str, Any] = {}
    for name, made in space.items():
        text = trial.assignment[name]
        if isinstance(made, of.IntDistribution):
            parameters[name] = _whole(text)
        elif isinstance(made, of.FloatDistribution):
            parameters[name] = float(text)
        else:
            assert isinstance(made, of.CategoricalDistribution)
            numeric = isinstance(made.choices[0], float)
            parameters[name] = float(text) if numeric else text
    values = [finite(report.value) for report in reports if report.metric == objective.metric]
    found = objective.values(trial.series)
    state = TrialState.FAIL
    if trial.condition is Condition.SUCCEEDED and found is not None:
        state = TrialState.COMPLETE
    elif trial.condition is Condition.EARLY_STOPPED:
        state = TrialState.PRUNED
    several = len(objective.objectives) > 1
    violations = [min(each, _VIOLATED) for each in objective.violations(trial.series)]
    frozen = create_trial(
        state=state,
        values=None if state is TrialState.FAIL else found,
        params=parameters,
        distributions=dict(space),
        user_attrs={
            _ATTRIBUTE: trial.name,
            **{name: text for name, text in trial.assignment.items() if name not in space},
            **dict(objective.observed(trial.series)),
        },
        # A study of several objectives has no intermediate values.
        intermediate_values={}
        if several
        else {step: known for step, known in enumerate(values) if known is not None},
        # What its samplers read: at most 0 where a constraint is met.
        system_attrs={"constraints": violations} if violations else None,
    )
    if trial.started:
        # Optuna keeps local times without a zone.
        frozen.datetime_start = (
            datetime.fromisoformat(trial.started).astimezone().replace(tzinfo=None)
        )
    if trial.completed:
        frozen.datetime_complete = (
            datetime.fromisoformat(trial.completed).astimezone().replace(tzinfo=None)
        )
    return frozen
