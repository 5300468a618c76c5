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
from suggestion.client.soundness import Sound, without
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
    if wrong_command := _command(command):
        options.append(wrong_command)
        command = None
    found = list(manifest.violations(document, schema.EXPERIMENT))
    found += _semantics(document, Sound(document, [where for where, _ in found]))
    broken = tuple(where for where, _ in found)
    sound = Sound(document, broken)
    notes: list[Problem] = []
    collected = made = usable = None
    if sound("metricsCollectorSpec"):
        collected, wrong = collector.read(document, runs)
        if sound("objective") and not wrong:
            wrong = list(collector.without_default(document, collected))
            notes += collector.unmatched(document, collected)
        found += wrong
    else:
        found += collector.filters(document)
    if sound("objective", "algorithm") and runs:
        found += roles.unsuited(document)
        notes += roles.lenient(document)
    if (
        sound.template()
        and sound.named()
        and (runs or "trialTemplate" in document["spec"])
        and (not is_architecture(document) or sound("algorithm"))  # which hands them out
    ):
        misshapen = list(containers.shapes(document))
        found += misshapen
        usable = without(document, misshapen) if misshapen else document
    if usable is not None:
        complete = usable is document
        made, wrong, hardly = template.read(usable, command, runs, begun, whole, complete)
        notes += hardly
        found += wrong
        if runs and not (whole and made.meta):
            found += _runnable(made, image, complete and not wrong)
    if whole and made is not None and made.meta:
        if command is not None:
            options.append(Finding(Severity.ERROR, "--command", 0, "", _WHOLE))
        if not found:
            made = replace(made, meta=typed.trial_spec(read), ignored=())
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


def _command(command: str | None) -> Finding | None:
    """Return what is wrong with ``--command``, if it is given."""
    try:
        if changing.unwritable(command or ""):
            raise ValueError("must be text that UTF-8 can hold, without NUL")
        containers.split(command or "")
    except ValueError as error:
        return Finding(Severity.ERROR, "--command", 0, "", f"{error}, got {quote(command)}")
    return None


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


def _name(document: Any) -> None:
    """Give an experiment the name that its ``generateName`` begins with, if it has no other.

    A cluster adds random letters; here the same file is the same experiment each time.
    """
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if isinstance(metadata, dict) and "name" not in metadata:
        prefix = metadata.get("generateName")
        if isinstance(prefix, str):
            metadata["name"] = prefix.rstrip("-.")


def _semantics(document: Any, sound: Sound) -> Iterator[Problem]:
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
    objective = document.get("spec", {}).get("objective") if sound() else None
    if isinstance(objective, dict):
        yield from _objective(objective)


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
    """Rules of an objective, of which any field may lack its shape."""
    path: FieldPath = ("spec", "objective")
    goal = objective.get("goal")
    if isinstance(goal, str) and finite(goal) is None:
        yield (*path, "goal"), f"must be a finite number, got {quote(goal)}"
    names = [objective.get("objectiveMetricName"), *_items(objective.get("additionalMetricNames"))]
    if not all(isinstance(name, str) for name in names):
        return
    for index, entry in enumerate(_items(objective.get("metricStrategies"))):
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and name not in names:
            known = ", ".join(dict.fromkeys(map(str, names)))
            where = (*path, "metricStrategies", index, "name")
            yield where, f"must be a metric of the objective ({known}), got {quote(name)}"


def _items(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _runnable(made: Template, image: bool, complete: bool) -> Iterator[Problem]:
    """Whether there is something to run, of what is known to be `complete`."""
    path: FieldPath = ("spec", "trialTemplate")
    if image:
        if complete and not made.container.get("image"):
            yield path, "a runtime of containers needs an image, got none"
    elif complete and not made.container.get("command"):
        yield (
            path,
            "the primary container has no command, and what its image would run cannot be known "
            "here; give --command, or --runtime docker",
        )
    for index, entry in enumerate(made.container.get("env") or ()):
        name, value = entry["name"], entry.get("value") or ""
        # In the short form the variables are a mapping.
        where: FieldPath = (*made.place, "env", name if made.place == path else index)
        if not name or "=" in name:
            yield where, f"the name of a variable must not be empty or hold =, got {quote(name)}"
        if len(f"{name}={value}".encode()) >= _LONGEST_WORD:
            yield where, f"a variable must be shorter than {_LONGEST_WORD} bytes, got {name}"
    for field in ("command", "args"):
        for index, word in enumerate(made.container.get(field) or ()):
            if len(word.encode()) >= _LONGEST_WORD:
                rule = f"a word must be shorter than {_LONGEST_WORD} bytes"
                yield (*made.place, field, index), f"{rule}, got {quote(word)}"
