"""hyperopt's annealing, driven as a function of the request."""

from __future__ import annotations

import numpy as np
import pytest

from suggestion.algorithms.anneal import Anneal, algorithm, model
from suggestion.algorithms.anneal.model import Model
from suggestion.numerics import randomness, sampling, streams
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import History, Study
from tests.support.studies import finished, loss_of, study_on

SPACE = SearchSpace(
    (
        Double("x", 0, 1),
        Int("n", 0, 99),
        Discrete("d", ("1", "2", "4")),
        Categorical("c", ("a", "b", "c")),
    )
)


def loss(values: dict[str, object]) -> float:
    return abs(float(values["x"]) - 0.3) + 0.2 * (values["c"] != "b")  # type: ignore[arg-type]


def study(count: int, seed: int = 1, space: SearchSpace = SPACE) -> Study:
    points = sampling.independent(space, 2, 0, count)
    seen = tuple(finished(f"t{k:04}", a, loss(dict(a))) for k, a in enumerate(points))
    return study_on(space, seed=seed, first_index=count, trials=History(seen))


def test_the_first_is_a_draw_from_the_prior() -> None:
    assert list(Anneal().suggest(study(0), 3)) == sampling.independent(SPACE, 1, 0, 3)


def test_showing_hyperopt_the_best_trials_is_showing_it_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = Anneal().suggest(study(300), 6)
    monkeypatch.setattr(algorithm, "_SHOWN", 300)
    assert Anneal().suggest(study(300), 6) == few


def test_it_is_hyperopt_s_own_suggestion() -> None:
    """The same trials in hyperopt's own form, through its own way of adding them."""
    import hyperopt  # noqa: PLC0415
    from hyperopt import anneal, hp  # noqa: PLC0415

    space = SearchSpace((Double("x", 0, 1), Double("y", 0, 1)))
    it = study_of_plane(space)
    domain = hyperopt.base.Domain(lambda _: 0, {n: hp.uniform(n, 0, 1) for n in ("x", "y")})
    trials = hyperopt.Trials()
    documents = trials.new_trial_docs(
        list(range(20)),
        [None] * 20,
        [{"status": "ok", "loss": loss_of(o)} for o in it.observations],
        [
            {
                "tid": k,
                "cmd": None,
                "idxs": {"x": [k], "y": [k]},
                "vals": {n: [o.assignment[n]] for n in ("x", "y")},
            }
            for k, o in enumerate(it.observations)
        ],
    )
    for document in documents:
        document["state"] = hyperopt.JOB_STATE_DONE
    trials.insert_trial_docs(documents)
    trials.refresh()
    shown = sorted(it.observations, key=loss_of)
    for index in range(5):
        seed = int(streams.rng(it, index).integers(2**31 - 1, size=model._DRAWS)[0])
        (theirs,) = anneal.suggest([0], domain, trials, seed, avg_best_idx=2.0, shrink_coef=0.1)
        ours = next(Model(space, shown).draws(streams.rng(it, index), 2.0, 0.1, it.deadline.check))
        assert list(ours.values()) == pytest.approx(
            [theirs["misc"]["vals"][n][0] for n in ("x", "y")]
        )


def study_of_plane(space: SearchSpace) -> Study:
    points = randomness.uniforms(3, 0, 20, 2)
    seen = tuple(
        finished(f"t{k:02}", {"x": float(x), "y": float(y)}, float((x - 0.4) ** 2 + y))
        for k, (x, y) in enumerate(points)
    )
    return study_on(space, seed=1, first_index=20, trials=History(seen))


def test_windows_shrink_as_set() -> None:
    best = min(study(200).observations, key=loss_of).assignment
    spread = {
        shrink: np.mean(
            [
                abs(float(a["x"]) - float(best["x"]))
                for a in Anneal(shrink_coef=shrink, avg_best_idx=1.0).suggest(study(200), 60)
            ]
        )
        for shrink in (0.01, 0.1, 1.0)
    }
    # A window w wide around the best: a mean distance of w / 4, unless the range ends there.
    assert spread[1.0] == pytest.approx(1 / 201 / 4, rel=0.4)
    assert spread[0.1] == pytest.approx(1 / 21 / 4, rel=0.4)
    assert spread[0.01] == pytest.approx(1 / 3 / 4, rel=0.4)


def test_the_mean_rank_is_as_set() -> None:
    it = study(200)
    ranked = [float(o.assignment["x"]) for o in sorted(it.observations, key=loss_of)]
    for mean in (1.0, 2.0, 8.0):
        found = Anneal(avg_best_idx=mean, shrink_coef=1000).suggest(it, 150)
        ranks = [int(np.argmin(np.abs(np.array(ranked) - float(a["x"])))) for a in found]
        assert 1 + np.mean(ranks) == pytest.approx(mean, rel=0.3)


def test_out_of_space_observations_count_where_their_values_fit() -> None:
    lone = (finished("old", {"x": 0.123}, -1.0),)
    it = study_on(SPACE, seed=1, first_index=9, trials=History(out_of_space=lone))
    found = Anneal(shrink_coef=1e6).suggest(it, 5)
    assert [float(a["x"]) for a in found] == pytest.approx([0.123] * 5, abs=1e-3)
    assert len({a["n"] for a in found}) > 1
