"""Reports for people and programs, and the list of all checks."""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from suggestion.conformance import evidence
from suggestion.conformance.check import Check, Level, Outcome, Result, Service

_STYLES: Final = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_RUN: "yellow",
    Outcome.NOT_APPLICABLE: "dim",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a run.

    Attributes:
        targets: Address that was checked, by service.
        algorithm: Empty if no Suggestion server was checked.
    """

    targets: dict[Service, str]
    algorithm: str
    level: Level
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(result.outcome is outcome for result in self.results)

    @property
    def status(self) -> int:
        """The exit status. 0: every applicable check passed; 1: one failed; 3: none failed, one was
        not run.
        """
        if self.count(Outcome.FAILED):
            return 1
        if self.count(Outcome.NOT_RUN) or not self.count(Outcome.PASSED):
            return 3
        return 0

    @property
    def title(self) -> str:
        """What was checked, in one line."""
        where = ", ".join(f"{s.value} server {target}" for s, target in self.targets.items())
        what = f" ({self.algorithm})" if self.algorithm else ""
        return f"{where}{what}, level {self.level.value}"

    @property
    def summary(self) -> str:
        """Numbers of outcomes, in one line."""
        seconds = sum(result.seconds for result in self.results)
        parts = [f"{self.count(o)} {o.value}" for o in Outcome if self.count(o)]
        return f"{', '.join(parts)}, in {seconds:.0f} s"


def _times(result: Result) -> tuple[str, str, str]:
    if not result.times:
        return "", "", ""
    return (
        str(len(result.times)),
        f"{statistics.median(result.times) * 1e3:.0f}",
        f"{max(result.times) * 1e3:.0f}",
    )


# ------------------------------------------------------------------------ text


def print_text(report: Report, file: IO[str] | None = None) -> None:
    """Print a table of all checks, then each failure with request, reply and rule."""
    file = file or sys.stdout
    console = Console(file=file, width=None if file.isatty() else 100, highlight=False)
    table = Table(title=escape(report.title), title_justify="left")
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("calls", justify="right")
    table.add_column("median ms", justify="right")
    table.add_column("slowest ms", justify="right")
    table.add_column("note", overflow="fold")
    for result in report.results:
        note = "" if result.outcome is Outcome.FAILED else result.reason
        if result.outcome is Outcome.FAILED:
            note = "see below"
        style = _STYLES[result.outcome]
        table.add_row(
            result.check.id,
            f"[{style}]{result.outcome.value}[/]",
            *_times(result),
            escape(note),
        )
    console.print(table)
    for result in report.results:
        if result.outcome is Outcome.FAILED:
            console.print(f"\n[bold red]{result.check.id}[/]: {escape(result.check.sentence)}")
            console.print(f"  {escape(result.reason)}", soft_wrap=True)
            if result.call is not None:
                console.print(escape(evidence.brief(result.call)), soft_wrap=True, style="dim")
    console.print(f"\n{report.summary}")


# -------------------------------------------------------------------- markdown


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def markdown(report: Report) -> str:
    """Return the table and the failures as Markdown."""
    lines = [
        f"# Conformance: {report.title}",
        "",
        report.summary + ".",
        "",
        "| check | level | result | calls | median ms | slowest ms | note |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for result in report.results:
        cells = (
            f"`{result.check.id}`",
            result.check.level.value,
            result.outcome.value,
            *_times(result),
            _cell(result.reason),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for result in report.results:
        if result.outcome is Outcome.FAILED:
            lines += ["", f"## {result.check.id}", "", result.check.sentence, "", result.reason]
            if result.call is not None:
                lines += ["", "```", evidence.brief(result.call), "```"]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------ json


def as_json(report: Report) -> str:
    """Return everything as JSON."""
    return (
        json.dumps(
            {
                "targets": {s.value: target for s, target in report.targets.items()},
                "algorithm": report.algorithm,
                "level": report.level.value,
                "status": report.status,
                "results": [
                    {
                        "id": result.check.id,
                        "service": result.check.service.value,
                        "level": result.check.level.value,
                        "sentence": result.check.sentence,
                        "outcome": result.outcome.value,
                        "reason": result.reason,
                        "seconds": round(result.seconds, 4),
                        "answerSeconds": [round(seconds, 5) for seconds in result.times],
                        **(
                            {
                                "method": result.call.method,
                                "request": evidence.replayable(result.call),
                                "reply": evidence.answer(result.call),
                            }
                            if result.call is not None
                            else {}
                        ),
                    }
                    for result in report.results
                ],
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


# ------------------------------------------------------------------------- xml

_NOT_XML: Final = re.compile(r"[^\t\n\r -\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit(report: Report) -> str:
    """Return JUnit XML, as CI systems read it; what was not run is skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name=_NOT_XML.sub("?", f"conformance {report.title}"),
        tests=str(len(report.results)),
        failures=str(report.count(Outcome.FAILED)),
        skipped=str(report.count(Outcome.NOT_RUN) + report.count(Outcome.NOT_APPLICABLE)),
        errors="0",
        time=f"{sum(result.seconds for result in report.results):.3f}",
    )
    for result in report.results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"conformance.{result.check.service.value}.{result.check.level.value}",
            name=result.check.id,
            time=f"{result.seconds:.3f}",
        )
        reason = _NOT_XML.sub("?", result.reason)
        if result.outcome is Outcome.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=reason)
            shown = evidence.brief(result.call) if result.call is not None else ""
            failure.text = _NOT_XML.sub("?", f"{result.check.sentence}\n{shown}")
        elif result.outcome is not Outcome.PASSED:
            ElementTree.SubElement(case, "skipped", message=f"{result.outcome.value}: {reason}")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


#: By suffix of the file's name.
FORMATS: Final = {".md": markdown, ".json": as_json, ".xml": junit}


def write(report: Report, path: Path) -> None:
    """Write a report in the format given by the file's name."""
    path.write_text(FORMATS[path.suffix](report), encoding="utf-8")


# ---------------------------------------------------------------------- README

BEGIN: Final = "<!-- checks:begin -->"
END: Final = "<!-- checks:end -->"


def list_of(checks: Sequence[Check]) -> str:
    """Return all checks as Markdown tables, one for each service and level: a section of the
    README.
    """
    lines = [BEGIN, f"{len(checks)} checks.", ""]
    for service in Service:
        for level in Level:
            chosen = [c for c in checks if c.service is service and c.level is level]
            if not chosen:
                continue
            lines += [f"### {service.value}, {level.value}", "", "| check | demand |", "|---|---|"]
            for check in chosen:
                mark = " (+)" if check.starts else ""
                lines.append(f"| `{check.id}`{mark} | {_cell(check.sentence)} |")
            lines.append("")
    return "\n".join([*lines, END])
