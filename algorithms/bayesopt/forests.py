"""scikit-optimize's forests as surrogates, imported only when they are used."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from suggestion.algorithms.bayesopt.acquisition import Slopes
from suggestion.problem.parameters import Array


class Forest:
    """A random forest, extremely randomised trees or gradient boosted quantile trees.

    The deviation of the first two is by the law of total variance over trees [Hutter2011]_.

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
        self._fitted = self._fit()

    def _fit(self) -> Any:
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
                n_estimators=100, min_samples_leaf=3, random_state=self._seed, min_variance=1e-6
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns about scikit-optimize's calls
            return model.fit(self._features, self._y)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return means, shape (1, m, 1), and standard deviations (1, m) at `features` (m, p)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._kind == "GBRT":  # quantiles 0.16, 0.5 and 0.84: one deviation apart
                low, mean, high = self._fitted.predict(features, return_quantiles=True).T
                deviation = (high - low) / 2
            else:
                mean, deviation = self._fitted.predict(features, return_std=True)
        return np.asarray(mean)[None, :, None], np.maximum(deviation, 1e-6)[None]

    def track(self, features: Array) -> None:
        """Set the points that `tracked` predicts."""
        self._tracked = features

    def tracked(self) -> tuple[Array, Array]:
        """Return what `predict` returns at the points set by `track`."""
        return self.predict(self._tracked)

    def append(self, features: Array, normals: Array) -> Array:
        """Add a point with its prediction as its outcome; return it, shape (1, 1)."""
        mean, _ = self.predict(features[None])
        self._features = np.vstack([self._features, features])
        self._y = np.append(self._y, mean[0, 0, 0])
        self._fitted = self._fit()
        return np.asarray(mean[0])

    def gradients(self, features: Array, slopes: Slopes) -> tuple[Array, Array]:
        """Raise NotImplementedError: forests are step functions."""
        raise NotImplementedError("a forest has no gradient")
