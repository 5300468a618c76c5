"""The process above a trial: ``python -I -S supervisor.py STATUS COMMAND...``.

It waits for a word on its standard input, so that nothing runs before the runner has stored it. It
outlives a runner that dies, and leaves the command's exit status in the file STATUS; if the runner
dies before that word, the file says that nothing has begun.

What the command starts ends with it. For that it is a subreaper: a process whose parent ends
becomes its child, also one in a session of its own, as ``setsid`` makes it, where no signal to a
session or group arrives. Python has no function for prctl, hence ctypes; without it, orphans go to
init.

It imports little and nothing of this project: each trial waits for it.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command of the command line; return its exit status."""
    status, argv = sys.argv[1], sys.argv[2:]
    if not sys.stdin.buffer.readline():
        _leave(status, "unbegun")
        return 125
    _adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A signal to the session must not end this process before its command. A handler, unlike
        # an ignored signal, is not handed down to the command.
        signal.signal(number, lambda *_: None)
    child = os.fork()
    if child == 0:
        _become(argv)
    code = _wait(child)
    _leave(status, str(code))
    _end_children()
    return code


def _adopt_orphans() -> None:
    try:
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def _become(argv: list[str]) -> None:
    """Replace this process by the command, as a shell does it, and with a shell's exit statuses."""
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        # What Python ignores, programs expect to end them.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(argv[0], argv)
        except OSError as error:
            import errno  # noqa: PLC0415

            if error.errno != errno.ENOEXEC:
                raise
            import shutil  # noqa: PLC0415

            os.execv("/bin/sh", ["sh", shutil.which(argv[0]) or argv[0], *argv[1:]])
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "not found" if missing else error.strerror
        os.write(2, f"{argv[0]}: {reason}\n".encode("utf-8", "backslashreplace"))
        os._exit(127 if missing else 126)
    except BaseException as error:
        os.write(2, f"{argv[0]}: {error}\n".encode("utf-8", "backslashreplace"))
        os._exit(126)


def _wait(child: int) -> int:
    """Wait for the command, and meanwhile for orphans; return its status as shells have it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _leave(path: str, text: str) -> None:
    """Write the status file, whole or not at all."""
    fresh = f"{path}.new"
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
    sys.exit(main())
