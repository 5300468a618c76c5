"""The JSON schema of Experiment files for editors: shape and settings, as the servers know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from suggestion.client import schema
from suggestion.earlystopping.rule import rules
from suggestion.engine.algorithm import Registry, Unavailable, algorithms, settings_of
from suggestion.engine.declared import SHARED
from suggestion.engine.settings import Setting, describe

Schema = dict[str, Any]

_TITLE: Final = "Experiment (kubeflow.org/v1beta1)"
#: What a file may write where a text is read: ``maxTrialCount: 12``, ``retain: true``.
_SCALARS: Final = ("string", "number", "boolean")


def experiment() -> Schema:
    """Return the schema: fields, names of algorithms and of their settings.

    Settings are those of the algorithms installed here; any other algorithm's are left open.
    """
    made = _for_editors(schema.EXPERIMENT)
    spec = made["properties"]["spec"]
    spec["anyOf"] = [{"required": ["parameters"]}, {"required": ["nasConfig"]}]
    rules_of = [
        _settings("algorithm", algorithms(), lambda cls: (*settings_of(cls), *SHARED)),
        _settings("earlyStopping", rules(), describe),
    ]
    for section, (names, conditions) in zip(("algorithm", "earlyStopping"), rules_of, strict=True):
        properties = spec["properties"][section]["properties"]
        properties["algorithmName"] = {"anyOf": [{"enum": names}, {"type": "string"}]}
        spec.setdefault("allOf", []).extend(conditions)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": _TITLE, **made}


def _for_editors(part: Any) -> Any:
    """Return a part of the schema for values as YAML reads them; a null is an absent field."""
    if isinstance(part, list):
        return [_for_editors(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    made = {key: _for_editors(value) for key, value in part.items()}
    kind = made.get("type")
    if isinstance(kind, str | list):
        kinds = [kind] if isinstance(kind, str) else kind
        scalars = _SCALARS if "string" in kinds else ()
        made["type"] = [*scalars, *(k for k in kinds if k != "string"), "null"]
    if isinstance(made.get("pattern"), str):
        made["pattern"] = made["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return made


def _settings(
    section: str, registry: Registry[Any], of: Callable[[type], Sequence[Setting]]
) -> tuple[Sequence[str], Sequence[Schema]]:
    """Return the names of a registry, and what each says of the settings in `section`."""
    conditions = []
    for name in registry.names:
        try:
            cls = registry.load(name)
        except Unavailable:  # its packages are not installed
            continue
        ignored = sorted(getattr(cls, "ignored", ()))
        conditions.append(
            {
                "if": _within(section, {"algorithmName": {"const": name}}, "algorithmName"),
                "then": _within(
                    section, {"algorithmSettings": {"items": _items(of(cls), ignored)}}
                ),
            }
        )
    return list(registry.names), conditions


def _within(section: str, properties: Mapping[str, Any], *required: str) -> Schema:
    inner: Schema = {"properties": dict(properties)}
    outer: Schema = {"properties": {section: inner}}
    if required:
        inner["required"] = list(required)
        outer["required"] = [section]
    return outer


def _items(settings: Sequence[Setting], ignored: Sequence[str]) -> Schema:
    """Return the schema of one setting of a list."""
    names = [name for entry in settings for name in (entry.name, *entry.aliases)]
    return {
        "properties": {"name": {"enum": [*names, *ignored]}},
        "allOf": [condition for entry in settings for condition in _values(entry)],
    }


def _values(entry: Setting) -> Iterator[Schema]:
    default = "required" if entry.required else f"default {entry.default}"
    kind = {int: "int", float: "float", bool: "true or false", str: "text"}[entry.kind]
    span = entry.range if entry.choices else f"{kind} {entry.range}".strip()
    value: Schema = {"description": f"{entry.help} ({span}, {default})"}
    if entry.choices:
        value["enum"] = list(entry.choices)
    for name in (entry.name, *entry.aliases):
        yield {
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": {"properties": {"value": value}},
        }
