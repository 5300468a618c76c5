"""What a file of any system says, in this project's own terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suggestion.problem.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is not, or not exactly, carried over.

    Attributes:
        place: Its path in the file that is read, or the name of the parameter.
        why: What becomes of it.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


class ConversionError(ValueError):
    """A file that cannot be converted; the text has a line for each reason."""

    def __init__(self, reasons: Sequence[Loss]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("\n".join(map(str, self.reasons)))


@dataclass(frozen=True, slots=True)
class Definition:
    """An experiment, as far as a file declares it.

    Attributes:
        parameters: The search space.
        conditions: Statements of the setting ``conditions``.
        metric: Name of the objective; empty if the file has none.
        maximize: Whether more of it is better; None if the file does not say.
        target: Value of the objective at which the experiment ends, as text; may be empty.
        metrics: Names of further metrics.
        algorithm, stopping: Names as they are here; empty if the file has none.
        settings, stopping_settings: Of these, by name.
        trials, parallel, failures: Counts; None if the file does not say.
        command: Words of a trial's command, with ``${trialParameters.NAME}`` for values, if the
            file has a command and no object of Kubernetes.
        template: ``spec.trialTemplate`` as it is.
        collector: ``spec.metricsCollectorSpec`` as it is.
        extra: Other fields of today's ``spec`` that only its own files have.
    """

    name: str = ""
    parameters: tuple[Parameter, ...] = ()
    conditions: tuple[str, ...] = ()
    metric: str = ""
    maximize: bool | None = None
    target: str = ""
    metrics: tuple[str, ...] = ()
    algorithm: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    stopping: str = ""
    stopping_settings: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    parallel: int | None = None
    failures: int | None = None
    command: tuple[str, ...] = ()
    template: Mapping[str, Any] | None = None
    collector: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def aliases(names: Sequence[str]) -> dict[str, str]:
    """Return what ``${trialParameters.…}`` calls each parameter: its name without dashes before it.

    Names keep apart, and lose what a reference cannot hold.
    """
    made: dict[str, str] = {}
    for name in names:
        plain = name.lstrip("-") or name
        for letter in "{}$":
            plain = plain.replace(letter, "_")
        while plain in made.values():
            plain += "_"
        made[name] = plain
    return made


def plain_name(text: str) -> str:
    """Return a text as the name of an experiment: small letters, digits and dashes, or none."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def reference(alias: str) -> str:
    """Return what stands for the value of a parameter in a command."""
    return f"${{trialParameters.{alias}}}"


def quoted(name: str) -> str:
    """Return a parameter's name as the language of conditions writes it."""
    return name if name.isidentifier() and name not in _WORDS else f"`{name}`"


_WORDS = frozenset({"and", "or", "not", "in", "if"})
