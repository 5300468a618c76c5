"""Servers that remember what they were asked, a view that remembers what it was told, and files."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.client.launch import LocalServer
from suggestion.controller.context import Options
from suggestion.controller.driver import Controller
from suggestion.controller.moments import Clock
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import NEVER
from suggestion.problem.errors import Exhausted, Invalid
from suggestion.runner import runner

X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}


def document(command: str | Sequence[str], **spec: Any) -> dict[str, Any]:
    """An Experiment in the short form; `command` may use ${trialParameters.x}."""
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "study"},
        "spec": {
            "parallelTrialCount": "2",
            "maxTrialCount": "4",
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parameters": [X],
            "trialTemplate": {"command": words},
            **spec,
        },
    }


def write(folder: Path, made: Mapping[str, Any]) -> Path:
    """As a file; JSON is YAML."""
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(made, indent=1))
    return path


@dataclass
class Recorder:
    """A view for tests."""

    notes: list[str] = field(default_factory=list)
    changes: list[Trial] = field(default_factory=list)
    on_refresh: Callable[[Controller], None] | None = None

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def about_this_machine(self) -> list[str]:
        """The notes, without what a cluster would say of the short form."""
        return [note for note in self.notes if not note.startswith("a cluster refuses")]

    def changed(self, trial: Trial) -> None:
        self.changes.append(trial)

    def refresh(self, controller: Controller) -> None:
        if self.on_refresh is not None:
            self.on_refresh(controller)


class Suggesting(api_pb2_grpc.SuggestionServicer):
    """The real service, over a real socket; remembers requests, and may change replies."""

    def __init__(self) -> None:
        self.validated: list[api.ValidateAlgorithmSettingsRequest] = []
        self.requests: list[api.GetSuggestionsRequest] = []
        self.change: Callable[[api.GetSuggestionsReply, int], None] = lambda reply, call: None
        self.fail: Callable[[int], grpc.StatusCode | None] = lambda call: None
        self._service = SuggestionService(algorithms())

    def ValidateAlgorithmSettings(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.validated.append(request)
        try:
            return self._service.validate_algorithm_settings(request, Call(NEVER))
        except Invalid as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def GetSuggestions(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        failing = self.fail(len(self.requests))
        if failing is not None:
            context.abort(failing, "made to fail")
        # Settings of the server's own that came back are none of the algorithm's.
        plain = api.GetSuggestionsRequest()
        plain.CopyFrom(request)
        del plain.experiment.spec.algorithm.algorithm_settings[:]
        try:
            reply = self._service.get_suggestions(plain, Call(NEVER))
        except Exhausted as error:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, str(error))
        self.change(reply, len(self.requests))
        return reply


class Stopping(api_pb2_grpc.EarlyStoppingServicer):
    """Gives out `rules`; remembers requests."""

    def __init__(self, rules: Sequence[api.EarlyStoppingRule] = ()) -> None:
        self.rules = rules
        self.validated: list[api.ValidateEarlyStoppingSettingsRequest] = []
        self.requests: list[api.GetEarlyStoppingRulesRequest] = []
        self.stopped: list[str] = []

    def ValidateEarlyStoppingSettings(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.validated.append(request)
        return api.ValidateEarlyStoppingSettingsReply()

    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        return api.GetEarlyStoppingRulesReply(early_stopping_rules=self.rules)

    def SetTrialStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.stopped.append(request.trial_name)
        return api.SetTrialStatusReply()


@contextmanager
def serving(servicer: Any) -> Iterator[str]:
    """`servicer` on a free port; yields the address."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    for kind in ("Suggestion", "EarlyStopping"):
        if isinstance(servicer, getattr(api_pb2_grpc, f"{kind}Servicer")):
            getattr(api_pb2_grpc, f"add_{kind}Servicer_to_server")(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@dataclass(frozen=True)
class Machine:
    """Servers that all tests of a process share."""

    target: str
    database: str

    def run(
        self,
        folder: Path,
        made: Mapping[str, Any],
        *,
        view: Recorder | None = None,
        clock: Clock | None = None,
        options: Options | None = None,
        seconds: float = 300,
        **request: Any,
    ) -> Controller:
        """Runs an experiment in this process, to its end; stops it when `seconds` have passed."""
        given = runner.Request(
            write(folder, made),
            directory=folder / "state",
            options=options or Options(grace=2.0),
            **{"target": self.target, "database": self.database, **request},
        )
        timers: list[threading.Timer] = []

        def interrupted(interrupt: Callable[[], None]) -> None:
            # A test that hangs is to fail, not to hang.
            def twice() -> None:
                interrupt()
                interrupt()

            timers.append(threading.Timer(seconds, twice))
            timers[0].start()

        try:
            return runner.run(given, view or Recorder(), interrupted, clock)
        finally:
            for timer in timers:
                timer.cancel()


@contextmanager
def machines(folder: Path) -> Iterator[Machine]:
    """A suggestion server for every algorithm and a DBManager, as processes of their own."""
    suggestion = LocalServer((), folder / "suggestion.log")
    database = LocalServer(
        ("dbmanager", "--database", f"sqlite:///{folder / 'log.db'}"), folder / "database.log"
    )
    suggestion.launch()
    database.launch()
    try:
        yield Machine(suggestion.address(), database.address())
    finally:
        suggestion.stop()
        database.stop()


def stored(folder: Path) -> list[Trial]:
    """The trials in the state file of a test's experiment."""
    store = Store(folder / "state")
    try:
        return store.trials()
    finally:
        store.close()


def alive(pid: int) -> bool:
    """Whether there is such a process, other than its exit status."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def environment() -> dict[str, str]:
    """For processes that a test starts."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
