"""What an actor of Ray does for processes of trials, one after another: start, hand on, end.

It is sent to the cluster as it is, which needs nothing of this project: only Python's own library.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

_CHUNK = 1 << 20
_PAUSE = 0.05
# Between two answers with something new, in seconds, for a trial that writes all the time.
_GAP = 0.5
# An actor that has never had a trial ends itself after so many seconds: its runner is gone.
_LEAVE = 120.0
# An actor that Ray ends kills its child first: it is gone within so many seconds, in silence.
_DYING = 5.0
# From the answer that an actor ends until it does, in seconds.
_FAREWELL = 1.0
# The process ends when the thread that has started it does, as it does with its actor.
_BECOME = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    missing = isinstance(error, FileNotFoundError)
    sys.stderr.write(f"{sys.argv[1]}: {'not found' if missing else error.strerror}\\n")
    os._exit(127 if missing else 126)
"""


class TrialProcess:
    """One process of a trial, in the working directory of its actor.

    Args:
        argv, env: On top of the environment of the actor.
        cwd: Below the working directory; empty: that itself.
        folder: Of the trial on this machine; made anew, and removed by `forget`.
        rules: File for the next early-stopping rules; empty without.
        metrics: File that the trial writes metrics to; empty without.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        folder: str,
        rules: str,
        metrics: str,
    ) -> None:
        self._argv = list(argv)
        self._env = dict(env)
        self._cwd = cwd
        self._folder = folder
        self._rules = rules
        self._files = [os.path.join(folder, "output"), *([metrics] if metrics else [])]
        self._process: subprocess.Popen[bytes] | None = None
        self._status = 126
        self._ended = threading.Event()
        self._begun = 0.0
        self._parent = os.getppid()
        self._stopped = False
        self._answered = float("-inf")

    @property
    def seconds(self) -> float:
        """For how long it has run."""
        return time.monotonic() - self._begun

    @property
    def ended(self) -> bool:
        """Whether its exit status is known."""
        return self._ended.is_set()

    def start(self, env: Mapping[str, str]) -> None:
        """Start it, with more of an environment."""
        self._begun = time.monotonic()
        self._env |= env
        shutil.rmtree(self._folder, ignore_errors=True)
        for path in self._files:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # The process ends with the thread that has started it: this one waits for it.
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        try:
            with open(self._files[0], "ab") as output:
                self._run_to_its_end(output, ready)
        finally:
            ready.set()
            self._ended.set()

    def _run_to_its_end(self, output: BinaryIO, ready: threading.Event) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BECOME, *self._argv],
                env={**os.environ, **self._env},
                cwd=self._cwd or None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            output.write(f"{self._cwd or self._argv[0]}: {error.strerror}\n".encode())
            return
        ready.set()
        code = self._process.wait()
        self._send(signal.SIGKILL)  # to what it has left running
        self._status = 128 - code if code < 0 else code
        if code == -signal.SIGKILL and not self._stopped:
            self._outlive()

    def _outlive(self) -> None:
        """Wait until it is certain that the process has not been killed by the end of the actor.

        That of a node begins with the parent of its actors.
        """
        until = time.monotonic() + _DYING
        while time.monotonic() < until or os.getppid() != self._parent:
            time.sleep(_PAUSE)

    def read(self, positions: Sequence[int], seconds: float) -> tuple[list[bytes], int | None]:
        """Return what is new in output and metrics, and the exit status once all has been read.

        Args:
            positions: How much of each is known.
            seconds: That this waits at most for something new.
        """
        now = time.monotonic()
        deadline = now + seconds
        self._ended.wait(max(self._answered + _GAP - now, 0.0))
        while True:
            ended = self.ended
            found = [_from(path, at) for path, at in zip(self._files, positions, strict=False)]
            if any(found) or ended or time.monotonic() > deadline:
                self._answered = time.monotonic()
                whole = all(len(data) < _CHUNK for data in found)
                return found, self._status if ended and whole else None
            self._ended.wait(_PAUSE)

    def tell(self, rules: str) -> None:
        """Let the trial know its next early-stopping rules."""
        if self._rules:
            new = f"{self._rules}.new"
            with open(new, "w", encoding="utf-8") as file:
                file.write(rules)
            os.replace(new, self._rules)

    def stop(self, grace: float) -> None:
        """Ask the process to end, and end it by force after `grace` seconds."""
        self._stopped = True
        self.signal(signal.SIGTERM)
        timer = threading.Timer(grace, self.signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def forget(self) -> None:
        """Remove what the trial has left on this machine."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of it, unless it has ended: its number may be another one's now."""
        if self._process is not None and self._process.returncode is None:
            self._send(number)


class TrialHost:
    """An actor that has one trial at a time, by the name of its attempt.

    Args:
        only: What the process of its only trial is made of; None: `start` says it for each.
    """

    def __init__(self, only: Sequence[Any] | None = None) -> None:
        self._only = only
        self._lock = threading.Lock()
        self._name = ""
        self._process: TrialProcess | None = None
        self._closed = False
        self._address: tuple[str, int] | None = None
        self._leave = threading.Timer(_LEAVE, self._end_unused)
        self._leave.daemon = True
        if only is None:
            self._leave.start()

    def ready(self) -> None:
        """Return as soon as the actor is there."""

    def address(self) -> tuple[str, int]:
        """Return an address of this machine and a free port, for the replicas of a trial."""
        import ray  # noqa: PLC0415

        with self._lock:
            if self._address is None:
                with socket.socket() as free:
                    free.bind(("", 0))
                    self._address = ray.util.get_node_ip_address(), free.getsockname()[1]
            return self._address

    def start(
        self,
        name: str,
        parts: Sequence[Any] | None,
        rank: int = 0,
        world: int = 1,
        address: tuple[str, int] | None = None,
    ) -> float | None:
        """Start the process of a trial, unless it has been, in place of one that has ended.

        Args:
            parts: What it is made of; None: of what the actor has, or an earlier runner has sent.

        Returns:
            For how long it has run, in seconds; None if it does not run here, and never will.
        """
        with self._lock:
            if parts is None:
                parts = self._only
                self._closed = parts is None  # a runner before may still have sent something
            elif self._closed:
                return None
            if self._process is None or self._name != name:
                if parts is None:
                    return None
                self._replace(name, parts, _environment(rank, world, address))
            assert self._process is not None
            return self._process.seconds

    def _replace(self, name: str, parts: Sequence[Any], env: Mapping[str, str]) -> None:
        self._leave.cancel()
        if self._process is not None:
            if not self._process.ended:
                raise RuntimeError(f"{self._name} still runs")
            self._process.forget()
        self._name, self._process = name, TrialProcess(*parts)
        self._process.start(env)

    def read(
        self, name: str, positions: Sequence[int], seconds: float
    ) -> tuple[list[bytes], int | None]:
        """See `TrialProcess.read`."""
        process = self._of(name)
        if process is None:
            raise RuntimeError(f"{name} is not here")
        return process.read(positions, seconds)

    def tell(self, name: str, rules: str) -> None:
        """See `TrialProcess.tell`."""
        process = self._of(name)
        if process is not None:
            process.tell(rules)

    def stop(self, name: str, grace: float) -> None:
        """See `TrialProcess.stop`."""
        process = self._of(name)
        if process is not None:
            process.stop(grace)

    def leave(self) -> None:
        """Remove what the last trial has left on this machine; the actor ends after the answer.

        It needs no head for that, which may be away.
        """
        with self._lock:
            self._closed = True  # nothing starts here any more
            if self._process is not None:
                self._process.signal(signal.SIGKILL)
                self._process.forget()
        ending = threading.Timer(_FAREWELL, os._exit, (0,))
        ending.daemon = True
        ending.start()

    def _of(self, name: str) -> TrialProcess | None:
        """Return the process of a trial while it is the present one: calls overtake each other."""
        with self._lock:
            return self._process if self._name == name else None

    def _end_unused(self) -> None:
        with self._lock:
            if self._process is None:
                os._exit(0)


def _environment(rank: int, world: int, address: tuple[str, int] | None) -> Mapping[str, str]:
    if address is None:
        return {}
    return {
        "MASTER_ADDR": address[0],
        "MASTER_PORT": str(address[1]),
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": "0",
    }


def _from(path: str, position: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(position)
            return file.read(_CHUNK)
    except OSError:
        return b""
