"""A tab of a real Chromium, and what tests look for in it.

The page changes while it is looked at: what it shows is waited for (`expect`), never read at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
marks = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
#: For anything that the page is to show.
_MILLISECONDS = 180_000
_CHANGED = "net::ERR_NETWORK_CHANGED"
expect = playwright.expect
expect.set_options(timeout=_MILLISECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            timeout=_MILLISECONDS,
        )
        yield made
        made.close()


@contextmanager
def tab(browser: Any, **context: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong, and which asks for nothing but its own server."""
    # Without smooth scrolling: a place that is measured stays where it is.
    made = browser.new_context(reduced_motion="reduce", **context)
    page = made.new_page()
    page.set_default_timeout(_MILLISECONDS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def dialog(shown: Any) -> None:
        wrong.append(f"dialog {shown.message}")
        shown.dismiss()

    page.on("dialog", dialog)

    def console(message: Any) -> None:
        # Containers that start beside this change the networks of the machine: the page asks again.
        if message.type == "error" and _CHANGED not in message.text:
            wrong.append(message.text)

    page.on("console", console)
    try:
        yield page
        assert not wrong
    finally:
        made.close()


def visit(page: Any, address: str) -> None:
    """Open an address, over changes of the machine's networks."""
    for left in reversed(range(5)):
        try:
            page.goto(address)
        except playwright.Error as error:
            if _CHANGED not in str(error) or not left:
                raise
        else:
            return


def see(page: Any, chart: Any) -> None:
    """Scroll to a chart until it is drawn as it is now; what is above may yet grow."""
    page.wait_for_function(
        "chart => { chart.scrollIntoView({ block: 'center' });"
        " return chart.dataset.drawn === chart.getAttribute('aria-label'); }",
        arg=chart.element_handle(),
    )


def see_all(page: Any) -> None:
    """Scroll to all charts, so that each is drawn."""
    page.locator("section.card").first.wait_for()
    expect(page.locator(".later")).to_have_count(0)
    for chart in page.locator(".canvas").all():
        see(page, chart)


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]


def open_trial(page: Any, number: int) -> None:
    """Open the details of a trial by the keyboard."""
    page.locator(f"tr[data-trial='{number}']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] h2")).to_have_text(f"Trial {number}")


def leave(page: Any) -> None:
    """Close the details of a trial by the keyboard."""
    page.keyboard.press("Escape")
    # Its content goes once the page knows; the attribute `open` goes before.
    expect(page.locator("dialog h2")).to_have_count(0)
