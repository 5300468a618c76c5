"""Experiment files: everything that can be known of one before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from suggestion.client import changes as changing
from suggestion.client import (
    cluster,
    collector,
    containers,
    manifest,
    optimizationjob,
    roles,
    schema,
    template,
    typed,
)
from suggestion.client.collector import Collector
from suggestion.client.containers import Problem
from suggestion.client.manifest import FieldPath, Finding, Manifest, ManifestError, Severity
from suggestion.client.numbers import finite
from suggestion.client.parameters import is_architecture
from suggestion.client.template import Template
from suggestion.problem.errors import quote

__all__ = ["Collector", "Examined", "Loaded", "examine", "load"]

#: Trials at a time, of which servers suggest as many in one call.
_MOST_PARALLEL: Final = 10_000
_MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """An Experiment file that can be run.

    Attributes:
        manifest: The file, with the changes.
        folder: That the file lies in.
        findings: What a cluster refuses, and what is probably a mistake.
    """

    manifest: Manifest
    template: Template
    collector: Collector
    folder: Path
    findings: tuple[Finding, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The Experiment, with changes from the command line; scalars are texts."""
        made: dict[str, Any] = self.manifest.document
        return made

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(found for found in self.findings if found.severity is severity)


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a file.

    Attributes:
        findings: In the order of the file.
        manifest: The file, with the changes; None if it cannot be read.
        broken: Paths of what does not have the shape that it should have.
        loaded: None if there are errors, or nothing to run.
    """

    findings: tuple[Finding, ...]
    manifest: Manifest | None = None
    broken: tuple[FieldPath, ...] = ()
    loaded: Loaded | None = None

    @property
    def name(self) -> str:
        """The experiment's name; empty if it has none, or not one that it can have."""
        wrong = any(where[:1] in {(), ("metadata",)} for where in self.broken)
        return "" if self.manifest is None or wrong else self.manifest.document["metadata"]["name"]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Why the file cannot be used."""
        return self.of(Severity.ERROR)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(found for found in self.findings if found.severity is severity)


def load(
    path: Path, changes: Sequence[str] = (), command: str | None = None, image: bool = False
) -> Loaded:
    """Read and check an Experiment file that is to be run; for the arguments see `examine`.

    Raises:
        ManifestError: With every problem.
    """
    examined = examine(path, changes, command, image)
    if examined.loaded is None:
        raise ManifestError(examined.errors)
    return examined.loaded


def examine(
    path: Path,
    changes: Sequence[str] = (),
    command: str | None = None,
    image: bool = False,
    runs: bool = True,
    begun: bool = False,
    whole: bool = False,
) -> Examined:
    """Find everything that is wrong with an Experiment file; nothing is run.

    An OptimizationJob is read as the Experiment that it means.

    Args:
        changes: ``spec.maxTrialCount=20``, applied before the checks.
        command: Replaces the trial's command.
        image: Trials run in the container's image; else its command runs here.
        runs: Whether trials are run; else a file may do without a template.
        begun: Whether the experiment has been begun, perhaps by a version that did not look at
            whether each parameter is used: then this is told, not refused.
        whole: Trials are made of the whole object of the template; else of its container.
    """
    try:
        read = _read(path)
    except ManifestError as error:
        return Examined(error.findings)
    document: Any = read.document
    options = [finding for change in changes for finding in changing.apply(document, change)]
    _name(document)
    if command is not None:
        try:
            if changing.unwritable(command):
                raise ValueError("must be text that UTF-8 can hold, without NUL")
            containers.split(command)
        except ValueError as error:
            text = f"{error}, got {quote(command)}"
            options.append(Finding(Severity.ERROR, "--command", 0, "", text))
            command = None
    found = list(manifest.violations(document, schema.EXPERIMENT))
    found += _semantics(document, _Sound(document, [where for where, _ in found]))
    broken = tuple(where for where, _ in found)
    sound = _Sound(document, broken)
    notes: list[Problem] = []
    collected = made = None
    if sound("metricsCollectorSpec"):
        collected, wrong = collector.read(document, runs)
        if sound("objective") and not wrong:
            wrong = list(collector.without_default(document, collected))
            notes += collector.unmatched(document, collected)
        found += wrong
    if sound("objective", "algorithm") and runs:
        found += roles.unsuited(document)
        notes += roles.lenient(document)
    if (
        sound("trialTemplate", "parameters")
        and (runs or "trialTemplate" in document["spec"])
        and (not is_architecture(document) or sound("algorithm"))  # which hands them out
    ):
        wrong = list(containers.shapes(document))
        if not wrong:
            made, wrong, hardly = template.read(document, command, runs, begun, whole)
            notes += hardly
            if whole and made.meta:
                if command is not None:
                    options.append(Finding(Severity.ERROR, "--command", 0, "", _WHOLE))
                made = replace(made, meta=typed.trial_spec(read), ignored=())
            elif runs and not wrong:
                wrong = list(_runnable(made, image))
        found += wrong
    findings = [read.finding(*problem) for problem in found]
    findings += [read.finding(*problem, Severity.NOTE) for problem in notes]
    refused = cluster.refusals(read) if read.origin is None else optimizationjob.refusals(read)
    findings += [read.finding(*problem, Severity.CLUSTER) for problem in refused]
    findings = [*options, *sorted(dict.fromkeys(findings), key=lambda finding: finding.line)]
    examined = Examined(tuple(findings), read, broken)
    if examined.errors or made is None or collected is None:
        return examined
    return replace(
        examined,
        loaded=Loaded(read, made, collected, path.resolve().parent, examined.findings),
    )


# That Linux hands to a program in one piece.
_LONGEST_WORD: Final = 128 * 1024


_WHOLE: Final = "has no effect where trials are made of the whole trialSpec; change it there"


def _read(path: Path) -> Manifest:
    """Read an Experiment, or the one that an OptimizationJob means; it has a name if it can.

    Raises:
        ManifestError: If it cannot be read, or is an OptimizationJob that means none.
    """
    read = manifest.load(path, {}, kind=("Experiment", optimizationjob.KIND))
    _name(read.document)
    if not optimizationjob.is_one(read.document):
        return read
    if wrong := optimizationjob.problems(read.document):
        raise ManifestError([read.finding(*problem) for problem in wrong])
    return optimizationjob.as_experiment(read)


class _Sound:
    """Tells whether sections of a document's spec are as the schema wants them."""

    def __init__(self, document: Any, broken: Sequence[FieldPath]) -> None:
        self._spec = document.get("spec") if isinstance(document, dict) else None
        metadata = document.get("metadata") if isinstance(document, dict) else None
        self._usable = isinstance(self._spec, dict) and isinstance(metadata, dict)
        self._broken = {where[:2] for where in broken}

    def __call__(self, *sections: str) -> bool:
        """Whether `sections` are sound; one that may be absent is."""
        if "parameters" in sections and "nasConfig" in (self._spec or ()):
            sections = (*(part for part in sections if part != "parameters"), "nasConfig")
        required = {"objective", "algorithm", "parameters"}.intersection(sections)
        return (
            self._usable
            and required <= set(self._spec or ())
            and not any(("spec", part) in self._broken for part in sections)
        )


def _name(document: Any) -> None:
    """Give an experiment the name that its ``generateName`` begins with, if it has no other.

    A cluster adds random letters; here the same file is the same experiment each time.
    """
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if isinstance(metadata, dict) and "name" not in metadata:
        prefix = metadata.get("generateName")
        if isinstance(prefix, str):
            metadata["name"] = prefix.rstrip("-.")


def _semantics(document: Any, sound: _Sound) -> Iterator[Problem]:
    """Rules between fields, and of numbers."""
    limits = {
        "parallelTrialCount": _MOST_PARALLEL,
        "maxTrialCount": _MOST,
        "maxFailedTrialCount": _MOST,
    }
    for field, most in limits.items():
        if sound(field) and field in document["spec"]:
            text = document["spec"][field].strip()
            if len(text) > len(str(_MOST)) or int(text) > most:
                yield ("spec", field), f"must be at most {most}, got {quote(text)}"
    yield from _space(document)
    if sound("objective"):
        yield from _objective(document["spec"]["objective"])


def _space(document: Any) -> Iterator[Problem]:
    """Whether there are parameters or a graph of architectures, and not both."""
    spec = document.get("spec") if isinstance(document, dict) else None
    if not isinstance(spec, dict):
        return
    given = [field for field in ("parameters", "nasConfig") if field in spec]
    if not given:
        yield ("spec",), "parameters is required, or nasConfig"
    elif len(given) == 2:
        yield ("spec", "nasConfig"), "an experiment has parameters or a nasConfig, got both"


def _objective(objective: dict[str, Any]) -> Iterator[Problem]:
    path: FieldPath = ("spec", "objective")
    if objective.get("goal") is not None and finite(objective["goal"]) is None:
        yield (*path, "goal"), f"must be a finite number, got {quote(objective['goal'])}"
    known = collector.metrics(objective)
    for index, entry in enumerate(objective.get("metricStrategies") or ()):
        if entry["name"] not in known:
            rule = f"must be a metric of the objective ({', '.join(known)})"
            where = (*path, "metricStrategies", index, "name")
            yield where, f"{rule}, got {quote(entry['name'])}"


def _runnable(made: Template, image: bool) -> Iterator[Problem]:
    """Whether there is something to run."""
    path: FieldPath = ("spec", "trialTemplate")
    if image:
        if not made.container.get("image"):
            yield path, "a runtime of containers needs an image, got none"
    elif not made.container.get("command"):
        yield (
            path,
            "the primary container has no command, and what its image would run cannot be known "
            "here; give --command, or --runtime docker",
        )
    for entry in made.container.get("env") or ():
        name, value = entry["name"], entry.get("value") or ""
        if not name or "=" in name:
            yield (
                (*path, "env"),
                f"the name of a variable must not be empty or hold =, got {quote(name)}",
            )
        if len(f"{name}={value}".encode()) >= _LONGEST_WORD:
            yield (
                (*path, "env"),
                f"a variable must be shorter than {_LONGEST_WORD} bytes, got {name}",
            )
    for field in ("command", "args"):
        for word in made.container.get(field) or ():
            if len(word.encode()) >= _LONGEST_WORD:
                rule = f"a word must be shorter than {_LONGEST_WORD} bytes"
                yield (*path, field), f"{rule}, got {quote(word)}"
