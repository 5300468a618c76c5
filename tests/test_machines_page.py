"""The table of docs/machines.md says what the code of each runtime honours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suggestion import runtimes
from suggestion.client import document
from suggestion.client.demand import Demand
from suggestion.client.template import Invocation
from suggestion.controller.runtime import Asked, LaunchSpec, TrialFiles
from suggestion.controller.slots import Slot
from suggestion.runtimes import docker, process
from suggestion.runtimes.kubernetes.kinds import conditions
from suggestion.runtimes.kubernetes.objects import Shape, trial_object
from suggestion.runtimes.ray import actors
from suggestion.runtimes.slurm import script
from tests.experiments.support import document as experiment
from tests.experiments.support import write

PAGE = Path(__file__).resolve().parent.parent / "docs" / "machines.md"


def table() -> dict[str, dict[str, str]]:
    """Its cells, by row and runtime."""
    lines = PAGE.read_text().split("\n\n")[2].splitlines()
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    names = [name.strip("`") for name in head[1:]]
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


TABLE = table()


def asked(folder: Path, template: Mapping[str, Any] | None = None, **spec: Any) -> Asked:
    made = experiment("echo loss=${trialParameters.x}", **spec)
    made["spec"]["trialTemplate"] |= {"image": "i", **(template or {})}
    found = document.examine(write(folder, made)).loaded
    assert found is not None
    return Asked(found)


def replicas(folder: Path, kind: str = "PyTorchJob", *words: str) -> Asked:
    """A trial of several processes; with `words`, not all of one program."""
    command = ["train", "--x=${trialParameters.x}"]
    pods = [
        {"template": {"spec": {"containers": [{"name": "c", "image": "i", "command": [*run]}]}}}
        for run in (command, [*command, *words])
    ]
    specs = {"Master": pods[0], "Worker": {"replicas": 2, **pods[1]}}
    trial = {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind,
        "spec": {f"{kind.removesuffix('Job').lower()}ReplicaSpecs": specs},
    }
    made = experiment("")
    made["spec"]["trialTemplate"] = {
        "primaryContainerName": "c",
        "trialParameters": [{"name": "x", "reference": "x"}],
        "trialSpec": trial,
    }
    found = document.examine(write(folder, made)).loaded
    assert found is not None
    return Asked(found)


def collected(folder: Path, kind: str, path: str) -> Asked:
    source = {"fileSystemPath": {"path": path, "kind": "File" if "." in path else "Directory"}}
    collector = {"collector": {"kind": kind}, "source": source}
    return asked(folder, metricsCollectorSpec=collector)


#: What a row asks for, at its hardest.
ASKED: Mapping[str, Callable[[Path], Asked]] = {
    "other resources": lambda folder: asked(
        folder, {"resources": {"limits": {"example.com/fpga": "1"}}}
    ),
    "`--gpus`, `--gpus-per-trial`, `--cpus-per-trial`": lambda folder: replace(
        asked(folder), gpus=True, gpus_each=1, cpus_each=1
    ),
    "replicas of a PyTorchJob or TrainJob": lambda folder: replicas(folder, "TFJob"),
    "collectors StdOut, File, TensorFlowEvent": lambda folder: collected(
        folder, "TensorFlowEvent", "/events"
    ),
    "Push collector": lambda folder: replace(asked(folder), pushed=True),
    "checkpoints of `pbt`": lambda folder: replace(asked(folder), checkpoints=True),
}
CELLS = [(row, name) for row in ASKED for name in runtimes.RUNTIMES]


def refusals(name: str, wanted: Asked, folder: Path) -> list[str]:
    """What a runtime refuses of it, beside what it refuses of a plain file."""
    place = runtimes.place(name)
    plain = place.refusals(asked(folder))
    return [text for text in place.refusals(wanted) if text not in plain]


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no sbatch is asked


def test_the_columns_are_the_runtimes() -> None:
    assert all(row.keys() == runtimes.RUNTIMES.keys() for row in TABLE.values())


@pytest.mark.parametrize(("row", "name"), CELLS)
def test_what_is_refused_is_said_to_be(tmp_path: Path, row: str, name: str) -> None:
    cell = TABLE[row][name]
    found = refusals(name, ASKED[row](tmp_path), tmp_path)
    assert bool(found) is ("refused" in cell or "`--db-manager`" in cell), (cell, found)


@pytest.mark.parametrize("name", runtimes.RUNTIMES)
def test_what_is_not_refused_of_such_a_file(tmp_path: Path, name: str) -> None:
    """Replicas of one program, metrics files, and metrics pushed where trials reach them."""
    for wanted in (
        replicas(tmp_path),
        collected(tmp_path, "File", "/katib/train.log"),
        replace(asked(tmp_path), pushed=True, database="head:6789"),
    ):
        assert refusals(name, wanted, tmp_path) == []
    assert bool(refusals(name, replicas(tmp_path, "PyTorchJob", "--other"), tmp_path)) is (
        "refused" in TABLE["replicas of a PyTorchJob or TrainJob"][name]
    )


def test_the_resources_of_a_trial() -> None:
    """Those that are named in code beside the options that a scheduler is given."""
    demand = Demand(cpus=2, memory=2**30, gpus=1)
    given = {
        "slurm": {text.partition("=")[0] for text in script.resources(demand)} - {"--ntasks"},
        "ray": set(actors.options(demand)),
    }
    rows = [TABLE["`resources.limits` cpu, memory"], TABLE["`resources.limits` GPUs"]]
    for name in runtimes.RUNTIMES:
        cells = " ".join(row[name] for row in rows)
        options = {text.partition("=")[0] for text in re.findall(r"`([^`]*)`", cells)}
        assert options == given.get(name, {"--gpus"} if runtimes.place(name).here else set())
    assert actors.options(Demand())["num_cpus"] == 1
    assert "`num_cpus` (1 without)" in rows[0]["ray"]


def told(name: str, folder: Path) -> Mapping[str, str]:
    """The environment of a trial that is told all that one can be."""
    files = TrialFiles("t", folder, folder / "output", folder / "status")
    variables = dict.fromkeys(("SUGGEST_ARTIFACTS_DIR", "SUGGEST_RULES_FILE"), "/here")
    invocation = Invocation(("true",), {}, None, "i", True)
    spec = LaunchSpec(files, invocation, [], variables, "", False, Slot(0), folder, "")
    if name == "docker":
        words = docker.command(spec)
        pairs = (words[at + 1] for at, word in enumerate(words) if word == "--env")
        return dict(text.split("=", 1) for text in pairs)
    if name == "ray":
        environment: Mapping[str, str] = actors.arguments(spec, "/there", 0)[1]
        return environment
    if name == "kubernetes":
        made = trial_object(spec, "t", Shape("e", conditions({}, "Job")))
        (container,) = made["spec"]["template"]["spec"]["containers"]
        return {entry["name"]: entry["value"] for entry in container["env"]}
    return process.Plain()(spec).env


@pytest.mark.parametrize("name", runtimes.RUNTIMES)
def test_what_a_trial_is_told(tmp_path: Path, name: str) -> None:
    known = told(name, tmp_path)
    assert ("SUGGEST_ARTIFACTS_DIR" in known) is (TABLE["`SUGGEST_ARTIFACTS_DIR`"][name] == "yes")
    waits = TABLE["rules of early stopping that are asked for again"][name] == "yes"
    assert ("SUGGEST_RULES_FILE" in known) is waits


@pytest.mark.parametrize("name", runtimes.RUNTIMES)
def test_when_and_where_a_trial_counts(name: str) -> None:
    place = runtimes.place(name)
    assert (TABLE["`--trial-timeout` counts from"][name] == "the start") is not place.queues
    goes_on = TABLE["another machine can go on with running trials"][name]
    assert goes_on == ("no, refused" if place.host_bound else "yes")
    assert ("shared disk" in TABLE["needs"][name]) is (place.shared and not place.here)
    command, image = ("command" in TABLE["it runs"][name], "image" in TABLE["it runs"][name])
    assert (command, image) == (place.local, not place.local and not place.objects)


def test_every_row_is_looked_at() -> None:
    others = {"a trial is", "it runs", "needs", "`SUGGEST_ARTIFACTS_DIR`"}
    others |= {"`resources.limits` cpu, memory", "`resources.limits` GPUs"}
    others |= {"rules of early stopping that are asked for again"}
    others |= {"`--trial-timeout` counts from", "another machine can go on with running trials"}
    assert TABLE.keys() == ASKED.keys() | others
