"""What a writer does not say it has changed comes back as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from suggestion.client.writing import to_yaml
from suggestion.conversion import documents
from suggestion.conversion.definition import Definition, Loss
from suggestion.conversion.kinds import SYSTEMS
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.priors import Distribution

#: What an experiment may have beside that; each of them may be there or not.
FURTHER: tuple[dict[str, Any], ...] = (
    {"conditions": ("lr if units == 1",)},
    {"settings": {"gamma": "0.3"}},
    {
        "metrics": ("time", "recall", "size"),
        "settings": {"objectives": "time: minimize", "metric_constraints": "recall >= 0.5"},
    },
    {"stopping": "medianstop", "stopping_settings": {"start_step": "2"}},
    {"failures": 2},
    {"collector": {"collector": {"kind": "File"}}},
    {"extra": {"resumePolicy": "Never"}},
    {"metadata": {"namespace": "n", "labels": {"a": "b"}}},
)
WRITTEN = sorted(name for name, system in SYSTEMS.items() if system.write is not None)
NAMES = ("lr", "units", "a b", "--rate", "on", "1e3", "größe")
TEXTS = st.sampled_from(["sgd", "on", "1e-3", "0.10", "null", "a: b", "true", "16", "~", "x y"])


@st.composite
def parameters(draw: st.DrawFn, name: str) -> Parameter:
    kind = draw(st.sampled_from(["double", "int", "discrete", "categorical"]))
    if kind == "categorical":
        return Categorical(name, tuple(draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))))
    if kind == "discrete":
        numbers = draw(st.lists(st.integers(-9, 99), min_size=1, max_size=4, unique=True))
        return Discrete(name, tuple(str(number / 4) for number in numbers))
    distribution = draw(st.sampled_from(list(Distribution)))
    low, width = draw(st.integers(1, 50)), draw(st.integers(1, 900))
    if kind == "int":
        step = draw(st.sampled_from([1, 1, 2, 5]))
        return Int(name, low, low + max(width, step), step, distribution)
    divided = draw(st.sampled_from([None, None, "0.5"]))
    return Double(name, str(low / 8), str((low + width) / 8 + 1), divided, distribution)


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    made = tuple(draw(parameters(name)) for name in names)
    return Definition(
        "study",
        made,
        metric=draw(st.sampled_from(["loss", "val-acc", "on"])),
        maximize=draw(st.booleans()),
        target=draw(st.sampled_from(["", "0.5"])),
        algorithm=draw(st.sampled_from(["random", "grid", "tpe", "bayesianoptimization"])),
        trials=draw(st.sampled_from([3, 40])),
        parallel=draw(st.sampled_from([1, 3])),
        command=("python", "train.py"),
        **{
            k: v
            for part in draw(st.sets(st.sampled_from(range(len(FURTHER)))))
            for k, v in FURTHER[part].items()
        },
    )


def alike(one: Parameter, other: Parameter) -> bool:
    if isinstance(one, Double) and isinstance(other, Double) and one.distribution.is_normal:
        ends = [(one.min, other.min), (one.max, other.max)]
        near = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in ends)
        return near and one.distribution is other.distribution
    if isinstance(one, Discrete) and isinstance(other, Discrete):
        return (one.name, one.numbers) == (other.name, other.numbers)
    return one == other


@settings(max_examples=20)  # each is written and read by seven systems
@given(made=definitions())
def test_what_is_not_named_comes_back(made: Definition) -> None:
    for name in WRITTEN:
        there_and_back(name, made)


def there_and_back(name: str, made: Definition) -> None:
    system = SYSTEMS[name]
    assert system.write is not None
    losses: list[Loss] = []
    data = system.write(made, losses)
    if system.json:
        (document,) = documents.from_json(json.dumps(data))
    else:
        (document,) = documents.from_yaml(to_yaml(data))
    assert document.system == name or (name, document.system) == ("katib", "experiment")
    again: list[Loss] = []
    back = system.read(document.texts if system.texts else document.typed, again)
    named = {loss.place.removeprefix("command: ") for loss in losses}
    named |= {loss.place.rpartition(".")[2] for loss in again}
    known = {parameter.name: parameter for parameter in back.parameters}
    for parameter in made.parameters:
        if parameter.name not in named and name not in ("wandb",):
            assert alike(parameter, known[parameter.name]), (name, parameter)
    if name == "wandb":  # no dashes before a name there
        pairs = zip(made.parameters, back.parameters, strict=True)
        for parameter, other in pairs:
            if parameter.name not in named:
                assert alike(parameter, other) or parameter.name.startswith("-")
    if "the experiment" in named:
        assert system.space_only
        named |= {*next(loss.why for loss in losses if loss.place == "the experiment").split(", ")}
    before, after = dict(subjects(made)), dict(subjects(back))
    lost = {key for key in before if before[key] and before[key] != after.get(key)}
    assert lost <= {word.rpartition(" ")[2] for word in named} | named, (name, losses)


def subjects(made: Definition) -> Iterator[tuple[str, object]]:
    """Yield all that a definition says beside its parameters, by the names that notes give it."""
    yield "name", made.name
    yield "objective", (made.metric, made.maximize)
    yield "goal", made.target
    yield "additionalMetricNames", made.metrics
    yield "algorithm", made.algorithm
    yield "algorithm settings", {**made.settings}
    yield "conditions", made.conditions
    yield "earlyStopping", made.stopping
    yield "earlyStopping settings", {**made.stopping_settings}
    yield "maxTrialCount", made.trials
    yield "parallelTrialCount", made.parallel
    yield "maxFailedTrialCount", made.failures
    yield "trialTemplate", bool(made.command or made.template)
    yield "metricsCollectorSpec", made.collector
    yield from (entry for entry in made.extra.items() if entry[0] != "metricStrategies")
    yield from ((f"metadata.{key}", value) for key, value in made.metadata.items())


def test_nothing_of_an_experiment_is_lost(tmp_path: Path) -> None:
    made = Definition(
        "study",
        (Double("x", "1", "2"), Categorical("k", ("a", "b"))),
        ("x if k == 'a'",),
        "loss",
        False,
        "0.5",
        ("time",),
        "tpe",
        {"gamma": "0.3"},
        "medianstop",
        {"start_step": "2"},
        9,
        3,
        1,
        template={"command": ["a", "${trialParameters.x}"]},
        collector={"collector": {"kind": "StdOut"}},
        extra={"resumePolicy": "Never", "metricStrategies": [{"name": "time", "value": "max"}]},
        metadata={"namespace": "n", "labels": {"team": "a"}, "annotations": {"a": "b"}},
    )
    losses: list[Loss] = []
    write = SYSTEMS["experiment"].write
    assert write is not None
    (tmp_path / "e.yaml").write_text(to_yaml(write(made, losses)))
    document = documents.load(tmp_path / "e.yaml")
    back = SYSTEMS["experiment"].read(document.texts, losses)
    assert (back, losses) == (made, [])


def test_ray_tune_gets_the_step_of_a_normal_distribution() -> None:
    write = SYSTEMS["raytune"].write
    assert write is not None
    parameter = Double("x", "-3", "3", "0.5", Distribution.NORMAL)
    assert write(Definition(parameters=(parameter,)), []) == {"x": "tune.qrandn(0.0, 1.0, 0.5)"}
