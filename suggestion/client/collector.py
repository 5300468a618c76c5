"""The section ``metricsCollectorSpec`` of Experiment files: how a trial's metrics are found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from suggestion.client.containers import Problem
from suggestion.client.filters import DEFAULT_FILTER, BadFilter, can_match, compile_filter
from suggestion.client.manifest import FieldPath
from suggestion.client.schema import CLUSTER_COLLECTORS, COLLECTORS
from suggestion.problem.errors import quote
from suggestion.problem.locations import dotted

PATH: Final[FieldPath] = ("spec", "metricsCollectorSpec")
FILTERS: Final[FieldPath] = (*PATH, "source", "filter", "metricsFormat")
# What file systems hold; a path has the trial's folder before it.
_LONGEST_STEP: Final = 255
_LONGEST_PATH: Final = 2048
_NUMBER: Final = r"([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"


@dataclass(frozen=True, slots=True)
class Collector:
    """How the metrics of a trial are found.

    Attributes:
        kind: ``StdOut``, ``File``, ``TensorFlowEvent``, ``Push`` or ``None``.
        path: In the container, of the file or folder; empty for StdOut.
        json: Whether lines are JSON objects.
        filters: Regular expressions; the default one if there are none.
    """

    kind: str
    path: str
    json: bool
    filters: tuple[str, ...]

    @property
    def reads_lines(self) -> bool:
        """Whether filters look for the metrics."""
        return self.kind in {"StdOut", "File"} and not self.json


def read(document: Mapping[str, Any], runs: bool = True) -> tuple[Collector, list[Problem]]:
    """Return the collector of a document, and every rule that its section breaks.

    Args:
        runs: Whether it is to collect anything here.
    """
    spec = document["spec"].get("metricsCollectorSpec") or {}
    kind = (spec.get("collector") or {}).get("kind") or "StdOut"
    source = spec.get("source") or {}
    files = source.get("fileSystemPath") or {}
    formats = tuple((source.get("filter") or {}).get("metricsFormat") or ())
    made = Collector(kind, files.get("path") or "", files.get("format") == "JSON", formats)
    found: list[Problem] = []
    if runs and kind in CLUSTER_COLLECTORS:
        rule = f"cannot be run here; there is {', '.join(COLLECTORS)}"
        found.append(((*PATH, "collector", "kind"), f"{rule}, got {kind}"))
    if kind in {"File", "TensorFlowEvent"} and not made.path:
        found.append((PATH, f"kind {kind} needs source.fileSystemPath.path"))
    found += [((*PATH, "source", "fileSystemPath", "path"), rule) for rule in _path_rules(made)]
    if runs and kind == "TensorFlowEvent" and find_spec("tensorboard") is None:
        rule = (
            "TensorFlowEvent needs the package tensorboard, which is not installed; "
            "pip install 'suggestion-servers[tensorboard]'"
        )
        found.append(((*PATH, "collector", "kind"), rule))
    return made, [*found, *filters(document)]


def filters(document: Any) -> Iterator[Problem]:
    """Yield what is wrong with the filters of a document, of which any field may lack its shape."""
    node = document
    for step in FILTERS:
        node = node.get(step) if isinstance(node, Mapping) else None
    for index, text in enumerate(node if isinstance(node, list) else ()):
        try:
            if isinstance(text, str):
                compile_filter(text)
        except BadFilter as error:
            yield (*FILTERS, index), str(error)


def _path_rules(collector: Collector) -> Iterator[str]:
    """Yield the rules that the path breaks: it must be usable below the folder of a trial."""
    steps = collector.path.split("/")
    got = f"got {quote(collector.path)}"
    if ".." in steps:
        yield f"must not lead out of the trial's folder, {got}"
    if collector.kind == "File" and collector.path and steps[-1] in {"", "."}:
        yield f"must name a file, {got}"
    elif collector.path and not {*steps} - {"", "."}:
        yield f"must name a folder below /, {got}"
    if max(len(os.fsencode(step)) for step in steps) > _LONGEST_STEP:
        yield f"must have at most {_LONGEST_STEP} bytes between two slashes, {got}"
    if len(os.fsencode(collector.path)) > _LONGEST_PATH:
        yield f"must have at most {_LONGEST_PATH} bytes, {got}"


def without_default(document: Mapping[str, Any], collector: Collector) -> Iterator[Problem]:
    """Yield what is wrong if the default filter cannot match the objective, whatever is printed."""
    objective = document["spec"]["objective"]
    metric = objective["objectiveMetricName"]
    if collector.reads_lines and not collector.filters and not can_match(DEFAULT_FILTER, metric):
        names = "|".join(_escaped(name) for name in metrics(objective))
        yield (
            ("spec", "objective", "objectiveMetricName"),
            f"the default filter cannot match {quote(metric)}; give a metricsFormat in "
            f"{dotted(FILTERS)}, such as '({names})\\s*=\\s*{_NUMBER}'",
        )


def unmatched(document: Mapping[str, Any], collector: Collector) -> Iterator[Problem]:
    """Yield probable mistakes: metrics that no filter can match, though the file can be run."""
    if not collector.reads_lines:
        return
    objective = document["spec"]["objective"]
    filters = collector.filters or (DEFAULT_FILTER,)
    named = metrics(objective)
    if not collector.filters:
        named = named[1:]  # of the objective see `without_default`
    lost = [name for name in named if not any(can_match(text, name) for text in filters)]
    if not lost:
        return
    names = ", ".join(map(quote, lost))
    if not collector.filters:
        where: FieldPath = ("spec", "objective", "additionalMetricNames")
        yield where, f"the default filter cannot match {names}; give a metricsFormat to collect it"
        return
    text = f"no filter can match {names}"
    if any("\\\\" in given for given in filters):
        text += "; in YAML, only text in double quotes needs two backslashes for one"
    yield FILTERS, text


def metrics(objective: Mapping[str, Any]) -> list[str]:
    """Return the names of an objective's metrics, each once, the objective first."""
    names = [objective["objectiveMetricName"], *(objective.get("additionalMetricNames") or ())]
    return list(dict.fromkeys(names))


def _escaped(name: str) -> str:
    return "".join(f"\\{c}" if c in r".^$*+?()[]{}|\\" else c for c in name)
