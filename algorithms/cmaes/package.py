"""`CatCMAwM` of the package ``cmaes``, without scipy.

Where scipy is installed, ``from cmaes import CatCMAwM`` imports scipy.stats for two functions: a
server then has 112 MiB of memory instead of 49, and its limit is 100. Without scipy, the package
computes one of the two by 100 bisections a value. Its module is therefore executed with functions
of our own in scipy's place. They also make suggestions the same whether or not a machine has scipy.
"""

from __future__ import annotations

import builtins
import importlib.util
import math
import sys
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from suggestion.problem.parameters import Array

_STANDARD: Final = NormalDist()
_NAME: Final = "suggestion.algorithms.cmaes._catcmawm"


def _normal_cdf(x: Array, loc: Array, scale: Array) -> Array:
    z = (x - loc) / (scale * math.sqrt(2))
    return np.array([math.erfc(-value) / 2 for value in z.ravel().tolist()]).reshape(z.shape)


def _chi2_quantile(q: Array | float, df: int) -> Array:
    """Return the quantile for one degree of freedom, the square of a normal quantile."""
    assert df == 1
    shares = np.minimum((1 + np.asarray(q, dtype=np.float64)) / 2, 1 - 1e-16)
    squares = [_STANDARD.inv_cdf(share) ** 2 for share in shares.ravel().tolist()]
    return np.array(squares).reshape(shares.shape)


def _load() -> Any:
    package = importlib.util.find_spec("cmaes")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'cmaes'", name="cmaes")
    path = f"{package.submodule_search_locations[0]}/_catcmawm.py"
    spec = importlib.util.spec_from_file_location(_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    stats = SimpleNamespace(
        norm=SimpleNamespace(cdf=_normal_cdf), chi2=SimpleNamespace(ppf=_chi2_quantile)
    )
    scipy = SimpleNamespace(stats=stats)

    def find(name: str, *args: Any, **named: Any) -> Any:
        return scipy if name == "scipy" else builtins.__import__(name, *args, **named)

    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": find}
    sys.modules[_NAME] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    return module.CatCMAwM


CatCmaWithMargin: Final[Any] = _load()
