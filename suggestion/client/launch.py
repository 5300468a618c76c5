"""Start servers of this project as processes of this machine.

Whoever needs a server of its own takes `LocalServer`: the command line, the runner, tests and
benchmarks. A server keeps nothing that the next call needs, so one that died is started again.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

#: A free port of this machine, which nobody else's network reaches.
ANY_PORT: Final = "127.0.0.1:0"
#: Environment of a server of ours: what another one is told by variables is not meant for it.
UNTOLD: Final[Mapping[str, str]] = dict.fromkeys(
    (
        *(f"SUGGEST_{name}_ADDRESS" for name in ("EARLY_STOPPING", "HTTP", "METRICS")),
        *(f"SUGGEST_TLS_{name}" for name in ("CERT", "KEY", "CLIENT_CA")),
        *(f"SUGGEST_DB_MANAGER_TLS_{name}" for name in ("CA", "CERT", "KEY", "NAME")),
    ),
    "",
)
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.01
_STARTS: Final = 4
_GRACE_SECONDS: Final = 5.0
#: A whole line: a part of one may have a part of the port.
_BANNER: Final = re.compile(r"^serving (.+) on (\S+)\n", re.MULTILINE)


class ServerError(Exception):
    """A server did not start.

    Attributes:
        said: The last line that it printed, without ``Error:``.
        output: All that it printed.
        status: Its exit status; None if it was still starting after a minute, or was not begun.
    """

    def __init__(
        self, text: str, said: str = "", output: str = "", status: int | None = None
    ) -> None:
        super().__init__(text)
        self.said = said or text
        self.output = output
        self.status = status


class Banner(NamedTuple):
    """A line in which a server says what it serves and where it listens."""

    names: tuple[str, ...]
    address: str


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class LocalServer:
    """A process that runs ``suggest serve``; started when its address is first asked for.

    The process ends with this one, however this one ends (on Linux; see `child`). One that died is
    started again by the next call of `address`, at the address it had if that is still free:
    programs that were told of it find it there.

    Args:
        arguments: Arguments of ``suggest serve``, without the address.
        log: File to which all that it prints is appended; a temporary one, which `close` removes,
            if None.
        env: Environment variables on top of this process's own.
        address: Where it listens; None for what arguments and environment say.
        cwd: Its working directory; this process's own if None.
        private: Only this user may read the files that it makes.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        *,
        address: str | None = ANY_PORT,
        cwd: Path | None = None,
        private: bool = False,
    ) -> None:
        self._arguments = tuple(arguments)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if log is None:
            self._folder = tempfile.TemporaryDirectory(prefix="suggest-serve-")
            log = Path(self._folder.name) / "log"
        self._log = log
        self._env = dict(env or {})
        self._wanted = address
        self._cwd = cwd
        self._private = private
        self._process: subprocess.Popen[bytes] | None = None
        self._begin = 0  # of the present process's output in the log
        self._address = ""
        self._last = ""  # where a process before this one listened
        self._guard = threading.Lock()
        self._stopped = False

    # --------------------------------------------------------------- what it is

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which may have ended; it must have been launched."""
        assert self._process is not None, "the server has not been launched"
        return self._process

    @property
    def pid(self) -> int | None:
        """The process id; None before the first launch."""
        return None if self._process is None else self._process.pid

    def output(self) -> str:
        """Return what the present process has printed so far."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._begin)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def banners(self) -> tuple[Banner, ...]:
        """Return what it has said about where it listens, one entry a port."""
        found = _BANNER.findall(self.output())
        return tuple(Banner(tuple(names.split(", ")), address) for names, address in found)

    # --------------------------------------------------------------------- start

    def launch(self) -> None:
        """Start the process without waiting until it listens; nothing if it runs.

        Call it in a thread that lives as long as this process, such as the main thread: the kernel
        ends the server with the *thread* that started it.
        """
        with self._guard:
            self._launch(self._wanted)

    def address(self) -> str:
        """Return where it listens, and start it if it does not run.

        Raises:
            ServerError: If it does not start, with what it said; or if it was stopped.
        """
        with self._guard:
            return self._running()

    def address_of(self, name: str) -> str:
        """Return where it serves `name`: early-stopping rules have a port of their own.

        Raises:
            ServerError: If it does not start, or does not serve `name`.
        """
        with self._guard:
            self._running()
            return self._wait(name)

    def _running(self) -> str:
        for attempt in range(_STARTS):
            if self._stopped:
                raise ServerError(f"{self._title}: it has been stopped")
            again = bool(self._last) and self._wanted == ANY_PORT
            if self._process is None or self._process.poll() is not None:
                self._launch(self._last if again else self._wanted)
            try:
                self._address = self._address or self._wait()
            except ServerError as error:
                # One that was killed, or hangs, may start the next time; one that gave up is
                # not, unless somebody else has the port now.
                gave_up = error.status is not None and error.status > 0
                if (gave_up and not again) or attempt == _STARTS - 1:
                    raise
                if gave_up:
                    self._last = ""
            else:
                self._last = self._address
                return self._address
        raise AssertionError("unreachable")

    def _launch(self, address: str | None) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._address = ""
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # -P: no folder of the user's takes the place of a module of ours.
        command = [sys.executable, "-P", "-m", "suggestion.client.child", str(os.getpid())]
        command += ["suggestion", "serve", *self._arguments]
        if address is not None:
            command += ["--address", address]
        with open(self._log, "ab", opener=_private_opener) as out:
            self._begin = out.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env},
                cwd=self._cwd,
                umask=0o077 if self._private else -1,
                start_new_session=True,  # Ctrl-C is for this process
            )

    @property
    def _title(self) -> str:
        return " ".join(("suggest serve", *self._arguments[:1]))

    def _wait(self, name: str | None = None) -> str:
        """Wait for the banner with `name`, or for the first one."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            status = self.process.poll()
            banners = self.banners()
            for banner in banners:
                if name is None or name in banner.names:
                    if status is None:
                        return banner.address
                    break
            if status is not None:
                break
            if time.monotonic() > deadline or self._stopped:
                self.process.kill()
                self.process.wait()
                break
            time.sleep(_POLL_SECONDS)
        output = self.output()
        lines = output.strip().splitlines()
        said = lines[-1].removeprefix("Error: ") if lines else "it said nothing"
        raise ServerError(f"{self._title}: {said}", said, output, status)

    # ---------------------------------------------------------------------- end

    def kill(self) -> None:
        """Kill the process without warning; the next call of `address` starts it again."""
        with self._guard:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """End the process for good: by SIGTERM, or after `grace` seconds by SIGKILL."""
        self._stopped = True  # which ends the waiting of whoever holds the guard
        with self._guard:
            if self._process is None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def close(self) -> None:
        """Stop it, and remove its log if that is a temporary one."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> LocalServer:
        """Start it and wait until it listens."""
        try:
            self.address()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
