"""Experiment files that no trial could be started from are refused, with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suggestion.client import document
from suggestion.client.manifest import ManifestError
from tests.experiments.support import document as made
from tests.experiments.support import write


def collector(path: str, kind: str = "File") -> dict[str, Any]:
    return {"collector": {"kind": kind}, "source": {"fileSystemPath": {"path": path}}}


TEMPLATE = {"command": ["echo", "loss=${trialParameters.x}"]}


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ({"maxTrialCount": "9" * 5000}, "maxTrialCount: must be at most"),
        ({"trialTemplate": {**TEMPLATE, "env": {"A=B": "x"}}}, "must not be empty or hold ="),
        ({"trialTemplate": {**TEMPLATE, "env": {"A": "x\0y"}}}, "character NUL"),
        ({"trialTemplate": {**TEMPLATE, "env": {"A": "\ud800"}}}, "half of a letter"),
        ({"trialTemplate": {**TEMPLATE, "env": {"A": "x" * 200_000}}}, "must be shorter than"),
        ({"trialTemplate": {**TEMPLATE, "args": ["x" * 200_000]}}, "must be shorter than"),
        ({"metricsCollectorSpec": collector("/a/../../m.log")}, "must not lead out of the trial's"),
        ({"metricsCollectorSpec": collector("../m.log")}, "must not lead out of the trial's"),
        ({"metricsCollectorSpec": collector("/")}, "must name a file"),
        ({"metricsCollectorSpec": collector("/katib/.")}, "must name a file"),
        ({"metricsCollectorSpec": collector("//", "TensorFlowEvent")}, "must name a folder below"),
        ({"metricsCollectorSpec": collector("/" + "é" * 128)}, "at most 255 bytes between two"),
        ({"metricsCollectorSpec": collector("/a" * 1025)}, "must have at most 2048 bytes"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path: Path, spec: dict[str, Any], rule: str) -> None:
    with pytest.raises(ManifestError, match=rf"experiment\.yaml:\d+: .*{rule}"):
        document.load(write(tmp_path, made("x", **spec)))
