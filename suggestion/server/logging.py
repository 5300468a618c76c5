"""The log: one line a call on standard error, as text or JSON."""

from __future__ import annotations

import json
import logging
import time


class _Text(logging.Formatter):
    """``2026-11-21T22:40:00Z INFO GetSuggestions experiment=mnist count=3 ms=1.2 outcome=OK``."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = None

    def format(self, record: logging.LogRecord) -> str:
        facts = dict(getattr(record, "facts", {}))
        facts.pop("method", None)
        words = [self.formatTime(record), record.levelname, _escaped(record.getMessage())]
        words += [f"{key}={_shown(value)}" for key, value in facts.items()]
        lines = [" ".join(words)]
        if trace := getattr(record, "trace", ""):
            lines.append(_indented(trace))
        if record.exc_info:
            lines.append(_indented(self.formatException(record.exc_info)))
        return "\n".join(lines)


class _Json(_Text):
    """The same as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if trace := getattr(record, "trace", ""):
            entry["trace"] = trace
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _escaped(text: str) -> str:
    """Return `text` without anything that a terminal obeys, or that ends a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _indented(trace: str) -> str:
    """Return the lines of a traceback; none can be taken for a line of the log."""
    return "\n".join(f"  {_escaped(line)}" for line in trace.rstrip().split("\n"))


def _shown(value: object) -> str:
    text = str(value)
    text = text if len(text) <= 300 else f"{text[:300]}..."
    plain = text and text.isprintable() and not set(text) & set(' "=')
    return text if plain else json.dumps(text)


class _OfGrpc(logging.Filter):
    """Leaves out what gRPC logs about callers: that one has gone, and metadata that is no text.

    Each comes with a traceback of gRPC's own, and nobody can do anything about it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("ExecuteBatchError raised in core", "Invalid enc"))


def log_to_stderr(format: str) -> None:
    """Write a line a call to standard error, as ``text`` or ``json``."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format == "json" else _Text())
    logging.getLogger("grpc._cython.cygrpc").addFilter(_OfGrpc())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
