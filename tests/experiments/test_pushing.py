"""The module that lets Kubeflow's SDK push metrics from a trial on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from suggestion.runtimes import process

FOLDER = Path(process.__file__).parent / "pushing"
PROGRAM = """
import sys
assert not any(name.partition(".")[0] in ("suggestion", "grpc", "numpy") for name in sys.modules)
from kubeflow.katib.constants import constants
from kubeflow.katib.utils import utils
print(constants.DEFAULT_DB_MANAGER_ADDRESS, utils.get_current_k8s_namespace(), sys.other)
"""


def printed(folder: Path, **env: str) -> str:
    path = os.pathsep.join([str(FOLDER), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": path, **env},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_address_and_namespace(tmp_path: Path) -> None:
    package = tmp_path / "kubeflow" / "katib"
    for name in ("constants", "utils"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "__init__.py").touch()
    address = 'DEFAULT_DB_MANAGER_ADDRESS = "katib-db-manager.kubeflow:6789"\n'
    (package / "constants" / "constants.py").write_text(address)
    (package / "utils" / "utils.py").write_text(
        "def get_current_k8s_namespace():\n    return open('/no/pod').read()\n"
    )
    # Another module of this name still does its work.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.other = 'other'\n")
    assert printed(tmp_path, SUGGEST_DB_MANAGER="127.0.0.1:7") == "127.0.0.1:7 default other"
