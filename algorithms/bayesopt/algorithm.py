"""Bayesian optimisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from algorithms.bayesopt import gp, outputs, search
from algorithms.bayesopt.acquisition import (
    Acquisition,
    expected_improvement,
    lower_confidence_bound,
    probability_of_improvement,
)
from algorithms.bayesopt.features import Features
from algorithms.bayesopt.normal import quantile
from suggestion import sampling
from suggestion.algorithm import register
from suggestion.settings import setting
from suggestion.space import Array, Assignment
from suggestion.study import Study

FANTASIES = 16


@register("bayesianoptimization")
@dataclass(frozen=True, kw_only=True)
class BayesianOptimization:
    """x."""

    base_estimator: Literal["GP", "RF", "ET", "GBRT"] = setting("GP", help="Surrogate.")
    n_initial_points: int = setting(10, at_least=0, help="Sobol points before the model.")
    acq_func: Literal["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"] = setting(
        "gp_hedge", help="Acquisition function."
    )
    acq_optimizer: Literal["auto", "sampling", "lbfgs"] = setting("auto", help="How.")

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        known = len(study.observations) + len(study.pending) + len(study.failed)
        visited = study.visited()
        made: list[Assignment] = []
        model = None
        for index in range(study.first_index, study.first_index + count):
            if known + len(made) < self.n_initial_points or not study.observations:
                (point,) = sampling.distinct(
                    study.space,
                    lambda first, n: sampling.sobol(study.seed, first, n, study.space.dimension),
                    study.seed, index, 1,
                )
                if point in visited:
                    point = visited.unvisited(study.seed, index)
            else:
                if model is None:
                    model = Model(self, study, made)
                point = model.propose(index, visited)
            visited.add(point)
            made.append(point)
        return made


class Model:
    def __init__(self, settings, study, made):
        self.study = study
        X = study.space.encode([o.assignment for o in study.observations])
        y = np.array([o.loss for o in study.observations])
        failed = study.space.encode([f.assignment for f in study.failed])
        self.features = Features(study.space)
        pending = study.space.encode([*[p.assignment for p in study.pending], *made])
        Z = self.features(np.vstack([X, failed]))
        best = None
        for out in outputs.candidates(y):
            z = np.append(out.values, np.full(len(failed), out.values.max()))
            h = gp.fit(Z, self.features.groups, z)
            score = -h.loss + out.log_jacobian
            if best is None or score > best[0]:
                best = score, h, z, out
        _, h, z, self.out = best
        self.post = gp.Posterior(h, Z, self.features.groups, z)
        mean = self.post.whiten(Z) @ self.post.beta[:, 0]
        self.best = np.array([mean.min()])
        order = np.argsort(mean[: len(X)], kind="stable")
        rng = study.rng(study.first_index, "candidates")
        inc = X[order[:5]]
        U = np.vstack([inc, search.around(self.features, inc, search.LOCAL_CANDIDATES, rng),
            self.features.snap(sampling.sobol(int(rng.integers(2**62)), 0, search.SOBOL_CANDIDATES, study.space.dimension))])
        self.U, self.UZ = U, self.features(U)
        self.V = self.post.whiten(self.UZ)
        q = len(pending)
        self.normals = rng
        for p in pending: self.append(p)

    def append(self, p):
        M = FANTASIES
        z = self.normals.permutation(quantile((np.arange(M)+.5)/M))
        out, coef = self.post.append(self.features(p[None])[0], z)
        self.best = np.minimum(self.best, out)
        c = self.post.covariance(self.UZ)[:, -1] 
        self.V = np.column_stack([self.V, self.V @ coef[:-1] + c * coef[-1]])

    def values(self, Z):
        w = self.post.whiten(Z)
        return self.acq(w @ self.post.beta, self.post.deviation(w))[0]

    def gradients(self, Z):
        return self.post.gradients(Z, self.acq)

    def propose(self, index, visited):
        rng = self.study.rng(index, "search")
        self.acq = expected_improvement(self.best)
        v = self.acq(self.V @ self.post.beta, self.post.deviation(self.V))[0]
        starts = self.U[search.choose(v, search.STARTS, rng)]
        P, pv = search.refine(self.features, self, starts, rng, lambda: True)
        A = np.vstack([P, self.U]); v = np.append(pv, v)
        for i in np.argsort(-v, kind="stable"):
            (a,) = self.study.space.decode(A[i][None])
            if a not in visited:
                break
        else:
            a = visited.unvisited(self.study.seed, index)
        self.append(self.study.space.encode([a])[0])
        return a
