"""What the README shows works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from suggestion.engine.algorithm import build
from suggestion.engine.settings import RawSetting
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import SearchSpace
from tests.support.cases import WITH_EXAMPLE
from tests.support.servers import ServerProcess
from tests.support.studies import study_on

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
QUICK_START, *BLOCKS = PYTHON.findall(README)
GUIDE = PYTHON.findall((ROOT / "docs" / "python.md").read_text())


def test_the_client_gets_suggestions(server: ServerProcess) -> None:
    code = BLOCKS[0].replace("127.0.0.1:6789", server.address)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    "program",
    [QUICK_START, GUIDE[0], GUIDE[2], *(text for text in GUIDE if "result.front" in text)],
    ids=["README", "tune", "ask", "objectives"],
)
def test_the_python_programs_run(program: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(program.replace("trials=20", "trials=2"))
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.integration
def test_the_experiment_of_the_quick_start_runs(tmp_path: Path) -> None:
    (experiment,) = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "experiment.yaml").write_text(experiment)
    (tmp_path / "train.py").write_text("import sys; print('loss=0.31', sys.argv)")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "suggestion",
            "run",
            "experiment.yaml",
            "--set",
            "spec.maxTrialCount=2",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "loss 0.31" in done.stdout
    assert (tmp_path / "runs" / "first").is_dir()


def test_the_algorithm_is_one() -> None:
    lines = [line.removeprefix("   ") for line in BLOCKS[1].splitlines()]
    imports = (
        "from collections.abc import Sequence\n"
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "from suggestion.engine.algorithm import register\n"
        "from suggestion.engine.settings import setting\n"
        "from suggestion.numerics.streams import rng\n"
        "from suggestion.problem.space import Assignment\n"
        "from suggestion.problem.study import Study\n"
    )
    names: dict[str, object] = {}
    exec(imports + "\n".join(lines), names)
    middle = build(names["Middle"], [RawSetting("spread", "0.2")]).algorithm  # type: ignore[arg-type]
    space = SearchSpace((Double("x", 0, 1), Int("n", 1, 100)))
    points = middle.suggest(study_on(space), 20)
    assert all(point in space and 0.4 <= point["x"] <= 0.6 for point in points)


def test_every_algorithm_with_an_example_is_listed() -> None:
    for name in WITH_EXAMPLE:
        assert f"[`{name}`]" in README, name


def test_every_file_that_is_linked_exists() -> None:
    folders = (".", "docs", "docs/research", "examples", "algorithms/*", "earlystopping/*", "*")
    documents = {file for folder in folders for file in ROOT.glob(f"{folder}/*.md")}
    assert len(documents) > 20
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"
