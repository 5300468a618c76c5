"""Where reports go: the file that a collector reads, or standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

#: A metrics file for this trial, and how its lines are written: ``text`` or ``json``.
PATH: Final = "SUGGEST_METRICS_PATH"
FORMAT: Final = "SUGGEST_METRICS_FORMAT"

#: Takes the texts of one report by name, the step first if there is one.
Sink: TypeAlias = Callable[[Mapping[str, str]], None]


def sink(env: Mapping[str, str]) -> Sink:
    """Return where the reports of the trial that `env` describes go.

    Without a trial they are printed as ``name=value``, which any collector reads.
    """
    path, form = env.get(PATH, ""), env.get(FORMAT, "")
    if path and form == "json":
        return lambda texts: _append(path, json.dumps({"timestamp": _now(), **texts}))
    if path and form == "text":
        return lambda texts: _append(path, f"{_now()} {_line(texts)}")
    return lambda texts: print(_line(texts), file=sys.stdout, flush=True)


def _line(texts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={text}" for name, text in texts.items())


def _append(path: str, line: str) -> None:
    """Write a whole line in one step, so that a reader never sees a part of one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
