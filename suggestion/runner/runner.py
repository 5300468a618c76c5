"""From an Experiment file to a finished experiment: servers, validation, state, controller."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client import document, messages
from suggestion.client.document import Loaded
from suggestion.client.manifest import Manifest, ManifestError, dotted
from suggestion.client.servers import Client, Local, Remote, Server, ServerError, Stopped, describe
from suggestion.collectors.collect import rfc3339
from suggestion.controller.context import Clients, Clock, DiskFull, Events, Fatal, Options
from suggestion.controller.controller import Controller
from suggestion.controller.slots import Slot, divide
from suggestion.controller.state import Busy, Experiment, Lock, Store
from suggestion.problem.errors import quote

# As a controller does while servers are unreachable.
_VALIDATION_ATTEMPTS: Final = 10
_VALIDATION_PAUSE: Final = 3.0
_DISK_PAUSE: Final = 5.0
# May change between two runs in one directory, as on a cluster.
_EDITABLE: Final = ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount", "resumePolicy")


class Refused(Exception):
    """The experiment cannot be run as it is; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        target, early_stopping, database: Servers that run already, ``host:port``.
        directory: Of the experiment; by default ``runs/<name>``.
        gpus: That may be used; None leaves them alone.
        gpus_each, cpus_each: For each trial; 0: as the file says, none bound.
    """

    path: Path
    target: str | None = None
    early_stopping: str | None = None
    database: str | None = None
    directory: Path | None = None
    changes: Sequence[str] = ()
    command: str | None = None
    runtime: str = "process"
    gpus: Sequence[str] | None = None
    gpus_each: int = 0
    cpus_each: int = 0
    options: Options = field(default_factory=Options)


@dataclass
class Prepared:
    """An experiment with its state file open and its servers at hand."""

    loaded: Loaded
    directory: Path
    store: Store
    clients: Clients
    slots: tuple[Slot, ...]
    options: Options
    stopped: threading.Event


def run(
    request: Request,
    view: Events,
    interrupted: Callable[[Callable[[], None]], None] | None = None,
    clock: Clock | None = None,
) -> Controller:
    """Runs the experiment until it ends or is interrupted.

    Args:
        interrupted: Told what to call when the user interrupts; by default signals do.

    Returns:
        The controller as it stands at the end.

    Raises:
        ManifestError: If the file is wrong, with every problem.
        Refused: If a server refuses it, or it does not fit its directory.
        Busy: If another runner holds the directory.
        Fatal: If it cannot go on; the same command goes on later.
    """
    clock = clock or Clock()
    loaded = document.load(request.path, request.changes, request.command, request.runtime)
    _warn(loaded, request, view)
    name = loaded.document["metadata"]["name"]
    directory = request.directory or Path("runs") / name
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{directory}: cannot be made: {error.strerror}") from error
    with ExitStack() as stack:
        lock = Lock(directory)
        stack.callback(lock.release)
        prepared = _prepare(request, loaded, directory, view, clock, stack)
        return _control(prepared, view, interrupted, clock)


def _control(
    prepared: Prepared,
    view: Events,
    interrupted: Callable[[Callable[[], None]], None] | None,
    clock: Clock,
) -> Controller:
    current: list[Controller] = []
    waiting = threading.Event()

    def interrupt() -> None:
        waiting.set()
        for controller in current:
            controller.interrupt()

    with _signals(interrupt, interrupted):
        while True:
            controller = Controller(
                prepared.store,
                prepared.loaded.template,
                prepared.loaded.collector,
                prepared.clients,
                prepared.slots,
                prepared.options,
                view,
                prepared.stopped,
                clock,
            )
            if current:  # what was asked for before the state had to be read anew
                controller.level = current[0].level
                controller.begun = current[0].begun
            current[:] = [controller]
            try:
                controller.run()
                return controller
            except (sqlite3.OperationalError, DiskFull) as error:
                # All that was in memory is thrown away, and read again from what was written.
                view.note(
                    f"{prepared.directory}: the state cannot be written ({error}); the trials run "
                    f"on, and it is tried again; Ctrl-C ends this runner"
                )
                while True:
                    if controller.level or waiting.wait(_DISK_PAUSE):
                        raise Fatal(f"{prepared.directory}: {error}") from error
                    if prepared.store.writable():
                        break
                prepared.stopped.clear()


class _signals:  # noqa: N801  (used like a function)
    """Lets SIGINT and SIGTERM interrupt; the latter at once."""

    def __init__(
        self,
        interrupt: Callable[[], None],
        register: Callable[[Callable[[], None]], None] | None,
    ) -> None:
        self._interrupt = interrupt
        self._register = register
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if self._register is not None:
            self._register(self._interrupt)
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self._interrupt()
            if number == signal.SIGTERM:
                self._interrupt()

        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, handle)

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def _warn(loaded: Loaded, request: Request, view: Events) -> None:
    """One warning for all that has no meaning on one machine."""
    prefix = re.compile(r"spec\.trialTemplate\.(trialSpec\.(spec\.)?)?")
    ignored = [prefix.sub("", dotted(path), count=1) for path in loaded.template.ignored]
    if ignored:
        view.note(f"without meaning on one machine, and ignored: {', '.join(ignored)}")
    container = loaded.template.container
    cwd = container.get("workingDir")
    if cwd and request.runtime == "process" and not (loaded.folder / cwd).is_dir():
        view.note(f"workingDir {cwd} does not exist here; trials run in {loaded.folder}")
    path = loaded.collector.path
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    words += [str(entry.get("value")) for entry in container.get("env") or ()]
    if path and request.runtime == "process" and not any(path in word for word in words):
        view.note(
            f"the trial's command does not name {path}; its metrics are looked for in the file "
            f"that SUGGEST_METRICS_PATH names"
        )
    if loaded.template.gpus and request.gpus is None:
        view.note(f"a trial asks for {loaded.template.gpus} GPUs; --gpus 0,1,... hands them out")


def _prepare(
    request: Request,
    loaded: Loaded,
    directory: Path,
    view: Events,
    clock: Clock,
    stack: ExitStack,
) -> Prepared:
    try:
        store = Store(directory, create=True)
    except (sqlite3.Error, ValueError) as error:
        raise Refused(f"{directory}: {error}") from error
    stack.callback(store.close)
    known = store.experiment()
    if known is not None:
        known = _resume(known, loaded.document, store, clock)
    stopped = threading.Event()
    # An experiment that has ended needs no servers; should it, they start when they are called.
    launch = known is None or not known.done or bool(store.undelivered())
    clients = _clients(request, loaded, directory, view, stopped, launch, stack)
    spec = loaded.document["spec"]
    try:
        slots = divide(
            int(spec.get("parallelTrialCount") or 3),
            request.gpus,
            request.gpus_each or loaded.template.gpus or 1,
            request.cpus_each,
        )
    except ValueError as error:
        raise Refused(str(error)) from error
    if len(slots) < int(spec.get("parallelTrialCount") or 3):
        view.note(f"there is room for {len(slots)} trials at a time")
    if known is None:
        _validate(clients, loaded)
        now = rfc3339(clock.now())
        fresh = Experiment(loaded.document["metadata"]["name"], loaded.document, started=now)
        text = "the experiment is created"
        store.save_experiment(fresh.mark("Created", "ExperimentCreated", text, now))
    settings = messages.settings(loaded.document)
    data = None
    if "suggestion_trial_dir" in settings:
        inside = settings["suggestion_trial_dir"]
        data = (inside, Path(inside) if request.target else directory / "checkpoints")
    options = replace(request.options, cwd=loaded.folder, path=_path(), data=data)
    if request.runtime == "docker":
        from suggestion.runtimes import docker  # noqa: PLC0415

        try:
            options = docker.options(options, loaded.collector)
        except docker.NoEngine as error:
            raise Refused(str(error)) from error
    return Prepared(loaded, directory, store, clients, slots, options, stopped)


def _path() -> str:
    """What goes in front of ``PATH``: ``python`` is this one, unless an environment is active."""
    if os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX"):
        return ""
    return str(Path(sys.executable).parent)


def _resume(known: Experiment, given: Mapping[str, Any], store: Store, clock: Clock) -> Experiment:
    """The experiment in the directory, with what may change taken from the file.

    Raises:
        Refused: If something else has changed.
    """
    if known.name != given["metadata"]["name"]:
        raise Refused(
            f"{store.folder}: holds the experiment {quote(known.name)}, not "
            f"{quote(given['metadata']['name'])}; use another --directory"
        )
    old, new = known.document["spec"], given["spec"]
    for key in sorted({*old, *new}):
        if key not in _EDITABLE and old.get(key) != new.get(key):
            raise Refused(
                f"{store.folder}: spec.{key} differs from the experiment that was begun here; "
                f"only {', '.join(_EDITABLE)} may change; use another --directory"
            )
    changed = replace(known, document=dict(given))
    condition = known.condition()
    limit = new.get("maxTrialCount")
    raised = limit is None or int(limit) > len(store.trials())
    if condition["reason"] == "ExperimentMaxTrialsReached" and raised:
        if (new.get("resumePolicy") or "Never") == "Never":
            raise Refused(
                f"{store.folder}: the experiment has ended, and its resumePolicy is Never; "
                f"with resumePolicy LongRunning it goes on to the new maxTrialCount"
            )
        now = rfc3339(clock.now())
        text = "maxTrialCount was raised"
        changed = changed.mark("Restarting", "ExperimentRestarting", text, now)
    if changed != known:
        store.save_experiment(changed)
    return changed


def _clients(
    request: Request,
    loaded: Loaded,
    directory: Path,
    view: Events,
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
            local = Local(arguments, logs / f"{arguments[0]}.log", _server_env(directory))
            if launch:
                local.launch()
            server = local
        made = Client(service, server, view.note, stopped)
        stack.callback(server.stop)
        stack.callback(made.close)
        return made

    algorithm = spec["algorithm"]["algorithmName"]
    url = f"sqlite:///{(directory / 'observations.db').resolve()}"
    kept = ("--trial-status", "database", "--database", url)
    stopping = None
    if spec.get("earlyStopping"):
        rule = spec["earlyStopping"]["algorithmName"]
        stopping = client("EarlyStopping", request.early_stopping, rule, *kept)
    return Clients(
        client("Suggestion", request.target, algorithm),
        client("DBManager", request.database, "dbmanager", "--database", url),
        stopping,
    )


def _server_env(directory: Path) -> dict[str, str]:
    """Where a server that hands on checkpoints finds them; and no threads beside the trials'."""
    data = str((directory / "checkpoints").resolve())
    return {"SUGGEST_DATA_DIR": data, "OMP_NUM_THREADS": "1"}


def _validate(clients: Clients, loaded: Loaded) -> None:
    """Once, before anything else, as a controller does it.

    Raises:
        Refused: If a server refuses; with its words, and the lines of the file that they are about.
    """
    document = loaded.document
    experiment = messages.experiment(Experiment(document["metadata"]["name"], document))
    calls: list[tuple[Client, str, Any]] = [
        (
            clients.suggestion,
            "ValidateAlgorithmSettings",
            api.ValidateAlgorithmSettingsRequest(experiment=experiment),
        )
    ]
    if clients.stopping is not None:
        rules = api.ValidateEarlyStoppingSettingsRequest(
            early_stopping=experiment.spec.early_stopping
        )
        calls.append((clients.stopping, "ValidateEarlyStoppingSettings", rules))
    found = []
    for client, method, message in calls:
        try:
            client.call(method, message, attempts=_VALIDATION_ATTEMPTS, pause=_VALIDATION_PAUSE)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                continue  # nothing to validate
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                found += _explain(error, loaded.manifest)
            else:
                found.append(f"{method}: {describe(error)}")
        except (ServerError, Stopped) as error:
            found.append(str(error))
    if found:
        raise Refused("\n".join(found))


_STEP: Final = re.compile(r"([a-z_]+)|\[(\d+)\]")


def _explain(error: grpc.RpcError, manifest: Manifest) -> list[str]:
    """What a server has refused: a line for each violation, with its line in the file."""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    details: Sequence[Any] = () if status is None else status.details
    for detail in details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            return [
                f"{manifest.source}:{manifest.line(_in_file(violation.field))}: "
                f"{violation.description}"
                for violation in request.field_violations
            ]
    return [f"{manifest.source}: {error.details()}"]


def _in_file(field: str) -> tuple[str | int, ...]:
    """``experiment.spec.parameter_specs.parameters[0].name`` as it stands in a file."""
    path: list[str | int] = []
    for name, index in _STEP.findall(field):
        if index:
            path.append(int(index))
        elif name not in {"experiment", "parameter_specs"}:
            head, *rest = name.split("_")
            path.append(head + "".join(part.capitalize() for part in rest))
    if path[:1] != ["spec"] and path[:1] != ["name"]:
        path.insert(0, "spec")
    return tuple(path)


__all__ = ["Busy", "Fatal", "ManifestError", "Refused", "Request", "run"]
