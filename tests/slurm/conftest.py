"""A Slurm of this machine for all tests here, and servers for the experiments."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.experiments.support import Machine, machines
from tests.experiments.test_resume import Runner
from tests.slurm.cluster import Cluster, cluster, missing


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machines(tmp_path_factory.mktemp("servers")) as made:
        yield made


@pytest.fixture(scope="session")
def daemons() -> Iterator[Cluster]:
    if lacking := missing():
        pytest.skip(f"{', '.join(lacking)} not installed: Debian's slurm-wlm and munge bring them")
    if os.getuid():
        pytest.skip("Slurm's daemons need root")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
        cluster(Path(folder)) as made,
    ):
        yield made


@pytest.fixture
def slurm(daemons: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, with both nodes idle before each test and no jobs after it."""
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, daemons.env[name])
    daemons.heal()
    yield daemons
    Runner.end_all()
    daemons.call("scancel", "--user=root", "--full", "--signal=KILL")
    daemons.call("scancel", "--user=root")
