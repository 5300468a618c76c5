"""Reading the file of a run, and what a user is told of it before the first trial."""

from __future__ import annotations

import re
from collections.abc import Iterator

from suggestion.client import algorithm_check, document
from suggestion.client.document import Examined, Loaded
from suggestion.client.manifest import ManifestError, Severity
from suggestion.controller.runtime import Place
from suggestion.controller.store import FILE as STATE
from suggestion.problem.locations import dotted
from suggestion.runner.errors import ExperimentRefused
from suggestion.runner.request import Request


def read(request: Request, place: Place) -> Loaded:
    """Return the file that `request` names.

    Args:
        place: Where its trials are to run.

    Raises:
        ManifestError: If something is wrong with it, with every problem that is known here.
        ExperimentRefused: If a cluster would refuse it, and the user wants to be told so.
    """
    own = {"algorithm": request.target is None, "earlyStopping": request.early_stopping is None}
    given = (request.path, request.changes, request.command, not place.local)
    whole = place.objects
    examined = document.examine(*given, whole=whole)
    if examined.errors and _begun(request, examined):
        examined = document.examine(*given, begun=True, whole=whole)
    sections = [section for section in algorithm_check.SECTIONS if own[section]]
    examined = algorithm_check.check(examined, sections)
    if examined.loaded is None:
        raise ManifestError(examined.errors)
    refusals = examined.of(Severity.CLUSTER)
    if refusals and request.strict_cluster:
        raise ExperimentRefused("\n".join(["a cluster refuses this file:", *map(str, refusals)]))
    return examined.loaded


def _begun(request: Request, examined: Examined) -> bool:
    """Whether the directory of `request` holds an experiment that goes on."""
    return (
        bool(examined.name)
        and not request.fresh
        and (request.folder(examined.name) / STATE).exists()
    )


def notes(loaded: Loaded, request: Request, place: Place) -> Iterator[str]:
    """Yield what a cluster would say, what is probably a mistake, and what has no meaning here."""
    refusals = loaded.of(Severity.CLUSTER)
    if refusals:
        yield "\n  ".join(["a cluster refuses this file; it runs here:", *map(str, refusals)])
    yield from map(str, loaded.of(Severity.NOTE))
    metadata = loaded.document["metadata"]
    if not loaded.manifest.has(("metadata", "name")) and "generateName" in metadata:
        yield f"the experiment is called {metadata['name']}, after its generateName"
    prefix = re.compile(r"spec\.trialTemplate\.(trialSpec\.(spec\.)?)?")
    ignored = [prefix.sub("", dotted(path), count=1) for path in loaded.template.ignored]
    if ignored:
        yield f"ignored: cluster only: {', '.join(ignored)}"
    container = loaded.template.container
    cwd = container.get("workingDir")
    if cwd and place.local and not (loaded.folder / cwd).is_dir():
        yield f"workingDir {cwd} does not exist here; trials run in {loaded.folder}"
    path = loaded.collector.path
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    words += [str(entry.get("value")) for entry in container.get("env") or ()]
    if path and place.local and not any(path in word for word in words):
        yield (
            f"the trial's command does not name {path}; its metrics are looked for in the file "
            f"that SUGGEST_METRICS_PATH names"
        )
    if place.here and loaded.template.gpus and request.gpus is None:
        yield f"a trial asks for {loaded.template.gpus} GPUs; --gpus 0,1,... hands them out"
