"""What a file of any system says, in this project's own terms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
        metadata: ``namespace``, ``labels`` and ``annotations`` of an object of Kubernetes.
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
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def space_only(self, losses: list[Loss], where: str) -> None:
        """Say, once, that all beside the parameters and their conditions is left out.

        Args:
            where: What holds only a search space.
        """
        left = [subject for subject, given in self._subjects() if given and subject != "conditions"]
        if left:
            why = f"{where} only a search space; left out are {', '.join(left)}"
            losses.append(Loss("the experiment", why))

    def lose(self, losses: list[Loss], why: str, *held: str) -> None:
        """Say of everything beside the parameters that it is left out, unless it is `held`.

        Args:
            why: What the system lacks; for settings, their names follow.
            held: Subjects that the system has; ``objective`` is the metric and its direction.
        """
        for subject, given in self._subjects():
            if given and subject not in held:
                listed = isinstance(given, Mapping) or given is self.metrics
                named = f": {', '.join(given)}" if listed else ""  # type: ignore[arg-type]
                losses.append(Loss(subject, f"{why}{named}"))

    def _subjects(self) -> Iterator[tuple[str, object]]:
        yield "name", self.name
        yield from ((f"metadata.{key}", bool(value)) for key, value in self.metadata.items())
        yield "objective", self.metric
        yield "goal", self.target
        yield "additionalMetricNames", self.metrics
        yield "algorithm", self.algorithm
        yield "algorithm settings", self.settings
        yield "conditions", self.conditions
        yield "earlyStopping", self.stopping
        yield "earlyStopping settings", self.stopping_settings
        yield "maxTrialCount", self.trials
        yield "parallelTrialCount", self.parallel
        yield "maxFailedTrialCount", self.failures is not None
        yield "trialTemplate", bool(self.template or self.command)
        yield "metricsCollectorSpec", bool(self.collector)
        yield from ((key, bool(value)) for key, value in self.extra.items())


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
