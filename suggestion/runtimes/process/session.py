"""A trial's session of processes: started so that none runs unknown, found again, and ended whole.

A trial runs below a small process (`supervisor`), in a session of its own. The supervisor waits for
a word on its standard input, so that nothing runs before the runner has stored it; it outlives a
runner that dies, leaves the exit status in a file, and ends whatever the trial has started. If the
runner dies before that word, the file says that nothing has begun. A `Nursery` starts it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from suggestion.controller.files import beginning
from suggestion.controller.outcomes import KILLED_BASE
from suggestion.runtimes.process.nursery import Nursery

#: A variable of every trial whose value no other trial has: processes that have left the trial's
#: session, and whose supervisor was killed, are known by it.
MARK: Final = "SUGGEST_TRIAL_DIR"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is, also after its number has been given to another.

    Attributes:
        pid: Of the supervisor; its session and process group have the same number.
        started: In clock ticks since the machine started, from ``/proc``; no clock can move it.
        boot: Of the machine's present run.
    """

    pid: int
    started: int
    boot: str

    def age(self) -> float:
        """Return the seconds since it started; no clock can move them."""
        ticks = os.sysconf("SC_CLK_TCK")
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / ticks, 0.0)


class Process:
    """A trial's session: the supervisor, its command, and what that has started.

    Args:
        status: The file in which the supervisor leaves the exit status.
        nursery: Who has started the supervisor; None: an earlier runner.
        word: The pipe to the supervisor's standard input, if this runner has started it.

    Raises:
        ProcessLookupError: If there is no such process any more.
    """

    def __init__(
        self,
        identity: Identity,
        status: Path,
        nursery: Nursery | None = None,
        word: BinaryIO | None = None,
    ) -> None:
        self.identity = identity
        self._status = status
        self._nursery = nursery
        self._word = word
        self._pidfd = os.pidfd_open(identity.pid)
        self._forced = False

    def fileno(self) -> int:
        """Becomes readable when the supervisor has ended."""
        return self._pidfd

    def go(self) -> None:
        """Let the command run. Call once the process has been stored."""
        assert self._word is not None
        with suppress(BrokenPipeError), self._word as word:
            word.write(b"go\n")  # if it was killed while it waited, `ended` will tell

    @property
    def ended(self) -> bool:
        """Whether the supervisor has ended; its number stays taken until `reap`."""
        return self._wait(0)

    def _wait(self, milliseconds: int | None) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def reap(self) -> int | None:
        """End what the command left running, and return its exit status.

        Returns:
            128 + n for a command killed by signal n, as shells have it; None if nobody knows.
        """
        status = self._reap()
        if self._word is not None:
            self._word.close()
        # A supervisor that was killed has left its orphans to init. They are looked for in
        # /proc, which takes some milliseconds: not after each of many short trials.
        if self._forced or status is None or os.WIFSIGNALED(status):
            self._kill_members()
        os.close(self._pidfd)
        left = read_status(self._status)
        if left is not None or status is None:
            return left
        code = os.waitstatus_to_exitcode(status)
        return KILLED_BASE - code if code < 0 else code

    def _reap(self) -> int | None:
        return None if self._nursery is None else self._nursery.reap(self.identity.pid)

    def leave(self) -> None:
        """Let it run on, for another runner to find."""
        os.close(self._pidfd)

    def abandon(self) -> None:
        """End a process that was not told to go; its status file says so."""
        assert self._word is not None
        self._word.close()
        self._wait(None)
        self._reap()
        os.close(self._pidfd)

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to the command's group; SIGKILL to all that it has started.

        The second SIGKILL also ends a supervisor that has not ended by itself, and the first one
        that of a command which is not there yet.
        """
        if number == signal.SIGKILL:
            started = _descendants(self.identity.pid)
            for pid in started:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not started:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, number)
            if self._forced:
                self._kill_members()
            self._forced = True
        elif not self.ended:
            try:
                os.killpg(self.identity.pid, number)
            except ProcessLookupError:  # just forked, it has no group yet
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, number)

    def go_on(self) -> None:
        """Let a supervisor go on that its trial has stopped; without effect on one that runs.

        The command, which somebody may have stopped on purpose, is left as it is.
        """
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)

    def _kill_members(self) -> None:
        _kill_members(self.identity, self._status)


def start(
    nursery: Nursery,
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    status: Path,
    cpus: Sequence[int] = (),
) -> Process:
    """Start a process that waits for `Process.go`.

    Args:
        nursery: Starts it, and waits for it.
        output: File that takes standard output and standard error, in the order of writing.
        status: File in which its exit status is left.
        cpus: To which it is bound; all if empty.

    Raises:
        OSError: If no process can be started here.
        ValueError: If no process can have such arguments or such an environment.
    """
    status.unlink(missing_ok=True)
    its, ours = os.pipe()
    word = os.fdopen(ours, "wb", buffering=0)
    try:
        try:
            with _open_output(output) as out:
                pid = nursery.start(argv, env, cwd, status, its, out.fileno())
        finally:
            os.close(its)
        try:
            if cpus:
                os.sched_setaffinity(pid, cpus)
            identity = identify(pid)
            if identity is None:
                raise OSError("the process was killed as soon as it had been started")
            return Process(identity, status, nursery, word)
        except BaseException:
            nursery.reap(pid)
            raise
    except BaseException:
        word.close()
        raise


def adopt(identity: Identity, status: Path) -> Process | None:
    """Return the process that an earlier runner started; None if it has ended."""
    if identify(identity.pid) != identity:
        return None
    try:
        process = Process(identity, status)
    except ProcessLookupError:
        return None
    # Between the two its number may have been given to another.
    if process.ended or identify(identity.pid) != identity:
        os.close(process.fileno())
        return None
    return process


def _open_output(path: Path) -> BinaryIO:
    """Open a trial's output for writing; an earlier attempt may have left anything there."""
    # Appending, so that what is cut out of the file's middle does not move what comes next.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.fdopen(os.open(path, flags, 0o600), "ab")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path.name} must be a file")
    return file


def orphans(identity: Identity, status: Path | None = None) -> None:
    """End what is left of a session whose supervisor has gone while nobody watched.

    Args:
        status: The file that it left; None if that is not known.
    """
    if identity.boot == _boot():
        _kill_members(identity, status)


def _kill_members(identity: Identity, status: Path | None) -> None:
    for pid in _members(identity.pid, identity.started, status):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def unbegun(path: Path) -> bool:
    """Return whether the supervisor has noted that its command never began."""
    return beginning(path, path.parent) == b"unbegun\n"


def read_status(path: Path) -> int | None:
    """Read the exit status in a file; None if it was never written whole."""
    match = re.fullmatch(rb"([0-9]{1,3})\n", beginning(path, path.parent))
    return int(match[1]) if match else None


def identify(pid: int) -> Identity | None:
    """Identify the process that has number `pid` now; None if there is none, or only its status."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), _boot())


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` behind the command's name, which may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _members(session: int, since: int, status: Path | None) -> Iterator[int]:
    """Yield the processes of a trial that began no earlier than its supervisor.

    They are those of its session, and those that have its mark.
    """
    mark = b"" if status is None else os.fsencode(f"{MARK}={status.parent.resolve()}") + b"\0"
    for pid, fields in _processes():
        if int(fields[19]) < since or pid == os.getpid():
            continue
        if int(fields[3]) == session or (mark and mark in _environment(pid)):
            yield pid


def _descendants(pid: int) -> list[int]:
    """Return the processes below `pid`."""
    children: dict[int, list[int]] = {}
    for child, fields in _processes():
        children.setdefault(int(fields[1]), []).append(child)
    found: list[int] = []
    left = [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _processes() -> Iterator[tuple[int, list[str]]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                yield int(name), fields


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
