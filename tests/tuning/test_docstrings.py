"""The examples in docstrings run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import suggestion

PACKAGE = Path(suggestion.__file__).parent
MODULES = ["suggestion"]
MODULES += [
    ".".join(("suggestion", *path.relative_to(PACKAGE).with_suffix("").parts))
    for folder in ("tuning", "reporting", "client", "integrations")
    for path in sorted((PACKAGE / folder).rglob("*.py"))
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    if name.startswith("suggestion.integrations."):
        pytest.importorskip(name, reason="its library is not installed", exc_type=ImportError)
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
