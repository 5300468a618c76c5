"""The argument ``learn_from``: what earlier experiments and studies tell the algorithm."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument

if TYPE_CHECKING:
    from suggestion.problem.earlier import EarlierStudy
    from suggestion.problem.space import SearchSpace
    from suggestion.tuning.objectives import Objective
    from suggestion.tuning.result import Result
    from suggestion.tuning.stored import Record
    from suggestion.tuning.study import Study

#: An earlier experiment: its directory, its result, or a study.
Source: TypeAlias = "str | os.PathLike[str] | Result | Study"
#: What `learn_from` takes.
LearnFrom: TypeAlias = "Source | Sequence[Source] | None"

_ARGUMENT: Final = "learn_from"


@dataclass(frozen=True, slots=True)
class Learned:
    """What an experiment learns from.

    Attributes:
        names: Of the sources: directories, and names of studies.
        text: Their trials, as the setting ``prior_trials``; empty without any.
    """

    names: tuple[str, ...] = ()
    text: str = ""


def learn(
    given: LearnFrom,
    objective: Objective,
    space: SearchSpace,
    directory: str | os.PathLike[str] | None = None,
) -> Learned:
    """Return the trials that the sources hold.

    Args:
        objective: What is optimised; the main objective must be that of the sources too.
        space: What is learned about.
        directory: Of the new experiment; if it has begun, it holds the trials already.

    Raises:
        InvalidArgument: With every source that nothing can be learned from.
    """
    sources = _sources(given)
    if not sources:
        return Learned()
    from suggestion.engine import prior_trials  # noqa: PLC0415
    from suggestion.problem.earlier import studies  # noqa: PLC0415
    from suggestion.problem.errors import Invalid  # noqa: PLC0415
    from suggestion.problem.locations import dotted  # noqa: PLC0415
    from suggestion.problem.problem import Metric, Problem  # noqa: PLC0415
    from suggestion.runner import learning  # noqa: PLC0415

    broken: list[BrokenRule] = []
    names: dict[int, str] = {}
    for index, source in enumerate(sources):
        try:
            names[index] = _name(source)
        except learning.CannotLearn as error:
            broken.append(BrokenRule(f"{_ARGUMENT}[{index}]", str(error)))
    if directory is not None and (kept := learning.kept(Path(directory))) is not None:
        if broken:
            raise InvalidArgument(broken)
        return Learned(tuple(names.values()), kept)
    found: list[EarlierStudy] = []
    for index in names:
        source = sources[index]
        try:
            found.append(replace(_read(source, objective), location=(_ARGUMENT, index)))
        except learning.CannotLearn as error:
            broken.append(BrokenRule(f"{_ARGUMENT}[{index}]", str(error)))
    found = learning.named(found)
    try:
        studies(found, Problem("learning", space, (Metric(objective.metric),)))
    except Invalid as error:
        broken += [BrokenRule(dotted(v.location), v.description) for v in error.violations]
    if broken:
        raise InvalidArgument(broken)
    return Learned(tuple(names.values()), prior_trials.write(found))


def told(
    name: str, records: Sequence[Record], objective: Objective, metric: str, others: Sequence[str]
) -> EarlierStudy:
    """Return what a study tells others: see `Study.earlier`.

    Args:
        name, records, objective: Of the study.
        metric, others: What they learn about.

    Raises:
        CannotLearn: If the study has another objective, or no value of it.
    """
    from suggestion.problem.earlier import EarlierTrial  # noqa: PLC0415
    from suggestion.runner import learning  # noqa: PLC0415

    learning.expect(objective.metric, metric)
    found = []
    for record in records:
        if record.state.ended:
            known = {n: v for n, v in (record.metrics or {}).items() if n in others}
            finite = {n: v for n, v in known.items() if math.isfinite(v)}
            found.append(EarlierTrial(record.texts, record.value, metrics=finite))
    return learning.study(name, found, metric, objective.maximize)


def _sources(given: LearnFrom) -> list[Source]:
    if given is None:
        return []
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [*given]
    return [given]


def _name(source: Source) -> str:
    from suggestion.runner import learning  # noqa: PLC0415
    from suggestion.tuning.result import Result  # noqa: PLC0415
    from suggestion.tuning.study import Study  # noqa: PLC0415

    if isinstance(source, Study):
        return source.name
    if isinstance(source, Result):
        source = source.directory
    if not isinstance(source, str | os.PathLike):
        rule = f"must be a directory, a Result or a Study, or a list of them, got {source!r:.80}"
        raise learning.CannotLearn(rule)
    return str(Path(source).resolve())


def _read(source: Source, objective: Objective) -> EarlierStudy:
    """Return the trials of one source.

    Raises:
        CannotLearn: If they are of another objective, or none has a value.
    """
    from suggestion.runner import learning  # noqa: PLC0415
    from suggestion.tuning.study import Study  # noqa: PLC0415

    if isinstance(source, Study):
        return source.earlier(objective.metric, objective.additional)
    return learning.read(Path(_name(source)), objective.metric, others=objective.additional)
