"""What was meant by an unknown name."""

from __future__ import annotations

import pytest

from suggestion.problem.spelling import likely_meant

ALGORITHMS = [
    "anneal",
    "asha",
    "bayesianoptimization",
    "cmaes",
    "grid",
    "multivariate-tpe",
    "random",
]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bayes", "bayesianoptimization"),
        ("bayesopt", "bayesianoptimization"),
        ("Bayesian", "bayesianoptimization"),
        ("RANDOM", "random"),
        ("radnom", "random"),
        ("cma-es", "cmaes"),
        ("multivariate", "multivariate-tpe"),
        ("gr", "grid"),
        ("", None),
        ("hyperopt", None),
    ],
)
def test_what_was_likely_meant(name: str, meant: str | None) -> None:
    assert likely_meant(name, ALGORITHMS) == meant


def test_the_first_of_names_that_differ_in_capitals() -> None:
    assert likely_meant("LR", ["lr", "Lr"]) == "lr"
    assert likely_meant("x", []) is None
    assert likely_meant("x" * 100_000, ALGORITHMS) is None
