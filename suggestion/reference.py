"""What the registry says of itself: for ``suggest algorithms`` and the READMEs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from suggestion.algorithm import Unavailable, algorithms, settings_of
from suggestion.settings import Setting


def text(name: str | None) -> str:
    """All installed algorithms, or `name`, with their settings, for a terminal.

    Raises:
        Unavailable: If `name` is not installed.
    """
    registry = algorithms()
    names = registry.names if name is None else (name,)
    return "\n".join("\n".join(_text_of(n)) + "\n" for n in names)


def _text_of(name: str) -> Iterator[str]:
    try:
        cls = algorithms().load(name)
    except Unavailable as error:
        if name not in algorithms():
            raise
        yield f"{name}: {error}"
        return
    yield f"{name}: {summary(cls)}"
    for entry in settings_of(cls):
        default = "required" if entry.required else f"default {_default(entry)}"
        yield f"  {entry.spelling}  ({', '.join(filter(None, (_kind(entry), default)))})"
        yield f"      {entry.help}"


def markdown(name: str | None) -> str:
    """The settings of `name`, or of all installed algorithms, as Markdown tables.

    Raises:
        Unavailable: If `name` is not installed.
    """
    names = algorithms().names if name is None else (name,)
    return "\n".join("\n".join(_markdown_of(n)) + "\n" for n in names)


def _markdown_of(name: str) -> Iterator[str]:
    yield f"### Settings of `{name}`"
    yield ""
    yield "| setting | type and range | default | what it does |"
    yield "|---|---|---|---|"
    for entry in settings_of(algorithms().load(name)):
        spelling = " / ".join(f"`{s}`" for s in (entry.name, *entry.aliases))
        default = "required" if entry.required else _default(entry)
        yield f"| {spelling} | {_kind(entry)} | {default} | {entry.help} |"


def summary(cls: type[Any]) -> str:
    """First sentence of the docstring of `cls`, without references."""
    doc = inspect.getdoc(cls) or ""
    line = " ".join(doc.split("\n\n", 1)[0].split())
    for word in line.split():
        if word.startswith("[") and "]_" in word:
            line = line.replace(f" {word.split(']_')[0]}]_", "")
    return line


def _kind(entry: Setting) -> str:
    noun = {int: "int", float: "float", bool: "true or false", str: "text"}[entry.kind]
    if entry.choices:
        return entry.range
    return f"{noun} {entry.range}".strip()


def _default(entry: Setting) -> str:
    if entry.default is None:
        return "none"
    return f"{entry.default:g}" if isinstance(entry.default, float) else str(entry.default)
