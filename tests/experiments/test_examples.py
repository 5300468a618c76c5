"""Every example runs to its end, with fewer and shorter trials than it is written for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from suggestion.client import manifest, schema
from suggestion.client.manifest import ManifestError
from suggestion.controller.driver import Controller
from suggestion.controller.trials import Condition
from suggestion.engine.algorithm import algorithms
from suggestion.problem.locations import dotted
from suggestion.runner import runner
from tests.experiments.support import Machine, Recorder, stored

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# A second of computing for each, most of it the imports of its trials.
FILES = [
    pytest.param(path.stem, marks=() if path.stem == "quickstart" else pytest.mark.integration)
    for path in sorted(EXAMPLES.glob("*.yaml"))
]

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="the examples' trials need scikit-learn"
)


def run(
    machine: Machine,
    tmp_path: Path,
    name: str,
    trials: int,
    view: Recorder | None = None,
    learn_from: Sequence[Path] = (),
) -> Controller:
    """An example, with so many trials."""
    path = EXAMPLES / f"{name}.yaml"
    document = manifest.load(path, schema.EXPERIMENT, kind="Experiment").document
    spec = document["spec"]
    changes = [f"spec.maxTrialCount={trials}", f"metadata.name={name}-{os.getpid()}"]
    if "start_step" not in path.read_text():
        changes += [
            f"{dotted(where)}=--epochs=2"
            for where in arguments(spec["trialTemplate"], ("spec", "trialTemplate"))
        ]
    request = runner.Request(
        path,
        # A server that hands on checkpoints is told where they are here, so it is our own.
        target=None if spec["algorithm"]["algorithmName"] == "pbt" else machine.target,
        database=machine.database,
        directory=tmp_path / "state",
        changes=changes,
        learn_from=learn_from,
    )
    try:
        return runner.run(request, view or Recorder(), lambda _: None)
    except ManifestError as error:
        if "tensorboard, which is not installed" in str(error):
            pytest.skip("the extra 'tensorboard' is not installed")
        raise


def arguments(node: object, path: manifest.FieldPath) -> list[manifest.FieldPath]:
    """Where the number of epochs stands, if it is no parameter."""
    if isinstance(node, str):
        return [path] if node.startswith("--epochs=") and "$" not in node else []
    if isinstance(node, dict):
        return [found for key, value in node.items() for found in arguments(value, (*path, key))]
    if isinstance(node, list):
        pairs = enumerate(node)
        return [found for index, value in pairs for found in arguments(value, (*path, index))]
    return []


@pytest.mark.integration
def test_an_example_learns_from_another(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    run(machine, tmp_path / "before", "initial-points", 2)
    controller = run(
        machine, tmp_path, "bayesian-optimization", 1, learn_from=[tmp_path / "before" / "state"]
    )
    assert controller.experiment.condition()["type"] == "Succeeded"
    (trial,) = stored(tmp_path)
    (tmp_path / "alone").mkdir()
    middle = run(machine, tmp_path / "alone", "bayesian-optimization", 1)
    assert middle.best is not None
    assert trial.assignment != middle.best.assignment


@pytest.mark.parametrize("name", FILES)
def test_example(machine: Machine, tmp_path: Path, name: str) -> None:
    document = manifest.load(
        EXAMPLES / f"{name}.yaml", schema.EXPERIMENT, kind="Experiment"
    ).document
    algorithm = document["spec"]["algorithm"]["algorithmName"]
    if algorithm not in algorithms().names:
        pytest.skip(f"the algorithm {algorithm!r} is not installed")
    controller = run(machine, tmp_path, name, 2)
    assert controller.experiment.condition()["type"] == "Succeeded"
    trials = stored(tmp_path)
    assert len(trials) == 2
    assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    assert controller.best is not None
    assert controller.objective.metric in controller.best.series


def test_the_optimization_job(machine: Machine, tmp_path: Path) -> None:
    request = runner.Request(
        EXAMPLES / "kubeflow" / "optimizationjob.yaml",
        target=machine.target,
        database=machine.database,
        directory=tmp_path / "state",
        changes=["spec.maxTrialCount=2", f"metadata.name=job-{os.getpid()}"],
    )
    controller = runner.run(request, Recorder(), lambda _: None)
    assert controller.experiment.condition()["type"] == "Succeeded"
    trials = stored(tmp_path)
    assert len(trials) == 2
    assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    assert controller.best is not None
    assert controller.objective.metric == "accuracy"
