"""The argument ``learn_from``: what earlier experiments and studies tell the algorithm."""

from __future__ import annotations

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
