"""The programs in docs/integrations.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "integrations.md"
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
PROGRAM = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROGRAMS = [
    pytest.param(program, id=f"{title.split(',')[0]}-{number}")
    for title, text in SECTION.findall(GUIDE.read_text())
    for number, program in enumerate(PROGRAM.findall(text))
]


@pytest.mark.integration
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(program: str, tmp_path: Path) -> None:
    for library in re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},  # where Ray keeps its results
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
