"""Problems with real hierarchies: scikit-learn models whose parameters depend on what is chosen.

Every branch (a model with its own parameters, say) was cross-validated once on a lattice of its
parameters and stored in ``hierarchies.npz``; between the points of a numeric parameter the loss is
interpolated, as in `benchmarks.regret.tables`. ``python -m benchmarks.hierarchies`` computes the
file anew, in about two minutes of CPU.

- ``kind of model``: a support vector machine, a forest or a linear model, each with its parameters;
- ``optimiser``: a network trained by SGD, Adam or L-BFGS, each with its parameters;
- ``layers``: a network of one to three layers with a width each;
- ``regression``: with or without principal components; ridge regression, boosting, or a support
  vector machine whose kernel may have a parameter of its own: nested conditions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from benchmarks.regret.tables import (
    Axis,
    Model,
    Table,
    _category,
    _cross_validated,
    _double,
    _int,
    _log_double,
)
from suggestion.problem.conditions import When
from suggestion.problem.expressions import parse
from suggestion.problem.lists import Categorical
from suggestion.problem.parameters import Value
from suggestion.problem.space import Assignment, SearchSpace

FILE: Final = Path(__file__).parent / "results" / "hierarchies.npz"

#: A parameter is active if another one has one of these values.
Need: TypeAlias = tuple[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Hierarchy:
    """A problem whose parameters depend on choices.

    Attributes:
        name: Its name.
        axes: All parameters, each after those that it depends on, and the values at which they
            were scored.
        needs: For each parameter that is not always active what it needs.
        score: From the active parameters to the loss.
    """

    name: str
    axes: tuple[Axis, ...]
    needs: Mapping[str, Need]
    score: Callable[[Mapping[str, Any]], float]

    @cached_property
    def flat(self) -> SearchSpace:
        """The space without conditions: every parameter is always active."""
        return SearchSpace(tuple(parameter for parameter, _ in self.axes))

    @cached_property
    def space(self) -> SearchSpace:
        """The space with its conditions."""
        flat = self.flat
        names = {p.name: p.values if isinstance(p, Categorical) else None for p in flat.parameters}
        conditions = []
        for child, (parent, values) in self.needs.items():
            if len(values) == 1:
                text = f"{parent} == {values[0]!r}"
            else:
                text = f"{parent} in ({', '.join(map(repr, values))})"
            conditions.append(When(child, parse(text, names)[0]))
        return replace(flat, conditions=tuple(conditions))

    def active(self, assignment: Mapping[str, Value]) -> dict[str, Value]:
        """Return the active parameters of an assignment of all of them."""
        found: dict[str, Value] = {}
        for parameter, _ in self.axes:
            need = self.needs.get(parameter.name)
            if need is None or found.get(need[0]) in need[1]:
                found[parameter.name] = assignment[parameter.name]
        return found

    @cached_property
    def branches(self) -> Mapping[tuple[Value, ...], Model]:
        """The lattice of each branch, by the values that decide which parameters are active."""
        parents = [(p, v) for p, v in self.axes if p.name in self._parents]
        found: dict[tuple[Value, ...], Model] = {}
        for values in itertools.product(*(v for _, v in parents)):
            given = dict(zip((p.name for p, _ in parents), values, strict=True))
            whole = {p.name: given.get(p.name, v[0]) for p, v in self.axes}
            active = self.active(whole)
            key = self._key(active)
            rest = tuple(a for a in self.axes if a[0].name in active and a[0].name not in given)
            fixed = {name: value for name, value in active.items() if name in given}

            def score(x: Mapping[str, Any], fixed: Mapping[str, Any] = fixed) -> float:
                return self.score({**fixed, **x})

            found[key] = Model(rest, score)
        return found

    @cached_property
    def _parents(self) -> frozenset[str]:
        return frozenset(parent for parent, _ in self.needs.values())

    def _key(self, active: Mapping[str, Value]) -> tuple[Value, ...]:
        return tuple(
            active[p.name] for p, _ in self.axes if p.name in active.keys() & self._parents
        )

    @cached_property
    def tables(self) -> Mapping[tuple[Value, ...], Table]:
        """The stored losses of each branch."""
        with np.load(FILE) as data:
            return {
                key: Table(model, data[f"{self.name}/{number}"].astype(np.float64))
                for number, (key, model) in enumerate(self.branches.items())
            }

    def loss(self, assignment: Assignment) -> float:
        """Return the loss of an assignment, which may lack inactive parameters."""
        whole = {p.name: assignment.get(p.name, v[0]) for p, v in self.axes}
        active = self.active(whole)
        return self.tables[self._key(active)](active)

    @cached_property
    def best(self) -> float:
        """The least loss; it is at a point of a lattice."""
        return min(table.best for table in self.tables.values())

    @cached_property
    def median(self) -> float:
        """The median loss of random draws."""
        points = np.random.default_rng(0).random((2001, self.flat.dimension))
        return float(np.median([self.loss(a) for a in self.flat.decode(points)]))

    def compute(self) -> dict[str, Any]:
        """Return the losses of every branch, on its lattice."""
        found = {}
        for number, model in enumerate(self.branches.values()):
            names = [p.name for p, _ in model.axes]
            rows = [
                model.score(dict(zip(names, point, strict=True)))
                for point in itertools.product(*(values for _, values in model.axes))
            ]
            losses = np.nan_to_num(np.array(rows), nan=np.inf, posinf=np.inf)
            worst = 2 * np.quantile(losses[np.isfinite(losses)], 0.9)  # of what diverged
            found[f"{self.name}/{number}"] = np.minimum(losses, worst).reshape(model.shape)
        return found


def _kind(x: Mapping[str, Any]) -> float:
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415
    from sklearn.linear_model import SGDClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import MinMaxScaler  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    if x["model"] == "svm":
        model = SVC(C=x["C"], gamma=x["gamma"], kernel=x["kernel"])
    elif x["model"] == "forest":
        model = ExtraTreesClassifier(
            n_estimators=x["trees"],
            max_depth=x["depth"],
            max_features=x["features"],
            random_state=0,
        )
    else:
        model = SGDClassifier(
            alpha=x["alpha"],
            penalty=x["penalty"],
            learning_rate="constant",
            eta0=x["rate"],
            max_iter=10,
            tol=None,
            random_state=0,
        )
    return _cross_validated(make_pipeline(MinMaxScaler(), model), "digits", 300)


def _network(**settings: Any) -> float:
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = MLPClassifier(random_state=0, batch_size=32, **settings)
    pipeline = make_pipeline(StandardScaler(), model)
    return _cross_validated(pipeline, "digits", 300, scoring="neg_log_loss")


def _optimiser(x: Mapping[str, Any]) -> float:
    settings: dict[str, Any] = {"alpha": x["decay"], "hidden_layer_sizes": (24,), "max_iter": 8}
    if x["optimizer"] == "sgd":
        settings |= {"learning_rate_init": x["sgd_rate"], "momentum": x["momentum"]}
    elif x["optimizer"] == "adam":
        settings |= {"learning_rate_init": x["adam_rate"], "beta_1": x["beta1"]}
        settings |= {"beta_2": x["beta2"]}
    else:
        settings |= {"max_iter": x["steps"]}
    return _network(solver=x["optimizer"], **settings)


def _layers(x: Mapping[str, Any]) -> float:
    widths = tuple(x[f"width{k}"] for k in range(1, x["layers"] + 1))
    return _network(
        solver="adam", hidden_layer_sizes=widths, learning_rate_init=x["rate"], max_iter=8
    )


def _regression(x: Mapping[str, Any]) -> float:
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415
    from sklearn.linear_model import Ridge  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from sklearn.svm import SVR  # noqa: PLC0415

    if x["model"] == "ridge":
        model = Ridge(alpha=x["ridge_alpha"])
    elif x["model"] == "boosting":
        model = GradientBoostingRegressor(
            learning_rate=x["shrinkage"],
            n_estimators=x["rounds"],
            max_depth=x["depth"],
            random_state=0,
        )
    else:
        own = {"gamma": x["gamma"]} if x["kernel"] == "rbf" else {}
        model = SVR(kernel=x["kernel"], C=x["C"], **own)
    steps = [PCA(n_components=x["components"])] if x["reduction"] == "pca" else []
    return _cross_validated(
        make_pipeline(StandardScaler(), *steps, model), "diabetes", 300, scoring="r2"
    )


HIERARCHIES: Final[Sequence[Hierarchy]] = (
    Hierarchy(
        "kind of model",
        (
            _category("model", "svm", "forest", "linear"),
            _log_double("C", 1e-3, 1e3, 7),
            _log_double("gamma", 1e-4, 1e2, 7),
            _category("kernel", "rbf", "poly"),
            _int("trees", (2, 5, 12, 30), log=True),
            _int("depth", (2, 4, 8, 16)),
            _double("features", 0.05, 1.0, 4),
            _log_double("alpha", 1e-6, 1e0, 6),
            _log_double("rate", 1e-4, 1e1, 6),
            _category("penalty", "l2", "l1"),
        ),
        dict.fromkeys(("C", "gamma", "kernel"), ("model", ("svm",)))
        | dict.fromkeys(("trees", "depth", "features"), ("model", ("forest",)))
        | dict.fromkeys(("alpha", "rate", "penalty"), ("model", ("linear",))),
        _kind,
    ),
    Hierarchy(
        "optimiser",
        (
            _category("optimizer", "sgd", "adam", "lbfgs"),
            _log_double("decay", 1e-6, 1e1, 3),
            _log_double("sgd_rate", 1e-4, 1e0, 7),
            _double("momentum", 0.0, 0.99, 4),
            _log_double("adam_rate", 1e-5, 1e-1, 7),
            _double("beta1", 0.5, 0.99, 3),
            _double("beta2", 0.8, 0.999, 3),
            _int("steps", (2, 5, 12, 30), log=True),
        ),
        dict.fromkeys(("sgd_rate", "momentum"), ("optimizer", ("sgd",)))
        | dict.fromkeys(("adam_rate", "beta1", "beta2"), ("optimizer", ("adam",)))
        | {"steps": ("optimizer", ("lbfgs",))},
        _optimiser,
    ),
    Hierarchy(
        "layers",
        (
            _int("layers", (1, 2, 3)),
            _log_double("rate", 1e-4, 1e-1, 4),
            *(_int(f"width{k}", (2, 6, 18, 54), log=True) for k in (1, 2, 3)),
        ),
        {"width2": ("layers", (2, 3)), "width3": ("layers", (3,))},
        _layers,
    ),
    Hierarchy(
        "regression",
        (
            _category("reduction", "none", "pca"),
            _int("components", (1, 3, 6, 10)),
            _category("model", "ridge", "boosting", "svr"),
            _log_double("ridge_alpha", 1e-3, 1e4, 8),
            _log_double("shrinkage", 1e-2, 1e0, 4),
            _int("rounds", (5, 15, 45), log=True),
            _int("depth", (1, 2, 5)),
            _log_double("C", 1e-2, 1e4, 6),
            _category("kernel", "linear", "rbf"),
            _log_double("gamma", 1e-4, 1e1, 6),
        ),
        {"components": ("reduction", ("pca",)), "ridge_alpha": ("model", ("ridge",))}
        | dict.fromkeys(("shrinkage", "rounds", "depth"), ("model", ("boosting",)))
        | dict.fromkeys(("C", "kernel"), ("model", ("svr",)))
        | {"gamma": ("kernel", ("rbf",))},
        _regression,
    ),
)


def main() -> None:
    """Compute the losses of all branches, and store them."""
    arrays: dict[str, Any] = {}
    for hierarchy in HIERARCHIES:
        arrays |= {name: losses.astype(np.float32) for name, losses in hierarchy.compute().items()}
        print(hierarchy.name)
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
