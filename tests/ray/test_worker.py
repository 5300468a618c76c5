"""What an actor of Ray does for its trials, in this process and without Ray."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suggestion.runtimes.ray import worker
from tests.experiments.test_resume import LIMIT


@pytest.fixture
def host() -> Iterator[worker.TrialHost]:
    made = worker.TrialHost()
    yield made
    made._leave.cancel()  # without a trial, it would end the process of the tests


def parts(folder: Path, name: str, *command: str) -> tuple[Any, ...]:
    return list(command), {}, str(folder), str(folder / name), "", ""


def whole(host: worker.TrialHost, name: str) -> tuple[bytes, int]:
    """Read a trial to its end."""
    output = b""
    while True:
        (found,), status = host.read(name, [len(output)], LIMIT)
        output += found
        if status is not None:
            return output, status


def test_one_trial_after_another(host: worker.TrialHost, tmp_path: Path) -> None:
    assert host.start("a.1", parts(tmp_path, "a.1", "echo", "one")) is not None
    assert whole(host, "a.1") == (b"one\n", 0)
    assert host.start("b.1", parts(tmp_path, "b.1", "cat")) is not None
    assert os.listdir(tmp_path) == ["b.1"]
    host.stop("a.1", 0.0)  # which comes too late
    assert whole(host, "b.1") == (b"", 0)
    with pytest.raises(RuntimeError, match=r"a\.1 is not here"):
        host.read("a.1", [0], 0.0)


def test_a_trial_is_started_once(host: worker.TrialHost, tmp_path: Path) -> None:
    made = parts(tmp_path, "a.1", "sh", "-c", "echo one >>ran; exec sleep 600")
    try:
        assert host.start("a.1", made) is not None
        assert host.start("a.1", made) is not None
        with pytest.raises(RuntimeError, match=r"a\.1 still runs"):
            host.start("b.1", made)
        assert host.start("a.1", None) is not None  # it is adopted
    finally:
        host.stop("a.1", 0.0)
    assert whole(host, "a.1")[1] in (128 + 9, 128 + 15)
    assert host.start("b.1", made) is None  # by the runner before


def test_a_trial_that_has_not_begun_never_does(host: worker.TrialHost, tmp_path: Path) -> None:
    """Its runner died before it could send it, or what it sent comes later than the next one."""
    assert host.start("a.1", None) is None
    assert host.start("a.1", parts(tmp_path, "a.1", "touch", "ran")) is None
    assert os.listdir(tmp_path) == []


def test_a_process_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By somebody, which is its exit status; or by Ray, which ends its actor with its node."""
    monkeypatch.setattr(worker, "_DYING", 0.0)
    suicide = ("sh", "-c", "kill -9 $$")
    host = worker.TrialHost()
    host.start("a.1", parts(tmp_path, "a.1", *suicide))
    assert whole(host, "a.1") == (b"", 128 + 9)
    raylet = os.getppid()
    host.start(
        "b.1",
        parts(
            tmp_path,
            "b.1",
            "sh",
            "-c",
            f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; kill -9 $$",
        ),
    )
    with monkeypatch.context() as orphaned:
        orphaned.setattr(os, "getppid", lambda: 1 + raylet)
        (tmp_path / "go").touch()
        assert host.read("b.1", [0], 0.5) == ([b""], None)
    assert whole(host, "b.1") == (b"", 128 + 9)


def test_output_of_many_answers(tmp_path: Path) -> None:
    """The exit status comes with the last of it."""
    size = 5 * worker._CHUNK // 2
    host = worker.TrialHost(parts(tmp_path, "a.1", "sh", "-c", f"head -c {size} /dev/zero; exit 3"))
    host.start("a.1", None)
    assert whole(host, "a.1") == (bytes(size), 3)


def test_no_signal_goes_to_the_number_of_a_process_that_has_ended(
    host: worker.TrialHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may have given it to another one."""
    host.start("a.1", parts(tmp_path, "a.1", "true"))
    assert whole(host, "a.1") == (b"", 0)
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda *to: sent.append(to[0]))
    host.stop("a.1", 0.0)
    process = host._of("a.1")
    assert process is not None
    process.signal(signal.SIGKILL)  # as the actor does when it ends
    assert sent == []
