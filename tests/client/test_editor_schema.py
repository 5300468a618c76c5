"""The JSON schema for editors: it takes what `suggest validate` takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from suggestion.cli.schema import schema
from suggestion.engine.algorithm import algorithms

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMMITTED = EXAMPLES / "experiment.schema.json"
FILES = sorted(EXAMPLES.glob("*.yaml"))


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    done = CliRunner().invoke(schema, catch_exceptions=False)
    return dict(json.loads(done.output))


def errors(printed: dict[str, Any], document: object) -> Iterator[str]:
    Draft7Validator.check_schema(printed)
    for error in Draft7Validator(printed).iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def test_the_committed_one_is_what_the_command_prints(printed: dict[str, Any]) -> None:
    again = "suggest schema > examples/experiment.schema.json writes it"
    assert json.loads(COMMITTED.read_text()) == printed, again


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_examples_refer_to_it_and_fulfil_it(file: Path, printed: dict[str, Any]) -> None:
    text = file.read_text()
    assert text.startswith(f"# yaml-language-server: $schema={COMMITTED.name}\n")
    assert list(errors(printed, yaml.safe_load(text))) == []


def test_what_an_editor_marks(printed: dict[str, Any]) -> None:
    document = yaml.safe_load((EXAMPLES / "short-form.yaml").read_text())
    spec = document["spec"]
    spec["maxTrialCount"] = None  # a null is an absent field
    spec["parallelTrialCount"] = 3
    spec["algorithm"] = {
        "algorithmName": "tpe",
        "algorithmSettings": [{"name": "n_EI_candidates", "value": 24}],
    }
    assert list(errors(printed, document)) == []
    spec["algorithm"]["algorithmSettings"] += [{"name": "gama", "value": 0.2}]
    spec["objective"]["type"] = "minimise"
    spec["parameterz"] = []
    found = "\n".join(errors(printed, document))
    assert "spec.objective.type: 'minimise' is not one of" in found
    assert "spec.algorithm.algorithmSettings.1.name: 'gama' is not one of" in found
    assert "'parameterz' was unexpected" in found
    assert found.count("\n") == 2


def test_settings_of_other_algorithms_are_open(printed: dict[str, Any]) -> None:
    document = yaml.safe_load((EXAMPLES / "short-form.yaml").read_text())
    document["spec"]["algorithm"] = {
        "algorithmName": "not-installed-here",
        "algorithmSettings": [{"name": "anything", "value": "1"}],
    }
    assert list(errors(printed, document)) == []


def test_every_installed_algorithm_is_named(printed: dict[str, Any]) -> None:
    section = printed["properties"]["spec"]["properties"]["algorithm"]
    assert section["properties"]["algorithmName"]["anyOf"][0]["enum"] == list(algorithms().names)
