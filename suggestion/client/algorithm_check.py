"""What installed algorithms and early-stopping rules say of an Experiment file, in this process.

These are the rules that servers apply when they validate an experiment; nothing is started.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from suggestion.api.v1beta1 import locations
from suggestion.api.v1beta1 import messages as wire
from suggestion.client.document import Examined
from suggestion.client.manifest import FieldPath, Finding, Manifest, Severity, in_file
from suggestion.earlystopping.rule import build, rules
from suggestion.engine.algorithm import Registry, Unavailable, advice, algorithms
from suggestion.engine.algorithm import build as build_algorithm
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid

_DATA_DIR: Final = "SUGGEST_DATA_DIR"
#: Sections of the spec that name an algorithm.
SECTIONS: Final = ("algorithm", "earlyStopping")


def check(examined: Examined, sections: Sequence[str] = SECTIONS, always: bool = False) -> Examined:
    """Return `examined` with what installed algorithms say of the file.

    Args:
        sections: Of the spec whose algorithm is one of those installed here.
        always: Ask the algorithms also if nothing else is wrong, in which case whoever runs the
            file asks servers; else their packages are imported for files alone that have errors.
    """
    found = list(unknown(examined, sections))
    if found or examined.errors or always:
        told = {finding.field for finding in found}
        found += [known for known in violations(examined, sections) if known.field not in told]
    refused = bool(found)
    if always or "nasConfig" in _spec(examined):  # what else runs need not be imported for it
        found += advised(examined)
    if not found:
        return examined
    every = dict.fromkeys([*examined.findings, *found])
    findings = tuple(sorted(every, key=lambda finding: finding.line))
    loaded = examined.loaded
    if refused or loaded is None:
        return replace(examined, findings=findings, loaded=None)
    return replace(examined, findings=findings, loaded=replace(loaded, findings=findings))


def advised(examined: Examined) -> Iterator[Finding]:
    """Yield a note for each setting of a file that its algorithm, installed here, tells of."""
    section = _section(examined, "algorithm")
    registry = algorithms()
    if examined.manifest is None or section is None or section.name not in registry:
        return
    cls: type[Any]
    try:
        cls = registry.load(section.name)
        texts = dict(advice(build_algorithm(cls, section.settings).algorithm))
    except (Unavailable, Invalid):  # which is told as an error
        return
    for place, given in zip(section.kept, section.settings, strict=True):
        if given.name in texts:
            path: FieldPath = ("spec", "algorithm", "algorithmSettings", place)
            yield examined.manifest.finding(path, texts[given.name], Severity.NOTE)


def unknown(examined: Examined, sections: Sequence[str] = SECTIONS) -> Iterator[Finding]:
    """Yield a finding for each algorithm of a file that is not installed; imports none of them.

    Args:
        sections: Of the spec that name one to look for.
    """
    for section in sections:
        registry: Registry[Any] = algorithms() if section == "algorithm" else rules()
        given = _section(examined, section)
        if examined.manifest is not None and given and given.name not in registry:
            error = registry.unknown(given.name, "is not installed", registry.names)
            yield examined.manifest.finding(("spec", section, "algorithmName"), str(error))


def violations(examined: Examined, sections: Sequence[str] = SECTIONS) -> Iterator[Finding]:
    """Yield every rule of the algorithms that a file breaks, unknown names included.

    A section whose shape is wrong is left out, and with it the rules that need it.
    """
    if examined.manifest is None or not isinstance(examined.manifest.document, dict):
        return
    if "algorithm" in sections:
        with scratch():
            found = list(_of_algorithm(examined, examined.manifest))
        yield from found
    if "earlyStopping" in sections:
        yield from _of_rule(examined, examined.manifest)


@dataclass(frozen=True, slots=True)
class _Section:
    """The sound part of ``algorithm`` or ``earlyStopping``.

    Attributes:
        kept: Places in the file of the settings that have their shape.
    """

    name: str
    settings: tuple[RawSetting, ...]
    kept: tuple[int, ...]
    whole: bool


def _section(examined: Examined, section: str) -> _Section | None:
    """A section of the spec; None if it is absent, or its name has not the shape it should have."""
    spec = _spec(examined)
    where: FieldPath = ("spec", section)
    broken = [path for path in examined.broken if path[:2] == where]
    if section not in spec or any(path[2:3] != ("algorithmSettings",) for path in broken):
        return None
    given = spec[section]
    entries = [] if (*where, "algorithmSettings") in broken else given.get("algorithmSettings", [])
    kept = tuple(
        index for index in range(len(entries)) if not any(path[3:4] == (index,) for path in broken)
    )
    settings = tuple(RawSetting(entries[i]["name"], entries[i]["value"]) for i in kept)
    return _Section(given["algorithmName"], settings, kept, not broken)


def _spec(examined: Examined) -> dict[str, Any]:
    document = None if examined.manifest is None else examined.manifest.document
    spec = document.get("spec") if isinstance(document, dict) else None
    return spec if isinstance(spec, dict) else {}


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """Within it, what an algorithm writes for trials goes to a temporary folder: none will run."""
    before = os.environ.get(_DATA_DIR)
    with tempfile.TemporaryDirectory(prefix="suggest-") as folder:
        os.environ[_DATA_DIR] = folder
        try:
            yield
        finally:
            del os.environ[_DATA_DIR]
            if before is not None:
                os.environ[_DATA_DIR] = before


def _of_algorithm(examined: Examined, read: Manifest) -> Iterator[Finding]:
    section = _section(examined, "algorithm")
    document, kept, whole = _sound(examined)
    problem, found = None, []
    message = wire.write_experiment(document)
    try:
        problem = wire.read_problem(message)
    except Invalid as error:
        found = list(error.violations)
    if section is not None:
        # Without the whole experiment the algorithm's own rules cannot be applied.
        choice = AlgorithmChoice(section.name, section.settings)
        try:
            Engine(algorithms()).prepare(problem if whole else None, choice, found)
        except Invalid as error:
            found = list(error.violations)
    for violation in found:
        path = in_file(locations.in_request(violation.location, message))
        if section is not None:
            path = _moved(path, ("spec", "algorithm", "algorithmSettings"), section.kept)
        path = _moved(path, ("spec", "parameters"), kept)
        # Where something has been left out, nothing is known of what is missing.
        incomplete = violation.location == ("space",) and not whole
        if path == ("spec", "algorithm", "algorithmSettings"):
            incomplete = section is None or not section.whole
        if not incomplete:
            yield read.finding(path, violation.description)


def _of_rule(examined: Examined, read: Manifest) -> Iterator[Finding]:
    section = _section(examined, "earlyStopping")
    if section is None:
        return
    where: FieldPath = ("spec", "earlyStopping")
    try:
        cls: type[Any] = rules().load(section.name)
        build(cls, section.settings)
    except Unavailable as error:
        yield read.finding((*where, "algorithmName"), str(error))
    except Invalid as error:
        settings = (*where, "algorithmSettings")
        for violation in error.violations:
            path = _moved(
                in_file(("early_stopping", *locations.in_algorithm(violation.location))),
                settings,
                section.kept,
            )
            if path != settings or section.whole:
                yield read.finding(path, violation.description)


def _moved(path: FieldPath, root: FieldPath, kept: Sequence[int]) -> FieldPath:
    """`path`, with the index below `root` among the entries kept turned into that of the file."""
    size = len(root)
    index = path[size] if len(path) > size and path[:size] == root else None
    return (*root, kept[index], *path[size + 1 :]) if isinstance(index, int) else path


def _sound(examined: Examined) -> tuple[dict[str, Any], tuple[int, ...], bool]:
    """The part of a document that a request can be made of.

    Returns:
        The part; places in the file of its parameters; whether nothing that counts is missing.
    """
    spec = _spec(examined)
    broken = {where[1:2] for where in examined.broken if where[:1] == ("spec",)}
    places = {where[2:3] for where in examined.broken if where[:2] == ("spec", "parameters")}
    given = spec.get("parameters") if () not in places else None
    parameters: list[Any] = given if isinstance(given, list) else []
    kept = tuple(index for index in range(len(parameters)) if (index,) not in places)
    objective: dict[str, Any] = {"type": "minimize", "objectiveMetricName": "objective"}
    if ("objective",) not in broken and "objective" in spec:
        objective = {key: spec["objective"][key] for key in objective}
        objective["additionalMetricNames"] = spec["objective"].get("additionalMetricNames") or ()
    part: dict[str, Any] = {
        "objective": objective,
        "algorithm": {"algorithmName": ""},
        "parameters": [parameters[index] for index in kept],
    }
    for count in ("parallelTrialCount", "maxTrialCount"):
        if count in spec and (count,) not in broken:
            part[count] = spec[count]
    whole = len(kept) == len(parameters) and "parameters" in spec
    if "nasConfig" in spec:
        whole = ("nasConfig",) not in broken and "parameters" not in spec
        if whole:
            part["nasConfig"] = spec["nasConfig"]
    return {"metadata": {"name": examined.name or "experiment"}, "spec": part}, kept, whole
