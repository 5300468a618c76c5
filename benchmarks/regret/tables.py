"""scikit-learn models on its bundled data sets, cross-validated once on a lattice and stored.

A cross-validation takes from milliseconds to a second, and a comparison needs a hundred thousand
of them. So each model was scored once at every point of a lattice of its settings; between the
points of a numeric setting the loss is interpolated linearly in the unit coordinate. The lowest
loss is then at a lattice point and known exactly. ``python -m benchmarks.regret tabulate`` computes
the files anew.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter, Value
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace

FOLDER: Final = Path(__file__).parent / "tables"
LOG: Final = Distribution.LOG_UNIFORM
Axis: TypeAlias = tuple[Parameter, tuple[Value, ...]]


@dataclass(frozen=True)
class Model:
    """What is tabulated.

    Attributes:
        axes: Each parameter and the values at which it is scored, ascending where it has an order.
        score: From one value for each axis but those in `scanned` to the losses along the scanned
            ones, shape (number of values of the scanned axis,) or ().
        scanned: Name of an axis whose values all come out of one fit; it is the last one.
    """

    axes: tuple[Axis, ...]
    score: Callable[..., Any]
    scanned: str = ""

    @property
    def space(self) -> SearchSpace:
        return SearchSpace(tuple(parameter for parameter, _ in self.axes))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(values) for _, values in self.axes)


@dataclass(frozen=True)
class Table:
    """A model's losses on its lattice, callable as a loss."""

    model: Model
    losses: Array

    @property
    def space(self) -> SearchSpace:
        return self.model.space

    @property
    def best(self) -> float:
        return float(self.losses.min())

    @cached_property
    def _knots(self) -> list[Array]:
        return [parameter.encode(values) for parameter, values in self.model.axes]

    def __call__(self, assignment: Assignment) -> float:
        losses = self.losses
        for (parameter, values), knots in zip(self.model.axes, self._knots, strict=True):
            value = assignment[parameter.name]
            if value in values:
                losses = losses[values.index(value)]
                continue
            assert parameter.ordered, "every category is an axis value"
            at = float(parameter.encode([value])[0])
            right = int(np.clip(np.searchsorted(knots, at), 1, len(knots) - 1))
            width = knots[right] - knots[right - 1]
            share = min(max((at - knots[right - 1]) / width, 0.0), 1.0)
            losses = (1 - share) * losses[right - 1] + share * losses[right]
        return float(losses)


def _log_double(name: str, low: float, high: float, points: int) -> Axis:
    values = np.exp(np.linspace(math.log(low), math.log(high), points))
    values[0], values[-1] = low, high
    return Double(name, low, high, distribution=LOG), tuple(values.tolist())


def _double(name: str, low: float, high: float, points: int) -> Axis:
    return Double(name, low, high), tuple(np.linspace(low, high, points).tolist())


def _int(name: str, values: Sequence[int], log: bool = False) -> Axis:
    distribution = LOG if log else Distribution.UNIFORM
    return Int(name, values[0], values[-1], distribution=distribution), tuple(values)


def _category(name: str, *values: str) -> Axis:
    return Categorical(name, values), values


def _discrete(name: str, *values: str) -> Axis:
    return Discrete(name, values), tuple(float(value) for value in values)


def _cross_validated(
    model: Any, data: str, rows: int | None = None, scoring: str | None = None
) -> float:
    """1 - mean score of 3 folds, on `rows` of the data set."""
    import warnings  # noqa: PLC0415

    import sklearn.datasets  # noqa: PLC0415
    from sklearn.model_selection import KFold, cross_val_score  # noqa: PLC0415

    x, y = getattr(sklearn.datasets, f"load_{data}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[:rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that did not converge
        scores = cross_val_score(model, x[order], y[order], cv=KFold(3), scoring=scoring)
    return 1 - float(np.mean(scores))


def _svm(x: Mapping[str, Any]) -> float:
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import MinMaxScaler  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    model = SVC(C=x["C"], gamma=x["gamma"], kernel=x["kernel"], cache_size=50)
    return _cross_validated(make_pipeline(MinMaxScaler(), model), "digits", 500)


def _boosting(x: Mapping[str, Any]) -> Array:
    """1 - R2 after every listed number of trees."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415
    from sklearn.metrics import r2_score  # noqa: PLC0415
    from sklearn.model_selection import KFold  # noqa: PLC0415

    data, target = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(target))
    data, target = data[order], target[order]
    scores = np.zeros(len(_TREES))
    for train, test in KFold(3).split(data):
        model = GradientBoostingRegressor(
            learning_rate=x["learning_rate"],
            max_depth=x["max_depth"],
            subsample=x["subsample"],
            min_samples_leaf=int(x["min_samples_leaf"]),
            n_estimators=_TREES[-1],
            random_state=0,
        ).fit(data[train], target[train])
        staged = list(model.staged_predict(data[test]))
        scores += [r2_score(target[test], staged[n - 1]) / 3 for n in _TREES]
    return 1 - scores


def _forest(x: Mapping[str, Any]) -> float:
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415

    model = ExtraTreesClassifier(
        n_estimators=x["n_estimators"],
        max_depth=x["max_depth"],
        max_features=x["max_features"],
        min_samples_leaf=int(x["min_samples_leaf"]),
        criterion=x["criterion"],
        random_state=0,
    )
    return _cross_validated(model, "breast_cancer", scoring="neg_log_loss")


def _linear(x: Mapping[str, Any]) -> float:
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = SGDClassifier(
        loss=x["loss"],
        penalty=x["penalty"],
        alpha=x["alpha"],
        eta0=x["eta0"],
        learning_rate="invscaling",
        power_t=x["power_t"],
        max_iter=15,
        tol=None,
        random_state=0,
    )
    return _cross_validated(make_pipeline(StandardScaler(), model), "digits", 400)


def _network(x: Mapping[str, Any]) -> float:
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = MLPClassifier(
        hidden_layer_sizes=(x["width"],),
        activation=x["activation"],
        learning_rate_init=x["rate"],
        alpha=x["alpha"],
        momentum=x["momentum"],
        solver="sgd",
        batch_size=32,
        max_iter=12,
        random_state=0,
    )
    return _cross_validated(make_pipeline(StandardScaler(), model), "wine", scoring="neg_log_loss")


_TREES: Final = (5, 10, 20, 40, 80, 160)

MODELS: Final[Mapping[str, Model]] = {
    "svm-digits": Model(
        (
            _log_double("C", 1e-3, 1e3, 13),
            _log_double("gamma", 1e-4, 1e2, 13),
            _category("kernel", "rbf", "poly", "sigmoid"),
        ),
        _svm,
    ),
    "boosting-diabetes": Model(
        (
            _log_double("learning_rate", 1e-3, 1.0, 7),
            _int("max_depth", (1, 2, 4, 7)),
            _double("subsample", 0.3, 1.0, 3),
            _discrete("min_samples_leaf", "1", "5", "20", "50"),
            _int("n_estimators", _TREES, log=True),
        ),
        _boosting,
        scanned="n_estimators",
    ),
    "forest-cancer": Model(
        (
            _int("n_estimators", (2, 5, 12, 30), log=True),
            _int("max_depth", (1, 2, 4, 8, 16)),
            _double("max_features", 0.05, 1.0, 5),
            _discrete("min_samples_leaf", "1", "2", "5", "10", "30"),
            _category("criterion", "gini", "entropy"),
        ),
        _forest,
    ),
    "linear-digits": Model(
        (
            _log_double("alpha", 1e-7, 1e0, 7),
            _log_double("eta0", 1e-5, 1e1, 7),
            _double("power_t", 0.0, 1.0, 3),
            _category("penalty", "l2", "l1", "elasticnet"),
            _category("loss", "hinge", "log_loss", "modified_huber"),
        ),
        _linear,
    ),
    "network-wine": Model(
        (
            _int("width", (1, 2, 4, 8, 16, 32), log=True),
            _log_double("rate", 1e-4, 1e0, 8),
            _log_double("alpha", 1e-6, 1e1, 3),
            _double("momentum", 0.0, 0.99, 3),
            _category("activation", "relu", "tanh", "logistic"),
        ),
        _network,
    ),
}


def compute(name: str) -> Array:
    """Losses of `name` at every point of its lattice: minutes of computing."""
    model = MODELS[name]
    axes = [(p.name, values) for p, values in model.axes if p.name != model.scanned]
    rows = [
        model.score(dict(zip((axis for axis, _ in axes), point, strict=True)))
        for point in itertools.product(*(values for _, values in axes))
    ]
    # Losses of diverged models are cut: one of 1e10 would make all others alike.
    losses = np.nan_to_num(np.array(rows, dtype=np.float64), nan=np.inf, posinf=np.inf)
    worst = np.quantile(losses[np.isfinite(losses)], 0.9) * 2
    return np.minimum(losses, worst).reshape(model.shape)


def store(name: str) -> Path:
    """Computes the table of `name` and writes it."""
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, losses=compute(name).astype(np.float32))
    return path


def load(name: str) -> Table:
    """The stored table of `name`."""
    with np.load(FOLDER / f"{name}.npz") as data:
        return Table(MODELS[name], data["losses"].astype(np.float64))
