"""The documentation site: every page is in it, and links to the repository are turned there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from scripts.site_hooks import on_page_markdown
from suggestion import __all__ as public

ROOT = Path(__file__).resolve().parent.parent


def pages(entries: object) -> set[str]:
    if isinstance(entries, str):
        return {entries}
    values = entries.values() if isinstance(entries, dict) else entries
    assert isinstance(values, list) or hasattr(values, "__iter__")
    return {page for entry in values for page in pages(entry)}


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert pages(nav) == {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize(
    ("uri", "link", "turned"),
    [
        ("tpe.md", "../algorithms/tpe/README.md#x", "repository/algorithms/tpe/README.md#x"),
        ("tpe.md", "../algorithms/tpe/", "repository/algorithms/tpe/README.md"),
        ("tpe.md", "server.md#limits", "server.md#limits"),
        ("repository/README.md", "docs/regret.svg", "../regret.svg"),
        ("research/tpe.md", "../tpe.md", "../tpe.md"),
        ("repository/algorithms/tpe/README.md", "../../docs/tpe.md", "../../../tpe.md"),
        ("tpe.md", "nothing.md", "nothing.md"),  # which the build then refuses
    ],
)
def test_links(uri: str, link: str, turned: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri=uri))
    assert on_page_markdown(f"a [b]({link}) c", page, None, None) == f"a [b]({turned}) c"


def test_a_folder_that_is_no_page_is_text() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="tpe.md"))
    assert on_page_markdown("[b](../scripts)", page, None, None) == "b"


def test_public_functions_are_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    left_out = {"__version__", "LocalServer", "ServerError", "Parameter", "Plot", "BrokenRule"}
    errors = {"InvalidArgument", "NoResult", "SpaceExhausted", "TrialError"}  # of one module
    assert [name for name in public if name not in text and name not in left_out | errors] == []
