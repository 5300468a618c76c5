"""What is installed is one import package, which no folder of a user's project can replace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parent.parent
#: Folders that a user's project may well have.
NAMES = (
    "algorithms",
    "benchmarks",
    "conformance_tests",
    "dbmanager",
    "deploy",
    "earlystopping",
    "experiments",
    "proto",
    "tests",
)
#: Raises on import, except in the user's own trials.
MODULE = "import os\nassert 'OF_THE_TRIAL' in os.environ, 'a package of the user was imported'\n"
TRAIN = (
    "import os\nfrom experiments.cfg import LR\nprint(f'loss={LR + float(os.environ[\"X\"])}')\n"
)
EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "mine"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 2,
        "maxTrialCount": 2,
        "maxFailedTrialCount": 0,
        "parameters": [
            {
                "name": "x",
                "parameterType": "double",
                "feasibleSpace": {"min": "0", "max": "1"},
            }
        ],
        "trialTemplate": {
            "primaryContainerName": "main",
            "trialParameters": [{"name": "x", "reference": "x"}],
            "trialSpec": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {
                    "template": {
                        "spec": {
                            "containers": [
                                {
                                    "name": "main",
                                    "image": "none",
                                    "command": [sys.executable, "train.py"],
                                    "env": [
                                        {"name": "X", "value": "${trialParameters.x}"},
                                        {"name": "OF_THE_TRIAL", "value": "1"},
                                    ],
                                }
                            ],
                            "restartPolicy": "Never",
                        }
                    }
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the repository, in which a build leaves its folders."""
    copy = tmp_path_factory.mktemp("build") / "repository"
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "node_modules")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", copy.parent, copy], check=True, capture_output=True)
    (made,) = copy.parent.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of executables of an environment with the wheel, and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    # The packages of this environment, without what its .pth files do: they would import the
    # repository.
    found = [path for path in sys.path if path.endswith("site-packages")]
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text("\n".join(found))
    return folder / "bin"


@pytest.fixture(params=[None, "."], ids=["", "PYTHONPATH"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory: a project with packages called as folders of this repository."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(MODULE)
    (tmp_path / "experiments" / "cfg.py").write_text("LR = 7\n")
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    monkeypatch.chdir(tmp_path)
    if request.param is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", request.param)
    return tmp_path


def test_the_wheel_is_one_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
    tops = {entry.filename.partition("/")[0] for entry in entries}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"suggestion", info}
    assert not [e.filename for e in entries if stat.S_ISLNK(e.external_attr >> 16)]
    names = {entry.filename for entry in entries}
    for link in ("algorithms", "earlystopping", "conformance"):
        source = (ROOT / "suggestion" / link).resolve()
        for file in source.rglob("*.py"):
            assert f"suggestion/{link}/{file.relative_to(source)}" in names


def test_every_command_works_beside_packages_of_the_same_names(
    scripts: Path, project: Path
) -> None:
    def suggest(*arguments: object) -> str:
        done = subprocess.run(
            [scripts / "suggest", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = "import suggestion; print(suggestion.__file__)"
    installed = subprocess.run(
        [scripts / "python", "-c", where], capture_output=True, text=True, check=True
    )
    assert installed.stdout.startswith(str(scripts.parent))

    listed = suggest("--help")
    commands = (
        "algorithms ask check export health logs plot registration run serve status top trials ui"
    )
    for name in commands.split():
        assert f"\n  {name} " in listed
    assert "not installed" not in listed
    assert "\nrandom: " in f"\n{suggest('algorithms')}"
    (row,) = json.loads(suggest("ask", "mine.yaml", "--output", "json"))
    assert set(row["parameters"]) == {"x"}
    assert "mine succeeded" in suggest("run", "mine.yaml", "--plain")
    folder = project / "runs" / "mine"
    assert "Succeeded" in suggest("status", folder)
    assert suggest("trials", folder, "--csv").count("Succeeded") == 2
    assert "<html" in Path(suggest("plot", folder).strip()).read_text()

    with subprocess.Popen(
        [scripts / "suggest", "serve", "--address", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            assert suggest("health", address) == "SERVING\n"
            checked = suggest("check", address, "--algorithm", "random", "--only", "exact-count")
            assert "exact-count" in checked
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0
