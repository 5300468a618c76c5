"""Trials as containers of their image, through the ``docker`` command."""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from suggestion.client.document import Collector
from suggestion.client.template import Invocation
from suggestion.controller.context import Fatal, Options

_SECONDS: Final = 60
Paths: TypeAlias = Sequence[tuple[str, str]]


class NoEngine(Exception):
    """Docker is not there, or does not answer; the text says which."""


def options(base: Options, collector: Collector) -> Options:
    """`base` with trials run in containers.

    The command ``docker run`` is the trial's process here: it ends with the container, passes
    signals on to it, and hands on its exit status.

    Raises:
        NoEngine: If there is no engine.
    """
    if shutil.which("docker") is None:
        raise NoEngine("--runtime docker needs the command docker, which is not installed")
    asked = _docker("version", "--format", "{{.Server.Version}}")
    if asked.returncode:
        raise NoEngine(f"--runtime docker needs an engine: {asked.stderr.strip()}")

    def wrap(
        invocation: Invocation, trial: str, paths: Paths, own: Mapping[str, str]
    ) -> Sequence[str]:
        _docker("rm", "--force", trial)  # of an earlier attempt
        return command(invocation, trial, paths, own, collector)

    def unwrap(trial: str) -> None:
        _docker("kill", trial)

    return replace(base, wrap=wrap, unwrap=unwrap)


def command(
    invocation: Invocation,
    trial: str,
    paths: Paths,
    own: Mapping[str, str],
    collector: Collector,
) -> list[str]:
    """The command that runs a trial in a container of its image.

    Args:
        paths: Of the container, and those of this machine that take their place.
        own: Variables that tell the trial about itself.
    """
    argv = ["docker", "run", "--rm", "--init", "--name", trial]
    for inside, here in paths:
        if inside == collector.path and collector.kind == "File":
            # A file that is not there yet cannot be mounted; its folder can.
            argv += ["--volume", f"{posixpath.dirname(here)}:{posixpath.dirname(inside)}"]
        else:
            argv += ["--volume", f"{here}:{inside}"]
    told = {**own, "SUGGEST_METRICS_PATH": collector.path} if collector.path else dict(own)
    told.pop("SUGGEST_TRIAL_DIR", None)  # of this machine, not of the container
    gpus = told.pop("CUDA_VISIBLE_DEVICES", "")  # a container numbers those it is given from 0
    if gpus:
        argv += ["--gpus", f'"device={gpus}"']
    for name, value in {**told, **invocation.env}.items():
        argv += ["--env", f"{name}={value}"]
    if invocation.cwd:
        argv += ["--workdir", invocation.cwd]
    words = list(invocation.argv)
    if invocation.commanded and words:  # the image's own entry point gives way to a command
        argv += ["--entrypoint", words.pop(0)]
    return [*argv, invocation.image, *words]


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
        raise Fatal(f"docker {arguments[0]} has not answered for {_SECONDS} s") from error
