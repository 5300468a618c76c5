"""Katib's configuration for the images.

Katib reads the config map ``katib-config``. Its key ``katib-config.yaml`` holds a document of kind
KatibConfig; releases before 0.16 had one JSON object for each kind of service instead, keyed by
algorithm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from suggestion.deployment.entries import Entry
from suggestion.deployment.images import IMAGES, Image, Kind, named
from suggestion.engine.algorithm import ALGORITHMS, Registry
from suggestion.engine.installed import is_ours, qualified

EARLY_STOPPING: Final = "suggestion.early_stopping"
NAMESPACE: Final = "kubeflow"

_DOCUMENT: Final = "katib-config.yaml"  # key of the config map
_SUGGESTION: Final = "suggestion"  # keys of older ones
_EARLY: Final = "early-stopping"
_REFERENCE: Final = re.compile(r"[a-z0-9]+([._/:-]+[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Format(Enum):
    """The format of Katib's config map."""

    KATIB_CONFIG = "katib-config"
    LEGACY = "legacy"


class InvalidRegistration(ValueError):
    """The arguments cannot be registered or merged; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What is registered, and what cannot be.

    Attributes:
        suggestions: Algorithms.
        early_stoppings: Early-stopping rules.
        unserved: Installed algorithms and rules that no image serves.
    """

    suggestions: tuple[Entry, ...]
    early_stoppings: tuple[Entry, ...]
    unserved: tuple[str, ...]


def registration(registry: str, tag: str, chosen: Mapping[str, str] | None = None) -> Registration:
    """Return everything that is installed, with the images that serve it.

    Args:
        registry: Registry of the images: ``example.com/team``.
        tag: Tag of the images.
        chosen: Other images by algorithm: the name of one of `IMAGES`, or a whole reference. A rule
            whose name an algorithm has too is ``earlystopping/NAME``.

    Raises:
        InvalidRegistration: An argument is malformed, or names something that does not exist.
    """
    registry = registry.rstrip("/")
    if not _REFERENCE.fullmatch(registry):
        raise InvalidRegistration(
            f"registry: must be HOST[:PORT]/PATH in lower case, got {registry!r}"
        )
    if not _TAG.fullmatch(tag):
        raise InvalidRegistration(f"tag: must be letters, digits, '_', '.' and '-', got {tag!r}")
    algorithms = Registry[Any](ALGORITHMS, "algorithm").names
    rules = Registry[Any](EARLY_STOPPING, "early-stopping rule").names
    shown = {rule: qualified("earlystopping", rule, algorithms) for rule in rules}
    others = _by_shown_name(chosen or {}, algorithms, shown)

    def entry(own: str, kind: Kind) -> Entry | None:
        name = shown[own] if kind is Kind.EARLY_STOPPING else own
        given = others.get(name)
        if given is not None and ("/" in given or ":" in given):
            image = _serving(own, kind)
            return Entry(own, kind, given, image.memory if image else 100)
        try:
            image = _serving(own, kind) if given is None else named(given)
        except LookupError as error:
            raise InvalidRegistration(f"image of {name!r}: {error}") from error
        if image is None:
            return None
        if image.serves and image.kind is not kind:
            raise InvalidRegistration(
                f"image of {name!r}: {image.name} is an image for {image.kind.value}"
            )
        if image.serves and own not in image.serves:
            raise InvalidRegistration(
                f"image of {name!r}: {image.name} serves {', '.join(image.serves)}"
            )
        if not image.serves and kind is Kind.EARLY_STOPPING:
            raise InvalidRegistration(
                f"image of {name!r}: {image.name} also serves algorithms, on the port of the "
                f"container beside it, and Katib gives early stopping no arguments to prevent it"
            )
        # Without arguments it would also serve early stopping, on the port of its neighbour.
        args = () if image.serves else (own,)
        return Entry(own, kind, f"{registry}/{image.name}:{tag}", image.memory, args)

    suggestions = {name: entry(name, Kind.SUGGESTION) for name in algorithms}
    early = {name: entry(name, Kind.EARLY_STOPPING) for name in rules}
    return Registration(
        tuple(made for made in suggestions.values() if made),
        tuple(made for made in early.values() if made),
        (
            *(name for name, made in suggestions.items() if made is None),
            *(shown[name] for name, made in early.items() if made is None),
        ),
    )


def _by_shown_name(
    chosen: Mapping[str, str], algorithms: Collection[str], shown: Mapping[str, str]
) -> dict[str, str]:
    """Return images by algorithm, and by what rules are called beside algorithms.

    Args:
        shown: By rule, what it is called.

    Raises:
        InvalidRegistration: A name stands for nothing that is installed, or two for the same.
    """
    names = {name: name for name in (*algorithms, *shown.values())}
    full = {f"earlystopping/{rule}": name for rule, name in shown.items()}
    found: dict[str, str] = {}
    for text, image in chosen.items():
        name = names.get(text) or full.get(text)
        if name is None:
            known = ", ".join(names)
            raise InvalidRegistration(
                f"image of {text!r}: no such algorithm is installed; there is {known}"
            )
        if name in found:
            other = next(given for given in chosen if full.get(given, given) == name)
            raise InvalidRegistration(f"image of {text!r}: it is given as {other!r} too")
        found[name] = image
    return found


def _serving(name: str, kind: Kind) -> Image | None:
    """Return the image of `name`; an algorithm of ours without one is in that of everything."""
    for image in IMAGES:
        if image.registered and image.kind is kind and name in image.serves:
            return image
    if kind is Kind.SUGGESTION and is_ours(ALGORITHMS, name):
        return named("suggestion-all")
    return None


# --------------------------------------------------------------------- documents


def register(made: Registration, format: Format, installed: str | None = None) -> str:
    """Return the YAML that registers `made` in Katib.

    Without `installed` it is a KatibConfig with nothing else in it, or a config map with the older
    keys. Either is a part of what Katib needs; applied as it is, it would replace the rest.

    Args:
        made: What to register.
        format: Format of Katib's config map.
        installed: The YAML of a config map, or of a KatibConfig; it is returned with new entries
            for what is missing, with the images of `made` in those of the same name, and with
            everything else unchanged.

    Raises:
        InvalidRegistration: `installed` is neither, or has another format.
    """
    document = _empty(format) if installed is None else _yaml(installed)
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind == "KatibConfig" and format is Format.KATIB_CONFIG:
        _enlist(document, made)
    elif kind == "ConfigMap" and format is Format.KATIB_CONFIG:
        data = _data(document, _DOCUMENT, format)
        inner = _yaml(data[_DOCUMENT], _DOCUMENT)
        if not isinstance(inner, dict):
            raise _refused(_DOCUMENT, "must be a KatibConfig", inner)
        _enlist(inner, made)
        data[_DOCUMENT] = _dump(inner)
    elif kind == "ConfigMap":
        data = _data(document, _SUGGESTION, format)
        _enter(data, _SUGGESTION, made.suggestions)
        _enter(data, _EARLY, made.early_stoppings)
    else:
        raise InvalidRegistration(
            f"the installed configuration: must be a ConfigMap or KatibConfig, got {kind or 'none'}"
        )
    return _dump(document)


def shortages(made: Registration, installed: str) -> Iterator[str]:
    """Yield what is to be said about entries that keep a memory limit below what their image needs.

    Args:
        made: What is registered.
        installed: What `register` has returned for it.
    """
    import yaml  # noqa: PLC0415

    document = yaml.safe_load(installed)
    data = document.get("data") or {}
    inner = yaml.safe_load(data[_DOCUMENT]) if _DOCUMENT in data else document
    listed = {
        item["algorithmName"]: item
        for key in ("suggestions", "earlyStoppings")
        for item in (inner.get("runtime") or {}).get(key) or []
    }
    for key in (_SUGGESTION, _EARLY):
        listed |= json.loads(data.get(key) or "{}")
    for entry in (*made.suggestions, *made.early_stoppings):
        if limit := entry.shortage(listed[entry.name]):
            yield (
                f"{entry.name}: its entry keeps the memory limit {limit}, the image needs "
                f"{entry.memory}Mi for 1,000 trials"
            )


def _empty(format: Format) -> dict[str, Any]:
    if format is Format.KATIB_CONFIG:
        return {"apiVersion": "config.kubeflow.org/v1beta1", "kind": "KatibConfig"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "katib-config", "namespace": NAMESPACE},
        "data": {_SUGGESTION: "{}"},
    }


def _data(document: dict[str, Any], key: str, format: Format) -> dict[str, str]:
    # `kubectl replace` must not send the field managers back.
    _object(document, "metadata").pop("managedFields", None)
    data = _object(document, "data")
    if key not in data:
        raise InvalidRegistration(
            f"the installed config map has no key {key!r}, so it is not in the format "
            f"{format.value}; it has {', '.join(data) or 'no data'}"
        )
    found: dict[str, str] = data
    return found


def _enlist(document: dict[str, Any], made: Registration) -> None:
    """Put entries into the lists of a KatibConfig."""
    runtime = _object(document, "runtime")
    for key, entries in (
        ("suggestions", made.suggestions),
        ("earlyStoppings", made.early_stoppings),
    ):
        ours = {entry.name: entry for entry in entries}
        merged = []
        listed = runtime.get(key) or []
        if not isinstance(listed, list):
            raise _refused(f"runtime.{key}", "must be a list", listed)
        # Existing entries keep their place and new ones follow, so that the difference is small.
        for place, item in enumerate(listed):
            where = f"runtime.{key}[{place}]"
            _check_entry(item, where)
            if not isinstance(name := item.get("algorithmName"), str):
                raise _refused(f"{where}.algorithmName", "must be a text", name)
            entry = ours.pop(name, None)
            merged.append(item if entry is None else entry.into(item))
        new = [{"algorithmName": entry.name, **entry.fields()} for entry in ours.values()]
        if merged or new:
            runtime[key] = [*merged, *new]


def _enter(data: dict[str, str], key: str, entries: Iterable[Entry]) -> None:
    """Put entries into one of the older JSON objects."""
    try:
        merged = json.loads(data.get(key) or "{}")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRegistration(
            f"the installed configuration: {key} must be a JSON object: {error}"
        ) from error
    if not isinstance(merged, dict):
        raise _refused(key, "must be a JSON object", merged)
    for name, item in merged.items():
        _check_entry(item or {}, f"{key}.{name}")
    for entry in entries:
        merged[entry.name] = entry.into(merged.get(entry.name) or {}, probes=True)
    if merged:
        data[key] = json.dumps(merged, indent=2)


def _check_entry(item: Any, where: str) -> None:
    """Check what is read of an installed entry.

    Raises:
        InvalidRegistration: It is of another form.
    """
    if not isinstance(item, dict):
        raise _refused(where, "must be an object", item)
    resources = item.get("resources") or {}
    for key, value in (("resources", resources), ("resources.limits", _limits(resources))):
        if not isinstance(value, dict):
            raise _refused(f"{where}.{key}", "must be an object", value)
    env = item.get("env") or []
    if not isinstance(env, list) or not all(isinstance(each, dict) for each in env):
        raise _refused(f"{where}.env", "must be a list of objects", env)


def _limits(resources: Any) -> Any:
    return (resources.get("limits") if isinstance(resources, dict) else None) or {}


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under `key` of `parent`, and put it there if nothing is.

    Raises:
        InvalidRegistration: There is something else.
    """
    found = parent.get(key)
    if found is None:
        found = parent[key] = {}
    if not isinstance(found, dict):
        raise _refused(key, "must be an object", found)
    return found


def _refused(where: str, rule: str, value: Any) -> InvalidRegistration:
    return InvalidRegistration(
        f"the installed configuration: {where} {rule}, got {type(value).__name__}"
    )


def _yaml(text: Any, where: str = "the document") -> Any:
    """Return what `text` says.

    Raises:
        InvalidRegistration: It is no text, or no YAML.
    """
    import yaml  # noqa: PLC0415

    if not isinstance(text, str):
        raise _refused(where, "must be a text", text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # a date of month 13
        raise InvalidRegistration(
            f"the installed configuration: {where} is not YAML: {error}"
        ) from error


def _dump(document: Any) -> str:
    import yaml  # noqa: PLC0415

    class Dumper(yaml.SafeDumper):
        """Nested documents as blocks, shared values written out, lists indented."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, width=100)
