"""scikit-optimize's forests as surrogates, imported only when they are used."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from suggestion.algorithms.bayesopt.acquisition import Slopes
from suggestion.algorithms.bayesopt.kernel import squared_distances
from suggestion.problem.parameters import Array

#: Deviation at a distance of 1 from all trials, in standard deviations of the outputs.
UNCERTAINTY: Final = 1.0
#: Least number of trials in a leaf of RF and ET. With the 3 of scikit-optimize they blur a minimum.
LEAST_IN_LEAF: Final = 1


class Forest:
    """A random forest, extremely randomised trees or gradient boosted quantile trees.

    The deviation of the first two is by the law of total variance over trees [Hutter2011]_.

    Unlike scikit-optimize, where predictions are constant between trials and the best point's
    surroundings look as good as the point itself, the deviation grows with the distance to the
    nearest trial: `UNCERTAINTY` for the length of a range. A search does not sit down beside a
    trial then, about which it knows all.

    Args:
        kind: RF, ET or GBRT.
        features: Shape (n, p).
        y: Outputs, shape (n,).
        seed: Below 2**32.
    """

    def __init__(self, kind: str, features: Array, y: Array, seed: int) -> None:
        self._kind, self._seed = kind, seed
        self._features, self._y = features, y
        self._tracked = features[:0]
        self._fitted: Any = None
        #: The forest that predicts the outcomes of appended points.
        self._known: Any = None

    def _model(self) -> Any:
        """Return the fitted forest; several appended points cost one fit."""
        if self._fitted is None:
            self._fitted = self._fit(self._features, self._y)
        return self._fitted

    def _fit(self, features: Array, y: Array) -> Any:
        import skopt.learning  # noqa: PLC0415
        from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415

        model: Any
        if self._kind == "GBRT":
            trees = GradientBoostingRegressor(n_estimators=30, loss="quantile")
            model = skopt.learning.GradientBoostingQuantileRegressor(
                base_estimator=trees, random_state=self._seed
            )
        else:
            of = {
                "RF": skopt.learning.RandomForestRegressor,
                "ET": skopt.learning.ExtraTreesRegressor,
            }[self._kind]
            model = of(
                n_estimators=100,
                min_samples_leaf=LEAST_IN_LEAF,
                random_state=self._seed,
                min_variance=1e-6,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns about scikit-optimize's calls
            return model.fit(features, y)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return means, shape (1, m, 1), and standard deviations (1, m) at `features` (m, p)."""
        mean, deviation = self._predict(self._model(), features)
        squared = squared_distances(features, self._features).min(axis=1)
        deviation = np.sqrt(np.square(deviation) + UNCERTAINTY**2 * np.maximum(squared, 0.0))
        return mean[None, :, None], np.maximum(deviation, 1e-6)[None]

    def _predict(self, fitted: Any, features: Array) -> tuple[Array, Array]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._kind == "GBRT":  # quantiles 0.16, 0.5 and 0.84: one deviation apart
                low, mean, high = fitted.predict(features, return_quantiles=True).T
                return np.asarray(mean), np.asarray((high - low) / 2)
        return _predict_by_trees(fitted, features)

    def track(self, features: Array) -> None:
        """Set the points that `tracked` predicts."""
        self._tracked = features

    def tracked(self) -> tuple[Array, Array]:
        """Return what `predict` returns at the points set by `track`."""
        return self.predict(self._tracked)

    def append(self, features: Array, normals: Array) -> Array:
        """Add a point with its prediction as its outcome; return it, shape (1, 1)."""
        if self._known is None or self._fitted is not None:
            self._known = self._model()
        mean, _ = self._predict(self._known, features[None])
        self._features = np.vstack([self._features, features])
        self._y = np.append(self._y, mean[0])
        self._fitted = None
        return mean[None]

    def gradients(self, features: Array, slopes: Slopes) -> tuple[Array, Array]:
        """Raise NotImplementedError: forests are step functions."""
        raise NotImplementedError("a forest has no gradient")


def _predict_by_trees(forest: Any, features: Array) -> tuple[Array, Array]:
    """Return means and deviations of a random forest, both of shape (m,).

    They are what ``predict(features, return_std=True)`` returns, a few times faster: a small tree
    takes less time to compute than its checks of the input.
    """
    points = features.astype(np.float32)
    means, squares = np.zeros(len(points)), np.zeros(len(points))
    for estimator in forest.estimators_:
        tree = estimator.tree_
        leaves = tree.apply(points)
        values = tree.value[leaves, 0, 0]
        means += values
        squares += np.maximum(tree.impurity[leaves], forest.min_variance) + values**2
    count = len(forest.estimators_)
    means /= count
    return means, np.sqrt(np.maximum(squares / count - means**2, 0.0))
