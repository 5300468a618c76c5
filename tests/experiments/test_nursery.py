"""The process that forks a supervisor for each trial."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from suggestion.runtimes.process import session, supervisor
from suggestion.runtimes.process.nursery import Nursery


@dataclass
class Starting:
    """Starts shell scripts in a folder."""

    nursery: Nursery
    folder: Path

    def __call__(
        self, script: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> session.Process:
        environment = {"PATH": os.environ["PATH"], **(env or {})}
        files = self.folder / "output", self.folder / "status"
        command = ["sh", "-c", script]
        return session.start(self.nursery, command, environment, cwd or self.folder, *files)

    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Starting]:
    nursery = Nursery()
    yield Starting(nursery, tmp_path)
    nursery.close()


def ended(process: session.Process) -> int | None:
    poll = select.poll()
    poll.register(process.fileno(), select.POLLIN)
    assert poll.poll(60_000)
    assert process.ended
    return process.reap()


def parent_of(process: session.Process) -> int:
    stat = Path(f"/proc/{process.identity.pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def test_each_has_its_own_environment_and_folder(starting: Starting, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    first = starting('printf %s "$TEXT" >here; exit 7', {"TEXT": os.fsdecode(b"\xff\xfe")}, folder)
    second = starting("env", {"OTHER": "x" * 100_000})
    first.go()
    assert ended(first) == 7
    assert (folder / "here").read_bytes() == b"\xff\xfe"
    second.go()
    assert ended(second) == 0
    assert "OTHER=xxx" in starting.output()
    assert "TEXT=" not in starting.output()


def test_a_letter_has_the_byte_of_a_backslash_in_some_encodings(
    starting: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("big5"))
    one = starting('printf %s "$TEXT" >here', {"TEXT": "\N{CJK UNIFIED IDEOGRAPH-529F}n"}, tmp_path)
    one.go()
    assert ended(one) == 0
    assert (tmp_path / "here").read_bytes() == b"\xa5\\n"


def test_a_trial_sees_no_file_of_another(starting: Starting) -> None:
    others = [starting("exec sleep 1000") for _ in range(3)]
    for other in others:
        other.go()
    one = starting("ls /proc/self/fd")
    one.go()
    assert ended(one) == 0
    assert starting.output().split() == ["0", "1", "2", "3"]  # the last is that of `ls`
    for other in others:
        other.signal(signal.SIGKILL)
        assert ended(other) == 128 + signal.SIGKILL


def test_a_folder_that_is_not_there(starting: Starting, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        starting(":", cwd=tmp_path / "gone")
    with pytest.raises(NotADirectoryError):
        starting(":", cwd=Path("/dev/null"))
    after = starting("exit 3")
    after.go()
    assert ended(after) == 3


@pytest.mark.parametrize("env", [{"A": "\0"}, {"A=B": "1"}, {"": "1"}], ids=repr)
def test_an_environment_that_cannot_be(starting: Starting, env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"null byte|variable name"):
        starting(":", env)


def test_trials_outlive_it_and_the_next_begins_another(starting: Starting) -> None:
    """The exit status is left in a file, so it is not lost with their parent."""
    first = starting("exit 5")
    parent = parent_of(first)
    os.kill(parent, signal.SIGKILL)
    os.waitid(os.P_PID, parent, os.WEXITED | os.WNOWAIT)
    second = starting("exit 6")
    assert parent_of(second) != parent
    second.go()
    assert ended(second) == 6
    first.go()
    assert ended(first) == 5


def test_it_ends_with_its_runner_only(starting: Starting) -> None:
    first = starting(":")
    parent = parent_of(first)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(parent, number)
    second = starting(":")
    assert parent_of(second) == parent
    for process in (first, second):
        process.go()
        assert ended(process) == 0
    starting.nursery.close()
    with pytest.raises(ProcessLookupError):
        os.kill(parent, 0)


def test_a_signal_ends_one_that_waits_for_its_word(starting: Starting) -> None:
    waiting = starting("touch begun")
    waiting.signal(signal.SIGTERM)
    assert ended(waiting) == 128 + signal.SIGTERM
    assert not (starting.folder / "begun").exists()


def test_one_is_killed_whose_command_is_not_there_yet(starting: Starting) -> None:
    one = starting("exec sleep 1000")
    os.kill(one.identity.pid, signal.SIGSTOP)
    one.go()
    one.signal(signal.SIGKILL)
    assert ended(one) == 128 + signal.SIGKILL


def test_a_signal_reaches_one_that_has_no_group_yet(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was forked a moment ago."""
    waiting = starting("touch begun")

    def without_group(*_: int) -> None:
        raise ProcessLookupError

    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", without_group)
        waiting.signal(signal.SIGTERM)
    assert ended(waiting) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("folders", "status", "said"),
    [
        (("refused", "sound"), 4, ""),
        (("gone", "refused"), 126, "Permission denied"),
        (("/dev/null", "gone"), 127, "not found"),
    ],
    ids=str,
)
def test_a_command_is_looked_for_as_a_shell_does(
    starting: Starting, folders: tuple[str, str], status: int, said: str
) -> None:
    """In each folder of the trial's own PATH; what may not be run hides nothing behind it."""
    for name, mode in (("refused", 0o600), ("sound", 0o700)):
        path = starting.folder / name / "train"
        path.parent.mkdir()
        path.write_text("exit 4\n")  # and it names no interpreter
        path.chmod(mode)
    env = {"PATH": ":".join(str(starting.folder / folder) for folder in folders)}
    files = starting.folder / "output", starting.folder / "status"
    one = session.start(starting.nursery, ["train"], env, starting.folder, *files)
    one.go()
    assert ended(one) == status
    assert starting.output() == (f"train: {said}\n" if said else "")


def test_no_process_is_made_to_look_for_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills the command would take it for that."""
    for name, mode in (("refused", 0o600), ("sound", 0o700)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "program").touch(mode)
    made: list[bytes] = []
    monkeypatch.setattr(os, "posix_spawn", lambda path, *_, **__: made.append(path))
    folders = [tmp_path / name for name in ("nowhere", "refused", "sound/program", "sound")]
    supervisor._begin([b"program"], {b"PATH": b":".join(map(os.fsencode, folders))})
    assert made == [os.fsencode(tmp_path / "sound" / "program")]


def test_no_more_processes(starting: Starting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the system's error reaches the runner."""
    starting(":").abandon()
    monkeypatch.setattr(starting.nursery, "_ask", lambda *_: {"error": errno.EAGAIN})
    with pytest.raises(BlockingIOError, match=r"temporarily unavailable$"):
        starting(":")
