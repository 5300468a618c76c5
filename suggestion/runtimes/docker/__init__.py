"""Trials as containers of their image, through the ``docker`` command.

The command ``docker run`` is the trial's process here: it ends with the container, passes signals
on to it, and returns its exit status.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from suggestion.controller.context import Fatal
from suggestion.controller.runtime import Asked, LaunchSpec, Place, Runtime, Unavailable, Whose
from suggestion.runtimes.here import Here
from suggestion.runtimes.process import Command, ProcessRuntime

_SECONDS: Final = 60
# Where a container finds its folder of artifacts.
_ARTIFACTS: Final = "/suggest/artifacts"


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

    def check(self, asked: Asked) -> None:
        if shutil.which("docker") is None:
            raise Unavailable("--runtime docker needs the command docker, which is not installed")
        engine = _docker("version", "--format", "{{.Server.Version}}")
        if engine.returncode:
            raise Unavailable(f"--runtime docker needs an engine: {engine.stderr.strip()}")

    def open(self, whose: Whose) -> Runtime:
        return ProcessRuntime(_run, lambda trial: (_docker("kill", trial), None)[1])


PLACE: Final[Place] = _Containers()
