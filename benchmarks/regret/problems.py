"""The problems: a search space, a loss, its best value, and the median loss of random draws.

Half A is for choosing (settings, variants), half B for reporting: nothing may be chosen on B. More
problems for choosing are in `multimodal`. The trainings of others are in `trainings` and the
functions of others in `coco`, in two halves too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.regret import coco, multimodal, tables, trainings
from benchmarks.regret.problem import Problem, cube, synthetic, vector
from suggestion.numerics import randomness
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace

LOG: Final = Distribution.LOG_UNIFORM


# ------------------------------------------------------------------- synthetic


def _shift(name: str, dimension: int, reach: float) -> Array:
    """Where the optimum is moved to, so that no engine finds it in the middle."""
    drawn: Array = randomness.uniforms(0, 0, 1, dimension, "shift", name)[0]
    return (2 * drawn - 1) * reach


def _branin(x: Array) -> float:
    a, b = x
    bent = b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6
    return float(bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


_HARTMANN_ALPHA: Final = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN6_A: Final = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_HARTMANN6_P: Final = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_HARTMANN3_A: Final = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
_HARTMANN3_P: Final = 1e-4 * np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)


def _hartmann(x: Array, a: Array, p: Array) -> float:
    return -float(_HARTMANN_ALPHA @ np.exp(-np.sum(a * (x - p) ** 2, axis=1)))


def _rosenbrock(x: Array) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def _ackley(x: Array) -> float:
    return float(
        20
        + math.e
        - 20 * math.exp(-0.2 * math.sqrt(np.mean(x * x)))
        - math.exp(np.mean(np.cos(2 * math.pi * x)))
    )


def _levy(x: Array) -> float:
    w = 1 + (x - 1) / 4
    middle = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2))
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * math.pi * w[-1]) ** 2)
    return float(np.sin(math.pi * w[0]) ** 2 + middle + last)


def _styblinski_tang(x: Array) -> float:
    return float(np.sum(x**4 - 16 * x**2 + 5 * x) / 2)


def _six_hump_camel(x: Array) -> float:
    a, b = x
    return float((4 - 2.1 * a**2 + a**4 / 3) * a**2 + a * b + (4 * b**2 - 4) * b**2)


def _mixed_seven(x: Mapping[str, Any]) -> float:
    """A network's tuning in caricature: what is right for one optimizer is wrong for the other."""
    rate = math.log10(x["rate"])
    wanted = {"sgd": -1.3, "adam": -3.0, "rmsprop": -2.7}[x["optimizer"]]
    loss: float = {"sgd": 0.1, "adam": 0.0, "rmsprop": 0.15}[x["optimizer"]]
    loss += 0.3 * (rate - wanted) ** 2
    loss += 0.05 * (math.log10(x["decay"]) + 5.3) ** 2
    loss += 0.08 * (x["layers"] - 8) ** 2 / 4 + 0.2 * abs(math.log2(x["width"] / 256)) / 3
    loss += 0.5 * (x["dropout"] - 0.12) ** 2 * (1 + x["layers"] / 5)
    return loss + {"relu": 0.0, "tanh": 0.12, "elu": 0.03, "sigmoid": 0.3}[x["activation"]]


_MIXED_SEVEN: Final = SearchSpace(
    (
        Double("rate", 1e-5, 1, distribution=LOG),
        Double("decay", 1e-6, 1e-1, distribution=LOG),
        Int("layers", 1, 10),
        Discrete("width", ("16", "32", "64", "128", "256", "512")),
        Double("dropout", 0, 0.8),
        Categorical("optimizer", ("sgd", "adam", "rmsprop")),
        Categorical("activation", ("relu", "tanh", "elu", "sigmoid")),
    )
)


def _mixed_ten(x: Mapping[str, Any]) -> float:
    """Interacting doubles and ints, a step, two lists and three categories, two of them joint."""
    a, b = math.log(x["a"]) / math.log(10), math.log(x["b"]) / math.log(10)
    loss: float = (a + 2.6 + 0.5 * (b + 0.4)) ** 2 + 0.3 * (b + 0.4) ** 2
    loss += 0.1 * abs(x["m"] - 82) / 10 + 0.4 * (math.log2(x["n"] / 6)) ** 2 / 4
    loss += 2 * (x["s"] - 0.85) ** 2 + 0.15 * abs(math.log2(x["size"]) - 9)
    loss += 0.4 * (1 - math.cos(2 * math.pi * (x["u"] - 0.18))) + (x["u"] - 0.18) ** 2
    pair = {("p", "x"): 0.5, ("p", "y"): 0.9, ("q", "x"): 0.8, ("q", "y"): 0.0}
    loss += pair[(x["c"], x["d"])]
    return loss + {"k1": 0.2, "k2": 0.0, "k3": 0.35, "k4": 0.3, "k5": 0.5}[x["kind"]]


_MIXED_TEN: Final = SearchSpace(
    (
        Double("a", 1e-4, 1e2, distribution=LOG),
        Double("b", 1e-5, 1e1, distribution=LOG),
        Int("m", 1, 100),
        Int("n", 2, 512, distribution=LOG),
        Double("s", 0, 1, step=0.05),
        Discrete("size", ("8", "16", "32", "64", "128", "256", "512", "1024")),
        Double("u", 0, 1),
        Categorical("c", ("p", "q")),
        Categorical("d", ("x", "y")),
        Categorical("kind", ("k1", "k2", "k3", "k4", "k5")),
    )
)


# ------------------------------------------------------------------------ BBOB


def _bbob(half: str, function: int, dimension: int, instance: int) -> Problem:
    """A function of the BBOB suite [Hansen2021]_, as coco-experiment computes it.

    .. [Hansen2021] N. Hansen et al. COCO: a platform for comparing continuous optimizers in a
       black-box setting. Optimization Methods and Software 36(1), 2021.
    """
    import cocoex  # noqa: PLC0415

    f = cocoex.BareProblem("bbob", function, dimension, instance)
    return Problem(
        f"{half}-bbob-f{function}-{dimension}",
        cube(-5, 5, dimension),
        lambda a: float(f(vector(a))),
        float(f.best_value()),
    )


# ---------------------------------------------------------------------- tables


def _table(half: str, name: str) -> Problem:
    table = tables.load(name)
    return Problem(f"{half}-{name}", table.space, table, table.best)


def _both() -> dict[str, Callable[[], Problem]]:
    def shifted_branin() -> Problem:
        space = SearchSpace((Double("x0", -5, 10), Double("x1", 0, 15)))
        return Problem("a-branin-2", space, lambda a: _branin(vector(a)), 0.39788735772973816)

    def hartmann6() -> Problem:
        return synthetic(
            "a-hartmann-6", 6, 0, 1,
            lambda x: _hartmann(x, _HARTMANN6_A, _HARTMANN6_P), -3.322368011415515,
        )  # fmt: skip

    def rosenbrock4() -> Problem:
        shift = _shift("rosenbrock", 4, 1.0)
        return synthetic("a-rosenbrock-4", 4, -4, 4, lambda x: _rosenbrock(x - shift), 0.0)

    def ackley5() -> Problem:
        shift = _shift("ackley", 5, 6.0)
        return synthetic("a-ackley-5", 5, -10, 10, lambda x: _ackley(x - shift), 0.0)

    def mixed7() -> Problem:
        best = _mixed_seven(
            {"rate": 1e-3, "decay": 10**-5.3, "layers": 8, "width": 256, "dropout": 0.12,
             "optimizer": "adam", "activation": "relu"}
        )  # fmt: skip
        return Problem("a-mixed-7", _MIXED_SEVEN, _mixed_seven, best)

    def styblinski3() -> Problem:
        shift = _shift("styblinski", 3, 1.5)
        return synthetic(
            "b-styblinski-3", 3, -6, 6,
            lambda x: _styblinski_tang(x - shift), 3 * -39.16616570377142,
        )  # fmt: skip

    def levy8() -> Problem:
        shift = _shift("levy", 8, 4.0)
        return synthetic("b-levy-8", 8, -10, 10, lambda x: _levy(x - shift), 0.0)

    def hartmann3() -> Problem:
        return synthetic(
            "b-hartmann-3", 3, 0, 1,
            lambda x: _hartmann(x, _HARTMANN3_A, _HARTMANN3_P), -3.862782147820756,
        )  # fmt: skip

    def camel2() -> Problem:
        shift = _shift("camel", 2, 0.8)
        return synthetic(
            "b-camel-2", 2, -3, 3, lambda x: _six_hump_camel(x - shift), -1.0316284534898774
        )

    def mixed10() -> Problem:
        best = _mixed_ten(
            {"a": 10**-2.6, "b": 10**-0.4, "m": 82, "n": 6, "s": 0.85, "size": 512, "u": 0.18,
             "c": "q", "d": "y", "kind": "k2"}
        )  # fmt: skip
        return Problem("b-mixed-10", _MIXED_TEN, _mixed_ten, best)

    return {
        "a-branin-2": shifted_branin,
        "a-hartmann-6": hartmann6,
        "a-rosenbrock-4": rosenbrock4,
        "a-ackley-5": ackley5,
        "a-mixed-7": mixed7,
        "a-bbob-f15-5": lambda: _bbob("a", 15, 5, 1),
        "a-bbob-f8-10": lambda: _bbob("a", 8, 10, 2),
        "a-svm-digits": lambda: _table("a", "svm-digits"),
        "a-boosting-diabetes": lambda: _table("a", "boosting-diabetes"),
        "b-camel-2": camel2,
        "b-hartmann-3": hartmann3,
        "b-styblinski-3": styblinski3,
        "b-levy-8": levy8,
        "b-mixed-10": mixed10,
        "b-bbob-f21-5": lambda: _bbob("b", 21, 5, 1),
        "b-bbob-f6-10": lambda: _bbob("b", 6, 10, 1),
        "b-forest-cancer": lambda: _table("b", "forest-cancer"),
        "b-linear-digits": lambda: _table("b", "linear-digits"),
        "b-network-wine": lambda: _table("b", "network-wine"),
    }


_PROBLEMS: Final = _both()
NAMES: Final = tuple(_PROBLEMS)


def load(name: str) -> Problem:
    """The problem called `name`: one of `NAMES`, or of the further ones."""
    known = {**_PROBLEMS, **multimodal.PROBLEMS, **trainings.problems(), **coco.problems()}
    return known[name]()


def select(half: str = "", names: Sequence[str] = ()) -> list[str]:
    """Names of the problems of one half ("a" or "b"; both if empty), of the further ones for
    choosing ("m"), of the trainings of others ("c" or "d") or of COCO's functions ("e" or "f"), or
    those given."""
    further: dict[str, Mapping[str, Any]] = {"m": multimodal.PROBLEMS}
    further |= dict.fromkeys("cd", trainings.problems()) | dict.fromkeys("ef", coco.problems())
    chosen = tuple(names) or tuple(further.get(half.lower(), NAMES))
    return [name for name in chosen if name.startswith(half.lower())]
