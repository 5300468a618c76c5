"""Trial parameters: which names a template may use, and whether every value reaches the program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.client.containers import TEMPLATE, USED, Primary, Problem
from suggestion.client.manifest import FieldPath
from suggestion.client.parameters import is_architecture, parameters_of
from suggestion.problem.errors import quote
from suggestion.problem.locations import dotted

REFERENCE: Final = re.compile(r"\$\{(trialParameters|trialSpec)\.([^}]*)\}")
METADATA: Final = re.compile(r"(Labels|Annotations)\[(.+)\]")


def references(
    document: Mapping[str, Any],
    primary: Primary,
    runs: bool,
    begun: bool,
    whole: bool = False,
    complete: bool = True,
) -> dict[str, str]:
    """Return what the names of trial parameters stand for.

    Adds broken rules to `primary.found`, and what is probably a mistake to `primary.notes`.

    Args:
        runs: Whether trials run here; else a value may be used anywhere in the template.
        begun: Whether it is too late to refuse a parameter that is not used.
        whole: Whether all of the trial's object counts; else its primary container.
        complete: Whether nothing was left out of the template.
    """
    template: Mapping[str, Any] = document["spec"].get("trialTemplate") or {}
    space = [parameter["name"] for parameter in parameters_of(document)]
    declared = template.get("trialParameters") or ()
    # They may be left out: then every parameter goes by its own name.
    made: dict[str, str] = {} if declared else {name: name for name in space}
    found: list[Problem] = []
    named = True
    for index, entry in enumerate(declared):
        name, reference = _pair(entry)
        if name is None or reference is None:
            named = False
            continue
        inner = REFERENCE.fullmatch(reference)
        where = (*TEMPLATE, "trialParameters", index)
        if name in made:
            found.append(((*where, "name"), f"must be there once, got {quote(name)} again"))
        made[name] = reference
        if inner is not None and inner[1] == "trialSpec":
            found += _check_spec(inner[2], primary.meta, (*where, "reference"))
        elif reference not in space:
            rule = f"must be a parameter of the experiment ({', '.join(space)})"
            found.append(((*where, "reference"), f"{rule}, got {quote(reference)}"))
    written = texts(primary.container, primary.path)
    if whole and primary.meta:
        written = texts(primary.meta, (*TEMPLATE, "trialSpec"))
    for where, text in written:
        for match in REFERENCE.finditer(text):
            if match[1] == "trialSpec":
                found += _check_spec(match[2], primary.meta, where)
            elif named and match[2] not in made:
                known = ", ".join(made) or "none"
                found.append((where, f"must name a trial parameter ({known}), got {match[0]}"))
    primary.found += found
    if complete and named and not primary.found:  # else it is clear why a value is not used
        target = primary.notes if begun else primary.found
        target += _unused(document, template, primary, made, runs)
    return made


def _pair(entry: Any) -> tuple[str | None, str | None]:
    """Return name and reference of a trial parameter, each None if it has not its shape."""
    given = entry if isinstance(entry, Mapping) else {}
    name, reference = given.get("name"), given.get("reference")
    return name if isinstance(name, str) else None, reference if isinstance(
        reference, str
    ) else None


def _check_spec(field: str, meta: Mapping[str, Any], where: FieldPath) -> Iterator[Problem]:
    match = METADATA.fullmatch(field)
    if field in {"Name", "Namespace", "Kind", "APIVersion"}:
        return
    got = f"${{trialSpec.{field}}}"
    if match is None:
        yield (
            where,
            "must be ${trialSpec.X} with X one of Name, Namespace, Kind, APIVersion, Labels[key], "
            f"Annotations[key], got {got}",
        )
    elif match[2] not in metadata(meta, match[1]):
        yield where, f"must name one of the trialSpec's metadata.{match[1].lower()}, got {got}"


def metadata(meta: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return the ``Labels`` or ``Annotations`` of a trial's object."""
    inside = meta.get("metadata")
    entries = inside.get(section.lower()) if isinstance(inside, Mapping) else None
    return entries if isinstance(entries, Mapping) else {}


def _unused(
    document: Mapping[str, Any],
    template: Mapping[str, Any],
    primary: Primary,
    names: Mapping[str, str],
    runs: bool,
) -> Iterator[Problem]:
    """Every parameter whose value never reaches the program."""
    used = {key: value for key, value in primary.container.items() if key in USED}
    here = list(texts(used, primary.path))
    # What else the template holds: sidecars, replicas, labels of the object.
    written = [*here, *texts(template.get("trialSpec"), (*TEMPLATE, "trialSpec"))]
    reached = {names.get(match[2]) for _, text in here for match in _parameters(text)}
    space = [parameter["name"] for parameter in parameters_of(document)]
    slips = list(_slips([*written, *_lines(used, primary.path)], {*space, *names}))
    if primary.plain and not slips and not any(map(_uses, written)):
        # A command that was written for this machine, to try out something else than parameters.
        text = "uses no parameter: every trial runs the same program"
        primary.notes.append((primary.path, text))
        return
    if is_architecture(document):  # a program may know what the numbers mean
        if not reached.intersection(space):
            text = f"no value of {' and '.join(space)} is used by the trial template"
            yield ("spec", "nasConfig"), f"{text}; write ${{trialParameters.{space[0]}}} in it"
        return
    for index, name in enumerate(space):
        if name in reached:
            continue
        called = [alias for alias, reference in names.items() if reference == name] or [name]
        where: FieldPath = ("spec", "parameters", index, "name")
        subject = f"parameter {quote(name)}"
        elsewhere = next(
            (path for path, text in written for m in _parameters(text) if m[2] in called), None
        )
        fitting = (entry for entry in slips if entry[2] in {*called, name})
        slip = max(fitting, key=lambda entry: len(entry[1]), default=None)
        if elsewhere is not None and not runs:
            continue
        if elsewhere is not None:
            yield (
                where,
                f"{subject} is used only in {dotted(elsewhere)}, which has no effect on one "
                f"machine; --command can hand it to the program",
            )
        elif slip is not None:
            place, text, alias = slip
            meant = f"${{trialParameters.{alias if alias in names else called[0]}}}"
            hint = f"did you mean {meant} where {quote(text)} stands?"
            if text == meant:
                hint = f"{meant} is more than one word; write it in quotation marks"
            yield place, f"{subject} is not used by the trial template; {hint}"
        else:
            meant = f"${{trialParameters.{called[0]}}}"
            yield (
                where,
                f"{subject} is not used by the trial template; write {meant} where the "
                f"program reads it",
            )


def _uses(entry: tuple[FieldPath, str]) -> bool:
    return any(True for _ in _parameters(entry[1]))


def _parameters(text: str) -> Iterator[re.Match[str]]:
    return (match for match in REFERENCE.finditer(text) if match[1] == "trialParameters")


def _slips(
    written: list[tuple[FieldPath, str]], names: set[str]
) -> Iterator[tuple[FieldPath, str, str]]:
    """Where a reference was likely meant: its place, the text that stands there, the name in it.

    Other templates write ``{{x}}``, ``$x``, ``${x}``, ``$(x)``, ``{x}``, ``%(x)s`` or ``%x%``, with
    or without something like ``trialParameters.`` before the name.
    """
    exact = {name.lower(): name for name in names}
    any_name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    opening = r"(?:\$\{\{|\$\{|\$\(\(|\$\(|\{\{|\$|\{|%\(|%(?=[^%\s]+%)|@(?=[^@\s]+@)|<|\[\[)"
    outer = r"(?:\.?[A-Za-z]{1,40}(?:\.|\[['\"]?)){0,3}"
    pattern = re.compile(
        # Without anything before it, only the name that this template has for its parameters.
        rf"(?:{opening}\s*{outer}|\btrial_?parameters?(?:\.|\[['\"]?))"
        rf"({any_name})(?![\w.-])(?:['\"]?\])*(?:\s*(?:\}}\}}|\}}|\)\)|\)s?|>|%|@))?",
        re.IGNORECASE,
    )
    for path, text in written:
        for match in pattern.finditer(text):
            yield path, match[0], exact.get(match[1].lower(), match[1])


def _lines(container: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """A container's words side by side: a shell's rules have split ``{{ x }}`` into three."""
    for key in ("command", "args"):
        words = container.get(key)
        if words and len(words) > 1:
            yield (*path, key), " ".join(words)


def texts(node: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Yield the texts below `node`, each with its path."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, (*path, index))
