"""Experiment files whose trials are whole objects: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from suggestion.client.document import Examined, examine
from suggestion.controller.runtime import Asked
from suggestion.runtimes import place

FILE = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: study, namespace: team}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  parameters:
  - {name: x, parameterType: double, feasibleSpace: {min: "0", max: "1"}}
  trialTemplate:
    primaryContainerName: main
    trialParameters: [{name: lr, reference: x}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      metadata: {annotations: {tries: "2", lr: "${trialParameters.lr}"}}
      spec:
        backoffLimit: 010
        completions: 1
        suspend: false
        template:
          spec:
            priority: 1_000
            nodeSelector: {disk: "1"}
            containers:
            - name: main
              image: image:1
              args: [1, 0.5, true]
              env: [{name: N, value: "3"}]
"""
WORKFLOW: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "spec": {"templates": [{"script": {"source": "x ${trialParameters.lr}"}}]},
}
CONDITIONS = {"successCondition": "status.ok", "failureCondition": "status.bad"}


def read(folder: Path, changes: tuple[str, ...] = (), **template: Any) -> Examined:
    document = yaml.safe_load(FILE)
    for name, value in template.items():
        document["spec"]["trialTemplate"][name] = value
    text = yaml.safe_dump(document) if template else FILE
    (file := folder / "experiment.yaml").write_text(text)
    return examine(file, changes, whole=True)


def refused(folder: Path, collector: dict[str, Any] | None = None, **asked: Any) -> list[str]:
    loaded = read(folder, **asked.pop("template", {})).loaded
    assert loaded is not None
    if collector is not None:
        document = loaded.document
        document["spec"]["metricsCollectorSpec"] = collector
        (file := folder / "experiment.yaml").write_text(yaml.safe_dump(document))
        loaded = examine(file, whole=True).loaded
        assert loaded is not None
    return list(place("kubernetes").refusals(Asked(loaded, **asked)))


def test_scalars_have_the_types_of_the_file(tmp_path: Path) -> None:
    loaded = read(tmp_path).loaded
    assert loaded is not None
    meta = loaded.template.meta
    spec = meta["spec"]
    assert (spec["backoffLimit"], spec["completions"], spec["suspend"]) == (8, 1, False)
    pod = spec["template"]["spec"]
    assert (pod["priority"], pod["nodeSelector"]) == (1000, {"disk": "1"})
    assert pod["containers"][0]["args"] == ["1", "0.5", "true"]
    assert pod["containers"][0]["env"][0]["value"] == "3"
    assert meta["metadata"]["annotations"]["tries"] == "2"
    assert loaded.template.ignored == ()
    made = loaded.template.render_object("study-1", {"x": "0.25"})
    assert made["metadata"]["annotations"]["lr"] == "0.25"
    assert made["spec"]["suspend"] is False


def test_changes_of_the_command_line_have_types(tmp_path: Path) -> None:
    loaded = read(tmp_path, ("spec.trialTemplate.trialSpec.spec.completions=3",)).loaded
    assert loaded is not None
    assert loaded.template.meta["spec"]["completions"] == 3


def test_a_parameter_must_be_declared_wherever_it_is_used(tmp_path: Path) -> None:
    wrong = yaml.safe_load(FILE)["spec"]["trialTemplate"]["trialSpec"]
    wrong["metadata"]["annotations"]["other"] = "${trialParameters.y}"
    (finding,) = read(tmp_path, trialSpec=wrong).errors
    assert finding.field == "spec.trialTemplate.trialSpec.metadata.annotations.other"
    assert "must name a trial parameter (lr), got ${trialParameters.y}" in finding.text


def test_a_parameter_must_be_used_somewhere(tmp_path: Path) -> None:
    wrong = yaml.safe_load(FILE)["spec"]["trialTemplate"]["trialSpec"]
    del wrong["metadata"]
    (finding,) = read(tmp_path, trialSpec=wrong).errors
    assert "parameter 'x' is not used" in finding.text


def test_the_command_line_cannot_replace_a_command(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(FILE)
    found = examine(tmp_path / "experiment.yaml", (), "x ${trialParameters.lr}", whole=True)
    assert [finding.source for finding in found.errors] == ["--command"]


def test_kinds_without_pods_of_their_own(tmp_path: Path) -> None:
    assert refused(tmp_path, template={"trialSpec": WORKFLOW, **CONDITIONS}) == []
    found = refused(tmp_path, template={"trialSpec": WORKFLOW})
    kind = "since trials are of kind Workflow"
    assert found == [
        f"spec.trialTemplate: needs successCondition, {kind}",
        f"spec.trialTemplate: needs failureCondition, {kind}",
    ]


def test_a_condition_that_cannot_be_evaluated(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, template={"successCondition": "status.@reverse"})
    assert found.startswith("spec.trialTemplate.successCondition: can use keys")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"gpus": True}, ["--gpus, --gpus-per-trial: "]),
        ({"gpus_each": 2, "cpus_each": 1}, ["--gpus, --gpus-per-trial: ", "--cpus-per-trial: "]),
        ({"pushed": True}, ["collector Push: needs --db-manager"]),
        ({"pushed": True, "database": "here:1"}, []),
        ({"checkpoints": True}, ["suggestion_trial_dir: "]),
    ],
)
def test_what_a_cluster_cannot_honour(
    tmp_path: Path, asked: dict[str, Any], expected: list[str]
) -> None:
    found = refused(tmp_path, **asked)
    assert len(found) == len(expected)
    assert all(text.startswith(begin) for text, begin in zip(found, expected, strict=True))


def file_at(path: str) -> dict[str, Any]:
    source = {"fileSystemPath": {"path": path, "kind": "File"}}
    return {"collector": {"kind": "File"}, "source": source}


def test_where_a_metrics_file_can_lie(tmp_path: Path) -> None:
    assert refused(tmp_path, file_at("/katib/train.log")) == []
    (found,) = refused(tmp_path, file_at("/train.log"))
    assert "must lie in a folder that pods can share, got '/train.log'" in found
    (found,) = refused(tmp_path, file_at("/a/b"), template={"trialSpec": WORKFLOW, **CONDITIONS})
    assert "a Workflow has no pod that a side-car could be added to" in found
