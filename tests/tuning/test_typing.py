"""What type checkers see: a user's program is well typed, and nothing public is Any.

`make lint` checks this file with ``mypy --strict``, so the assertions about types hold there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

import pytest

import suggestion as sg
from suggestion.tuning.spaces import Listed, Range


def train(lr: float, layers: int, optimizer: str) -> float:
    return lr * layers + len(optimizer)


def test_a_users_program_is_well_typed() -> None:
    space = {"lr": sg.log_uniform(1e-5, 1e-1), "layers": sg.integer(1, 4), "optimizer": ["a", "b"]}
    study = sg.Study(space, algorithm="random", settings={"random_state": 1}, maximize=True)
    point = study.ask()
    for other in study.ask(3):
        study.tell(other, other.call(train))
    study.tell(point, {"value": point.as_float("lr") * point.as_int("layers")})
    assert_type(point.as_str("optimizer"), str)
    assert_type(point.call(train), float)
    assert_type(point["lr"], object)
    assert_type(study.best.value, float | None)
    assert_type(study.best.parameters, Mapping[str, object])
    assert_type(sg.uniform(0, 1), Range[float])
    assert_type(sg.choice([1, 2]), Listed[int])
    for name in ("optimizer", "lr"):
        with pytest.raises(TypeError, match=rf"point\['{name}'\]: must be an int, got "):
            point.as_int(name)


def tuned() -> None:
    """Never called: only its types matter."""
    result = sg.tune(train, {"lr": sg.uniform(0, 1), "optimizer": ["a"]}, trials=3, stop=None)
    assert_type(result, sg.Result)
    assert_type(result.best.value, float | None)
    assert_type(result.plot().save("plot.html"), Path)
    assert_type(result.experiment_file("e.yaml", image="x"), Path)
    assert_type(sg.should_stop(), bool)
    sg.report(0.3, step=1, accuracy=0.9)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(sg.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", [name for name in sg.__all__ if name != "__version__"])
def test_nothing_public_is_any(name: str) -> None:
    found = getattr(sg, name)
    functions = [found]
    if inspect.isclass(found):
        functions = [f for f in vars(found).values() if inspect.isfunction(f)]
        functions += [f.fget for f in vars(found).values() if isinstance(f, property)]
    for function in functions:
        for hint in function.__annotations__.values():
            assert not re.search(r"\bAny\b", str(hint)), function
