"""Trials as containers of their image, through the ``docker`` command.

The command ``docker run`` is the trial's process here: it ends with the container, passes signals
on to it, and returns its exit status.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suggestion.controller.context import Fatal
from suggestion.controller.runtime import Asked, LaunchSpec, Place, Runtime, Unavailable, Whose
from suggestion.runtimes.elsewhere import database_refusals
from suggestion.runtimes.here import Here
from suggestion.runtimes.process import Command, ProcessRuntime

_SECONDS: Final = 60
# Where a container finds its folder of artifacts.
_ARTIFACTS: Final = "/suggest/artifacts"
# What `report_metrics` of Kubeflow's SDK needs: the file of a pod with its namespace, and the name
# and port of a DB manager.
_NAMESPACE: Final = Path(__file__).resolve().parent / "namespace"
_NAMESPACE_OF_PODS: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_DB_MANAGER_OF_PODS: Final = ("katib-db-manager.kubeflow", "6789")


def command(spec: LaunchSpec) -> list[str]:
    """Return the command that runs a trial in a container of its image."""
    invocation = spec.invocation
    argv = ["docker", "run", "--rm", "--init", "--name", spec.files.trial]
    for inside, here in spec.paths:
        if inside == spec.metrics_path and spec.metrics_file:
            # A file that is not there yet cannot be mounted; its folder can.
            argv += ["--volume", f"{posixpath.dirname(here)}:{posixpath.dirname(inside)}"]
        else:
            argv += ["--volume", f"{here}:{inside}"]
    told = dict(spec.variables)
    if spec.metrics_path:
        told["SUGGEST_METRICS_PATH"] = spec.metrics_path
    if kept := told.get("SUGGEST_ARTIFACTS_DIR"):
        argv += ["--volume", f"{kept}:{_ARTIFACTS}"]
        told["SUGGEST_ARTIFACTS_DIR"] = _ARTIFACTS
    for name in ("SUGGEST_TRIAL_DIR", "SUGGEST_RULES_FILE"):  # of this machine
        told.pop(name, None)
    if database := told.get("SUGGEST_DB_MANAGER"):
        argv += _pushing(database)
    gpus = told.pop("CUDA_VISIBLE_DEVICES", "")  # a container numbers those it is given from 0
    if gpus:
        argv += ["--gpus", f'"device={gpus}"']
    for name, value in {**told, **invocation.env}.items():
        argv += ["--env", f"{name}={value}"]
    if invocation.cwd:
        argv += ["--workdir", invocation.cwd]
    words = list(invocation.argv)
    if invocation.commanded and words:  # a command replaces the image's own entry point
        argv += ["--entrypoint", words.pop(0)]
    return [*argv, invocation.image, *words]


def _pushing(database: str) -> list[str]:
    """Return options by which the SDK in a container finds the DB manager at `database`."""
    options = ["--volume", f"{_NAMESPACE}:{_NAMESPACE_OF_PODS}:ro"]
    name, port = _DB_MANAGER_OF_PODS
    host, _, given = database.rpartition(":")
    if given == port:
        with contextlib.suppress(OSError):  # a name that only containers know
            options += ["--add-host", f"{name}:{socket.gethostbyname(host)}"]
    return options


def _run(spec: LaunchSpec) -> Command:
    _docker("rm", "--force", spec.files.trial)  # of an earlier attempt
    return Command(command(spec), dict(os.environ), spec.cwd, spec.slot.cpus)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=os.environ,
        )
    except subprocess.TimeoutExpired as error:
        raise Fatal(f"docker {arguments[0]}: no answer for {_SECONDS} s") from error


@dataclass(frozen=True, slots=True)
class _Containers(Here):
    local: bool = False
    shared: bool = False

    def refusals(self, asked: Asked) -> Sequence[str]:
        """Return why trials cannot push metrics, if they should: a container is not this host."""
        return [*database_refusals(asked.database)] if asked.pushed else []

    def check(self, asked: Asked) -> None:
        if shutil.which("docker") is None:
            raise Unavailable("--runtime docker needs the command docker, which is not installed")
        engine = _docker("version", "--format", "{{.Server.Version}}")
        if engine.returncode:
            raise Unavailable(f"--runtime docker needs an engine: {engine.stderr.strip()}")

    def open(self, whose: Whose) -> Runtime:
        return ProcessRuntime(_run, lambda trial: (_docker("kill", trial), None)[1])


PLACE: Final[Place] = _Containers()
