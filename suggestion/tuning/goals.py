"""By which algorithm something is optimised, as calls say it; and all as an Experiment says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.objectives import Objective
from suggestion.tuning.space import Space

#: Setting of an algorithm: trials that it learns from.
PRIOR_TRIALS: Final = "prior_trials"
#: Setting of an algorithm: its random seed.
RANDOM_STATE: Final = "random_state"
_CHECKPOINTS: Final = "suggestion_trial_dir"
API_VERSION: Final = "kubeflow.org/v1beta1"

#: Settings of an algorithm or a rule, with values of their own types or as text.
Settings: TypeAlias = Mapping[str, str | float | bool | None]


@dataclass(frozen=True, slots=True)
class Method:
    """An algorithm or an early-stopping rule with its settings as text.

    Attributes:
        declared: Settings that are arguments of the same name.
    """

    name: str
    settings: Mapping[str, str]
    declared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, name: str, settings: Settings | None, seed: int | None = None) -> Method:
        """Return the method; a seed becomes its setting ``random_state``.

        Raises:
            InvalidArgument: If `settings` is no mapping, or holds another seed.
        """
        if settings is not None and not isinstance(settings, Mapping):
            rule = f"must map names to values, got {settings!r:.80}"
            raise InvalidArgument([BrokenRule("settings", rule)])
        texts = {key: _text(value) for key, value in (settings or {}).items()}
        if seed is not None:
            if RANDOM_STATE in texts:
                rule = f"must not be given together with settings[{RANDOM_STATE!r}]"
                raise InvalidArgument([BrokenRule("seed", rule)])
            texts = {RANDOM_STATE: str(seed), **texts}
        return cls(name, texts)

    def declaring(self, objective: Objective) -> Method:
        """Return the method with the settings that tell of several objectives, and of bounds.

        Raises:
            InvalidArgument: With each of them that is given already.
        """
        added = objective.settings
        broken = [
            BrokenRule(name, f"must not be given together with settings[{name!r}]")
            for name in added
            if name in self.settings
        ]
        if broken:
            raise InvalidArgument(broken)
        return Method(self.name, {**self.settings, **added}, frozenset(added)) if added else self

    def without_checkpoints(self) -> Method:
        """Return the method itself, for runners that hand no checkpoints from trial to trial.

        Raises:
            InvalidArgument: If it needs them.
        """
        if self.name == "pbt" or _CHECKPOINTS in self.settings:
            rule = "pbt hands checkpoints from trial to trial, which needs suggest run"
            raise InvalidArgument([BrokenRule("algorithm", rule)])
        return self

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
        return replace(self, settings={**self.settings, PRIOR_TRIALS: text})

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
        strategy: Which report of each metric counts: ``min``, ``max`` or ``latest``.
    """
    stated: dict[str, object] = {
        "type": "maximize" if objective.maximize else "minimize",
        "objectiveMetricName": objective.metric,
    }
    if objective.goal is not None:
        stated["goal"] = repr(float(objective.goal))
    additional = objective.additional
    if additional:
        stated["additionalMetricNames"] = [*additional]
    if strategy is not None:
        names = (objective.metric, *additional)
        stated["metricStrategies"] = [{"name": name, "value": strategy} for name in names]
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
