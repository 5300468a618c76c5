"""Reading a file of any system, as data with types and as texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from suggestion.client import expansion
from suggestion.conversion import raytune
from suggestion.conversion.definition import ConversionError, Loss
from suggestion.conversion.kinds import recognise

_NULL: Final = "tag:yaml.org,2002:null"
# YAML 1.2, as JSON has it: 1e-3 is a number, and `on` and 2026-01-01 are texts.
_RESOLVERS: Final = (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
        list("-+0123456789."),
    ),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
)


class _Typed(yaml.SafeLoader):
    """Reads scalars with their types."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012  (PyYAML's own name)


class _Texts(yaml.SafeLoader):
    """Reads scalars as they were written; nulls are None."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012


for _tag, _pattern, _first in _RESOLVERS:
    _regexp = re.compile(rf"^(?:{_pattern})$")
    _Typed.add_implicit_resolver(_tag, _regexp, _first)
    if _tag.endswith(("null", "merge")):
        _Texts.add_implicit_resolver(_tag, _regexp, _first)
_Typed.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
_Typed.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data.

    Attributes:
        typed: With numbers and booleans.
        texts: With all scalars as they were written.
        system: Name of the system whose it is; None if that is not known.
    """

    typed: Any
    texts: Any
    system: str | None


def load(path: Path) -> Document:
    """Return the data of a file: YAML, JSON, or a Python program with a search space of Ray Tune.

    Of several documents the first one counts that is known.

    Raises:
        ConversionError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            return _program(text)
        documents = from_json(text) if path.suffix == ".json" else from_yaml(text)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as error:
        if isinstance(error, ConversionError):
            raise
        raise ConversionError([Loss(str(path), f"cannot be read: {error}")]) from error
    known = [document for document in documents if document.system is not None]
    if not documents:
        raise ConversionError([Loss(str(path), "is empty")])
    return (known or documents)[0]


def _program(text: str) -> Document:
    found = raytune.in_program(text)
    if found is None:
        why = "has no dictionary with calls such as tune.uniform(0, 1)"
        raise ConversionError([Loss("the program", why)])
    return Document(found, found, "raytune")


def from_json(text: str) -> list[Document]:
    """Return the data of JSON, as the one document that it is."""
    typed = json.loads(text)
    texts = _scalars(json.loads(text, parse_int=str, parse_float=str))
    return [Document(typed, texts, recognise(typed, texts))]


def _scalars(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _scalars(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_scalars(value) for value in node]
    return str(node).lower() if isinstance(node, bool) else node


def from_yaml(text: str) -> list[Document]:
    """Return the data of each document of YAML."""
    made = zip(_constructed(text, _Typed), _constructed(text, _Texts), strict=True)
    return [Document(typed, texts, recognise(typed, texts)) for typed, texts in made]


def _constructed(text: str, cls: Callable[[str], yaml.SafeLoader]) -> list[Any]:
    loader = cls(text)
    documents = []
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            expansion.check(node, len(text))
            made = loader.construct_document(node)
            if made is not None:
                documents.append(made)
    finally:
        loader.dispose()
    return documents
