"""How names are found: through the entry points of installed packages, ours first."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from suggestion.engine import installed

ROOT = Path(__file__).resolve().parent.parent
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


@pytest.mark.parametrize("group", GROUPS)
def test_what_pyproject_declares_is_found(group: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for name, reference in declared[group].items():
        assert installed.find(group, name) == reference


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
        "from suggestion.engine import installed as i; g = 'suggestion.algorithms';"
        "print(i.find(g, 'random'), i.every(g)['random'], i.find(g, 'mine'), i.find(g, 'none'))"
    )
    ours = "suggestion.algorithms.random:Random"
    assert python(script, tmp_path) == f"{ours} {ours} somebody:Slow None"
