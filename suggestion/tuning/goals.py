"""What is optimised, and by which algorithm, as calls say it; and as an Experiment says it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space

#: Name of the objective where the user gives none.
VALUE: Final = "value"
#: Setting of an algorithm: trials that it learns from.
PRIOR_TRIALS: Final = "prior_trials"
API_VERSION: Final = "kubeflow.org/v1beta1"

#: What ``minimize`` and ``maximize`` take: a metric's name; True for `VALUE`.
Direction: TypeAlias = str | bool | None
#: Settings of an algorithm or a rule, with values of their own types or as text.
Settings: TypeAlias = Mapping[str, str | float | bool | None]


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that is optimised.

    Attributes:
        metric: Its name.
        maximize: Whether more is better.
        goal: Value at which to end; None without one.
    """

    metric: str = VALUE
    maximize: bool = False
    goal: float | None = None


def read_objective(
    minimize: Direction, maximize: Direction, goal: float | None = None
) -> Objective:
    """Return the objective that the arguments of a call name.

    Raises:
        InvalidArgument: If there are both or several, or a name is empty.
    """
    broken = []
    for name, given in (("minimize", minimize), ("maximize", maximize)):
        if given is None or isinstance(given, bool):
            continue
        if not isinstance(given, str) and isinstance(given, Iterable):
            rule = f"several objectives are not supported yet, got {given!r:.80}"
            broken.append(BrokenRule(name, rule))
        elif not isinstance(given, str) or not given:
            broken.append(BrokenRule(name, f"must be the name of a metric, got {given!r:.80}"))
    if maximize and minimize:
        rule = f"must not be given together with minimize, got {maximize!r} and {minimize!r}"
        broken.append(BrokenRule("maximize", rule))
    real = isinstance(goal, int | float) and not isinstance(goal, bool)
    if goal is not None and not (real and math.isfinite(goal)):
        broken.append(BrokenRule("goal", f"must be a finite number, got {goal!r}"))
    if broken:
        raise InvalidArgument(broken)
    chosen = maximize or minimize
    return Objective(chosen if isinstance(chosen, str) else VALUE, bool(maximize), goal)


@dataclass(frozen=True, slots=True)
class Method:
    """An algorithm or an early-stopping rule with its settings as text."""

    name: str
    settings: Mapping[str, str]

    @classmethod
    def of(cls, name: str, settings: Settings | None, seed: int | None = None) -> Method:
        """Return the method; a seed becomes its setting ``random_state``."""
        texts = {key: _text(value) for key, value in (settings or {}).items()}
        if seed is not None:
            texts = {"random_state": str(seed), **texts}
        return cls(name, texts)

    def learning(self, text: str) -> Method:
        """Return the method with the setting ``prior_trials``; itself if `text` is empty.

        Raises:
            InvalidArgument: If the setting is given already.
        """
        if not text:
            return self
        if PRIOR_TRIALS in self.settings:
            rule = f"must not be given together with settings[{PRIOR_TRIALS!r}]"
            raise InvalidArgument([BrokenRule("learn_from", rule)])
        return Method(self.name, {**self.settings, PRIOR_TRIALS: text})

    def declaration(self) -> dict[str, object]:
        """Return the method as an Experiment file has it."""
        made: dict[str, object] = {"algorithmName": self.name}
        if self.settings:
            made["algorithmSettings"] = [
                {"name": name, "value": value} for name, value in self.settings.items()
            ]
        return made


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def experiment(
    name: str,
    space: Space,
    objective: Objective,
    algorithm: Method,
    stopping: Method | None = None,
    *,
    strategy: str | None = None,
    parallel: int | None = None,
    trials: int | None = None,
) -> dict[str, object]:
    """Return the Experiment document, without a trial template, that the arguments describe.

    Scalars are texts, as `suggestion.client.manifest` reads them.

    Args:
        strategy: Which report of the objective counts: ``min``, ``max`` or ``latest``.
    """
    stated: dict[str, object] = {
        "type": "maximize" if objective.maximize else "minimize",
        "objectiveMetricName": objective.metric,
    }
    if objective.goal is not None:
        stated["goal"] = repr(float(objective.goal))
    if strategy is not None:
        stated["metricStrategies"] = [{"name": objective.metric, "value": strategy}]
    spec: dict[str, object] = {"objective": stated, "algorithm": algorithm.declaration()}
    if stopping is not None:
        spec["earlyStopping"] = stopping.declaration()
    for key, count in (("parallelTrialCount", parallel), ("maxTrialCount", trials)):
        if count is not None:
            spec[key] = str(count)
    spec["parameters"] = space.declarations()
    return {
        "apiVersion": API_VERSION,
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": spec,
    }
