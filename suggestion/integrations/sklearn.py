"""A hyperparameter search for scikit-learn, with the interface of its own (extra ``sklearn``)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import RandomizedSearchCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state

from suggestion.integrations.distributions import Distribution, from_distribution
from suggestion.tuning.errors import BrokenRule, InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import RANDOM_STATE, Method, Settings
from suggestion.tuning.objectives import Objective
from suggestion.tuning.reading import read_mapping, read_parameter
from suggestion.tuning.solvers import open_solver
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import Parameter

#: What `BaseSearchCV` hands over to evaluate candidates: it returns ``cv_results_`` so far.
Evaluate: TypeAlias = Callable[..., Mapping[str, Sequence[float]]]
Indices: TypeAlias = NDArray[np.intp]

_SEEDS: Final = 2**31 - 1
_SCORE: Final = "score"  # name of the objective, where there is one
_MEAN: Final = "mean_test_"


class Scorable(Protocol):
    """An estimator, as scikit-learn takes it."""

    def get_params(self, deep: bool = True) -> Mapping[str, object]:
        """Return its parameters by name."""
        ...


class SuggestSearchCV(BaseSearchCV):
    """Search hyperparameters by cross-validation, each candidate chosen after the scores so far.

    It takes the place of ``RandomizedSearchCV``: the same arguments, methods and attributes
    (``best_estimator_``, ``cv_results_``, …), and it may be part of a pipeline. The splits are
    the same for all candidates, also if `cv` is random.

    Args:
        estimator: A classifier, regressor or other object that scikit-learn can score.
        param_distributions: What each parameter may be, by name: a list of choices, `uniform` and
            its like, or a distribution of ``scipy.stats``.
        n_iter: Number of candidates. One that is suggested again is not evaluated again.
        algorithm: Name of the algorithm; ``suggest algorithms`` lists them.
        settings: Of the algorithm, by name.
        batch_size: Candidates to evaluate together before the next are chosen; None for as many
            as keep `n_jobs` processes busy.
        refit: As for ``RandomizedSearchCV``. With several metrics, the one that is maximised; if it
            is False or a function, all of them are objectives, which `algorithm` must be able to
            optimise, and the first of `scoring` is the main one.
        scoring, n_jobs, cv, verbose, pre_dispatch: As for ``RandomizedSearchCV``.
        random_state, error_score, return_train_score: As for ``RandomizedSearchCV``.

    Raises:
        InvalidArgument: In `fit`, a `ValueError` with every rule that space and settings break.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> import suggestion as sg
    >>> search = SuggestSearchCV(
    ...     LogisticRegression(max_iter=500), {"C": sg.log_uniform(1e-3, 1e2)}, random_state=0
    ... )
    >>> float(search.fit(*load_iris(return_X_y=True)).best_score_) > 0.95
    True
    """

    _parameter_constraints: dict[str, list[object]] = {  # noqa: RUF012 - as scikit-learn has it
        **RandomizedSearchCV._parameter_constraints,
        "param_distributions": [dict],
        "algorithm": [str],
        "settings": [dict, None],
        "batch_size": [*RandomizedSearchCV._parameter_constraints["n_iter"], None],
    }

    def __init__(
        self,
        estimator: Scorable,
        param_distributions: Mapping[str, object],
        *,
        n_iter: int = 10,
        algorithm: str = "tpe",
        settings: Settings | None = None,
        batch_size: int | None = None,
        scoring: object = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., int] = True,
        cv: object = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | np.random.RandomState | None = None,
        error_score: float | str = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.algorithm = algorithm
        self.settings = settings
        self.batch_size = batch_size
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Evaluate) -> None:
        """Evaluate `n_iter` candidates, batch by batch; called by `fit`."""
        space = read_distributions(self.param_distributions)
        objective = _objective(self.scoring, self.refit)
        seed: int | None = int(check_random_state(self.random_state).randint(_SEEDS))
        if self.random_state is None and RANDOM_STATE in (self.settings or {}):
            seed = None
        method = Method.of(self.algorithm, self.settings, seed).without_checkpoints()
        method = method.declaring(objective)
        solver = open_solver("search", space, objective, method, None, None, 0)
        scores: dict[tuple[tuple[str, str], ...], Mapping[str, float]] = {}
        evaluation = _Evaluation(self, evaluate_candidates, objective)
        width = self.batch_size or evaluation.width
        begun = 0
        while begun < self.n_iter:
            try:
                batch = solver.suggest(min(width, self.n_iter - begun))
            except SpaceExhausted as error:
                if width == 1:
                    warnings.warn(f"{error}: tried {begun} of n_iter={self.n_iter}", stacklevel=2)
                    break
                width = 1  # fewer may be left
                continue
            points = {tuple(made.texts.items()): made.texts for made in batch}
            new = {key: texts for key, texts in points.items() if key not in scores}
            found = evaluation.scores([space.decode_active(texts) for texts in new.values()])
            scores |= zip(new, found, strict=True)
            for number, made in enumerate(batch, begun):
                solver.start(number, made.name or f"search-{number:05}", made.texts)
                solver.finish(number, objective.told(scores[tuple(made.texts.items())]))
            begun += len(batch)
        evaluation.end()


def read_distributions(given: Mapping[str, object]) -> Space:
    """Return the space that `given` describes.

    Raises:
        InvalidArgument: With everything in it that is no parameter.
    """
    return read_mapping(given, "param_distributions", _read_entry)


def _read_entry(entry: object, place: str) -> Parameter[object]:
    if isinstance(entry, np.ndarray) and entry.ndim == 1:
        entry = entry.tolist()
    return (
        from_distribution(entry, place)
        if isinstance(entry, Distribution)
        else read_parameter(entry, place)
    )


def _objective(scoring: object, refit: object) -> Objective:
    """Return what is maximised: the one metric, the one that `refit` names, or else all of them."""
    names: list[str] = []
    if isinstance(scoring, Collection) and not isinstance(scoring, str):
        names = sorted(scoring) if isinstance(scoring, AbstractSet) else [*scoring]
    if len(names) < 2 or refit in names:
        return Objective(metric=_SCORE, maximize=True)
    return Objective(names[0], True, further=dict.fromkeys(names[1:], True))


class _Splits:
    """The splits of a cross-validation, the same ones each time."""

    def __init__(self, cv: Any) -> None:
        self._cv = cv
        self._splits: list[tuple[Indices, Indices]] | None = None

    def split(
        self,
        X: object,  # noqa: N803
        y: object = None,
        **more: object,
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield the train and test indices of each."""
        if self._splits is None:
            self._splits = list(self._cv.split(X, y, **more))
        yield from self._splits


class _Evaluation:
    """Cross-validates the candidates of a search."""

    def __init__(self, search: SuggestSearchCV, evaluate: Evaluate, objective: Objective) -> None:
        self._search = search
        self._objective = objective
        self._evaluate = evaluate
        self._splits = _Splits(search._checked_cv_orig)
        self._done = 0
        self._error: ValueError | None = None

    @property
    def width(self) -> int:
        """How many candidates keep all processes busy."""
        return math.ceil(int(effective_n_jobs(self._search.n_jobs)) / int(self._search.n_splits_))

    def scores(self, candidates: Sequence[Mapping[str, object]]) -> list[Mapping[str, float]]:
        """Return the mean scores of each, higher is better; none if it cannot be fitted."""
        if not candidates:
            return []
        try:
            results = self._evaluate(candidates, cv=self._splits)
        except ValueError as error:
            # scikit-learn raises if no fit of a batch succeeds, though others may have.
            if self._search.error_score == "raise" or "fits failed" not in str(error):
                raise
            self._error = error
            return [{}] * len(candidates)
        columns = {
            name: results[self._column(name, results)] for name in self._objective.directions
        }
        first, self._done = self._done, self._done + len(candidates)
        return [
            {name: float(column[place]) for name, column in columns.items()}
            for place in range(first, self._done)
        ]

    def _column(self, name: str, results: Mapping[str, object]) -> str:
        """Return which of the scores is that of an objective.

        Raises:
            InvalidArgument: If it is not known which one of several.
        """
        if self._objective.further:
            return f"{_MEAN}{name}"
        means = [key for key in results if key.startswith(_MEAN)]
        if len(means) == 1:
            return means[0]
        names = [key.removeprefix(_MEAN) for key in means]
        refit = self._search.refit
        if refit not in names:  # a callable `scoring` tells its metrics no sooner
            rule = f"must be one of {', '.join(names)}, the metric to maximise, got {refit!r}"
            raise InvalidArgument([BrokenRule("refit", rule)])
        return f"{_MEAN}{refit}"

    def end(self) -> None:
        """Say what could not be fitted.

        Raises:
            ValueError: If that is all.
        """
        if self._error is not None and self._done == 0:
            raise self._error
        if self._error is not None:
            text = f"candidates that are left out of cv_results_: {self._error}"
            warnings.warn(text, FitFailedWarning, stacklevel=2)
