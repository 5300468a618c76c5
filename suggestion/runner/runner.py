"""From an Experiment file to a finished experiment: servers, validation, state, sessions."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from suggestion import collectors
from suggestion.artifacts import finding, places
from suggestion.artifacts.keeper import Keeper
from suggestion.client.document import Loaded
from suggestion.client.launch import UNTOLD, LocalServer
from suggestion.client.manifest import ManifestError, without_nulls
from suggestion.client.parameters import parameters_of
from suggestion.client.servers import Client, Remote, Server
from suggestion.controller import messages, objectives
from suggestion.controller.context import Fatal, View
from suggestion.controller.driver import Controller
from suggestion.controller.experiment import Experiment, Limits
from suggestion.controller.lock import Busy, Lock
from suggestion.controller.moments import Clock, Timekeeper, rfc3339
from suggestion.controller.observation import Objective
from suggestion.controller.resumption import CannotResume, resume
from suggestion.controller.runtime import Asked, Unavailable
from suggestion.controller.servers import Clients, RemoteServers
from suggestion.controller.state import Policy
from suggestion.controller.store import Store
from suggestion.controller.workspace import TrialWorkspace
from suggestion.engine.algorithm import algorithms
from suggestion.problem.errors import quote
from suggestion.runner import learning, reading
from suggestion.runner.asking import COMMAND
from suggestion.runner.control import Sessions, control
from suggestion.runner.errors import ExperimentRefused
from suggestion.runner.fresh import set_aside
from suggestion.runner.request import Request
from suggestion.runner.validation import validate
from suggestion.runner.where import Where, choose, expect_honoured, expect_own, slots_of, whose


def run(
    request: Request,
    view: View,
    interrupted: Callable[[Callable[[], None]], None] | None = None,
    clock: Timekeeper | None = None,
) -> Controller:
    """Runs the experiment until it ends or is interrupted.

    Args:
        interrupted: Told what to call when the user interrupts; by default signals do.

    Returns:
        The controller as it stands at the end.

    Raises:
        ManifestError: If the file is wrong, with every problem.
        ExperimentRefused: If a server refuses it, or it does not fit its directory.
        Busy: If another runner holds the directory.
        Fatal: If it cannot go on; the same command goes on later.
    """
    clock = clock or Clock()
    where = choose(request)
    place = where.place()
    if place.objects and (request.artifacts or request.artifact_store or request.keep_best):
        raise ExperimentRefused(
            f"--artifacts, --artifact-store, --keep-best: need trials that leave files on this "
            f"machine, got --runtime {where.name}"
        )
    loaded = reading.read(request, place)
    for text in reading.notes(loaded, request, place):
        view.note(text)
    asked = _asked(request, loaded)
    expect_honoured(where, place, asked)
    try:
        place.check(asked)
    except Unavailable as error:
        raise ExperimentRefused(str(error)) from error
    directory = request.folder(loaded.document["metadata"]["name"])
    if request.fresh:
        aside = set_aside(directory, where, request.options.grace, request.lost_hosts)
        if aside is not None:
            view.note(f"what was in {directory} is in {aside}")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ExperimentRefused(f"{directory}: cannot be made: {error.strerror}") from error
    with ExitStack() as stack:
        try:
            lock = Lock(directory)
        except OSError as error:
            raise ExperimentRefused(
                f"{directory}: cannot be written, so that no trial can be run there: "
                f"{error.strerror}"
            ) from error
        stack.callback(lock.release)
        prepared = _prepare(request, loaded, where, directory, lock, view, clock, stack)
        return control(prepared, view, interrupted, clock)


def _asked(request: Request, loaded: Loaded) -> Asked:
    return Asked(
        loaded,
        request.gpus is not None,
        request.gpus_each,
        request.cpus_each,
        request.database or "",
        loaded.collector.kind == "Push",
        "suggestion_trial_dir" in messages.settings(loaded.document),
    )


def _prepare(
    request: Request,
    loaded: Loaded,
    where: Where,
    directory: Path,
    lock: Lock,
    view: View,
    clock: Timekeeper,
    stack: ExitStack,
) -> Sessions:
    try:
        store = Store(directory, create=True)
    except (sqlite3.Error, ValueError) as error:
        raise ExperimentRefused(f"{directory}: {error}") from error
    stack.callback(store.close)
    store.expect_held = lock.expect_held
    known = store.experiment()
    place = where.place()
    if known is not None:
        expect_own(directory, where, place, store.trials(), request.lost_hosts)
        now = rfc3339(clock.now())
        known = where.noted(_resume(known, loaded.document, store, request, view, now))
        if known.paused:
            view.note(f"the experiment is paused; to go on: suggest resume {directory}")
    stopped = threading.Event()
    # An experiment that has ended needs no servers; should it, they start when they are called.
    launch = known is None or not known.done or bool(store.undelivered())
    clients = _clients(request, loaded, directory, view, stopped, launch, stack)
    parallel = (Limits.of(loaded.document) if known is None else known.limits).parallel
    slots = slots_of(request, place, parallel, loaded.template.gpus)
    if len(slots) < parallel:
        view.note(f"there is room for {len(slots)} trials at a time")
    if known is None:
        name = loaded.document["metadata"]["name"]
        kept = learning.options(request.learn_from, loaded.document)
        fresh = Experiment(name, loaded.document, kept)
        validate(clients, loaded, fresh)
        now = rfc3339(clock.now())
        fresh = replace(fresh, started=now)
        text = "the experiment is created"
        known = where.noted(fresh.mark("Created", "ExperimentCreated", text, now))
    if request.shown:
        known = replace(known, options={**known.options, COMMAND: request.shown})
    store.save_experiment(known)
    objective = objectives.read(loaded.document)
    collector = collectors.collector(loaded.collector, objective.metrics)
    options = request.options
    limits = [loaded.template.deadline, options.trial_timeout]
    policy = Policy(
        objective,
        len(slots),
        options.retries,
        options.grace,
        min((limit for limit in limits if limit is not None), default=None),
        options.time_limit,
        clients.stopping is not None,
        collector.pushed,
        Limits.of(loaded.document).first_failures(options.give_up_after),
        clients.stopping is not None,
        options.lost_retries,
        place.queues,
        place.announces,
    )
    workspace = TrialWorkspace(
        directory,
        loaded.document["metadata"]["name"],
        loaded.template,
        collector,
        loaded.folder,
        _path(),
        _data(request, loaded, directory),
        place.local and place.shared,
        place.objects,
    )
    parameters = tuple(parameter["name"] for parameter in parameters_of(loaded.document))
    return Sessions(
        directory,
        store,
        place,
        whose(directory, known, loaded.folder.absolute()),
        lambda: RemoteServers(clients, objective, parameters, view.note),
        workspace,
        slots,
        policy,
        options,
        stopped,
        _keeper(request, directory, objective),
    )


def _keeper(request: Request, directory: Path, objective: Objective) -> Keeper:
    """Return what keeps the artifacts of trials.

    Raises:
        ExperimentRefused: If a pattern leads out of a trial's folder, or there is no such store.
    """
    wrong = [
        f"--artifacts: {rule}, got {quote(pattern)}"
        for pattern in request.artifacts
        if (rule := finding.pattern_error(pattern))
    ]
    try:
        place = places.place(directory, request.artifact_store)
    except (OSError, ValueError) as error:
        wrong.append(f"--artifact-store: {error}")
    if wrong:
        raise ExperimentRefused("\n".join(wrong))
    return Keeper(directory, place, objective, tuple(request.artifacts), request.keep_best)


def _data(request: Request, loaded: Loaded, directory: Path) -> tuple[str, Path] | None:
    """Where trials find checkpoints, and where these lie, if the algorithm copies checkpoints."""
    inside = messages.settings(loaded.document).get("suggestion_trial_dir")
    if inside is None:
        return None
    return inside, Path(inside) if request.target else directory / "checkpoints"


def _path() -> str:
    """Return what goes in front of ``PATH``: this Python, unless an environment is active."""
    if os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX"):
        return ""
    return str(Path(sys.executable).parent)


def _resume(
    known: Experiment,
    document: Mapping[str, Any],
    store: Store,
    request: Request,
    view: View,
    now: str,
) -> Experiment:
    """Return the experiment in the directory as it goes on: what may change is the file's.

    Raises:
        ExperimentRefused: If something else has changed.
    """
    # A version before kept nulls.
    known = replace(known, document=without_nulls(known.document))
    learning.require_same(known, request.learn_from)
    first = Limits.of(document).first_failures(request.options.give_up_after)
    try:
        changes = resume(known, store.trials(), document, now, first, request.retry_failed)
    except CannotResume as error:
        raise ExperimentRefused(f"{store.folder}: {error}") from error
    if changes:
        store.commit(changes)
    if request.retry_failed and not changes.trials:
        view.note("no trial is to be tried again: none has failed, or the goal is reached")
    return changes.experiment or known


def _clients(
    request: Request,
    loaded: Loaded,
    directory: Path,
    view: View,
    stopped: threading.Event,
    launch: bool,
    stack: ExitStack,
) -> Clients:
    """The servers that the experiment names; those of our own begin to start if `launch`."""
    spec = loaded.document["spec"]
    logs = directory / "servers"

    def client(service: str, target: str | None, *arguments: str) -> Client:
        server: Server
        if target is not None:
            server = Remote(target)
        else:
            local = LocalServer(
                arguments,
                logs / f"{arguments[0].replace('/', '-')}.log",
                {**_server_env(directory), **request.reading_tls},
                # The checkpoints that an algorithm copies are for trials, of whatever user.
                private=service != "Suggestion",
            )
            if launch:
                local.launch()
            server = local
        tls = None if target is None else request.tls
        made = Client(service, server, view.note, stopped, tls)
        stack.callback(server.stop)
        stack.callback(made.close)
        return made

    algorithm = spec["algorithm"]["algorithmName"]
    url = f"sqlite:///{(directory / 'observations.db').resolve()}"
    kept = ("--trial-status", "database", "--database", url)
    stopping = None
    if spec.get("earlyStopping"):
        rule = spec["earlyStopping"]["algorithmName"]
        # Both halves of the name only where it is an algorithm's too: what people and scripts look
        # for among processes and logs is the name in the file.
        served = f"earlystopping/{rule}" if rule in algorithms() else rule
        stopping = client("EarlyStopping", request.early_stopping, served, *kept)
    return Clients(
        client("Suggestion", request.target, algorithm),
        client("DBManager", request.database, "dbmanager", "--database", url),
        stopping,
    )


def _server_env(directory: Path) -> dict[str, str]:
    """Where a server that hands on checkpoints finds them; and no threads beside the trials'."""
    data = str((directory / "checkpoints").resolve())
    return {**UNTOLD, "SUGGEST_DATA_DIR": data, "OMP_NUM_THREADS": "1"}


__all__ = ["Busy", "Fatal", "ManifestError", "ExperimentRefused", "Request", "run"]
