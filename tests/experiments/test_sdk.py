"""What Kubeflow's own SDKs make and call, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest

from suggestion.client import document
from suggestion.client.manifest import Severity
from tests.experiments import support

HERE = Path(__file__).resolve().parent
#: They do not go together with what is installed here: their protobuf is another.
PACKAGES = ("kubeflow==0.5.0", "kubeflow-katib==0.19.0")
#: An interpreter that has them, for those who do not want to install them each time.
INTERPRETER = "TEST_KUBEFLOW_PYTHON"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the SDKs."""
    if given := os.environ.get(INTERPRETER):
        return Path(given)
    folder = tmp_path_factory.mktemp("sdk") / "venv"
    venv.create(folder, with_pip=True)
    made = folder / "bin" / "python"
    done = subprocess.run(
        [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"{' '.join(PACKAGES)} cannot be installed: {done.stderr[-300:]}")
    return made


@pytest.fixture(scope="module")
def objects(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the objects that they would send to a cluster."""
    folder = tmp_path_factory.mktemp("objects")
    subprocess.run([python, HERE / "sdk_objects.py", folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", ["optimizer", "tuned", "pushing"])
def test_their_objects_run_unchanged(
    machine: support.Machine,
    objects: Path,
    python: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "sdk_objects.py"  # the user's, which the file of the SDK's script is called
    source.write_text("mine")
    # As in an active environment: the trials' Python is the one with the SDK.
    monkeypatch.setenv("VIRTUAL_ENV", str(python.parent.parent))
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    view = support.Recorder()
    made = json.loads((objects / f"{name}.json").read_text())
    # Each trial imports the SDK, which takes a minute where all is slow.
    controller = machine.run(tmp_path, made, view=view, seconds=1800)
    trials = support.stored(tmp_path)
    assert [trial.condition.value for trial in trials] == ["Succeeded"] * 3, view.notes
    assert controller.best is not None
    assert source.read_text() == "mine"


@pytest.mark.parametrize("name", ["optimizer", "tuned", "pushing"])
def test_a_cluster_would_take_them(objects: Path, name: str) -> None:
    examined = document.examine(objects / f"{name}.json")
    assert examined.of(Severity.ERROR) == ()
