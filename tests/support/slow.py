"""Calls of the plug-in's algorithm ``slow``, which say that they have begun and end when told."""

from __future__ import annotations

import os
import select
from pathlib import Path

from suggestion.api.v1beta1 import api_pb2 as api
from tests.support.requests import ask_for, experiment

#: Longer than any test: what ends before has been ended.
FOREVER = 600.0


def slow_request(seconds: float = FOREVER, **settings: str) -> api.GetSuggestionsRequest:
    return ask_for(experiment("slow", settings={"seconds": str(seconds), **settings}))


class SlowCalls:
    """The calls of a server that has `environment`.

    A test that slept until a call has begun would fail on a machine slower than it supposed.
    """

    def __init__(self, folder: Path) -> None:
        self._begun = folder / "begun"
        self._end = folder / "end"
        os.mkfifo(self._begun)
        self._reading = os.open(self._begun, os.O_RDWR)  # there is a reader before the first writer
        self.environment = {"SLOW_CALLS_BEGUN": str(self._begun), "SLOW_CALLS_END": str(self._end)}

    def begun(self, seconds: float = 60) -> int:
        """Wait until one more call has begun to compute; return the process that computes it."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        assert ready, f"no call has begun within {seconds} s"
        digits = b""
        while (digit := os.read(self._reading, 1)) != b"\n":
            digits += digit
        return int(digits)

    def end(self) -> None:
        """Let those that compute have their suggestions, and later ones at once."""
        self._end.touch()

    def close(self) -> None:
        os.close(self._reading)
