"""The command ``suggest ui`` as a process of its own, and calls to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.request import Request

from suggestion.controller.commands import Batch, Changes
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Report, Series
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from tests.experiments.support import document

PARAMETERS = [
    {"name": "lr", "parameterType": "double",
     "feasibleSpace": {"min": "1e-5", "max": "1", "distribution": "logUniform"}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
]  # fmt: skip
#: For any answer, on a machine that does much besides.
_SECONDS = 180
BEGUN = "2026-11-27T09:00:00.000000Z"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Page:
    """A running server.

    Attributes:
        address: What it has printed, with the token.
    """

    address: str

    @property
    def url(self) -> str:
        return self.address.partition("?")[0]

    @property
    def cookie(self) -> str:
        """What a browser has once it has opened the address."""
        port = self.url.rpartition(":")[2].rstrip("/")
        return f"suggest-{port}={self.address.partition('?token=')[2]}"

    def request(self, path: str, headers: Mapping[str, str] | None = None) -> Request:
        return Request(self.url + path, headers={"Cookie": self.cookie, **(headers or {})})

    def stream(self, path: str) -> Any:
        return urllib.request.urlopen(self.request(path), timeout=_SECONDS)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return _answer(self.request(path, headers))

    def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
        own = {"Origin": self.url.rstrip("/"), "Content-Type": "application/json"}
        request = self.request(path, {**own, **(headers or {})})
        request.data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return _answer(request)

    def identifier(self, name: str) -> str:
        """Return what the server calls the experiment `name`."""
        (found,) = (e for e in self.get("api/experiments").json["experiments"] if e["name"] == name)
        identifier: str = found["id"]
        return identifier


def message(stream: Any) -> tuple[str, Any]:
    """Return kind and content of the next message; lines that keep the stream alive are none."""
    kind = ""
    for line in iter(stream.readline, b""):
        if line.startswith(b"event: "):
            kind = line[7:-1].decode()
        elif line.startswith(b"data: "):
            return kind, json.loads(line[6:])
    raise EOFError("the stream has ended")


def _answer(request: Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@contextmanager
def serving(folder: Path) -> Iterator[Page]:
    command = [sys.executable, "-m", "suggestion", "ui", str(folder), "--address", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield Page(process.stdout.readline().split()[0])
        finally:
            process.send_signal(signal.SIGINT)
            said = process.stderr.read() if process.stderr else ""
            assert (process.wait(_SECONDS), said) == (0, "")


def experiment(name: str = "study", **spec: Any) -> Experiment:
    made = document("echo ${trialParameters.lr} ${trialParameters.kind}")
    made["metadata"]["name"] = name
    made["spec"] |= {"parameters": PARAMETERS, **spec}
    return Experiment(name, made, started=BEGUN).mark(
        "Running", "ExperimentRunning", "the experiment is running", BEGUN
    )


def trial(number: int, value: float | None, **more: Any) -> Trial:
    """A trial that has ended; without a value it has failed."""
    series = {} if value is None else {"loss": Series(str(value), "9.5", str(value), 2)}
    fields: dict[str, Any] = {
        "condition": Condition.FAILED if value is None else Condition.SUCCEEDED,
        "series": series,
        "batch": 0 if value is None else 1,
        "created": BEGUN,
        "started": BEGUN,
        "completed": f"2026-11-27T09:{number // 60 % 60:02}:{number % 60:02}.000000Z",
        **more,
    }
    kinds = {"lr": f"0.0{number + 1}234567", "kind": "ab"[number % 2]}
    return Trial(number, f"study-{number:08x}", kinds, **fields)


def store(folder: Path, made: Experiment, trials: list[Trial], reports: bool = True) -> Path:
    """Make the directory of an experiment."""
    folder.mkdir(parents=True)
    opened = Store(folder, create=True)
    try:
        batches = [
            Batch(one.number, 1, [Report("loss", "9.5"), Report("loss", one.series["loss"].min)])
            for one in trials
            if reports and "loss" in one.series
        ]
        opened.commit(Changes(made, trials=tuple(trials), batches=tuple(batches)))
    finally:
        opened.close()
    return folder
