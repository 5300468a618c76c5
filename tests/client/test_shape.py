"""The check of a document's shape finds what a validator of all of JSON Schema finds."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from suggestion.client import schema, shape

SCHEMAS = {
    "EXPERIMENT": schema.EXPERIMENT,
    "OPTIMIZATION_JOB": schema.OPTIMIZATION_JOB,
    "TEMPLATE": schema.TEMPLATE,
    "CONTAINER": schema.CONTAINER,
    "TRIALS": schema.TRIALS,
}
#: What stands in the place of something else.
ODD: list[Any] = [None, "", "x", "-1", " 7 ", [], ["x"], [{}], {}, {"name": "x"}, {"name": []}]


def full(wanted: dict[str, Any], rng: random.Random) -> Any:
    """Return a document with every field, which fits but for patterns."""
    if "const" in wanted:
        return wanted["const"]
    if "enum" in wanted:
        return rng.choice(wanted["enum"])
    names = wanted["type"]
    match names if isinstance(names, str) else rng.choice(names):
        case "string":
            return "7"
        case "array":
            return [full(wanted["items"], rng)] if "items" in wanted else []
        case _:
            return {key: full(each, rng) for key, each in wanted.get("properties", {}).items()}


def places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(document, dict | list):
        inner = document.items() if isinstance(document, dict) else enumerate(document)
    found = [above]
    for key, each in inner:
        found += places(each, (*above, key))
    return found


def changed(document: Any, rng: random.Random) -> Any:
    """Return the document with something odd in one place, a field less, or one more."""
    made = copy.deepcopy(document)
    *above, last = rng.choice([place for place in places(made) if place] or [("x",)])
    at = made
    for key in above:
        at = at[key]
    if isinstance(at, dict) and rng.random() < 0.5:
        del at[last]
        if rng.random() < 0.5:
            at[f"{last}s"] = "x"
    elif at:
        at[last] = rng.choice(ODD)
    return made


def pointed(error: Any) -> set[tuple[Any, ...]]:
    """Return the places that an error of the other validator is about."""
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return {(*place, name) for name in error.instance if name not in known}
    return {place}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_same_is_found_as_by_a_whole_validator(name: str) -> None:
    wanted, rng = SCHEMAS[name], random.Random(name)
    validator = Draft202012Validator(wanted)
    wrong = 0
    for _ in range(40):
        document = full(wanted, rng)
        for _ in range(5):
            document = changed(document, rng)
            expected: set[tuple[Any, ...]] = set()
            for error in validator.iter_errors(document):
                expected |= pointed(error)
            assert {place for place, _ in shape.violations(document, wanted)} == expected
            wrong += bool(expected)
    assert wrong > 50  # the comparison is of something


@pytest.mark.parametrize("document", ODD)
def test_something_else_than_an_experiment(document: Any) -> None:
    valid = Draft202012Validator(schema.EXPERIMENT).is_valid(document)
    assert (not shape.violations(document, schema.EXPERIMENT)) == valid
