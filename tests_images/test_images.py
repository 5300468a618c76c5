"""What is in the images, and how they start and stop."""

from __future__ import annotations

import json
import re
import statistics
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.deployment.images import IMAGES, Image, named
from tests.support.requests import ask_for
from tests_images import controller
from tests_images.containers import ROOT, Container, docker, reference, restrictions
from tests_images.served import algorithms_of

BASE = "python:3.13-slim"
MEGABYTE = 1e6
Measure = Callable[[str, float], None]
STARTED = "suggestion-tpe"
#: Of the processor time until it serves to that of importing grpc and numpy.
LARGEST_RATIO = 2.5
#: One whose calls take milliseconds, and one whose calls take seconds.
STOPPED_UNDER_LOAD = ("suggestion-random", "suggestion-bayesopt")


def configuration(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        docker("image", "inspect", "--format", "{{json .Config}}", reference(image))
    )
    return found


def size(name: str) -> int:
    if not docker("image", "ls", "--quiet", name):
        docker("pull", name)
    return int(docker("image", "inspect", "--format", "{{.Size}}", name))


def inside(image: Image, program: str) -> str:
    """Output of a Python program in the image."""
    interpreter = ("--entrypoint", "/opt/suggest/bin/python")
    limits = restrictions(image)
    return docker("run", "--rm", *limits, *interpreter, reference(image), "-c", program)


# ---------------------------------------------------------------------- content


def test_size(image: Image, measure: Measure) -> None:
    added = (size(reference(image)) - size(BASE)) / MEGABYTE
    measure("MB added to the base", added)
    forests = "bayesianoptimization" in image.extras
    limit = 90 if image.name == "suggestion-random" else 600 if forests else 350
    assert added < limit


def test_it_runs_as_nobody_and_without_a_shell(image: Image) -> None:
    config = configuration(image)
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["suggest", "serve"]
    assert (config.get("Cmd") or []) == list(image.arguments)
    assert config["Healthcheck"]["Test"] == ["CMD", "suggest", "health"]
    assert f"{image.kind.port}/tcp" in config["ExposedPorts"]


def test_labels(image: Image) -> None:
    labels = configuration(image)["Labels"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.title"] == image.name
    assert labels[f"{prefix}.licenses"] == "Apache-2.0"
    assert labels[f"{prefix}.base.name"] == f"docker.io/library/{BASE}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels[f"{prefix}.version"])
    assert all(name in labels[f"{prefix}.description"] for name in image.serves)


INSIDE = """
import importlib.metadata, json, os, pathlib, shutil, sys

own = [path for path in sys.path if "opt" in path]
root = pathlib.Path("/opt/suggest")
packages = {
    d.name.lower().replace("_", "-").replace(".", "-"): d.version
    for d in importlib.metadata.distributions(path=own)
}
tools = [tool for tool in ("gcc", "cc", "g++", "make", "ld", "as") if shutil.which(tool)]
tools += map(str, root.glob("bin/pip*"))
tools += [
    str(path)
    for path in root.rglob("site-packages/*")
    if path.name in ("pip", "setuptools", "wheel", "tests")
]
left = [path for path in ("/root/.cache", "/tmp/pip", "/source", "/wheels") if os.path.exists(path)]
print(json.dumps({"packages": packages, "tools": tools, "left": left}))
"""


def pins(image: Image) -> tuple[dict[str, str], set[str]]:
    """Version by package of its lock files; and those that some platforms do not install."""
    pinned: dict[str, str] = {}
    conditional: set[str] = set()
    for file in image.requirements:
        text = (ROOT / "requirements" / file).read_text()
        for line in re.findall(r"^\S+==.*$", text, flags=re.M):
            match = re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", line)
            assert match is not None
            name = match[1].lower().replace("_", "-").replace(".", "-")
            pinned[name] = match[2]
            if ";" in line:  # for another Python or platform, perhaps
                conditional.add(name)
    return pinned, conditional


def test_exactly_the_locked_packages_and_no_tools_to_build_or_install(image: Image) -> None:
    found = json.loads(inside(image, INSIDE))
    packages: dict[str, str] = found["packages"]
    assert packages.pop("suggestion-servers")
    pinned, conditional = pins(image)
    assert packages.items() <= pinned.items()
    assert pinned.keys() - packages.keys() <= conditional
    assert found["tools"] == []
    assert found["left"] == []


# ------------------------------------------------------------------ start and stop


def test_it_serves_in_time_writes_nothing_and_leaves_in_good_order(
    image: Image, measure: Measure
) -> None:
    """It serves for little more than what importing grpc and numpy takes, equally restricted.

    In seconds, 3 were allowed where those imports take 0.6 s of computing and half a CPU is given.
    A machine half as fast needs twice as long for both. It writes nothing where it could, the
    image's own health check passes, and a stop ends it with status 0.
    """
    imports = "import time, grpc, numpy; print(time.process_time())"
    health_check = configuration(image)["Healthcheck"]["Test"][1:]
    starts: list[float] = []
    bare: list[float] = []
    while True:  # in turns, for what slows one down slows the other
        with Container(image, read_only=False) as running:
            seconds = running.wait()
            starts.append(running.cpu_seconds())
            if len(starts) == 1:
                assert docker("exec", running.id, *health_check) == "SERVING"
                assert docker("diff", running.id) == ""
            docker("stop", running.id)
            assert running.state["ExitCode"] == 0
            assert not running.state["OOMKilled"]
        bare.append(float(inside(image, imports)))
        usage = statistics.median(starts)
        ratio = usage / statistics.median(bare)
        if ratio < LARGEST_RATIO or len(starts) == 3:
            break
    measure("s to SERVING", seconds)
    measure("CPU s to SERVING", usage)
    measure("times importing grpc and numpy", ratio)
    assert ratio < LARGEST_RATIO


@pytest.mark.parametrize("image", [*map(named, STOPPED_UNDER_LOAD)], ids=lambda image: image.name)
def test_stop_under_load(image: Image) -> None:
    """Calls in flight are answered, later ones refused, and none gets anything else."""
    message = controller.experiment(algorithms_of(image)[0], 10**6)
    outcomes: list[grpc.StatusCode] = []
    answered = threading.Semaphore(0)

    with Container(image) as running:
        running.wait()

        def load() -> None:
            while True:
                try:
                    running.suggest(ask_for(message, 5))
                except grpc.RpcError as error:
                    outcomes.append(error.code())
                    return
                outcomes.append(grpc.StatusCode.OK)
                answered.release()

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            assert answered.acquire(timeout=120)
        docker("stop", running.id)
        for thread in threads:
            thread.join(timeout=120)
        assert running.state["ExitCode"] == 0
        assert "Traceback" not in running.log()
    assert set(outcomes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


# ------------------------------------------------------------------- other services


def _only(name: str) -> list[Image]:
    return [image for image in IMAGES if image.name == name]


@pytest.mark.parametrize("image", _only("dbmanager"), ids=lambda image: image.name)
def test_the_observation_log_outlives_its_container(image: Image) -> None:
    volume = docker("volume", "create")
    try:
        log = api.ObservationLog(
            metric_logs=[
                api.MetricLog(
                    time_stamp="2026-01-02T03:04:05Z",
                    metric=api.Metric(name="loss", value="0.5"),
                )
            ]
        )
        mount = ("--mount", f"type=volume,source={volume},destination={image.writes}")
        with Container(image, options=mount) as first:
            first.wait()
            report = api.ReportObservationLogRequest(trial_name="t", observation_log=log)
            first.dbmanager.ReportObservationLog(report, timeout=60)
            first.kill()
        with Container(image, options=mount) as second:
            second.wait()
            request = api.GetObservationLogRequest(trial_name="t", metric_name="loss")
            reply = second.dbmanager.GetObservationLog(request, timeout=60)
        assert reply.observation_log == log
    finally:
        docker("volume", "rm", volume)


def test_a_wrong_name_ends_the_container_with_a_reason() -> None:
    name = reference(named(STARTED))
    with pytest.raises(RuntimeError, match="nothing called 'nobody' can be served"):
        docker("run", "--rm", name, "nobody")
