"""How much each parameter matters, as far as a model of the trials can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from suggestion.client.numbers import finite
from suggestion.client.parameters import is_architecture, parameters_of
from suggestion.controller import objectives
from suggestion.controller.activity import active_texts, inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.trials import JUDGED, Trial
from suggestion.views.web.document import Json

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Fewer trials say nothing about a parameter.
_LEAST: Final = 10
#: More make it slow and hardly better.
_MOST: Final = 2000
_FOLDS: Final = 5
_REPEATS: Final = 4
_TREES: Final = 60


def importance(experiment: Experiment, trials: Sequence[Trial]) -> Json:
    """Return the permutation importance of each parameter for the objective.

    A forest of extremely randomised trees learns the ranks of the objective, which one diverged
    trial does not spoil, from four fifths of the trials. On the rest, the values of one parameter
    are shuffled: its importance is the loss in explained variance. The uncertainty is the standard
    deviation over folds and shuffles.

    Returns:
        ``parameters`` with name, mean and deviation, ``explained``, the part of the variance that
        the model explains of trials it has not seen, and ``trials``, their number; or ``error``.

    Breiman, "Random Forests", 2001, section 10; Geurts et al., "Extremely randomized trees", 2006.
    """
    if is_architecture(experiment.document):
        return {"error": "an architecture is one value, not several parameters to compare"}
    objective = objectives.read(experiment.document)
    judged = [
        (trial, value)
        for trial in trials
        if trial.condition in JUDGED and (value := objective.value(trial.series)) is not None
    ]
    if len(judged) < _LEAST:
        return {"error": f"needs at least {_LEAST} trials with a value, got {len(judged)}"}
    if len(judged) > _MOST:
        places = np.linspace(0, len(judged) - 1, _MOST).astype(int)
        judged = [judged[place] for place in places]
    values = np.array([value for _, value in judged])
    if values.min() == values.max():
        return {"error": "all trials have the same value"}
    space = parameters_of(experiment.document)
    inactive = inactive_of(experiment.document)
    assignments = [active_texts(trial.assignment, inactive) for trial, _ in judged]
    groups = [_columns(entry, assignments) for entry in space]
    try:
        explained, losses = _losses(groups, values)
    except ImportError:
        return {"error": "needs scikit-learn: pip install 'suggestion-servers[ui]'"}
    return {
        "parameters": [
            {"name": entry["name"], "mean": float(of.mean()), "deviation": float(of.std())}
            for entry, of in zip(space, losses, strict=True)
        ],
        "explained": float(explained),
        "trials": len(judged),
    }


def _columns(entry: Any, assignments: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    """Return one parameter as columns, of shape (trials, columns): a category is a column."""
    texts = [assignment.get(entry["name"]) for assignment in assignments]
    if entry["parameterType"] == "categorical":
        categories = [str(text) for text in entry["feasibleSpace"]["list"]]
        return np.array([[float(text == category) for category in categories] for text in texts])
    numbers = [None if text is None else finite(text) for text in texts]
    # Ranks, since trees keep numbers in 32 bits; an inactive parameter is below all.
    known = np.unique([number for number in numbers if number is not None])
    return np.array(
        [[-1.0 if number is None else np.searchsorted(known, number)] for number in numbers],
        dtype=float,
    )


def _losses(
    groups: Sequence[NDArray[np.float64]], values: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the explained variance, and its losses, of shape (parameters, folds x repeats)."""
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415

    random = np.random.default_rng(0)
    ranks = _ranks(values)
    table = np.hstack(groups)
    ends = np.cumsum([group.shape[1] for group in groups])
    begins = ends - [group.shape[1] for group in groups]
    folds = np.array_split(random.permutation(len(values)), _FOLDS)
    losses = np.zeros((len(groups), _FOLDS * _REPEATS))
    total = residual = 0.0
    for number, held_out in enumerate(folds):
        seen = np.setdiff1d(np.arange(len(values)), held_out)
        model = ExtraTreesRegressor(n_estimators=_TREES, min_samples_leaf=2, random_state=number)
        model.fit(table[seen], ranks[seen])
        truth = ranks[held_out]
        spread = float(np.sum((truth - truth.mean()) ** 2)) or 1.0
        wrong = float(np.sum((truth - model.predict(table[held_out])) ** 2))
        total, residual = total + spread, residual + wrong
        for repeat in range(_REPEATS):
            order = random.permutation(len(held_out))
            for place, (begin, end) in enumerate(zip(begins, ends, strict=True)):
                shuffled = table[held_out]
                shuffled[:, begin:end] = shuffled[order, begin:end]
                worse = float(np.sum((truth - model.predict(shuffled)) ** 2))
                losses[place, number * _REPEATS + repeat] = (worse - wrong) / spread
    return 1.0 - residual / total, losses


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of `values`, shape (n,), from 0 to 1; equal ones share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    after = np.cumsum(counts)
    means = after - (counts + 1) / 2
    return np.asarray(means[places] / (len(values) - 1))
