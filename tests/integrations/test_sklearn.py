"""The search for scikit-learn, on the real scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import suggestion as sg
from tests.support.servers import ServerProcess

pytest.importorskip("sklearn", reason="the extra 'sklearn' is not installed")

from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from suggestion.integrations.distributions import from_distribution
from suggestion.integrations.sklearn import SuggestSearchCV, read_distributions

X, Y = make_classification(120, 5, random_state=0)


class Stub(ClassifierMixin, BaseEstimator):
    """Scores what its parameters say, without learning anything."""

    fits = 0

    def __init__(self, a: float = 0.0, b: object = None, fail: bool = False) -> None:
        self.a = a
        self.b = b
        self.fail = fail

    def fit(self, X: object, y: Sequence[int]) -> Stub:  # noqa: N803
        Stub.fits += 1
        if self.fail or self.a > 4:
            raise ArithmeticError
        self.classes_ = np.array(sorted(set(y)))
        return self

    def score(self, X: object, y: object) -> float:  # noqa: N803
        return -((self.a - 1) ** 2) - (self.b == "bad")


def test_it_has_the_interface_of_the_random_search() -> None:
    ours, theirs = (
        kind(LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=2, random_state=0).fit(X, Y)
        for kind in (SuggestSearchCV, RandomizedSearchCV)
    )
    assert vars(theirs).keys() <= vars(ours).keys()
    assert theirs.cv_results_.keys() == ours.cv_results_.keys()
    assert theirs.get_params().keys() <= ours.get_params().keys()
    assert set(ours.predict(X)) <= {0, 1}
    again = clone(ours)
    assert again.get_params().keys() == ours.get_params().keys()
    assert again.fit(X, Y).best_params_ == ours.best_params_


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("kind", [Ridge, DecisionTreeClassifier], ids=lambda kind: kind.__name__)
def test_the_checks_of_scikit_learn(kind: type) -> None:
    """What the random search fails is expected to fail here; nothing else is."""
    space = {"alpha": [0.1, 1.0]} if kind is Ridge else {"max_depth": [2, 3]}
    failed = []
    for search in (RandomizedSearchCV, SuggestSearchCV):
        done = check_estimator(search(kind(), space, n_iter=2, random_state=0), on_fail=None)
        failed.append({check["check_name"] for check in done if check["status"] == "failed"})
        assert len(done) > 30
    assert failed[1] <= failed[0]


@pytest.mark.filterwarnings("ignore:")  # of fits that fail
@pytest.mark.parametrize("name", ["tpe", "bayesianoptimization", "random"])
def test_suggestions_are_the_servers(name: str, server: ServerProcess) -> None:
    space = {"a": sg.uniform(0, 5), "b": ["good", "bad"]}
    search = SuggestSearchCV(
        Stub(), space, algorithm=name, n_iter=8, batch_size=2, random_state=3, refit=False
    )
    search.fit(X, Y)
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    study = sg.Study(
        space, algorithm=name, seed=seed, name="search", maximize=True, target=server.address
    )
    for _ in range(4):
        for point in study.ask(2):
            a = point.as_float("a")
            study.tell(point, -((a - 1) ** 2) - (point["b"] == "bad") if a <= 4 else None)
    tried = [dict(params) for params in search.cv_results_["params"]]
    assert tried == [
        dict(t.parameters)
        for t in study.trials
        if dict(t.parameters) in tried or t.value is not None
    ]


def test_it_learns_from_the_scores() -> None:
    search = SuggestSearchCV(Stub(), {"a": sg.uniform(-9, 4)}, n_iter=40, cv=2, random_state=0)
    assert search.fit(X, Y).best_params_["a"] == pytest.approx(1, abs=0.3)
    assert len(search.cv_results_["params"]) == 40


def test_spaces() -> None:
    space = read_distributions(
        {
            "list": [1, None],
            "array": np.logspace(-2, 1, 4),
            "ours": sg.log_integer(1, 100),
            "uniform": stats.uniform(2, 3),
            "log": stats.loguniform(1e-3, 10),
            "int": stats.randint(1, 5),
            "normal": stats.norm(10, 2),
            "poisson": stats.poisson(3),
        }
    )
    kinds = {entry["name"]: entry for entry in space.declarations()}
    assert kinds["uniform"]["feasibleSpace"] == {"min": "2.0", "max": "5.0"}
    assert kinds["log"]["feasibleSpace"] == {
        "min": "0.001",
        "max": "10.0",
        "distribution": "logUniform",
    }
    assert kinds["int"] == {
        "name": "int",
        "parameterType": "int",
        "feasibleSpace": {"min": "1", "max": "4"},
    }
    assert space.parameters["array"].declare()[1]["list"] == ["0.01", "0.1", "1.0", "10.0"]
    normal = space.parameters["normal"].decode
    assert normal("0.5") == 10
    assert normal("0.001") == pytest.approx(10 + 2 * stats.norm.ppf(0.001))
    assert [space.parameters["poisson"].decode(t) for t in ("0.001", "0.5", "0.999")] == [0, 3, 10]
    assert from_distribution(stats.expon()).decode("0.5") == pytest.approx(math.log(2))


def test_what_is_wrong_is_said_at_once() -> None:
    space = {"C": sg.log_uniform(0, 1), "l1_ratio": 3, "tol": "abc"}
    with pytest.raises(sg.InvalidArgument) as caught:
        SuggestSearchCV(LogisticRegression(), space).fit(X, Y)
    places = [rule.place for rule in caught.value.broken]
    assert places == [
        f"param_distributions[{name}" for name in ("'l1_ratio']", "'tol']", "'C'].min")
    ]
    with pytest.raises(sg.InvalidArgument, match=r"^param_distributions\['C'\]\.min: .*min > 0"):
        SuggestSearchCV(LogisticRegression(), {"C": sg.log_uniform(0, 1)}).fit(X, Y)
    search = SuggestSearchCV(LogisticRegression(), {"C": [1, 2]}, settings={"gamma": 7})
    with pytest.raises(sg.InvalidArgument, match=r"^settings\['gamma'\]: "):
        search.fit(X, Y)
    for wrong in ({"algorithm": 3}, {"batch_size": 0}, {"n_iter": 0}):
        with pytest.raises(ValueError, match=f"^The {next(iter(wrong))!r} parameter"):
            SuggestSearchCV(LogisticRegression(), {"C": [1, 2]}, **wrong).fit(X, Y)  # type: ignore[arg-type]


def test_several_metrics() -> None:
    scoring = ["accuracy", "neg_log_loss"]
    search = SuggestSearchCV(
        LogisticRegression(), {"C": sg.log_uniform(1e-3, 1)}, n_iter=3, scoring=scoring
    )
    found = clone(search).set_params(refit="neg_log_loss").fit(X, Y)
    assert found.best_score_ == max(found.cv_results_["mean_test_neg_log_loss"])
    with pytest.raises(ValueError, match="must be set to a scorer key or a callable"):
        clone(search).set_params(refit=True).fit(X, Y)

    def several(estimator: Any, x: object, y: object) -> dict[str, float]:
        return {"a": 1.0, "b": 2.0}

    with pytest.raises(ValueError, match=r"^refit: must be one of a, b, .*, got False"):
        clone(search).set_params(scoring=several, refit=False).fit(X, Y)


@pytest.mark.parametrize("refit", [False, lambda results: 1], ids=["none", "callable"])
def test_metrics_of_which_refit_names_none_are_several_objectives(refit: Any) -> None:
    def size(estimator: Stub, x: object, y: object) -> float:
        return estimator.a

    def loss(estimator: Stub, x: object, y: object) -> float:
        return estimator.score(x, y)

    space = {"a": sg.uniform(0, 4), "b": ["good", "bad"]}
    scoring = {"loss": loss, "size": size}
    search = SuggestSearchCV(
        Stub(), space, n_iter=6, batch_size=2, cv=2, scoring=scoring, refit=refit, random_state=3
    )
    found = clone(search).set_params(algorithm="nsga2").fit(X, Y)
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    goals = {"loss": "maximize", "size": "maximize"}
    study = sg.Study(space, algorithm="nsga2", seed=seed, name="search", objectives=goals)
    for _ in range(3):
        for point in study.ask(2):
            a = point.as_float("a")
            study.tell(point, {"loss": -((a - 1) ** 2) - (point["b"] == "bad"), "size": a})
    assert [dict(params) for params in found.cv_results_["params"]] == [
        dict(trial.parameters) for trial in study.trials
    ]
    assert hasattr(found, "best_estimator_") == callable(refit)
    settings = {"r_l": 4, "resource_name": "a"}
    other = clone(search).set_params(algorithm="asha", settings=settings)
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*several objectives, got 'size'"):
        other.fit(X, Y)


def test_a_point_is_evaluated_once() -> None:
    Stub.fits = 0
    search = SuggestSearchCV(Stub(), {"a": [1.0, 2.0]}, n_iter=12, cv=2, refit=False)
    search.fit(X, Y)
    assert len(search.cv_results_["params"]) <= 2
    assert Stub.fits <= 4


def test_a_grid_ends_before_n_iter() -> None:
    space = {"a": [1.0, 2.0, 3.0], "b": ["x", "y"]}
    search = SuggestSearchCV(Stub(), space, algorithm="grid", n_iter=20, batch_size=4, cv=2)
    with pytest.warns(UserWarning, match="tried 6 of n_iter=20"):
        search.fit(X, Y)
    assert len(search.cv_results_["params"]) == 6


def test_candidates_that_cannot_be_fitted() -> None:
    search = SuggestSearchCV(Stub(), {"a": sg.uniform(3, 5)}, n_iter=10, cv=2, random_state=0)
    with pytest.warns(FitFailedWarning, match="left out of cv_results_"):
        search.fit(X, Y)
    assert 0 < len(search.cv_results_["params"]) < 10
    with pytest.raises(ValueError, match="fits failed"):
        SuggestSearchCV(Stub(fail=True), {"a": sg.uniform(0, 1)}, n_iter=3, cv=2).fit(X, Y)
    with pytest.raises(ArithmeticError):
        SuggestSearchCV(Stub(fail=True), {"a": sg.uniform(0, 1)}, error_score="raise").fit(X, Y)


def test_random_splits_are_the_same_for_all_candidates() -> None:
    cv = KFold(3, shuffle=True)
    search = SuggestSearchCV(Ridge(), {"copy_X": [True, False]}, algorithm="grid", n_iter=2, cv=cv)
    first, second = search.fit(X, Y).cv_results_["mean_test_score"]
    assert first == second


@pytest.mark.integration
def test_in_a_pipeline_with_several_processes() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    space = {"logisticregression__C": stats.loguniform(1e-3, 10)}
    search = SuggestSearchCV(model, space, n_iter=4, cv=2, n_jobs=2, batch_size=2, random_state=1)
    alone = clone(search).set_params(n_jobs=None)
    assert search.fit(X, Y).best_params_ == alone.fit(X, Y).best_params_
    assert cross_val_score(alone, X, Y, cv=2).mean() > 0.7


def test_a_distribution_that_is_none_is_refused_at_its_place() -> None:
    with pytest.raises(sg.InvalidArgument, match=r"^param_distributions\['C'\]: must be a distrib"):
        SuggestSearchCV(LogisticRegression(), {"C": stats.uniform(-1, 0)}).fit(X, Y)


def test_checkpoints_are_refused() -> None:
    search = SuggestSearchCV(LogisticRegression(), {"C": [1, 2]}, algorithm="pbt")
    with pytest.raises(sg.InvalidArgument, match="pbt hands checkpoints from trial to trial"):
        search.fit(X, Y)
