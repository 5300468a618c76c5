"""What an actor of Ray does for one process of a trial: start it, hand on what it writes, end it.

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

_CHUNK = 1 << 20
_PAUSE = 0.05
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
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None
        self._begun = 0.0

    def address(self) -> tuple[str, int]:
        """Return an address of this machine and a free port, for the replicas of a trial."""
        import ray  # noqa: PLC0415

        with socket.socket() as free:
            free.bind(("", 0))
            return ray.util.get_node_ip_address(), free.getsockname()[1]

    def start(self, rank: int, world: int, address: tuple[str, int] | None) -> float:
        """Start the process, unless it has been; return for how long it has run, in seconds."""
        with self._lock:
            if not self._begun:
                self._begun = time.monotonic()
                shutil.rmtree(self._folder, ignore_errors=True)
                for path in self._files:
                    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                if address is not None:
                    self._env |= {
                        "MASTER_ADDR": address[0],
                        "MASTER_PORT": str(address[1]),
                        "RANK": str(rank),
                        "WORLD_SIZE": str(world),
                        "LOCAL_RANK": "0",
                    }
                # The process ends with the thread that has started it: this one waits for it.
                ready = threading.Event()
                threading.Thread(target=self._run, args=(ready,), daemon=True).start()
                ready.wait()
            return time.monotonic() - self._begun

    def _run(self, ready: threading.Event) -> None:
        with open(self._files[0], "ab") as output:
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
                self._status = 126
                return
            finally:
                ready.set()
        code = self._process.wait()
        self._signal(signal.SIGKILL)  # what it has left running
        self._status = 128 - code if code < 0 else code

    def read(self, positions: Sequence[int], seconds: float) -> tuple[list[bytes], int | None]:
        """Return what is new in output and metrics, and the exit status once all has been read.

        Args:
            positions: How much of each is known.
            seconds: That this waits at most for something new.
        """
        deadline = time.monotonic() + seconds
        while True:
            status = self._status
            found = [_from(path, at) for path, at in zip(self._files, positions, strict=False)]
            if any(found):
                return found, None
            if status is not None or time.monotonic() > deadline:
                return found, status
            time.sleep(_PAUSE)

    def tell(self, rules: str) -> None:
        """Let the trial know its next early-stopping rules."""
        if self._rules:
            new = f"{self._rules}.new"
            with open(new, "w", encoding="utf-8") as file:
                file.write(rules)
            os.replace(new, self._rules)

    def stop(self, grace: float) -> None:
        """Ask the process to end, and end it by force after `grace` seconds."""
        self._signal(signal.SIGTERM)

        def kill() -> None:
            if self._status is None:
                self._signal(signal.SIGKILL)

        timer = threading.Timer(grace, kill)
        timer.daemon = True
        timer.start()

    def forget(self) -> None:
        """Remove what the trial has left on this machine."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def _from(path: str, position: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(position)
            return file.read(_CHUNK)
    except OSError:
        return b""
