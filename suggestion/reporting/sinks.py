"""Where reports go: the file that a collector reads, or standard output."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # `typing` and its like would cost each trial some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A metrics file for this trial, and how its lines are written: ``text`` or ``json``.
PATH = "SUGGEST_METRICS_PATH"
FORMAT = "SUGGEST_METRICS_FORMAT"


def sink(env: Mapping[str, str]) -> Callable[[Mapping[str, str]], None]:
    """Return where the reports of the trial that `env` describes go.

    It takes the texts of one report by name, the step first if there is one.

    Without a trial they are printed as ``name=value``, which any collector reads.

    Raises:
        TypeError: When called, if a line of text cannot hold the name of a metric.
    """
    path, form = env.get(PATH, ""), env.get(FORMAT, "")
    if path and form == "json":
        import json  # noqa: PLC0415

        return lambda texts: _append(path, json.dumps({"timestamp": _now(), **texts}))
    if path and form == "text":
        return lambda texts: _append(path, f"{_now()} {_line(texts)}")
    return lambda texts: print(_line(texts), file=sys.stdout, flush=True)


def _line(texts: Mapping[str, str]) -> str:
    for name in texts:
        if "=" in name or " " in name:
            raise TypeError(f"metric {name!r}: a name in a line of text has no '=' and no blanks")
    return " ".join(f"{name}={text}" for name, text in texts.items())


def _append(path: str, line: str) -> None:
    """Write a whole line in one step, so that a reader never sees a part of one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def _now() -> str:
    """Return the time in RFC 3339."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{date}.{nanoseconds // 1000:06}Z"
