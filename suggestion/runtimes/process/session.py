"""A trial's session of processes: started so that none runs unknown, found again, and ended whole.

A trial runs below a shell of three lines, in a session of its own. The shell waits for a word on
its standard input, so that nothing runs before the runner has stored the process; it outlives a
runner that dies, and leaves the exit status in a file. If the runner dies before that word, the
file says that nothing has begun.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from suggestion.controller.outcomes import KILLED_BASE

# $0: the file for the status; $@: the command. A signal to the session must not end the shell
# before its command; a handler, unlike an ignored signal, is not handed down to the command.
_SHELL: Final = (
    'IFS= read -r go || { echo unbegun >"$0"; exit 125; }; trap : TERM INT HUP; '
    '"$@" </dev/null; code=$?; exec >/dev/null 2>&1; echo "$code" >"$0"; exit "$code"'
)
_SHORT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is, also after its number has been given to another.

    Attributes:
        pid: Of the shell; its session and process group have the same number.
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
    """A trial's session: the shell, its command, and what that has started.

    Args:
        popen: Of the shell, if this runner has started it.
        status: The file in which the shell leaves the exit status.
    """

    def __init__(
        self, identity: Identity, status: Path, popen: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.identity = identity
        self._status = status
        self._popen = popen
        self._pidfd = os.pidfd_open(identity.pid)
        self._begun = time.monotonic()
        self._signalled = False

    def fileno(self) -> int:
        """Becomes readable when the shell has ended."""
        return self._pidfd

    def go(self) -> None:
        """Let the command run. Call once the process has been stored."""
        assert self._popen is not None
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):  # it was killed while it waited; `ended` will tell
            self._popen.stdin.write(b"go\n")
            self._popen.stdin.close()

    @property
    def ended(self) -> bool:
        """Whether the shell has ended; its number stays taken until `reap`."""
        if self._popen is not None:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.identity.pid, flags) is not None
        return identify(self.identity.pid) != self.identity

    def reap(self) -> int | None:
        """End what the command left running, and return its exit status.

        Returns:
            128 + n for a command killed by signal n, as shells have it; None if nobody knows.
        """
        if self._popen is not None:
            # The shell is still unreaped, so its number can only be its own group's.
            with suppress(ProcessLookupError):
                os.killpg(self.identity.pid, signal.SIGKILL)
            # Other groups of the session are looked for in /proc, which takes some milliseconds:
            # not after each of many short trials.
            if self._signalled or time.monotonic() - self._begun > _SHORT_SECONDS:
                self._kill_members()
            code = self._popen.wait()
            if self._popen.stdin is not None:
                with suppress(BrokenPipeError):
                    self._popen.stdin.close()
            shell = KILLED_BASE - code if code < 0 else code
        else:
            self._kill_members()
            shell = None
        os.close(self._pidfd)
        code_left = read_status(self._status)
        return shell if code_left is None else code_left

    def leave(self) -> None:
        """Let it run on, for another runner to find."""
        os.close(self._pidfd)
        if self._popen is not None:
            _LEFT.append(self._popen)

    def abandon(self) -> None:
        """End a process that was not told to go; its status file says so."""
        assert self._popen is not None
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.close()
        self._popen.wait()
        os.close(self._pidfd)

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to the command: SIGKILL to all of the session, else to its group."""
        self._signalled = True
        if number == signal.SIGKILL:
            self._kill_members()
        elif not self.ended:
            with suppress(ProcessLookupError):
                os.killpg(self.identity.pid, number)

    def _kill_members(self) -> None:
        for pid in _members(self.identity.pid, self.identity.started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# Processes that are not ours any more; else their objects would complain that nobody waited.
_LEFT: Final[list[subprocess.Popen[bytes]]] = []


def start(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    status: Path,
    cpus: Sequence[int] = (),
) -> Process:
    """Start a process that waits for `Process.go`.

    Args:
        output: File that takes standard output and standard error, in the order of writing.
        status: File in which its exit status is left.
        cpus: To which it is bound; all if empty.

    Raises:
        OSError: If no process can be started here.
    """
    status.unlink(missing_ok=True)
    # Appending, so that what is cut out of the file's middle does not move what comes next.
    with output.open("ab") as out:
        popen = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, str(status), *argv],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    try:
        if cpus:
            os.sched_setaffinity(popen.pid, cpus)
        identity = identify(popen.pid)
        if identity is None:
            raise OSError("the process was killed as soon as it had been started")
        return Process(identity, status, popen)
    except BaseException:
        popen.kill()
        popen.communicate()
        raise


def adopt(identity: Identity, status: Path) -> Process | None:
    """Return the process that an earlier runner started; None if it has ended."""
    if identify(identity.pid) != identity:
        return None
    try:
        process = Process(identity, status)
    except ProcessLookupError:
        return None
    if process.ended:
        os.close(process.fileno())
        return None
    return process


def orphans(identity: Identity) -> None:
    """End what is left of a session whose shell has gone while nobody watched."""
    if identity.boot == _boot():
        for pid in _members(identity.pid, identity.started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def unbegun(path: Path) -> bool:
    """Whether the shell has noted that its command never began."""
    try:
        return path.read_text() == "unbegun\n"
    except FileNotFoundError:
        return False


def read_status(path: Path) -> int | None:
    """Read the exit status in a file; None if it was never written whole."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") and text.strip().isdigit() else None


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


def _members(session: int, since: int) -> Iterator[int]:
    """Processes of a session that began no earlier than its leader."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == session and int(fields[19]) >= since:
                yield int(entry.name)


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
