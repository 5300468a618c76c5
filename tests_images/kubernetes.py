"""A real Kubernetes for tests, and `suggest run` against it.

TEST_CLUSTER names a program that starts one: `start 2` prints ``export KUBECONFIG=FILE``, `load
IMAGE...` hands it images, `kill-node N`, `start-node N` and `pause-api SECONDS` are its faults,
`stop` ends it. Pods must be reachable from here by their addresses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition, Trial
from suggestion.deployment.images import named
from tests_images.containers import reference

PROGRAM = os.environ.get("TEST_CLUSTER", "")
#: For whatever a test waits for, in seconds: no measurement.
LIMIT = 600
#: Every image that a test needs.
IMAGES = ("earlystopping-medianstop", "dbmanager", "suggestion-pbt", "suggestion-all")


#: Runners that tests have started.
STARTED: list[subprocess.Popen[bytes]] = []


def image(name: str = "suggestion-all") -> str:
    """The local name of an image of ours, which the cluster has: one of `IMAGES`."""
    assert name in IMAGES, name
    return f"{name}:latest"


def built(name: str) -> str:
    """The same, once it has been built as the sources are now."""
    return reference(named(name))


def end_all() -> None:
    """End the runners that still run, which would go on in the tests that follow."""
    for process in STARTED:
        process.kill()
        process.wait()
    STARTED.clear()


def load(image: str) -> None:
    """Hand a local image to every node."""
    subprocess.run([PROGRAM, "load", image], check=True, stdout=subprocess.DEVNULL)


class Cluster:
    """A namespace of its own in a cluster."""

    def __init__(self, kubeconfig: str, **labels: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        metadata = {"name": self.namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": self.kubeconfig}

    def kubectl(self, *arguments: str, text: str | None = None, gone: bool = False) -> str:
        """Return what kubectl prints.

        Args:
            gone: What it is about may be gone already.
        """
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        if not (gone and "(NotFound)" in done.stderr):
            assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def get(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self.kubectl("get", kind, "--output", "json", *arguments)
        )["items"]
        return found

    def apply(self, *documents: Mapping[str, Any]) -> None:
        self.kubectl("apply", "--filename", "-", text=yaml.safe_dump_all(documents))

    def pod(self, name: str, container: Mapping[str, Any], **spec: Any) -> str:
        """Start a pod of one container; return its address once it runs."""
        # What requests no processor starts last on a busy machine.
        resources = {"requests": {"cpu": "500m"}}
        whole = {
            "name": "container",
            "imagePullPolicy": "IfNotPresent",
            "resources": resources,
            **container,
        }
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [whole], **spec},
        }
        self.apply(document)
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={LIMIT}s")
        return self.kubectl("get", "pod", name, "--output", "jsonpath={.status.podIP}")

    def pods(self) -> list[dict[str, Any]]:
        """The trials' pods that run, or are about to."""
        return [
            pod
            for pod in self.get("pods", "--selector", "suggestion/trial")
            if pod["status"].get("phase") in {"Pending", "Running"}
            and "deletionTimestamp" not in pod["metadata"]
        ]


X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
#: What passes the restricted profile.
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def job(script: str, **pod: Any) -> dict[str, Any]:
    """A Job whose trial runs a script of the shell, which can use $X."""
    container = {
        "name": "training",
        "image": image(),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "env": [{"name": "X", "value": "${trialParameters.x}"}],
        "securityContext": RESTRICTED,
        # A trial that is stopped ends at once.
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"backoffLimit": 0, "template": {"spec": {"containers": [container], **spec}}},
    }


def experiment(trial: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """An experiment with trials of this object."""
    template = {
        "primaryContainerName": "training",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": dict(trial),
        **spec.pop("template", {}),
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "study"},
        "spec": {
            "parallelTrialCount": 4,
            "maxTrialCount": 4,
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parameters": [X],
            "trialTemplate": template,
            **spec,
        },
    }


class Run:
    """`suggest run` in a directory."""

    def __init__(self, cluster: Cluster, folder: Path, document: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self.directory = folder / "state"
        self._file = folder / "experiment.yaml"
        self._file.write_text(yaml.safe_dump(document))
        self._log = folder / "run.log"

    def start(self, *options: str, kubeconfig: str = "") -> subprocess.Popen[bytes]:
        """Start it; its output is in `said`."""
        words = ["run", str(self._file), "--directory", str(self.directory), "--plain"]
        where = ["--runtime", "kubernetes", "--namespace", self.cluster.namespace]
        environment = self.cluster.environment
        if kubeconfig:
            environment["KUBECONFIG"] = kubeconfig
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "suggestion", *words, *where, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        STARTED.append(process)
        return process

    def finish(self, *options: str, status: int = 0) -> list[Trial]:
        """Run it to its end; return its trials."""
        return self.end(self.start(*options), status)

    def end(self, process: subprocess.Popen[bytes], status: int = 0) -> list[Trial]:
        """Wait for its end; return its trials."""
        try:
            assert process.wait(LIMIT) == status, self.said
        except subprocess.TimeoutExpired:
            raise AssertionError(self.said) from None
        return self.trials()

    @property
    def said(self) -> str:
        return self._log.read_text()

    def trials(self) -> list[Trial]:
        """The trials as they are stored now."""
        if not (self.directory / FILE).exists():
            return []
        store = Store(self.directory)
        try:
            return list(store.trials())
        finally:
            store.close()

    def until(self, holds: Callable[[Sequence[Trial]], bool]) -> None:
        """Wait until something holds for the trials."""
        until(lambda: holds(self.trials()), lambda: self.said)

    def output(self, trial: Trial) -> list[str]:
        """The lines of its last attempt."""
        folder = self.directory / "trials" / trial.name
        return (folder / f"output-{trial.attempt}.log").read_text().splitlines()


def conditions(trials: Sequence[Trial]) -> Counter[Condition]:
    """How many trials are in which condition."""
    return Counter(trial.condition for trial in trials)


def until(holds: Callable[[], bool], said: Callable[[], str] = lambda: "") -> None:
    """Wait until something holds.

    Args:
        said: What explains that it does not.
    """
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, said()
        time.sleep(0.3)
