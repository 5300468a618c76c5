"""What a file does not say and an Experiment needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from suggestion.conversion.definition import Definition, Loss, aliases, plain_name, reference

_TRIALS: Final = 20
# Settings that say what is to be optimised, whatever the algorithm.
_OF_ANY: Final = frozenset({"objectives", "metric_constraints", "parameter_constraints"})


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user says, which goes before what the file says; None: nothing.

    Attributes:
        command: Words of a trial's command, before the parameters.
    """

    name: str | None = None
    metric: str | None = None
    maximize: bool | None = None
    algorithm: str | None = None
    trials: int | None = None
    parallel: int | None = None
    command: tuple[str, ...] | None = None


def completed(
    made: Definition, choices: Choices, stem: str, *, bounded: bool = False
) -> tuple[Definition, list[Loss]]:
    """Return a definition that has all that an Experiment needs, and what was made up for it.

    Args:
        stem: Of the file, for a name.
        bounded: Whether the system has no number of trials of its own.
    """
    told: list[Loss] = []

    def made_up(place: str, value: object) -> None:
        told.append(Loss(place, f"the file has none; it is {value}"))

    settings = dict(made.settings)
    if choices.algorithm:
        settings = {key: text for key, text in settings.items() if key in _OF_ANY}
        told += [
            Loss("algorithm settings", f"of {made.algorithm or 'no algorithm'}, left out: {key}")
            for key in made.settings
            if key not in settings
        ]
    made = replace(
        made,
        name=choices.name or made.name,
        metric=choices.metric or made.metric,
        maximize=made.maximize if choices.maximize is None else choices.maximize,
        algorithm=choices.algorithm or made.algorithm,
        settings=settings,
        trials=choices.trials or made.trials,
        parallel=choices.parallel or made.parallel,
    )
    if not made.name:
        made = replace(made, name=plain_name(stem) or "study")
        made_up("metadata.name", made.name)
    if not made.metric:
        made = replace(made, metric="loss")
        made_up("objective.objectiveMetricName", made.metric)
    if made.maximize is None:
        made = replace(made, maximize=False)
        made_up("objective.type", "minimize")
    if not made.algorithm:
        made = replace(made, algorithm="random")
        made_up("algorithm.algorithmName", made.algorithm)
    if bounded and made.trials is None:
        made = replace(made, trials=_TRIALS)
        made_up("maxTrialCount", made.trials)
    if made.parallel is not None and made.trials is not None and made.parallel > made.trials:
        told.append(Loss("parallelTrialCount", f"is at most maxTrialCount, {made.trials}"))
        made = replace(made, parallel=made.trials)
    if choices.command is not None or (made.template is None and not made.command):
        names = aliases([parameter.name for parameter in made.parameters])
        words = choices.command or ("python", "train.py")
        flags = {name: name if name.startswith("-") else f"--{name}" for name in names}
        words += tuple(f"{flags[name]}={reference(alias)}" for name, alias in names.items())
        made = replace(made, command=words, template=None)
        if choices.command is None:
            made_up("trialTemplate", " ".join(words))
    return made, told
