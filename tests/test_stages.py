"""The stages of `.ci/run`, whose commands are replaced by ones that end at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".ci" / "run"
STAGES = ["lint", "page", "unit", "long", "integration", "machines"]
STAGES += ["integrations", "conformance", "clients", "images", "cluster"]

#: Says its target; fails with $FAIL, and waits for a signal with $WAIT.
MAKE = """#!/bin/sh
echo "making $1"
case $1 in
    $FAIL) exit 1 ;;
    $WAIT) echo "waiting" >&3; exec sleep 60 ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the script, and commands that do nothing."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(RUN, tmp_path / ".ci" / "run")
    (tmp_path / "frontend").mkdir()
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("npm", "docker", "kubectl", "apt-get", "pyenv", "python3.13", "make"):
        text = (
            "#!/bin/sh\nexit 1\n" if name in ("apt-get", "pyenv", "python3.13") else "#!/bin/sh\n"
        )
        (commands / name).write_text(MAKE if name == "make" else text)
        (commands / name).chmod(0o755)
    return tmp_path


def environment(project: Path, **variables: str) -> dict[str, str]:
    path = f"{project / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(project), "FAIL": "", "WAIT": ""} | (
        variables
    )


def run(project: Path, *stages: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / ".ci" / "run", *stages],
        env=environment(project, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def summary(output: str) -> dict[str, str]:
    """How each stage ended."""
    return dict(re.findall(r"^(\w+): \d+ s, (\w+)$", output, flags=re.M))


def test_every_stage_is_run_and_what_it_prints_is_in_one_piece(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert summary(done.stdout) == dict.fromkeys(STAGES, "passed")
    assert list(summary(done.stdout)) == STAGES
    targets = (".venv/.ready", "lint", "docs", "sbom", "audit")
    lint = "".join(f"making {target}\n" for target in targets)
    assert re.search(rf"^=== lint\n{re.escape(lint)}(===|\.\.\.) ", done.stdout, flags=re.M)


def test_a_host_runs_the_same_stages() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["stage"]["strategy"]["matrix"]["stage"] == STAGES


def test_a_stage_that_fails_does_not_keep_the_others_from_running(project: Path) -> None:
    done = run(project, FAIL="test")
    assert done.returncode == 1
    assert summary(done.stdout) == dict.fromkeys(STAGES, "passed") | {"unit": "FAILED"}


def test_stages_that_are_named_are_run_in_the_order_of_their_names(project: Path) -> None:
    done = run(project, "conformance", "lint", FAIL="test-conformance")
    assert done.returncode == 1
    assert re.findall("^=== (.*)$", done.stdout, flags=re.M)[:2] == ["conformance", "lint"]
    assert summary(done.stdout) == {"lint": "passed", "conformance": "FAILED"}


def test_an_unknown_stage_is_refused(project: Path) -> None:
    done = run(project, "lint", "units")
    assert done.returncode == 2
    assert "unknown stage 'units'" in done.stderr
    assert "making" not in done.stdout


@pytest.mark.parametrize("stages", [(), ("unit",)])
def test_a_signal_ends_every_track_and_shows_what_there_is(
    project: Path, stages: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        ["bash", "-c", f'exec 3>&{writing}; exec "$@"', "run", project / ".ci" / "run", *stages],
        env=environment(project, WAIT="test"),
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[writing],
    ) as process:
        os.close(writing)
        assert os.read(reading, 100) == b"waiting\n"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 143
    assert "=== unit\n" in output
    assert output.count("making test\n") == 1
    assert os.read(reading, 100) == b""  # what waited has ended
    os.close(reading)
