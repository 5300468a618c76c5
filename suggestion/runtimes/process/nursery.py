"""The runner's side of the process that forks a supervisor for each trial (`supervisor`).

Starting Python for each trial took 60 ms, as much as many a small trial; a fork takes 2.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from suggestion.runtimes.process import supervisor

_SUPERVISOR: Final = str(Path(supervisor.__file__).absolute())
# A fork takes milliseconds; this is for a machine that swaps. Whoever has not answered by then is
# killed, so that a runner never stands still for it.
_LONGEST: Final = 60.0
_NO_ROOM: Final = (errno.EAGAIN, errno.ENOMEM)


class Nursery:
    """Starts supervisors, and ends them.

    It begins with the first that is asked for, and again after it was killed. Not safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._children: set[int] = set()

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        status: Path,
        word: int,
        output: int,
    ) -> int:
        """Start a supervisor in a session of its own; return its number.

        Args:
            argv: What it runs once it has got a word.
            status: File in which it leaves the exit status.
            word: Descriptor of its standard input.
            output: Descriptor of its standard output and standard error.

        Raises:
            OSError: If no process can be started here, or `cwd` cannot be entered.
            ValueError: If no process can have such arguments or such an environment.
        """
        if "\0" in "".join((*argv, *env, *env.values())):
            raise ValueError("embedded null byte")
        if "" in env or "=" in "".join(env):
            raise ValueError("illegal environment variable name")
        message = {
            "argv": [*argv],
            "env": {**env},
            "cwd": os.path.abspath(cwd),
            "status": os.path.abspath(status),
        }
        if self._popen is None or self._popen.poll() is not None:
            self._begin()
        answer = self._ask(message, (word, output))
        if "error" in answer:
            number = int(answer["error"])
            # Only the folder has a name: that there is no room for a process is not about it.
            named = () if number in _NO_ROOM else (str(cwd),)
            raise OSError(number, os.strerror(number), *named)
        pid = int(answer["pid"])
        self._children.add(pid)
        return pid

    def reap(self, pid: int) -> int | None:
        """Kill the rest of a supervisor's group, and wait for it.

        Returns:
            What ``os.waitpid`` says of it; None if nobody knows, since its parent was killed.
        """
        if pid not in self._children:
            return None
        self._children.discard(pid)
        try:
            status: int | None = self._ask({"reap": pid}).get("status")
        except OSError:
            return None
        return status

    def close(self) -> None:
        """Let the supervisors live on without a parent."""
        self._end()
        if self._popen is not None:
            self._popen.wait()
            self._popen = None

    def _begin(self) -> None:
        self._end()  # of one that was killed, which has left its supervisors to init
        if self._popen is not None:
            self._popen.wait()
        ours, its = socket.socketpair()
        with its:
            try:
                self._popen = subprocess.Popen(
                    [sys.executable, "-I", "-S", _SUPERVISOR, str(its.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[its.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        ours.settimeout(_LONGEST)
        self._socket = ours

    def _ask(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        assert self._socket is not None
        text = json.dumps(message, ensure_ascii=False)
        if not text.isascii():
            text = json.dumps(_as_bytes(message))
        data = f"{len(text)}\n{text}".encode()
        try:
            sent = socket.send_fds(self._socket, [data], descriptors)
            self._socket.sendall(data[sent:])
            answer = b""
            while not answer.endswith(b"\n"):
                chunk = self._socket.recv(1 << 12)
                if not chunk:
                    raise ConnectionResetError("the process that starts trials was killed")
                answer += chunk
        except OSError:
            self._end()
            raise
        found: dict[str, Any] = json.loads(answer)
        return found

    def _end(self) -> None:
        self._children.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if self._popen is not None:
                self._popen.kill()  # it does nothing for anybody else


def _as_bytes(value: Any) -> Any:
    """Return the bytes that texts have for the system as JSON can hold them, one character each.

    Each text by itself: in some encodings a letter has the byte of a backslash in it.
    """
    if isinstance(value, str):
        return os.fsencode(value).decode("latin-1")
    if isinstance(value, dict):
        return {_as_bytes(key): _as_bytes(one) for key, one in value.items()}
    return [_as_bytes(one) for one in value] if isinstance(value, list) else value
