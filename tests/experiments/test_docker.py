"""Trials in containers, where a Docker engine is at hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suggestion.client.template import Invocation
from suggestion.controller.context import Options
from suggestion.controller.runtime import LaunchSpec, TrialFiles
from suggestion.controller.slots import Slot
from suggestion.controller.trials import Condition
from suggestion.runner import runner
from suggestion.runtimes import docker
from tests.experiments.support import Machine, document, stored

pytestmark = pytest.mark.integration

PATHS = [("/katib/train.log", "/here/files/katib/train.log"), ("/ckpt", "/here/ckpt/t-1")]


def spec(of: Invocation, paths: Sequence[tuple[str, str]], own: dict[str, str], file: str = "") -> (
    LaunchSpec
):  # fmt: skip
    nowhere = Path()
    files = TrialFiles("t-1", nowhere, nowhere, nowhere)
    return LaunchSpec(files, of, paths, own, file, bool(file), Slot(0), nowhere, "")


def test_the_command() -> None:
    of = Invocation(("python", "x.py", "--lr=1"), {"A": "b c"}, "/work", "image:1")
    own = {"SUGGEST_TRIAL_NAME": "t-1", "SUGGEST_TRIAL_DIR": "/here", "CUDA_VISIBLE_DEVICES": "2,3"}
    assert docker.command(spec(of, PATHS, own, "/katib/train.log")) == [
        "docker", "run", "--rm", "--init", "--name", "t-1",
        "--volume", "/here/files/katib:/katib", "--volume", "/here/ckpt/t-1:/ckpt",
        "--gpus", '"device=2,3"',
        "--env", "SUGGEST_TRIAL_NAME=t-1", "--env", "SUGGEST_METRICS_PATH=/katib/train.log",
        "--env", "A=b c", "--workdir", "/work", "--entrypoint", "python",
        "image:1", "x.py", "--lr=1",
    ]  # fmt: skip


def test_arguments_for_the_entry_point_of_the_image() -> None:
    of = Invocation(("--lr=1",), {}, None, "image:1", commanded=False)
    made = docker.command(spec(of, [], {}))
    assert made == ["docker", "run", "--rm", "--init", "--name", "t-1", "image:1", "--lr=1"]


def test_where_containers_push_metrics() -> None:
    of = Invocation(("true",), {}, None, "image:1")
    for address, added in (("192.0.2.1:6789", ["--add-host"]), ("192.0.2.1:7000", [])):
        made = docker.command(spec(of, [], {"SUGGEST_DB_MANAGER": address}))
        assert [word for word in made if word == "--add-host"] == added
        assert f"SUGGEST_DB_MANAGER={address}" in made


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small image: this machine's shell and ``sleep``, with the libraries they need."""
    if shutil.which("docker") is None or call("version").returncode:
        pytest.skip("no Docker engine answers")
    folder: Path = tmp_path_factory.mktemp("image")
    programs = [Path("/bin/sh"), Path("/bin/sleep")]
    needed = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=True
    ).stdout
    libraries = {Path(path) for path in re.findall(r"(/\S+\.so\S*)", needed)}
    with tarfile.open(folder / "image.tar", "w") as tar:
        for path in [*programs, *libraries]:
            tar.add(path.resolve(), arcname=str(path))
    name = f"suggest-test:{os.getpid()}"
    made = call("import", str(folder / "image.tar"), name)
    assert made.returncode == 0, made.stderr
    yield name
    call("rmi", "--force", name)


def job(image: str, script: str, **spec: Any) -> dict[str, Any]:
    """An experiment whose trials run `script` in `image`; its trials' names are this test's."""
    env = [{"name": "X", "value": "${trialParameters.x}"}]  # each parameter is to be used
    container = {"name": "c", "image": image, "command": ["/bin/sh", "-c", script], "env": env}
    trial = {"kind": "Job", "spec": {"template": {"spec": {"containers": [container]}}}}
    made = document("", trialTemplate={"trialSpec": trial}, maxTrialCount="2", **spec)
    made["metadata"]["name"] = f"in-docker-{os.getpid()}"
    return made


def test_trials_in_containers(machine: Machine, tmp_path: Path, image: str) -> None:
    source = {"fileSystemPath": {"path": "/katib/train.log", "kind": "File"}}
    collector = {"collector": {"kind": "File"}, "source": source}
    script = "echo loss=${trialParameters.x} >>/katib/train.log; echo $SUGGEST_TRIAL_NAME"
    made = job(image, script, metricsCollectorSpec=collector)
    machine.run(tmp_path, made, runtime="docker")
    for trial in stored(tmp_path):
        assert trial.condition is Condition.SUCCEEDED, trial.reason
        assert trial.series["loss"].latest == trial.assignment["x"]
        assert (
            tmp_path / "state" / "trials" / trial.name / "output-1.log"
        ).read_text() == f"{trial.name}\n"


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "], ids=["", "deaf"])
def test_a_container_is_stopped(machine: Machine, tmp_path: Path, image: str, deaf: str) -> None:
    options = Options(grace=1.0, trial_timeout=1.5)
    made = job(image, f"{deaf}echo loss=1; while :; do sleep 0.1; done", parallelTrialCount="1")
    made["spec"]["maxTrialCount"] = "1"
    machine.run(tmp_path, made, runtime="docker", options=options)
    (trial,) = stored(tmp_path)
    assert (trial.condition, trial.reason) == (Condition.FAILED, "ran longer than 1.5 s")
    assert trial.name not in call("ps", "--format", "{{.Names}}").stdout.split()


def test_a_container_is_told_what_the_sdk_needs(image: str) -> None:
    place = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    script = f"read n <{place} || test $n; while read l; do echo $l; done </etc/hosts; echo of $n"
    of = Invocation(("/bin/sh", "-c", script), {}, None, image)
    told = spec(of, [], {"SUGGEST_DB_MANAGER": "192.0.2.1:6789"})
    told = replace(told, files=replace(told.files, trial=f"t-{os.getpid()}"))
    printed = call(*docker.command(told)[1:]).stdout
    assert "192.0.2.1 katib-db-manager.kubeflow\n" in printed.replace("\t", " ")
    assert printed.endswith("of default\n")


def test_the_status_of_a_container(machine: Machine, tmp_path: Path, image: str) -> None:
    machine.run(tmp_path, job(image, "exit 7"), runtime="docker")
    assert {t.reason for t in stored(tmp_path)} == {"exit status 7"}


def test_without_an_engine(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        runner.ExperimentRefused, match="needs the command docker, which is not installed"
    ):
        machine.run(tmp_path, job("image", "true"), runtime="docker")
    assert not (tmp_path / "state").exists()
