"""What the registry says of itself: for ``suggest algorithms`` and the READMEs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from suggestion.engine.algorithm import (
    Ability,
    Registry,
    Unavailable,
    abilities_of,
    algorithms,
    settings_of,
)
from suggestion.engine.declared import SHARED
from suggestion.engine.installed import qualified
from suggestion.engine.settings import Setting, describe

#: Where packages register early-stopping rules, which have settings too.
RULES: Final = "suggestion.early_stopping"


def _rules() -> Registry[Any]:
    return Registry(RULES, "early-stopping algorithm")


def _lookup(name: str) -> tuple[Registry[Any], str]:
    """Return where `name` is registered, and under which name.

    A rule whose name an algorithm has too is ``earlystopping/NAME``.
    """
    known = algorithms()
    if name in known:
        return known, name
    own = name.removeprefix("earlystopping/")
    if own in _rules():
        return _rules(), own
    raise known.unknown(name, "is not installed", _names())


def _names() -> tuple[str, ...]:
    known = algorithms().names
    return (*known, *(qualified("earlystopping", name, known) for name in _rules().names))


def _settings(cls: type[Any], registry: Registry[Any]) -> tuple[Setting, ...]:
    """Those of a rule are its own; an algorithm has the common ones as well."""
    return describe(cls) if registry.group == RULES else settings_of(cls)


def text(name: str | None) -> str:
    """Return all installed algorithms and rules, or `name`, with their settings, for a terminal.

    Raises:
        Unavailable: If `name` is not installed.
    """
    if name is not None:
        return "\n".join(_text_of(name)) + "\n"
    parts = [*(_text_of(each) for each in _names()), _shared(), _abilities()]
    return "\n".join("\n".join(part) + "\n" for part in parts)


def _shared() -> Iterator[str]:
    """Yield what the settings say that every algorithm shares; docs/problems.md has more."""
    yield "settings of every algorithm, as far as it has the ability:"
    for entry in SHARED:
        yield f"  {entry.name}  (text, default none)"
        yield f"      {entry.help}"


def _abilities() -> Iterator[str]:
    """Yield a table of what the installed algorithms can do beyond one objective in one space."""
    registry = algorithms()
    able = {ability: set(abilities_of(registry, ability)) for ability in Ability}
    shown = [ability for ability in Ability if able[ability]]
    width = max(map(len, registry), default=0)
    yield "abilities:"
    for number, ability in enumerate(shown, 1):
        yield f"  {number}  {ability.value}"
    yield f"  {'':{width}}  {'  '.join(map(str, range(1, len(shown) + 1)))}"
    for name in registry:
        marks = ["x" if name in able[ability] else "-" for ability in shown]
        yield f"  {name:{width}}  {'  '.join(marks)}"


def _text_of(name: str) -> Iterator[str]:
    registry, own = _lookup(name)
    try:
        cls = registry.load(own)
    except Unavailable as error:  # its packages are not installed
        yield f"{name}: {error}"
        return
    yield f"{name}: {summary(cls)}"
    for entry in _settings(cls, registry):
        default = "required" if entry.required else f"default {_default(entry)}"
        yield f"  {entry.spelling}  ({', '.join(filter(None, (_kind(entry), default)))})"
        yield f"      {entry.help}"


def markdown(name: str | None) -> str:
    """Return the settings of `name`, or of all installed algorithms and rules, as Markdown tables.

    Raises:
        Unavailable: If `name` is not installed.
    """
    names = _names() if name is None else (name,)
    return "\n".join("\n".join(_markdown_of(n)) + "\n" for n in names)


def _markdown_of(name: str) -> Iterator[str]:
    registry, own = _lookup(name)
    yield f"### Settings of `{own}`"
    yield ""
    yield "| setting | type and range | default | what it does |"
    yield "|---|---|---|---|"
    for entry in _settings(registry.load(own), registry):
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
