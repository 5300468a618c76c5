"""Why a trial has no value of the objective: what was read instead, and what would read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from suggestion.client.document import Collector as Settings
from suggestion.collectors.lines import Parser, text_parser
from suggestion.controller.files import open_own
from suggestion.controller.shown import one_line, plain
from suggestion.problem.errors import quote

# Of a file, and of a line of it, that are looked at.
_MOST_BYTES: Final = 8 * 1024 * 1024
_MOST_CHARACTERS: Final = 1000
# Names that are listed.
_MOST_NAMES: Final = 8

_NUMBER: Final = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?)"
#: Filters for what programs print, the likeliest first.
_FILTERS: Final = (
    rf"([\w|-]+)\s*[:=]\s*{_NUMBER}",
    rf"([\w|/.-]+)\s*[:=]\s*{_NUMBER}",
    rf"['\"]([\w|/.-]+)['\"]\s*[:=]\s*['\"]?{_NUMBER}",
    rf"['\"]([\w|/.-]+)['\"]\s*:\s*\[(?:[^\]]*,)?\s*{_NUMBER}\s*\]",
    rf"([\w|/.-]+)\s+(?:is|was|of)?\s*{_NUMBER}",
)
_NAMES: Final = re.compile(
    # Possessive, so that a long word is read once: this runs in the only loop.
    r"(?<![\w|/.-])(?=[\w|/.-]*?[A-Za-z_])([\w|/.-]++)['\"]?\s*[=:]\s*\[?[+-]?\.?\d"
)


def explain_lines(output: Path, path: Path | None, settings: Settings, objective: str) -> str:
    """Explain a trial that writes lines of text or JSON.

    Args:
        output: The file that takes what it prints.
        path: Its metrics file; None if what it prints is read.
        objective: Name of the metric that is missing.
    """
    printed = _lines(output, output.parent)
    if path is None:
        return _text(printed or [], "it printed nothing", settings.filters, objective)
    lines = _lines(path, output.parent)
    if lines is None:
        return f"the file {settings.path} never appeared{_printed(printed, objective)}"
    empty = f"the file {settings.path} is empty"
    if settings.json:
        return _json(lines, empty, objective) + _printed(printed, objective)
    return _text(lines, empty, settings.filters, objective) + _printed(printed, objective)


def _lines(path: Path, root: Path) -> list[str] | None:
    """Return the lines at the beginning of a file; None if there is no file."""
    file = open_own(path, root)
    if file is None:
        return None
    with file:
        text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    lines = (plain(line[:_MOST_CHARACTERS]).strip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if line]


def printed(output: Path, objective: str) -> str:
    """Tell of a value that a trial has printed, though it is read elsewhere, or tell nothing."""
    return _printed(_lines(output, output.parent), objective)


def _printed(printed: Sequence[str] | None, objective: str) -> str:
    """Tell of a value that the trial has printed, though it is read elsewhere."""
    found = _first(printed or (), text_parser((objective,)))
    if found is None:
        return ""
    return f"; it printed {_shown(found[1])}, which the collector StdOut would read"


def _text(lines: Sequence[str], empty: str, filters: Sequence[str], objective: str) -> str:
    if not lines:
        return empty
    what = "the filter" if filters else "the default filter, name=value"
    said = f"{_count(lines)} read, none matched {what}"
    holding = _mention(lines, objective)
    if holding is None:
        return said + instead(name for line in lines for name in _NAMES.findall(line))
    number, line = holding
    said += f"; line {number} holds the name: {_shown(line)}"
    single = tuple(text.replace("\\\\", "\\") for text in filters)
    if single != tuple(filters) and _matches(single, line, objective):
        return f"{said}; with single backslashes the filter matches it: {single[0]}"
    for text in _FILTERS:
        if _matches((text,), line, objective):
            return f"{said}; this metricsFormat matches it: {text}"
    return said


def _matches(filters: Sequence[str], line: str, objective: str) -> bool:
    try:
        return any(True for _ in text_parser((objective,), filters)(line))
    except ValueError:  # one of them is no filter
        return False


def _first(lines: Iterable[str], parse: Parser) -> tuple[int, str] | None:
    """Return number and text of the first line in which `parse` finds something."""
    return next(
        ((n, line) for n, line in enumerate(lines, 1) if any(True for _ in parse(line))), None
    )


def _mention(lines: Sequence[str], objective: str) -> tuple[int, str] | None:
    """Return number and text of the first line that holds the name with a digit behind it."""
    word = re.compile(rf"(?<![\w|-]){re.escape(objective)}(?![\w|-])")
    holding = [(n, line) for n, line in enumerate(lines, 1) if word.search(line)]
    with_number = (pair for pair in holding if re.search(r"\d", word.split(pair[1], 1)[1]))
    return next(with_number, holding[0] if holding else None)


def _json(lines: Sequence[str], empty: str, objective: str) -> str:
    if not lines:
        return empty
    entries = [entry for line in lines if isinstance(entry := _parsed(line), dict)]
    if not entries:
        whole = _parsed("".join(lines))
        if isinstance(whole, dict | list):
            holds = (
                f", and holds {objective}" if isinstance(whole, dict) and objective in whole else ""
            )
            return (
                f"the file is one JSON document over {_count(lines)}{holds}; "
                "one object in each line is read"
            )
        return f"{_count(lines)} read, none is a JSON object"
    for entry in entries:
        if objective in entry:
            got = _shown(str(entry[objective]))
            return f"{_count(lines)} read; {objective} must be a number, got {got}"
    return f"{_count(lines)} read, none has the key" + instead(
        k for entry in entries for k in entry
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def instead(names: Iterable[str]) -> str:
    """List the names that were found in place of the one looked for, as the end of a sentence."""
    known = list(dict.fromkeys(names))
    if not known:
        return ""
    more = ", ..." if len(known) > _MOST_NAMES else ""
    return f"; found instead: {', '.join(map(_shown_name, known[:_MOST_NAMES]))}{more}"


def _shown_name(name: str) -> str:
    return one_line(name, 60)


def _shown(line: str) -> str:
    return quote(one_line(line, 75))


def _count(lines: Sequence[str]) -> str:
    return "1 line" if len(lines) == 1 else f"{len(lines)} lines"
