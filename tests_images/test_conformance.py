"""The conformance suite, strict: all of it against one image, what an image may break against each.

The stage `conformance` makes every check of every algorithm outside of containers, with the same
code. What may differ in an image is whether it has the packages that an algorithm needs, in
releases that work with its Python, how its server starts again, and what fits into its memory.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from suggestion.deployment.images import IMAGES, Image, Kind, named
from tests_images.containers import CPUS, Container, docker, reference, restrictions
from tests_images.served import RULE_NAMES

ROOT = Path(__file__).resolve().parent.parent
#: For whole suites: latency is compared with parsing in this process, which has a whole CPU.
WHOLE_CPU = 1.0
#: The image whose server must pass every check.
WHOLE = "suggestion-tpe"
#: What is checked in the others.
IN_EVERY_IMAGE = (
    "health",
    "exact-count",
    "values-in-range",
    "validate-good",
    "refuse-bad-setting",
    "10000-trials",
    "restart-changes-nothing",
    "memory",
)
#: One after the other, beside the tests whose containers get half a CPU.
measured = pytest.mark.xdist_group("conformance")


def commands(image: Image, *options: str, cpus: float = WHOLE_CPU) -> dict[str, str]:
    """How the suite starts, kills and measures containers of `image`."""
    name = f"conformance-{uuid.uuid4().hex[:8]}-{{port}}"
    run = ["docker", "run", "--name", name, "--publish", f"127.0.0.1:{{port}}:{image.kind.port}"]
    return {
        "start": shlex.join([*run, *restrictions(image, cpus), *options, reference(image)]),
        "stop": shlex.join(["docker", "rm", "--force", name]),
        "status": shlex.join(["docker", "exec", name, "cat", "/proc/1/status"]),
    }


def check(start_option: str, given: dict[str, str], *arguments: str) -> None:
    """Every check passes; none is left out because the server is in a container."""
    command = [sys.executable, "-m", "suggestion", "check", "--level", "strict"]
    command += [start_option, given["start"], "--stop", given["stop"], "--status", given["status"]]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not run" not in done.stdout.splitlines()[-1], done.stdout


@pytest.fixture
def volume() -> Iterator[str]:
    """A volume, which outlives the containers that use it."""
    name = docker("volume", "create")
    yield name
    docker("volume", "rm", name)


@measured
def test_all_suggestions() -> None:
    image = named(WHOLE)
    check("--start", commands(image), "--algorithm", image.serves[0])


@pytest.mark.parametrize(
    "image",
    [i for i in IMAGES if i.kind is Kind.SUGGESTION and i.serves and i.name != WHOLE],
    ids=lambda image: image.name,
)
def test_suggestions(image: Image) -> None:
    """One algorithm of each image passes, of those that are for algorithms of their own."""
    chosen = [word for name in IN_EVERY_IMAGE for word in ("--only", name)]
    check("--start", commands(image, cpus=CPUS), "--algorithm", image.serves[0], *chosen)


@measured
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_early_stopping(rule: str) -> None:
    image = next(image for image in IMAGES if image.kind is Kind.EARLY_STOPPING)
    # Not every engine says it of the network itself.
    with Container(image) as any_one:
        gateway = docker("inspect", "--format", "{{.NetworkSettings.Gateway}}", any_one.id)
    arguments = ["--early-stopping-algorithm", rule, "--host", gateway]
    check("--start-early-stopping", commands(image), *arguments)


@measured
@pytest.mark.parametrize(
    "image", [i for i in IMAGES if i.kind is Kind.DBMANAGER], ids=lambda image: image.name
)
def test_observation_log(image: Image, volume: str) -> None:
    mount = ("--mount", f"type=volume,source={volume},destination={image.writes}")
    check("--start-dbmanager", commands(image, *mount))
