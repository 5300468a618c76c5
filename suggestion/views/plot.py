"""An experiment as one HTML page that needs no network: the page of ``suggest ui``, with its data.

A browser runs it without a server; what only a server has, such as outputs of trials, is left out.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from suggestion.views import status
from suggestion.views.web import reading
from suggestion.views.web.importance import importance

_POLICY: Final = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:\">"
)


def page(directory: Path) -> str:
    """Return the page for the experiment in `directory`.

    Raises:
        FileNotFoundError: If there is none.
        sqlite3.Error: If its state cannot be read.
    """
    return render(data(directory))


def data(directory: Path) -> dict[str, Any]:
    """Return what the page shows, as JSON."""
    experiment, trials = status.load(directory)
    return {**reading.read(directory), "importance": importance(experiment, trials)}


def render(of: dict[str, Any]) -> str:
    """Return the page that shows `of`."""
    text = json.dumps(of, allow_nan=False, separators=(",", ":"))
    # Inside <script>, where only this could end the element.
    text = text.replace("<", "\\u003c")
    made = _static("index.html")
    for place, content in (
        ('<meta charset="utf-8">', f'<meta charset="utf-8">\n{_POLICY}'),
        ('<link rel="stylesheet" href="app.css">', f"<style>{_static('app.css')}</style>"),
        ('<script src="app.js" defer></script>', f"<script>{_static('app.js')}</script>"),
        ('id="data">null<', f'id="data">{text}<'),
    ):
        before, found, after = made.partition(place)
        assert found, place
        made = before + content + after
    return made


def _static(name: str) -> str:
    return files("suggestion.views.web").joinpath("static", name).read_text(encoding="utf-8")
