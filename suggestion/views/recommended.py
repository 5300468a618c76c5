"""Which trial of an experiment a model recommends, where that is another than the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from suggestion.controller import messages, objectives, standings
from suggestion.controller.experiment import Experiment
from suggestion.controller.trials import Trial

if TYPE_CHECKING:
    from suggestion.engine.recommending import Recommendation
    from suggestion.problem.problem import Problem


@dataclass(frozen=True, slots=True)
class Recommended:
    """A trial that is recommended in place of the best one.

    Attributes:
        trial: The trial.
        estimate: Estimate of its main objective without noise.
        deviation: Standard deviation of the estimate, at least 0.
    """

    trial: Trial
    estimate: float
    deviation: float


def find(experiment: Experiment, trials: Sequence[Trial]) -> Recommended | None:
    """Return the trial that the algorithm recommends in place of the best one; None if none.

    The algorithm must be installed here. See `suggestion.engine.recommending`.
    """
    objective = objectives.read(experiment.document)
    best = standings.best(trials, objective)
    if best is None or len(objective.objectives) > 1:
        return None
    made = _recommendation(experiment, best, [t for t in trials if not t.condition.active])
    if made is None:
        return None
    found, problem = made
    named = {trial.name: trial for trial in trials}
    # A loss is the objective, or its negative.
    estimate = problem.objectives[0].loss(found.loss)
    return Recommended(named[found.trial.trial], estimate, found.deviation)


def _recommendation(
    experiment: Experiment, best: Trial, ended: Sequence[Trial]
) -> tuple[Recommendation, Problem] | None:
    from suggestion.api.v1beta1 import messages as wire  # noqa: PLC0415  (imports NumPy)
    from suggestion.api.v1beta1 import trial_messages  # noqa: PLC0415
    from suggestion.client.algorithm_check import scratch  # noqa: PLC0415
    from suggestion.engine.algorithm import algorithms  # noqa: PLC0415
    from suggestion.engine.engine import Engine  # noqa: PLC0415
    from suggestion.problem.errors import Invalid, Unready  # noqa: PLC0415

    objective = objectives.read(experiment.document)
    message = wire.write_experiment(experiment.document)
    try:
        with scratch():
            prepared = Engine(algorithms()).prepare(
                wire.read_problem(message), wire.read_algorithm(message.spec.algorithm)
            )
    except (Invalid, Unready, OSError):
        # Another server's algorithm, settings that another version reads, no temporary folder.
        return None
    written = [messages.trial(trial, objective) for trial in ended]
    problem = prepared.problem
    found = prepared.recommend(best.name, trial_messages.read_trials(written, problem))
    return None if found is None else (found, problem)
