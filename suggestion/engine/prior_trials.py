"""The setting ``prior_trials``: trials of earlier studies, by columns.

``{"mnist": {"parameters": {"lr": [0.1, 0.01], "optimizer": ["sgd", "adam"]},
"values": [0.31, null], "metrics": {"latency": [3.5, null]}, "goal": "minimize"}}``
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, repeat
from typing import Any, Final

from suggestion.engine import documents
from suggestion.engine.declared import PRIOR_TRIALS
from suggestion.engine.documents import Pairs, shown
from suggestion.problem.deadline import NEVER, watched
from suggestion.problem.earlier import MOST_STUDIES, MOST_TRIALS, EarlierStudy, EarlierTrial
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.parameters import LONGEST_NAME
from suggestion.problem.problem import Goal
from suggestion.problem.spelling import likely_meant

#: Limits of the setting: its characters, and objects and lists in it.
LONGEST_TEXT: Final = 4_000_000
MOST_LISTS: Final = 200_000
#: Largest number of rules that a message names of one study.
MOST_TOLD: Final = 20

_KEYS: Final = ("parameters", "values", "metrics", "goal")

Refuse = Callable[[str], None]


def read(
    shared: Mapping[str, tuple[int, str]], check: Callable[[], None] = NEVER.check
) -> tuple[EarlierStudy, ...]:
    """Return the earlier studies that the setting holds.

    Args:
        shared: As `declared.given` returns them.
        check: Called between columns and trials; what it raises ends the reading.

    Raises:
        Invalid: With everything that is wrong with them, of a column the first wrong entry.
    """
    if PRIOR_TRIALS.name not in shared:
        return ()
    place, text = shared[PRIOR_TRIALS.name]
    location = ("settings", place, "value")
    setting = f"setting {quote(PRIOR_TRIALS.name)}"
    try:
        given = _parse(text)
    except ValueError as error:
        raise Invalid([Violation(location, f"{setting}: {error}")]) from error
    found = Violations()
    made = []
    for name, entry in given:
        subject = f"{setting}, study {quote(name)}"
        wrong: list[str] = []
        if not 0 < len(name) <= LONGEST_NAME:
            wrong.append(f"its name must have 1 to {LONGEST_NAME} characters, got {len(name)}")
        trials, goal = _study(entry, wrong.append, check)
        found += [Violation(location, f"{subject}: {rule}") for rule in wrong[:MOST_TOLD]]
        made.append(EarlierStudy(name, trials, goal, location, subject))
    if found:
        raise Invalid(found)
    return tuple(made)


def write(earlier: Sequence[EarlierStudy]) -> str:
    """Return the setting that holds `earlier`; `read` returns the same trials, without names."""
    made = {}
    for study in earlier:
        names = dict.fromkeys(name for trial in study.trials for name in trial.texts)
        entry: dict[str, Any] = {
            "parameters": {
                name: [trial.texts.get(name) for trial in study.trials] for name in names
            },
            "values": [trial.value for trial in study.trials],
        }
        metrics = dict.fromkeys(name for trial in study.trials for name in trial.metrics)
        if metrics:
            entry["metrics"] = {
                name: [trial.metrics.get(name) for trial in study.trials] for name in metrics
            }
        if study.goal is not None:
            entry["goal"] = study.goal.value
        made[study.name] = entry
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False)


def _parse(text: str) -> Pairs:
    """Return the studies that `text` writes by name.

    Raises:
        ValueError: With the rule that it breaks.
    """
    # Before they are made: a million empty lists take much more memory than their text.
    lists = text.count("[") + text.count("{") if len(text) <= LONGEST_TEXT else 0
    if lists > MOST_LISTS:
        raise ValueError(f"must hold at most {MOST_LISTS} lists and objects, got {lists}")
    given = documents.parse(text, LONGEST_TEXT, "a JSON object of studies")
    if not isinstance(given, Pairs):
        raise ValueError(f"must be a JSON object of studies, got {quote(text)}")
    if not given:
        raise ValueError("must hold a study, got {}")
    if len(given) > MOST_STUDIES:
        raise ValueError(f"must hold at most {MOST_STUDIES} studies, got {len(given)}")
    return given


def _study(
    entry: Any, refuse: Refuse, check: Callable[[], None]
) -> tuple[Sequence[EarlierTrial], Goal | None]:
    """Return trials and goal of one study; what is wrong is refused, and left out."""
    if not isinstance(entry, Pairs):
        refuse(f"must be an object with {', '.join(map(quote, _KEYS[:2]))}, got {shown(entry)}")
        return (), None
    for name in _repeated(entry):
        refuse(f"a name must not come twice, got {quote(name)}")
    parts = dict(entry)
    for name in islice((name for name in parts if name not in _KEYS), MOST_TOLD):
        meant = likely_meant(name, _KEYS)
        hint = f"; did you mean {quote(meant)}?" if meant else ""
        refuse(f"has {', '.join(map(quote, _KEYS))}, got {quote(name)}{hint}")
    for name in _KEYS[:2]:
        if name not in parts:
            refuse(f"must have {quote(name)}, got none")
    goal = None
    if "goal" in parts:
        goals = {each.value: each for each in Goal}
        known = parts["goal"]
        goal = goals.get(known) if isinstance(known, str) else None
        if goal is None:
            refuse(f"goal must be {' or '.join(goals)}, got {shown(known)}")
    values = _values(parts["values"], refuse) if "values" in parts else None
    metrics = _metrics(parts["metrics"], refuse, check) if "metrics" in parts else {}
    columns = _columns(parts["parameters"], refuse, check) if "parameters" in parts else {}
    if values is None or not columns:
        return (), goal
    lengths = [("parameter", name, len(column)) for name, column in columns.items()]
    lengths += [("metric", name, len(column)) for name, column in metrics.items()]
    wrong = [each for each in lengths if each[2] != len(values)]
    for kind, name, length in wrong:
        rule = f"must have as many entries as there are values, {len(values)}"
        refuse(f"{kind} {quote(name)} {rule}, got {length}")
    if wrong:
        return (), goal
    rows = zip(*columns.values(), strict=True)
    told = zip(*metrics.values(), strict=True) if metrics else repeat((), len(values))
    trials = [
        EarlierTrial(
            {n: t for n, t in zip(columns, row, strict=True) if t is not None},
            value,
            metrics={n: x for n, x in zip(metrics, others, strict=True) if x is not None},
        )
        for row, value, others in watched(zip(rows, values, told, strict=True), check)
    ]
    return trials, goal


def _repeated(pairs: Pairs) -> list[str]:
    return [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]


def _metrics(
    given: Any, refuse: Refuse, check: Callable[[], None]
) -> dict[str, list[float | None]]:
    if not isinstance(given, Pairs):
        refuse(f"metrics must be an object of lists by name, got {shown(given)}")
        return {}
    for name in _repeated(given):
        refuse(f"a metric must not be named twice, got {quote(name)}")
    made = {}
    for name, column in watched(given, check, 1):
        subject = f"metric {quote(name)}: "
        found = _values(column, lambda rule, subject=subject: refuse(f"{subject}{rule}"))  # type: ignore[misc]
        if found is not None:
            made[name] = found
    return made


def _values(given: Any, refuse: Refuse) -> list[float | None] | None:
    if not isinstance(given, list):
        refuse(f"values must be a list of numbers, got {shown(given)}")
        return None
    if len(given) > MOST_TRIALS:
        refuse(f"must have at most {MOST_TRIALS} values, got {len(given)}")
        return None
    made: list[float | None] = []
    wrong = None
    for number, each in enumerate(given, 1):
        value = None if each is None else _number(each)
        if each is not None and value is None and wrong is None:
            wrong = f"value {number} must be a finite number, or null, got {shown(each)}"
        made.append(value)
    if wrong is not None:
        refuse(wrong)
    return made


def _columns(given: Any, refuse: Refuse, check: Callable[[], None]) -> dict[str, list[str | None]]:
    if not isinstance(given, Pairs) or not given:
        refuse(f"parameters must be an object of lists by name, got {shown(given)}")
        return {}
    for name in _repeated(given):
        refuse(f"a parameter must not be named twice, got {quote(name)}")
    made: dict[str, list[str | None]] = {}
    for name, column in watched(given, check, 1):
        if not isinstance(column, list):
            refuse(f"parameter {quote(name)} must have a list of values, got {shown(column)}")
            continue
        if len(column) > MOST_TRIALS:
            rule = f"must have at most {MOST_TRIALS} entries"
            refuse(f"parameter {quote(name)} {rule}, got {len(column)}")
            continue
        texts = []
        wrong = None
        for number, each in enumerate(column, 1):
            text = each if each is None or isinstance(each, str) else _text(each)
            if each is not None and text is None and wrong is None:
                rule = "must be a finite number, a text or null"
                wrong = f"parameter {quote(name)}, entry {number} {rule}, got {shown(each)}"
            texts.append(text)
        if wrong is not None:
            refuse(wrong)
        made[name] = texts
    return made


def _number(given: Any) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(given: Any) -> str | None:
    """Return a finite number as text; None for anything else."""
    return None if _number(given) is None else repr(given)
