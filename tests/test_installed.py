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


def register(folder: Path, entry_points: str) -> None:
    """Install what only has a name and entry points in a folder of ``sys.path``."""
    info = folder / "usurper-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: usurper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_a_broken_command_of_another_package_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "somebody.py").write_text("raise TypeError('no longer there')\n")
    register(tmp_path, "[suggestion.commands]\nmine = somebody:command\n")
    script = (
        "import sys; from suggestion.cli.main import main\n"
        "try: main([{}], standalone_mode=False)\n"
        "except TypeError as error: print('raised', error)"
    )
    shown = " ".join(python(script.format("'--help'"), tmp_path).split())
    assert "mine (cannot be loaded from somebody: TypeError: no longer" in shown
    assert "version " in shown
    assert python(script.format("'mine', '--option'"), tmp_path) == "raised no longer there"


def test_a_name_of_ours_stays_ours(tmp_path: Path) -> None:
    register(
        tmp_path,
        "[suggestion.algorithms]\nrandom = somebody:Broken\nmine = somebody:Slow [extra]\n",
    )
    script = (
        "from suggestion.engine import installed as i; g = 'suggestion.algorithms';"
        "print(i.find(g, 'random'), i.every(g)['random'], i.find(g, 'mine'), i.find(g, 'none'))"
    )
    ours = "suggestion.algorithms.random:Random"
    assert python(script, tmp_path) == f"{ours} {ours} somebody:Slow None"
