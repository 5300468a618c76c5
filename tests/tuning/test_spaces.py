"""Search spaces in every form in which users have them, and what they are told of wrong ones."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypedDict

import numpy as np
import pytest

import suggestion as sg
from suggestion.tuning.reading import SpaceLike, read_space
from suggestion.tuning.space import Space, from_json

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Kind(enum.Enum):
    SMALL = 1
    LARGE = 2


def square(x: float) -> float:
    return x * x


def declared(space: SpaceLike) -> list[tuple[object, object, object]]:
    entries = read_space(space).declarations()
    return [(e["name"], e["parameterType"], e["feasibleSpace"]) for e in entries]


def test_constructors_declare_what_an_experiment_file_would() -> None:
    assert declared(
        {
            "a": sg.uniform(0, 1),
            "b": sg.uniform(0.1, 0.9, step=0.1),
            "c": sg.log_uniform(1e-5, "1e-1"),
            "d": sg.normal(-3, 3),
            "e": sg.log_normal(1, 100),
            "f": sg.integer(1, np.int64(4)),
            "g": sg.integer(0, 100, step=5),
            "h": sg.log_integer(1, 1024),
            "i": sg.choice(["sgd", "adam"]),
            "j": ["sgd", "adam"],
            "k": sg.discrete([16, 32, 6.5]),
            "l": sg.uniform(np.float32(0.5), np.float64(0.75)),
        }
    ) == [
        ("a", "double", {"min": "0", "max": "1"}),
        ("b", "double", {"min": "0.1", "max": "0.9", "step": "0.1"}),
        ("c", "double", {"min": "1e-05", "max": "1e-1", "distribution": "logUniform"}),
        ("d", "double", {"min": "-3", "max": "3", "distribution": "normal"}),
        ("e", "double", {"min": "1", "max": "100", "distribution": "logNormal"}),
        ("f", "int", {"min": "1", "max": "4"}),
        ("g", "int", {"min": "0", "max": "100", "step": "5"}),
        ("h", "int", {"min": "1", "max": "1024", "distribution": "logUniform"}),
        ("i", "categorical", {"list": ["sgd", "adam"]}),
        ("j", "categorical", {"list": ["sgd", "adam"]}),
        ("k", "discrete", {"list": ["16", "32", "6.5"]}),
        ("l", "double", {"min": "0.5", "max": "0.75"}),
    ]


VALUES = ["a", "", "1", 1, 1.0, True, "True", None, (2, "x"), square, Kind.LARGE, "LARGE", 2**70]
VALUES += [math.inf, object(), [1, 2], {"deep": 3}]


def test_choices_come_back_as_the_very_objects() -> None:
    space = read_space({"x": VALUES})
    parameter = space.parameters["x"]
    (entry,) = space.declarations()
    feasible = entry["feasibleSpace"]
    assert isinstance(feasible, dict)
    texts = feasible["list"]
    assert len(set(texts)) == len(VALUES)
    assert all(texts)
    for text, value in zip(texts, VALUES, strict=True):
        assert parameter.decode(text) is value
        assert parameter.encode(value) == text
    assert space.domain["x"].levels == len(VALUES)


def test_texts_of_choices_are_those_of_a_command_line_where_they_can_be() -> None:
    assert declared({"x": ["sgd", 0.1, 16, True, None, square]})[0][2] == {
        "list": ["sgd", "0.1", "16", "True", "None", "square"]
    }


@pytest.mark.parametrize(
    ("parameter", "value", "type_"),
    [
        (sg.uniform(0, 3), 2, float),
        (sg.integer(0, 3), 2, int),
        (sg.discrete([1, 2]), 2, int),
        (sg.discrete([0.5, 2.0]), 2, float),
        (sg.choice([1, 2]), 2.0, int),
        (sg.choice([False, True]), np.True_, bool),
    ],
)
def test_values_have_the_types_of_the_user(
    parameter: sg.Parameter[object], value: object, type_: type
) -> None:
    space = read_space({"x": parameter})
    found = space.decode(space.encode({"x": value}))["x"]
    assert type(found) is type_
    assert found == value


def test_all_that_is_wrong_is_said_at_once_with_its_place() -> None:
    with pytest.raises(ValueError, match="space") as caught:
        sg.Study(
            {
                "lr": sg.log_uniform(0, 1),
                "layers": sg.integer(1.5, 0),
                "units": sg.uniform(1, 0),
                "step": sg.uniform(0, 1, step=-1),
                "nan": sg.uniform(math.nan, True),
                "empty": [],
                "pair": (0, 1),
                "twice": ["a", "b", "a"],
                "text": sg.discrete(["x"]),
                "good": [1, 2],
            }
        )
    assert isinstance(caught.value, sg.InvalidArgument)
    assert [str(rule) for rule in caught.value.broken] == str(caught.value).splitlines()
    assert str(caught.value).splitlines() == [
        "space['pair']: must be a parameter, such as suggestion.uniform(0, 1), or a list of "
        "choices, got (0, 1)",
        "space['lr'].min: logUniform needs min > 0, got min = 0",
        "space['layers'].min: min of an int must be whole, got min = '1.5'",
        "space['units'].min: min must not exceed max, got min = 1, max = 0",
        "space['step'].step: step must be greater than 0, got step = '-1'",
        "space['nan'].min: min must be a finite number, got 'nan'",
        "space['nan'].max: max must be a finite number, got 'True'",
        "space['empty']: list must not be empty",
        "space['twice']: list entries must differ, got 'a' again",
        "space['text']: list entries of a discrete parameter must be finite numbers, got 'x'",
    ]


def test_what_is_no_space_is_refused() -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        read_space({"a": 3, 4: [1], "b": "text"})  # type: ignore[dict-item]
    assert [rule.place for rule in caught.value.broken] == ["space['a']", "space", "space['b']"]
    with pytest.raises(sg.InvalidArgument, match=r"^space: must map names to parameters.*got 3"):
        read_space(3)  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidArgument, match=r"^space: must have at least one parameter"):
        sg.Study({})
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study({"a": [1], "a" * 254: [1], "": [1]})
    assert "name must have at most 253 characters, got 254" in str(caught.value)
    assert "parameter name must not be empty" in str(caught.value)


# ------------------------------------------------------------------ type hints


def train(
    lr: Annotated[float, sg.log_uniform(1e-5, 1e-1)],
    layers: Annotated[int, sg.integer(1, 4)],
    batch: Annotated[int, [16, 32]],
    optimizer: Literal["sgd", "adam"],
    kind: Kind,
    nesterov: bool,
    epochs: int = 20,
    tuned: Annotated[float, sg.uniform(0, 1)] = 0.5,
    debug: bool = False,
) -> float:
    return lr


@dataclass
class Config:
    lr: Annotated[float, sg.log_uniform(1e-5, 1e-1)]
    nesterov: bool
    epochs: int = 3


class Options(TypedDict):
    lr: Annotated[float, sg.log_uniform(1e-5, 1e-1)]
    nesterov: bool


def test_a_space_from_type_hints() -> None:
    space: Space = read_space(train)
    assert list(space.parameters) == [
        "lr",
        "layers",
        "batch",
        "optimizer",
        "kind",
        "nesterov",
        "tuned",
    ]
    assert space.parameters["kind"].literals() == [None, None]
    point = sg.Study(train, seed=1).ask()
    assert point.call(train) == point["lr"]
    for source in (Config, Options):
        assert declared(source) == [
            ("lr", "double", {"min": "1e-05", "max": "0.1", "distribution": "logUniform"}),
            ("nesterov", "categorical", {"list": ["False", "True"]}),
        ]
    assert isinstance(sg.Study(Config).ask().call(Config), Config)


def test_hints_that_say_nothing_are_named() -> None:
    def bad(x: float, y, z: Annotated[int, sg.integer(5, 1)]) -> float:  # type: ignore[no-untyped-def]
        return x

    with pytest.raises(sg.InvalidArgument) as caught:
        read_space(bad)
    assert [rule.place for rule in caught.value.broken] == ["bad(x)", "bad(y)"]

    def worse(z: Annotated[int, sg.integer(5, 1)]) -> float:
        return z

    with pytest.raises(sg.InvalidArgument, match=r"^worse\(z\)\.min: min must not exceed max"):
        sg.Study(worse)


# --------------------------------------------------------- files and libraries


def test_a_space_from_an_experiment_file(tmp_path: Path) -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        if path.name.startswith("nas-"):
            with pytest.raises(sg.InvalidArgument, match=r"must have spec\.parameters"):
                read_space(path)
        else:
            assert read_space(path).domain.dimension >= 1, path
    point = sg.Study(EXAMPLES / "random.yaml", algorithm="random").ask()
    assert all(isinstance(value, float | int | str) for value in point.values())
    broken = tmp_path / "broken.yaml"
    broken.write_text((EXAMPLES / "random.yaml").read_text().replace("min:", "least:", 1))
    with pytest.raises(sg.InvalidArgument, match=r"broken\.yaml:\d+: spec\.parameters"):
        read_space(broken)


def test_a_space_from_optunas_distributions() -> None:
    distributions = pytest.importorskip("optuna.distributions")
    space = {
        "lr": distributions.FloatDistribution(1e-5, 1e-1, log=True),
        "drop": distributions.FloatDistribution(0, 0.5, step=0.1),
        "layers": distributions.IntDistribution(1, 9, step=2),
        "optimizer": distributions.CategoricalDistribution(["sgd", None, 3]),
        "ours": sg.integer(0, 1),
    }
    assert declared(space) == [
        ("lr", "double", {"min": "1e-05", "max": "0.1", "distribution": "logUniform"}),
        ("drop", "double", {"min": "0.0", "max": "0.5", "step": "0.1"}),
        ("layers", "int", {"min": "1", "max": "9", "step": "2"}),
        ("optimizer", "categorical", {"list": ["sgd", "None", "3"]}),
        ("ours", "int", {"min": "0", "max": "1"}),
    ]
    point = sg.Study(space).ask()
    assert point["optimizer"] in ("sgd", None, 3)


def test_a_space_from_configspace() -> None:
    configspace = pytest.importorskip("ConfigSpace")
    given = configspace.ConfigurationSpace(
        {
            "lr": configspace.Float("lr", (1e-5, 1e-1), log=True),
            "layers": configspace.Integer("layers", (1, 4)),
            "optimizer": ["sgd", "adam"],
            "size": configspace.OrdinalHyperparameter("size", [16, 32, 64]),
            "word": configspace.OrdinalHyperparameter("word", ["low", "high"]),
            "fixed": 7,
        }
    )
    assert sorted(declared(given), key=str) == [
        ("fixed", "categorical", {"list": ["7"]}),
        ("layers", "int", {"min": "1", "max": "4"}),
        ("lr", "double", {"min": "1e-05", "max": "0.1", "distribution": "logUniform"}),
        ("optimizer", "categorical", {"list": ["sgd", "adam"]}),
        ("size", "discrete", {"list": ["16", "32", "64"]}),
        ("word", "categorical", {"list": ["low", "high"]}),
    ]
    point = sg.Study(given).ask()
    assert type(point["layers"]) is int
    assert type(point["fixed"]) is int


def test_what_configspace_can_say_and_we_cannot_is_named() -> None:
    configspace = pytest.importorskip("ConfigSpace")
    given = configspace.ConfigurationSpace()
    a = configspace.Categorical("a", ["x", "y"], weights=[0.9, 0.1])
    b = configspace.Float("b", (0, 1), distribution=configspace.Normal(0.5, 0.1))
    c = configspace.Integer("c", (0, 9))
    given.add([a, b, c])
    given.add(configspace.EqualsCondition(c, a, "x"))
    with pytest.raises(sg.InvalidArgument) as caught:
        read_space(given)
    assert [rule.place for rule in caught.value.broken] == ["space", "space['a']", "space['b']"]
    assert "conditions are not supported" in str(caught.value)


# ------------------------------------------------------------------------ JSON


def test_a_space_is_the_same_after_json() -> None:
    space = read_space({"x": sg.log_uniform(1, 2), "y": ["a", 1, True, None, (1, 2)], "z": [2, 3]})
    again = from_json(space.to_json(), "file")
    assert again.declarations() == space.declarations()
    for text in ("a", "1", "True", "None", "(1, 2)"):
        value = again.parameters["y"].decode(text)
        assert (type(value), value) == (type(space.parameters["y"].decode(text)), value)
    with pytest.raises(sg.InvalidArgument, match="cannot be stored; give the space again"):
        from_json(read_space({"x": [square]}).to_json(), "file")


@pytest.mark.parametrize("values", ["sgd", b"sgd", {"sgd"}, frozenset({1}), 5], ids=repr)
def test_choices_need_an_order(values: Iterable[object]) -> None:
    for make in (sg.choice, sg.discrete):
        with pytest.raises(TypeError, match=r"\(\): must be given a list of values, got "):
            make(values)
