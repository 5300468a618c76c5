"""How names are found: ours in a file, those of other packages through entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from suggestion import installed

GROUPS = [
    "suggestion.algorithms",
    "suggestion.commands",
    "suggestion.early_stopping",
    "suggestion.services",
]


def python(script: str, *path: Path) -> str:
    """What `script` prints in a process that finds packages in `path` first."""
    found = os.pathsep.join([*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_file_is_what_was_built() -> None:
    points = distribution("suggestion-servers").entry_points
    built = {group: {p.name: p.value for p in points if p.group == group} for group in GROUPS}
    assert installed._own() == built


@pytest.mark.parametrize("group", GROUPS)
def test_names_are_in_alphabetical_order(group: str) -> None:
    names = list(installed.every(group))
    assert names == sorted(names)
    assert names


def test_a_name_of_ours_stays_ours(tmp_path: Path) -> None:
    info = tmp_path / "usurper-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: usurper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[suggestion.algorithms]\nrandom = somebody:Broken\nmine = somebody:Slow [extra]\n"
    )
    script = (
        "from suggestion import installed as i; g = 'suggestion.algorithms';"
        "print(i.find(g, 'random'), i.every(g)['random'], i.find(g, 'mine'), i.find(g, 'none'))"
    )
    ours = "algorithms.random:Random"
    assert python(script, tmp_path) == f"{ours} {ours} somebody:Slow None"


def test_a_server_that_is_told_its_names_does_not_look_for_packages() -> None:
    script = (
        "import sys; from suggestion import cli, server, servicer, services;"
        "from suggestion.algorithm import algorithms;"
        "algorithms(services.plan(['random'], algorithms()).algorithms).load('random');"
        "print('importlib.metadata' in sys.modules, 'algorithms.random' in sys.modules)"
    )
    assert python(script) == "False True"
