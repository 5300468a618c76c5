"""`suggest trials` for people, in terminals of any width."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from suggestion.views import listing, status
from tests.web.support import experiment, store, trial


@pytest.mark.parametrize("columns", [80, 50, 30])
def test_no_value_is_broken_at_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    folder = store(tmp_path / "one", experiment(), [trial(n, n + 0.123456) for n in range(2)])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = re.sub(r"\x1b\[\d+m", "", listing.table(*status.load(folder)))
    assert max(map(len, shown.splitlines())) <= columns, shown
    words = shown.split()
    assert {"00000001" if columns == 50 else "study-00000001", "Succeeded", "1.1235"} <= {*words}
    # One line for each trial, else one for each of its values.
    assert shown.count("lr") == (2 if columns == 30 else 1)
