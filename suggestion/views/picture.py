"""A chart of the page as a file for papers: SVG or PNG, drawn by the page itself in a browser.

Nothing is asked of a network, and no window opens: Chromium or Chrome runs the page without one.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from suggestion.views import plot

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS: Final = 120
_FOUND: Final = re.compile(rb'data-picture="([A-Za-z0-9+/=]+)"')


class CannotDraw(Exception):
    """A picture that cannot be made; the text says why."""


def draw(directory: Path, chart: str, kind: str) -> bytes:
    """Return a chart of the experiment in `directory`.

    Args:
        chart: Its name, as the page saves it: ``best-so-far``.
        kind: ``svg`` or ``png``.

    Raises:
        CannotDraw: If there is no browser, or nothing on the chart.
        FileNotFoundError, sqlite3.Error: If the experiment cannot be read.
    """
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise CannotDraw(
            f"a picture is drawn by Chromium or Chrome: one of {', '.join(_BROWSERS)} must be on "
            "the PATH, got none; the page that 'suggest plot' writes has buttons that save charts"
        )
    with tempfile.TemporaryDirectory(prefix="suggest-plot-") as folder:
        page = Path(folder, "page.html")
        page.write_text(plot.page(directory), encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={folder}/profile",
            "--window-size=1000,800",
            "--virtual-time-budget=10000",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "--dump-dom",
            f"{page.as_uri()}#picture/{kind}/{quote(chart, safe='')}",
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
        except subprocess.TimeoutExpired as error:
            raise CannotDraw(f"{browser}: no picture within {_SECONDS} s") from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotDraw(f"{browser}: cannot be run: {error}") from error
    found = _FOUND.search(done.stdout)
    if found is None:
        raise CannotDraw(f"chart {chart!r}: there is nothing on it yet")
    return base64.b64decode(found[1])
