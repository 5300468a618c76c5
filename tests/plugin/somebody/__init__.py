"""A package by somebody else that adds algorithms; found through its entry points alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suggestion.engine.algorithm import register
from suggestion.engine.settings import setting
from suggestion.numerics import sampling
from suggestion.problem.errors import Cancelled, Denied, Exhausted, Unready, Violation
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study, Suggestion


@register("slow")
@dataclass(frozen=True, kw_only=True)
class Slow:
    """Random search that takes its time.

    Each call writes the number of its process to the pipe SLOW_CALLS_BEGUN, if there is one, and
    ends once there is a file SLOW_CALLS_END.
    """

    seconds: float = setting(1.0, above=0, help="How long a call takes.")
    obstinate: bool = setting(False, help="Do not look at the deadline.")

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        until = time.monotonic() + self.seconds
        if pipe := os.environ.get("SLOW_CALLS_BEGUN"):
            Path(pipe).write_text(f"{os.getpid()}\n")
        end = Path(os.environ.get("SLOW_CALLS_END", "/none"))
        while time.monotonic() < until and not end.exists():
            time.sleep(0.01)
            if not self.obstinate:
                study.deadline.check()
        return sampling.independent(study.space, study.seed, study.first_index, count)


@register("broken")
@dataclass(frozen=True, kw_only=True)
class Broken:
    """Breaks a promise."""

    how: Literal[
        "few", "many", "outside", "type", "missing", "repeat", "name", "names", "raise"
    ] = setting("few", help="Which.")

    def suggest(self, study: Study, count: int) -> Sequence[Assignment | Suggestion]:
        points = list(sampling.independent(study.space, study.seed, study.first_index, count + 1))
        first = study.space.parameters[0].name
        match self.how:
            case "few":
                return points[: count - 1]
            case "many":
                return points
            case "outside":
                return [{**point, first: 1e9} for point in points[:count]]
            case "type":
                return [{**point, first: str(point[first])} for point in points[:count]]
            case "missing":
                return [{first: point[first]} for point in points[:count]]
            case "repeat":
                return [points[0]] * count
            case "name":
                return [Suggestion(point, trial="Not_A_Label") for point in points[:count]]
            case "names":
                return [Suggestion(point, trial="one") for point in points[:count]]
        raise ZeroDivisionError("as promised")


class OutOfPaper(Exhausted):
    """A kind of error of its own, of a kind that the server knows."""


class Unspeakable(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


_FAULTS: dict[str, BaseException] = {
    "exhausted": OutOfPaper("no paper"),
    "unready": type("NoInk", (Unready,), {})("no ink"),
    "denied": type("NoKey", (Denied,), {})("no key"),
    "cancelled": Cancelled(),
    "key": KeyError("x"),
    "exit": SystemExit(3),
    "memory": MemoryError(),
    "recursion": RecursionError(),
    "stop": StopIteration(),
    "surrogate": ValueError("\ud800\x1b[31m\nforged"),
    "unspeakable": Unspeakable(),
}


@register("faulty")
@dataclass(frozen=True, kw_only=True)
class Faulty:
    """Raises something, while it validates or while it suggests."""

    what: str = setting("key", help="Which.")
    when: Literal["validate", "suggest"] = setting("validate", help="When.")

    def violations(self, study: Study) -> Iterable[Violation]:
        if self.when == "validate":
            raise _FAULTS[self.what]
        return ()

    def suggest(self, study: Study, count: int) -> Sequence[Any]:
        raise _FAULTS[self.what]
