"""OptimizationJob files, as `suggest validate` and `suggest run` take them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from suggestion.client import algorithm_check, document
from suggestion.client.manifest import Severity

JOB: dict[str, Any] = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "OptimizationJob",
    "metadata": {"name": "bert"},
    "spec": {
        "objectives": [{"metric": "accuracy", "direction": "Maximize"}],
        "searchAlgorithm": {"random": {"seed": 7}},
        "parameters": [
            {"name": "lr", "searchSpace": {"logUniform": {"min": "0.001", "max": "0.1"}}},
            {"name": "units", "searchSpace": {"uniform": {"min": "1", "max": "9", "type": "Int"}}},
            {"name": "kind", "searchSpace": {"categorical": {"choices": ["a", "b"]}}},
        ],
        "numTrials": 4,
        "parallelTrials": 2,
        "trainJobTemplate": {
            "metadata": {"labels": {"team": "nlp"}},
            "spec": {
                "runtimeRef": {"name": "torch-distributed"},
                "trainer": {
                    "command": ["python", "train.py"],
                    "args": ["--lr=$(KUBEFLOW_TRAINER_OPT_LR)"],
                    "env": [{"name": "A", "value": "1"}],
                },
            },
        },
    },
}


def examine(folder: Path, change: Any = None, **spec: Any) -> document.Examined:
    made = yaml.safe_load(yaml.safe_dump(JOB))
    made["spec"] |= spec
    if change is not None:
        change(made["spec"])
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return algorithm_check.check(document.examine(path), always=True)


def lines(examined: document.Examined, severity: Severity = Severity.ERROR) -> list[str]:
    return [f"{finding.field}: {finding.text}" for finding in examined.of(severity)]


def test_it_is_the_experiment_that_it_means(tmp_path: Path) -> None:
    examined = examine(tmp_path)
    assert examined.findings == ()
    assert examined.loaded is not None
    spec = examined.loaded.document["spec"]
    assert spec["objective"] == {"type": "maximize", "objectiveMetricName": "accuracy"}
    settings = [{"name": "random_state", "value": "7"}]
    assert spec["algorithm"] == {"algorithmName": "random", "algorithmSettings": settings}
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == ("4", "2")
    made = examined.loaded.template.render("t", {"lr": "0.01", "units": "3", "kind": "b"})
    assert made.argv == ("python", "train.py", "--lr=0.01")
    assert made.env == {
        "A": "1",
        "KUBEFLOW_TRAINER_OPT_LR": "0.01",
        "KUBEFLOW_TRAINER_OPT_UNITS": "3",
        "KUBEFLOW_TRAINER_OPT_KIND": "b",
    }


def test_defaults(tmp_path: Path) -> None:
    def without(spec: Any) -> None:
        for key in ("searchAlgorithm", "numTrials", "parallelTrials"):
            del spec[key]
        del spec["objectives"][0]["direction"]

    loaded = examine(tmp_path, without).loaded
    assert loaded is not None
    spec = loaded.document["spec"]
    assert spec["objective"]["type"] == "minimize"
    assert spec["algorithm"] == {"algorithmName": "random"}
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == ("1", "1")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"numTrials": 0}, "spec.numTrials: must be .*at least 1, got '0'"),
        ({"numTrails": 3}, "spec.numTrails: unknown field; .*did you mean numTrials"),
        ({"objectives": []}, "spec.objectives: must be one, got 0"),
        ({"searchAlgorithm": {}}, "spec.searchAlgorithm: must hold exactly one of random, grid"),
        ({"searchAlgorithm": {"tpe": {}}}, "spec.searchAlgorithm.tpe: unknown field"),
        (
            {"parameters": [{"name": "a-b", "searchSpace": {"categorical": {"choices": ["x"]}}}]},
            "spec.parameters.0..name: must be letters, digits and _",
        ),
        (
            {"parameters": [{"name": "a", "searchSpace": {"uniform": {"min": "2", "max": "1"}}}]},
            "spec.parameters.0..searchSpace.uniform.min: parameter 'a': min must not exceed max",
        ),
        (
            {
                "parameters": [
                    {"name": name, "searchSpace": {"categorical": {"choices": ["x"]}}}
                    for name in ("lr", "LR")
                ]
            },
            "spec.parameters.1..name: must differ in more than upper and lower case from 'lr'",
        ),
        (
            {"trainJobTemplate": {"spec": {"trainer": {"args": ["x"]}}}},
            "spec.trainJobTemplate.spec.trainer: has no command",
        ),
        ({"trainJobTemplate": {}}, "spec.trainJobTemplate: spec is required"),
    ],
)
def test_what_is_wrong_is_said_in_its_own_fields(
    tmp_path: Path, spec: dict[str, Any], line: str
) -> None:
    found = lines(examine(tmp_path, **spec))
    assert len(found) == 1, found
    assert re.match(line.replace("(", r"\("), found[0]), found


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    examined = examine(tmp_path, lambda spec: spec["parameters"][1]["searchSpace"].update(
        uniform={"min": "x", "max": "9"}
    ))  # fmt: skip
    (finding,) = examined.of(Severity.ERROR)
    written = (tmp_path / "job.yaml").read_text().splitlines()
    assert written[finding.line - 1].strip() == "min: x"


def test_what_a_cluster_refuses(tmp_path: Path) -> None:
    examined = examine(tmp_path, numTrials=101, parallelTrials=200, searchAlgorithm={"grid": {}})
    assert sorted(lines(examined, Severity.CLUSTER)) == [
        "spec.numTrials: must be at most 100, got 101",
        "spec.parallelTrials: must be at most numTrials, 101, got 200",
        "spec.parameters[0]: grid takes categorical parameters only, got 'lr'",
        "spec.parameters[1]: grid takes categorical parameters only, got 'units'",
    ]
