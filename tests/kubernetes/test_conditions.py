"""Conditions on objects, as Katib evaluates them with GJSON."""

from __future__ import annotations

from typing import Any

import pytest

from suggestion.runtimes.kubernetes.gjson import BadPath, holds
from suggestion.runtimes.kubernetes.kinds import TRIAL, conditions


def with_conditions(*entries: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"kind": "Any", "status": {"conditions": list(entries), **status}}


COMPLETE = {"type": "Complete", "status": "True", "reason": "Done"}
PHASE = {"phase": "Failed"}
ODD = {"type": "a)b|c.d"}
FALSE = {"type": "Complete", "status": "False"}
DEFAULT = 'status.conditions.#(type=="Complete")#|#(status=="True")#'


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        (DEFAULT, with_conditions(COMPLETE), COMPLETE),
        (DEFAULT, with_conditions(FALSE), None),
        (DEFAULT, with_conditions(FALSE, COMPLETE), COMPLETE),
        (DEFAULT, with_conditions(), None),
        (DEFAULT, {"kind": "Job"}, None),
        # Of Tekton, as Katib's examples write it.
        (
            'status.conditions.#(type=="Succeeded")#|#(status=="True")#',
            with_conditions({"type": "Succeeded", "status": "Unknown"}),
            None,
        ),
        ('status.[@this.phase].#(a)', {"status": PHASE}, BadPath),
        ('status.conditions.#(phase=="Failed")', with_conditions(PHASE), PHASE),
        # A text or a number is no condition, whatever it is.
        ("status.phase", {"status": {"phase": "Succeeded"}}, None),
        ("status.succeeded", {"status": {"succeeded": 1}}, None),
        ("status.conditions.#", with_conditions(COMPLETE), None),
        ("status.conditions.#.type", with_conditions(COMPLETE), {}),
        ("status.conditions.0", with_conditions(COMPLETE), COMPLETE),
        ("status.conditions.1", with_conditions(COMPLETE), None),
        ("status.conditions.#(status)", with_conditions(COMPLETE), COMPLETE),
        ("status.#(a)", with_conditions(COMPLETE), None),
        ('status.conditions.#(type!="Complete")#', with_conditions(COMPLETE), None),
        ('status.conditions.#(type%"Comp*")#', with_conditions(COMPLETE), COMPLETE),
        ('status.conditions.#(type!%"Comp*")#', with_conditions(COMPLETE), None),
        ("status.conditions.#(n>2)#", with_conditions({"n": 2}, {"n": 3}), {"n": 3}),
        ('status.conditions.#(n>"2")#', with_conditions({"n": 3}), None),
        ("status.conditions.#(n=true)#", with_conditions({"n": 1}), None),
        ('status.conditions.#(a.b=="c")#', with_conditions({"a": {"b": "c"}}), {"a": {"b": "c"}}),
        (r"status.a\.b/c", {"status": {"a.b/c": {"x": 1}}}, {"x": 1}),
        ('status.conditions.#(type=="a)b|c.d")#', with_conditions(ODD), ODD),
    ],
)  # fmt: skip
def test_conditions(path: str, document: dict[str, Any], expected: Any) -> None:
    if expected is BadPath:
        with pytest.raises(BadPath):
            holds(path, document)
    else:
        assert holds(path, document) == expected


@pytest.mark.parametrize(
    ("document", "succeeded", "failed"),
    [
        ({"status": {"phase": "Succeeded"}}, True, False),
        ({"status": PHASE}, False, True),
        ({"status": {"phase": "Running"}}, False, False),
        ({"status": {}}, False, False),
        ({}, False, False),
    ],
)
def test_the_conditions_of_argo_workflows(
    document: dict[str, Any], succeeded: bool, failed: bool
) -> None:
    """As Katib's example has them: `status` is no list, which a query needs."""
    assert (holds('status.[@this].#(phase=="Succeeded")#', document) is not None) is succeeded
    assert (holds('status.[@this].#(phase=="Failed")#', document) is not None) is failed
    assert holds('status.[@this].#(phase=="Failed")', {"status": PHASE}) == PHASE


@pytest.mark.parametrize(
    "path", ["", "a..b", "a.#(b", 'a.#(b=="c)#', "a.*", "a.@reverse", "a.#(b==c)#", "a.#(b==[1])"]
)
def test_paths_that_cannot_be_evaluated(path: str) -> None:
    with pytest.raises(BadPath):
        holds(path, {})


@pytest.mark.parametrize("kind", ["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob"])
def test_defaults_by_kind(kind: str) -> None:
    found = conditions({}, kind)
    assert holds(found.success, with_conditions({"type": "Succeeded", "status": "True"}))
    assert holds(found.failure, with_conditions({"type": "Failed", "status": "True"}))
    assert found.primary == {"training.kubeflow.org/job-role": "master"}
    assert found.pod_label == TRIAL


def test_what_the_template_says_comes_before_the_defaults() -> None:
    template = {"successCondition": "status.ok", "primaryPodLabels": {"a": "1"}, "retain": "true"}
    found = conditions(template, "Job")
    assert (found.success, found.primary, found.retain) == ("status.ok", {"a": "1"}, True)
    assert "Failed" in found.failure


def test_kinds_without_a_default() -> None:
    assert conditions({}, "Workflow").success == ""
    assert conditions({}, "Workflow").pod_label == "workflows.argoproj.io/workflow"
