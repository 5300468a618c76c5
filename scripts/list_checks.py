"""Writes the list of checks into conformance_tests/README.md."""

from __future__ import annotations

from pathlib import Path

from suggestion.conformance import report
from suggestion.conformance.check import all_checks

README = Path(__file__).resolve().parent.parent / "conformance_tests" / "README.md"


def main() -> None:
    """Replaces what stands between the two marks."""
    text = README.read_text("utf-8")
    before, rest = text.split(report.BEGIN)
    after = rest.split(report.END)[1]
    README.write_text(before + report.list_of(all_checks()) + after, "utf-8")


main()
