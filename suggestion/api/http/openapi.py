"""An OpenAPI 3.1 description of the services, from their protobuf descriptors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
)

_TEXT: Final = {
    "description": "A number, or NaN or an infinity as text.",
    "oneOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}],
}
#: Schemas of scalar types in protobuf's JSON mapping.
_SCALARS: Final[Mapping[int, Mapping[str, Any]]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: _TEXT,
    FieldDescriptor.TYPE_FLOAT: _TEXT,
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "uint32"},
    # 64 bits travel as text.
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64"},
}
_STATUS: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "message"],
            "properties": {
                "code": {"type": "integer", "description": "The HTTP status."},
                "status": {"type": "string", "examples": ["INVALID_ARGUMENT"]},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "@type": {"type": "string"},
                            "fieldViolations": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "field": {"type": "string"},
                                        "description": {"type": "string"},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
_TIMEOUT: Final = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "How long the caller waits: 5s, 500ms, 1.5m. The computation stops after it.",
    "schema": {"type": "string", "examples": ["5s"]},
}


def path_of(method: MethodDescriptor) -> str:
    """Return the path of a method, as gRPC has it: ``/api.v1.beta1.Suggestion/GetSuggestions``."""
    return f"/{method.containing_service.full_name}/{method.name}"


def describe(methods: Iterable[MethodDescriptor], version: str) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        methods: What is served.
        version: Of the server.
    """
    served = list(methods)
    schemas: dict[str, Any] = {"Error": _STATUS}
    paths: dict[str, Any] = {
        path_of(method): {"post": _operation(method, schemas)} for method in served
    }
    names = dict.fromkeys(method.containing_service.name for method in served)
    stuck = "No thread is left, or calls wait in vain: restart the process."
    ending = "The server is shutting down, or should be restarted."
    paths["/healthz"] = {"get": _health("The process lives.", {"200": "It does.", "503": stuck})}
    paths["/readyz"] = {
        "get": _health("New calls are accepted.", {"200": "They are.", "503": ending})
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Suggestion Servers",
            "version": version,
            "summary": "Suggestions of hyperparameters, early stopping and observation logs.",
        },
        "tags": [{"name": name} for name in names],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _operation(method: MethodDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    def content(message: Descriptor) -> dict[str, Any]:
        return {"application/json": {"schema": _message(message, schemas)}}

    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "operationId": f"{method.containing_service.name}_{method.name}",
        "tags": [method.containing_service.name],
        "parameters": [_TIMEOUT],
        "requestBody": {"required": True, "content": content(method.input_type)},
        "responses": {
            "200": {"description": "The reply.", "content": content(method.output_type)},
            "default": {"description": "An error.", "content": failure},
        },
    }


def _health(summary: str, responses: Mapping[str, str]) -> dict[str, Any]:
    described = {status: {"description": text} for status, text in responses.items()}
    return {"summary": summary, "tags": ["Health"], "responses": described}


def _reference(descriptor: Descriptor | EnumDescriptor) -> tuple[str, dict[str, Any]]:
    name = descriptor.full_name.removeprefix(f"{descriptor.file.package}.")
    return name, {"$ref": f"#/components/schemas/{name}"}


def _message(message: Descriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the schema of `message`, which is put into `schemas`."""
    name, reference = _reference(message)
    if name not in schemas:
        schemas[name] = {}  # a message may hold itself
        properties = {field.json_name: _field(field, schemas) for field in message.fields}
        schemas[name] = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
    return reference


def _field(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        values = _value(message.fields_by_name["value"], schemas)
        return {"type": "object", "additionalProperties": values}
    value = _value(field, schemas)
    return {"type": "array", "items": value} if field.is_repeated else value


def _value(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None:
        return _message(field.message_type, schemas)
    if field.enum_type is not None:
        name, reference = _reference(field.enum_type)
        schemas[name] = {"type": "string", "enum": list(field.enum_type.values_by_name)}
        return reference
    return dict(_SCALARS[field.type])
