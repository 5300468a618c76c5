"""The surrogate of one request, and the points suggested by it one after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.bayesopt import data, earlier, gp, search
from suggestion.algorithms.bayesopt.features import Features
from suggestion.algorithms.bayesopt.forests import Forest
from suggestion.algorithms.bayesopt.model import Cost, Criterion, Kind, Mixture, Surrogate
from suggestion.algorithms.bayesopt.outputs import Outputs, transforms
from suggestion.numerics import randomness, sampling, streams
from suggestion.numerics.normal import quantile
from suggestion.numerics.region import region_of
from suggestion.numerics.sobol import sobol
from suggestion.problem.deadline import Deadline
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

_LOGGER: Final = logging.getLogger(__name__)

#: Largest number of trials that hyperparameters are fitted to, and that a posterior uses.
MOST_FITTED: Final = 200
MOST_KEPT: Final = 512
#: Largest number of pending trials that are fantasised, evenly chosen.
MOST_PENDING: Final = 200
#: Largest number of averaged surrogates, the power of their evidence, and the least log weight.
MOST_MEMBERS: Final = 3
TEMPERING: Final = 0.3
LEAST_LOG_WEIGHT: Final = -2.5
#: The log weight of a transform below which stronger ones are not tried.
HOPELESS_LOG_WEIGHT: Final = -3.5
#: Number of fantasies of each pending outcome.
FANTASIES: Final = 8
#: Finite spaces up to this size are searched exhaustively.
MOST_ENUMERATED: Final = 1024
#: Seconds before the deadline at which the search ends with the best points so far.
RESERVE: Final = 3.0

#: Functions of gp_hedge, and how sharply it prefers the best: the paper's eta.
PORTFOLIO: Final[tuple[Kind, ...]] = ("EI", "LCB", "PI")
HEDGE_RATE: Final = 1.0
#: Index of the first suggestion for which gp_hedge uses a portfolio.
HEDGE_FROM: Final = 25

_INCUMBENTS: Final = 5
_GOLDEN: Final = 0.6180339887498949  # multiples of it fill the unit interval evenly
_SHORTEST: Final = 0.5  # seconds: times have a resolution of one


#: Where no trial has a loss.
NO_OUTPUTS: Final = Outputs("none", np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True)
class _Member:
    """A surrogate of the losses under one transform.

    Attributes:
        log_weight: How probable it is, in log.
        y: What the Gaussian process is fitted to, shape (n,).
        mean: What was subtracted from the transformed losses; None for nothing.
    """

    log_weight: float
    y: Array
    fitted: gp.Hyperparameters
    mean: earlier.Mean | None = None


class TimeBudget:
    """Whether there is time for another step; logs once when there is not."""

    def __init__(self, deadline: Deadline, name: str) -> None:
        self._deadline, self._name = deadline, name
        self._lost = False

    def __call__(self) -> bool:
        if not self._lost and self._deadline.remaining() < RESERVE:
            self._lost = True
            _LOGGER.warning(
                "experiment %r: less than %g s before the deadline; using the best points so far",
                self._name,
                RESERVE,
            )
        return not self._lost


class Proposer:
    """The surrogate of one request, and the points suggested by it one after the other.

    Args:
        study: A study with at least one observation.
        chosen: Points already chosen for the same reply.
        estimator, function, optimizer: The algorithm's settings ``base_estimator``, ``acq_func``
            and ``acq_optimizer``.
    """

    def __init__(
        self,
        study: Study,
        chosen: Sequence[Assignment],
        *,
        estimator: str,
        function: str,
        optimizer: str,
    ) -> None:
        self._study = study
        self._function = function
        self._proposed = 0
        self._go_on = TimeBudget(study.deadline, study.name)
        self._rng = streams.rng(study, study.first_index, "bayesianoptimization")
        trials = data.read(study)
        before = [earlier.read(each, study.space) for each in study.prior]
        missing = np.asarray(np.isnan(trials.points).any(axis=0))
        for each in before:
            missing |= np.isnan(each.points).any(axis=0)
        coarse = Features(study.space, missing, trials.points[:1])
        kept = data.select(data.distances(coarse, trials.points), MOST_KEPT)
        pending = study.space.encode([trial.assignment for trial in study.pending])
        if len(pending) > MOST_PENDING:
            rows = np.linspace(0, len(pending) - 1, MOST_PENDING).astype(np.intp)
            pending = pending[rows]
        pending = np.vstack([pending, study.space.encode(chosen)])
        seen = [trials.points[kept], pending, *(each.points for each in before)]
        self._features = Features(study.space, missing, np.vstack(seen))
        # Forests need a feature; where all parameters are constant there is nothing to model.
        self._estimator = estimator if self._features.dimension else "GP"
        self._climb = self._estimator == "GP" and optimizer != "sampling"
        self._trials = trials.take(kept)
        self._inputs = self._features(self._trials.points)
        losses = trials.losses[~trials.failed]
        failed = len(trials.losses) - len(losses)
        made = transforms(losses) if len(losses) else [NO_OUTPUTS]
        self._outputs = [outputs.padded(failed).take(kept) for outputs in made]
        self._sources: earlier.Sources | None = None
        if before and self._features.dimension:
            self._sources = earlier.Sources(self._features, before, self._go_on)
        surrogate, log_weights = self._surrogate()
        best, incumbents = self._incumbents(surrogate)
        space = study.space
        check = study.deadline.check
        self._region = region_of(space, check) if space.restricted else None
        self._listed: Sequence[Assignment] | None = None
        size = space.size
        if self._region is not None and size is not None:
            self._listed = self._region.listed(check)
            size = None if self._listed is None else len(self._listed)
        self._enumerated = size is not None and size <= MOST_ENUMERATED
        self._points = self._candidates(incumbents)
        cost = self._cost() if function in ("EIps", "PIps") else None
        candidates = self._features(self._points)
        prior = self._features.prior
        self._mixture = Mixture(surrogate, log_weights, best, candidates, prior, cost)
        for point in pending:
            study.deadline.check()
            self._append(point)

    # -------------------------------------------------------------- surrogates

    def _incumbents(self, surrogate: Surrogate) -> tuple[Array, Array]:
        """Return the lowest means, shape (k,), and the best points, shape (m, dimension).

        Points are compared by the mean of the first surrogate.
        """
        if self._trials.failed.all():  # only earlier studies say anything
            return np.zeros(len(surrogate.predict(self._inputs[:0])[0])), self._learned()
        usable = self._trials.complete & ~self._trials.failed
        rows = np.flatnonzero(usable if usable.any() else ~self._trials.failed)
        means = surrogate.predict(self._inputs[rows])[0][:, :, 0]
        best = rows[np.argsort(means[0], kind="stable")[:_INCUMBENTS]]
        points = np.vstack([self._trials.points[best], self._learned()])
        return means.min(axis=1), np.where(np.isnan(points), 0.5, points)

    @property
    def doubtful(self) -> bool:
        """Whether the trials contradict earlier studies."""
        if self._sources is None:
            return False
        return earlier.doubtful(self._outputs[0].values, self._sources.means(self._inputs))

    def _learned(self) -> Array:
        """Return the best points of earlier studies, moved into the space, shape (m, dimension)."""
        if self._sources is None:
            return np.empty((0, self._study.space.dimension))
        best = self._sources.best
        return self._features.snap(np.where(np.isnan(best), 0.5, best))

    def _surrogate(self) -> tuple[Surrogate, Array]:
        """Fit the surrogate; also return the log weights of its outputs, shape (k,), largest first.

        It has one output for each transform of the losses that explains them about as well as the
        best. Differences of log likelihoods are multiplied by `TEMPERING`, because few trials do
        not distinguish transforms as surely as a likelihood that takes the kernel for true.
        """
        if self._estimator != "GP":
            return self._forest(self._inputs, self._outputs[0].values, "forest"), np.zeros(1)
        rows = data.select(data.distances(self._features, self._trials.points), MOST_FITTED)
        groups = self._features.groups
        members = self._fits(rows)
        y = np.array([member.y for member in members])
        fits = [member.fitted for member in members]
        scores = np.array([member.log_weight for member in members])
        posterior = gp.Posterior(fits, self._inputs, groups, y)
        if self._sources is None:
            return posterior, scores
        means = [member.mean for member in members]
        return earlier.Shifted(posterior, self._sources, means), scores

    def _fits(self, rows: NDArray[np.intp]) -> list[_Member]:
        """Fit each transform of the losses; return those that count, the most probable first.

        With earlier studies, each is fitted with their mean function and without.
        """
        inputs, groups = self._inputs[rows], self._features.groups
        found: list[_Member] = []
        at_trials = None if self._sources is None else self._sources.means(self._inputs)
        plain: list[float] = []
        for outputs in self._outputs:
            if found and not self._go_on():
                break
            warm = found[0].fitted if found else None
            slopes = float(np.sum(outputs.log_slopes[rows]))
            if self._sources is not None and at_trials is not None:
                mean = self._sources.mean_for(outputs.values, at_trials)
                if mean is not None:
                    left = outputs.values - mean.at(at_trials)
                    fitted = gp.fit(inputs, groups, left[rows], warm=warm, go_on=self._go_on)
                    score = slopes - fitted.loss + earlier.ADVANTAGE / TEMPERING
                    found.append(_Member(score, left, fitted, mean))
            fitted = gp.fit(inputs, groups, outputs.values[rows], warm=warm, go_on=self._go_on)
            found.append(_Member(slopes - fitted.loss, outputs.values, fitted))
            plain.append(slopes - fitted.loss)
            if _gone_too_far(plain):
                break
        found.sort(key=lambda member: -member.log_weight)
        scores = [TEMPERING * (member.log_weight - found[0].log_weight) for member in found]
        return [
            replace(member, log_weight=score)
            for member, score in zip(found[:MOST_MEMBERS], scores, strict=False)
            if score > LEAST_LOG_WEIGHT
        ]

    def _forest(self, inputs: Array, y: Array, purpose: str) -> Forest:
        seed = int(randomness.generator(self._study.seed, purpose).integers(2**31))
        return Forest(self._estimator, inputs, y, seed)

    def _cost(self) -> Cost | None:
        """Fit the logarithm of a trial's duration; None if hardly any trial has one."""
        rows = np.flatnonzero(self._trials.durations >= 0)
        if len(rows) < 2:
            return None
        points = self._trials.points[rows]
        rows = rows[data.select(data.distances(self._features, points), MOST_FITTED)]
        logs = np.log(np.maximum(self._trials.durations[rows], _SHORTEST))
        inputs, y, groups = self._inputs[rows], transforms(logs)[0].values, self._features.groups
        if self._estimator != "GP":
            return Cost(self._forest(inputs, y, "duration"), float(np.std(logs)))
        fitted = gp.fit(inputs, groups, y, go_on=self._go_on)
        return Cost(gp.Posterior([fitted], inputs, groups, y[None]), float(np.std(logs)))

    def _append(self, point: Array) -> None:
        """Add fantasies of a pending point of the cube, shape (dimension,)."""
        normals = quantile((np.arange(FANTASIES) + 0.5) / FANTASIES)
        self._mixture.append(self._features(point[None])[0], self._rng.permutation(normals))

    # ------------------------------------------------------------------ search

    def propose(self, index: int, visited: sampling.Visited) -> Assignment:
        """Return the point that maximises the acquisition function; it is pending for later points.

        Args:
            index: Index of the suggestion.
            visited: Points that are not proposed.
        """
        rng = streams.rng(self._study, index, "search")
        criterion = self._criterion(index)
        points, values = self._search(criterion, rng)
        assignment = self._first_new(points, values, visited)
        if assignment is None:
            assignment = visited.unvisited(self._study.seed, index)
        self._append(self._study.space.encode([assignment])[0])
        self._proposed += 1
        return assignment

    def _criterion(self, index: int) -> Criterion:
        """Return the acquisition function of the setting ``acq_func``.

        Before suggestion `HEDGE_FROM`, gp_hedge chooses the first point of a reply by EI and those
        after it by a narrow LCB: EI over fantasies explores with most of a batch, at a time when
        there is more to gain near good points. Measured in docs/research/bayesopt.md.
        """
        if self._trials.failed.all():  # there is nothing to improve on
            return Criterion(self._mixture, "narrow LCB")
        if self._function == "gp_hedge":
            if index >= HEDGE_FROM:
                return self._hedge(index)
            return Criterion(self._mixture, "narrow LCB" if self._proposed else "EI")
        kinds: dict[str, Kind] = {"LCB": "LCB", "PI": "PI", "PIps": "PI"}
        return Criterion(self._mixture, kinds.get(self._function, "EI"))

    def _hedge(self, index: int) -> Criterion:
        """Return the acquisition function whose turn it is in the portfolio GP-Hedge
        [Hoffman2011]_.

        At first LCB explores more than it gains, so the portfolio begins at suggestion
        `HEDGE_FROM`. Each function nominates a point and is chosen with a frequency that grows with
        the surrogate's present prediction for its nominee. Unlike the paper, gains of earlier
        nominees are not summed, because a reply is a function of the request and requests do not
        hold nominees; and turns are taken in proportion instead of drawn.

        .. [Hoffman2011] M. Hoffman, E. Brochu, N. de Freitas. Portfolio allocation for Bayesian
           optimization. UAI 2011.
        """
        criteria = [Criterion(self._mixture, kind) for kind in PORTFOLIO]
        means = np.mean(self._mixture.surrogate.tracked()[0][0], axis=1)
        gains = np.array([-means[int(np.argmax(c.tracked))] for c in criteria])
        shares = np.cumsum(np.exp(HEDGE_RATE * (gains - gains.max())))
        turn = (index * _GOLDEN + 0.5) % 1.0
        return criteria[int(np.searchsorted(shares / shares[-1], turn, side="right"))]

    def _candidates(self, incumbents: Array) -> Array:
        """Return the points from which the maximum is searched, shape (m, d)."""
        space = self._study.space
        if self._enumerated:
            if self._listed is not None:
                return space.encode([*self._listed])
            return space.encode([space.point(k) for k in range(space.size or 0)])
        near = search.around(self._features, incumbents, search.LOCAL_CANDIDATES, self._rng)
        seed = int(self._rng.integers(2**62))
        even = sobol(seed, 0, search.SOBOL_CANDIDATES, space.dimension)
        points = np.vstack([incumbents, near, self._features.snap(even)])
        if self._region is None or not space.constraints:
            return points
        drawn = self._region.draw(
            seed, 0, search.LOCAL_CANDIDATES, "candidates", check=self._study.deadline.check
        )
        points = np.vstack([incumbents, near, drawn, self._features.snap(even)])
        return points[self._region.judge(points)]

    def _search(self, criterion: Criterion, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the candidates and improved points, shape (m, d), and their values, shape (m,)."""
        points, values = self._points, criterion.tracked
        if self._enumerated:
            return points, values
        if self._climb:
            effort = search.BRIEF if self._proposed else search.FULL
            starts = points[search.choose(values, effort.starts, rng)]
            found, risen = search.refine(
                self._features, criterion, starts, rng, self._go_on, effort
            )
            if self._region is not None and self._study.space.constraints:
                found = self._region.repaired(found, starts)
                risen = criterion.values(self._features(found))
            points, values = np.vstack([found, points]), np.append(risen, values)
            if self._region is None or not self._study.space.constraints:
                return points, values
        for _ in range(2):
            if not self._go_on():
                break
            best = points[np.argsort(-values, kind="stable")[:_INCUMBENTS]]
            near = search.around(self._features, best, search.LOCAL_CANDIDATES, rng)
            if self._region is not None:
                near = self._region.repaired(near, best)
            points = np.vstack([near, points])
            values = np.append(criterion.values(self._features(near)), values)
        return points, values

    def _first_new(
        self, points: Array, values: Array, visited: sampling.Visited
    ) -> Assignment | None:
        for row in np.argsort(-values, kind="stable").tolist():
            (assignment,) = self._study.space.decode(points[row : row + 1])
            if assignment not in visited and self._study.space.feasible(assignment):
                return assignment
        return None


def _gone_too_far(scores: Sequence[float]) -> bool:
    """Whether the last transform explains the losses worse than the one before, and hopelessly.

    Transforms are ordered by strength, and their scores rise to the best one and fall after it, so
    later ones need no fit. How often that holds: docs/research/bayesopt.md.
    """
    if len(scores) < 2 or scores[-1] >= scores[-2]:
        return False
    return TEMPERING * (scores[-1] - max(scores)) < HOPELESS_LOG_WEIGHT
