"""The processes above trials: ``python -I -S supervisor.py SOCKET``.

One process starts for a runner, and forks a supervisor for each trial: starting Python anew took
60 ms a trial, as long as many a small trial itself; a fork takes 2. It answers the messages of
`suggestion.runtimes.process.nursery` on the socket that it inherits, one at a time, and ends with
the runner. The supervisors live on.

A supervisor waits for a word on its standard input, so that nothing runs before the runner has
stored it. It outlives a runner that dies, and leaves the command's exit status in a file; if the
runner dies before that word, the file says that nothing has begun.

What the command starts ends with it. For that the supervisor is a subreaper: a process whose parent
ends becomes its child, also one in a session of its own, as ``setsid`` makes it, where no signal to
a session or group arrives. Python has no function for prctl, hence ctypes; without it, orphans go
to init.

This file imports nothing of this project, since that would take longer than the first trial.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

try:
    import ctypes

    _libc: ctypes.CDLL | None = ctypes.CDLL(None)
except (ImportError, OSError):
    _libc = None

_PR_SET_CHILD_SUBREAPER = 36
#: What ends a session; the process that forks ends with its runner instead.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(runner: socket.socket) -> None:
    """Do what `runner` asks until it has gone."""
    # Blocked, not ignored: a supervisor that has just been forked still gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while True:
        message, descriptors = _receive(runner)
        if message is None:
            return
        answer: dict[str, int | None]
        try:
            if "reap" in message:
                answer = {"status": _reap(message["reap"])}
            else:
                answer = {"pid": _fork(runner, message, *descriptors)}
        except OSError as error:
            answer = {"error": error.errno}
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        runner.sendall(json.dumps(answer).encode() + b"\n")


def _receive(runner: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Read a message: its length in a line, JSON of that length, and descriptors with the first."""
    data, descriptors, _, _ = socket.recv_fds(runner, 1 << 16, 2)
    if not data:
        return None, []
    length, _, text = data.partition(b"\n")
    chunks, missing = [text], int(length) - len(text)
    while missing > 0:
        chunks.append(runner.recv(min(missing, 1 << 20)))
        missing -= len(chunks[-1])
        if not chunks[-1]:
            return None, []
    # A character stands for a byte of what the runner has sent.
    message: dict[str, Any] = json.loads(b"".join(chunks).decode("latin-1"))
    return message, descriptors


def _fork(runner: socket.socket, message: dict[str, Any], word: int, output: int) -> int:
    """Begin a supervisor, in a session of its own; return its number.

    Raises:
        OSError: If the folder cannot be entered, or the machine has no room for a process.
    """
    folder = os.open(_bytes(message["cwd"]), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.stat(".", dir_fd=folder)  # it may be entered
        pid = os.fork()
    except OSError:
        os.close(folder)
        raise
    if pid:
        os.close(folder)
        return pid
    code = 126
    try:
        os.setsid()
        runner.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        for descriptor, standard in ((word, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, standard)
        os.fchdir(folder)
        for descriptor in {word, output, folder}:
            os.close(descriptor)
        env = {_bytes(name): _bytes(value) for name, value in message["env"].items()}
        argv = [_bytes(argument) for argument in message["argv"]]
        code = supervise(_bytes(message["status"]), argv, env)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "backslashreplace"))
    finally:
        os._exit(code)


def _bytes(text: str) -> bytes:
    """Return the bytes of a name or an argument that `nursery` has sent."""
    return text.encode("latin-1")


def _reap(pid: int) -> int:
    """Kill the rest of a supervisor's group, and wait for it; return what ``waitpid`` says.

    As long as nobody has waited for it, its number can only be its own group's.
    """
    with suppress(ProcessLookupError, PermissionError):  # it has ended, or runs as another user
        os.killpg(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def supervise(status: bytes, argv: list[bytes], env: dict[bytes, bytes]) -> int:
    """Wait for the word, run the command `argv`, and return its exit status."""
    if not os.read(0, 16):
        _leave(status, "unbegun")
        return 125
    _adopt_orphans()
    for number in _ENDING:
        # A signal to the session must not end this process before its command. A handler, unlike
        # an ignored signal, is not handed down to the command.
        signal.signal(number, lambda *_: None)
    try:
        code = _wait(_begin(argv, env))
    except Exception as error:
        code = _refused(argv[0], error)
    _leave(status, str(code))
    _end_children()
    return code


def _adopt_orphans() -> None:
    if _libc is not None:
        with suppress(AttributeError):
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _begin(argv: list[bytes], env: dict[bytes, bytes]) -> int:
    """Start the command as a shell does it; return its number.

    Raises:
        OSError: If there is no such program, or it cannot be run.
    """
    refusal: OSError | None = None
    for path in _candidates(argv[0], env):
        try:
            # Before a process is made for it, which whoever kills the command would take for that.
            os.stat(path)
            if not os.access(path, os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return _spawn(path, argv, env)
        except (FileNotFoundError, NotADirectoryError) as error:
            missing = error
        except OSError as error:
            if error.errno == errno.ENOEXEC:  # a script that names no interpreter
                return _spawn(b"/bin/sh", [b"sh", path, *argv[1:]], env)
            refusal = refusal or error
    raise refusal or missing


def _candidates(program: bytes, env: dict[bytes, bytes]) -> list[bytes]:
    if os.path.dirname(program):
        return [program]
    folders = env.get(b"PATH", os.defpath.encode()).split(b":")
    return [os.path.join(folder, program) for folder in folders]


def _spawn(path: bytes, argv: list[bytes], env: dict[bytes, bytes]) -> int:
    # Without a copy of this process, unlike a fork. What Python ignores, programs expect to end
    # them.
    return os.posix_spawn(
        path,
        argv,
        env,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def _refused(program: bytes, error: Exception) -> int:
    """Say why a command cannot be run, and return the status that a shell has for it."""
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    reason = "not found" if missing else getattr(error, "strerror", None) or str(error)
    os.write(2, program + f": {reason}\n".encode("utf-8", "backslashreplace"))
    return 127 if missing else 126


def _wait(child: int) -> int:
    """Wait for the command, and meanwhile for orphans; return its status as shells have it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _leave(path: bytes, text: str) -> None:
    """Write the status file, whole or not at all."""
    fresh = path + b".new"
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)
        os.replace(fresh, path)
    except OSError:
        pass  # a full disk; the runner has this process's exit status, if it still runs


def _end_children() -> None:
    """Kill what the command has left, and what becomes a child of this process by that."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:  # as after most commands: /proc need not be read
            return
        killed = False
        for pid in _children():
            try:
                os.kill(pid, signal.SIGKILL)
                killed = True
            except OSError:
                pass  # it runs as another user, or has just ended
        try:
            # Without anything that could be killed, only what has ended is waited for.
            pid, _ = os.waitpid(-1, 0 if killed else os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _children() -> list[int]:
    own = str(os.getpid()).encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = file.read().rpartition(b")")[2].split()[1]
            except OSError:
                continue
            if parent == own:
                found.append(int(name))
    return found


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
