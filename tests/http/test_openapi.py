"""The OpenAPI description, checked against what the server takes and gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from jsonschema import Draft202012Validator

from suggestion.api.http.openapi import describe
from suggestion.api.v1beta1 import api_pb2 as api
from tests.http.support import SUGGEST, as_bytes, http_serving
from tests.support.requests import ask_for, experiment, trial

METHODS = [
    method
    for name in ("Suggestion", "EarlyStopping", "DBManager")
    for method in api.DESCRIPTOR.services_by_name[name].methods
]
DOCUMENT = json.loads(json.dumps(describe(METHODS, "1.0")))


def validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema)


def valid(name: str, document: Any) -> bool:
    return bool(validator(name).is_valid(document))


def test_every_method_of_the_contract_is_described() -> None:
    pool = descriptor_pool.Default()
    expected = {
        f"/{service.full_name}/{method.name}"
        for service in api.DESCRIPTOR.services_by_name.values()
        for method in pool.FindServiceByName(service.full_name).methods
    }
    assert set(DOCUMENT["paths"]) == expected | {"/healthz", "/readyz"}
    assert DOCUMENT["openapi"].startswith("3.1")


def test_schemas_are_schemas_and_references_lead_somewhere() -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    found = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert found == set(schemas)


def test_requests_fit_their_schema() -> None:
    trials = [trial("a", {"lr": "0.1"}, "1"), trial("b", {"lr": "0.1"})]
    document = json.loads(
        as_bytes(ask_for(experiment("tpe", settings={"a": "1"}), 2, 4, trials)) or ""
    )
    assert valid("GetSuggestionsRequest", document)
    document["experiment"]["spec"]["objective"]["goal"] = "NaN"
    assert valid("GetSuggestionsRequest", document)
    document["experiment"]["spec"]["objective"]["type"] = "LEAST"
    assert not valid("GetSuggestionsRequest", document)


@pytest.mark.parametrize(
    "document", [{"nothing": 1}, {"trials": {}}, {"currentRequestNumber": "x"}]
)
def test_what_the_server_refuses_does_not_fit(document: Any) -> None:
    assert not valid("GetSuggestionsRequest", document)


def test_the_server_describes_what_it_serves() -> None:
    with http_serving("random") as caller:
        served = caller.call("/openapi.json").document
        assert served["paths"][SUGGEST] == DOCUMENT["paths"][SUGGEST]
        assert not [path for path in served["paths"] if "DBManager" in path]
        reply = caller.call(SUGGEST, ask_for(experiment(), 2, 2)).document
        assert valid("GetSuggestionsReply", reply)
        assert valid("Error", caller.call(SUGGEST, {"nothing": 1}).document)
